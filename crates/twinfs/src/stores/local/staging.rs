//! Staged files: where bytes go before they are published, next to their target.
//!
//! Two kinds, both named `.twinfs-` and 32 hexadecimal digits. A one-shot write stages under a
//! random name. An open writer stages under the hash of its target's name: that file, locked, is
//! the lease of the path. Whoever finds a staged file that nobody has locked may remove it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{OFlags, Stat};
use rustix::io::Errno;

use super::lock::{self, Lock};
use super::sys::{self, Sys, fail};
use crate::error::{Error, Result};
use crate::path::RESERVED_PREFIX;

/// How many hexadecimal digits follow the prefix.
const DIGITS: usize = 32;
const NAME_LEN: usize = RESERVED_PREFIX.len() + DIGITS;

/// The name of a staged file.
#[derive(Clone, Copy)]
pub(super) struct StagedName([u8; NAME_LEN]);

impl StagedName {
    pub(super) fn random() -> Result<Self> {
        Ok(Self::from_bits(random()?))
    }

    /// The name that an open writer of `target` stages under.
    pub(super) fn lease_of(target: &[u8]) -> Self {
        let mut bits = [0; 16];
        bits.copy_from_slice(&blake3::hash(target).as_bytes()[..16]);
        Self::from_bits(bits)
    }

