//! The awaitable that every asyncio method returns.

use std::pin::Pin;
use std::sync::Arc;

use pyo3::exceptions::{PyRuntimeError, PyRuntimeWarning, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyType;
use twinfs::turn::{self, Over};

use crate::completion::{self, Pending};
use crate::engine::Way;
use crate::executor::{Attempt, Task, Work, do_in_place, run_waiting};

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
    New(Todo),
    /// Other callbacks of the loop have had their turn since it was new.
    Turned(Todo, Over),
    Waiting(Py<Pending>, Option<Arc<Task>>),
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
        Self { name, way, state: State::New(todo) }
    }

    /// An operation that a worker does only if the attempt gives no answer.
    pub(crate) fn attempted(name: &'static str, attempt: Box<dyn Attempt>) -> Self {
        Self { name, way: Way::Pool, state: State::New(Todo::Attempt(attempt)) }
    }

    /// An operation that was over before it began.
    pub(crate) fn finished(name: &'static str, result: PyResult<Py<PyAny>>) -> Self {
        Self { name, way: Way::InPlace, state: State::Finished(result) }
    }

    /// Does the work where it is awaited.
    fn do_here(&self, py: Python<'_>, work: Pin<Box<dyn Work>>) -> PyResult<Py<PyAny>> {
        do_in_place(py, self.way == Way::Calling, work)
    }

    /// Has a worker begin; gives what to wait on.
    fn submit(&mut self, py: Python<'_>, work: Pin<Box<dyn Work>>) -> PyResult<Py<PyAny>> {
        let pending = completion::submit(py, work)?;
        let task = pending.borrow().task();
        self.state = State::Waiting(pending.clone().unbind(), task);
        Ok(pending.into_any().unbind())
    }

    /// Begins; an attempt is made where that is allowed.
    fn begin(&mut self, py: Python<'_>, todo: Todo, at_once: bool) -> PyResult<Option<Py<PyAny>>> {
        let work = match todo {
            Todo::InPlace(work) => return over(self.do_here(py, work)),
            Todo::Attempt(mut attempt) => {
                if at_once && let Some(result) = attempt.attempt(py) {
                    return over(result);
                }
                attempt.into_work()
            }
            Todo::Worker(work) => work,
        };
        self.submit(py, work).map(Some)
    }

    fn step(&mut self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match std::mem::replace(&mut self.state, State::Over) {
            State::New(todo @ Todo::Worker(_)) => self.begin(py, todo, false),
            State::New(todo) => {
                if let Todo::Attempt(_) = todo {
                    completion::require_running_loop(py)?;
                }
                match turn::over() {
                    None => self.begin(py, todo, true),
                    Some(over) => {
                        self.state = State::Turned(todo, over);
                        // A bare yield: the loop goes on with others and comes back in its next turn.
                        Ok(Some(py.None()))
                    }
                }
            }
            State::Turned(todo, over) => {
                over.passed();
                // Where so many come back at once that they use up a turn, the workers take the rest.
                self.begin(py, todo, turn::over_by(2).is_none())
            }
            State::Waiting(pending, task) => {
                let result = pending.borrow_mut(py).take(py);
                match result {
                    Some(result) => over(result),
                    None if pending.borrow(py).is_done() => Err(reused()),
                    None => {
                        // Begun by `start()`, or stepped by something that is no task.
                        let waiting_on = pending.clone_ref(py).into_any();
                        self.state = State::Waiting(pending, task);
                        Ok(Some(waiting_on))
                    }
                }
            }
            State::Finished(result) => over(result),
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
        slf.borrow_mut().start_now(slf.py())?;
        Ok(slf)
    }

    /// Does the operation in the calling thread, which waits for it, and gives its result: for an
    /// executor of your own.
    fn run(&mut self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let work = match std::mem::replace(&mut self.state, State::Over) {
            State::New(todo) | State::Turned(todo, _) => match todo {
                Todo::InPlace(work) | Todo::Worker(work) => work,
                Todo::Attempt(attempt) => attempt.into_work(),
            },
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
    fn start_now(&mut self, py: Python<'_>) -> PyResult<()> {
        let work = match std::mem::replace(&mut self.state, State::Over) {
            State::New(todo) | State::Turned(todo, _) => match todo {
                Todo::InPlace(work) => {
                    self.state = State::Finished(self.do_here(py, work));
                    return Ok(());
                }
                Todo::Attempt(mut attempt) => {
                    completion::require_running_loop(py)?;
                    // There is no going on in a later turn here: a worker takes it instead.
                    if turn::over().is_none()
                        && let Some(result) = attempt.attempt(py)
                    {
                        self.state = State::Finished(result);
                        return Ok(());
                    }
                    attempt.into_work()
                }
                Todo::Worker(work) => work,
            },
            other => {
                self.state = other;
                return Ok(());
            }
        };
        self.submit(py, work).map(drop)
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
