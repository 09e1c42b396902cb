//! Removing: files, links, empty directories, whole trees.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::Inner;
use super::lock::Lock;
use super::names::visit_names;
use super::publish::{Locking, sync_names};
use super::staging::{is_staged_name, remove_if_dead};
use super::sweep::{is_hidden, sweep_dir};
use super::sys::{self, Sys, fail};
use crate::error::{Error, ErrorKind, Result};
use crate::path::FsPath;
use crate::store::{CreateDirOptions, Existing, Parents, RemoveOptions};

/// How many levels of a tree being removed keep their directory open.
const OPEN_LEVELS: usize = 32;
/// How often a directory is emptied again when others fill it meanwhile.
const MAX_REFILLED: usize = 16;

impl Inner {
    pub(super) fn create_dir(&self, path: &FsPath, options: &CreateDirOptions) -> Result<()> {
        let durability = self.durability(options.durability);
        for _ in 0..super::MAX_VANISHED {
            let (parent, created) = self.root.open_parent(path.parent_str(), options.parents)?;
            let name = if path.is_root() { "." } else { path.name() };
            match super::confine::make_dir(parent.as_fd(), name.as_bytes(), self.options.dir_mode) {
                Ok(()) => return sync_names(&parent, &created, durability),
                Err(Errno::EXIST) => return self.check_existing(path, options.existing),
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(fail(errno)),
            }
        }
        Err(super::write::kept_vanishing())
    }

    fn check_existing(&self, path: &FsPath, existing: Existing) -> Result<()> {
        let is_dir = || self.root.stat(path).is_ok_and(|stat| sys::is_dir(&stat));
        if existing == Existing::Keep && is_dir() { Ok(()) } else { Err(ErrorKind::AlreadyExists.into()) }
    }

    pub(super) fn remove(&self, path: &FsPath, options: &RemoveOptions) -> Result<()> {
        if path.is_root() {
            return Err(ErrorKind::IsADirectory.into());
        }
        let (parent, _) = self.root.open_parent(path.parent_str(), Parents::Require)?;
        self.lock_names(&parent, || sys::unlink_at(&parent, path.name())).map_err(fail)?;
        sync_names(&parent, &[], self.durability(options.durability))
    }

    /// Changes names under the lock of their directory, so that the change does not fall
    /// between another's comparison and rename.
    fn lock_names<T>(&self, dir: &OwnedFd, change: impl FnOnce() -> Sys<T>) -> Sys<T> {
        let _lock = match self.locking() {
            Locking::Locked => Some(Lock::exclusive(dir)?),
            Locking::Unlocked => None,
        };
        change()
    }

    pub(super) fn remove_dir(&self, path: &FsPath, options: &RemoveOptions) -> Result<()> {
        if path.is_root() {
            return Err(root_stays());
        }
        let (parent, _) = self.root.open_parent(path.parent_str(), Parents::Require)?;
        remove_empty(parent.as_fd(), path.name()).map_err(fail)?;
        sync_names(&parent, &[], self.durability(options.durability))
    }

    pub(super) fn remove_all(&self, path: &FsPath, options: &RemoveOptions) -> Result<()> {
        let durability = self.durability(options.durability);
        if path.is_root() {
            let root = self.root.open_dir(b"").map_err(fail)?;
            self.clear_root(&root)?;
            return sync_names(&root, &[], durability);
        }
        let (parent, _) = self.root.open_parent(path.parent_str(), Parents::Require)?;
        match self.lock_names(&parent, || sys::unlink_at(&parent, path.name())) {
            Err(Errno::ISDIR | Errno::PERM) => remove_tree(parent.as_fd(), path.name().as_bytes())?,
            result => result.map_err(fail)?,
        }
        sync_names(&parent, &[], durability)
    }

    /// Empties the root of all but what belongs to living writers and staged uploads.
    fn clear_root(&self, root: &OwnedFd) -> Result<()> {
        let mut names = Vec::new();
        visit_names(root, |name, _| names.push(name.to_vec())).map_err(fail)?;
        for name in names {
            if is_staged_name(&name) {
                if let Some(_lock) = Lock::try_exclusive(root).map_err(fail)? {
                    remove_if_dead(root.as_fd(), &name).map_err(fail)?;
                }
            } else if !is_hidden(&name) {
                match sys::unlink_at(root, &*name) {
                    Err(Errno::ISDIR | Errno::PERM) => remove_tree(root.as_fd(), &name)?,
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(errno) => return Err(fail(errno)),
                }
            }
        }
        Ok(())
    }
}

pub(super) fn root_stays() -> Error {
    Error::new(ErrorKind::InvalidInput).with_message("the root itself can be neither removed nor renamed")
}

/// Removes an empty directory; what dead writers left in it is no obstacle.
fn remove_empty(parent: BorrowedFd<'_>, name: &str) -> Sys<()> {
    match sys::rmdir_at(parent, name) {
        Err(Errno::NOTEMPTY | Errno::EXIST) => {
            sweep_child(parent, name.as_bytes());
            sys::rmdir_at(parent, name).map_err(not_empty)
        }
        result => result,
    }
}

