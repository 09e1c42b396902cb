//! A job as a future.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::{Lane, submit_in};
use crate::error::{Error, ErrorKind, Result};

/// Runs `body` on the pool. Dropping the future before the job starts means it never runs; after
/// that the job runs to its end and its result is dropped.
pub fn run<T: Send + 'static>(
    body: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> + Send {
    run_in(None, body)
}

/// As [`run`], for a job of a lane.
pub(crate) fn run_in<T: Send + 'static>(
    lane: Option<Lane>,
    body: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl Future<Output = Result<T>> + Send {
    let mut start = Some(body);
    let mut task: Option<Task<T>> = None;
    // Lazy, as futures are: nothing is queued before the first poll.
    std::future::poll_fn(move |context| {
        if let Some(body) = start.take() {
            match Task::submit(lane, body) {
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
    fn submit(lane: Option<Lane>, body: impl FnOnce() -> Result<T> + Send + 'static) -> Result<Self> {
        let slot =
            Arc::new(Slot { cancelled: AtomicBool::new(false), outcome: Mutex::new(Outcome::Pending(None)) });
        let shared = Arc::clone(&slot);
        submit_in(lane, move || {
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
