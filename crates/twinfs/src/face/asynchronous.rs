//! The async face.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;

use super::{checked, file_methods, fs_methods, try_methods};
use crate::bulk::Limit;
use crate::error::{Error, ErrorContext, ErrorKind, Operation, Result};
use crate::logic::entries::{About, Cursor};
use crate::logic::glob::Pattern;
use crate::logic::stream::Blocks;
use crate::logic::usage::{DiskUsage, disk_usage};
use crate::logic::verbs;
use crate::opaque::opaque_debug;
use crate::path::{FsPath, IntoFsPath};
use crate::store::{
    AsyncFile, AsyncStore, ByteRange, CreateDirOptions, Data, Depth, DynStore, Entry, ListOptions, Metadata,
    Mode, MoveOptions, OpenOptions, PublishItem, ReadOptions, RemoveOptions, StageOptions, Staged, StagedId,
    StagedTarget, StatOptions, WriteItem, WriteOptions,
};

/// A file system on the async face: any store, any executor.
///
/// Its futures run on whatever executor polls them; the work happens on twinfs's pool or network
/// runtime. Dropping a future cancels its operation. Cloning is cheap.
///
/// The sync face with the same methods is [`blocking::Fs`](crate::blocking::Fs).
///
/// ```
/// # smol::block_on(async {
/// let fs = twinfs::Fs::memory();
/// fs.write("notes/today.txt", "hello").await?;
/// assert_eq!(fs.read("notes/today.txt").await?, "hello");
/// # Ok::<(), twinfs::Error>(()) }).unwrap();
/// ```
pub struct Fs<S = DynStore> {
    store: Arc<S>,
    bulk_limit: Option<Limit>,
}

impl<S> Clone for Fs<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), bulk_limit: self.bulk_limit }
    }
}

impl<S: AsyncStore> Fs<S> {
    /// A file system over a store.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self { store: Arc::new(store), bulk_limit: None }
    }

    /// The store below.
    #[must_use]
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The same file system with this limit of operations in flight for its [bulk
    /// transfers](crate::bulk), where a call gives none; `None` goes back to the process's setting.
    #[must_use]
    pub fn with_bulk_limit(mut self, limit: Option<Limit>) -> Self {
        self.bulk_limit = limit;
        self
    }

    /// This file system's own limit of operations in flight, if it has one.
    #[must_use]
    pub fn bulk_limit(&self) -> Option<Limit> {
        self.bulk_limit
    }
}

