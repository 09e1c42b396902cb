//! `OffThread`: a blocking store whose verbs run on the pool, one hop each.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::error::Result;
use crate::opaque::opaque_debug;
use crate::path::FsPath;
use crate::pool::{self, Lane};
use crate::store::verbs::{Hop, for_each_file_verb, for_each_store_verb};
use crate::store::{
    AsyncFile, AsyncLister, AsyncStore, BlockingFile, BlockingLister, BlockingStore, Capabilities,
    CreateDirOptions, Data, Entry, ListOptions, Metadata, MoveOptions, OpenOptions, PublishItem, ReadOptions,
    RemoveOptions, StageOptions, Staged, StagedId, StagedTarget, StatOptions, WriteItem, WriteOptions,
};
use crate::turn::{self, Over};

/// A blocking store whose verbs run on the worker pool: the async face of local disk.
///
/// `stat`, `read` and the reads of an open file are first attempted where they are awaited, if the
/// store can answer from memory ([`BlockingStore::try_read`]) and the [turn](crate::turn) of the thread
/// is not used up: a small file in the page cache costs no hop.
///
/// Dropping a verb's future takes its job out of the queue; a job that already runs is left to
/// end, and what it gives (an open file, say) is dropped there.
pub struct OffThread<S: ?Sized>(Arc<S>);

impl<S: BlockingStore + ?Sized> OffThread<S> {
    /// Adapts a store.
    #[must_use]
    pub fn new(store: Arc<S>) -> Self {
        Self(store)
    }

    /// The store itself.
    #[must_use]
    pub fn store(&self) -> &Arc<S> {
        &self.0
    }
}

impl<S: ?Sized> Clone for OffThread<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// What came of an attempt before the hop.
enum Attempted<T> {
    Answer(T),
    /// The pool is next, also so that the executor goes on if the turn is used up.
    Hop(Option<Over>),
}

impl<T> Attempted<T> {
    fn new(attempt: impl FnOnce() -> Option<T>) -> Self {
        match turn::over() {
            None => attempt().map_or(Self::Hop(None), Self::Answer),
            over => Self::Hop(over),
        }
    }
}

/// One hop, which is an opportunity for the executor, too.
async fn hop<T: Send + 'static>(
    lane: Option<Lane>,
    over: Option<Over>,
    body: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let result = pool::run_in(lane, body).await;
    if let Some(over) = over {
        over.passed();
    }
    result
}

/// The attempt of the verbs that have one.
macro_rules! attempt {
    ($store:expr, stat $arguments:tt) => {
        attempt!(@ $store, try_stat $arguments)
    };
    ($store:expr, read $arguments:tt) => {
        attempt!(@ $store, try_read $arguments)
    };
    (@ $store:expr, $name:ident($($argument:expr),*)) => {
        Attempted::new(|| $store.$name($($argument),*))
    };
    ($store:expr, $name:ident $arguments:tt) => {
        Attempted::Hop(None)
    };
}

/// The lane of the verbs that stand in each other's way.
macro_rules! lane {
    ($store:expr, write($path:expr, $data:expr, $options:expr)) => {
        $store.write_lane($path, $data.len(), $options)
    };
    ($store:expr, $name:ident $arguments:tt) => {
        None
    };
}

