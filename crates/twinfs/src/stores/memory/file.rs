//! Open files: readers, staged writers, and writers in place.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use super::Shared;
use super::content::{Buffer, Live, LiveState, clip, copy_from};
use super::tree::{Content, Node, Plain, Tree, version_text};
use crate::error::{Error, ErrorKind, Result};
use crate::fork::{self, Section};
use crate::path::FsPath;
use crate::store::{
    BlockingFile, Condition, Data, EntryKind, Lease, Metadata, Mode, OpenOptions, Parents, Publish,
};

pub(super) fn open(
    shared: &Arc<Shared>,
    path: &FsPath,
    options: &OpenOptions,
) -> Result<Box<dyn BlockingFile>> {
    if !options.mode.writes() {
        return open_reader(shared, path, options);
    }
    let (file, _replaced) = {
        let section = fork::section();
        let mut tree = shared.tree_mut(&section);
        check_open(&tree, path, options, &section)?;
        let lease = options.lease == Lease::Hold;
        if lease && tree.leases.contains(path) {
            return Err(Error::new(ErrorKind::WouldBlock).with_message("another open writer holds it"));
        }
        let opened = match options.publish {
            Publish::Staged => (open_staged(shared, &tree, path, options, &section)?, None),
            Publish::InPlace => open_in_place(shared, &mut tree, path, options, &section)?,
        };
        if lease {
            tree.leases.insert(path.clone());
        }
        opened
    };
    Ok(file)
}

/// What the mode, the condition and the parents ask of the tree as it is.
fn check_open(tree: &Tree, path: &FsPath, options: &OpenOptions, section: &Section) -> Result<()> {
    match options.mode {
        Mode::Update => {
            tree.file(path)?;
        }
        Mode::Create if tree.find(path).is_some() => return Err(ErrorKind::AlreadyExists.into()),
        _ => {}
    }
    tree.check_put(path, &options.condition, options.parents, section)
}

fn open_reader(shared: &Arc<Shared>, path: &FsPath, options: &OpenOptions) -> Result<Box<dyn BlockingFile>> {
    let section = fork::section();
    let tree = shared.tree(&section);
    let content = tree.file(path)?;
    match &options.condition {
        Condition::IfVersion(version) if !content.has_version(version, &section) => {
            return Err(ErrorKind::ConditionFailed.into());
        }
        Condition::IfAbsent => return Err(ErrorKind::ConditionFailed.into()),
        _ => {}
    }
    Ok(match content {
        Content::Plain(plain) => Box::new(Reader {
            bytes: plain.bytes.clone(),
            modified: plain.modified,
            version: plain.version,
            closed: AtomicBool::new(false),
        }),
        Content::Live(live) => Box::new(InPlace {
            shared: Arc::clone(shared),
            live: Arc::clone(live),
            path: path.clone(),
            mode: Mode::Read,
            lease: false,
            generation: fork::generation(),
            open: Mutex::new(true),
        }),
    })
}

fn open_staged(
    shared: &Arc<Shared>,
    tree: &Tree,
    path: &FsPath,
    options: &OpenOptions,
    section: &Section,
) -> Result<Box<dyn BlockingFile>> {
    let (start, seen) = match tree.find(path) {
        Some(Node::File(content)) => {
            let start = match content {
                _ if !options.mode.keeps() => Bytes::new(),
                Content::Plain(plain) => plain.bytes.clone(),
                Content::Live(live) => live.state(section).buffer.slice(0, u64::MAX),
            };
            (start, Some(content.version(section)))
        }
        _ => (Bytes::new(), None),
    };
    let buffer = Buffer::new(start, &shared.quota)?;
    Ok(Box::new(StagedWriter {
        shared: Arc::clone(shared),
        path: path.clone(),
        mode: options.mode,
        condition: options.condition.clone(),
        parents: options.parents,
        seen,
        generation: fork::generation(),
        state: Mutex::new(State {
            phase: Phase::Open,
            buffer: Some(buffer),
            modified: SystemTime::now(),
            lease: options.lease == Lease::Hold,
        }),
    }))
}

