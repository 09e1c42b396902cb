//! What each user has under way, held against the limits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Limits;

/// Sessions and bytes of unfinished uploads.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    sessions: usize,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Shares {
    users: HashMap<Arc<str>, Share>,
    sessions: usize,
}

/// A limit that a request would have broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OverLimit {
    /// The user has too many uploads under way.
    SessionsPerUser(usize),
    /// The server has.
    Sessions(usize),
    /// The user's uploads under way have too many bytes.
    Bytes(u64),
}

/// The count of what is under way, by user.
#[derive(Debug)]
pub(crate) struct Usage {
    limits: Limits,
    shares: Mutex<Shares>,
}

impl Usage {
    pub(crate) fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, shares: Mutex::default() })
    }

    fn shares(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a session, or says which limit forbids it.
    pub(crate) fn open_session(&self, user: &Arc<str>) -> Result<(), OverLimit> {
        let mut shares = self.shares();
        if shares.sessions >= self.limits.sessions {
            return Err(OverLimit::Sessions(self.limits.sessions));
        }
        let share = shares.users.entry(Arc::clone(user)).or_default();
        if share.sessions >= self.limits.sessions_per_user {
            return Err(OverLimit::SessionsPerUser(self.limits.sessions_per_user));
        }
        share.sessions += 1;
        shares.sessions += 1;
        Ok(())
    }

    /// Counts a session that was there before the server started, whatever the limits.
    pub(crate) fn restore_session(&self, user: &Arc<str>, bytes: u64) {
        let mut shares = self.shares();
        shares.sessions += 1;
        let share = shares.users.entry(Arc::clone(user)).or_default();
        share.sessions += 1;
        share.bytes = share.bytes.saturating_add(bytes);
    }

    /// Counts bytes, or says which limit forbids them.
    pub(crate) fn add_bytes(&self, user: &Arc<str>, bytes: u64) -> Result<(), OverLimit> {
        let mut shares = self.shares();
        let share = shares.users.entry(Arc::clone(user)).or_default();
        match share.bytes.checked_add(bytes) {
            Some(sum) if sum <= self.limits.bytes_per_user => {
                share.bytes = sum;
                Ok(())
            }
            _ => Err(OverLimit::Bytes(self.limits.bytes_per_user)),
        }
    }

    /// Takes back bytes.
    pub(crate) fn remove_bytes(&self, user: &Arc<str>, bytes: u64) {
        self.release(user, 0, bytes);
    }

    /// Takes back a session and its bytes.
    pub(crate) fn close_session(&self, user: &Arc<str>, bytes: u64) {
        self.release(user, 1, bytes);
    }

    fn release(&self, user: &Arc<str>, sessions: usize, bytes: u64) {
        let mut shares = self.shares();
        shares.sessions = shares.sessions.saturating_sub(sessions);
        if let Some(share) = shares.users.get_mut(user) {
            share.sessions = share.sessions.saturating_sub(sessions);
            share.bytes = share.bytes.saturating_sub(bytes);
            if share.sessions == 0 && share.bytes == 0 {
                shares.users.remove(user);
            }
        }
    }
}

/// Bytes counted for as long as this lives: a whole-file write under way.
#[derive(Debug)]
pub(crate) struct BytesUnderWay {
    usage: Arc<Usage>,
    user: Arc<str>,
    bytes: u64,
}

impl BytesUnderWay {
    pub(crate) fn new(usage: &Arc<Usage>, user: &Arc<str>) -> Self {
        Self { usage: Arc::clone(usage), user: Arc::clone(user), bytes: 0 }
    }

    /// Counts more bytes.
    pub(crate) fn add(&mut self, bytes: u64) -> Result<(), OverLimit> {
        self.usage.add_bytes(&self.user, bytes)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for BytesUnderWay {
    fn drop(&mut self) {
        self.usage.remove_bytes(&self.user, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_held_and_what_is_released_counts_no_more() {
        let limits = Limits { sessions: 3, sessions_per_user: 2, bytes_per_user: 10, ..Limits::default() };
        let usage = Usage::new(limits);
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!(usage.open_session(&a), Ok(()));
        assert_eq!(usage.open_session(&a), Ok(()));
        assert_eq!(usage.open_session(&a), Err(OverLimit::SessionsPerUser(2)));
        assert_eq!(usage.open_session(&b), Ok(()));
        assert_eq!(usage.open_session(&b), Err(OverLimit::Sessions(3)));
        assert_eq!(usage.add_bytes(&a, 10), Ok(()));
        assert_eq!(usage.add_bytes(&a, 1), Err(OverLimit::Bytes(10)));
        usage.close_session(&a, 10);
        assert_eq!(usage.open_session(&b), Ok(()));
        let mut put = BytesUnderWay::new(&usage, &b);
        assert_eq!(put.add(6), Ok(()));
        assert_eq!(put.add(6), Err(OverLimit::Bytes(10)));
        drop(put);
        assert_eq!(usage.add_bytes(&b, 10), Ok(()));
        usage.close_session(&a, 0);
        usage.close_session(&b, 10);
        usage.close_session(&b, 0);
        assert!(usage.shares().users.is_empty());
        assert_eq!(usage.shares().sessions, 0);
    }
}
