//! The one pool of worker threads: blocking verbs of the async face, bulk verbs of both faces and
//! the Python binding's queue are its users. It needs no runtime.
//!
//! A job ends in a completion callback. [`run`] makes a future of one; the Python binding pushes to
//! its own queue instead.
//!
//! The pool keeps as many workers as there are cores. A worker that is about to wait for the disk says
//! so (`waiting`), and another one takes its place at once; so a disk gets as many syncs side by side as
//! it can join. An overseer adds more, up to the same cap, while jobs wait and none was taken for a
//! millisecond: workers on a hung mount must not stop the others. Workers beyond the cores leave when idle.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::fork;

/// The most workers, however many of them are stuck.
const MAX_WORKERS: usize = 64;
/// How long the queue may stand still before a worker is added.
const STALL: Duration = Duration::from_millis(1);
/// How many jobs that mostly wait for the disk one caller has under way at a time: fewer than there may be
/// workers, so that others get some.
const WAITING_SIDE_BY_SIDE: usize = 32;
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

impl Pool {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Jobs run outside the lock, so a poisoned lock still holds a sound state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(&'static self, job: Job) -> Result<()> {
        let mut state = self.lock();
        let mut refused = false;
        if state.idle == 0
            && self.has_room(&state)
            && let Err(error) = self.spawn_worker(&mut state)
        {
            if state.workers == 0 {
                return Err(error);
            }
            // Those that are there do it, only later.
            refused = true;
        }
        state.queue.push_back(job);
        if state.idle > 0 {
            // Claimed here and not where it wakes, so that the next job does not count on it, too.
            state.idle -= 1;
            state.woken += 1;
            drop(state);
            self.work.notify_one();
        } else if (refused || state.workers >= self.cores) && state.overseer == Overseer::Missing {
            state.overseer = Overseer::Watching;
            if spawn_thread("twinfs-overseer", move || self.oversee()).is_err() {
                // Without an overseer the pool still works, with as many workers as there are.
                state.overseer = Overseer::Missing;
            }
        } else if state.overseer == Overseer::Asleep {
            // Whatever else waits: a job before this one may have been left to a worker alone.
            state.overseer = Overseer::Watching;
            drop(state);
            self.oversee.notify_one();
        }
        Ok(())
    }

    /// Whether another worker would have a core to run on.
    fn has_room(&self, state: &State) -> bool {
        state.workers - state.waiting < self.cores && state.workers < MAX_WORKERS
    }