/// Removes what dead writers left in a directory that seemed empty but for that.
pub(super) fn sweep_child(parent: BorrowedFd<'_>, name: &[u8]) {
    if let Ok(dir) = sys::open_at(parent, name, sys::DIRECTORY | OFlags::NOFOLLOW, 0) {
        let _ = sweep_dir(&dir);
    }
}

/// Some file systems say "exists" where others say "not empty".
pub(super) fn not_empty(errno: Errno) -> Errno {
    if errno == Errno::EXIST { Errno::NOTEMPTY } else { errno }
}

/// A directory on the way down.
struct Level {
    /// Closed where the tree is deep; the way back up is then `..`, checked.
    dir: Option<OwnedFd>,
    device: u64,
    inode: u64,
    name: Vec<u8>,
    /// Sub-directories still to be removed.
    dirs: Vec<CString>,
    refilled: usize,
}

impl Level {
    /// Opens a directory and removes all in it but its sub-directories.
    fn open(parent: BorrowedFd<'_>, name: &[u8]) -> Sys<Self> {
        let dir = sys::open_at(parent, name, sys::DIRECTORY | OFlags::NOFOLLOW, 0)?;
        let stat = sys::stat(&dir)?;
        let dirs = unlink_files(&dir)?;
        Ok(Self {
            dir: Some(dir),
            device: stat.st_dev,
            inode: stat.st_ino,
            name: name.to_vec(),
            dirs,
            refilled: 0,
        })
    }
}

/// Removes a directory and everything below it. Links are removed, never followed: each step is a
/// single name in an open directory.
fn remove_tree(parent: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    let mut stack = vec![Level::open(parent, name).map_err(fail)?];
    while let Some(level) = stack.last_mut() {
        if let Some(child) = level.dirs.pop() {
            enter(&mut stack, &child)?;
        } else {
            leave(&mut stack, parent)?;
        }
    }
    Ok(())
}

fn enter(stack: &mut Vec<Level>, name: &CString) -> Result<()> {
    let Some(dir) = stack.last().and_then(|level| level.dir.as_ref()) else { return Ok(()) };
    match Level::open(dir.as_fd(), name.as_bytes()) {
        Ok(level) => stack.push(level),
        // Gone, or no directory any more: what stands there now is met when this level is read again.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
        Err(errno) => return Err(fail(errno)),
    }
    if let Some(upper) = stack.len().checked_sub(1 + OPEN_LEVELS) {
        stack[upper].dir = None;
    }
    Ok(())
}

/// Removes the emptied directory on top, and goes back to the one above.
fn leave(stack: &mut Vec<Level>, outside: BorrowedFd<'_>) -> Result<()> {
    let Some(mut level) = stack.pop() else { return Ok(()) };
    let parent = match stack.last_mut() {
        None => outside,
        Some(upper) => {
            if upper.dir.is_none() {
                upper.dir = Some(open_above(&level, upper)?);
            }
            upper.dir.as_ref().map_or(outside, AsFd::as_fd)
        }
    };
    match sys::rmdir_at(parent, &*level.name).map_err(not_empty) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::NOTEMPTY) if level.refilled < MAX_REFILLED => {
            let again = Level::open(parent, &level.name).map_err(fail)?;
            level = Level { refilled: level.refilled + 1, ..again };
            stack.push(level);
            Ok(())
        }
        Err(errno) => Err(fail(errno)),
    }
}

fn open_above(level: &Level, upper: &Level) -> Result<OwnedFd> {
    let moved =
        || Error::new(ErrorKind::Io).with_message("a directory was moved away while it was being removed");
    let dir = level.dir.as_ref().ok_or_else(moved)?;
    let above = sys::open_at(dir, c"..", sys::DIRECTORY | OFlags::NOFOLLOW, 0).map_err(fail)?;
    let stat = sys::stat(&above).map_err(fail)?;
    if (stat.st_dev, stat.st_ino) == (upper.device, upper.inode) { Ok(above) } else { Err(moved()) }
}

/// Removes all names of a directory that are no directories; gives those that are.
fn unlink_files(dir: &OwnedFd) -> Sys<Vec<CString>> {
    let mut dirs = Vec::new();
    let mut failed = Ok(());
    visit_names(dir, |name, file_type| {
        let removed = match file_type {
            FileType::Directory => Err(Errno::ISDIR),
            _ => sys::unlink_at(dir, name),
        };
        match removed {
            Ok(()) | Err(Errno::NOENT) => {}
            // Where the type was not told; EPERM is what POSIX has for a directory.
            Err(Errno::ISDIR) => dirs.extend(CString::new(name)),
            Err(Errno::PERM) if sys::stat_at(dir, name).is_ok_and(|stat| sys::is_dir(&stat)) => {
                dirs.extend(CString::new(name));
            }
            Err(errno) => failed = Err(errno),
        }
    })?;
    failed.map(|()| dirs)
}
