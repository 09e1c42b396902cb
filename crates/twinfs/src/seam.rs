//! The seam to time and to runtimes: the only place where the core knows of timers or of a runtime
//! of its own.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::fork;

thread_local! {
    static OWN_RUNTIME: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as one of twinfs's own runtime, where the sync face must not wait.
pub fn mark_own_runtime() {
    OWN_RUNTIME.with(|own| own.set(true));
}

/// Whether this thread belongs to twinfs's own runtime.
pub(crate) fn on_own_runtime() -> bool {
    OWN_RUNTIME.with(Cell::get)
}

struct Timer {
    waiting: Mutex<BTreeMap<(Instant, u64), Waker>>,
    changed: Condvar,
}

static TIMER: AtomicPtr<Timer> = AtomicPtr::new(std::ptr::null_mut());
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The timer thread of this process, started at first use.
fn timer() -> Result<&'static Timer> {
    let existing = TIMER.load(Ordering::Acquire);
    if !existing.is_null() {
        // SAFETY: a non-null pointer was leaked from a Box below and is never freed.
        return Ok(unsafe { &*existing });
    }
    static STARTING: Mutex<()> = Mutex::new(());
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    fork::on_child(&REGISTERED, || TIMER.store(std::ptr::null_mut(), Ordering::Release));
    let _section = fork::section();
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    let existing = TIMER.load(Ordering::Acquire);
    if !existing.is_null() {
        // SAFETY: as above.
        return Ok(unsafe { &*existing });
    }
    let fresh: &'static Timer =
        Box::leak(Box::new(Timer { waiting: Mutex::default(), changed: Condvar::new() }));
    thread::Builder::new().name("twinfs-timer".into()).spawn(|| fresh.run()).map_err(Error::from_io)?;
    TIMER.store(std::ptr::from_ref(fresh).cast_mut(), Ordering::Release);
    Ok(fresh)
}

impl Timer {
    fn run(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let now = Instant::now();
            let later = waiting.split_off(&(now, u64::MAX));
            let due = std::mem::replace(&mut *waiting, later);
            if !due.is_empty() {
                drop(waiting);
                due.into_values().for_each(Waker::wake);
                waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            waiting = match waiting.first_key_value() {
                Some((&(first, _), _)) => {
                    let pause = first.saturating_duration_since(now);
                    self.changed.wait_timeout(waiting, pause).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// A pause that any executor can await.
#[must_use = "futures do nothing unless polled"]
#[derive(Debug)]
pub struct Sleep {
    key: (Instant, u64),
}

/// A future that is ready after `duration`.
pub fn sleep(duration: Duration) -> Sleep {
    // A pause too long for the clock is as good as for ever; a century keeps the sum in range.
    let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    Sleep { key: (Instant::now() + duration.min(century), NEXT.fetch_add(1, Ordering::Relaxed)) }
}

impl Future for Sleep {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        if Instant::now() >= self.key.0 {
            return Poll::Ready(Ok(()));
        }
        let timer = match timer() {
            Ok(timer) => timer,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let mut waiting = timer.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.insert(self.key, context.waker().clone());
        let is_first = waiting.first_key_value().is_some_and(|(key, _)| *key == self.key);
        drop(waiting);
        if is_first {
            timer.changed.notify_one();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let timer = TIMER.load(Ordering::Acquire);
        if !timer.is_null() {
            // SAFETY: a non-null pointer was leaked and is never freed.
            let timer = unsafe { &*timer };
            timer.waiting.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        }
    }
}