    /// A worker begins to wait: if a job waits for one, another worker takes it.
    fn begin_waiting(&'static self) {
        let mut state = self.lock();
        state.waiting += 1;
        if state.queue.len() > state.woken && state.idle == 0 && self.has_room(&state) {
            // Without another worker the job waits for this one.
            let _ = self.spawn_worker(&mut state);
        }
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

    /// Adds a worker whenever jobs wait and none was taken for [`STALL`].
    fn oversee(&'static self) {
        let mut state = self.lock();
        loop {
            if state.queue.is_empty() {
                state.overseer = Overseer::Asleep;
                let asleep = |state: &mut State| state.overseer == Overseer::Asleep;
                state = self.oversee.wait_while(state, asleep).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let seen = state.taken;
            drop(state);
            thread::sleep(STALL);
            state = self.lock();
            if !state.queue.is_empty()
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

thread_local! {
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

/// Runs `body` on the pool. Dropping the future before the job starts means it never runs; after
/// that the job runs to its end and its result is dropped.
pub fn run<T: Send + 'static>(
    body: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> + Send {
    let mut start = Some(body);
    let mut task: Option<Task<T>> = None;
    // Lazy, as futures are: nothing is queued before the first poll.
    std::future::poll_fn(move |context| {
        if let Some(body) = start.take() {
            match Task::submit(body) {
                Ok(submitted) => task = Some(submitted),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        match &mut task {
            Some(task) => Pin::new(task).poll(context),
            None => Poll::Ready(Err(Error::new(ErrorKind::Closed).with_message("polled after it was done"))),
        }
    })
}

struct Slot<T> {
    cancelled: AtomicBool,
    outcome: Mutex<Outcome<T>>,
}

enum Outcome<T> {
    Pending(Option<Waker>),
    Done(Result<T>),
    Taken,
}

/// A job as a future.
struct Task<T>(Arc<Slot<T>>);

impl<T: Send + 'static> Task<T> {
    fn submit(body: impl FnOnce() -> Result<T> + Send + 'static) -> Result<Self> {
        let slot =
            Arc::new(Slot { cancelled: AtomicBool::new(false), outcome: Mutex::new(Outcome::Pending(None)) });
        let shared = Arc::clone(&slot);
        submit(move || {
            if shared.cancelled.load(Ordering::Acquire) {
                return;
            }
            let result = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Io)
                    .with_message("a worker panicked; this is a fault of twinfs, please report it"))
            });
            shared.complete(result);
        })?;
        Ok(Self(slot))
    }
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, Outcome<T>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complete(&self, result: Result<T>) {
        let before = std::mem::replace(&mut *self.lock(), Outcome::Done(result));
        if self.cancelled.load(Ordering::Acquire) {
            // Nobody waits any more: an open file or the like is dropped here, on the worker.
            let unclaimed = std::mem::replace(&mut *self.lock(), Outcome::Taken);
            drop(unclaimed);
        } else if let Outcome::Pending(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let mut outcome = self.0.lock();
        match &mut *outcome {
            Outcome::Pending(waker) => {
                match waker {
                    Some(waker) => waker.clone_from(context.waker()),
                    None => *waker = Some(context.waker().clone()),
                }
                Poll::Pending
            }
            Outcome::Done(_) => match std::mem::replace(&mut *outcome, Outcome::Taken) {
                Outcome::Done(result) => Poll::Ready(result),
                Outcome::Pending(_) | Outcome::Taken => Poll::Pending,
            },
            Outcome::Taken => {
                Poll::Ready(Err(Error::new(ErrorKind::Closed).with_message("polled after it was done")))
            }
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.cancelled.store(true, Ordering::Release);
        // A result that came before the flag is dropped here, one that comes later on the worker.
        let unclaimed = std::mem::replace(&mut *self.0.lock(), Outcome::Taken);
        drop(unclaimed);
    }
}

/// Runs `body` for every index below `count`, on this thread and on workers that are free, and
/// returns when all are done. Indices are handed out in runs of `grain`.
///
/// The calling thread takes part, so it ends even where no worker is free; it never waits for a
/// job that has not started.
pub fn for_each(count: usize, grain: usize, body: impl Fn(usize) + Send + Sync + 'static) {
    spread(count, grain, parallelism(), body);
}

/// As [`for_each`], for a body that borrows and mostly sits in [`waiting`]: more of them side by side than
/// there are cores. `false` if it panicked.
pub(crate) fn for_each_waiting(count: usize, body: &(dyn Fn(usize) + Sync)) -> bool {
    spread_borrowed(count, 1, WAITING_SIDE_BY_SIDE, body)
}

fn spread(count: usize, grain: usize, width: usize, body: impl Fn(usize) + Send + Sync + 'static) {
    let grain = grain.max(1);
    let runs = count.div_ceil(grain);
    let helpers = width.saturating_sub(1).min(runs.saturating_sub(1));
    let crew = Arc::new(Crew {
        next: AtomicUsize::new(0),
        working: Mutex::new(0),
        done: Condvar::new(),
        body,
        count,
        grain,
    });
    for _ in 0..helpers {
        let crew = Arc::clone(&crew);
        // If no worker can be had, this thread does it all.
        let _ = submit(move || crew.help());
    }
    crew.take_runs();
    waiting(|| {
        let mut working = crew.working.lock().unwrap_or_else(PoisonError::into_inner);
        while *working > 0 {
            working = crew.done.wait(working).unwrap_or_else(PoisonError::into_inner);
        }
    });
}

/// As [`for_each`], for a body that borrows; `false` if it panicked.
#[cfg(feature = "objects")]
pub(crate) fn for_each_borrowed(count: usize, grain: usize, body: &(dyn Fn(usize) + Sync)) -> bool {
    spread_borrowed(count, grain, parallelism(), body)
}

fn spread_borrowed(count: usize, grain: usize, width: usize, body: &(dyn Fn(usize) + Sync)) -> bool {
    struct Body(*const (dyn Fn(usize) + Sync));
    // SAFETY: the pointer is to something that may be called from any thread.
    unsafe impl Send for Body {}
    // SAFETY: as above.
    unsafe impl Sync for Body {}
    impl Body {
        /// # Safety
        /// What it points to must be alive.
        unsafe fn call(&self, index: usize) {
            // SAFETY: said by the caller.
            unsafe { (*self.0)(index) }
        }
    }

    // SAFETY: only the lifetime is another one, and a pointer has none.
    let body: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(body) };
    let (body, panicked) = (Body(body), Arc::new(AtomicBool::new(false)));
    let seen = Arc::clone(&panicked);
    spread(count, grain, width, move |index| {
        // SAFETY: `spread` returns when all indices are done, also where the body panics, since that
        // is caught here; a helper that starts later finds no index left and calls nothing.
        let called = catch_unwind(AssertUnwindSafe(|| unsafe { body.call(index) }));
        if called.is_err() {
            seen.store(true, Ordering::Release);
        }
    });
    !panicked.load(Ordering::Acquire)
}

struct Crew<F> {
    next: AtomicUsize,
    working: Mutex<usize>,
    done: Condvar,
    body: F,
    count: usize,
    grain: usize,
}

impl<F: Fn(usize)> Crew<F> {
    fn take_runs(&self) {
        loop {
            let start = self.next.fetch_add(self.grain, Ordering::Relaxed);
            if start >= self.count {
                return;
            }
            for index in start..(start + self.grain).min(self.count) {
                (self.body)(index);
            }
        }
    }

    fn help(&self) {
        {
            let mut working = self.working.lock().unwrap_or_else(PoisonError::into_inner);
            // Counted before the first run is taken, so the caller cannot miss this helper.
            if self.next.load(Ordering::Relaxed) >= self.count {
                return;
            }
            *working += 1;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| self.take_runs()));
        *self.working.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.done.notify_all();
        drop(outcome);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::park_on;

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

    #[test]
    fn jobs_that_wait_run_side_by_side_beyond_the_cores() {
        let side_by_side = 2 * parallelism();
        let here = AtomicUsize::new(0);
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        for_each_waiting(side_by_side, &|_| {
            waiting(|| {
                here.fetch_add(1, Ordering::AcqRel);
                // Each ends only once all have begun.
                while here.load(Ordering::Acquire) < side_by_side {
                    assert!(std::time::Instant::now() < deadline, "one stands in another's way");
                    thread::yield_now();
                }
            });
        });
        assert_eq!(here.load(Ordering::Acquire), side_by_side);
    }

    #[test]
    fn for_each_visits_every_index_once() {
        let seen: Arc<Vec<AtomicUsize>> = Arc::new((0..1000).map(|_| AtomicUsize::new(0)).collect());
        let counts = Arc::clone(&seen);
        for_each(1000, 7, move |index| {
            counts[index].fetch_add(1, Ordering::Relaxed);
        });
        assert!(seen.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    }
}