macro_rules! emit_fs {
    ($($(#[$doc:meta])* example [$first:literal $(, $more:literal)*]
       fn $name:ident $(<$life:lifetime>)? ($($arg:ident: $ty:ty),*) -> $ret:ty = |$store:ident| $body:block)*) => {
        impl<S: AsyncStore> Fs<S> {
            $(
                $(#[$doc])*
                ///
                /// # Examples
                /// ```
                /// # smol::block_on(async {
                /// let fs = twinfs::Fs::memory();
                #[doc = concat!($first $(, ".await", $more)*)]
                /// # Ok::<(), twinfs::Error>(()) }).unwrap();
                /// ```
                pub async fn $name$(<$life>)?(&self, $($arg: $ty),*) -> Result<$ret> {
                    let $store = &*self.store;
                    $body
                }
            )*
        }
    };
}

fs_methods!(emit_fs);
try_methods!(
    AsyncStore,
    "# smol::block_on(async {\nlet fs = twinfs::Fs::memory();\nfs.write(\"a.txt\", \"hello\").await?;",
    "# Ok::<(), twinfs::Error>(()) }).unwrap();"
);

/// An open file on the async face.
///
/// It has a position for [`read`](Self::read), [`write`](Self::write) and [`seek`](Self::seek), and positional
/// verbs beside it. Dropped without [`commit`](Self::commit), a writer publishes nothing.
pub struct File<S: AsyncStore = DynStore> {
    inner: Arc<S::File>,
    path: FsPath,
    mode: Mode,
    position: u64,
    store: &'static str,
}

macro_rules! emit_file {
    ($($(#[$doc:meta])*
       fn $name:ident $(<$life:lifetime>)? ($($arg:ident: $ty:ty),*) -> $ret:ty = |$file:ident, $operation:ident| $body:block)*) => {
        impl<S: AsyncStore> File<S> {
            $(
                $(#[$doc])*
                #[allow(clippy::len_without_is_empty, reason = "the length is fallible; emptiness is len() == 0")]
                pub async fn $name$(<$life>)?(&self, $($arg: $ty),*) -> Result<$ret> {
                    let $file = &*self.inner;
                    let result: Result<$ret> = $body;
                    result.at(Operation::$operation, &self.path).map_err(|error| error.with_store(self.store))
                }
            )*
        }
    };
}

file_methods!(emit_file);

impl<S: AsyncStore> File<S> {
    pub(crate) fn new(file: S::File, path: FsPath, mode: Mode, store: &'static str) -> Self {
        Self { inner: Arc::new(file), path, mode, position: 0, store }
    }

    /// The path it was opened at; the root for a staged upload.
    #[must_use]
    pub fn path(&self) -> &FsPath {
        &self.path
    }

    /// The mode it was opened in.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Reads up to `len` bytes at the position and moves it; empty at the end.
    ///
    /// Cancelled, the position has not moved.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    pub async fn read(&mut self, len: usize) -> Result<Bytes> {
        let bytes = self.read_at(self.position, len).await?;
        self.position += bytes.len() as u64;
        Ok(bytes)
    }

    /// Reads from the position to the end.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    pub async fn read_to_end(&mut self) -> Result<Bytes> {
        let rest = self.len().await?.saturating_sub(self.position);
        let rest =
            usize::try_from(rest).map_err(|_| Error::new(ErrorKind::TooLarge).with_path(&self.path))?;
        self.read(rest).await
    }

    /// Writes all of the data at the position (mode `ab`: at the end) and moves it.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    pub async fn write<'data>(&mut self, data: impl Into<Data<'data>> + Send) -> Result<()> {
        let data = data.into();
        let len = data.len() as u64;
        self.write_at(self.position, data).await?;
        self.position = if self.mode == Mode::Append { self.len().await? } else { self.position + len };
        Ok(())
    }

    /// Moves the position, in bytes; gives the new one from the start.
    ///
    /// # Errors
    /// `InvalidInput` for a position before the start.
    pub async fn seek(&mut self, to: std::io::SeekFrom) -> Result<u64> {
        let len = if matches!(to, std::io::SeekFrom::End(_)) { self.len().await? } else { 0 };
        let target = super::blocking::seek_to(self.position, len, to).at(Operation::Seek, &self.path);
        self.position = target.map_err(|error| error.with_store(self.store))?;
        Ok(self.position)
    }

    /// The position, in bytes from the start.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The bytes of a range as a stream of blocks of at most `block` bytes, read ahead. The range is
    /// clipped to the file as it is now.
    ///
    /// # Errors
    /// `Closed`; each block has its own.
    pub async fn chunks(&self, range: impl Into<ByteRange> + Send, block: usize) -> Result<Chunks<S::File>> {
        let (start, len) = range.into().resolve(self.len().await?);
        let blocks = Blocks::new(Arc::clone(&self.inner), start, start + len, block);
        let about = About { operation: Operation::Read, path: self.path.clone(), store: self.store };
        Ok(Chunks { blocks, about })
    }
}

/// The blocks of a file as a stream.
pub struct Chunks<F> {
    blocks: Blocks<F>,
    about: About,
}

impl<F: AsyncFile> Chunks<F> {
    /// The next block; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|context| self.poll_block(context)).await
    }

    fn poll_block(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.blocks.poll_next(context).map_err(|error| self.about.tell(error))
    }
}

impl<F: AsyncFile> Stream for Chunks<F> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.poll_block(context)
    }
}

/// A listing under way on the async face.
pub struct Entries<S: AsyncStore = DynStore>(Option<Cursor<S::Lister>>);

impl<S: AsyncStore> Entries<S> {
    fn new(cursor: Cursor<S::Lister>) -> Self {
        Self(Some(cursor))
    }

    fn empty() -> Self {
        Self(None)
    }

    /// The next entry; `None` at the end.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn next(&mut self) -> Result<Option<Entry>> {
        match &mut self.0 {
            Some(cursor) => cursor.next().await,
            None => Ok(None),
        }
    }

    /// The next entries, at most `max`; empty at the end.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn next_page(&mut self, max: usize) -> Result<Vec<Entry>> {
        match &mut self.0 {
            Some(cursor) => cursor.next_page(max).await,
            None => Ok(Vec::new()),
        }
    }

    /// All that is left, in memory.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn collect_all(self) -> Result<Vec<Entry>> {
        match self.0 {
            Some(cursor) => cursor.collect().await,
            None => Ok(Vec::new()),
        }
    }
}

impl<S: AsyncStore> std::fmt::Debug for Fs<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fs").field("scheme", &self.store.scheme()).finish_non_exhaustive()
    }
}

impl<S: AsyncStore> std::fmt::Debug for File<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File")
            .field("path", &self.path)
            .field("mode", &self.mode)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

opaque_debug! {
    impl[F] Chunks<F>, "Chunks";
    impl[S: AsyncStore] Entries<S>, "Entries";
}
