//! One upload session: the chunks' state machine, and who may act on it at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OnceCell};
use twinfs::StagedId;
use uuid::Uuid;

use super::assembly::{Assembly, Begin, Chunk, Place};

/// How far an upload is.
#[derive(Clone, Debug)]
enum Phase {
    /// Takes chunks.
    Open,
    /// Completed outside any run; whole, in this staged upload.
    Parked(StagedId),
    /// A completion or cancellation is under way; everybody else waits for how it ends.
    Claimed,
    /// Completed into a run, cancelled or expired.
    Over,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    assembly: Assembly,
    touched: i64,
    /// Bytes received since the file was last brought to the disk.
    unsynced: u64,
    syncing: bool,
    /// Bringing bytes to the disk failed: what the file holds is not known any more.
    broken: bool,
}

impl State {
    fn new(assembly: Assembly, touched: i64) -> Self {
        Self { phase: Phase::Open, assembly, touched, unsynced: 0, syncing: false, broken: false }
    }

    /// Whether nobody writes to the file or syncs it.
    fn is_settled(&self) -> bool {
        self.assembly.is_settled() && !self.syncing
    }
}

/// An upload session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: Uuid,
    pub(crate) owner: Arc<str>,
    /// When it was started, in milliseconds of the Unix epoch.
    pub(crate) created: i64,
    /// The staged upload that becomes the file; made for the first chunk.
    pub(crate) file: OnceCell<StagedId>,
    /// The staged upload of chunks without a place yet; made for the first of them.
    pub(crate) aside: OnceCell<StagedId>,
    state: Mutex<State>,
    changed: Notify,
}

impl Session {
    /// A session as it is known: new, or from the database.
    pub(crate) fn new(id: Uuid, owner: Arc<str>, created: i64, touched: i64, assembly: Assembly) -> Self {
        Self {
            id,
            owner,
            created,
            file: OnceCell::new(),
            aside: OnceCell::new(),
            state: Mutex::new(State::new(assembly, touched)),
            changed: Notify::new(),
        }
    }

    /// The same with the staged uploads it had before a restart.
    pub(crate) fn with_staged(self, file: Option<StagedId>, aside: Option<StagedId>, parked: bool) -> Self {
        if parked && let Some(file) = file {
            self.state().phase = Phase::Parked(file);
            return self;
        }
        Self { file: OnceCell::new_with(file), aside: OnceCell::new_with(aside), ..self }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When a chunk last came, in milliseconds of the Unix epoch.
    pub(crate) fn touched(&self) -> i64 {
        self.state().touched
    }

    /// The numbers of the chunks received, in order.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        self.state().assembly.numbers()
    }

    /// How many different chunks were received.
    pub(crate) fn received(&self) -> u64 {
        self.state().assembly.received()
    }

    /// Bytes received.
    pub(crate) fn bytes(&self) -> u64 {
        self.state().assembly.bytes()
    }

    /// A chunk that was received.
    pub(crate) fn chunk(&self, number: u64) -> Option<Chunk> {
        self.state().assembly.chunk(number)
    }

    /// Counts bytes received; gives whether it is time to bring them to the disk.
    pub(crate) fn sync_is_due(&self, received: u64, every: u64) -> bool {
        let mut state = self.state();
        state.unsynced += received;
        let due = state.unsynced >= every && !state.syncing && matches!(state.phase, Phase::Open);
        if due {
            state.unsynced = 0;
            state.syncing = true;
        }
        due
    }

    /// The bytes are on the disk, or nobody knows.
    pub(crate) fn synced(&self, succeeded: bool) {
        let mut state = self.state();
        state.syncing = false;
        state.broken |= !succeeded;
        drop(state);
        self.changed.notify_waiters();
    }

    /// The staged uploads that hold its bytes.
    pub(crate) fn staged(&self) -> Vec<StagedId> {
        let parked = match &self.state().phase {
            Phase::Parked(staged) => Some(staged.clone()),
            _ => None,
        };
        [self.file.get().cloned(), self.aside.get().cloned(), parked].into_iter().flatten().collect()
    }

    /// Says where a chunk goes; waits while somebody writes the same one, or completes or cancels.
    pub(crate) async fn begin(self: &Arc<Self>, number: u64, len: u64) -> Arrival {
        loop {
            // Listening starts before looking, so that no change in between is missed.
            let changed = self.changed.notified();
            match self.begin_now(number, len) {
                Some(arrival) => return arrival,
                None => changed.await,
            }
        }
    }

    fn begin_now(self: &Arc<Self>, number: u64, len: u64) -> Option<Arrival> {
        let mut state = self.state();
        match state.phase {
            Phase::Open => {}
            Phase::Claimed => return None,
            Phase::Parked(_) | Phase::Over => return Some(Arrival::Unknown),
        }
        match state.assembly.begin(number, len) {
            Begin::Busy => None,
            Begin::Received => Some(Arrival::Received),
            Begin::TooFar => Some(Arrival::TooFar),
            Begin::Write(place) => {
                let session = Arc::clone(self);
                Some(Arrival::Write(Writing { session, number, place, landed: false }))
            }
        }
    }

