//! The handle that writes to a staged file and publishes it on commit.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Inner;
use super::confine::{Follow, Place};
use super::file::{len, metadata_while_writing, read_bytes};
use super::handle::{Close, Handle, Held, not_readable};
use super::lock;
use super::publish::{
    At, Expected, Locking, Outcome, check_early, check_seen, condition_failed, publish, sync_content,
    sync_names,
};
use super::staging::{ContentMode, Lease as LeaseOutcome, StagedFile, StagedName, take_lease};
use super::sys::{self, fail};
use super::version::{Seen, Token};
use super::write::kept_vanishing;
use crate::error::{Error, ErrorKind, Result};
use crate::path::FsPath;
use crate::store::{BlockingFile, Condition, Data, Durability, Lease, Metadata, Mode, OpenOptions, Parents};

/// A handle that writes a new content, seen by others only once it is committed.
pub(super) struct StagedWriter {
    inner: Arc<Inner>,
    mode: Mode,
    condition: Condition,
    durability: Durability,
    handle: Handle<State>,
    /// Another writer committed first: the bytes are here to be read, in whatever mode.
    lost: AtomicBool,
    /// A write failed, so the content is not what its writer means it to be.
    incomplete: AtomicBool,
}

struct State {
    staged: StagedFile<Arc<OwnedFd>>,
    name: Vec<u8>,
    /// What stood at the name when the handle was opened.
    seen: Option<Seen>,
    created: Vec<OwnedFd>,
}

impl Held for State {
    fn forget(&mut self) {
        self.staged.forget();
    }
}

/// What opening at a place came to.
enum Attempt<T> {
    Done(T),
    /// The place changed meanwhile: look it up again.
    Again,
}

/// Checks what stands at a path against a writer's mode and condition.
pub(super) fn check_mode(mode: Mode, condition: &Condition, stat: Option<&rustix::fs::Stat>) -> Result<()> {
    match stat {
        Some(stat) if sys::is_dir(stat) => Err(ErrorKind::IsADirectory.into()),
        Some(_) if mode == Mode::Create => Err(ErrorKind::AlreadyExists.into()),
        Some(stat) => sys::require_file(stat),
        None if mode == Mode::Update => Err(ErrorKind::NotFound.into()),
        None => Ok(()),
    }?;
    check_early(condition, stat)
}

/// Whether a mode makes the file, and so its directories, where they are missing.
pub(super) fn parents_for(mode: Mode, parents: Parents) -> Parents {
    if mode == Mode::Update { Parents::Require } else { parents }
}

pub(super) fn busy() -> Error {
    Error::new(ErrorKind::WouldBlock).with_message("another writer has this path open")
}

impl StagedWriter {
    pub(super) fn open(inner: &Arc<Inner>, path: &FsPath, options: &OpenOptions) -> Result<Self> {
        for _ in 0..super::MAX_VANISHED {
            let place = inner.root.locate(path, Follow::Yes, parents_for(options.mode, options.parents))?;
            check_mode(options.mode, &options.condition, place.stat.as_ref())?;
            match Self::open_at(inner, place, options) {
                Ok(Attempt::Done(state)) => {
                    return Ok(Self {
                        inner: Arc::clone(inner),
                        mode: options.mode,
                        condition: options.condition.clone(),
                        durability: inner.durability(options.durability),
                        handle: Handle::new(state),
                        lost: AtomicBool::new(false),
                        incomplete: AtomicBool::new(false),
                    });
                }
                Ok(Attempt::Again) => continue,
                Err(error) => return Err(error),
            }
        }
        Err(kept_vanishing())
    }

    fn open_at(inner: &Inner, place: Place<'_>, options: &OpenOptions) -> Result<Attempt<State>> {
        let dir = Arc::new(place.dir);
        let name = place.name.into_owned();
        let mode = ContentMode::new(inner.options.file_mode, place.stat.as_ref());
        let Some(staged) = Self::stage(&dir, &name, mode, options.lease)? else { return Ok(Attempt::Again) };
        // What counts is what stands there now that no other writer can be open.
        let seen = Seen::look(&dir, &*name).map_err(fail)?;
        if seen.as_ref().is_some_and(|seen| sys::is_link(&seen.stat)) {
            return Ok(Attempt::Again);
        }
        check_mode(options.mode, &options.condition, seen.as_ref().map(|seen| &seen.stat))?;
        check_seen(&options.condition, seen.as_ref())?;
        if let Some(seen) = &seen {
            if options.mode.keeps() {
                if !seen.readable {
                    return Err(fail(Errno::ACCESS));
                }
                sys::copy_content(&seen.file, &staged.file).map_err(fail)?;
            }
            let mode = ContentMode::new(inner.options.file_mode, Some(&seen.stat));
            mode.force(&staged.file).map_err(fail)?;
        } else {
            mode.apply(&staged.file).map_err(fail)?;
        }
        if options.mode == Mode::Append {
            rustix::fs::fcntl_setfl(&staged.file, OFlags::APPEND).map_err(fail)?;
        }
        let created =
            if inner.durability(options.durability) == Durability::Full { place.created } else { Vec::new() };
        Ok(Attempt::Done(State { staged, name, seen, created }))
    }

