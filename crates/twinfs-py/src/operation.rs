//! The awaitable that every asyncio method returns.

use std::pin::Pin;
use std::sync::Arc;

use pyo3::exceptions::{PyRuntimeError, PyRuntimeWarning, PyStopIteration};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyType;
use twinfs::turn::{self, Over};

use crate::completion::{self, Pending};
use crate::executor::{Attempt, Task, Work, do_in_place};

/// An operation to await, once.
///
/// It is a coroutine in all but name: nothing happens before it is awaited, and it may be handed to
/// `asyncio.create_task`, `asyncio.gather`, `asyncio.wait_for` or `asyncio.run`. To cancel the task that
/// awaits it cancels the operation. `start()` begins it without waiting.
#[pyclass(module = "twinfs._twinfs")]
pub(crate) struct Operation {
    name: &'static str,
    state: State,
}

enum State {
    New(Task0),
    /// Other callbacks of the loop have had their turn since it was new.
    Turned(Task0, Over),
    Waiting(Py<Pending>, Option<Arc<Task>>),
    Finished(PyResult<Py<PyAny>>),
    Over,
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
                State::New(work) | State::Turned(work) if this.in_place => {
                    this.state = State::Finished(do_in_place(py, work));
                }
                State::New(work) | State::Turned(work) => {
                    this.begin(py, work)?;
                }
                other => this.state = other,
            }
        }
        Ok(slf)
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
