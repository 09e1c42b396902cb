//! The state of an open handle: usable from many threads, closed once, dead in a forked child.

use std::sync::{PoisonError, RwLock};

use crate::error::{Error, ErrorKind, Result};
use crate::fork;

/// What an open handle holds and another process must not touch.
pub(super) trait Held {
    /// Drops every claim on names and locks: they are the parent's.
    fn forget(&mut self);
}

/// A handle's state until it is closed.
pub(super) struct Handle<T: Held> {
    generation: u64,
    state: RwLock<Option<T>>,
}

impl<T: Held> Handle<T> {
    pub(super) fn new(state: T) -> Self {
        Self { generation: fork::generation(), state: RwLock::new(Some(state)) }
    }

    /// Runs `body` on the open state; closing waits until it is done.
    pub(super) fn with<R>(&self, body: impl FnOnce(&T) -> Result<R>) -> Result<R> {
        self.check_process()?;
        // A panic while the state was borrowed cannot leave it half changed: only `take` changes it.
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            Some(state) => body(state),
            None => Err(closed()),
        }
    }

    /// Runs `body` on the state, excluding all other use; the handle is closed afterwards if it
    /// says so.
    pub(super) fn finish<R>(&self, body: impl FnOnce(&mut T) -> (Close, Result<R>)) -> Result<R> {
        self.check_process()?;
        let mut guard = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let (close, result) = body(guard.as_mut().ok_or_else(closed)?);
        if close == Close::Yes {
            *guard = None;
        }
        result
    }

    /// Closes, if it is open and ours: the state is dropped.
    pub(super) fn abandon(&self) {
        if self.check_process().is_ok() {
            drop(self.state.write().unwrap_or_else(PoisonError::into_inner).take());
        }
    }

    fn check_process(&self) -> Result<()> {
        if self.generation == fork::generation() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Closed)
            .with_message("this handle belongs to the process that opened it, not to its forked child"))
    }
}

/// Whether a handle is closed by what was done to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    Yes,
    No,
}

impl<T: Held> Drop for Handle<T> {
    fn drop(&mut self) {
        if self.generation != fork::generation()
            && let Some(state) = self.state.get_mut().unwrap_or_else(PoisonError::into_inner)
        {
            state.forget();
        }
    }
}

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed).with_message("the handle is closed")
}

pub(super) fn not_open_for(what: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported).with_message(what)
}

/// What a handle whose mode does not read answers.
pub(super) fn not_readable() -> Error {
    not_open_for("the handle is not open for reading")
}

/// What a handle whose mode does not write answers.
pub(super) fn not_writable() -> Error {
    not_open_for("the handle is not open for writing")
}
