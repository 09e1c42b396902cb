//! Runs operations on twinfs's workers, which never hold the interpreter lock.
//!
//! An operation is a future. Over a blocking store it is ready at its first poll, so a worker does
//! it whole; over an async store it is polled on a worker whenever it is woken. Either way the
//! finished operation goes to its [`Sink`]: the queue of an event loop, or a thread that waits.

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use pyo3::prelude::*;
use twinfs::pool::{self, Lane};
use twinfs::{Error, ErrorKind, fork};

use crate::completion::{Due, Pending, Queue};
use crate::errors::{Failure, IntoException, Outcome};
use crate::results::{Deliver, Delivery};

thread_local! {
    static OFF_PYTHON: Cell<bool> = const { Cell::new(false) };
}

/// Releases the interpreter lock while `body` runs.
pub(crate) fn detached<T: Send>(py: Python<'_>, body: impl FnOnce() -> T + Send) -> T {
    py.detach(|| off_python(body))
}

/// Marks this thread as one without the interpreter lock while `body` runs.
fn off_python<T>(body: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            OFF_PYTHON.with(|off| off.set(self.0));
        }
    }
    let _restore = Restore(OFF_PYTHON.with(|off| off.replace(true)));
    body()
}

/// A Python object that an operation holds, and that may be dropped on any thread.
///
/// Without the interpreter lock its count goes down later, from a list; a fork in another thread
/// waits until that list is unlocked.
pub(crate) struct Held<T>(Option<Py<T>>);

impl<T> Held<T> {
    pub(crate) fn new(object: Py<T>) -> Self {
        Self(Some(object))
    }

    /// The object; `None` only while it is dropped.
    pub(crate) fn get(&self) -> Option<&Py<T>> {
        self.0.as_ref()
    }

    /// The object itself, on a thread that has the interpreter lock.
    pub(crate) fn into_inner(mut self) -> Option<Py<T>> {
        self.0.take()
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        if self.0.is_some() && OFF_PYTHON.with(Cell::get) {
            let _section = fork::section();
            self.0 = None;
        }
    }
}

/// An operation and then its result, in one allocation that goes to a worker and comes back.
pub(crate) trait Work: Send {
    /// Does what can be done without the interpreter; ready when `deliver` may be called.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()>;

    /// Makes the result a Python object, as [`Deliver::deliver`].
    fn deliver(self: Pin<&mut Self>, py: Python<'_>, until: Option<Instant>) -> Delivery;

    /// Replaces operation and result by a failure.
    fn fail(self: Pin<&mut Self>, failure: Failure);
}

pin_project! {
    struct Job<F, T> {
        #[pin]
        future: Option<F>,
        result: Option<Outcome<T>>,
    }
}

/// An operation as work.
pub(crate) fn work<T: Deliver>(
    future: impl Future<Output = Outcome<T>> + Send + 'static,
) -> Pin<Box<dyn Work>> {
    Box::pin(Job { future: Some(future), result: None })
}

impl<F, T> Work for Job<F, T>
where
    F: Future<Output = Outcome<T>> + Send,
    T: Deliver,
{
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        match this.future.as_mut().as_pin_mut() {
            None => {}
            Some(future) => match future.poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(result) => {
                    this.future.set(None);
                    *this.result = Some(result);
                }
            },
        }
        match this.result {
            Some(Ok(result)) => result.advance(context),
            _ => Poll::Ready(()),
        }
    }

    fn deliver(self: Pin<&mut Self>, py: Python<'_>, until: Option<Instant>) -> Delivery {
        let result = self.project().result;
        match result {
            Some(Ok(result)) => result.deliver(py, until),
            _ => match result.take() {
                Some(Err(failure)) => Delivery::Done(Err(failure.into_exception())),
                _ => Delivery::Done(Err(Failure::panicked().into_exception())),
            },
        }
    }

    fn fail(self: Pin<&mut Self>, failure: Failure) {
        let mut this = self.project();
        this.future.set(None);
        *this.result = Some(Err(failure));
    }
}

