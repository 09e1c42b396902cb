//! Publishing: the moment a staged file becomes the file at a name, and the syncs around it.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use super::lock::Lock;
use super::sys::{self, Replace, Sys, fail};
use super::version::Seen;
use crate::error::{Error, ErrorKind, Result};
use crate::store::{Condition, Durability, Version};

/// What must stand at the target for the rename to happen.
#[derive(Clone, Copy)]
pub(super) enum Expected<'a> {
    Anything,
    Absent,
    Version(&'a Version),
    Seen(&'a Seen),
}

impl<'a> From<&'a Condition> for Expected<'a> {
    fn from(condition: &'a Condition) -> Self {
        match condition {
            Condition::None => Self::Anything,
            Condition::IfAbsent => Self::Absent,
            Condition::IfVersion(version) => Self::Version(version),
        }
    }
}

impl Expected<'_> {
    fn holds(self, dir: impl AsFd, name: &[u8]) -> Sys<bool> {
        match self {
            Self::Anything => Ok(true),
            Self::Absent => Ok(sys::find_at(dir, name)?.is_none()),
            Self::Version(version) => {
                Ok(Seen::look(dir, name)?.is_some_and(|seen| seen.version() == *version))
            }
            Self::Seen(seen) => seen.still_at(dir, name),
        }
    }

    /// Whether there is something to look at before renaming.
    fn compares(self) -> bool {
        matches!(self, Self::Version(_) | Self::Seen(_))
    }
}

/// A name in an open directory.
pub(super) struct At<'a, D: AsFd> {
    pub(super) dir: &'a D,
    pub(super) name: &'a [u8],
}

// Derived, these would ask the same of `D`.
impl<D: AsFd> Clone for At<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D: AsFd> Copy for At<'_, D> {}

/// What publishing came to.
pub(super) enum Outcome {
    /// The file stands at its name.
    Published,
    /// Something else stands there than was expected.
    Mismatch,
    /// The staged file or the target's directory is gone.
    Vanished,
}

/// Whether changes of a directory's names exclude the comparisons of others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Locking {
    Locked,
    Unlocked,
}

/// Renames `from` to `to` if what stands at `to` is as expected.
pub(super) fn publish<D: AsFd, E: AsFd>(
    from: At<'_, D>,
    to: At<'_, E>,
    expected: Expected<'_>,
    locking: Locking,
) -> Sys<Outcome> {
    let _lock = match locking {
        Locking::Locked => Some(Lock::exclusive(to.dir)?),
        Locking::Unlocked => None,
    };
    let replace = match expected {
        Expected::Absent => Replace::No,
        _ if expected.compares() && !expected.holds(to.dir, to.name)? => return Ok(Outcome::Mismatch),
        _ => Replace::Yes,
    };
    let renamed = rename_names(from, to, replace);
    match renamed {
        Ok(()) => Ok(Outcome::Published),
        Err(Errno::EXIST) if replace == Replace::No => Ok(Outcome::Mismatch),
        Err(Errno::NOENT) => Ok(Outcome::Vanished),
        Err(errno) => Err(errno),
    }
}

/// Renames; where the file system cannot refuse to replace in a rename, by a link, which cannot
/// replace at all.
pub(super) fn rename_names<D: AsFd, E: AsFd>(from: At<'_, D>, to: At<'_, E>, replace: Replace) -> Sys<()> {
    match sys::rename_at(from.dir, from.name, to.dir, to.name, replace) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if replace == Replace::No => {
            link_then_unlink(from, to)
        }
        result => result,
    }
}

fn link_then_unlink<D: AsFd, E: AsFd>(from: At<'_, D>, to: At<'_, E>) -> Sys<()> {
    retry_on_intr(|| rustix::fs::linkat(from.dir, from.name, to.dir, to.name, AtFlags::empty()))?;
    sys::unlink_at(from.dir, from.name)
}

/// Checks a condition early, before any byte is moved; the comparison that counts is made under
/// the lock.
pub(super) fn check_early(condition: &Condition, stat: Option<&Stat>) -> Result<()> {
    match (condition, stat) {
        (Condition::IfAbsent, Some(_)) | (Condition::IfVersion(_), None) => Err(condition_failed()),
        _ => Ok(()),
    }
}

/// Checks a condition against what was seen.
pub(super) fn check_seen(condition: &Condition, seen: Option<&Seen>) -> Result<()> {
    check_early(condition, seen.map(|seen| &seen.stat))?;
    match (condition, seen) {
        (Condition::IfVersion(version), Some(seen)) if seen.version() != *version => Err(condition_failed()),
        _ => Ok(()),
    }
}

pub(super) fn condition_failed() -> Error {
    ErrorKind::ConditionFailed.into()
}

/// Brings a staged file's bytes to the disk, before it is published.
pub(super) fn sync_content(file: impl AsFd, durability: Durability) -> Result<()> {
    match durability {
        Durability::None => Ok(()),
        Durability::File | Durability::Full => sys::sync(file).map_err(fail),
    }
}

/// Brings names to the disk: those of the directory that changed, and those of every directory in
/// which one was created on the way.
pub(super) fn sync_names(dir: impl AsFd, created: &[OwnedFd], durability: Durability) -> Result<()> {
    if durability == Durability::Full {
        sys::sync(dir).map_err(unconfirmed)?;
        for ancestor in created.iter().rev() {
            sys::sync(ancestor).map_err(unconfirmed)?;
        }
    }
    Ok(())
}

/// The names have changed already, and that is seen: this failure is another one than that of a call
/// that did nothing.
fn unconfirmed(errno: Errno) -> Error {
    fail(errno).with_message(format!("it is done, but may not survive a power cut: the disk says {errno}"))
}
