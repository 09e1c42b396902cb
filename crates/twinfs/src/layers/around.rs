//! What a layer is, and the store that carries it through every verb.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::{Operation, Result};
use crate::opaque::opaque_debug;
use crate::path::FsPath;
use crate::store::verbs::{for_each_file_verb, for_each_store_verb};
use crate::store::{
    AsyncFile, AsyncLister, AsyncStore, Capabilities, CreateDirOptions, Data, Entry, Immediate, ListOptions,
    Metadata, MoveOptions, OpenOptions, PublishItem, ReadOptions, RemoveOptions, StageOptions, Staged,
    StagedId, StagedTarget, StatOptions, WriteItem, WriteOptions,
};

/// One call of a store, file or listing, as a layer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The verb. Reads and writes through a handle are `Read` and `Write` too.
    pub operation: Operation,
}

/// What happens around every operation of a store.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use twinfs::layers::{Around, Call, ImmediateAround, Layered};
///
/// #[derive(Clone, Default)]
/// struct Count(Arc<AtomicU64>);
///
/// impl Around for Count {
///     async fn around<T: Send>(&self, _call: Call, operation: impl Future<Output = twinfs::Result<T>> + Send) -> twinfs::Result<T> {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         operation.await
///     }
/// }
///
/// // It awaits nothing but the operation, so it may stand under the sync face, too.
/// impl ImmediateAround for Count {}
///
/// let count = Count::default();
/// let store = twinfs::adapters::Ready::new(Arc::new(twinfs::stores::memory::MemoryStore::default()));
/// let fs = twinfs::blocking::Fs::new(Layered::new(store, count.clone()));
/// fs.write("a", "1")?;
/// assert_eq!(count.0.load(Ordering::Relaxed), 1);
/// # Ok::<(), twinfs::Error>(())
/// ```
pub trait Around: Send + Sync + 'static {
    /// Runs the operation, with whatever belongs before, beside and after it.
    fn around<T: Send>(
        &self,
        call: Call,
        operation: impl Future<Output = Result<T>> + Send,
    ) -> impl Future<Output = Result<T>> + Send;
}

/// A store with a layer around every operation.
pub struct Layered<S, A> {
    store: Arc<S>,
    layer: Arc<A>,
}

impl<S: AsyncStore, A: Around> Layered<S, A> {
    /// Puts a layer around a store.
    #[must_use]
    pub fn new(store: S, layer: A) -> Self {
        Self { store: Arc::new(store), layer: Arc::new(layer) }
    }

    /// The store inside.
    #[must_use]
    pub fn inner(&self) -> &S {
        &self.store
    }
}

/// A promise of a layer: [`Around::around`] awaits nothing but the operation, so that the layer may
/// stand under the sync face.
pub trait ImmediateAround: Around {}

impl<S: Immediate, A: ImmediateAround> Immediate for Layered<S, A> {
    type Concurrent = Layered<S::Concurrent, A>;

    fn concurrent(self: &Arc<Self>) -> Arc<Self::Concurrent> {
        Arc::new(Layered { store: self.store.concurrent(), layer: Arc::clone(&self.layer) })
    }
}

macro_rules! operation_of {
    (stat) => {
        Operation::Stat
    };
    (stat_many) => {
        Operation::Stat
    };
    (read) => {
        Operation::Read
    };
    (read_many) => {
        Operation::ReadMany
    };
    (write) => {
        Operation::Write
    };
    (write_parts) => {
        Operation::Write
    };
    (write_many) => {
        Operation::WriteMany
    };
    (create_dir) => {
        Operation::CreateDir
    };
    (remove) => {
        Operation::Remove
    };
    (remove_dir) => {
        Operation::RemoveDir
    };
    (remove_all) => {
        Operation::RemoveAll
    };
    (rename) => {
        Operation::Rename
    };
    (copy) => {
        Operation::Copy
    };
    (stage) => {
        Operation::Stage
    };
    (publish) => {
        Operation::Publish
    };
    (write_staged) => {
        Operation::Write
    };
    (publish_many) => {
        Operation::Publish
    };
    (discard) => {
        Operation::Discard
    };
    (list_staged) => {
        Operation::ListStaged
    };
    (open) => {
        Operation::Open
    };
    (reopen) => {
        Operation::Reopen
    };
    (read_bytes) => {
        Operation::Read
    };
    (len) => {
        Operation::Stat
    };
    (metadata) => {
        Operation::Stat
    };
    (set_len) => {
        Operation::Truncate
    };
    (flush) => {
        Operation::Flush
    };
    (commit) => {
        Operation::Commit
    };
    (abort) => {
        Operation::Abort
    };
}

macro_rules! impl_layered {
    (values { $($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)* }
     files { $($open:ident($($oarg:ident: $oty:ty),*);)* }) => {
        impl<S: AsyncStore, A: Around> AsyncStore for Layered<S, A> {
            type File = LayeredFile<S::File, A>;
            type Lister = LayeredLister<S::Lister, A>;

            fn scheme(&self) -> &'static str {
                self.store.scheme()
            }

            fn capabilities(&self) -> &Capabilities {
                self.store.capabilities()
            }

            $(async fn $name(&self, $($arg: &$ty),*) -> Result<$ret> {
                let call = Call { operation: operation_of!($name) };
                self.layer.around(call, self.store.$name($($arg),*)).await
            })*

            $(async fn $open(&self, $($oarg: &$oty),*) -> Result<Self::File> {
                let call = Call { operation: operation_of!($open) };
                let file = self.layer.around(call, self.store.$open($($oarg),*)).await?;
                Ok(LayeredFile { file, layer: Arc::clone(&self.layer) })
            })*

            async fn list(&self, path: &FsPath, options: &ListOptions) -> Result<Self::Lister> {
                let call = Call { operation: Operation::List };
                let lister = self.layer.around(call, self.store.list(path, options)).await?;
                Ok(LayeredLister { lister, layer: Arc::clone(&self.layer) })
            }
        }
    };
}

for_each_store_verb!(impl_layered);

/// An open file with a layer around every operation.
pub struct LayeredFile<F, A> {
    file: F,
    layer: Arc<A>,
}

macro_rules! impl_layered_file {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        impl<F: AsyncFile, A: Around> AsyncFile for LayeredFile<F, A> {
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$ret> {
                let call = Call { operation: operation_of!($name) };
                self.layer.around(call, self.file.$name($($arg),*)).await
            })*

            async fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
                self.layer.around(Call { operation: Operation::Read }, self.file.read_at(offset, buf)).await
            }

            async fn write_at(&self, offset: u64, data: &Data<'_>) -> Result<()> {
                self.layer.around(Call { operation: Operation::Write }, self.file.write_at(offset, data)).await
            }
        }
    };
}

for_each_file_verb!(impl_layered_file);

/// A listing with a layer around every page.
pub struct LayeredLister<L, A> {
    lister: L,
    layer: Arc<A>,
}

impl<L: AsyncLister, A: Around> AsyncLister for LayeredLister<L, A> {
    async fn next_page(&mut self, max: usize) -> Result<Vec<Entry>> {
        self.layer.around(Call { operation: Operation::List }, self.lister.next_page(max)).await
    }
}

opaque_debug! {
    impl[S, A] Layered<S, A>, "Layered";
    impl[F, A] LayeredFile<F, A>, "LayeredFile";
    impl[L, A] LayeredLister<L, A>, "LayeredLister";
}
