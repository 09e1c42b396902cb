//! Errors of the library as exceptions of `twinfs.errors`.

use pyo3::IntoPyObjectExt;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyModule, PyTuple};
use twinfs::error::{MAPPINGS, PythonClass};
use twinfs::{Condition, Error, ErrorKind};

/// An error on its way to Python, with what only the call knows: whether the condition that
/// failed was "if absent".
#[derive(Debug)]
pub(crate) struct Failure {
    error: Error,
    if_absent: bool,
}

/// The result of a verb.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, if_absent: false }
    }
}

impl Failure {
    pub(crate) fn new(error: Error, if_absent: bool) -> Self {
        Self { error, if_absent }
    }

    pub(crate) fn panicked() -> Self {
        let message = "a worker panicked; this is a fault of twinfs, please report it";
        Error::new(ErrorKind::Io).with_message(message).into()
    }
}

/// Tells a failure which condition its call had.
pub(crate) trait Conditioned<T> {
    fn under(self, if_absent: bool) -> Outcome<T>;
}

impl<T> Conditioned<T> for twinfs::Result<T> {
    fn under(self, if_absent: bool) -> Outcome<T> {
        self.map_err(|error| Failure::new(error, if_absent))
    }
}

/// Whether a condition is "if absent".
pub(crate) fn is_if_absent(condition: &Condition) -> bool {
    matches!(condition, Condition::IfAbsent)
}

/// An `InvalidInput` error as an exception.
pub(crate) fn invalid_input(message: impl Into<std::borrow::Cow<'static, str>>) -> PyErr {
    Error::new(ErrorKind::InvalidInput).with_message(message).into_exception()
}

/// What can become an exception.
pub(crate) trait IntoException {
    fn into_exception(self) -> PyErr;
}

impl IntoException for Error {
    fn into_exception(self) -> PyErr {
        Failure::from(self).into_exception()
    }
}

impl IntoException for Failure {
    fn into_exception(self) -> PyErr {
        Python::attach(|py| exception(py, &self).unwrap_or_else(|error| error))
    }
}

/// The name of the class in `twinfs.errors`.
fn class_name(failure: &Failure) -> String {
    match (failure.error.kind(), failure.if_absent) {
        (ErrorKind::ConditionFailed, true) => "AbsenceConditionFailed".to_owned(),
        (ErrorKind::ConditionFailed, false) => "VersionConditionFailed".to_owned(),
        (kind, _) => format!("{kind:?}"),
    }
}

fn exception(py: Python<'_>, failure: &Failure) -> PyResult<PyErr> {
    static ERRORS: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let errors = ERRORS
        .get_or_try_init(py, || PyModule::import(py, intern!(py, "twinfs.errors")).map(Bound::unbind))?
        .bind(py);
    let class = errors.getattr(class_name(failure).as_str())?;
    let error = &failure.error;
    let text = error.to_string();
    // OSError takes (errno, strerror, filename); the rest of the built-ins take the text.
    let arguments = match errno(failure) {
        None => PyTuple::new(py, [text.as_str()])?,
        Some(errno) => {
            let reason = error.message().unwrap_or_else(|| error.kind().mapping().name);
            let mut arguments = vec![errno.into_py_any(py)?, reason.into_py_any(py)?];
            if let Some(path) = error.path() {
                arguments.push(path.into_py_any(py)?);
            }
            PyTuple::new(py, arguments)?
        }
    };
    let instance = class.call1(arguments)?;
    instance.setattr(intern!(py, "text"), text)?;
    instance.setattr(intern!(py, "kind"), error.kind().mapping().name)?;
    instance.setattr(intern!(py, "operation"), error.operation().map(|operation| operation.name()))?;
    instance.setattr(intern!(py, "path"), error.path())?;
    instance.setattr(intern!(py, "store"), error.store())?;
    instance.setattr(intern!(py, "retryable"), error.is_retryable())?;
    instance.setattr(intern!(py, "source"), std::error::Error::source(error).map(ToString::to_string))?;
    Ok(PyErr::from_value(instance))
}

/// The error number an exception of the OSError family carries; `None` for the other classes.
fn errno(failure: &Failure) -> Option<i32> {
    use rustix::io::Errno;
    let raw = failure.error.raw_os_error();
    // The number that goes with the class, where the system's own would contradict it: a path
    // that leaves the root is EXDEV to the kernel.
    let errno = match failure.error.kind() {
        ErrorKind::NotFound => Errno::NOENT,
        ErrorKind::AlreadyExists => Errno::EXIST,
        ErrorKind::IsADirectory => Errno::ISDIR,
        ErrorKind::NotADirectory => Errno::NOTDIR,
        ErrorKind::NotEmpty => Errno::NOTEMPTY,
        ErrorKind::PermissionDenied => {
            let own = [Errno::PERM, Errno::ROFS].into_iter().find(|own| raw == Some(own.raw_os_error()));
            own.unwrap_or(Errno::ACCESS)
        }
        ErrorKind::InvalidPath | ErrorKind::InvalidInput | ErrorKind::Closed => return None,
        ErrorKind::WouldBlock | ErrorKind::RateLimited => Errno::AGAIN,
        ErrorKind::ConditionFailed => {
            if failure.if_absent {
                Errno::EXIST
            } else {
                Errno::AGAIN
            }
        }
        ErrorKind::Unsupported => Errno::OPNOTSUPP,
        ErrorKind::Timeout => Errno::TIMEDOUT,
        ErrorKind::NoSpace => return Some(raw.unwrap_or(Errno::NOSPC.raw_os_error())),
        ErrorKind::TooLarge => Errno::FBIG,
        ErrorKind::Connection => return Some(raw.unwrap_or(Errno::NOTCONN.raw_os_error())),
        _ => return Some(raw.unwrap_or(Errno::IO.raw_os_error())),
    };
    Some(errno.raw_os_error())
}

/// The rows of the library's table: name of the class here, its built-in, its short name, whether
/// it is retryable. `twinfs.errors` must agree with it.
#[pyfunction(name = "_mapping_table")]
pub(crate) fn mapping_table() -> Vec<(String, String, &'static str, bool)> {
    let built_in = |class: PythonClass| format!("{class:?}");
    MAPPINGS
        .iter()
        .map(|row| (format!("{:?}", row.kind), built_in(row.python), row.name, row.retryable))
        .collect()
}
