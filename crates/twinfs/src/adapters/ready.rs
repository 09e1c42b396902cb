//! `Ready`: a blocking store called in place. Its futures are ready at the first poll.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::opaque::opaque_debug;
use crate::path::FsPath;
use crate::store::verbs::{for_each_file_verb, for_each_store_verb};
use crate::store::{
    AsyncFile, AsyncLister, AsyncStore, BlockingFile, BlockingLister, BlockingStore, Capabilities,
    CreateDirOptions, Data, Entry, Immediate, ListOptions, Metadata, MoveOptions, OpenOptions, PublishItem,
    ReadOptions, RemoveOptions, StageOptions, Staged, StagedId, StagedTarget, StatOptions, WriteItem,
    WriteOptions,
};

/// Runs a future that is ready at the first poll; no runtime, no thread, no allocation.
///
/// # Errors
/// Those of the future. A future that is still pending broke the promise of [`Immediate`]: that
/// is `Io` with a message that says so, not a hang.
pub fn ready<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    match pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(Error::new(ErrorKind::Io).with_message(
            "a store or layer of the sync face was not ready at once; it must not implement Immediate",
        )),
    }
}

/// A blocking store whose verbs run in the calling thread: the sync face of local disk, and both
/// faces of memory.
pub struct Ready<S: ?Sized>(Arc<S>);

impl<S: BlockingStore + ?Sized> Ready<S> {
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

impl<S: ?Sized> Clone for Ready<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: BlockingStore + ?Sized> Immediate for Ready<S> {
    type Concurrent = Self;

    fn concurrent(self: &Arc<Self>) -> Arc<Self> {
        Arc::clone(self)
    }
}

macro_rules! impl_ready {
    (values { $($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)* }
     files { $($open:ident($($oarg:ident: $oty:ty),*);)* }) => {
        impl<S: BlockingStore + ?Sized> AsyncStore for Ready<S> {
            type File = ReadyFile;
            type Lister = ReadyLister;

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
                self.0.$name($($arg),*)
            })*

            $(async fn $open(&self, $($oarg: &$oty),*) -> Result<ReadyFile> {
                Ok(ReadyFile(self.0.$open($($oarg),*)?))
            })*

            async fn list(&self, path: &FsPath, options: &ListOptions) -> Result<ReadyLister> {
                Ok(ReadyLister(self.0.list(path, options)?))
            }
        }
    };
}

for_each_store_verb!(impl_ready);

/// An open file of [`Ready`].
pub struct ReadyFile(Box<dyn BlockingFile>);

macro_rules! impl_ready_file {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        impl AsyncFile for ReadyFile {
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$ret> {
                self.0.$name($($arg),*)
            })*

            async fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
                self.0.read_at(offset, buf)
            }

            fn try_read_at(&self, offset: u64, buf: &mut [u8]) -> Option<usize> {
                self.0.try_read_at(offset, buf)
            }

            async fn write_at(&self, offset: u64, data: &Data<'_>) -> Result<()> {
                self.0.write_at(offset, data)
            }
        }
    };
}

for_each_file_verb!(impl_ready_file);

/// A running listing of [`Ready`].
pub struct ReadyLister(Box<dyn BlockingLister>);

impl AsyncLister for ReadyLister {
    async fn next_page(&mut self, max: usize) -> Result<Vec<Entry>> {
        self.0.next_page(max)
    }
}

opaque_debug! {
    impl[S: ?Sized] Ready<S>, "Ready";
    impl[] ReadyFile, "ReadyFile";
    impl[] ReadyLister, "ReadyLister";
}
