//! The one pool of worker threads: blocking verbs of the async face, bulk verbs of both faces and
//! the Python binding's queue are its users. It needs no runtime.
//!
//! A job ends in a completion callback. [`run`] makes a future of one; the Python binding pushes to
//! its own queue instead. [`for_each`] spreads work over this thread and free workers.
//!
//! The pool keeps as many workers as there are cores. A worker that is about to wait for the disk says
//! so (`waiting`), and another one takes its place at once; so a disk gets as many syncs side by side as
//! it can join. An overseer adds more, up to the same cap, while jobs wait and none was taken for a
//! millisecond: workers on a hung mount must not stop the others. Workers beyond the cores leave when idle.
//!
//! Jobs of one [`Lane`] would stand in each other's way side by side, so one worker does them in turn. Where
//! it says that it waits, takes long over one or none for a millisecond or two, they are jobs like all others.

mod job;
mod lanes;
mod spread;

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use self::job::run;
pub(crate) use self::job::run_in;
pub use self::lanes::Lane;
use self::lanes::{Lanes, Ticket};
pub use self::spread::for_each;
#[cfg(feature = "objects")]
pub(crate) use self::spread::for_each_borrowed;
pub(crate) use self::spread::for_each_waiting;

use crate::error::{Error, ErrorKind, Result};
use crate::fork;

/// The most workers, however many of them are stuck.
const MAX_WORKERS: usize = 64;
/// How long the queue may stand still before a worker is added.
const STALL: Duration = Duration::from_millis(1);
/// How many jobs of a lane a worker does before other jobs get their turn.
const LANE_RUN: usize = 32;
/// A job of a lane that takes longer has not spun on a lock of the kernel but waited for a device or a server,
/// and then the others are better side by side: to make a small file takes 10 to 100 µs on a local disk.
const LANE_SLOW: Duration = Duration::from_micros(500);
/// How long a worker beyond the cores stays idle.
const LINGER: Duration = Duration::from_secs(2);

type Job = Box<dyn FnOnce() + Send>;

struct Pool {
    state: Mutex<State>,
    work: Condvar,
    oversee: Condvar,
    cores: usize,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    lanes: Lanes,
    workers: usize,
    /// Workers that wait and that nobody has woken yet.
    idle: usize,
    /// Workers that were woken and have not run yet.
    woken: usize,
    /// Workers inside [`waiting`]: they need no core.
    waiting: usize,
    /// Jobs taken so far; standing still means stalled.
    taken: u64,
    overseer: Overseer,
}

#[derive(Default, PartialEq, Eq)]
enum Overseer {
    /// There is none yet.
    #[default]
    Missing,
    /// It looks at the queue again by itself.
    Watching,
    /// It waits to be told that a job waits.
    Asleep,
}

static POOL: AtomicPtr<Pool> = AtomicPtr::new(std::ptr::null_mut());

/// The pool of this process, made at first use.
fn pool() -> &'static Pool {
    let existing = POOL.load(Ordering::Acquire);
    if !existing.is_null() {
        // SAFETY: a non-null pointer was leaked from a Box below and is never freed.
        return unsafe { &*existing };
    }
    // Forgotten, not dropped, in a forked child: its threads are not there.
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    fork::on_child(&REGISTERED, || POOL.store(std::ptr::null_mut(), Ordering::Release));
    let fresh = Box::into_raw(Box::new(Pool {
        state: Mutex::default(),
        work: Condvar::new(),
        oversee: Condvar::new(),
        cores: thread::available_parallelism().map_or(2, |count| count.get().max(2)),
    }));
    match POOL.compare_exchange(std::ptr::null_mut(), fresh, Ordering::AcqRel, Ordering::Acquire) {
        // SAFETY: leaked above, never freed.
        Ok(_) => unsafe { &*fresh },
        Err(winner) => {
            // SAFETY: `fresh` lost the race and nobody else has seen it; `winner` was leaked.
            unsafe {
                drop(Box::from_raw(fresh));
                &*winner
            }
        }
    }
}