type Opened = (Box<dyn BlockingFile>, Option<Node>);

fn open_in_place(
    shared: &Arc<Shared>,
    tree: &mut Tree,
    path: &FsPath,
    options: &OpenOptions,
    section: &Section,
) -> Result<Opened> {
    let modified = SystemTime::now();
    let (live, replaced) = match tree.find(path) {
        Some(Node::File(Content::Live(live))) => {
            let live = Arc::clone(live);
            let mut state = live.state_mut(section);
            if !options.mode.keeps() {
                state.buffer.set_len(0)?;
                (state.modified, state.version) = (modified, shared.next_version());
            }
            state.writers += 1;
            drop(state);
            (live, None)
        }
        found => {
            let kept = match found {
                Some(Node::File(Content::Plain(plain))) if options.mode.keeps() => Some(plain),
                _ => None,
            };
            // The old charge goes with the old node, once this one stands in its place.
            let buffer =
                Buffer::new(kept.map_or_else(Bytes::new, |plain| plain.bytes.clone()), &shared.quota)?;
            let version = kept.map_or_else(|| shared.next_version(), |plain| plain.version);
            let modified = kept.map_or(modified, |plain| plain.modified);
            let live = Live::new(LiveState { buffer, modified, version, writers: 1 });
            let content = Content::Live(Arc::clone(&live));
            (live, tree.put(path, content))
        }
    };
    let file = Box::new(InPlace {
        shared: Arc::clone(shared),
        live,
        path: path.clone(),
        mode: options.mode,
        lease: options.lease == Lease::Hold,
        generation: fork::generation(),
        open: Mutex::new(true),
    });
    Ok((file, replaced))
}

fn no_reading() -> Error {
    Error::new(ErrorKind::Unsupported).with_message("the handle was not opened for reading")
}

fn no_writing() -> Error {
    Error::new(ErrorKind::Unsupported).with_message("the handle was not opened for writing")
}

fn file_metadata(len: u64, modified: SystemTime, version: Option<u64>) -> Metadata {
    Metadata {
        modified: Some(modified),
        version: version.map(version_text),
        ..Metadata::new(EntryKind::File, len)
    }
}

/// A reader of a whole file: it keeps the content it was opened on.
struct Reader {
    bytes: Bytes,
    modified: SystemTime,
    version: u64,
    closed: AtomicBool,
}

impl Reader {
    fn bytes(&self) -> Result<&Bytes> {
        if self.closed.load(Ordering::Acquire) {
            return Err(ErrorKind::Closed.into());
        }
        Ok(&self.bytes)
    }
}

impl BlockingFile for Reader {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        Ok(copy_from(self.bytes()?, offset, buf))
    }

    fn read_bytes(&self, offset: u64, len: usize) -> Result<Bytes> {
        let bytes = self.bytes()?;
        let (start, end) = clip(bytes.len(), offset, len as u64);
        Ok(bytes.slice(start..end))
    }

    fn write_at(&self, _offset: u64, _data: &Data<'_>) -> Result<()> {
        self.bytes()?;
        Err(no_writing())
    }

    fn len(&self) -> Result<u64> {
        Ok(self.bytes()?.len() as u64)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(file_metadata(self.len()?, self.modified, Some(self.version)))
    }

    fn set_len(&self, _len: u64) -> Result<()> {
        self.bytes()?;
        Err(no_writing())
    }

    fn flush(&self) -> Result<()> {
        self.bytes().map(drop)
    }

    fn commit(&self) -> Result<Metadata> {
        let metadata = self.metadata()?;
        self.closed.store(true, Ordering::Release);
        Ok(metadata)
    }

    fn abort(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        Ok(())
    }
}

/// A writer whose bytes show on commit.
struct StagedWriter {
    shared: Arc<Shared>,
    path: FsPath,
    mode: Mode,
    condition: Condition,
    parents: Parents,
    /// The version seen at open; `None` if nothing was there.
    seen: Option<u64>,
    generation: u64,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    buffer: Option<Buffer>,
    modified: SystemTime,
    lease: bool,
}

