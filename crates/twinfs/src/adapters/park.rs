//! `Park`: an async store whose caller's thread waits until the future is done.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::opaque::opaque_debug;
use crate::path::FsPath;
use crate::store::verbs::{for_each_file_verb, for_each_store_verb};
use crate::store::{
    AsyncFile, AsyncLister, AsyncStore, Capabilities, CreateDirOptions, Data, Entry, Immediate, ListOptions,
    Metadata, MoveOptions, OpenOptions, PublishItem, ReadOptions, RemoveOptions, StageOptions, Staged,
    StagedId, StagedTarget, StatOptions, WriteItem, WriteOptions,
};

struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Only the first wake since the last poll needs the system call.
        if !self.woken.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}

/// Runs a future to its end while the calling thread waits.
///
/// The future must make progress elsewhere: on twinfs's pool or its network runtime. It works
/// inside a running executor, whose thread it then blocks.
///
/// # Errors
/// Those of the future; `InvalidInput` on a thread of twinfs's own network runtime, where waiting
/// could never end.
pub fn park_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    if crate::seam::on_own_runtime() {
        return Err(Error::new(ErrorKind::InvalidInput).with_message(
            "the sync face was called on a thread of twinfs's own runtime; use the async face there",
        ));
    }
    let unpark = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
    let waker = Waker::from(Arc::clone(&unpark));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(result) = future.as_mut().poll(&mut context) {
            return result;
        }
        while !unpark.woken.swap(false, Ordering::Acquire) {
            thread::park();
        }
    }
}

/// An async store on the sync face: each verb parks the calling thread until it is done.
pub struct Park<S>(Arc<S>);

impl<S: AsyncStore> Park<S> {
    /// Adapts a store.
    #[must_use]
    pub fn new(store: Arc<S>) -> Self {
        Self(store)
    }
}

impl<S> Clone for Park<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: AsyncStore> Immediate for Park<S> {
    type Concurrent = S;

    fn concurrent(self: &Arc<Self>) -> Arc<S> {
        Arc::clone(&self.0)
    }
}

macro_rules! impl_park {
    (values { $($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)* }
     files { $($open:ident($($oarg:ident: $oty:ty),*);)* }) => {
        impl<S: AsyncStore> AsyncStore for Park<S> {
            type File = ParkFile<S::File>;
            type Lister = ParkLister<S::Lister>;

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
                park_on(self.0.$name($($arg),*))
            })*

            $(async fn $open(&self, $($oarg: &$oty),*) -> Result<Self::File> {
                Ok(ParkFile(park_on(self.0.$open($($oarg),*))?))
            })*

            async fn list(&self, path: &FsPath, options: &ListOptions) -> Result<Self::Lister> {
                Ok(ParkLister(park_on(self.0.list(path, options))?))
            }
        }
    };
}

for_each_store_verb!(impl_park);

/// An open file of [`Park`].
pub struct ParkFile<F>(F);

macro_rules! impl_park_file {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        impl<F: AsyncFile> AsyncFile for ParkFile<F> {
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$ret> {
                park_on(self.0.$name($($arg),*))
            })*

            async fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
                park_on(self.0.read_at(offset, buf))
            }

            fn try_read_at(&self, offset: u64, buf: &mut [u8]) -> Option<usize> {
                self.0.try_read_at(offset, buf)
            }

            async fn write_at(&self, offset: u64, data: &Data<'_>) -> Result<()> {
                park_on(self.0.write_at(offset, data))
            }
        }
    };
}

for_each_file_verb!(impl_park_file);

/// A running listing of [`Park`].
pub struct ParkLister<L>(L);

impl<L: AsyncLister> AsyncLister for ParkLister<L> {
    async fn next_page(&mut self, max: usize) -> Result<Vec<Entry>> {
        park_on(self.0.next_page(max))
    }
}

opaque_debug! {
    impl[S] Park<S>, "Park";
    impl[F] ParkFile<F>, "ParkFile";
    impl[L] ParkLister<L>, "ParkLister";
}
