//! Answers from memory: what the caches of the kernel hold is looked up and read without waiting.
//!
//! Every system call here is one that fails where it would have to wait: `openat2` with
//! `RESOLVE_CACHED`, and `preadv2` with `RWF_NOWAIT`. It is tried on the mount of the root alone, and
//! only where that is a file system of this machine: elsewhere an `open` or `fstat` may ask a server,
//! or another process. Whatever goes wrong means that the pool is asked, never an error.
//!
//! A mount that cannot answer this way is found out by its first refusal; one that only misses, since
//! nothing of it is cached, is asked now and then.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use rustix::fs::{FsWord, Stat};
use rustix::io::{Errno, ReadWriteFlags};

use super::Inner;
use super::confine::Root;
use super::sys::{self, Sys};
use super::version;
use crate::path::FsPath;
use crate::store::{Metadata, ReadOptions, StatOptions};
use crate::turn::{MAX_BLOCK, MAX_BYTES};

/// What `statfs` calls file systems whose lookups and cached reads ask nobody outside the kernel
/// (`linux/magic.h`, and for the last three their own sources).
const ON_THIS_MACHINE: [FsWord; 8] = [
    0xEF53,      // ext2, ext3, ext4
    0x0102_1994, // tmpfs
    0x8584_58F6, // ramfs
    0x9123_683E, // btrfs
    0xF2F5_2010, // f2fs
    0x5846_5342, // xfs
    0xCA45_1A4E, // bcachefs
    0x2FC1_2FC1, // zfs
];

/// Whether attempts are worth their system calls, for one sort of them on one mount.
struct Chance(AtomicU32);

/// After so many misses in a row only one of [`PROBE`] attempts is made.
const PATIENCE: u32 = 32;
const PROBE: u32 = 64;
/// The mount cannot do it.
const NEVER: u32 = u32::MAX;

impl Chance {
    fn new(possible: bool) -> Self {
        Self(AtomicU32::new(if possible { 0 } else { NEVER }))
    }

    /// Makes an attempt, if it is worth it, and learns from it. `Ok(None)` teaches nothing.
    fn take<T>(&self, attempt: impl FnOnce() -> Sys<Option<T>>) -> Option<T> {
        let misses = self.0.load(Ordering::Relaxed);
        if misses >= PATIENCE {
            if misses == NEVER {
                return None;
            }
            // Counting starts over long before it could reach NEVER.
            let next = if misses >= NEVER / 2 { PATIENCE } else { misses + 1 };
            self.0.store(next, Ordering::Relaxed);
            if !misses.is_multiple_of(PROBE) {
                return None;
            }
        }
        match attempt() {
            Ok(None) => None,
            Ok(answer) => {
                if misses != 0 {
                    self.0.store(0, Ordering::Relaxed);
                }
                answer
            }
            // The kernel does not know it (EINVAL before Linux 5.12), the file system cannot, or a
            // sandbox forbids it.
            Err(Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL | Errno::PERM) => {
                self.0.store(NEVER, Ordering::Relaxed);
                None
            }
            Err(_) => {
                if misses < PATIENCE {
                    self.0.store(misses + 1, Ordering::Relaxed);
                }
                None
            }
        }
    }
}

/// What the mount of a root has taught so far. Threads may overwrite each other's counts: they are
/// hints.
pub(super) struct Attempts {
    look: Chance,
    read: Chance,
    device: Option<u64>,
}

impl Attempts {
    pub(super) fn new(root: &Root) -> Self {
        let on_this_machine = rustix::fs::fstatfs(root.dir())
            .is_ok_and(|found| ON_THIS_MACHINE.iter().any(|known| *known as u64 == found.f_type as u64));
        let possible = on_this_machine && root.confined_by_kernel();
        let device = sys::stat(root.dir()).ok().filter(|_| possible).map(|stat| stat.st_dev);
        Self { look: Chance::new(possible), read: Chance::new(possible), device }
    }

    /// Whether an open file stands on the root's own file system, so that it may be asked.
    pub(super) fn may_ask(&self, stat: &Stat) -> bool {
        self.device == Some(stat.st_dev)
    }

