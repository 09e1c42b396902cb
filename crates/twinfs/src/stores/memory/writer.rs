//! Staged writers: their bytes show on commit, all at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use super::Shared;
use super::content::Buffer;
use super::file::{file_metadata, no_reading};
use super::tree::{Content, Node, Plain, Tree};
use crate::error::{Error, ErrorKind, Result};
use crate::fork::{self, Section};
use crate::path::FsPath;
use crate::store::{
    BlockingFile, Condition, Data, Lease, Metadata, Mode, OpenOptions, Parents, after_failed_write,
};

/// Opens a writer; the tree has been checked.
pub(super) fn open(
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
            incomplete: false,
        }),
    }))
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
    /// A write failed, so the content is not what its writer means it to be.
    incomplete: bool,
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
        let changed = match (state.phase, &mut state.buffer) {
            (Phase::Open, Some(buffer)) => use_buffer(buffer),
            _ => return Err(ErrorKind::Closed.into()),
        };
        state.incomplete |= changed.is_err();
        state.modified = SystemTime::now();
        changed
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
        let kind = if self.condition == Condition::None {
            ErrorKind::WouldBlock
        } else {
            ErrorKind::ConditionFailed
        };
        Err(Error::new(kind).with_message(
            "another writer committed first; nothing was written, and the bytes can still be read here",
        ))
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
                Phase::Open if state.incomplete => return Err(after_failed_write()),
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
