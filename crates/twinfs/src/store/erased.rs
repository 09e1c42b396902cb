//! The erased twin: one type for every store, for the URL registry, layers and Python.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

use super::verbs::{for_each_file_verb, for_each_store_verb};
use super::{
    AsyncFile, AsyncLister, AsyncStore, BlockingStore, Capabilities, CreateDirOptions, Data, Entry,
    Immediate, ListOptions, Metadata, MoveOptions, OpenOptions, PublishItem, ReadOptions, RemoveOptions,
    StageOptions, Staged, StagedId, StagedTarget, StatOptions, WriteItem, WriteOptions,
};
use crate::adapters::{OffThread, OffThreadFile, OffThreadLister, Park, Ready, ReadyFile, ReadyLister};
use crate::error::Result;
use crate::opaque::opaque_debug;
use crate::path::FsPath;
use crate::stores::memory::MemoryStore;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

macro_rules! erased_store_trait {
    (values { $($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)* }
     files { $($open:ident($($oarg:ident: $oty:ty),*);)* }) => {
        /// [`AsyncStore`] with boxed futures.
        trait ErasedStore: Send + Sync {
            fn scheme(&self) -> &'static str;
            fn capabilities(&self) -> &Capabilities;
            fn try_stat(&self, path: &FsPath, options: &StatOptions) -> Option<Metadata>;
            fn try_read(&self, path: &FsPath, options: &ReadOptions) -> Option<Bytes>;
            $(fn $name<'a>(&'a self, $($arg: &'a $ty),*) -> BoxFuture<'a, $ret>;)*
            $(fn $open<'a>(&'a self, $($oarg: &'a $oty),*) -> BoxFuture<'a, Box<dyn ErasedFile>>;)*
            fn list<'a>(&'a self, path: &'a FsPath, options: &'a ListOptions) -> BoxFuture<'a, Box<dyn ErasedLister>>;
        }

        impl<S: AsyncStore> ErasedStore for S {
            fn scheme(&self) -> &'static str {
                AsyncStore::scheme(self)
            }
            fn capabilities(&self) -> &Capabilities {
                AsyncStore::capabilities(self)
            }
            fn try_stat(&self, path: &FsPath, options: &StatOptions) -> Option<Metadata> {
                AsyncStore::try_stat(self, path, options)
            }
            fn try_read(&self, path: &FsPath, options: &ReadOptions) -> Option<Bytes> {
                AsyncStore::try_read(self, path, options)
            }
            $(fn $name<'a>(&'a self, $($arg: &'a $ty),*) -> BoxFuture<'a, $ret> {
                Box::pin(AsyncStore::$name(self, $($arg),*))
            })*
            $(fn $open<'a>(&'a self, $($oarg: &'a $oty),*) -> BoxFuture<'a, Box<dyn ErasedFile>> {
                Box::pin(async move {
                    let file: Box<dyn ErasedFile> = Box::new(AsyncStore::$open(self, $($oarg),*).await?);
                    Ok(file)
                })
            })*
            fn list<'a>(&'a self, path: &'a FsPath, options: &'a ListOptions) -> BoxFuture<'a, Box<dyn ErasedLister>> {
                Box::pin(async move {
                    let lister: Box<dyn ErasedLister> = Box::new(AsyncStore::list(self, path, options).await?);
                    Ok(lister)
                })
            }
        }

        impl<Face: Send + Sync + 'static> AsyncStore for DynStore<Face> {
            type File = DynFile;
            type Lister = DynLister;

            fn scheme(&self) -> &'static str {
                match &self.kind {
                    Kind::Memory(store) => AsyncStore::scheme(store),
                    Kind::Ready(store) => AsyncStore::scheme(store),
                    Kind::OffThread(store) => AsyncStore::scheme(store),
                    Kind::Erased(store) => store.scheme(),
                }
            }

            fn capabilities(&self) -> &Capabilities {
                match &self.kind {
                    Kind::Memory(store) => AsyncStore::capabilities(store),
                    Kind::Ready(store) => AsyncStore::capabilities(store),
                    Kind::OffThread(store) => AsyncStore::capabilities(store),
                    Kind::Erased(store) => store.capabilities(),
                }
            }

            fn try_stat(&self, path: &FsPath, options: &StatOptions) -> Option<Metadata> {
                match &self.kind {
                    Kind::Memory(store) => AsyncStore::try_stat(store, path, options),
                    Kind::Ready(store) => AsyncStore::try_stat(store, path, options),
                    Kind::OffThread(store) => AsyncStore::try_stat(store, path, options),
                    Kind::Erased(store) => store.try_stat(path, options),
                }
            }

            fn try_read(&self, path: &FsPath, options: &ReadOptions) -> Option<Bytes> {
                match &self.kind {
                    Kind::Memory(store) => AsyncStore::try_read(store, path, options),
                    Kind::Ready(store) => AsyncStore::try_read(store, path, options),
                    Kind::OffThread(store) => AsyncStore::try_read(store, path, options),
                    Kind::Erased(store) => store.try_read(path, options),
                }
            }

            $(async fn $name(&self, $($arg: &$ty),*) -> Result<$ret> {
                match &self.kind {
                    Kind::Memory(store) => AsyncStore::$name(store, $($arg),*).await,
                    Kind::Ready(store) => AsyncStore::$name(store, $($arg),*).await,
                    Kind::OffThread(store) => AsyncStore::$name(store, $($arg),*).await,
                    Kind::Erased(store) => store.$name($($arg),*).await,
                }
            })*

            $(async fn $open(&self, $($oarg: &$oty),*) -> Result<DynFile> {
                Ok(DynFile(match &self.kind {
                    Kind::Memory(store) => FileKind::Ready(AsyncStore::$open(store, $($oarg),*).await?),
                    Kind::Ready(store) => FileKind::Ready(AsyncStore::$open(store, $($oarg),*).await?),
                    Kind::OffThread(store) => FileKind::OffThread(AsyncStore::$open(store, $($oarg),*).await?),
                    Kind::Erased(store) => FileKind::Erased(store.$open($($oarg),*).await?),
                }))
            })*

            async fn list(&self, path: &FsPath, options: &ListOptions) -> Result<DynLister> {
                Ok(DynLister(match &self.kind {
                    Kind::Memory(store) => ListerKind::Ready(AsyncStore::list(store, path, options).await?),
                    Kind::Ready(store) => ListerKind::Ready(AsyncStore::list(store, path, options).await?),
                    Kind::OffThread(store) => ListerKind::OffThread(AsyncStore::list(store, path, options).await?),
                    Kind::Erased(store) => ListerKind::Erased(store.list(path, options).await?),
                }))
            }
        }
    };
}

