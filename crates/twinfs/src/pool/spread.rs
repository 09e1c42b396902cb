//! Work that is spread over this thread and those workers that are free.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::{parallelism, submit, waiting};

/// How many jobs that mostly wait for the disk one caller has under way at a time: fewer than there may be
/// workers, so that others get some.
const WAITING_SIDE_BY_SIDE: usize = 32;

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
    use std::thread;
    use std::time::Duration;

    use super::*;

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