/// How many jobs are worth running side by side in this process.
#[must_use]
pub fn parallelism() -> usize {
    pool().cores
}

/// Hands a job to the pool. The job must end by itself; a panic in it is caught.
///
/// # Errors
/// `Io` if no worker can be started.
pub fn submit(job: impl FnOnce() + Send + 'static) -> Result<()> {
    pool().submit(Box::new(job))
}

/// As [`submit`], for a job of a lane.
///
/// # Errors
/// As [`submit`].
pub fn submit_in(lane: Option<Lane>, job: impl FnOnce() + Send + 'static) -> Result<()> {
    match lane {
        Some(lane) => pool().submit_in(lane, Box::new(job)),
        None => pool().submit(Box::new(job)),
    }
}

/// A job in the queue, or one that was refused since no worker can be started.
type Enqueued = std::result::Result<Wake, (Error, Job)>;

/// Who is to be woken once the pool is unlocked.
enum Wake {
    Nobody,
    Workers(usize),
    Overseer,
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Jobs run outside the lock, so a poisoned lock still holds a sound state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&'static self, job: Job) -> Result<()> {
        let mut state = self.lock();
        let enqueued = self.enqueue(&mut state, job);
        self.submitted(state, enqueued)
    }

    fn submit_in(&'static self, lane: Lane, job: Job) -> Result<()> {
        let mut state = self.lock();
        let enqueued = match state.lanes.join(lane, job) {
            Ok(()) => {
                let wake = self.alert(&mut state);
                if state.overseer == Overseer::Missing {
                    // Nobody would see that the one worker that it waits for is stuck.
                    let freed = state.lanes.close_lane(lane);
                    Ok(self.release(&mut state, freed))
                } else {
                    Ok(wake)
                }
            }
            Err((ticket, job)) => {
                let enqueued = self.enqueue(&mut state, Box::new(move || self.run_lane(ticket, job)));
                if enqueued.is_err() {
                    // Nobody has joined it meanwhile.
                    state.lanes.close(ticket);
                }
                enqueued
            }
        };
        self.submitted(state, enqueued)
    }

    /// Unlocks the pool. What a refused job holds is dropped after that: it may submit another one.
    fn submitted(&self, state: MutexGuard<'_, State>, enqueued: Enqueued) -> Result<()> {
        drop(state);
        let wake = enqueued.map_err(|(error, _)| error)?;
        self.wake(&wake);
        Ok(())
    }

    fn enqueue(&'static self, state: &mut State, job: Job) -> Enqueued {
        let mut refused = false;
        if state.idle == 0
            && self.has_room(state)
            && let Err(error) = self.spawn_worker(state)
        {
            if state.workers == 0 {
                return Err((error, job));
            }
            // Those that are there do it, only later.
            refused = true;
        }
        state.queue.push_back(job);
        if state.idle > 0 {
            Ok(state.claim(1))
        } else if refused || state.workers >= self.cores || state.overseer == Overseer::Asleep {
            // Whatever else waits: a job before this one may have been left to a worker alone.
            Ok(self.alert(state))
        } else {
            Ok(Wake::Nobody)
        }
    }

    /// Puts jobs that waited in a lane into the queue, with the workers that they would have got there.
    fn release(&'static self, state: &mut State, freed: VecDeque<Job>) -> Wake {
        let jobs = freed.len();
        state.queue.extend(freed);
        let wake = state.claim(jobs);
        let mut missing = state.queue.len().saturating_sub(state.woken).min(jobs);
        while missing > 0 && state.idle == 0 && self.has_room(state) && self.spawn_worker(state).is_ok() {
            missing -= 1;
        }
        wake
    }

    /// Has the overseer look at what waits.
    fn alert(&'static self, state: &mut State) -> Wake {
        match state.overseer {
            Overseer::Watching => Wake::Nobody,
            Overseer::Asleep => {
                state.overseer = Overseer::Watching;
                Wake::Overseer
            }
            Overseer::Missing => {
                state.overseer = Overseer::Watching;
                if spawn_thread("twinfs-overseer", move || self.oversee()).is_err() {
                    // Without an overseer the pool still works, with as many workers as there are.
                    state.overseer = Overseer::Missing;
                }
                Wake::Nobody
            }
        }
    }

    fn wake(&self, wake: &Wake) {
        match *wake {
            Wake::Nobody => {}
            Wake::Workers(count) => (0..count).for_each(|_| self.work.notify_one()),
            Wake::Overseer => self.oversee.notify_one(),
        }
    }

    /// Does a job of a lane, and those that join it meanwhile.
    fn run_lane(&'static self, ticket: Ticket, mut job: Job) {
        self.lock().lanes.set_running(ticket, true);
        for _ in 0..LANE_RUN {
            let began = Instant::now();
            TICKET.set(Some(ticket));
            // As in `work`.
            let _ = catch_unwind(AssertUnwindSafe(job));
            TICKET.set(None);
            let waited = began.elapsed() > LANE_SLOW;
            let mut state = self.lock();
            if waited {
                let freed = state.lanes.close(ticket);
                let wake = self.release(&mut state, freed);
                drop(state);
                return self.wake(&wake);
            }
            let Some(next) = state.lanes.next(ticket) else { return };
            state.taken += 1;
            job = next;
        }
        // This worker goes on with it, after what waits in front.
        let mut state = self.lock();
        state.lanes.set_running(ticket, false);
        state.queue.push_back(Box::new(move || self.run_lane(ticket, job)));
    }

    /// Whether another worker would have a core to run on.
    fn has_room(&self, state: &State) -> bool {
        state.workers - state.waiting < self.cores && state.workers < MAX_WORKERS
    }

    /// A worker begins to wait: if a job waits for one, another worker takes it.
    fn begin_waiting(&'static self) {
        let mut state = self.lock();
        state.waiting += 1;
        let freed = TICKET.take().map(|ticket| state.lanes.close(ticket)).unwrap_or_default();
        let mut wake = Wake::Nobody;
        if !freed.is_empty() {
            wake = self.release(&mut state, freed);
        } else if state.queue.len() > state.woken && state.idle == 0 && self.has_room(&state) {
            // Without another worker the job waits for this one.
            let _ = self.spawn_worker(&mut state);
        }
        drop(state);
        self.wake(&wake);
    }

    fn spawn_worker(&'static self, state: &mut State) -> Result<()> {
        spawn_thread("twinfs-worker", move || self.work())?;
        state.workers += 1;
        Ok(())
    }

    fn work(&self) {
        IS_WORKER.set(true);
        let mut state = self.lock();
        loop {
            while let Some(job) = state.queue.pop_front() {
                state.taken += 1;
                drop(state);
                // The job reports its own end; a panic has been turned into an error there.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = self.lock();
            }
            state.idle += 1;
            loop {
                let (again, timeout) =
                    self.work.wait_timeout(state, LINGER).unwrap_or_else(PoisonError::into_inner);
                state = again;
                if state.woken > 0 {
                    state.woken -= 1;
                    break;
                }
                if timeout.timed_out() && state.workers > self.cores {
                    state.idle -= 1;
                    state.workers -= 1;
                    return;
                }
            }
        }
    }

    /// Adds a worker whenever jobs wait and none was taken for [`STALL`], and frees those that wait in a lane
    /// out of which none was taken.
    fn oversee(&'static self) {
        let mut state = self.lock();
        loop {
            if state.queue.is_empty() && state.lanes.are_empty() {
                state.overseer = Overseer::Asleep;
                let asleep = |state: &mut State| state.overseer == Overseer::Asleep;
                state = self.oversee.wait_while(state, asleep).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let seen = state.taken;
            drop(state);
            thread::sleep(STALL);
            state = self.lock();
            let freed = state.lanes.close_standing();
            if !freed.is_empty() {
                let wake = self.release(&mut state, freed);
                drop(state);
                self.wake(&wake);
                state = self.lock();
            } else if !state.queue.is_empty()
                && state.taken == seen
                && state.idle == 0
                && state.workers < MAX_WORKERS
            {
                // If the system refuses a thread now, the next round tries again.
                let _ = self.spawn_worker(&mut state);
            }
        }
    }
}

