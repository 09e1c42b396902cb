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
use super::handle::{Close, Handle, Held, closed, not_readable};
use super::lock;
use super::publish::{
    At, Expected, Locking, Outcome, check_early, check_seen, publish, sync_content, sync_names,
};
use super::staging::{ContentMode, Lease as LeaseOutcome, StagedFile, StagedName, take_lease};
use super::sys::{self, Sys, fail};
use super::version::{Seen, Token};
use super::write::{Content, Terms, kept_vanishing};
use crate::error::{Error, ErrorKind, Result};
use crate::path::FsPath;
use crate::store::{
    BlockingFile, Condition, Data, Durability, Lease, Metadata, Mode, OpenOptions, Parents,
    after_failed_write,
};

/// A handle that writes a new content, seen by others only once it is committed.
pub(super) struct StagedWriter {
    inner: Arc<Inner>,
    path: FsPath,
    options: OpenOptions,
    durability: Durability,
    handle: Handle<State>,
    /// A write failed, so the content is not what its writer means it to be.
    incomplete: AtomicBool,
}

struct State {
    staged: StagedFile<Arc<OwnedFd>>,
    name: Vec<u8>,
    /// What stood at the name when the handle was opened.
    seen: Option<Seen>,
    created: Vec<OwnedFd>,
    mode: ContentMode,
    /// Why the commit failed: the bytes are here to be read, in whatever mode, and nothing else.
    lost: Option<ErrorKind>,
}

impl Held for State {
    fn forget(&mut self) {
        self.staged.forget();
    }
}

/// Finds where a writer goes. A mode that makes no file makes no directories either.
pub(super) fn locate<'path>(
    inner: &Inner,
    path: &'path FsPath,
    options: &OpenOptions,
) -> Result<Place<'path>> {
    if options.mode == Mode::Update {
        return inner.root.locate(path, Follow::Yes, Parents::Require);
    }
    inner.locate_target(path, Follow::Yes, &options.condition, options.parents)
}

/// Checks what stands at a path against a writer's mode and condition.
pub(super) fn check_mode(mode: Mode, condition: &Condition, stat: Option<&rustix::fs::Stat>) -> Result<()> {
    match (mode, stat) {
        (Mode::Update, None) => return Err(ErrorKind::NotFound.into()),
        (Mode::Update, Some(stat)) => sys::require_file(stat)?,
        (Mode::Create, Some(_)) => return Err(ErrorKind::AlreadyExists.into()),
        _ => {}
    }
    check_early(condition, stat)?;
    stat.map_or(Ok(()), sys::require_file)
}

/// Checks a condition on a version before the lease is asked for: it failed, whoever holds that.
pub(super) fn check_version(condition: &Condition, place: &Place<'_>) -> Result<()> {
    if !matches!(condition, Condition::IfVersion(_)) {
        return Ok(());
    }
    check_seen(condition, Seen::look(&place.dir, &*place.name).map_err(fail)?.as_ref())
}

/// Where a write goes: in mode `ab` the file knows, whatever the offset.
pub(super) fn at(mode: Mode, offset: u64) -> u64 {
    if mode == Mode::Append { 0 } else { offset }
}

pub(super) fn busy() -> Error {
    Error::new(ErrorKind::WouldBlock).with_message("another writer has this path open")
}

impl StagedWriter {
    pub(super) fn open(inner: &Arc<Inner>, path: &FsPath, options: &OpenOptions) -> Result<Self> {
        for _ in 0..super::MAX_VANISHED {
            let place = locate(inner, path, options)?;
            check_mode(options.mode, &options.condition, place.stat.as_ref())?;
            check_version(&options.condition, &place)?;
            if let Some(state) = Self::open_at(inner, place, options)? {
                return Ok(Self {
                    inner: Arc::clone(inner),
                    path: path.clone(),
                    options: options.clone(),
                    durability: inner.durability(options.durability),
                    handle: Handle::new(state),
                    incomplete: AtomicBool::new(false),
                });
            }
        }
        Err(kept_vanishing())
    }