/// An operation that may be over as soon as it begins: it is attempted where it is awaited.
pub(crate) trait Attempt: Send {
    /// Answers, if that needs no waiting.
    fn attempt(&mut self, py: Python<'_>) -> Option<PyResult<Py<PyAny>>>;

    /// The operation as work for a worker.
    fn into_work(self: Box<Self>) -> Pin<Box<dyn Work>>;
}

struct Attempted<A, T, N, B> {
    arguments: A,
    attempt: N,
    begin: B,
    answer: PhantomData<fn() -> T>,
}

/// An operation as an attempt at its arguments, and what begins it with these otherwise.
pub(crate) fn attempt<A, T, F>(
    arguments: A,
    attempt: impl FnMut(Python<'_>, &mut A) -> Option<T> + Send + 'static,
    begin: impl FnOnce(A) -> F + Send + 'static,
) -> Box<dyn Attempt>
where
    A: Send + 'static,
    T: Deliver,
    F: Future<Output = Outcome<T>> + Send + 'static,
{
    let begin = |arguments| work(begin(arguments));
    Box::new(Attempted { arguments, attempt, begin, answer: PhantomData })
}

impl<A, T, N, B> Attempt for Attempted<A, T, N, B>
where
    A: Send,
    T: Deliver,
    N: FnMut(Python<'_>, &mut A) -> Option<T> + Send,
    B: FnOnce(A) -> Pin<Box<dyn Work>> + Send,
{
    fn attempt(&mut self, py: Python<'_>) -> Option<PyResult<Py<PyAny>>> {
        match (self.attempt)(py, &mut self.arguments)?.deliver(py, None) {
            Delivery::Done(object) => Some(object),
            // Too much for one go.
            Delivery::Unfinished | Delivery::Advance => None,
        }
    }

    fn into_work(self: Box<Self>) -> Pin<Box<dyn Work>> {
        (self.begin)(self.arguments)
    }
}

/// An attempt as work: it is made where its result is delivered, and a worker does what it did not.
pub(crate) enum Postponed {
    Attempt(Box<dyn Attempt>),
    Work(Pin<Box<dyn Work>>),
    Failed(Failure),
    Over,
}

impl Work for Postponed {
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if let Self::Attempt(_) = *self
            && let Self::Attempt(attempt) = std::mem::replace(&mut *self, Self::Over)
        {
            *self = Self::Work(attempt.into_work());
        }
        match &mut *self {
            Self::Work(work) => work.as_mut().poll(context),
            _ => Poll::Ready(()),
        }
    }

    fn deliver(mut self: Pin<&mut Self>, py: Python<'_>, until: Option<Instant>) -> Delivery {
        match &mut *self {
            Self::Attempt(attempt) => attempt.attempt(py).map_or(Delivery::Advance, Delivery::Done),
            Self::Work(work) => work.as_mut().deliver(py, until),
            Self::Failed(_) | Self::Over => match std::mem::replace(&mut *self, Self::Over) {
                Self::Failed(failure) => Delivery::Done(Err(failure.into_exception())),
                _ => Delivery::Done(Err(Failure::panicked().into_exception())),
            },
        }
    }

    fn fail(mut self: Pin<&mut Self>, failure: Failure) {
        *self = Self::Failed(failure);
    }
}

/// Does an operation of a blocking store in place, without the interpreter lock if need be.
pub(crate) fn run_in_place<T: Deliver>(
    py: Python<'_>,
    release_lock: bool,
    future: impl Future<Output = Outcome<T>> + Send,
) -> PyResult<Py<PyAny>> {
    // On the stack: the way of the sync face has no allocation.
    let mut job = pin!(Job { future: Some(future), result: None });
    if release_lock {
        detached(py, || poll_in_place(job.as_mut()));
    } else {
        poll_in_place(job.as_mut());
    }
    finish(py, job)
}

fn not_immediate() -> Failure {
    Error::new(ErrorKind::Io)
        .with_message("a blocking store was not ready at once; this is a fault of the store")
        .into()
}

/// Does work in place, without a loop or another thread, and without the interpreter lock if need be.
pub(crate) fn do_in_place(
    py: Python<'_>,
    release_lock: bool,
    mut work: Pin<Box<dyn Work>>,
) -> PyResult<Py<PyAny>> {
    if release_lock {
        detached(py, || poll_in_place(work.as_mut()));
    } else {
        poll_in_place(work.as_mut());
    }
    finish(py, work.as_mut())
}

fn poll_in_place<W: Work + ?Sized>(mut work: Pin<&mut W>) {
    let mut context = Context::from_waker(Waker::noop());
    match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut context))) {
        Ok(Poll::Ready(())) => {}
        Ok(Poll::Pending) => work.fail(not_immediate()),
        Err(_) => work.fail(Failure::panicked()),
    }
}