    pub(super) fn from_bits(bits: [u8; 16]) -> Self {
        let mut name = [0; NAME_LEN];
        let (prefix, digits) = name.split_at_mut(RESERVED_PREFIX.len());
        prefix.copy_from_slice(RESERVED_PREFIX.as_bytes());
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bits) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        Self(name)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether a name in a directory is that of a staged file.
pub(super) fn is_staged_name(name: &[u8]) -> bool {
    name.strip_prefix(RESERVED_PREFIX.as_bytes()).is_some_and(|digits| {
        digits.len() == DIGITS && digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Random bytes of the system.
pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::from_io(error.into()))?;
    Ok(bytes)
}

/// A staged file, locked by us, in the directory `D`. Dropped without [`published`](Self::published)
/// it is removed.
pub(super) struct StagedFile<D: AsFd> {
    pub(super) dir: D,
    pub(super) name: StagedName,
    pub(super) file: OwnedFd,
    armed: bool,
}

impl<D: AsFd> StagedFile<D> {
    /// Makes one. `NOENT` if the directory was removed, `EXIST` if the name is taken.
    pub(super) fn create(dir: D, name: StagedName, access: OFlags, mode: u32) -> Sys<Self> {
        let flags = access | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = sys::open_at(dir.as_fd(), name.as_bytes(), flags, mode)?;
        let staged = Self { dir, name, file, armed: true };
        // If a sweeper was faster it removes the file; whoever publishes then starts over.
        lock::try_hold(&staged.file)?;
        Ok(staged)
    }

    /// It stands under its final name now, or is gone: nothing is left to remove.
    pub(super) fn published(&mut self) {
        self.armed = false;
    }

    /// Gives up what belongs to the process that made this: a forked child must not touch it.
    pub(super) fn forget(&mut self) {
        self.armed = false;
    }

    /// Removes the file and releases its lock.
    pub(super) fn remove(&mut self) {
        if std::mem::take(&mut self.armed) {
            // Somebody may have removed the name by hand and made it anew; that one is not ours.
            if stands_at(&self.file, self.dir.as_fd(), self.name.as_bytes()).unwrap_or(false) {
                let _ = sys::unlink_at(&self.dir, self.name.as_bytes());
            }
            lock::release(&self.file);
        }
    }
}

impl<D: AsFd> Drop for StagedFile<D> {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Whether a name still leads to an open file.
pub(super) fn stands_at(file: &OwnedFd, dir: BorrowedFd<'_>, name: &[u8]) -> Sys<bool> {
    let ours = sys::stat(file)?;
    Ok(sys::find_at(dir, name)?.is_some_and(|stat| sys::same_inode(&stat, &ours)))
}

/// The outcome of asking for a lease.
pub(super) enum Lease<D: AsFd> {
    Held(StagedFile<D>),
    /// Another writer has the path open.
    Busy,
}

/// Takes the lease of a name: its staged file, made anew and locked. The file of a dead writer is
/// removed. Nothing of a living writer's file is touched.
pub(super) fn take_lease<D: AsFd + Clone>(dir: &D, target: &[u8], mode: u32) -> Result<Lease<D>> {
    let name = StagedName::lease_of(target);
    let borrowed = dir.as_fd();
    // Under the directory's lock no other opener and no sweeper is at work on the same name.
    let _lock = Lock::exclusive(&borrowed).map_err(fail)?;
    loop {
        match StagedFile::create(dir.clone(), name, OFlags::RDWR, mode) {
            Ok(staged) => {
                // The lock counts only if the name still leads to what is locked.
                if stands_at(&staged.file, borrowed, name.as_bytes()).map_err(fail)?
                    && lock::try_hold(&staged.file).map_err(fail)?
                {
                    return Ok(Lease::Held(staged));
                }
            }
            Err(Errno::EXIST) => match remove_if_dead(borrowed, name.as_bytes()).map_err(fail)? {
                Litter::Alive => return Ok(Lease::Busy),
                Litter::Removed | Litter::Gone => {}
            },
            Err(errno) => return Err(fail(errno)),
        }
    }
}

/// What became of a staged file somebody left.
pub(super) enum Litter {
    Removed,
    Gone,
    /// Its writer lives, or it cannot be told.
    Alive,
}

/// Removes a staged file unless its writer holds it. The caller holds the directory's exclusive lock.
pub(super) fn remove_if_dead(dir: BorrowedFd<'_>, name: &[u8]) -> Sys<Litter> {
    let file = match sys::open_at(dir, name, sys::READ | OFlags::NOFOLLOW, 0) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(Litter::Gone),
        Err(Errno::ACCESS | Errno::PERM | Errno::LOOP | Errno::NXIO) => return Ok(Litter::Alive),
        Err(errno) => return Err(errno),
    };
    if sys::is_dir(&sys::stat(&file)?) || !lock::try_hold(&file)? {
        return Ok(Litter::Alive);
    }
    let outcome = if stands_at(&file, dir, name)? {
        match sys::unlink_at(dir, name) {
            Ok(()) => Litter::Removed,
            Err(Errno::NOENT) => Litter::Gone,
            Err(Errno::ACCESS | Errno::PERM | Errno::ROFS) => Litter::Alive,
            Err(errno) => {
                lock::release(&file);
                return Err(errno);
            }
        }
    } else {
        Litter::Gone
    };
    lock::release(&file);
    Ok(outcome)
}

/// What its owner needs to write to a staged file and to mark it.
const OWNER: u32 = 0o600;

/// The permission bits a new content gets: the configured ones, those of the file it replaces, or
/// what the umask leaves. Until it is published its owner may read and write it in any case: a file
/// that is to be read-only is marked before, and one that its writer leaves behind can be swept.
#[derive(Clone, Copy)]
pub(super) struct ContentMode {
    exact: Option<u32>,
}

impl ContentMode {
    pub(super) fn new(configured: Option<u32>, replaced: Option<&Stat>) -> Self {
        Self { exact: configured.or_else(|| replaced.map(|stat| stat.st_mode & 0o777)) }
    }

    /// The mode to create with: for nobody but the owner wider than the final one, not even for a moment.
    pub(super) fn at_creation(self) -> u32 {
        self.exact.map_or(0o666, |mode| mode | OWNER)
    }

    /// Sets what the umask took away.
    pub(super) fn apply(self, file: impl AsFd) -> Sys<()> {
        match self.exact {
            Some(mode) if mode & 0o077 != 0 => sys::chmod(file, mode | OWNER),
            _ => Ok(()),
        }
    }

    /// Sets the mode on a file that was created under another one.
    pub(super) fn force(self, file: impl AsFd) -> Sys<()> {
        self.exact.map_or(Ok(()), |mode| sys::chmod(file, mode | OWNER))
    }

    /// Sets the final mode, right before the file is published.
    pub(super) fn settle(self, file: impl AsFd) -> Sys<()> {
        match self.exact {
            Some(mode) if mode & OWNER != OWNER => sys::chmod(file, mode),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn staged_names_are_recognised_and_others_are_not() {
        assert!(is_staged_name(StagedName::random().unwrap().as_bytes()));
        assert!(is_staged_name(StagedName::lease_of(b"report.csv").as_bytes()));
        for name in [".twinfs-staged", ".twinfs-", ".twinfs-0123", "twinfs-0123456789abcdef0123456789abcdef"]
        {
            assert!(!is_staged_name(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_lease_is_the_same_for_the_same_name_only() {
        let name = |target: &[u8]| StagedName::lease_of(target).as_bytes().to_vec();
        assert_eq!(name(b"a"), name(b"a"));
        assert_ne!(name(b"a"), name(b"b"));
    }
}