impl State {
    /// Counts idle workers as woken, for so many jobs. Here and not where they wake, so that the next job
    /// does not count on them, too.
    fn claim(&mut self, jobs: usize) -> Wake {
        let count = jobs.min(self.idle);
        self.idle -= count;
        self.woken += count;
        Wake::Workers(count)
    }
}

thread_local! {
    /// The ticket of this worker while it does a job of a lane.
    static TICKET: Cell<Option<Ticket>> = const { Cell::new(None) };
    /// Whether this thread is a worker that another one may take the place of.
    static IS_WORKER: Cell<bool> = const { Cell::new(false) };
}

/// Runs what waits for the disk and needs no core meanwhile, an `fsync` say. On a worker, another one
/// takes its place until it is done; anywhere else it is just run.
pub(crate) fn waiting<T>(body: impl FnOnce() -> T) -> T {
    struct Waiting(&'static Pool);
    impl Drop for Waiting {
        fn drop(&mut self) {
            self.0.lock().waiting -= 1;
            IS_WORKER.set(true);
        }
    }

    // Taken, so that what waits inside what waits is not counted twice.
    let _waiting = IS_WORKER.take().then(|| {
        let pool = pool();
        pool.begin_waiting();
        Waiting(pool)
    });
    body()
}

fn spawn_thread(name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new().name(name.into()).spawn(body).map(drop).map_err(|error| {
        Error::new(ErrorKind::Io)
            .with_source(error)
            .with_retryable(true)
            .with_message("no worker thread could be started; raise the limit of threads (ulimit -u)")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::adapters::park_on;
    use crate::error::ErrorKind;

    #[test]
    fn a_job_gives_its_result_and_a_panic_becomes_an_error() {
        assert_eq!(park_on(run(|| Ok(7))).unwrap(), 7);
        let error = park_on(run(|| -> Result<()> { panic!("on purpose") })).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert_eq!(park_on(run(|| Ok(8))).unwrap(), 8);
    }

    #[test]
    fn a_stuck_worker_does_not_stop_the_others() {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let stuck: Vec<_> = (0..parallelism())
            .map(|_| {
                let gate = Arc::clone(&gate);
                let slot = Arc::new(AtomicBool::new(false));
                let done = Arc::clone(&slot);
                submit(move || {
                    let _ = gate.lock().unwrap().recv();
                    done.store(true, Ordering::Release);
                })
                .unwrap();
                slot
            })
            .collect();
        assert_eq!(park_on(run(|| Ok("through"))).unwrap(), "through");
        assert!(stuck.iter().any(|done| !done.load(Ordering::Acquire)));
        drop(release);
    }

    #[test]
    fn workers_that_get_stuck_at_once_are_all_replaced() {
        // Each round begins with idle workers and an overseer that waits: jobs that follow each other
        // faster than workers wake must not be overlooked by it.
        for _ in 0..40 {
            let (release, gate) = std::sync::mpsc::channel::<()>();
            let gate = Arc::new(Mutex::new(gate));
            for _ in 0..parallelism() + 2 {
                let gate = Arc::clone(&gate);
                submit(move || {
                    let _ = gate.lock().unwrap().recv();
                })
                .unwrap();
            }
            assert_eq!(park_on(run(|| Ok("through"))).unwrap(), "through");
            drop(release);
            let settled = || {
                let state = pool().lock();
                state.queue.is_empty() && state.idle == state.workers && state.overseer == Overseer::Asleep
            };
            while !settled() {
                thread::yield_now();
            }
        }
    }

    /// Submits jobs to one lane; gives how many are done.
    fn in_one_lane(count: usize, job: impl Fn(usize) + Send + Sync + 'static) -> Arc<AtomicUsize> {
        let (job, done) = (Arc::new(job), Arc::new(AtomicUsize::new(0)));
        let lane = Lane::of(&Arc::as_ptr(&done).addr());
        for number in 0..count {
            let (job, done) = (Arc::clone(&job), Arc::clone(&done));
            let job = move || {
                job(number);
                done.fetch_add(1, Ordering::AcqRel);
            };
            submit_in(Some(lane), job).unwrap();
        }
        done
    }

    fn wait_for(done: &AtomicUsize, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while done.load(Ordering::Acquire) < count {
            assert!(Instant::now() < deadline, "{done:?} of {count}");
            thread::yield_now();
        }
    }

    #[test]
    fn jobs_of_a_lane_are_done_once_each_and_a_panic_ends_one_alone() {
        let seen: Arc<Vec<_>> = Arc::new((0..1000).map(|_| AtomicUsize::new(0)).collect());
        let counts = Arc::clone(&seen);
        let done = in_one_lane(1000, move |number| {
            counts[number].fetch_add(1, Ordering::AcqRel);
            assert!(number % 100 != 7, "on purpose");
        });
        wait_for(&done, 990);
        assert!(seen.iter().all(|count| count.load(Ordering::Acquire) == 1));
    }

    #[test]
    fn jobs_behind_a_stuck_one_of_their_lane_are_done_by_others() {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let done = in_one_lane(100, move |number| {
            if number % 50 == 0 {
                let _ = gate.lock().unwrap().recv();
            }
        });
        wait_for(&done, 98);
        drop(release);
        wait_for(&done, 100);
    }

    #[test]
    fn jobs_of_a_lane_that_wait_for_the_disk_run_side_by_side() {
        let side_by_side = 2 * parallelism();
        let here = AtomicUsize::new(0);
        let done = in_one_lane(side_by_side, move |_| {
            waiting(|| {
                here.fetch_add(1, Ordering::AcqRel);
                // Each ends only once all have begun.
                wait_for(&here, side_by_side);
            });
        });
        wait_for(&done, side_by_side);
    }

    #[test]
    fn slow_jobs_of_a_lane_are_left_to_all_workers() {
        let side_by_side = Arc::new(AtomicUsize::new(0));
        let (here, most) = (AtomicUsize::new(0), Arc::clone(&side_by_side));
        let done = in_one_lane(200, move |_| {
            most.fetch_max(here.fetch_add(1, Ordering::AcqRel) + 1, Ordering::AcqRel);
            thread::sleep(2 * LANE_SLOW);
            here.fetch_sub(1, Ordering::AcqRel);
        });
        wait_for(&done, 200);
        assert!(side_by_side.load(Ordering::Acquire) > 1, "one worker did them all");
    }

    #[test]
    fn a_lane_without_end_lets_others_have_their_turn() {
        let (stop, lane) = (Arc::new(AtomicBool::new(false)), Lane::of("without end"));
        fn go_on(stop: Arc<AtomicBool>, lane: Lane) {
            if !stop.load(Ordering::Acquire) {
                submit_in(Some(lane), move || go_on(stop, lane)).unwrap();
            }
        }
        // As many lanes as there are workers, and none of them ever empty.
        for number in 0..parallelism() {
            go_on(Arc::clone(&stop), Lane::of(&(lane, number)));
        }
        assert_eq!(park_on(run(|| Ok("through"))).unwrap(), "through");
        stop.store(true, Ordering::Release);
    }
}
