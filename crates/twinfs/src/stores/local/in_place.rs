//! The handle that writes to the file itself, for logs and for protocols that show a file while
//! it grows. It holds the same lease as a staged writer: an empty staged file.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Inner;
use super::confine::Place;
use super::file::{len, metadata_while_writing, read_bytes};
use super::handle::{Close, Handle, Held, not_readable};
use super::lock::Lock;
use super::publish::{check_seen, sync_content, sync_names};
use super::staging::{ContentMode, Lease as LeaseOutcome, StagedFile, take_lease};
use super::sys::{self, fail};
use super::version::{Seen, Token};
use super::write::{kept_vanishing, special_or_fail};
use super::writer::{at, busy, check_mode, check_version, locate};
use crate::error::{ErrorKind, Result};
use crate::path::FsPath;
use crate::store::{
    BlockingFile, Condition, Data, Durability, Lease, Metadata, Mode, OpenOptions, Parents, Version,
};

/// A handle whose writes are seen as they are made.
pub(super) struct InPlaceWriter {
    inner: Arc<Inner>,
    mode: Mode,
    durability: Durability,
    version: Option<Version>,
    handle: Handle<State>,
}

struct State {
    file: OwnedFd,
    /// The directory, where its names may have to be synced.
    dir: Option<Arc<OwnedFd>>,
    lease: Option<StagedFile<Arc<OwnedFd>>>,
    created: Vec<OwnedFd>,
}

impl Held for State {
    fn forget(&mut self) {
        if let Some(lease) = &mut self.lease {
            lease.forget();
        }
    }
}

/// Private: nobody but its holder has any business with a lease.
const LEASE_MODE: u32 = 0o600;

impl InPlaceWriter {
    pub(super) fn open(inner: &Arc<Inner>, path: &FsPath, options: &OpenOptions) -> Result<Self> {
        if let Some(file) = open_directly(inner, path, options)? {
            let state = State { file, dir: None, lease: None, created: Vec::new() };
            return Ok(Self {
                inner: Arc::clone(inner),
                mode: options.mode,
                durability: Durability::None,
                version: None,
                handle: Handle::new(state),
            });
        }
        for _ in 0..super::MAX_VANISHED {
            let place = locate(inner, path, options)?;
            check_mode(options.mode, &options.condition, place.stat.as_ref())?;
            check_version(&options.condition, &place)?;
            if let Some((state, version)) = Self::open_at(inner, place, options)? {
                return Ok(Self {
                    inner: Arc::clone(inner),
                    mode: options.mode,
                    durability: inner.durability(options.durability),
                    version,
                    handle: Handle::new(state),
                });
            }
        }
        Err(kept_vanishing())
    }

    /// `None` if the place changed meanwhile.
    fn open_at(
        inner: &Inner,
        place: Place<'_>,
        options: &OpenOptions,
    ) -> Result<Option<(State, Option<Version>)>> {
        let dir = Arc::new(place.dir);
        let lease = match options.lease {
            Lease::Off => None,
            Lease::Hold => match take_lease(&dir, &place.name, LEASE_MODE) {
                Ok(LeaseOutcome::Held(staged)) => Some(staged),
                Ok(LeaseOutcome::Busy) => return Err(busy()),
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            },
        };
        // Looking and making are one step for all who compare under the directory's lock.
        let locked = Lock::exclusive(&dir).map_err(fail)?;
        let seen = Seen::look(&dir, &*place.name).map_err(fail)?;
        if seen.as_ref().is_some_and(|seen| sys::is_link(&seen.stat)) {
            return Ok(None);
        }
        check_mode(options.mode, &options.condition, seen.as_ref().map(|seen| &seen.stat))?;
        check_seen(&options.condition, seen.as_ref())?;
        let Some(file) = open_content(inner, dir.as_fd(), &place.name, options.mode, seen.is_some())? else {
            return Ok(None);
        };
        drop(locked);
        let version = seen.as_ref().filter(|_| inner.keeps_versions).map(Seen::version);
        // From here on the content may change: nobody may take it for the version it was.
        inner.put_token(&file, Token::random()?)?;
        if !options.mode.keeps() && seen.is_some() {
            sys::set_len(&file, 0).map_err(fail)?;
        }
        let created =
            if inner.durability(options.durability) == Durability::Full { place.created } else { Vec::new() };
        Ok(Some((State { file, dir: Some(dir), lease, created }, version)))
    }

    fn check_readable(&self) -> Result<()> {
        if self.mode.reads() { Ok(()) } else { Err(not_readable()) }
    }

