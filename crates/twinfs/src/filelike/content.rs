//! An open file: what it holds, and the text of what is done with it.
//!
//! There are two contents. The old one is what stood there at opening; reading and its position belong
//! to it. The new one is what was written; it stands with the store's own writer, unseen by others,
//! but for the last bytes, which wait in a buffer. After a seek there is one position and one
//! content: the new one, which starts as the old one if nothing was written before.

use std::io::SeekFrom;

use bytes::Bytes;

use super::Mode;
use crate::error::{Error, ErrorContext, ErrorKind, Operation, Result};
use crate::face::blocking::seek_to;
use crate::logic::stream::STREAM_BLOCK;
use crate::logic::verbs;
use crate::path::FsPath;
use crate::store::{self, AsyncFile, AsyncStore, ByteRange, Data, OpenOptions, ReadOptions, RemoveOptions};

/// Up to this many bytes a file is read whole as it is opened, and no handle is kept.
const WHOLE: usize = 64 * 1024;

/// An open file over a store's own handles.
pub(super) struct Content<F> {
    path: FsPath,
    mode: Mode,
    old: Old<F>,
    writer: Option<F>,
    /// Directories that were made for this file, the deepest first.
    made: Vec<FsPath>,
    read_position: u64,
    write_position: u64,
    /// Once sought, both positions are one.
    sought: bool,
    /// Whether anything was written.
    written: bool,
    /// The length of the new content.
    new_len: u64,
    /// Bytes written that the store has not got yet, and where they belong.
    waiting: Vec<u8>,
    waiting_at: u64,
    /// A write did not come to its end, so the new content is not what its writer means it to be.
    broken: bool,
}

/// What stood at the path when it was opened.
enum Old<F> {
    Nothing,
    Whole(Bytes),
    Handle(F, u64),
}

impl<F> Old<F> {
    fn len(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Handle(_, len) => *len,
        }
    }
}

/// Opens a file. A missing one is no error here: reading finds it out.
pub(super) async fn open<S: AsyncStore>(store: &S, path: FsPath, mode: Mode) -> Result<Content<S::File>> {
    if mode == Mode::Read {
        let old = look(store, &path).await?;
        return Ok(Content::new(path, mode, old, None, Vec::new()));
    }
    let made = missing_directories(store, &path).await?;
    match open_writer(store, &path, mode).await {
        Ok((writer, old)) => Ok(Content::new(path, mode, old, Some(writer), made)),
        Err(error) => {
            remove_directories(store, &made).await;
            Err(error)
        }
    }
}

/// The writer first: what is looked at under its lease is what it replaces, or its commit fails.
async fn open_writer<S: AsyncStore>(store: &S, path: &FsPath, mode: Mode) -> Result<(S::File, Old<S::File>)> {
    let update = mode == Mode::Update && store.capabilities().update_handles;
    let writes = if update { store::Mode::Overwrite } else { store::Mode::Write };
    let writer = verbs::open(store, path, &OpenOptions::from(writes)).await?;
    let old = if mode == Mode::Update { look(store, path).await? } else { Old::Nothing };
    Ok((writer, old))
}

/// What stands at a path.
async fn look<S: AsyncStore>(store: &S, path: &FsPath) -> Result<Old<S::File>> {
    match look_closer(store, path).await {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Old::Nothing)
        }
        other => other,
    }
}

async fn look_closer<S: AsyncStore>(store: &S, path: &FsPath) -> Result<Old<S::File>> {
    // One byte more than is kept tells whether that was all.
    let range = ByteRange::Bounded(0, WHOLE as u64 + 1);
    let start = verbs::read(store, path, &ReadOptions { range, if_version: None }).await?;
    if start.len() <= WHOLE {
        return Ok(Old::Whole(start));
    }
    let file = verbs::open(store, path, &OpenOptions::default()).await?;
    let len = file.len().await.at(Operation::Open, path)?;
    Ok(Old::Handle(file, len))
}

/// The directories above a path that are missing, the deepest first.
async fn missing_directories<S: AsyncStore>(store: &S, path: &FsPath) -> Result<Vec<FsPath>> {
    let mut missing = Vec::new();
    if !store.capabilities().directories {
        return Ok(missing);
    }
    let mut above = path.parent();
    while let Some(directory) = above.filter(|directory| !directory.is_root()) {
        if verbs::exists(store, &directory).await? {
            break;
        }
        above = directory.parent();
        missing.push(directory);
    }
    Ok(missing)
}

/// Takes away the directories that were made for a file which is not there after all; one that others
/// use by now stays.
async fn remove_directories<S: AsyncStore>(store: &S, made: &[FsPath]) {
    for directory in made {
        if verbs::remove_dir(store, directory, &RemoveOptions::default()).await.is_err() {
            return;
        }
    }
}

