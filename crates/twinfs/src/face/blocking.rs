//! The sync face: the same methods, without `.await`.
//!
//! Over local disk and memory it starts no thread and no runtime, works inside a running executor
//! and after `fork`.

use std::io::{self, SeekFrom};
use std::sync::Arc;

use bytes::Bytes;

use super::{checked, file_methods, fs_methods, try_methods};
use crate::adapters::ready;
use crate::bulk::Limit;
use crate::error::{Error, ErrorContext, ErrorKind, Operation, Result};
use crate::logic::entries::Cursor;
use crate::logic::glob::Pattern;
use crate::logic::stream::STREAM_BLOCK;
use crate::logic::usage::{DiskUsage, disk_usage};
use crate::logic::verbs;
use crate::opaque::opaque_debug;
use crate::path::{FsPath, IntoFsPath};
use crate::store::{
    AsyncFile, ByteRange, CreateDirOptions, Data, Depth, DynStore, Entry, Immediate, ListOptions, Metadata,
    Mode, MoveOptions, OpenOptions, PublishItem, ReadOptions, RemoveOptions, StageOptions, Staged, StagedId,
    StagedTarget, StatOptions, SyncFace, WriteItem, WriteOptions,
};

/// A file system on the sync face.
///
/// The async face with the same methods is [`twinfs::Fs`](crate::Fs). Cloning is cheap.
///
/// ```
/// let fs = twinfs::blocking::Fs::memory();
/// fs.write("notes/today.txt", "hello")?;
/// assert_eq!(fs.read("notes/today.txt")?, "hello");
/// # Ok::<(), twinfs::Error>(())
/// ```
pub struct Fs<S = DynStore<SyncFace>> {
    store: Arc<S>,
    bulk_limit: Option<Limit>,
}

impl<S> Clone for Fs<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), bulk_limit: self.bulk_limit }
    }
}

impl<S: Immediate> Fs<S> {
    /// A file system over a store whose futures are ready at once: [`Ready`](crate::adapters::Ready),
    /// [`Park`](crate::adapters::Park), or layers over them.
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

    /// The store whose operations may overlap, for the bulk transfers.
    pub(crate) fn concurrent(&self) -> Arc<S::Concurrent> {
        self.store.concurrent()
    }
}

macro_rules! emit_fs {
    ($($(#[$doc:meta])* example [$($piece:literal),*]
       fn $name:ident $(<$life:lifetime>)? ($($arg:ident: $ty:ty),*) -> $ret:ty = |$store:ident| $body:block)*) => {
        impl<S: Immediate> Fs<S> {
            $(
                $(#[$doc])*
                ///
                /// # Examples
                /// ```
                /// let fs = twinfs::blocking::Fs::memory();
                #[doc = concat!($($piece),*)]
                /// # Ok::<(), twinfs::Error>(())
                /// ```
                pub fn $name$(<$life>)?(&self, $($arg: $ty),*) -> Result<$ret> {
                    let $store = &*self.store;
                    ready(async { $body })
                }
            )*
        }
    };
}

fs_methods!(emit_fs);
try_methods!(
    Immediate,
    "let fs = twinfs::blocking::Fs::memory();\nfs.write(\"a.txt\", \"hello\")?;",
    "# Ok::<(), twinfs::Error>(())"
);

/// An open file on the sync face; also `std::io::Read`, `Write` and `Seek`.
///
/// Dropped without [`commit`](Self::commit), a writer publishes nothing.
pub struct File<S: Immediate = DynStore<SyncFace>> {
    inner: S::File,
    path: FsPath,
    mode: Mode,
    position: u64,
    store: &'static str,
}

macro_rules! emit_file {
    ($($(#[$doc:meta])*
       fn $name:ident $(<$life:lifetime>)? ($($arg:ident: $ty:ty),*) -> $ret:ty = |$file:ident, $operation:ident| $body:block)*) => {
        impl<S: Immediate> File<S> {
            $(
                $(#[$doc])*
                #[allow(clippy::len_without_is_empty, reason = "the length is fallible; emptiness is len() == 0")]
                pub fn $name$(<$life>)?(&self, $($arg: $ty),*) -> Result<$ret> {
                    let $file = &self.inner;
                    let result = ready(async { $body }).at(Operation::$operation, &self.path);
                    result.map_err(|error| error.with_store(self.store))
                }
            )*
        }
    };
}

file_methods!(emit_file);

impl<S: Immediate> File<S> {
    pub(crate) fn new(inner: S::File, path: FsPath, mode: Mode, store: &'static str) -> Self {
        Self { inner, path, mode, position: 0, store }
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
    /// # Errors
    /// As [`read_at`](Self::read_at).
    pub fn read(&mut self, len: usize) -> Result<Bytes> {
        let bytes = self.read_at(self.position, len)?;
        self.position += bytes.len() as u64;
        Ok(bytes)
    }

    /// Reads from the position to the end.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    pub fn read_to_end(&mut self) -> Result<Bytes> {
        let rest = self.len()?.saturating_sub(self.position);
        let rest =
            usize::try_from(rest).map_err(|_| Error::new(ErrorKind::TooLarge).with_path(&self.path))?;
        self.read(rest)
    }

    /// Writes all of the data at the position (mode `ab`: at the end) and moves it.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at).
    pub fn write<'data>(&mut self, data: impl Into<Data<'data>> + Send) -> Result<()> {
        let data = data.into();
        let len = data.len() as u64;
        self.write_at(self.position, data)?;
        self.position = if self.mode == Mode::Append { self.len()? } else { self.position + len };
        Ok(())
    }

    /// Moves the position, in bytes; gives the new one from the start.
    ///
    /// # Errors
    /// `InvalidInput` for a position before the start.
    pub fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let len = if matches!(to, SeekFrom::End(_)) { self.len()? } else { 0 };
        let target = seek_to(self.position, len, to).at(Operation::Seek, &self.path);
        self.position = target.map_err(|error| error.with_store(self.store))?;
        Ok(self.position)
    }

    /// The position, in bytes from the start.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The bytes of a range as blocks of at most `block` bytes. The range is clipped to the file as
    /// it is now.
    ///
    /// # Errors
    /// `Closed`; each block has its own.
    pub fn chunks(&self, range: impl Into<ByteRange> + Send, block: usize) -> Result<Chunks<'_, S>> {
        let (start, len) = range.into().resolve(self.len()?);
        Ok(Chunks { file: self, next: start, end: start + len, block: block.max(1) })
    }
}

/// The position that a seek means.
pub(crate) fn seek_to(position: u64, len: u64, to: SeekFrom) -> Result<u64> {
    let target = match to {
        SeekFrom::Start(offset) => Some(offset),
        SeekFrom::Current(delta) => position.checked_add_signed(delta),
        SeekFrom::End(delta) => len.checked_add_signed(delta),
    };
    target.ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput).with_message(
            "the position would lie before the start of the file, or beyond what an offset can say",
        )
    })
}