    fn sync(&self, state: &State) -> Result<()> {
        sync_content(&state.file, self.durability)?;
        match &state.dir {
            Some(dir) => sync_names(dir, &state.created, self.durability),
            None => Ok(()),
        }
    }

    fn close(&self, state: &State) -> Result<Metadata> {
        let token = self.inner.put_token(&state.file, Token::random()?)?;
        self.sync(state)?;
        self.inner.published_metadata(&state.file, token)
    }
}

/// Opens the file as any program would, in one step, where nothing has to be compared, marked or
/// synced. `None` where there is more to do.
fn open_directly(inner: &Inner, path: &FsPath, options: &OpenOptions) -> Result<Option<OwnedFd>> {
    let plain = options.lease == Lease::Off
        && options.condition == Condition::None
        && inner.durability(options.durability) == Durability::None
        && !inner.keeps_versions
        && inner.options.file_mode.is_none();
    if !plain {
        return Ok(None);
    }
    let making = match options.mode {
        Mode::Create => OFlags::CREATE | OFlags::EXCL,
        Mode::Write | Mode::Overwrite => OFlags::CREATE | OFlags::TRUNC,
        Mode::Append => OFlags::CREATE,
        Mode::Read | Mode::Update => OFlags::empty(),
    };
    // To ask for permissions where nothing is made is an error.
    let mode = if making.contains(OFlags::CREATE) { ContentMode::new(None, None).at_creation() } else { 0 };
    match inner.root.create_at(path, open_flags(options.mode) | making, mode) {
        // A link at the end is followed step by step, and missing directories are made.
        None | Some(Err(Errno::LOOP)) => Ok(None),
        Some(Err(Errno::NOENT)) if options.mode != Mode::Update && options.parents == Parents::Create => {
            Ok(None)
        }
        Some(Err(errno)) => Err(special_or_fail(errno)),
        Some(Ok(file)) => {
            sys::require_file(&sys::stat(&file).map_err(fail)?)?;
            Ok(Some(file))
        }
    }
}

/// How a writer opens the file itself, made or not.
fn open_flags(mode: Mode) -> OFlags {
    let access = if mode.reads() { OFlags::RDWR } else { OFlags::WRONLY };
    let append = if mode == Mode::Append { OFlags::APPEND } else { OFlags::empty() };
    access | append | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY
}

/// Opens the file to write to, or makes it; `None` if it came or went meanwhile.
fn open_content(
    inner: &Inner,
    dir: std::os::fd::BorrowedFd<'_>,
    name: &[u8],
    mode: Mode,
    exists: bool,
) -> Result<Option<OwnedFd>> {
    let mut flags = open_flags(mode);
    let content_mode = ContentMode::new(inner.options.file_mode, None);
    if !exists {
        flags |= OFlags::CREATE | OFlags::EXCL;
    }
    let create_mode = if exists { 0 } else { content_mode.at_creation() };
    match sys::open_at(dir, name, flags, create_mode) {
        Ok(file) => {
            if !exists {
                content_mode.apply(&file).map_err(fail)?;
            }
            sys::require_file(&sys::stat(&file).map_err(fail)?)?;
            Ok(Some(file))
        }
        Err(Errno::EXIST | Errno::NOENT | Errno::LOOP) => Ok(None),
        Err(errno) => Err(special_or_fail(errno)),
    }
}

impl BlockingFile for InPlaceWriter {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.handle.with(|state| {
            self.check_readable()?;
            sys::read_at(&state.file, offset, buf).map_err(fail)
        })
    }

    fn read_bytes(&self, offset: u64, len: usize) -> Result<Bytes> {
        self.handle.with(|state| {
            self.check_readable()?;
            read_bytes(&state.file, offset, len)
        })
    }

    fn write_at(&self, offset: u64, data: &Data<'_>) -> Result<()> {
        self.handle.with(|state| sys::write_at(&state.file, at(self.mode, offset), data).map_err(fail))
    }

    fn len(&self) -> Result<u64> {
        self.handle.with(|state| len(&state.file))
    }

    fn metadata(&self) -> Result<Metadata> {
        self.handle.with(|state| metadata_while_writing(&state.file, self.version.clone()))
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.handle.with(|state| sys::set_len(&state.file, len).map_err(fail))
    }

    fn flush(&self) -> Result<()> {
        self.handle.with(|state| self.sync(state))
    }

    fn commit(&self) -> Result<Metadata> {
        self.handle.finish(|state| (Close::Yes, self.close(state)))
    }

    fn abort(&self) -> Result<()> {
        self.handle.abandon();
        Ok(())
    }
}
