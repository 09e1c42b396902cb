//! The awaitable that every asyncio method returns.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyRuntimeError, PyRuntimeWarning, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::completion::{self, Pending};
use crate::engine::Way;
use crate::executor::{Task, Work, do_in_place, run_waiting};

/// An operation to await, once.
///
/// It is a coroutine in all but name: nothing happens before it is awaited, and it may be handed to
/// `asyncio.create_task`, `asyncio.gather`, `asyncio.wait_for` or `asyncio.run`. To cancel the task that
/// awaits it cancels the operation. `start()` begins it without waiting.
#[pyclass(module = "twinfs._twinfs")]
pub(crate) struct Operation {
    name: &'static str,
    way: Way,
    state: State,
}

enum State {
    New(Pin<Box<dyn Work>>),
    /// Other callbacks of the loop have had their turn since it was new.
    Turned(Pin<Box<dyn Work>>),
    Waiting(Py<Pending>, Option<Arc<Task>>),
    Finished(PyResult<Py<PyAny>>),
    Over,
}

// SAFETY: the work is reached through `&mut self` alone.
unsafe impl Sync for Operation {}

impl Operation {
    pub(crate) fn new(name: &'static str, way: Way, work: Pin<Box<dyn Work>>) -> Self {
        Self { name, way, state: State::New(work) }
    }

    /// An operation that was over before it began.
    pub(crate) fn finished(name: &'static str, result: PyResult<Py<PyAny>>) -> Self {
        Self { name, way: Way::InPlace, state: State::Finished(result) }
    }

    /// Whether it is done where it is awaited, without a loop.
    fn is_in_place(&self) -> bool {
        matches!(self.way, Way::InPlace | Way::Calling)
    }

    fn begin(&mut self, py: Python<'_>, work: Pin<Box<dyn Work>>) -> PyResult<Option<Py<PyAny>>> {
        if self.is_in_place() {
            let result = turn::count(|| do_in_place(py, self.way == Way::Calling, work));
            return over(py, result);
        }
        // An attempt that cannot block would stand here, before the hop to a worker.
        let pending = completion::submit(py, work)?;
        let task = pending.borrow().task();
        self.state = State::Waiting(pending.clone().unbind(), task);
        Ok(Some(pending.into_any().unbind()))
    }

    fn step(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::New(work) if self.is_in_place() && turn::is_over() => {
                self.state = State::Turned(work);
                // A bare yield: the loop goes on with others and comes back in its next turn.
                Ok(Some(py.None()))
            }
            State::New(work) | State::Turned(work) => self.begin(py, work),
            State::Waiting(pending, task) => {
                let result = pending.borrow_mut(py).take(py);
                match result {
                    Some(result) => over(py, result),
                    None if pending.borrow(py).is_done() => Err(reused()),
                    None => {
                        // Begun by `start()`, or stepped by something that is no task.
                        let waiting_on = pending.clone_ref(py).into_any();
                        self.state = State::Waiting(pending, task);
                        Ok(Some(waiting_on))
                    }
                }
            }
            State::Finished(result) => over(py, result),
            State::Over => Err(reused()),
        }
    }

    fn abandon(&mut self) {
        if let State::Waiting(_, Some(task)) = std::mem::replace(&mut self.state, State::Over) {
            task.cancel();
        }
    }
}

fn reused() -> PyErr {
    PyRuntimeError::new_err("cannot reuse already awaited operation")
}

/// How a coroutine gives its value.
fn over(_py: Python<'_>, result: PyResult<Py<PyAny>>) -> PyResult<Option<Py<PyAny>>> {
    // A tuple of one, so that a value that is a tuple itself is not taken apart.
    result.and_then(|value| Err(PyStopIteration::new_err((value,))))
}