    /// `None` if the place changed meanwhile.
    fn open_at(inner: &Inner, place: Place<'_>, options: &OpenOptions) -> Result<Option<State>> {
        let dir = Arc::new(place.dir);
        let name = place.name.into_owned();
        let mode = ContentMode::new(inner.options.file_mode, place.stat.as_ref());
        let Some(staged) = Self::stage(&dir, &name, mode, options.lease)? else { return Ok(None) };
        // What counts is what stands there now that no other writer can be open.
        let seen = Seen::look(&dir, &*name).map_err(fail)?;
        if seen.as_ref().is_some_and(|seen| sys::is_link(&seen.stat)) {
            return Ok(None);
        }
        check_mode(options.mode, &options.condition, seen.as_ref().map(|seen| &seen.stat))?;
        check_seen(&options.condition, seen.as_ref())?;
        let mode = ContentMode::new(inner.options.file_mode, seen.as_ref().map(|seen| &seen.stat));
        if let Some(seen) = &seen {
            if options.mode.keeps() {
                if !seen.readable {
                    return Err(fail(Errno::ACCESS));
                }
                sys::copy_content(&seen.file, &staged.file).map_err(fail)?;
            }
            mode.force(&staged.file).map_err(fail)?;
        } else {
            mode.apply(&staged.file).map_err(fail)?;
        }
        if options.mode == Mode::Append {
            rustix::fs::fcntl_setfl(&staged.file, OFlags::APPEND).map_err(fail)?;
        }
        let created =
            if inner.durability(options.durability) == Durability::Full { place.created } else { Vec::new() };
        Ok(Some(State { staged, name, seen, created, mode, lost: None }))
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
        if let Some(kind) = state.lost {
            return (Close::No, Err(kind.into()));
        }
        if self.incomplete.load(Ordering::Acquire) {
            return (Close::No, Err(after_failed_write()));
        }
        let token = match Token::random().and_then(|token| self.inner.put_token(&state.staged.file, token)) {
            Ok(token) => token,
            Err(error) => return (Close::No, Err(error)),
        };
        if let Err(errno) = state.mode.settle(&state.staged.file) {
            return (Close::No, Err(fail(errno)));
        }
        if let Err(error) = sync_content(&state.staged.file, self.durability) {
            // What the disk holds now is unknown, and a second fsync would not tell.
            return (Close::Yes, Err(error));
        }
        match self.leads_here(state) {
            Ok(true) => {}
            Ok(false) if state.seen.is_some() => return self.lose(state),
            Ok(false) => return self.publish_anew(state),
            Err(error) => return (Close::No, Err(error)),
        }
        match self.rename(state) {
            Ok(Outcome::Published) => (Close::Yes, self.finish(state, token)),
            Ok(Outcome::Mismatch) => self.lose(state),
            Ok(Outcome::Vanished) => self.publish_anew(state),
            Err(errno) => (Close::No, Err(fail(errno))),
        }
    }

