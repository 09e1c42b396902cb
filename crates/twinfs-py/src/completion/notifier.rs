//! The thread that wakes loops without `add_reader`.
//!
//! It holds the interpreter lock only to call `call_soon_threadsafe`. It is stopped before the
//! interpreter goes away, since a thread that then asks for the lock never returns.

use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use pyo3::intern;
use pyo3::prelude::*;
use twinfs::fork;

use super::{Completions, Queue, WakeUp};
use crate::executor::detached;

#[derive(Default)]
struct Notifier {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queues: Vec<Arc<Queue>>,
    /// The thread may hold or ask for the interpreter lock.
    calling: bool,
    stopped: bool,
}

static NOTIFIER: AtomicPtr<Notifier> = AtomicPtr::new(std::ptr::null_mut());

fn existing() -> Option<&'static Notifier> {
    let existing = NOTIFIER.load(Ordering::Acquire);
    // SAFETY: a pointer that is not null was leaked from a Box below and is never freed.
    (!existing.is_null()).then(|| unsafe { &*existing })
}

/// The notifier of this process, started at first use; `None` if no thread can be had.
fn notifier() -> Option<&'static Notifier> {
    if let Some(notifier) = existing() {
        return Some(notifier);
    }
    // The thread does not follow into a forked child: there it is forgotten.
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    fork::on_child(&REGISTERED, || NOTIFIER.store(std::ptr::null_mut(), Ordering::Release));
    let fresh: &'static Notifier = Box::leak(Box::default());
    let address = std::ptr::from_ref(fresh).cast_mut();
    if NOTIFIER.compare_exchange(std::ptr::null_mut(), address, Ordering::AcqRel, Ordering::Acquire).is_err()
    {
        return existing();
    }
    let started = thread::Builder::new().name("twinfs-notifier".into()).spawn(|| fresh.run());
    started.is_ok().then_some(fresh)
}

/// Has the loop of a queue called soon.
pub(super) fn notify(queue: Arc<Queue>) {
    if let Some(notifier) = notifier() {
        notifier.lock().queues.push(queue);
        notifier.changed.notify_all();
    }
}

/// Ends the notifier; the package calls it when the interpreter exits.
#[pyfunction(name = "_stop_notifier")]
pub(crate) fn stop_notifier(py: Python<'_>) {
    let Some(notifier) = existing() else { return };
    detached(py, || {
        let mut state = notifier.lock();
        state.stopped = true;
        notifier.changed.notify_all();
        while state.calling {
            state = notifier.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    });
}

impl Notifier {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        let mut state = self.lock();
        while !state.stopped {
            let queues = std::mem::take(&mut state.queues);
            if queues.is_empty() {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.calling = true;
            drop(state);
            Python::try_attach(|py| queues.iter().for_each(|queue| queue.call_loop(py)));
            drop(queues);
            state = self.lock();
            state.calling = false;
            self.changed.notify_all();
        }
    }
}

impl Queue {
    fn call_loop(&self, py: Python<'_>) {
        let WakeUp::Notifier(event_loop) = &self.wake else { return };
        let Some(event_loop) = event_loop.get() else { return };
        let Some(completions) = self.waiting_completions(py) else { return };
        let called = event_loop.bind(py).call_method1(intern!(py, "call_soon_threadsafe"), (completions,));
        if called.is_err() {
            // The loop is closed: nobody will ever ask for these.
            self.open.store(false, Ordering::Release);
            let stranded = std::mem::take(&mut *self.lock());
            drop(stranded);
        }
    }

    /// The completions, which whoever waits for an operation holds.
    fn waiting_completions(&self, py: Python<'_>) -> Option<Py<Completions>> {
        let first = {
            let queue = self.lock();
            queue.front()?.pending.get()?.clone_ref(py)
        };
        first.borrow(py).keeper(py)
    }
}
