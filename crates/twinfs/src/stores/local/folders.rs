//! The short way of a private store (`private`) to make and remove files in its folders: the folders last
//! used stay open, and a new file has no name before it is whole.
//!
//! Nobody but connectors renames or replaces those folders, and they only remove empty ones. A folder
//! that is gone says so at the next call, which then goes the long way.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::publish::{condition_failed, sync_content};
use super::sys::{self, Sys, fail};
use super::{Inner, version};
use crate::error::Result;
use crate::fork;
use crate::path::FsPath;
use crate::store::{Condition, Data, Durability, Metadata, Parents, WriteOptions};

/// How many folders stay open: objects put in a row share one, and so do those got and evicted.
const OPEN: usize = 4;

/// The folders last used.
#[derive(Default)]
pub(super) struct Folders {
    open: Mutex<Vec<(Box<str>, Arc<OwnedFd>)>>,
    /// The file system cannot make files without names.
    names_needed: AtomicBool,
}

impl Folders {
    fn with<T>(&self, body: impl FnOnce(&mut Vec<(Box<str>, Arc<OwnedFd>)>) -> T) -> T {
        let _section = fork::section();
        body(&mut self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn get(&self, name: &str) -> Option<Arc<OwnedFd>> {
        self.with(|open| open.iter().find(|(known, _)| **known == *name).map(|(_, dir)| Arc::clone(dir)))
    }

    fn keep(&self, name: &str, dir: OwnedFd) -> Arc<OwnedFd> {
        let dir = Arc::new(dir);
        let kept = (name.into(), Arc::clone(&dir));
        // What is pushed out is closed outside of the section.
        let _oldest = self.with(|open| {
            open.push(kept);
            (open.len() > OPEN).then(|| open.remove(0))
        });
        dir
    }

    pub(super) fn forget(&self, name: &str) {
        let _closed: Vec<_> = self.with(|open| open.extract_if(.., |(known, _)| **known == *name).collect());
    }

    pub(super) fn clear(&self) {
        let _closed = self.with(std::mem::take);
    }
}

/// The folder of a path that has just one.
fn folder_of(path: &FsPath) -> Option<&str> {
    let folder = path.parent_str();
    (!folder.is_empty() && !folder.contains('/')).then_some(folder)
}

impl Inner {
    /// Makes a file that is not to be there yet; `None` if it has to go the long way.
    pub(super) fn create_in_folder(
        &self,
        path: &FsPath,
        parts: &[Data<'_>],
        options: &WriteOptions,
    ) -> Result<Option<Metadata>> {
        let durability = self.durability(options.durability);
        let (Some(folders), Some(folder)) = (self.folders.get(), folder_of(path)) else { return Ok(None) };
        let fits = options.condition == Condition::IfAbsent
            && options.parents == Parents::Create
            && durability != Durability::Full
            && !folders.names_needed.load(Ordering::Relaxed);
        if !fits {
            return Ok(None);
        }
        let dir = match folders.get(folder) {
            Some(dir) => dir,
            None => folders.keep(folder, self.root.open_parent(folder, Parents::Create)?.0),
        };
        let mode = self.options.file_mode.unwrap_or(0o666);
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        let file = match sys::open_at(&*dir, c".", flags, mode) {
            Ok(file) => file,
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => {
                folders.names_needed.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            // What ext4 and others say of a directory that was removed. If it is something else, the
            // long way says so.
            Err(Errno::NOENT | Errno::PERM) => {
                folders.forget(folder);
                return Ok(None);
            }
            Err(errno) => return Err(fail(errno)),
        };
        sys::write_all(&file, parts).map_err(fail)?;
        sync_content(&file, durability)?;
        match link(&file, &dir, path.name()) {
            Ok(()) => Ok(Some(version::metadata(&sys::stat(&file).map_err(fail)?))),
            Err(Errno::EXIST) => Err(condition_failed()),
            Err(Errno::NOENT | Errno::PERM) => {
                // The folder was emptied and removed, or there is no /proc.
                folders.forget(folder);
                Ok(None)
            }
            Err(errno) => Err(fail(errno)),
        }
    }

    /// Removes a file from a folder; `false` if it has to go the long way.
    pub(super) fn remove_from_folder(&self, path: &FsPath) -> bool {
        let (Some(folders), Some(folder)) = (self.folders.get(), folder_of(path)) else { return false };
        if self.options.durability == Durability::Full {
            return false;
        }
        let dir = match folders.get(folder) {
            Some(dir) => dir,
            None => match self.root.open_dir(folder.as_bytes()) {
                Ok(dir) => folders.keep(folder, dir),
                Err(_) => return false,
            },
        };
        let removed = sys::unlink_at(&*dir, path.name()).is_ok();
        if !removed {
            // It may stand in a new folder of that name.
            folders.forget(folder);
        }
        removed
    }
}

/// Gives a file without a name its first one.
fn link(file: &OwnedFd, dir: &OwnedFd, name: &str) -> Sys<()> {
    // Kernels before 6.10 let only root do this, and say that nothing is there.
    match retry_on_intr(|| rustix::fs::linkat(file, c"", dir, name, AtFlags::EMPTY_PATH)) {
        Err(Errno::NOENT | Errno::PERM | Errno::INVAL) => {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            retry_on_intr(|| rustix::fs::linkat(CWD, path.as_str(), dir, name, AtFlags::SYMLINK_FOLLOW))
        }
        result => result,
    }
}