#[pymethods]
impl Operation {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.step(py)
    }

    /// Goes on, as `coroutine.send`.
    #[pyo3(signature = (value, /))]
    #[expect(unused_variables, reason = "the name is that of coroutine.send")]
    fn send(&mut self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Option<Py<PyAny>>> {
        self.step(py)
    }

    /// Cancels the operation and raises the exception, as `coroutine.throw`.
    #[pyo3(signature = (typ, val=None, tb=None, /))]
    fn throw(
        &mut self,
        typ: &Bound<'_, PyAny>,
        val: Option<Bound<'_, PyAny>>,
        tb: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Option<Py<PyAny>>> {
        self.abandon();
        let instance = match (typ.cast::<PyType>(), val) {
            (Ok(class), None) => class.call0()?,
            (Ok(class), Some(value)) if !value.is_instance(class)? => class.call1((value,))?,
            (Ok(_), Some(value)) => value,
            (Err(_), _) => typ.clone(),
        };
        if let Some(traceback) = tb {
            instance.call_method1("with_traceback", (traceback,))?;
        }
        Err(PyErr::from_value(instance))
    }

    /// Cancels the operation, as `coroutine.close`.
    fn close(&mut self) {
        self.abandon();
    }

    /// Begins the operation without waiting for it; gives itself, still to be awaited.
    ///
    /// Needs a running event loop, except over stores that answer at once.
    fn start(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let py = slf.py();
        {
            let mut this = slf.borrow_mut();
            match std::mem::replace(&mut this.state, State::Over) {
                State::New(work) | State::Turned(work) if this.is_in_place() => {
                    let result = do_in_place(py, this.way == Way::Calling, work);
                    this.state = State::Finished(result);
                }
                State::New(work) | State::Turned(work) => {
                    this.begin(py, work)?;
                }
                other => this.state = other,
            }
        }
        Ok(slf)
    }

    /// Does the operation in the calling thread, which waits for it, and gives its result: for an
    /// executor of your own.
    fn run(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::New(work) | State::Turned(work) if self.way == Way::Woken => run_waiting(py, work),
            State::New(work) | State::Turned(work) => do_in_place(py, true, work),
            State::Finished(result) => result,
            waiting => {
                self.state = waiting;
                Err(reused())
            }
        }
    }

    /// `Operation[bytes]`, for annotations.
    #[classmethod]
    fn __class_getitem__<'py>(
        cls: &Bound<'py, PyType>,
        item: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        cls.py().import("types")?.getattr("GenericAlias")?.call1((cls, item))
    }

    #[getter]
    fn __name__(&self) -> &'static str {
        self.name
    }

    #[getter]
    fn __qualname__(&self) -> String {
        format!("AsyncFileSystem.{}", self.name)
    }

    fn __repr__(&self) -> String {
        let state = match self.state {
            State::New(_) | State::Turned(_) => "new",
            State::Waiting(..) => "under way",
            State::Finished(_) => "finished",
            State::Over => "over",
        };
        format!("<twinfs operation {} ({state})>", self.name)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.state {
            State::Waiting(pending, _) => visit.call(pending),
            State::Finished(Ok(object)) => visit.call(object),
            _ => Ok(()),
        }
    }

    fn __clear__(&mut self) {
        self.abandon();
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if matches!(self.state, State::New(_)) {
            self.warn_never_awaited();
        }
        self.abandon();
    }
}

impl Operation {
    fn warn_never_awaited(&self) {
        Python::try_attach(|py| {
            // A destructor may run while an exception is on its way: that one must survive.
            let on_its_way = PyErr::take(py);
            let message = format!("operation '{}' was never awaited", self.name);
            if let Ok(message) = std::ffi::CString::new(message)
                && let Err(error) = PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &message, 1)
            {
                error.write_unraisable(py, None);
            }
            if let Some(error) = on_its_way {
                error.restore(py);
            }
        });
    }
}

/// Turns of the loop, for operations that never wait: without a break now and then a task that
/// does many of them would keep the loop from everything else.
mod turn {
    use super::{Cell, Duration, Instant};

    /// How long operations in place may follow each other.
    const LIMIT: Duration = Duration::from_micros(200);
    /// A pause this long between two of them means that something else had its turn.
    const PAUSE: Duration = Duration::from_micros(50);

    thread_local! {
        /// When the present row of operations began, and when its last one ended.
        static ROW: Cell<Option<(Instant, Instant)>> = const { Cell::new(None) };
    }

    /// Whether it is time for a break. A new row begins then.
    pub(super) fn is_over() -> bool {
        let now = Instant::now();
        let row = ROW.get().filter(|(_, last)| now.duration_since(*last) < PAUSE);
        let Some((began, _)) = row else {
            ROW.set(Some((now, now)));
            return false;
        };
        let over = now.duration_since(began) > LIMIT;
        if over {
            ROW.set(None);
        }
        over
    }

    /// Does one operation of the row.
    pub(super) fn count<T>(operation: impl FnOnce() -> T) -> T {
        let result = operation();
        let now = Instant::now();
        ROW.set(Some((ROW.get().map_or(now, |(began, _)| began), now)));
        result
    }
}