/// The Python object of work that is done, but for parts that need no waiting.
fn finish<W: Work + ?Sized>(py: Python<'_>, mut work: Pin<&mut W>) -> PyResult<Py<PyAny>> {
    loop {
        match work.as_mut().deliver(py, None) {
            Delivery::Done(object) => return object,
            Delivery::Unfinished => {}
            Delivery::Advance => detached(py, || poll_in_place(work.as_mut())),
        }
    }
}

/// Where finished work goes.
pub(crate) enum Sink {
    /// To an event loop.
    Loop { queue: Arc<Queue>, pending: Held<Pending> },
    /// To a thread that waits for it.
    Thread(Arc<Waiter>),
}

struct Running {
    work: Pin<Box<dyn Work>>,
    sink: Sink,
}

/// Work on its way: queued, polled, or waiting to be woken.
pub(crate) struct Task {
    /// Empty while it is polled, and once it is done.
    running: Mutex<Option<Running>>,
    state: AtomicU8,
    cancelled: AtomicBool,
}

/// Waits to be woken.
const IDLE: u8 = 0;
/// Stands in the queue of the pool.
const SCHEDULED: u8 = 1;
/// Is polled.
const POLLED: u8 = 2;
/// Is polled and was woken meanwhile.
const WOKEN: u8 = 3;

impl Task {
    /// Puts work into the queue of the pool.
    ///
    /// # Errors
    /// Where no worker can be started.
    pub(crate) fn start(work: Pin<Box<dyn Work>>, sink: Sink, lane: Option<Lane>) -> PyResult<Arc<Self>> {
        let task = Arc::new(Self {
            running: Mutex::new(Some(Running { work, sink })),
            state: AtomicU8::new(SCHEDULED),
            cancelled: AtomicBool::new(false),
        });
        Arc::clone(&task).submit(lane).map_err(IntoException::into_exception)?;
        Ok(task)
    }

    /// Cancels: queued work is not begun, a waiting future is dropped; what a worker is doing it
    /// ends, and the result is dropped there.
    pub(crate) fn cancel(self: &Arc<Self>) {
        self.cancelled.store(true, Ordering::Release);
        self.wake_by_ref();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: Arc<Self>, lane: Option<Lane>) -> twinfs::Result<()> {
        pool::submit_in(lane, move || off_python(|| self.run()))
    }

    fn run(self: &Arc<Self>) {
        loop {
            self.state.store(POLLED, Ordering::Release);
            let Some(mut running) = self.lock().take() else { return };
            if self.is_cancelled() {
                return drop(running);
            }
            let waker = Waker::from(Arc::clone(self));
            let mut context = Context::from_waker(&waker);
            match catch_unwind(AssertUnwindSafe(|| running.work.as_mut().poll(&mut context))) {
                Ok(Poll::Ready(())) => return self.complete(running),
                Err(_) => {
                    running.work.as_mut().fail(Failure::panicked());
                    return self.complete(running);
                }
                Ok(Poll::Pending) => *self.lock() = Some(running),
            }
            if self.state.compare_exchange(POLLED, IDLE, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return;
            }
        }
    }

