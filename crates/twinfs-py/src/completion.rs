//! How a finished operation gets back to its event loop. This is the one place.
//!
//! Workers push finished operations to the queue of their loop and wake it when the queue was
//! empty; the loop then takes all there are in one go ([`Completions::drain`]). Operations that need
//! no worker stand in the same queue where they must let the loop turn first ([`postpone`]). The wake-up is one
//! write to an eventfd that the loop watches (`loop.add_reader`), so workers never need the
//! interpreter lock. A loop without `add_reader` is woken by one extra thread
//! (`call_soon_threadsafe`).
//!
//! Who holds what: the loop holds its [`Completions`] as the reader's callback and lets go of it when
//! it is closed. Operations on their way hold the [`Queue`]. Once the loop is gone the queue is
//! closed, and what finishes after that is dropped.

mod notifier;
mod pending;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyAttributeError, PyNotImplementedError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use rustix::event::{EventfdFlags, eventfd};
use twinfs::pool::Lane;
use twinfs::{Error, fork, turn};

pub(crate) use self::notifier::stop_notifier;
pub(crate) use self::pending::Pending;
use crate::errors::IntoException;
use crate::executor::{Held, Sink, Task, Work, drop_elsewhere};
use crate::results::Delivery;

/// An operation that the loop is to go on with, since it is finished or since its turn has come, and
/// who waits for it.
pub(crate) struct Due {
    pub(crate) pending: Held<Pending>,
    pub(crate) work: Pin<Box<dyn Work>>,
}

/// What one loop is to go on with.
pub(crate) struct Queue {
    due: Mutex<VecDeque<Due>>,
    wake: WakeUp,
    open: AtomicBool,
}

enum WakeUp {
    /// The loop watches this descriptor.
    Eventfd(OwnedFd),
    /// The notifier thread calls the loop.
    Notifier(Held<PyAny>),
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Due>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands an operation over; called on workers, too.
    pub(crate) fn push(self: &Arc<Self>, due: Due) {
        if !self.open.load(Ordering::Acquire) {
            return;
        }
        let was_empty = {
            let mut queue = self.lock();
            queue.push_back(due);
            queue.len() == 1
        };
        if was_empty {
            self.wake();
        }
        // The loop may have gone between the look and the push.
        if !self.open.load(Ordering::Acquire) {
            let stranded = std::mem::take(&mut *self.lock());
            drop(stranded);
        }
    }

    fn wake(self: &Arc<Self>) {
        match &self.wake {
            // It fails only where the counter is full, and then the loop is awake already.
            WakeUp::Eventfd(descriptor) => drop(rustix::io::write(descriptor, &1_u64.to_ne_bytes())),
            WakeUp::Notifier(_) => notifier::notify(Arc::clone(self)),
        }
    }

    fn clear_wake_up(&self) {
        if let WakeUp::Eventfd(descriptor) = &self.wake {
            // Nothing to read is fine: the wake-up was for operations that are gone already.
            let _ = rustix::io::read(descriptor, &mut [0_u8; 8]);
        }
    }

    /// Puts back what there was no time for, in front, and has the loop call again.
    fn put_back(self: &Arc<Self>, rest: VecDeque<Due>) {
        if rest.is_empty() {
            return;
        }
        let mut queue = self.lock();
        for due in rest.into_iter().rev() {
            queue.push_front(due);
        }
        drop(queue);
        self.wake();
    }
}

/// The queue of one event loop, as the loop's callback.
#[pyclass(frozen, weakref, module = "twinfs._twinfs")]
pub(crate) struct Completions {
    queue: Arc<Queue>,
    event_loop: Py<PyAny>,
    /// A forked child must not share the descriptor with its parent.
    generation: u64,
}

impl Drop for Completions {
    fn drop(&mut self) {
        self.queue.open.store(false, Ordering::Release);
        let stranded = std::mem::take(&mut *self.queue.lock());
        drop(stranded);
    }
}

/// How long a loop is kept at a time: other callbacks and timers get their turn after it. A timer is
/// late by up to three such turns: asyncio runs its callback after all that was due before it, and
/// that callback's task once more so.
const TURN: Duration = turn::LIMIT;

#[pymethods]
impl Completions {
    /// Goes on with what is due.
    fn __call__(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().drain(slf.py())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)
    }
}

impl Completions {
    fn drain(&self, py: Python<'_>) -> PyResult<()> {
        if self.generation != fork::generation() {
            return Ok(());
        }
        self.queue.clear_wake_up();
        turn::begin();
        let until = Instant::now() + TURN;
        let mut batch = std::mem::take(&mut *self.queue.lock());
        while let Some(due) = batch.pop_front() {
            let raised = self.resolve(py, due, until, &mut batch);
            if raised.is_err() || Instant::now() >= until {
                self.queue.put_back(batch);
                return raised;
            }
        }
        Ok(())
    }

    /// Resolves one operation. An error is what the task it belongs to raises through its loop:
    /// `KeyboardInterrupt` and `SystemExit`.
    fn resolve(&self, py: Python<'_>, due: Due, until: Instant, batch: &mut VecDeque<Due>) -> PyResult<()> {
        let Due { pending, mut work } = due;
        let Some(pending) = pending.into_inner().map(|pending| pending.into_bound(py)) else { return Ok(()) };
        if pending.borrow().is_done() {
            // Cancelled meanwhile.
            drop_elsewhere(work);
            return Ok(());
        }
        match work.as_mut().deliver(py, Some(until)) {
            Delivery::Done(result) => {
                // What it held, a block of a file say, must not be there still while the task that
                // waited goes on and asks for the next one.
                drop(work);
                Pending::resolve(&pending, result)
            }
            Delivery::Unfinished => {
                batch.push_front(Due { pending: Held::new(pending.unbind()), work });
                Ok(())
            }
            Delivery::Advance => match self.start(&pending, work, None) {
                Ok(()) => Ok(()),
                Err(error) => Pending::resolve(&pending, Err(error)),
            },
        }
    }

