//! What an `asyncio.Task` waits on: a future as far as tasks are concerned, and no more.

use std::sync::Arc;

use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use super::Completions;
use crate::executor::Task;

/// An operation under way, as the task that awaits it sees it.
///
/// It speaks the protocol of futures that tasks use (`_asyncio_future_blocking`, `get_loop`,
/// `add_done_callback`, `cancel`, `result`), so that finishing it can step the task at once instead
/// of asking the loop to do so in its next turn. Its `result()` is always `None`: the operation itself
/// gives the value, or raises the error, to its coroutine.
#[pyclass(module = "twinfs._twinfs")]
pub(crate) struct Pending {
    event_loop: Py<PyAny>,
    keep: Option<Py<Completions>>,
    #[pyo3(get, set, name = "_asyncio_future_blocking")]
    blocking: bool,
    state: State,
    callbacks: Vec<Callback>,
    task: Option<Arc<Task>>,
    /// Whether there was one.
    by_worker: bool,
}

enum State {
    Waiting,
    Done(PyResult<Py<PyAny>>),
    Taken,
    Cancelled(Option<Py<PyAny>>),
}

struct Callback {
    function: Py<PyAny>,
    context: Option<Py<PyAny>>,
}

impl Pending {
    pub(crate) fn new(event_loop: Py<PyAny>, keep: Option<Py<Completions>>) -> Self {
        Self {
            event_loop,
            keep,
            blocking: true,
            state: State::Waiting,
            callbacks: Vec::new(),
            task: None,
            by_worker: false,
        }
    }

    pub(crate) fn set_task(&mut self, task: Arc<Task>) {
        self.task = Some(task);
        self.by_worker = true;
    }

    /// Nobody waits any more: what has not begun never does, and a result is dropped.
    pub(crate) fn abandon(&mut self) {
        if !self.is_done() {
            self.state = State::Cancelled(None);
        }
        if let Some(task) = self.task.take() {
            task.cancel();
        }
    }

    pub(crate) fn keeper(&self, py: Python<'_>) -> Option<Py<Completions>> {
        self.keep.as_ref().map(|keep| keep.clone_ref(py))
    }

    /// Whether a worker did it, or does it.
    pub(crate) fn is_by_worker(&self) -> bool {
        self.by_worker
    }

    pub(crate) fn is_done(&self) -> bool {
        !matches!(self.state, State::Waiting)
    }

    /// The result, once; `None` while there is none.
    pub(crate) fn take(&mut self, py: Python<'_>) -> Option<PyResult<Py<PyAny>>> {
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Done(result) => Some(result),
            State::Waiting => {
                self.state = State::Waiting;
                None
            }
            State::Taken => None,
            State::Cancelled(message) => {
                let error = cancelled_error(py, message.as_ref());
                self.state = State::Cancelled(message);
                Some(Err(error))
            }
        }
    }

    /// Gives the result and steps whoever waits, in this turn of the loop.
    pub(crate) fn resolve(slf: &Bound<'_, Self>, result: PyResult<Py<PyAny>>) -> PyResult<()> {
        let callbacks = {
            let mut this = slf.borrow_mut();
            if this.is_done() {
                return Ok(());
            }
            this.state = State::Done(result);
            this.task = None;
            std::mem::take(&mut this.callbacks)
        };
        let mut raised = Ok(());
        for callback in callbacks {
            let outcome = callback.run(slf);
            if outcome.is_err() {
                raised = outcome;
            }
        }
        raised
    }
}

impl Callback {
    /// Runs it as `asyncio.Handle` would. Only what stops a loop comes back as an error.
    fn run(&self, pending: &Bound<'_, Pending>) -> PyResult<()> {
        let py = pending.py();
        let outcome = match &self.context {
            Some(context) => context.bind(py).call_method1(intern!(py, "run"), (&self.function, pending)),
            None => self.function.bind(py).call1((pending,)),
        };
        let Err(error) = outcome else { return Ok(()) };
        if error.is_instance_of::<PyKeyboardInterrupt>(py) || error.is_instance_of::<PySystemExit>(py) {
            return Err(error);
        }
        let report = PyDict::new(py);
        report.set_item(intern!(py, "message"), "Exception in a callback of a twinfs operation")?;
        report.set_item(intern!(py, "exception"), error.value(py))?;
        let event_loop = pending.borrow().event_loop.clone_ref(py);
        event_loop.bind(py).call_method1(intern!(py, "call_exception_handler"), (report,))?;
        Ok(())
    }