macro_rules! impl_off_thread {
    (values { $($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)* }
     files { $($open:ident($($oarg:ident: $oty:ty),*);)* }) => {
        impl<S: BlockingStore + ?Sized> AsyncStore for OffThread<S> {
            type File = OffThreadFile;
            type Lister = OffThreadLister;

            fn scheme(&self) -> &'static str {
                self.0.scheme()
            }

            fn capabilities(&self) -> &Capabilities {
                self.0.capabilities()
            }

            fn try_stat(&self, path: &FsPath, options: &StatOptions) -> Option<Metadata> {
                self.0.try_stat(path, options)
            }

            fn try_read(&self, path: &FsPath, options: &ReadOptions) -> Option<Bytes> {
                self.0.try_read(path, options)
            }

            $(async fn $name(&self, $($arg: &$ty),*) -> Result<$ret> {
                let over = match attempt!(self.0, $name($($arg),*)) {
                    Attempted::Answer(answer) => return Ok(answer),
                    Attempted::Hop(over) => over,
                };
                let lane = lane!(self.0, $name($($arg),*));
                let store = Arc::clone(&self.0);
                $(let $arg = Hop::to_hop($arg);)*
                hop(lane, over, move || store.$name($(<$ty as Hop>::lend(&$arg)),*)).await
            })*

            $(async fn $open(&self, $($oarg: &$oty),*) -> Result<OffThreadFile> {
                let store = Arc::clone(&self.0);
                $(let $oarg = Hop::to_hop($oarg);)*
                let file = pool::run(move || store.$open($(<$oty as Hop>::lend(&$oarg)),*)).await?;
                Ok(OffThreadFile(file.into()))
            })*

            async fn list(&self, path: &FsPath, options: &ListOptions) -> Result<OffThreadLister> {
                let (store, path, options) = (Arc::clone(&self.0), path.clone(), options.clone());
                let lister = pool::run(move || store.list(&path, &options)).await?;
                Ok(OffThreadLister(Arc::new(Mutex::new(lister))))
            }
        }
    };
}

for_each_store_verb!(impl_off_thread);

/// An open file of [`OffThread`].
pub struct OffThreadFile(Arc<dyn BlockingFile>);

/// As [`attempt!`], for an open file.
macro_rules! attempt_file {
    ($file:expr, read_bytes($offset:expr, $len:expr)) => {
        Attempted::new(|| try_read_bytes(&*$file, $offset, $len))
    };
    ($file:expr, metadata()) => {
        Attempted::new(|| $file.try_metadata())
    };
    ($file:expr, $name:ident $arguments:tt) => {
        Attempted::Hop(None)
    };
}

fn try_read_bytes(file: &dyn BlockingFile, offset: u64, len: usize) -> Option<Bytes> {
    if len > turn::MAX_BYTES {
        return None;
    }
    let mut buf = vec![0; len];
    let count = file.try_read_at(offset, &mut buf)?;
    buf.truncate(count);
    Some(buf.into())
}

macro_rules! impl_off_thread_file {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        impl AsyncFile for OffThreadFile {
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$ret> {
                let over = match attempt_file!(self.0, $name($($arg),*)) {
                    Attempted::Answer(answer) => return Ok(answer),
                    Attempted::Hop(over) => over,
                };
                let file = Arc::clone(&self.0);
                hop(None, over, move || file.$name($($arg),*)).await
            })*

            async fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
                let over = match Attempted::new(|| self.0.try_read_at(offset, buf)) {
                    Attempted::Answer(count) => return Ok(count),
                    Attempted::Hop(over) => over,
                };
                let (file, len) = (Arc::clone(&self.0), buf.len());
                let bytes = hop(None, over, move || file.read_bytes(offset, len)).await?;
                buf[..bytes.len()].copy_from_slice(&bytes);
                Ok(bytes.len())
            }

            fn try_read_at(&self, offset: u64, buf: &mut [u8]) -> Option<usize> {
                self.0.try_read_at(offset, buf)
            }

            async fn write_at(&self, offset: u64, data: &Data<'_>) -> Result<()> {
                let (file, data) = (Arc::clone(&self.0), data.to_owned_data());
                pool::run(move || file.write_at(offset, &data)).await
            }
        }
    };
}

for_each_file_verb!(impl_off_thread_file);

/// A running listing of [`OffThread`]. The mutex is never waited for: `next_page` takes `&mut self`,
/// so at most an abandoned job still holds it, and then the next job waits on the pool.
pub struct OffThreadLister(Arc<Mutex<Box<dyn BlockingLister>>>);

impl AsyncLister for OffThreadLister {
    async fn next_page(&mut self, max: usize) -> Result<Vec<Entry>> {
        let lister = Arc::clone(&self.0);
        pool::run(move || lister.lock().unwrap_or_else(PoisonError::into_inner).next_page(max)).await
    }
}

opaque_debug! {
    impl[S: ?Sized] OffThread<S>, "OffThread";
    impl[] OffThreadFile, "OffThreadFile";
    impl[] OffThreadLister, "OffThreadLister";
}