for_each_store_verb!(erased_store_trait);

macro_rules! erased_file_trait {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        /// [`AsyncFile`] with boxed futures.
        trait ErasedFile: Send + Sync {
            $(fn $name(&self, $($arg: $ty),*) -> BoxFuture<'_, $ret>;)*
            fn read_at<'a>(&'a self, offset: u64, buf: &'a mut [u8]) -> BoxFuture<'a, usize>;
            fn try_read_at(&self, offset: u64, buf: &mut [u8]) -> Option<usize>;
            fn write_at<'a>(&'a self, offset: u64, data: &'a Data<'_>) -> BoxFuture<'a, ()>;
        }

        impl<F: AsyncFile> ErasedFile for F {
            $(fn $name(&self, $($arg: $ty),*) -> BoxFuture<'_, $ret> {
                Box::pin(AsyncFile::$name(self, $($arg),*))
            })*
            fn read_at<'a>(&'a self, offset: u64, buf: &'a mut [u8]) -> BoxFuture<'a, usize> {
                Box::pin(AsyncFile::read_at(self, offset, buf))
            }
            fn try_read_at(&self, offset: u64, buf: &mut [u8]) -> Option<usize> {
                AsyncFile::try_read_at(self, offset, buf)
            }
            fn write_at<'a>(&'a self, offset: u64, data: &'a Data<'_>) -> BoxFuture<'a, ()> {
                Box::pin(AsyncFile::write_at(self, offset, data))
            }
        }

        impl AsyncFile for DynFile {
            $(async fn $name(&self, $($arg: $ty),*) -> Result<$ret> {
                match &self.0 {
                    FileKind::Ready(file) => AsyncFile::$name(file, $($arg),*).await,
                    FileKind::OffThread(file) => AsyncFile::$name(file, $($arg),*).await,
                    FileKind::Erased(file) => file.$name($($arg),*).await,
                }
            })*

            async fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
                match &self.0 {
                    FileKind::Ready(file) => AsyncFile::read_at(file, offset, buf).await,
                    FileKind::OffThread(file) => AsyncFile::read_at(file, offset, buf).await,
                    FileKind::Erased(file) => file.read_at(offset, buf).await,
                }
            }

            fn try_read_at(&self, offset: u64, buf: &mut [u8]) -> Option<usize> {
                match &self.0 {
                    FileKind::Ready(file) => AsyncFile::try_read_at(file, offset, buf),
                    FileKind::OffThread(file) => AsyncFile::try_read_at(file, offset, buf),
                    FileKind::Erased(file) => file.try_read_at(offset, buf),
                }
            }

            async fn write_at(&self, offset: u64, data: &Data<'_>) -> Result<()> {
                match &self.0 {
                    FileKind::Ready(file) => AsyncFile::write_at(file, offset, data).await,
                    FileKind::OffThread(file) => AsyncFile::write_at(file, offset, data).await,
                    FileKind::Erased(file) => file.write_at(offset, data).await,
                }
            }
        }
    };
}

