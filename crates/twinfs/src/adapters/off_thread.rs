//! `OffThread`: a blocking store whose verbs run on the pool, one hop each.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::error::Result;
use crate::opaque::opaque_debug;
use crate::path::FsPath;
use crate::pool;
use crate::store::verbs::{Hop, for_each_file_verb, for_each_store_verb};
use crate::store::{
    AsyncFile, AsyncLister, AsyncStore, BlockingFile, BlockingLister, BlockingStore, Capabilities,
    CreateDirOptions, Data, Entry, ListOptions, Metadata, MoveOptions, OpenOptions, ReadOptions,
    RemoveOptions, StageOptions, Staged, StagedId, StatOptions, WriteItem, WriteOptions,
};

/// A blocking store whose verbs run on the worker pool: the async face of local disk.
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

            $(async fn $name(&self, $($arg: &$ty),*) -> Result<$ret> {
                let store = Arc::clone(&self.0);
                $(let $arg = Hop::to_hop($arg);)*
                pool::run(move || store.$name($(<$ty as Hop>::lend(&$arg)),*)).await
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

macro_rules! impl_off_thread_file {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        impl AsyncFile for OffThreadFile {
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$ret> {
                let file = Arc::clone(&self.0);
                pool::run(move || file.$name($($arg),*)).await
            })*

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