#[derive(Clone, Copy)]
enum Phase {
    Open,
    /// Commit failed with this kind: nothing was published, the bytes are here to be read.
    Lost(ErrorKind),
    Closed,
}

impl StagedWriter {
    fn state(&self, _section: &Section) -> Result<MutexGuard<'_, State>> {
        if self.generation != fork::generation() {
            return Err(Error::new(ErrorKind::Closed).with_message("the writer was inherited across a fork"));
        }
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn with_buffer<T>(&self, reading: bool, use_buffer: impl FnOnce(&Buffer) -> T) -> Result<T> {
        let section = fork::section();
        let state = self.state(&section)?;
        if reading && !self.mode.reads() && matches!(state.phase, Phase::Open) {
            return Err(no_reading());
        }
        state.buffer.as_ref().map(use_buffer).ok_or_else(|| ErrorKind::Closed.into())
    }

    fn with_buffer_mut(&self, use_buffer: impl FnOnce(&mut Buffer) -> Result<()>) -> Result<()> {
        let section = fork::section();
        let mut state = self.state(&section)?;
        match (state.phase, &mut state.buffer) {
            (Phase::Open, Some(buffer)) => use_buffer(buffer)?,
            _ => return Err(ErrorKind::Closed.into()),
        }
        state.modified = SystemTime::now();
        Ok(())
    }

    /// Whether the path is as it was at open.
    fn check_unchanged(&self, tree: &Tree, section: &Section) -> Result<()> {
        let now = match tree.find(&self.path) {
            None => None,
            Some(_) if self.mode == Mode::Create => return Err(ErrorKind::AlreadyExists.into()),
            Some(Node::Dir(_)) => return Err(ErrorKind::IsADirectory.into()),
            Some(Node::File(content)) => Some(content.version(section)),
        };
        if now == self.seen {
            return match now {
                None => tree.check_parent(&self.path, self.parents),
                Some(_) => Ok(()),
            };
        }
        if self.condition != Condition::None {
            return Err(ErrorKind::ConditionFailed.into());
        }
        Err(Error::new(ErrorKind::WouldBlock).with_message("another writer committed first"))
    }

    /// Gives the lease back; the buffer, if the state has one still, stays.
    fn release(&self, state: &mut State, tree: &mut Tree) {
        if std::mem::take(&mut state.lease) {
            tree.leases.remove(&self.path);
        }
    }
}

impl BlockingFile for StagedWriter {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.with_buffer(true, |buffer| buffer.read_at(offset, buf))
    }

    fn read_bytes(&self, offset: u64, len: usize) -> Result<Bytes> {
        self.with_buffer(true, |buffer| buffer.slice(offset, len as u64))
    }

    fn write_at(&self, offset: u64, data: &Data<'_>) -> Result<()> {
        let appends = self.mode == Mode::Append;
        self.with_buffer_mut(|buffer| buffer.write_at(if appends { buffer.len() } else { offset }, data))
    }

    fn len(&self) -> Result<u64> {
        self.with_buffer(false, Buffer::len)
    }

    fn metadata(&self) -> Result<Metadata> {
        let section = fork::section();
        let state = self.state(&section)?;
        let buffer = state.buffer.as_ref().ok_or(ErrorKind::Closed)?;
        Ok(file_metadata(buffer.len(), state.modified, self.seen))
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.with_buffer_mut(|buffer| buffer.set_len(len))
    }

    fn flush(&self) -> Result<()> {
        self.with_buffer_mut(|_| Ok(()))
    }

    fn commit(&self) -> Result<Metadata> {
        let (metadata, _replaced) = {
            let section = fork::section();
            let mut state = self.state(&section)?;
            match state.phase {
                Phase::Open => {}
                Phase::Lost(kind) => return Err(kind.into()),
                Phase::Closed => return Err(ErrorKind::Closed.into()),
            }
            let mut tree = self.shared.tree_mut(&section);
            self.release(&mut state, &mut tree);
            if let Err(error) = self.check_unchanged(&tree, &section) {
                state.phase = Phase::Lost(error.kind());
                return Err(error);
            }
            state.phase = Phase::Closed;
            let buffer = state.buffer.take().ok_or(ErrorKind::Closed)?;
            let (bytes, charge) = buffer.into_parts();
            let plain =
                Plain { bytes, charge, modified: SystemTime::now(), version: self.shared.next_version() };
            let content = Content::Plain(plain);
            (content.metadata(&section, true), tree.put(&self.path, content))
        };
        Ok(metadata)
    }

    fn abort(&self) -> Result<()> {
        let _buffer = {
            let section = fork::section();
            let Ok(mut state) = self.state(&section) else { return Ok(()) };
            if state.lease {
                self.release(&mut state, &mut self.shared.tree_mut(&section));
            }
            state.phase = Phase::Closed;
            state.buffer.take()
        };
        Ok(())
    }
}