for_each_file_verb!(erased_file_trait);

/// [`AsyncLister`] with boxed futures.
trait ErasedLister: Send {
    fn next_page(&mut self, max: usize) -> BoxFuture<'_, Vec<Entry>>;
}

impl<L: AsyncLister> ErasedLister for L {
    fn next_page(&mut self, max: usize) -> BoxFuture<'_, Vec<Entry>> {
        Box::pin(AsyncLister::next_page(self, max))
    }
}

/// Marks a [`DynStore`] for the async face.
#[derive(Clone, Copy, Debug)]
pub struct AsyncFace;

/// Marks a [`DynStore`] for the sync face: its futures are ready at once.
#[derive(Clone, Copy, Debug)]
pub struct SyncFace;

/// Any store, erased. Local disk, memory and other blocking stores cost no boxed future.
pub struct DynStore<Face = AsyncFace> {
    kind: Kind,
    /// Where operations of `kind` wait in the calling thread: the same store without the waiting.
    concurrent: Option<Kind>,
    face: PhantomData<Face>,
}

#[derive(Clone)]
enum Kind {
    Memory(Ready<MemoryStore>),
    Ready(Ready<dyn BlockingStore>),
    OffThread(OffThread<dyn BlockingStore>),
    Erased(Arc<dyn ErasedStore>),
}

impl<Face> Clone for DynStore<Face> {
    fn clone(&self) -> Self {
        Self { kind: self.kind.clone(), concurrent: self.concurrent.clone(), face: PhantomData }
    }
}

impl Immediate for DynStore<SyncFace> {
    type Concurrent = DynStore<AsyncFace>;

    fn concurrent(self: &Arc<Self>) -> Arc<DynStore<AsyncFace>> {
        let kind = self.concurrent.as_ref().unwrap_or(&self.kind).clone();
        Arc::new(DynStore { kind, concurrent: None, face: PhantomData })
    }
}

impl<Face> DynStore<Face> {
    /// The memory store, where this is one without a layer around it.
    ///
    /// ```
    /// let fs = twinfs::blocking::Fs::memory();
    /// fs.write("a/b.txt", "hello")?;
    /// let memory = fs.store().memory().unwrap();
    /// assert_eq!(memory.node("a/b.txt").unwrap().bytes().unwrap(), "hello");
    /// # Ok::<(), twinfs::Error>(())
    /// ```
    #[must_use]
    pub fn memory(&self) -> Option<&Arc<MemoryStore>> {
        match &self.kind {
            Kind::Memory(store) => Some(store.store()),
            _ => None,
        }
    }
}

