//! Advisory locks: of a directory, for the moment in which its names are compared and changed.
//!
//! Whoever changes names takes the exclusive lock, also who compares nothing: the kernel changes the
//! names of a directory one after the other anyway, and grants a lock that may be shared to newcomers
//! for ever while somebody waits for the exclusive one.
//!
//! All locks are `flock(2)`, which belong to the open file description: two threads that opened
//! apart exclude each other as two processes do. They are released by `LOCK_UN`, never by closing
//! alone, since a child forked meanwhile holds the descriptor too.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, retry_on_intr};

use super::sys::Sys;

/// A lock of an open directory, or of a staged upload, until it is dropped.
pub(super) struct Lock<'fd>(BorrowedFd<'fd>);

impl<'fd> Lock<'fd> {
    /// Waits for a lock that others may share.
    pub(super) fn shared(fd: &'fd impl AsFd) -> Sys<Self> {
        Self::wait(fd.as_fd(), FlockOperation::LockShared)
    }

    /// Waits for a lock that excludes all others.
    pub(super) fn exclusive(fd: &'fd impl AsFd) -> Sys<Self> {
        Self::wait(fd.as_fd(), FlockOperation::LockExclusive)
    }

    /// The exclusive lock, unless somebody holds it or shares it now.
    pub(super) fn try_exclusive(fd: &'fd impl AsFd) -> Sys<Option<Self>> {
        Self::attempt(fd.as_fd(), FlockOperation::NonBlockingLockExclusive)
    }

    /// The shared lock, unless somebody holds the exclusive one now.
    pub(super) fn try_shared(fd: &'fd impl AsFd) -> Sys<Option<Self>> {
        Self::attempt(fd.as_fd(), FlockOperation::NonBlockingLockShared)
    }

    fn attempt(fd: BorrowedFd<'fd>, operation: FlockOperation) -> Sys<Option<Self>> {
        match retry_on_intr(|| flock(fd, operation)) {
            Ok(()) => Ok(Some(Self(fd))),
            Err(Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Leaves the lock with the descriptor, to be given back by [`release`].
    #[expect(
        clippy::mem_forget,
        reason = "what is forgotten is the duty to release, and somebody else takes it over"
    )]
    pub(super) fn keep(self) {
        std::mem::forget(self);
    }

    fn wait(fd: BorrowedFd<'fd>, operation: FlockOperation) -> Sys<Self> {
        retry_on_intr(|| flock(fd, operation))?;
        Ok(Self(fd))
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        release(self.0);
    }
}

/// Takes an exclusive lock that stays with the descriptor; `false` if somebody else holds one.
pub(super) fn try_hold(fd: impl AsFd) -> Sys<bool> {
    Ok(Lock::try_exclusive(&fd)?.map(Lock::keep).is_some())
}

/// Releases whatever lock the descriptor holds.
pub(super) fn release(fd: impl AsFd) {
    // The descriptor is valid, so this cannot fail.
    let _ = flock(fd.as_fd(), FlockOperation::Unlock);
}
