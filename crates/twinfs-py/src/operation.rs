//! The awaitable that every asyncio method returns.

use std::pin::Pin;

use pyo3::exceptions::{PyRuntimeError, PyRuntimeWarning, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyType;
use twinfs::pool::Lane;
use twinfs::turn::{self, Over};

use crate::completion::{self, Pending};
use crate::engine::Way;
use crate::executor::{Attempt, Postponed, Work, do_in_place, run_waiting};

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
    /// Which other operations it would wait for, side by side on workers.
    lane: Option<Lane>,
    by_worker: bool,
}

enum State {
    New(Todo),
    /// Of an operation in place: other callbacks of the loop have had their turn since it was new.
    Turned(Pin<Box<dyn Work>>, Over),
    Waiting(Py<Pending>),
    Finished(PyResult<Py<PyAny>>),
    Over,
}

/// What an operation is before it has begun.
enum Todo {
    /// Done where it is awaited, without a loop; the interpreter lock is released if that calls the system.
    InPlace(Pin<Box<dyn Work>>),
    /// Attempted there, and done by a worker if that gives no answer.
    Attempt(Box<dyn Attempt>),
    /// Done by a worker.
    Worker(Pin<Box<dyn Work>>),
}

// SAFETY: the work is reached through `&mut self` alone.
unsafe impl Sync for Operation {}

impl Operation {
    pub(crate) fn new(name: &'static str, way: Way, work: Pin<Box<dyn Work>>) -> Self {
        let todo = match way {
            Way::InPlace | Way::Calling => Todo::InPlace(work),
            Way::Pool | Way::Woken => Todo::Worker(work),
        };
        Self { name, way, state: State::New(todo), lane: None, by_worker: false }
    }

    /// An operation that a worker does only if the attempt gives no answer.
    pub(crate) fn attempted(name: &'static str, attempt: Box<dyn Attempt>) -> Self {
        Self { name, way: Way::Pool, state: State::New(Todo::Attempt(attempt)), lane: None, by_worker: false }
    }

    /// An operation that was over before it began.
    pub(crate) fn finished(name: &'static str, result: PyResult<Py<PyAny>>) -> Self {
        Self { name, way: Way::InPlace, state: State::Finished(result), lane: None, by_worker: false }
    }

    /// Puts an operation into a lane: workers do those of one lane in turn.
    pub(crate) fn in_lane(mut self, lane: Option<Lane>) -> Self {
        self.lane = lane;
        self
    }

    /// Does the work where it is awaited.
    fn do_here(&self, py: Python<'_>, work: Pin<Box<dyn Work>>) -> PyResult<Py<PyAny>> {
        do_in_place(py, self.way == Way::Calling, work)
    }

    /// Waits for an operation that was handed over; gives what to wait on.
    fn wait(&mut self, pending: Bound<'_, Pending>) -> Py<PyAny> {
        self.state = State::Waiting(pending.clone().unbind());
        pending.into_any().unbind()
    }

    /// Makes an attempt if it is its turn; else it is made in a later turn of the loop, and what it
    /// does not answer is done by a worker. Gives the answer, or what to wait on.
    fn attempt(
        &mut self,
        py: Python<'_>,
        mut attempt: Box<dyn Attempt>,
    ) -> PyResult<Result<PyResult<Py<PyAny>>, Py<PyAny>>> {
        completion::require_running_loop(py)?;
        let pending = match turn::over() {
            Some(_) => completion::postpone(py, Box::pin(Postponed::Attempt(attempt)))?,
            None => match attempt.attempt(py) {
                Some(result) => return Ok(Ok(result)),
                None => completion::submit(py, attempt.into_work(), self.lane)?,
            },
        };
        Ok(Err(self.wait(pending)))
    }

