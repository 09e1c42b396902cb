//! Turns of an executor's thread, for operations that are over as soon as they begin.
//!
//! An operation that answers without waiting gives its executor no occasion to do anything else. A
//! task that does many of them, or many tasks with one each, would keep timers and everybody else
//! waiting. So such operations ask here first: they may follow each other for [`LIMIT`] of the
//! thread's own time. The next one lets the executor go on, by a hop to the pool or by being pending
//! once, and says so afterwards ([`Over::passed`]): that begins the next turn.
//!
//! Whoever is called by the executor itself, as an event loop's callback is, knows that a turn has begun
//! and says so ([`begin`]).
//!
//! The async face of local disk asks by itself; an adapter or binding of your own does so like this:
//!
//! ```
//! # use twinfs::turn;
//! # async fn cached() -> Option<u8> { Some(1) }
//! # async fn on_the_pool() -> u8 { 1 }
//! # smol::block_on(async {
//! let over = turn::over();
//! let answer = match over {
//!     None => cached().await,
//!     Some(_) => None,
//! };
//! let answer = match answer {
//!     Some(answer) => answer,
//!     None => on_the_pool().await,
//! };
//! if let Some(over) = over {
//!     over.passed();
//! }
//! # assert_eq!(answer, 1);
//! # });
//! ```

use std::cell::Cell;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// How much of a thread's processor time one turn may take.
pub const LIMIT: Duration = Duration::from_micros(200);

/// The most bytes an operation moves within a turn: copying them takes some ten microseconds.
pub const MAX_BYTES: usize = 64 * 1024;

/// The most bytes that a read of an open file moves within a turn, into memory of the caller: copying
/// them takes about as long as a turn, and costs less than to hand them to another thread and back.
pub const MAX_BLOCK: usize = 1024 * 1024;

/// After this long a turn that was used up counts as passed even if nobody said so: whoever let the
/// executor go on may have been cancelled, or may have gone on in another thread.
const EXPIRY: Duration = Duration::from_millis(1);

/// The turn a thread is in.
#[derive(Clone, Copy)]
struct Turn {
    number: u64,
    /// The thread's processor time when it began.
    began: Duration,
    /// Until then the clock of the wall alone says that the time cannot be used up.
    enough_until: Instant,
    /// Since when somebody has been told that it is used up.
    over_since: Option<Instant>,
}

thread_local! {
    static TURN: Cell<Option<Turn>> = const { Cell::new(None) };
}

/// A turn that is used up.
#[derive(Clone, Copy, Debug)]
#[must_use = "the next turn begins when this one is said to have passed"]
pub struct Over {
    number: u64,
}

/// Begins a turn of this thread: for whoever is called by the executor itself, and so knows.
pub fn begin() {
    begin_after(TURN.get(), Instant::now());
}

/// Whether this thread's turn is used up: then the operation must let the executor go on.
pub fn over() -> Option<Over> {
    let now = Instant::now();
    let Some(mut turn) = TURN.get() else {
        begin_after(None, now);
        return None;
    };
    if now < turn.enough_until {
        return None;
    }
    // Time in which the thread slept, or had to leave the processor to others, is not its own.
    let Some(used) = processor_time().checked_sub(turn.began) else {
        // A forked child, whose clock began anew.
        begin_after(Some(turn), now);
        return None;
    };
    if let Some(left) = LIMIT.checked_sub(used) {
        turn.enough_until = now + left;
        TURN.set(Some(turn));
        return None;
    }
    if turn.over_since.is_some_and(|since| now.duration_since(since) > EXPIRY) {
        begin_after(Some(turn), now);
        return None;
    }
    turn.over_since.get_or_insert(now);
    TURN.set(Some(turn));
    Some(Over { number: turn.number })
}

impl Over {
    /// Says that the executor had the opportunity to do other things since. It is not too late after
    /// others said so.
    pub fn passed(self) {
        let turn = TURN.get();
        if turn.is_some_and(|turn| turn.number == self.number) {
            begin_after(turn, Instant::now());
        }
    }
}

fn begin_after(last: Option<Turn>, now: Instant) {
    let number = last.map_or(0, |last| last.number.wrapping_add(1));
    let turn = Turn { number, began: processor_time(), enough_until: now + LIMIT, over_since: None };
    TURN.set(Some(turn));
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is negative: the clock counts from the thread's start.
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Works until the turn is used up.
    fn use_up() -> Over {
        loop {
            if let Some(over) = over() {
                return over;
            }
        }
    }

    /// Tries again: where the thread stands still for [`EXPIRY`], a turn that is used up counts as passed.
    fn soon(holds: impl Fn() -> bool) -> bool {
        (0..50).any(|_| holds())
    }

    #[test]
    fn a_turn_ends_for_everybody_until_it_has_passed() {
        assert!(soon(|| use_up().number == use_up().number));
        let first = use_up();
        first.passed();
        assert!(over().is_none());
        first.passed();
        assert!(over().is_none(), "said twice, it passed once");
        assert_ne!(first.number, use_up().number);
        let stays_over = soon(|| {
            let _ = use_up();
            first.passed();
            over().is_some()
        });
        assert!(stays_over, "a turn long past says nothing of this one");
    }

    #[test]
    fn an_executor_that_says_so_has_begun_a_turn() {
        let before = use_up();
        begin();
        assert!(over().is_none());
        let stays_over = soon(|| {
            let after = use_up();
            before.passed();
            over().is_some_and(|over| over.number == after.number)
        });
        assert!(stays_over, "what was before says nothing of this one");
    }

    #[test]
    fn sleep_uses_up_no_turn() {
        use_up().passed();
        std::thread::sleep(LIMIT * 10);
        assert!(over().is_none());
    }

    #[test]
    fn a_turn_that_nobody_says_has_passed_expires() {
        let _ = use_up();
        std::thread::sleep(EXPIRY * 2);
        assert!(over().is_none());
    }

    #[test]
    fn a_forked_child_has_turns_too() {
        let _ = use_up();
        let ahead = TURN.get().map(|turn| Turn { began: Duration::from_secs(1 << 30), ..turn });
        TURN.set(ahead);
        assert!(over().is_none());
        let _ = use_up();
    }

    #[test]
    fn threads_have_turns_of_their_own() {
        let _ = use_up();
        std::thread::scope(|scope| scope.spawn(|| assert!(over().is_none())).join().unwrap());
    }
}
