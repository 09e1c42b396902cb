//! Renaming: files, links and directories, within the root.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::Stat;
use rustix::io::Errno;

use super::Inner;
use super::confine::{Follow, Place};
use super::lock::Lock;
use super::publish::{At, Locking, check_early, condition_failed, rename_names, sync_names};
use super::remove::{not_empty, root_stays, sweep_child};
use super::staging::stands_at;
use super::sys::{self, Replace, Sys, fail};
use super::version::Seen;
use super::write::{Content, Terms, kept_vanishing};
use crate::error::{Error, ErrorKind, Result};
use crate::path::FsPath;
use crate::store::{Condition, MoveOptions, Parents};

/// What one attempt to rename came to.
enum Attempt {
    Done,
    /// The destination's directory vanished.
    Again,
    /// The destination is on another file system.
    Elsewhere,
}

impl Inner {
    pub(super) fn rename(&self, from: &FsPath, to: &FsPath, options: &MoveOptions) -> Result<()> {
        self.check_condition(&options.condition)?;
        if from.is_root() || to.is_root() {
            return Err(root_stays());
        }
        for _ in 0..super::MAX_VANISHED {
            let source = self.root.locate(from, Follow::No, Parents::Require)?;
            let Some(moved) = source.stat else { return Err(ErrorKind::NotFound.into()) };
            if sys::is_dir(&moved) && to.strip_prefix(from).is_some_and(|below| !below.is_empty()) {
                return Err(Error::new(ErrorKind::InvalidInput)
                    .with_message("a directory cannot be moved into itself"));
            }
            let target = self.locate_target(to, Follow::No, &options.condition, options.parents)?;
            check_early(&options.condition, target.stat.as_ref())?;
            if from == to {
                return self.check_version(&target, &options.condition);
            }
            match &target.stat {
                Some(present) if sys::is_dir(&moved) && !sys::is_dir(present) => {
                    return Err(ErrorKind::NotADirectory.into());
                }
                Some(present) if !sys::is_dir(&moved) && sys::is_dir(present) => {
                    return Err(ErrorKind::IsADirectory.into());
                }
                _ => {}
            }
            match self.rename_at(&source, &moved, &target, &options.condition)? {
                Attempt::Done => {
                    let durability = self.durability(options.durability);
                    sync_names(&target.dir, &target.created, durability)?;
                    return sync_names(&source.dir, &[], durability);
                }
                Attempt::Again => continue,
                Attempt::Elsewhere => return self.rename_by_copy(&source, &moved, to, options),
            }
        }
        Err(kept_vanishing())
    }

    fn check_version(&self, target: &Place<'_>, condition: &Condition) -> Result<()> {
        let Condition::IfVersion(version) = condition else { return Ok(()) };
        let seen = Seen::look(&target.dir, &*target.name).map_err(fail)?;
        if seen.is_some_and(|seen| seen.version() == *version) { Ok(()) } else { Err(condition_failed()) }
    }

    fn rename_at(
        &self,
        source: &Place<'_>,
        moved: &Stat,
        target: &Place<'_>,
        condition: &Condition,
    ) -> Result<Attempt> {
        let replace = if *condition == Condition::IfAbsent { Replace::No } else { Replace::Yes };
        let mut swept = false;
        loop {
            let locks = self.lock_both(&source.dir, &target.dir).map_err(fail)?;
            self.check_version(target, condition)?;
            let from = At { dir: &source.dir, name: &source.name };
            let to = At { dir: &target.dir, name: &target.name };
            let renamed = rename_names(from, to, replace);
            if renamed.is_ok() {
                self.finish_hard_link(source, moved, target).map_err(fail)?;
            }
            drop(locks);
            match renamed {
                Ok(()) => return Ok(Attempt::Done),
                Err(Errno::EXIST) if replace == Replace::No => return Err(condition_failed()),
                Err(Errno::NOTEMPTY | Errno::EXIST) if !swept => {
                    swept = true;
                    sweep_child(target.dir.as_fd(), &target.name);
                }
                Err(Errno::XDEV) => return Ok(Attempt::Elsewhere),
                Err(Errno::NOENT) => return Ok(Attempt::Again),
                Err(errno) => return Err(fail(not_empty(errno))),
            }
        }
    }

    /// Renaming one name of a file onto another name of the same file does nothing, says POSIX; a
    /// move has to leave one name.
    fn finish_hard_link(&self, source: &Place<'_>, moved: &Stat, target: &Place<'_>) -> Sys<()> {
        let was_same = moved.st_nlink > 1
            && !sys::is_dir(moved)
            && target.stat.is_some_and(|present| sys::same_inode(&present, moved));
        if was_same
            && sys::find_at(&source.dir, &*source.name)?.is_some_and(|stat| sys::same_inode(&stat, moved))
        {
            return sys::unlink_at(&source.dir, &*source.name);
        }
        Ok(())
    }

    /// Locks both directories, always in the same order, so that two renames cannot wait for each
    /// other.
    fn lock_both<'fd>(
        &self,
        source: &'fd OwnedFd,
        target: &'fd OwnedFd,
    ) -> Sys<(Option<Lock<'fd>>, Option<Lock<'fd>>)> {
        if self.locking() == Locking::Unlocked {
            return Ok((None, None));
        }
        let (here, there) = (sys::stat(source)?, sys::stat(target)?);
        if sys::same_inode(&here, &there) {
            return Ok((None, Some(Lock::exclusive(target)?)));
        }
        if (here.st_dev, here.st_ino) < (there.st_dev, there.st_ino) {
            let first = Lock::exclusive(source)?;
            return Ok((Some(first), Some(Lock::exclusive(target)?)));
        }
        let first = Lock::exclusive(target)?;
        Ok((Some(Lock::exclusive(source)?), Some(first)))
    }

    /// Moves a file to another file system mounted below the root: a whole copy, then the removal.
    fn rename_by_copy(
        &self,
        source: &Place<'_>,
        moved: &Stat,
        to: &FsPath,
        options: &MoveOptions,
    ) -> Result<()> {
        if !rustix::fs::FileType::from_raw_mode(moved.st_mode).is_file() {
            return Err(Error::new(ErrorKind::Unsupported).with_message(
                "only files can be moved to another file system; copy the directory, then remove it",
            ));
        }
        let durability = self.durability(options.durability);
        let file = sys::open_at(&source.dir, &*source.name, sys::READ | rustix::fs::OFlags::NOFOLLOW, 0)
            .map_err(fail)?;
        let terms = Terms { condition: &options.condition, durability, parents: options.parents };
        self.write_content(to, Content::Moved(&file), terms)?;
        let looked = Lock::exclusive(&source.dir).map_err(fail)?;
        // What came to the name meanwhile is another file, and stays.
        if stands_at(&file, source.dir.as_fd(), &source.name).map_err(fail)? {
            sys::unlink_at(&source.dir, &*source.name).map_err(fail)?;
        }
        drop(looked);
        sync_names(&source.dir, &[], durability)
    }
}