impl DynStore<AsyncFace> {
    /// Erases an async store, or layers over one.
    #[must_use]
    pub fn new(store: impl AsyncStore) -> Self {
        Self { kind: Kind::Erased(Arc::new(store)), concurrent: None, face: PhantomData }
    }
}

impl DynStore<SyncFace> {
    /// Erases a store whose futures are ready at once, or layers over one.
    #[must_use]
    pub fn new(store: impl Immediate) -> Self {
        let store = Arc::new(store);
        let concurrent = Some(Kind::Erased(store.concurrent()));
        Self { kind: Kind::Erased(store), concurrent, face: PhantomData }
    }
}

/// A store whose futures are ready at once is an async store, too: one that works in whatever thread
/// polls it.
impl From<DynStore<SyncFace>> for DynStore<AsyncFace> {
    fn from(store: DynStore<SyncFace>) -> Self {
        Self { kind: store.kind, concurrent: None, face: PhantomData }
    }
}

/// An open file of a [`DynStore`].
pub struct DynFile(FileKind);

enum FileKind {
    Ready(ReadyFile),
    OffThread(OffThreadFile),
    Erased(Box<dyn ErasedFile>),
}

/// A running listing of a [`DynStore`].
pub struct DynLister(ListerKind);

enum ListerKind {
    Ready(ReadyLister),
    OffThread(OffThreadLister),
    Erased(Box<dyn ErasedLister>),
}

impl AsyncLister for DynLister {
    async fn next_page(&mut self, max: usize) -> Result<Vec<Entry>> {
        match &mut self.0 {
            ListerKind::Ready(lister) => AsyncLister::next_page(lister, max).await,
            ListerKind::OffThread(lister) => AsyncLister::next_page(lister, max).await,
            ListerKind::Erased(lister) => lister.next_page(max).await,
        }
    }
}

/// A store as it was made, before it is given a face: what the URL registry opens.
#[derive(Clone)]
pub enum AnyStore {
    /// The memory store, which needs no hop and no box on either face.
    Memory(Arc<MemoryStore>),
    /// A store whose natural face is sync.
    Blocking(Arc<dyn BlockingStore>),
    /// A store whose natural face is async, erased.
    Async(DynStore<AsyncFace>),
}

impl AnyStore {
    /// A store whose natural face is async.
    #[must_use]
    pub fn new_async(store: impl AsyncStore) -> Self {
        Self::Async(DynStore::<AsyncFace>::new(store))
    }

    /// A store whose natural face is sync.
    #[must_use]
    pub fn new_blocking(store: impl BlockingStore) -> Self {
        Self::Blocking(Arc::new(store))
    }

    /// This store on the async face.
    #[must_use]
    pub fn into_async(self) -> DynStore<AsyncFace> {
        let kind = match self {
            Self::Memory(store) => Kind::Memory(Ready::new(store)),
            Self::Blocking(store) if store.is_instant() => Kind::Ready(Ready::new(store)),
            Self::Blocking(store) => Kind::OffThread(OffThread::new(store)),
            Self::Async(store) => return store,
        };
        DynStore { kind, concurrent: None, face: PhantomData }
    }

    /// This store on the sync face.
    #[must_use]
    pub fn into_sync(self) -> DynStore<SyncFace> {
        let kind = match self {
            Self::Memory(store) => Kind::Memory(Ready::new(store)),
            Self::Blocking(store) => Kind::Ready(Ready::new(store)),
            Self::Async(store) => {
                let concurrent = Some(store.kind.clone());
                let kind = Kind::Erased(Arc::new(Park::new(Arc::new(store))));
                return DynStore { kind, concurrent, face: PhantomData };
            }
        };
        DynStore { kind, concurrent: None, face: PhantomData }
    }
}

opaque_debug! {
    impl[] DynFile, "DynFile";
    impl[] DynLister, "DynLister";
    impl[] AnyStore, "AnyStore";
}

impl<Face: Send + Sync + 'static> std::fmt::Debug for DynStore<Face> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynStore").field("scheme", &AsyncStore::scheme(self)).finish_non_exhaustive()
    }
}
