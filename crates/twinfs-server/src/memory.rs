//! Memory for bodies on their way in: so much for all, and at most a share of it for each user, whose slow
//! clients then keep nobody else out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::Limits;

/// One user may hold one part in so many.
const SHARES: usize = 2;

/// The memory that all bodies have together, in KiB.
pub(crate) struct BodyMemory {
    all: Arc<Semaphore>,
    share: usize,
    /// A user's share lives as long as something is held of it.
    users: Mutex<HashMap<Arc<str>, Weak<Semaphore>>>,
    patience: Duration,
}

/// Memory that a body holds; given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    _of_user: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl BodyMemory {
    pub(crate) fn new(limits: &Limits) -> Self {
        // The largest chunk must fit.
        let kib = |bytes: usize| bytes.max(limits.max_chunk).div_ceil(1024).min(u32::MAX as usize);
        Self {
            all: Arc::new(Semaphore::new(kib(limits.chunk_memory))),
            share: kib(limits.chunk_memory / SHARES),
            users: Mutex::default(),
            patience: limits.stall_timeout,
        }
    }

    /// Waits for this much; `None` where there is none for too long. More than a share counts as a share.
    pub(crate) async fn hold(&self, user: &Arc<str>, bytes: usize) -> Option<Held> {
        let kib = u32::try_from(bytes.div_ceil(1024).min(self.share)).unwrap_or(u32::MAX);
        let share = self.share_of(user);
        let held = async {
            // The share first: who waits for that stands in nobody else's way.
            let of_user = share.acquire_many_owned(kib).await.ok()?;
            let of_all = Arc::clone(&self.all).acquire_many_owned(kib).await.ok()?;
            Some(Held { _of_user: of_user, _of_all: of_all })
        };
        tokio::time::timeout(self.patience, held).await.ok().flatten()
    }

    fn share_of(&self, user: &Arc<str>) -> Arc<Semaphore> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = users.get(user).and_then(Weak::upgrade) {
            return share;
        }
        if users.len() == users.capacity() {
            users.retain(|_, share| share.strong_count() > 0);
        }
        let share = Arc::new(Semaphore::new(self.share));
        users.insert(Arc::clone(user), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_one_user_holds_leaves_room_for_the_others() {
        let limits = Limits { chunk_memory: 8 << 10, max_chunk: 1 << 10, ..Limits::default() };
        let memory = BodyMemory::new(&limits);
        let (ada, bob): (Arc<str>, Arc<str>) = ("ada".into(), "bob".into());
        let held = memory.hold(&ada, 1 << 20).await.unwrap();
        assert!(memory.hold(&ada, 1).await.is_none(), "more than a share");
        let others = memory.hold(&bob, 4 << 10).await.unwrap();
        assert!(memory.hold(&"eve".into(), 1).await.is_none(), "more than there is");
        drop(held);
        assert!(memory.hold(&ada, 4 << 10).await.is_some());
        drop(others);
    }

    #[tokio::test]
    async fn users_who_hold_nothing_are_forgotten() {
        let memory = BodyMemory::new(&Limits::default());
        for number in 0..1000 {
            assert!(memory.hold(&number.to_string().into(), 1).await.is_some());
        }
        assert!(memory.users.lock().unwrap().len() < 10);
    }
}