    /// Something for the loop to wait on.
    fn pending<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Pending>> {
        let (py, this) = (slf.py(), slf.get());
        // Where the loop does not hold its completions, those who wait do.
        let keep = matches!(this.queue.wake, WakeUp::Notifier(_)).then(|| slf.clone().unbind());
        Bound::new(py, Pending::new(this.event_loop.clone_ref(py), keep))
    }

    fn start(
        &self,
        pending: &Bound<'_, Pending>,
        work: Pin<Box<dyn Work>>,
        lane: Option<Lane>,
    ) -> PyResult<()> {
        let sink =
            Sink::Loop { queue: Arc::clone(&self.queue), pending: Held::new(pending.clone().unbind()) };
        let task = Task::start(work, sink, lane)?;
        pending.borrow_mut().set_task(task);
        Ok(())
    }
}

/// Starts work whose result the running loop shall get, and gives what the loop waits on.
pub(crate) fn submit(
    py: Python<'_>,
    work: Pin<Box<dyn Work>>,
    lane: Option<Lane>,
) -> PyResult<Bound<'_, Pending>> {
    let completions = of_running_loop(py)?;
    let pending = Completions::pending(&completions)?;
    completions.get().start(&pending, work, lane)?;
    Ok(pending)
}

/// Puts work behind what is due, so that the running loop goes on with it in a later turn; gives what
/// the loop waits on.
pub(crate) fn postpone(py: Python<'_>, work: Pin<Box<dyn Work>>) -> PyResult<Bound<'_, Pending>> {
    let completions = of_running_loop(py)?;
    let pending = Completions::pending(&completions)?;
    let due = Due { pending: Held::new(pending.clone().unbind()), work };
    completions.get().queue.push(due);
    Ok(pending)
}

thread_local! {
    /// The completions this thread used last.
    static LAST: RefCell<Option<Py<PyWeakrefReference>>> = const { RefCell::new(None) };
}

fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static GET_RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    GET_RUNNING_LOOP.import(py, "asyncio", "get_running_loop")?.call0()
}

/// Refuses what is awaited outside a loop, also where it would not need one: whether it does depends
/// on what happens to be cached.
pub(crate) fn require_running_loop(py: Python<'_>) -> PyResult<()> {
    running_loop(py).map(drop)
}

/// The completions of the loop that runs in this thread.
fn of_running_loop(py: Python<'_>) -> PyResult<Bound<'_, Completions>> {
    let event_loop = running_loop(py)?;
    let last = LAST.with_borrow(|last| last.as_ref().map(|last| last.clone_ref(py)));
    if let Some(last) = last
        && let Some(completions) = last.bind(py).upgrade_as::<Completions>()?
        && completions.get().serves(&event_loop)
    {
        return Ok(completions);
    }
    let completions = known_or_new(py, &event_loop)?;
    let last = PyWeakrefReference::new(completions.as_any())?.unbind();
    // Outside the borrow: dropping the old one may run a destructor.
    let before = LAST.with_borrow_mut(|slot| slot.replace(last));
    drop(before);
    Ok(completions)
}

/// The completions of a loop that another thread, or another loop in between, put out of sight.
fn known_or_new<'py>(py: Python<'py>, event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Completions>> {
    // Weak values by the loop's id: the value holds the loop, so an id in here is that of its loop.
    static KNOWN: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let known = KNOWN
        .get_or_try_init(py, || {
            py.import("weakref")?.getattr("WeakValueDictionary")?.call0().map(Bound::unbind)
        })?
        .bind(py);
    let key = event_loop.as_ptr() as usize;
    let found = known.call_method1(intern!(py, "get"), (key,))?;
    if let Ok(completions) = found.cast_into::<Completions>()
        && completions.get().serves(event_loop)
    {
        return Ok(completions);
    }
    let completions = Completions::register(event_loop)?;
    known.set_item(key, &completions)?;
    Ok(completions)
}

impl Completions {
    fn serves(&self, event_loop: &Bound<'_, PyAny>) -> bool {
        self.event_loop.is(event_loop) && self.generation == fork::generation()
    }

    /// Makes the completions of a loop and has the loop watch them.
    fn register<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        let py = event_loop.py();
        let descriptor = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| Error::from_io(errno.into()).into_exception())?;
        let raw = descriptor.as_raw_fd();
        let watched = Self::new(event_loop, WakeUp::Eventfd(descriptor))?;
        match event_loop.call_method1(intern!(py, "add_reader"), (raw, &watched)) {
            Ok(_) => Ok(watched),
            Err(error)
                if error.is_instance_of::<PyNotImplementedError>(py)
                    || error.is_instance_of::<PyAttributeError>(py) =>
            {
                Self::new(event_loop, WakeUp::Notifier(Held::new(event_loop.clone().unbind())))
            }
            Err(error) => Err(error),
        }
    }

    fn new<'py>(event_loop: &Bound<'py, PyAny>, wake: WakeUp) -> PyResult<Bound<'py, Self>> {
        let queue = Queue { due: Mutex::default(), wake, open: AtomicBool::new(true) };
        let completions = Self {
            queue: Arc::new(queue),
            event_loop: event_loop.clone().unbind(),
            generation: fork::generation(),
        };
        Bound::new(event_loop.py(), completions)
    }
}