    /// Fills the buffer from an offset, or as much of it as the file has.
    pub(super) fn read_at(&self, file: &OwnedFd, offset: u64, buf: &mut [u8]) -> Option<usize> {
        // Beyond that the system refuses the offset, which says nothing of the mount.
        let end = offset.checked_add(buf.len() as u64)?;
        if buf.len() > MAX_BLOCK || i64::try_from(end).is_err() {
            return None;
        }
        self.read.take(|| {
            let count = read_cached(file, offset, buf)?;
            // Fewer bytes are either all there are, or all that are cached.
            let end = offset + count as u64;
            if count < buf.len() && sys::stat(file)?.st_size.unsigned_abs() > end {
                return Err(Errno::AGAIN);
            }
            Ok(Some(count))
        })
    }
}

impl Inner {
    pub(super) fn try_stat(&self, path: &FsPath, options: &StatOptions) -> Option<Metadata> {
        if options.version && self.keeps_versions {
            // Its token may have to be read from the disk.
            return None;
        }
        self.attempts.look.take(|| {
            let found = self.root.open_cached(path.as_str().as_bytes(), sys::PATH)?;
            Ok(Some(version::metadata(&sys::stat(found)?)))
        })
    }

    pub(super) fn try_read(&self, path: &FsPath, options: &ReadOptions) -> Option<Bytes> {
        if options.if_version.is_some() {
            return None;
        }
        self.attempts.read.take(|| {
            let file = self.root.open_cached(path.as_str().as_bytes(), sys::READ)?;
            let stat = sys::stat(&file)?;
            if sys::require_file(&stat).is_err() {
                return Ok(None);
            }
            let (start, len) = options.range.resolve(stat.st_size.unsigned_abs());
            let Some(len) = usize::try_from(len).ok().filter(|&len| len <= MAX_BYTES) else {
                return Ok(None);
            };
            let mut bytes = vec![0; len];
            match read_cached(&file, start, &mut bytes)? {
                count if count == len => Ok(Some(bytes.into())),
                _ => Err(Errno::AGAIN),
            }
        })
    }
}

/// Reads what is in the page cache from an offset on, up to the first byte that is not.
fn read_cached(file: impl AsFd, offset: u64, buf: &mut [u8]) -> Sys<usize> {
    rustix::io::preadv2(file, &mut [IoSliceMut::new(buf)], offset, ReadWriteFlags::NOWAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(chance: &Chance) -> bool {
        chance.take(|| Ok(Some(()))).is_some()
    }

    fn asked(chance: &Chance, answer: Sys<Option<()>>) -> bool {
        let mut asked = false;
        let _ = chance.take(|| {
            asked = true;
            answer
        });
        asked
    }

    #[test]
    fn a_mount_that_cannot_is_asked_once() {
        for errno in [Errno::NOSYS, Errno::OPNOTSUPP, Errno::INVAL, Errno::PERM] {
            let chance = Chance::new(true);
            assert!(asked(&chance, Err(errno)));
            assert!((0..1000).all(|_| !asked(&chance, Err(errno))), "{errno}");
        }
        assert!(!hit(&Chance::new(false)));
    }

    #[test]
    fn a_mount_that_always_misses_is_asked_now_and_then() {
        let chance = Chance::new(true);
        let asked = (0..PATIENCE + 100 * PROBE).filter(|_| asked(&chance, Err(Errno::AGAIN))).count();
        assert_eq!(asked as u32, PATIENCE + 100);
        // One hit, and it is asked each time again.
        assert!((0..PROBE).any(|_| hit(&chance)));
        assert!((0..PATIENCE).all(|_| hit(&chance)));
    }

    #[test]
    fn what_no_attempt_suits_teaches_nothing() {
        let chance = Chance::new(true);
        assert!((0..10 * PATIENCE).all(|_| asked(&chance, Ok(None))));
    }

    #[test]
    fn counting_never_ends_in_never() {
        let chance = Chance(AtomicU32::new(NEVER / 2 - 1));
        for _ in 0..10 {
            let _ = asked(&chance, Err(Errno::AGAIN));
        }
        assert!(chance.0.load(Ordering::Relaxed) < 1000);
    }
}