impl<S: Immediate> io::Read for File<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.read_into_at(self.position, buf)?;
        self.position += count as u64;
        Ok(count)
    }
}

impl<S: Immediate> io::Write for File<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Self::write(self, buf)?;
        Ok(buf.len())
    }

    /// Does nothing: bytes are with the store already. To publish them, call `commit`.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Immediate> io::Seek for File<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        Ok(Self::seek(self, to)?)
    }
}

/// The blocks of a file.
pub struct Chunks<'file, S: Immediate = DynStore<SyncFace>> {
    file: &'file File<S>,
    next: u64,
    end: u64,
    block: usize,
}

impl<S: Immediate> Iterator for Chunks<'_, S> {
    type Item = Result<Bytes>;

    fn next(&mut self) -> Option<Result<Bytes>> {
        let rest = self.end.checked_sub(self.next).filter(|rest| *rest > 0)?;
        let len = usize::try_from(rest).map_or(self.block, |rest| rest.min(self.block));
        let result = self.file.read_at(self.next, len);
        match &result {
            Ok(bytes) if bytes.is_empty() => return None,
            Ok(bytes) => self.next += bytes.len() as u64,
            Err(_) => self.end = 0,
        }
        Some(result)
    }
}

/// The block of a stream, in bytes, that suits both faces.
pub const DEFAULT_BLOCK: usize = STREAM_BLOCK;

/// A listing under way on the sync face; also an iterator.
pub struct Entries<S: Immediate = DynStore<SyncFace>>(Option<Cursor<S::Lister>>);

impl<S: Immediate> Entries<S> {
    fn new(cursor: Cursor<S::Lister>) -> Self {
        Self(Some(cursor))
    }

    fn empty() -> Self {
        Self(None)
    }

    /// The next entries, at most `max`; empty at the end.
    ///
    /// # Errors
    /// Those of the store.
    pub fn next_page(&mut self, max: usize) -> Result<Vec<Entry>> {
        match &mut self.0 {
            Some(cursor) => ready(cursor.next_page(max)),
            None => Ok(Vec::new()),
        }
    }

    /// All that is left, in memory.
    ///
    /// # Errors
    /// Those of the store.
    pub fn collect_all(self) -> Result<Vec<Entry>> {
        match self.0 {
            Some(cursor) => ready(cursor.collect()),
            None => Ok(Vec::new()),
        }
    }
}

impl<S: Immediate> Iterator for Entries<S> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        let cursor = self.0.as_mut()?;
        let result = ready(cursor.next()).transpose();
        if !matches!(result, Some(Ok(_))) {
            // After the end or an error there is nothing more to come.
            self.0 = None;
        }
        result
    }
}

impl<S: Immediate> std::fmt::Debug for Fs<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fs").field("scheme", &self.store.scheme()).finish_non_exhaustive()
    }
}

impl<S: Immediate> std::fmt::Debug for File<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File")
            .field("path", &self.path)
            .field("mode", &self.mode)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

opaque_debug! {
    impl[S: Immediate] Chunks<'_, S>, "Chunks";
    impl[S: Immediate] Entries<S>, "Entries";
}
