//! A directory that several processes use as one private store: the hold that each of them has while
//! it does, and the removal by the last one.
//!
//! A hold is a shared record lock of the directory itself, of the kind that belongs to an open file
//! description and ends with it (`F_OFD_SETLK`), so it ends with its process, and no file is needed.
//! `flock`, under which the names of a directory are changed, is another lock: nobody who changes
//! names waits for a hold. To look whether others hold and to clear happens under the exclusive
//! `flock`, to begin a hold under the shared one.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::folders::Folders;
use super::lock::Lock;
use super::names::visit_names;
use super::remove::not_empty;
use super::staging::is_staged_name;
use super::sweep::sweep_names;
use super::sys::{self, Sys, fail};
use super::write::kept_vanishing;
use super::{Inner, LocalOptions, LocalStore, MAX_VANISHED};
use crate::error::{ErrorKind, Result};
use crate::{fork, pool};

/// Which names in a private directory are its user's: folders in it, and files in a folder.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) is_folder: fn(&[u8]) -> bool,
    pub(crate) is_file: fn(folder: &[u8], name: &[u8]) -> bool,
}

/// A private directory in use.
pub(crate) struct PrivateDir {
    store: LocalStore,
    layout: Layout,
    /// The process that `hold` belongs to.
    generation: AtomicU64,
    hold: Mutex<Hold>,
}

enum Hold {
    Held(OwnedFd),
    /// The directory cannot be opened or locked: nobody could be seen to use it, so it is not cleared.
    Unknown,
    Closed,
}