impl<F: AsyncFile> Content<F> {
    fn new(path: FsPath, mode: Mode, old: Old<F>, writer: Option<F>, made: Vec<FsPath>) -> Self {
        Self {
            path,
            mode,
            old,
            writer,
            made,
            read_position: 0,
            write_position: 0,
            sought: false,
            written: false,
            new_len: 0,
            waiting: Vec::new(),
            waiting_at: 0,
            broken: false,
        }
    }

    pub(super) fn path(&self) -> &FsPath {
        &self.path
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether it holds nothing of the store's.
    pub(super) fn is_free(&self) -> bool {
        self.writer.is_none() && !matches!(self.old, Old::Handle(..))
    }

    /// Whether what was written is what is read.
    fn reads_new(&self) -> bool {
        self.sought && self.written
    }

    /// The length of what reading sees.
    pub(super) fn len(&self) -> u64 {
        let new = self.mode == Mode::Write || self.reads_new();
        if new { self.new_len } else { self.old.len() }
    }

    /// How many bytes reading still has before it.
    pub(super) fn remaining(&self) -> u64 {
        self.len().saturating_sub(self.read_position)
    }

    pub(super) fn position(&self) -> u64 {
        let writing = self.mode == Mode::Write || (self.written && !self.sought);
        if writing { self.write_position } else { self.read_position }
    }

    pub(super) fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        if self.mode == Mode::Read {
            self.check_there().at(Operation::Seek, &self.path)?;
        }
        let len = if self.written { self.new_len } else { self.len() };
        let position = seek_to(self.position(), len, to).at(Operation::Seek, &self.path)?;
        self.sought = true;
        (self.read_position, self.write_position) = (position, position);
        Ok(position)
    }

    fn check_there(&self) -> Result<()> {
        if matches!(self.old, Old::Nothing) { Err(ErrorKind::NotFound.into()) } else { Ok(()) }
    }

    fn check_readable(&self) -> Result<()> {
        match self.mode {
            Mode::Write => Err(Error::new(ErrorKind::Unsupported)
                .with_message("the file is open for writing alone; open it with r or r+ to read")),
            _ if self.reads_new() => Ok(()),
            _ => self.check_there(),
        }
    }