    /// The staged file, which with a lease is the lease; `None` if the directory is gone.
    fn stage(
        dir: &Arc<OwnedFd>,
        name: &[u8],
        mode: ContentMode,
        lease: Lease,
    ) -> Result<Option<StagedFile<Arc<OwnedFd>>>> {
        let staged = match lease {
            Lease::Hold => take_lease(dir, name, mode.at_creation()),
            Lease::Off => {
                StagedFile::create(Arc::clone(dir), StagedName::random()?, OFlags::RDWR, mode.at_creation())
                    .map(LeaseOutcome::Held)
                    .map_err(fail)
            }
        };
        match staged {
            Ok(LeaseOutcome::Held(staged)) => Ok(Some(staged)),
            Ok(LeaseOutcome::Busy) => Err(busy()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn publish(&self, state: &mut State) -> (Close, Result<Metadata>) {
        if self.incomplete.load(Ordering::Acquire) {
            return (
                Close::No,
                Err(Error::new(ErrorKind::Io)
                    .with_message("a write before this failed; nothing is published")),
            );
        }
        let token = match Token::random().and_then(|token| self.inner.put_token(&state.staged.file, token)) {
            Ok(token) => token,
            Err(error) => return (Close::No, Err(error)),
        };
        if let Err(error) = sync_content(&state.staged.file, self.durability) {
            // What the disk holds now is unknown, and a second fsync would not tell.
            return (Close::Yes, Err(error));
        }
        match self.rename(state) {
            Ok(Outcome::Published) => {
                state.staged.published();
                let metadata = self.inner.published_metadata(&state.staged.file, token);
                lock::release(&state.staged.file);
                let synced = sync_names(&state.staged.dir, &state.created, self.durability);
                (Close::Yes, synced.and(metadata))
            }
            Ok(Outcome::Mismatch) => {
                self.lost.store(true, Ordering::Release);
                (Close::No, Err(self.lost_error()))
            }
            Ok(Outcome::Vanished) => {
                self.lost.store(true, Ordering::Release);
                let error = Error::new(ErrorKind::NotFound)
                    .with_message("the directory was removed while the handle was open");
                (Close::No, Err(error))
            }
            Err(errno) => (Close::No, Err(fail(errno))),
        }
    }

    fn rename(&self, state: &State) -> sys::Sys<Outcome> {
        let dir = state.staged.dir.as_fd();
        let expected = state.seen.as_ref().map_or(Expected::Absent, Expected::Seen);
        let from = At { dir: &dir, name: state.staged.name.as_bytes() };
        publish(from, At { dir: &dir, name: &state.name }, expected, Locking::Locked)
    }

    fn lost_error(&self) -> Error {
        if self.condition != Condition::None {
            return condition_failed();
        }
        if self.mode == Mode::Create {
            return ErrorKind::AlreadyExists.into();
        }
        Error::new(ErrorKind::WouldBlock).with_message(
            "another writer committed first; nothing was written, and the bytes can still be read here",
        )
    }

    fn check_readable(&self) -> Result<()> {
        if self.mode.reads() || self.lost.load(Ordering::Acquire) { Ok(()) } else { Err(not_readable()) }
    }
}

impl BlockingFile for StagedWriter {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.handle.with(|state| {
            self.check_readable()?;
            sys::read_at(&state.staged.file, offset, buf).map_err(fail)
        })
    }

    fn read_bytes(&self, offset: u64, len: usize) -> Result<Bytes> {
        self.handle.with(|state| {
            self.check_readable()?;
            read_bytes(&state.staged.file, offset, len)
        })
    }

    fn write_at(&self, offset: u64, data: &Data<'_>) -> Result<()> {
        self.handle.with(|state| {
            sys::write_at(&state.staged.file, offset, data).map_err(|errno| {
                self.incomplete.store(true, Ordering::Release);
                fail(errno)
            })
        })
    }

    fn len(&self) -> Result<u64> {
        self.handle.with(|state| len(&state.staged.file))
    }

    fn metadata(&self) -> Result<Metadata> {
        self.handle.with(|state| {
            let version = state.seen.as_ref().filter(|_| self.inner.keeps_versions).map(Seen::version);
            metadata_while_writing(&state.staged.file, version)
        })
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.handle.with(|state| sys::set_len(&state.staged.file, len).map_err(fail))
    }

    fn flush(&self) -> Result<()> {
        let synced = self.handle.with(|state| sync_content(&state.staged.file, self.durability));
        if synced.as_ref().is_err_and(|error| error.kind() != ErrorKind::Closed) {
            drop(self.handle.take()?);
        }
        synced
    }

    fn commit(&self) -> Result<Metadata> {
        self.handle.finish(|state| self.publish(state))
    }

    fn abort(&self) -> Result<()> {
        drop(self.handle.take()?);
        Ok(())
    }
}