    /// Takes the session for a completion or cancellation, once no chunk is being written; `None` if it
    /// is over.
    pub(crate) async fn claim(self: &Arc<Self>) -> Option<Claim> {
        let claim = loop {
            let changed = self.changed.notified();
            let previous = {
                let mut state = self.state();
                match state.phase {
                    Phase::Over => return None,
                    Phase::Claimed => None,
                    Phase::Open | Phase::Parked(_) => {
                        Some(std::mem::replace(&mut state.phase, Phase::Claimed))
                    }
                }
            };
            match previous {
                Some(previous) => break Claim { session: Arc::clone(self), after: previous },
                None => changed.await,
            }
        };
        loop {
            let changed = self.changed.notified();
            if self.state().is_settled() {
                return Some(claim);
            }
            changed.await;
        }
    }
}

/// What became of a chunk that arrived.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// It is to be written.
    Write(Writing),
    /// It was received before.
    Received,
    /// There is no session for it any more.
    Unknown,
    /// No file can be that large.
    TooFar,
}

/// A chunk being written; dropped without [`landed`](Self::landed), it was not.
#[derive(Debug)]
pub(crate) struct Writing {
    session: Arc<Session>,
    number: u64,
    /// Where it goes.
    pub(crate) place: Place,
    landed: bool,
}

impl Writing {
    /// The chunk is written and recorded.
    pub(crate) fn landed(mut self, now: i64) {
        self.landed = true;
        let mut state = self.session.state();
        state.touched = now;
        state.assembly.landed(self.number);
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.landed {
            self.session.state().assembly.failed(self.number);
        }
        self.session.changed.notify_waiters();
    }
}

/// The right to complete or cancel a session, which nobody else has meanwhile. Dropped, it leaves the
/// session as it was.
#[derive(Debug)]
pub(crate) struct Claim {
    session: Arc<Session>,
    after: Phase,
}

impl Claim {
    /// The staged upload of a session that was completed outside any run.
    pub(crate) fn parked(&self) -> Option<&StagedId> {
        match &self.after {
            Phase::Parked(file) => Some(file),
            _ => None,
        }
    }

    /// Whether the bytes cannot be trusted any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.session.state().broken
    }

    /// Looks at the chunks.
    pub(crate) fn with_assembly<T>(&self, look: impl FnOnce(&Assembly) -> T) -> T {
        look(&self.session.state().assembly)
    }

    /// The upload is whole and waits for a run.
    pub(crate) fn park(mut self, file: StagedId) {
        self.after = Phase::Parked(file);
    }

    /// The session is over.
    pub(crate) fn finish(mut self) {
        self.after = Phase::Over;
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.session.state().phase = self.after.clone();
        self.session.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(announced: u64) -> Arc<Session> {
        Arc::new(Session::new(Uuid::nil(), "user".into(), 0, 0, Assembly::new(announced)))
    }

    #[tokio::test]
    async fn a_completion_waits_for_chunks_under_way_and_chunks_wait_for_it() {
        let session = session(2);
        let Arrival::Write(writing) = session.begin(0, 3).await else { panic!("not to be written") };
        let claiming = tokio::spawn({
            let session = Arc::clone(&session);
            async move { session.claim().await }
        });
        while matches!(session.state().phase, Phase::Open) {
            tokio::task::yield_now().await;
        }
        let waiting = tokio::spawn({
            let session = Arc::clone(&session);
            async move { session.begin(1, 3).await }
        });
        tokio::task::yield_now().await;
        assert!(!claiming.is_finished() && !waiting.is_finished());
        writing.landed(1);
        let claim = claiming.await.unwrap().unwrap();
        assert_eq!(claim.with_assembly(Assembly::received), 1);
        assert!(!waiting.is_finished());
        drop(claim);
        assert!(matches!(waiting.await.unwrap(), Arrival::Write(_)));
    }

    #[tokio::test]
    async fn of_many_claims_one_is_granted_at_a_time_and_none_after_the_end() {
        let session = session(0);
        let claim = session.claim().await.unwrap();
        let second = tokio::spawn({
            let session = Arc::clone(&session);
            async move { session.claim().await.is_some() }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        claim.finish();
        assert!(!second.await.unwrap());
        assert!(matches!(session.begin(0, 1).await, Arrival::Unknown));
    }

    #[tokio::test]
    async fn a_lost_write_lets_the_next_sender_in() {
        let session = session(1);
        let Arrival::Write(first) = session.begin(0, 3).await else { panic!("not to be written") };
        let second = tokio::spawn({
            let session = Arc::clone(&session);
            async move { session.begin(0, 3).await }
        });
        tokio::task::yield_now().await;
        drop(first);
        assert!(matches!(second.await.unwrap(), Arrival::Write(_)));
        assert_eq!(session.received(), 0);
    }
}