    fn step(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::New(Todo::Worker(work)) => {
                let pending = completion::submit(py, work, self.lane)?;
                Ok(Some(self.wait(pending)))
            }
            State::New(Todo::Attempt(attempt)) => match self.attempt(py, attempt)? {
                Ok(result) => over(result),
                Err(waiting_on) => Ok(Some(waiting_on)),
            },
            // It blocks the loop anyway, and was asked for for that.
            State::New(Todo::InPlace(work)) if self.way == Way::Calling => over(self.do_here(py, work)),
            State::New(Todo::InPlace(work)) => match turn::over() {
                None => over(self.do_here(py, work)),
                Some(over) => {
                    self.state = State::Turned(work, over);
                    // A bare yield: the loop goes on with others and comes back in its next turn.
                    Ok(Some(py.None()))
                }
            },
            State::Turned(work, yielded) => {
                yielded.passed();
                over(self.do_here(py, work))
            }
            State::Waiting(pending) => {
                let result = {
                    let mut pending = pending.borrow_mut(py);
                    self.by_worker = pending.is_by_worker();
                    pending.take(py)
                };
                match result {
                    Some(result) => over(result),
                    None if pending.borrow(py).is_done() => Err(reused()),
                    None => {
                        // Begun by `start()`, or stepped by something that is no task.
                        let waiting_on = pending.clone_ref(py).into_any();
                        self.state = State::Waiting(pending);
                        Ok(Some(waiting_on))
                    }
                }
            }
            State::Finished(result) => over(result),
            State::Over => Err(reused()),
        }
    }

    fn abandon(&mut self, py: Python<'_>) {
        if let State::Waiting(pending) = std::mem::replace(&mut self.state, State::Over) {
            pending.borrow_mut(py).abandon();
        }
    }
}

fn reused() -> PyErr {
    PyRuntimeError::new_err("cannot reuse already awaited operation")
}

/// How a coroutine gives its value.
fn over(result: PyResult<Py<PyAny>>) -> PyResult<Option<Py<PyAny>>> {
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
        self.abandon(typ.py());
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
    fn close(&mut self, py: Python<'_>) {
        self.abandon(py);
    }

    /// Begins the operation without waiting for it; gives itself, still to be awaited.
    ///
    /// Needs a running event loop, except over stores that answer at once.
    fn start(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.borrow_mut().start_now(slf.py())?;
        Ok(slf)
    }

    /// Whether a worker did what was awaited: what is in memory, or cached, needs none.
    #[getter]
    fn by_worker(&self) -> bool {
        self.by_worker
    }

    /// Does the operation in the calling thread, which waits for it, and gives its result: for an
    /// executor of your own.
    fn run(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let work = match std::mem::replace(&mut self.state, State::Over) {
            State::New(Todo::Attempt(attempt)) => attempt.into_work(),
            State::New(Todo::InPlace(work) | Todo::Worker(work)) | State::Turned(work, _) => work,
            State::Finished(result) => return result,
            waiting => {
                self.state = waiting;
                return Err(reused());
            }
        };
        if self.way == Way::Woken { run_waiting(py, work) } else { do_in_place(py, true, work) }
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
            State::New(_) | State::Turned(..) => "new",
            State::Waiting(_) => "under way",
            State::Finished(_) => "finished",
            State::Over => "over",
        };
        format!("<twinfs operation {} ({state})>", self.name)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.state {
            State::Waiting(pending) => visit.call(pending),
            State::Finished(Ok(object)) => visit.call(object),
            _ => Ok(()),
        }
    }

    fn __clear__(&mut self) {
        Python::try_attach(|py| self.abandon(py));
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if matches!(self.state, State::New(_)) {
            self.warn_never_awaited();
        }
        if matches!(self.state, State::Waiting(_)) {
            // The interpreter is here: it is what drops this.
            Python::try_attach(|py| self.abandon(py));
        }
    }
}

impl Operation {
    fn start_now(&mut self, py: Python<'_>) -> PyResult<()> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::New(Todo::InPlace(work)) | State::Turned(work, _) => {
                self.state = State::Finished(self.do_here(py, work));
            }
            State::New(Todo::Attempt(attempt)) => {
                if let Ok(result) = self.attempt(py, attempt)? {
                    self.state = State::Finished(result);
                }
            }
            State::New(Todo::Worker(work)) => {
                let pending = completion::submit(py, work, self.lane)?;
                self.wait(pending);
            }
            other => self.state = other,
        }
        Ok(())
    }

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
