//! A directory that several processes use as one private store: the lock that each of them holds
//! while it does, and the removal by the last one.
//!
//! Whoever opens the directory holds a shared lock of a file in it until closing. To clear it takes
//! the exclusive lock, so only the last one can. A lock goes with its process, however that ends.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, FileType, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::lock::{self, Lock};
use super::names::visit_names;
use super::remove::not_empty;
use super::staging::{is_staged_name, stands_at};
use super::sweep::{LOCK_FILE, sweep_names};
use super::sys::{self, Sys, fail};
use super::write::kept_vanishing;
use super::{Inner, LocalOptions, LocalStore, MAX_VANISHED};
use crate::error::Result;
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
    Locked(OwnedFd),
    /// The directory cannot be written to: nobody could clear it through us, and nobody needs to wait.
    ReadOnly,
    Closed,
}

impl PrivateDir {
    /// Opens a directory, made if it is missing, and begins to hold it. Removes what dead writers left.
    pub(crate) fn open(path: &Path, options: LocalOptions, layout: Layout) -> Result<Self> {
        for _ in 0..MAX_VANISHED {
            let store = LocalStore::open(path, options)?;
            // Somebody else may have been the last one, and have cleared it, since it was opened.
            let Some(hold) = Hold::take(&store.0).map_err(fail)? else { continue };
            let generation = AtomicU64::new(fork::generation());
            let dir = Self { store, layout, generation, hold: Mutex::new(hold) };
            dir.sweep();
            return Ok(dir);
        }
        Err(kept_vanishing())
    }

    pub(crate) fn store(&self) -> &LocalStore {
        &self.store
    }

    /// Puts another hold in the place of this one. Nobody waits while the lock is held.
    fn replace(&self, hold: Hold) -> Hold {
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
            drop(self.replace(Hold::take(&self.store.0).map_err(fail)?.unwrap_or(Hold::ReadOnly)));
        }
        Ok(())
    }

    /// Ends the hold; any number of times.
    pub(crate) fn close(&self) -> Result<()> {
        self.finish(|| Ok(()))
    }

    /// Ends the hold and, if nobody else has one, removes the user's files and folders and then the
    /// directory. What is not the user's stays, and so do the directories it stands in.
    pub(crate) fn close_and_clear(&self) -> Result<()> {
        let mut cleared = false;
        self.finish(|| {
            clear(&self.store.0, self.layout)?;
            cleared = true;
            Ok(())
        })?;
        if cleared { self.remove_root().map_err(fail) } else { Ok(()) }
    }

    /// Ends the hold; before that, if nobody else has one, `last` is done.
    fn finish(&self, last: impl FnOnce() -> Result<()>) -> Result<()> {
        self.renew()?;
        let Hold::Locked(file) = self.replace(Hold::Closed) else { return Ok(()) };
        let root = self.store.0.root.dir();
        let alone =
            lock::try_hold(&file).map_err(fail)? && stands_at(&file, root, LOCK_FILE).map_err(fail)?;
        let result = if alone { last() } else { Ok(()) };
        if alone {
            // Nothing of ours stays. Whoever waits for this lock sees that its file is gone.
            let _ = sys::unlink_at(root, LOCK_FILE);
        }
        lock::release(&file);
        result
    }

    /// Removes the directory itself, if it is empty and still the one that was opened.
    fn remove_root(&self) -> Sys<()> {
        let path = self.store.root();
        let same = match retry_on_intr(|| rustix::fs::lstat(path)) {
            Ok(stat) => sys::same_inode(&stat, &sys::stat(self.store.0.root.dir())?),
            Err(Errno::NOENT) => false,
            Err(errno) => return Err(errno),
        };
        if !same {
            return Ok(());
        }
        match retry_on_intr(|| rustix::fs::unlinkat(rustix::fs::CWD, path, AtFlags::REMOVEDIR)) {
            // In use again, or something else's; a mount point, or in a directory that is not ours.
            Err(
                Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT | Errno::BUSY | Errno::ACCESS | Errno::PERM,
            ) => Ok(()),
            result => result,
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
            && let Hold::Locked(file) = self.hold.get_mut().unwrap_or_else(PoisonError::into_inner)
        {
            lock::release(file);
        }
    }
}

impl Hold {
    /// Waits while somebody clears the directory; `None` if it is gone then.
    fn take(inner: &Inner) -> Sys<Option<Self>> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        for _ in 0..MAX_VANISHED {
            let file = match sys::open_at(inner.root.dir(), LOCK_FILE, flags | OFlags::CREATE, 0o600) {
                Ok(file) => file,
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => {
                    match sys::open_at(inner.root.dir(), LOCK_FILE, sys::READ | OFlags::NOFOLLOW, 0) {
                        Ok(file) => file,
                        Err(_) => return Ok(Some(Self::ReadOnly)),
                    }
                }
                Err(errno) => return Err(errno),
            };
            let shared = Lock::shared(&file)?;
            if stands_at(&file, inner.root.dir(), LOCK_FILE)? {
                shared.keep();
                return Ok(Some(Self::Locked(file)));
            }
        }
        Ok(None)
    }
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