impl Drop for StagedWriter {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.lease {
            let section = fork::section();
            self.shared.tree_mut(&section).leases.remove(&self.path);
        }
    }
}

/// A handle on a file that is written in place; in mode `rb` a reader that sees later writes.
struct InPlace {
    shared: Arc<Shared>,
    live: Arc<Live>,
    path: FsPath,
    mode: Mode,
    lease: bool,
    generation: u64,
    open: Mutex<bool>,
}

impl InPlace {
    /// Holds the handle open for as long as the guard lives.
    fn check_open(&self, _section: &Section) -> Result<MutexGuard<'_, bool>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !*open || (self.mode.writes() && self.generation != fork::generation()) {
            return Err(ErrorKind::Closed.into());
        }
        Ok(open)
    }

    fn with_buffer<T>(&self, reading: bool, use_buffer: impl FnOnce(&Buffer) -> T) -> Result<T> {
        let section = fork::section();
        let _open = self.check_open(&section)?;
        if reading && !self.mode.reads() {
            return Err(no_reading());
        }
        Ok(use_buffer(&self.live.state(&section).buffer))
    }

    fn with_buffer_mut(&self, use_buffer: impl FnOnce(&mut Buffer) -> Result<()>) -> Result<()> {
        let section = fork::section();
        let _open = self.check_open(&section)?;
        if !self.mode.writes() {
            return Err(no_writing());
        }
        let mut state = self.live.state_mut(&section);
        use_buffer(&mut state.buffer)?;
        state.modified = SystemTime::now();
        state.version = self.shared.next_version();
        Ok(())
    }

    /// Closes once: seals the content behind the last writer and gives the lease back.
    fn close(&self) {
        let section = fork::section();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::take(&mut *open) || !self.mode.writes() {
            return;
        }
        {
            let mut state = self.live.state_mut(&section);
            state.writers -= 1;
            if state.writers == 0 {
                state.buffer.seal();
            }
        }
        if self.lease {
            self.shared.tree_mut(&section).leases.remove(&self.path);
        }
    }
}

impl BlockingFile for InPlace {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.with_buffer(true, |buffer| buffer.read_at(offset, buf))
    }

    fn read_bytes(&self, offset: u64, len: usize) -> Result<Bytes> {
        self.with_buffer(true, |buffer| buffer.slice(offset, len as u64))
    }

    fn write_at(&self, offset: u64, data: &Data<'_>) -> Result<()> {
        let appends = self.mode == Mode::Append;
        self.with_buffer_mut(|buffer| buffer.write_at(if appends { buffer.len() } else { offset }, data))
    }

    fn len(&self) -> Result<u64> {
        self.with_buffer(false, Buffer::len)
    }

    fn metadata(&self) -> Result<Metadata> {
        let section = fork::section();
        let _open = self.check_open(&section)?;
        let state = self.live.state(&section);
        Ok(file_metadata(state.buffer.len(), state.modified, Some(state.version)))
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.with_buffer_mut(|buffer| buffer.set_len(len))
    }

    fn flush(&self) -> Result<()> {
        self.with_buffer(false, |_| ())
    }

    fn commit(&self) -> Result<Metadata> {
        let metadata = self.metadata()?;
        self.close();
        Ok(metadata)
    }

    /// Closes; bytes that were written in place stay.
    fn abort(&self) -> Result<()> {
        self.close();
        Ok(())
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        self.close();
    }
}