    fn complete(&self, running: Running) {
        // Nobody wants the result: what it holds, an open file say, is dropped here on the worker.
        if self.is_cancelled() {
            return drop(running);
        }
        let Running { work, sink } = running;
        match sink {
            Sink::Loop { queue, pending } => queue.push(Due { pending, work }),
            Sink::Thread(waiter) => waiter.complete(work),
        }
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let step = |state| match state {
            IDLE => Some(SCHEDULED),
            POLLED => Some(WOKEN),
            _ => None,
        };
        if self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, step) != Ok(IDLE) {
            return;
        }
        if let Err(error) = Arc::clone(self).submit(None)
            && let Some(mut running) = self.lock().take()
        {
            running.work.as_mut().fail(error.into());
            self.complete(running);
        }
    }
}

/// Drops work whose result nobody wants, on a worker: to drop an open file may block.
pub(crate) fn drop_elsewhere(work: Pin<Box<dyn Work>>) {
    // If no worker can be had, it is dropped right here.
    let _ = pool::submit(move || off_python(|| drop(work)));
}

/// A thread that waits for work to be done.
#[derive(Default)]
pub(crate) struct Waiter {
    done: Mutex<Option<Pin<Box<dyn Work>>>>,
    changed: Condvar,
}

/// How soon a waiting main thread sees a signal.
const SIGNAL_CHECK: Duration = Duration::from_millis(20);

impl Waiter {
    fn complete(&self, work: Pin<Box<dyn Work>>) {
        *self.done.lock().unwrap_or_else(PoisonError::into_inner) = Some(work);
        self.changed.notify_one();
    }

    /// Waits for the work, at most `limit` where there is one.
    fn wait(&self, limit: Option<Duration>) -> Option<Pin<Box<dyn Work>>> {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        while done.is_none() {
            done = match limit {
                None => self.changed.wait(done).unwrap_or_else(PoisonError::into_inner),
                Some(limit) => {
                    let (done, timeout) =
                        self.changed.wait_timeout(done, limit).unwrap_or_else(PoisonError::into_inner);
                    if timeout.timed_out() {
                        let mut done = done;
                        return done.take();
                    }
                    done
                }
            };
        }
        done.take()
    }
}

/// Does work on the pool while this thread waits. On the main thread a signal handler that raises,
/// as that of Ctrl-C does, ends the waiting and cancels the work.
pub(crate) fn run_waiting(py: Python<'_>, mut work: Pin<Box<dyn Work>>) -> PyResult<Py<PyAny>> {
    let limit = is_main_thread().then_some(SIGNAL_CHECK);
    let next_check = || limit.map(|limit| Instant::now() + limit);
    // Kept from one part of the work to the next: they may all be shorter.
    let mut check = next_check();
    loop {
        let waiter = Arc::new(Waiter::default());
        let task = Task::start(work, Sink::Thread(Arc::clone(&waiter)), None)?;
        work = loop {
            if let Some(work) = detached(py, || waiter.wait(limit)) {
                break work;
            }
            if let Err(raised) = py.check_signals() {
                task.cancel();
                return Err(raised);
            }
        };
        loop {
            match work.as_mut().deliver(py, check) {
                Delivery::Done(object) => return object,
                // Dropped, the work is cancelled.
                Delivery::Unfinished => {
                    py.check_signals()?;
                    check = next_check();
                }
                Delivery::Advance => break,
            }
        }
    }
}

/// Whether this is the thread that handles signals.
fn is_main_thread() -> bool {
    rustix::thread::gettid() == rustix::process::getpid()
}