    fn check_writable(&self) -> Result<&F> {
        self.writer.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::Unsupported)
                .with_message("the file is open for reading alone; open it with r+ or w to write")
        })
    }

    fn check_whole(&self) -> Result<()> {
        if !self.broken {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Io)
            .with_message("an earlier write failed or was cancelled; nothing of this file will be stored"))
    }

    fn has_read(&mut self, count: usize) {
        self.read_position += count as u64;
        if self.sought {
            self.write_position = self.read_position;
        }
    }

    fn has_written(&mut self, count: usize) {
        self.written = true;
        self.write_position += count as u64;
        self.new_len = self.new_len.max(self.write_position);
        if self.sought {
            self.read_position = self.write_position;
        }
    }

    // Reading

    /// Reads what needs no store; `None` if it takes one.
    pub(super) fn read_now(&mut self, len: usize) -> Option<Bytes> {
        if self.reads_new() || self.check_readable().is_err() {
            return None;
        }
        let Old::Whole(bytes) = &self.old else { return None };
        // Both lie inside the bytes, whose length is a usize.
        let start = self.read_position.min(bytes.len() as u64) as usize;
        let read = bytes.slice(start..start.saturating_add(len).min(bytes.len()));
        self.has_read(read.len());
        Some(read)
    }

    pub(super) async fn read(&mut self, len: usize) -> Result<Bytes> {
        if let Some(read) = self.read_now(len) {
            return Ok(read);
        }
        let bytes = self.read_from_store(len).await.at(Operation::Read, &self.path)?;
        self.has_read(bytes.len());
        Ok(bytes)
    }

    async fn read_from_store(&mut self, len: usize) -> Result<Bytes> {
        let position = self.read_position;
        match self.ready_source().await? {
            Some(file) => file.read_bytes(position, len).await,
            None => Ok(Bytes::new()),
        }
    }

    /// The handle that is read, with all that was written; `None` if there is nothing to read.
    async fn ready_source(&mut self) -> Result<Option<&F>> {
        self.check_readable()?;
        if self.reads_new() {
            self.pass_on().await?;
            return Ok(self.writer.as_ref());
        }
        Ok(if let Old::Handle(file, _) = &self.old { Some(file) } else { None })
    }

    pub(super) async fn read_to_end(&mut self) -> Result<Bytes> {
        let rest = usize::try_from(self.remaining()).map_err(|_| {
            Error::new(ErrorKind::TooLarge).with_operation(Operation::Read).with_path(&self.path)
        })?;
        self.read(rest).await
    }

    pub(super) async fn read_into(&mut self, buf: &mut [u8]) -> Result<usize> {
        if let Some(read) = self.read_now(buf.len()) {
            buf.get_mut(..read.len()).unwrap_or_default().copy_from_slice(&read);
            return Ok(read.len());
        }
        let count = self.read_into_from_store(buf).await.at(Operation::Read, &self.path)?;
        self.has_read(count);
        Ok(count)
    }

    async fn read_into_from_store(&mut self, buf: &mut [u8]) -> Result<usize> {
        let position = self.read_position;
        let Some(file) = self.ready_source().await? else { return Ok(0) };
        let mut filled = 0;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(position + filled as u64, rest).await? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }

    // Writing

    /// Writes what needs no store, all of it or nothing; `false` if it takes one.
    pub(super) fn write_now(&mut self, data: &[u8]) -> bool {
        if self.writer.is_none() || self.broken || self.starts_from_old() || !self.fits(data.len()) {
            return false;
        }
        if !data.is_empty() {
            self.wait_with(data);
        }
        true
    }

    /// Whether the next write comes behind what waits, and there is room for it.
    fn fits(&self, count: usize) -> bool {
        let behind =
            self.waiting.is_empty() || self.waiting_at + self.waiting.len() as u64 == self.write_position;
        behind && self.waiting.len() + count < STREAM_BLOCK
    }

    fn wait_with(&mut self, data: &[u8]) {
        if self.waiting.is_empty() {
            self.waiting_at = self.write_position;
        }
        self.waiting.extend_from_slice(data);
        self.has_written(data.len());
    }

    /// Whether the new content is still to become a copy of the old one.
    fn starts_from_old(&self) -> bool {
        self.sought && !self.written && self.old.len() > 0
    }

    pub(super) async fn write(&mut self, data: &Data<'_>) -> Result<()> {
        if self.write_now(data) {
            return Ok(());
        }
        self.write_to_store(data).await.at(Operation::Write, &self.path)
    }

    async fn write_to_store(&mut self, data: &Data<'_>) -> Result<()> {
        self.check_writable()?;
        self.check_whole()?;
        if data.is_empty() {
            return Ok(());
        }
        if self.starts_from_old() {
            self.copy_old().await?;
        }
        if !self.fits(data.len()) {
            self.pass_on().await?;
        }
        if self.fits(data.len()) {
            self.wait_with(data);
        } else {
            self.put(self.write_position, data).await?;
            self.has_written(data.len());
        }
        Ok(())
    }

    async fn copy_old(&mut self) -> Result<()> {
        let len = self.old.len();
        let mut copied = 0;
        while copied < len {
            let block = match &self.old {
                Old::Whole(bytes) => bytes.clone(),
                Old::Handle(file, _) => file.read_bytes(copied, STREAM_BLOCK).await?,
                Old::Nothing => break,
            };
            if block.is_empty() {
                break;
            }
            self.put(copied, &Data::from(&block)).await?;
            copied += block.len() as u64;
        }
        self.new_len = copied;
        Ok(())
    }

    /// Gives the store what waits.
    async fn pass_on(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let waiting = Bytes::from(std::mem::take(&mut self.waiting));
        self.put(self.waiting_at, &Data::from(waiting)).await
    }

    /// Gives the store bytes. Failed or cancelled, nobody knows what it has.
    async fn put(&mut self, offset: u64, data: &Data<'_>) -> Result<()> {
        self.check_whole()?;
        self.broken = true;
        self.check_writable()?.write_at(offset, data).await?;
        self.broken = false;
        Ok(())
    }

    // The end

    pub(super) async fn close<S: AsyncStore<File = F>>(mut self, store: &S) -> Result<()> {
        if self.mode == Mode::Read {
            return Ok(());
        }
        if self.mode == Mode::Update && !self.written {
            // Of a file that is to be changed and was not, an earlier failure is the one that counts.
            let whole = self.check_whole().at(Operation::Commit, &self.path);
            let aborted = self.abort(store).await;
            return whole.and(aborted);
        }
        let stored = self.store().await.at(Operation::Commit, &self.path);
        if stored.is_err() {
            // The error is what counts.
            let _ = self.abort(store).await;
        }
        stored
    }

    async fn store(&mut self) -> Result<()> {
        self.check_whole()?;
        self.pass_on().await?;
        self.check_writable()?.commit().await?;
        Ok(())
    }

    pub(super) async fn abort<S: AsyncStore<File = F>>(mut self, store: &S) -> Result<()> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let aborted = writer.abort().await.at(Operation::Abort, &self.path);
        drop(writer);
        remove_directories(store, &self.made).await;
        aborted
    }
}