    /// Has the loop run it in its next turn.
    fn schedule(&self, pending: &Bound<'_, Pending>) -> PyResult<()> {
        let py = pending.py();
        let event_loop = pending.borrow().event_loop.clone_ref(py);
        let keywords = PyDict::new(py);
        if let Some(context) = &self.context {
            keywords.set_item(intern!(py, "context"), context)?;
        }
        let arguments = (&self.function, pending);
        event_loop.bind(py).call_method(intern!(py, "call_soon"), arguments, Some(&keywords))?;
        Ok(())
    }
}

fn cancelled_error(py: Python<'_>, message: Option<&Py<PyAny>>) -> PyErr {
    static CANCELLED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = match CANCELLED.import(py, "asyncio", "CancelledError") {
        Ok(class) => class,
        Err(error) => return error,
    };
    let instance = match message {
        Some(message) => class.call1((message,)),
        None => class.call0(),
    };
    instance.map_or_else(|error| error, PyErr::from_value)
}

#[pymethods]
impl Pending {
    /// The loop it belongs to.
    fn get_loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.event_loop.clone_ref(py)
    }

    /// Has `callback` called when it is done.
    #[pyo3(signature = (callback, *, context=None))]
    fn add_done_callback(
        slf: &Bound<'_, Self>,
        callback: Py<PyAny>,
        context: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let callback = Callback { function: callback, context };
        if slf.borrow().is_done() {
            return callback.schedule(slf);
        }
        slf.borrow_mut().callbacks.push(callback);
        Ok(())
    }

    /// Takes a callback back; gives how many there were.
    fn remove_done_callback(slf: &Bound<'_, Self>, callback: &Bound<'_, PyAny>) -> PyResult<usize> {
        let callbacks = std::mem::take(&mut slf.borrow_mut().callbacks);
        let before = callbacks.len();
        let mut kept = Vec::with_capacity(before);
        for candidate in callbacks {
            if !candidate.function.bind(slf.py()).eq(callback)? {
                kept.push(candidate);
            }
        }
        let removed = before - kept.len();
        slf.borrow_mut().callbacks.append(&mut kept);
        Ok(removed)
    }

    /// Cancels the operation, as `asyncio.Future.cancel`.
    #[pyo3(signature = (msg=None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<Py<PyAny>>) -> PyResult<bool> {
        let (callbacks, task) = {
            let mut this = slf.borrow_mut();
            if this.is_done() {
                return Ok(false);
            }
            this.state = State::Cancelled(msg);
            (std::mem::take(&mut this.callbacks), this.task.take())
        };
        if let Some(task) = task {
            task.cancel();
        }
        for callback in &callbacks {
            callback.schedule(slf)?;
        }
        Ok(true)
    }

    /// Whether it was cancelled.
    fn cancelled(&self) -> bool {
        matches!(self.state, State::Cancelled(_))
    }

    /// Whether it is over.
    fn done(&self) -> bool {
        self.is_done()
    }

    /// Raises `CancelledError` if it was cancelled, `InvalidStateError` if it is not over.
    fn result(&self, py: Python<'_>) -> PyResult<()> {
        match &self.state {
            State::Done(_) | State::Taken => Ok(()),
            State::Cancelled(message) => Err(cancelled_error(py, message.as_ref())),
            State::Waiting => {
                static INVALID: PyOnceLock<Py<PyType>> = PyOnceLock::new();
                let class = INVALID.import(py, "asyncio", "InvalidStateError")?;
                Err(PyErr::from_value(class.call1(("the operation is not over",))?))
            }
        }
    }

    /// As [`result`](Self::result); never an exception but those.
    fn exception(&self, py: Python<'_>) -> PyResult<()> {
        self.result(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        visit.call(&self.keep)?;
        for callback in &self.callbacks {
            visit.call(&callback.function)?;
            visit.call(&callback.context)?;
        }
        match &self.state {
            State::Done(Ok(object)) => visit.call(object),
            State::Cancelled(message) => visit.call(message),
            _ => Ok(()),
        }
    }

    fn __clear__(&mut self) {
        self.callbacks.clear();
        self.keep = None;
    }
}