impl PrivateDir {
    /// Opens a directory, made if it is missing, and begins to hold it. Removes what dead writers left.
    pub(crate) fn open(path: &Path, options: LocalOptions, layout: Layout) -> Result<Self> {
        let mut vanished = kept_vanishing();
        for _ in 0..MAX_VANISHED {
            let store = match LocalStore::open(path, options) {
                // The last one cleared it after it was made here and before it was opened.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    vanished = error;
                    continue;
                }
                opened => opened?,
            };
            // Somebody else may have been the last one, and have cleared it, since it was opened.
            let Some(hold) = Hold::take(&store).map_err(fail)? else { continue };
            let _ = store.0.folders.set(Folders::default());
            let generation = AtomicU64::new(fork::generation());
            let dir = Self { store, layout, generation, hold: Mutex::new(hold) };
            dir.sweep();
            return Ok(dir);
        }
        Err(vanished)
    }

    pub(crate) fn store(&self) -> &LocalStore {
        &self.store
    }

    /// Puts another hold in the place of this one. Nobody waits while the lock is held.
    fn replace(&self, hold: Hold) -> Hold {
        if let (Hold::Closed, Some(folders)) = (&hold, self.store.0.folders.get()) {
            folders.clear();
        }
        let _section = fork::section();
        std::mem::replace(&mut *self.hold.lock().unwrap_or_else(PoisonError::into_inner), hold)
    }

    fn is_closed(&self) -> bool {
        let _section = fork::section();
        matches!(*self.hold.lock().unwrap_or_else(PoisonError::into_inner), Hold::Closed)
    }

    /// Begins to hold the directory in a forked child, whose parent's hold is not its own.
    pub(crate) fn renew(&self) -> Result<()> {
        let (old, new) = (self.generation.load(Ordering::Acquire), fork::generation());
        let claimed =
            || self.generation.compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if old != new && claimed() && !self.is_closed() {
            // The old descriptor is closed and not unlocked: the lock is the parent's.
            drop(self.replace(Hold::take(&self.store).map_err(fail)?.unwrap_or(Hold::Unknown)));
        }
        Ok(())
    }

    /// Ends the hold; any number of times.
    pub(crate) fn close(&self) -> Result<()> {
        self.renew()?;
        if let Hold::Held(dir) = self.replace(Hold::Closed) {
            end(&dir);
        }
        Ok(())
    }

    /// Ends the hold and, if nobody else has one, removes the user's files and folders and then the
    /// directory. What is not the user's stays, and so do the directories it stands in.
    pub(crate) fn close_and_clear(&self) -> Result<()> {
        self.renew()?;
        let Hold::Held(dir) = self.replace(Hold::Closed) else { return Ok(()) };
        // Of two that close at once, the second one looks when the first has ended its hold.
        let _lock = Lock::exclusive(&dir).map_err(fail)?;
        let alone = !is_held_by_others(&dir).map_err(fail)?;
        let cleared = if alone { clear(&self.store.0, self.layout) } else { Ok(()) };
        end(&dir);
        cleared?;
        if alone { self.remove_root().map_err(fail) } else { Ok(()) }
    }

    /// Removes the directory itself, if it is empty and still the one that was opened.
    fn remove_root(&self) -> Sys<()> {
        let path = self.store.root();
        if !still_at(&self.store)? {
            return Ok(());
        }
        match retry_on_intr(|| rustix::fs::unlinkat(rustix::fs::CWD, path, AtFlags::REMOVEDIR)) {
            // In use again, or something else's; a link, a mount point, or in a directory not ours.
            Err(
                Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT | Errno::BUSY | Errno::ACCESS | Errno::PERM,
            ) => Ok(()),
            result => result,
        }
    }

    /// Removes folders that are empty.
    pub(crate) fn remove_emptied(&self, folders: impl Iterator<Item = u8>) {
        for folder in folders {
            let name = format!("{folder:02x}");
            // Else something is in it, or others were faster.
            if sys::rmdir_at(self.store.0.root.dir(), name.as_str()).is_ok()
                && let Some(folders) = self.store.0.folders.get()
            {
                folders.forget(&name);
            }
        }
    }

    /// Removes the staged files of dead writers. Whatever goes wrong is left for the next time.
    fn sweep(&self) {
        let Ok(folders) = self.store.0.folders(self.layout) else { return };
        let inner = Arc::clone(&self.store.0);
        each_folder(folders, move |name| {
            let Ok(dir) = open_folder(&inner, name) else { return };
            let mut litter = Vec::new();
            let visited = visit_names(&dir, |name, _| {
                if is_staged_name(name) {
                    litter.push(name.to_vec());
                }
            });
            if visited.is_ok() && !litter.is_empty() {
                sweep_names(&dir, &litter);
            }
        });
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        if self.generation.load(Ordering::Acquire) == fork::generation()
            && let Hold::Held(dir) = self.hold.get_mut().unwrap_or_else(PoisonError::into_inner)
        {
            end(dir);
        }
    }
}

impl Hold {
    /// Waits while somebody clears the directory; `None` if it is gone then.
    fn take(store: &LocalStore) -> Sys<Option<Self>> {
        let dir = match store.0.root.open_dir(b"") {
            Ok(dir) => dir,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::ACCESS | Errno::PERM) => return Ok(Some(Self::Unknown)),
            Err(errno) => return Err(errno),
        };
        let lock = Lock::shared(&dir)?;
        if !still_at(store)? {
            return Ok(None);
        }
        let held = record_lock(&dir, libc::F_OFD_SETLK, libc::F_RDLCK);
        drop(lock);
        match held {
            Ok(_) => Ok(Some(Self::Held(dir))),
            // A file system or sandbox without such locks.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOLCK | Errno::OPNOTSUPP) => Ok(Some(Self::Unknown)),
            Err(errno) => Err(errno),
        }
    }
}