    /// Whether the path leads to where the content is staged still: a directory on the way may have
    /// been moved or removed meanwhile, and who commits means the path.
    fn leads_here(&self, state: &State) -> Result<bool> {
        let staged = sys::stat(&*state.staged.dir).map_err(fail)?;
        // A link that came to the name itself is for the comparison that counts to find.
        for follow in [Follow::No, Follow::Yes] {
            match self.inner.root.locate(&self.path, follow, Parents::Require) {
                Ok(place) => {
                    let dir = sys::stat(&place.dir).map_err(fail)?;
                    if sys::same_inode(&dir, &staged) && *place.name == *state.name {
                        return Ok(true);
                    }
                    if !place.stat.is_some_and(|stat| sys::is_link(&stat)) {
                        return Ok(false);
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn rename(&self, state: &State) -> Sys<Outcome> {
        let dir = state.staged.dir.as_fd();
        let expected = state.seen.as_ref().map_or(Expected::Absent, Expected::Seen);
        let from = At { dir: &dir, name: state.staged.name.as_bytes() };
        publish(from, At { dir: &dir, name: &state.name }, expected, Locking::Locked)
    }

    fn finish(&self, state: &mut State, token: Option<Token>) -> Result<Metadata> {
        state.staged.published();
        let metadata = self.inner.published_metadata(&state.staged.file, token);
        lock::release(&state.staged.file);
        sync_names(&state.staged.dir, &state.created, self.durability)?;
        metadata
    }

    /// The directory was moved, or removed with the staged file in it: the bytes are still in the open
    /// file, and go where the path leads now.
    fn publish_anew(&self, state: &mut State) -> (Close, Result<Metadata>) {
        let terms = Terms {
            condition: &Condition::IfAbsent,
            durability: self.durability,
            parents: self.options.parents,
        };
        match self.inner.write_content(&self.path, Content::File(&state.staged.file), terms) {
            Err(error) if error.kind() == ErrorKind::ConditionFailed => self.lose(state),
            Err(error) => (Close::No, Err(error)),
            Ok(metadata) => (Close::Yes, Ok(metadata)),
        }
    }

    /// Somebody else was faster: the path is free for the next, the bytes stay in the open file.
    fn lose(&self, state: &mut State) -> (Close, Result<Metadata>) {
        state.staged.remove();
        let is_dir = || sys::stat_at(&state.staged.dir, &*state.name).is_ok_and(|stat| sys::is_dir(&stat));
        let error = match &self.options {
            options if options.mode == Mode::Create => ErrorKind::AlreadyExists.into(),
            _ if is_dir() => ErrorKind::IsADirectory.into(),
            options => {
                let conditional = options.condition != Condition::None;
                let kind = if conditional { ErrorKind::ConditionFailed } else { ErrorKind::WouldBlock };
                Error::new(kind).with_message(
                    "another writer committed first; nothing was written, and the bytes can still be read here",
                )
            }
        };
        state.lost = Some(error.kind());
        (Close::No, Err(error))
    }

    fn check_readable(&self, state: &State) -> Result<()> {
        if self.options.mode.reads() || state.lost.is_some() { Ok(()) } else { Err(not_readable()) }
    }

    /// Runs a change of the content; after a lost commit there is nothing left to change.
    fn change(&self, body: impl FnOnce(&OwnedFd) -> Sys<()>) -> Result<()> {
        self.handle.with(|state| {
            if state.lost.is_some() {
                return Err(closed());
            }
            body(&state.staged.file).map_err(|errno| {
                self.incomplete.store(true, Ordering::Release);
                fail(errno)
            })
        })
    }
}

impl BlockingFile for StagedWriter {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.handle.with(|state| {
            self.check_readable(state)?;
            sys::read_at(&state.staged.file, offset, buf).map_err(fail)
        })
    }

    fn read_bytes(&self, offset: u64, len: usize) -> Result<Bytes> {
        self.handle.with(|state| {
            self.check_readable(state)?;
            read_bytes(&state.staged.file, offset, len)
        })
    }

    fn write_at(&self, offset: u64, data: &Data<'_>) -> Result<()> {
        self.change(|file| sys::write_at(file, at(self.options.mode, offset), data))
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
        self.change(|file| sys::set_len(file, len))
    }

    fn flush(&self) -> Result<()> {
        self.handle.finish(|state| match (state.lost, sync_content(&state.staged.file, self.durability)) {
            (Some(_), _) => (Close::No, Err(closed())),
            (None, Ok(())) => (Close::No, Ok(())),
            // As after a failed sync at commit: there is nothing that could be published.
            (None, Err(error)) => (Close::Yes, Err(error)),
        })
    }

    fn commit(&self) -> Result<Metadata> {
        self.handle.finish(|state| self.publish(state))
    }

    fn abort(&self) -> Result<()> {
        self.handle.abandon();
        Ok(())
    }
}
