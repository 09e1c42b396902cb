//! Staged uploads: files in a private directory at the root that outlive handle and process.
//!
//! An upload's name is its id, and its id says when it was made and when it may be swept, so no
//! attribute or table has to agree with the file. Handles that write share a lock of the file for
//! the moment of each write; publishing (`publish_staged`) excludes them, so that no late write reaches a
//! published file. The lock of the directory is the turnstile before it.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::file::{len, metadata_while_writing, read_bytes};
use super::handle::{Handle, Held, not_open_for};
use super::lock::{self, Lock};
use super::names::visit_names;
use super::publish::sync_content;
use super::staging::{ContentMode, stands_at};
use super::sys::{self, Sys, fail};
use super::write::kept_vanishing;
use super::{Inner, MAX_VANISHED};
use crate::error::{Error, ErrorKind, Result};
use crate::store::{BlockingFile, Data, Metadata, StageOptions, Staged, StagedId, StagedTarget, random_hex};

/// The directory of staged uploads, at the root.
pub(super) const STAGED_DIR: &str = ".twinfs-staged";
/// How often `stage` looks for expired uploads, in seconds.
const SWEEP_EVERY: u64 = 60;

/// When an upload was made and when it may be swept, in seconds since 1970, as its id says it.
#[derive(Clone, Copy)]
struct Lifetime {
    created: u64,
    expires: u64,
}

impl Lifetime {
    fn from_now(keep: Duration) -> Self {
        let created = now();
        // Rounded up: never swept before its time.
        let whole = keep.as_secs().saturating_add(u64::from(keep.subsec_nanos() > 0)).saturating_add(1);
        Self { created, expires: created.saturating_add(whole) }
    }

    fn new_id(self) -> Result<StagedId> {
        StagedId::new(&format!("{:x}-{:x}-{}", self.expires, self.created, random_hex()?))
    }

    fn of(name: &str) -> Option<Self> {
        let mut parts =
            name.split('-').map(|part| u64::from_str_radix(part.get(..part.len().min(16))?, 16).ok());
        let (expires, created) = (parts.next()??, parts.next()??);
        Some(Self { created, expires })
    }

    fn is_over(self) -> bool {
        self.expires <= now()
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn time(seconds: u64) -> SystemTime {
    // Far beyond what a clock can show: as late as one can.
    let latest = Duration::from_secs(i64::MAX.unsigned_abs() / 2);
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds).min(latest)).unwrap_or(UNIX_EPOCH)
}

pub(super) fn unknown() -> Error {
    Error::new(ErrorKind::NotFound)
        .with_message("no such staged upload: it was published, discarded, or has expired")
}

/// Names an upload's fate where a missing name means just that.
pub(super) fn unknown_or_fail(errno: Errno) -> Error {
    if errno == Errno::NOENT { unknown() } else { fail(errno) }
}

impl Inner {
    pub(super) fn staged_dir(&self) -> Sys<OwnedFd> {
        sys::open_at(self.root.dir(), STAGED_DIR, sys::DIRECTORY | OFlags::NOFOLLOW, 0)
    }

    fn open_upload(&self, id: &StagedId, access: OFlags) -> Result<(OwnedFd, OwnedFd)> {
        let dir = self.staged_dir().map_err(unknown_or_fail)?;
        let flags = access | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = sys::open_at(&dir, id.as_str(), flags, 0).map_err(unknown_or_fail)?;
        Ok((dir, file))
    }

    /// Removes the directory of uploads if it is empty, so that nothing of ours stays.
    pub(super) fn tidy_staged_dir(&self) {
        let _ = sys::rmdir_at(self.root.dir(), STAGED_DIR);
    }

    pub(super) fn stage(&self, options: &StageOptions) -> Result<StagedId> {
        Ok(self.make_upload(options)?.id)
    }

