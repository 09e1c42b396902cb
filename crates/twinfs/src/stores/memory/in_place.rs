//! Handles on files that are written in place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;

use super::Shared;
use super::content::{Buffer, Live, LiveState};
use super::file::{file_metadata, no_reading, no_writing};
use super::tree::{Content, Node, Tree};
use crate::error::{ErrorKind, Result};
use crate::fork::{self, Section};
use crate::path::FsPath;
use crate::store::{BlockingFile, Data, Lease, Metadata, Mode, OpenOptions};

type Opened = (Box<dyn BlockingFile>, Option<Node>);

/// Opens a handle that writes in place; the tree has been checked. Also gives what it replaced.
pub(super) fn open(
    shared: &Arc<Shared>,
    tree: &mut Tree,
    path: &FsPath,
    options: &OpenOptions,
    section: &Section,
) -> Result<Opened> {
    // From here on the content may change: nobody may take it for the version it was.
    let (modified, version) = (SystemTime::now(), shared.next_version());
    let keeps = options.mode.keeps();
    let (live, replaced) = match tree.find(path) {
        Some(Node::File(Content::Live(live))) => {
            let live = Arc::clone(live);
            let mut state = live.state_mut(section);
            if !keeps {
                state.buffer.set_len(0)?;
                state.modified = modified;
            }
            state.version = version;
            state.writers += 1;
            drop(state);
            (live, None)
        }
        _ => {
            let buffer = Buffer::new(Bytes::new(), &shared.quota)?;
            let live = Live::new(LiveState { buffer, modified, version, writers: 1 });
            let mut replaced = tree.put(path, Content::Live(Arc::clone(&live)));
            if keeps && let Some(Node::File(Content::Plain(plain))) = replaced.take() {
                // The content moves, and with it the room it takes.
                let mut state = live.state_mut(section);
                (state.buffer, state.modified) =
                    (Buffer::from_parts(plain.bytes, plain.charge), plain.modified);
            }
            (live, replaced)
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

/// A handle on a file that is written in place; in mode `rb` a reader that sees later writes.
pub(super) struct InPlace {
    shared: Arc<Shared>,
    live: Arc<Live>,
    path: FsPath,
    mode: Mode,
    lease: bool,
    generation: u64,
    open: Mutex<bool>,
}

impl InPlace {
    /// A reader of a file that is, or was, written in place.
    pub(super) fn reader(shared: &Arc<Shared>, live: &Arc<Live>, path: &FsPath) -> Self {
        Self {
            shared: Arc::clone(shared),
            live: Arc::clone(live),
            path: path.clone(),
            mode: Mode::Read,
            lease: false,
            generation: fork::generation(),
            open: Mutex::new(true),
        }
    }

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
        if self.mode.writes() {
            let section = fork::section();
            let _open = self.check_open(&section)?;
            self.live.state_mut(&section).version = self.shared.next_version();
        }
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