/// Whether the path of a store still leads to the directory that was opened.
fn still_at(store: &LocalStore) -> Sys<bool> {
    match retry_on_intr(|| rustix::fs::stat(store.root())) {
        Ok(stat) => Ok(sys::same_inode(&stat, &sys::stat(store.0.root.dir())?)),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn is_held_by_others(dir: &OwnedFd) -> Sys<bool> {
    // Who could have the exclusive lock has nobody beside it.
    Ok(record_lock(dir, libc::F_OFD_GETLK, libc::F_WRLCK)? != libc::F_UNLCK)
}

/// Ends a hold by unlocking: a child forked meanwhile has the descriptor, too.
fn end(dir: &OwnedFd) {
    // The descriptor is valid, so this cannot fail.
    let _ = record_lock(dir, libc::F_OFD_SETLK, libc::F_UNLCK);
}

/// One `fcntl` about a record lock of the whole directory; gives the kind that is left in its argument.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the constants of the C library are wider than its fields"
)]
fn record_lock(dir: &OwnedFd, command: libc::c_int, kind: libc::c_int) -> Sys<libc::c_int> {
    // SAFETY: a C struct of integers, for which all zeros is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    retry_on_intr(|| {
        // SAFETY: the descriptor is open and the argument a lock that lives through the call.
        match unsafe { libc::fcntl(dir.as_raw_fd(), command, &raw mut lock) } {
            -1 => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)),
            _ => Ok(()),
        }
    })?;
    Ok(libc::c_int::from(lock.l_type))
}

impl Inner {
    /// The folders of the layout that are there.
    fn folders(&self, layout: Layout) -> Sys<Vec<Vec<u8>>> {
        let mut folders = Vec::new();
        visit_names(self.root.open_dir(b"")?, |name, file_type| {
            if matches!(file_type, FileType::Directory | FileType::Unknown) && (layout.is_folder)(name) {
                folders.push(name.to_vec());
            }
        })?;
        Ok(folders)
    }
}

fn open_folder(inner: &Inner, name: &[u8]) -> Sys<OwnedFd> {
    sys::open_at(inner.root.dir(), name, sys::DIRECTORY | OFlags::NOFOLLOW, 0)
}

/// From how many folders on other threads take part.
const SPREAD_FROM: usize = 32;

fn each_folder(folders: Vec<Vec<u8>>, work: impl Fn(&[u8]) + Send + Sync + 'static) {
    if folders.len() < SPREAD_FROM {
        return folders.iter().for_each(|name| work(name));
    }
    pool::for_each(folders.len(), 8, move |index| work(&folders[index]));
}

/// Removes the files and folders of the layout; gives the first error once all was tried.
fn clear(inner: &Arc<Inner>, layout: Layout) -> Result<()> {
    let folders = inner.folders(layout).map_err(fail)?;
    let first: Arc<Mutex<Sys<()>>> = Arc::new(Mutex::new(Ok(())));
    let (inner, failed) = (Arc::clone(inner), Arc::clone(&first));
    each_folder(folders, move |name| {
        if let Err(errno) = clear_folder(&inner, layout, name) {
            let mut first = failed.lock().unwrap_or_else(PoisonError::into_inner);
            *first = first.and(Err(errno));
        }
    });
    let first = *first.lock().unwrap_or_else(PoisonError::into_inner);
    first.map_err(fail)
}

fn clear_folder(inner: &Inner, layout: Layout, folder: &[u8]) -> Sys<()> {
    let dir = match open_folder(inner, folder) {
        Ok(dir) => dir,
        // Not a folder of ours after all, or gone.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
        Err(errno) => return Err(errno),
    };
    let (mut ours, mut litter) = (Vec::new(), Vec::new());
    visit_names(&dir, |name, file_type| {
        if is_staged_name(name) {
            litter.push(name.to_vec());
        } else if !file_type.is_dir() && (layout.is_file)(folder, name) {
            ours.push(name.to_vec());
        }
    })?;
    sweep_names(&dir, &litter);
    for name in ours {
        match sys::unlink_at(&dir, &*name) {
            Ok(()) | Err(Errno::NOENT | Errno::ISDIR) => {}
            Err(errno) => return Err(errno),
        }
    }
    match sys::rmdir_at(inner.root.dir(), folder).map_err(not_empty) {
        Err(Errno::NOTEMPTY | Errno::NOENT) => Ok(()),
        result => result,
    }
}