    /// Makes an empty upload.
    fn make_upload(&self, options: &StageOptions) -> Result<UploadState> {
        let lifetime = Lifetime::from_now(options.keep);
        let id = lifetime.new_id()?;
        let mode = ContentMode::new(self.options.file_mode, None);
        for _ in 0..MAX_VANISHED {
            // It is there as long as any upload is.
            let opened = match self.staged_dir() {
                Err(Errno::NOENT) => match sys::mkdir_at(self.root.dir(), STAGED_DIR, 0o700) {
                    Ok(()) | Err(Errno::EXIST) => self.staged_dir(),
                    Err(errno) => return Err(fail(errno)),
                },
                opened => opened,
            };
            let made = opened.and_then(|dir| {
                self.sweep_now_and_then(&dir, lifetime.created);
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                let file = sys::open_at(&dir, id.as_str(), flags, mode.at_creation())?;
                mode.apply(&file)?;
                Ok((dir, file))
            });
            match made {
                Ok((dir, file)) => return Ok(UploadState { dir, file, id, writing: Mutex::new(0) }),
                // Somebody tidied the empty directory away: make it again.
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(fail(errno)),
            }
        }
        Err(kept_vanishing())
    }

    pub(super) fn write_staged(
        &self,
        target: &StagedTarget,
        offset: u64,
        data: &Data<'_>,
    ) -> Result<StagedId> {
        match target {
            StagedTarget::New(options) => {
                // Nobody knows its id yet, so nobody publishes it meanwhile.
                let upload = self.make_upload(options)?;
                if let Err(errno) = sys::write_at(&upload.file, offset, data) {
                    let _ = sys::unlink_at(&upload.dir, upload.id.as_str());
                    return Err(fail(errno));
                }
                Ok(upload.id)
            }
            StagedTarget::Known(id) => {
                let (dir, file) = self.open_upload(id, OFlags::RDWR)?;
                let upload = UploadState { dir, file, id: id.clone(), writing: Mutex::new(0) };
                upload.write(|file| sys::write_at(file, offset, data))?;
                Ok(upload.id)
            }
        }
    }

    fn sweep_now_and_then(&self, dir: &OwnedFd, now: u64) {
        let last = self.last_sweep.load(Ordering::Relaxed);
        let due = now.abs_diff(last) >= SWEEP_EVERY;
        if due && self.last_sweep.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            // What stops a sweep stops nobody's upload.
            let _ = visit_uploads(dir, |_, _| {});
        }
    }

    pub(super) fn reopen(self: &Arc<Self>, id: &StagedId) -> Result<Box<dyn BlockingFile>> {
        let (dir, file) = self.open_upload(id, OFlags::RDWR)?;
        let state = UploadState { dir, file, id: id.clone(), writing: Mutex::new(0) };
        Ok(Box::new(Upload { inner: Arc::clone(self), handle: Handle::new(state) }))
    }

    pub(super) fn discard(&self, id: &StagedId) -> Result<()> {
        let dir = self.staged_dir().map_err(unknown_or_fail)?;
        sys::unlink_at(&dir, id.as_str()).map_err(unknown_or_fail)?;
        self.tidy_staged_dir();
        Ok(())
    }

    pub(super) fn list_staged(&self) -> Result<Vec<Staged>> {
        let dir = match self.staged_dir() {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(Vec::new()),
            Err(errno) => return Err(fail(errno)),
        };
        let mut names = Vec::new();
        visit_uploads(&dir, |name, lifetime| names.push((name.to_owned(), lifetime))).map_err(fail)?;
        let mut staged = Vec::with_capacity(names.len());
        for (name, lifetime) in names {
            // Published or discarded meanwhile: not listed.
            if let Some(stat) = sys::find_at(&dir, name.as_str()).map_err(fail)? {
                staged.push(Staged {
                    id: StagedId::new(&name)?,
                    len: stat.st_size.unsigned_abs(),
                    created: time(lifetime.created),
                    expires: time(lifetime.expires),
                });
            }
        }
        if staged.is_empty() {
            self.tidy_staged_dir();
        }
        staged.sort_unstable_by(|one, other| one.id.as_str().cmp(other.id.as_str()));
        Ok(staged)
    }
}

/// Drops an upload whose bytes could not be brought to the disk: what the disk holds of them is unknown, and a
/// second fsync would not tell.
pub(super) fn dropped(dir: &OwnedFd, id: &StagedId, error: Error) -> Error {
    let _ = sys::unlink_at(dir, id.as_str());
    error.with_message("the staged upload could not be synced and was dropped; upload it again")
}

/// Visits the uploads that are kept, and removes those whose time is over.
fn visit_uploads(dir: &OwnedFd, mut visit: impl FnMut(&str, Lifetime)) -> Sys<()> {
    let mut over = Vec::new();
    visit_names(dir, |name, _| {
        if let Ok(name) = std::str::from_utf8(name)
            && let Some(lifetime) = Lifetime::of(name)
        {
            if lifetime.is_over() { over.push(name.to_owned()) } else { visit(name, lifetime) }
        }
    })?;
    for name in over {
        let _ = sys::unlink_at(dir, name.as_str());
    }
    Ok(())
}

/// An open staged upload.
struct Upload {
    inner: Arc<Inner>,
    handle: Handle<UploadState>,
}

struct UploadState {
    dir: OwnedFd,
    file: OwnedFd,
    id: StagedId,
    /// Writes under way in this handle; the first takes the shared lock, the last releases it.
    writing: Mutex<usize>,
}

impl Held for UploadState {
    fn forget(&mut self) {}
}

impl UploadState {
    /// A handle of an upload that was published or discarded is closed.
    fn check_kept(&self) -> Result<()> {
        if stands_at(&self.file, self.dir.as_fd(), self.id.as_str().as_bytes()).map_err(fail)? {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Closed).with_message("the upload was published or discarded"))
    }

    /// Runs a write while nobody can publish the upload.
    fn write(&self, body: impl FnOnce(&OwnedFd) -> Sys<()>) -> Result<()> {
        self.begin_write()?;
        let result = body(&self.file).map_err(fail);
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        *writing -= 1;
        if *writing == 0 {
            lock::release(&self.file);
        }
        result
    }

    fn begin_write(&self) -> Result<()> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if *writing == 0 {
            let shared = self.share().map_err(fail)?;
            self.check_kept()?;
            shared.keep();
        }
        *writing += 1;
        Ok(())
    }

    /// Shares the file's lock, behind a publisher that waits for it: shared locks alone would be
    /// given to newcomers for ever, and the publisher would never get its turn.
    fn share(&self) -> Sys<Lock<'_>> {
        let turn = Lock::shared(&self.dir)?;
        if let Some(shared) = Lock::try_shared(&self.file)? {
            return Ok(shared);
        }
        // It is being published right now: that may take long, so the turn is given up first.
        drop(turn);
        Lock::shared(&self.file)
    }
}

impl BlockingFile for Upload {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.handle.with(|state| {
            state.check_kept()?;
            sys::read_at(&state.file, offset, buf).map_err(fail)
        })
    }

    fn read_bytes(&self, offset: u64, len: usize) -> Result<Bytes> {
        self.handle.with(|state| {
            state.check_kept()?;
            read_bytes(&state.file, offset, len)
        })
    }

    fn write_at(&self, offset: u64, data: &Data<'_>) -> Result<()> {
        self.handle.with(|state| state.write(|file| sys::write_at(file, offset, data)))
    }

    fn len(&self) -> Result<u64> {
        self.handle.with(|state| {
            state.check_kept()?;
            len(&state.file)
        })
    }

    fn metadata(&self) -> Result<Metadata> {
        self.handle.with(|state| {
            state.check_kept()?;
            metadata_while_writing(&state.file, None)
        })
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.handle.with(|state| state.write(|file| sys::set_len(file, len)))
    }

    fn flush(&self) -> Result<()> {
        self.handle.with(|state| {
            state.check_kept()?;
            sync_content(&state.file, self.inner.options.durability)
                .map_err(|error| dropped(&state.dir, &state.id, error))
        })
    }

    fn commit(&self) -> Result<Metadata> {
        self.handle
            .with(|_| Err(not_open_for("a staged upload is published by its id, not by committing a handle")))
    }

    fn abort(&self) -> Result<()> {
        self.handle.abandon();
        Ok(())
    }
}
