//! Results as Python objects.

use std::time::Instant;

use bytes::Bytes;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use twinfs::{Result, StagedId};

use crate::arguments::{Failures, uninitialised_bytes};
use crate::errors::{Failure, IntoException};
use crate::executor::Held;
use crate::records::{DiskUsage, Entry, Metadata, Staged};

/// How far a result has come on its way into Python.
pub(crate) enum Delivery {
    /// The object is whole, or could not be made.
    Done(PyResult<Py<PyAny>>),
    /// Time is up; call again.
    Unfinished,
    /// [`Deliver::copy`] is next, on any thread; then call again.
    Copy,
}

/// A result that becomes a Python object.
///
/// Large ones do not become one in a single go, so that an event loop is not held up: lists grow
/// until the time is up, and large contents are copied by a worker into memory that the object
/// already owns.
pub(crate) trait Deliver: Send + 'static {
    /// Makes the object, or more of it, until `until`.
    fn deliver(&mut self, py: Python<'_>, until: Option<Instant>) -> Delivery;

    /// The part that needs no interpreter.
    fn copy(&mut self) {}
}

/// Delivers a result at once.
pub(crate) fn deliver_now<T: Deliver>(py: Python<'_>, mut result: T) -> PyResult<Py<PyAny>> {
    loop {
        match result.deliver(py, None) {
            Delivery::Done(object) => return object,
            Delivery::Unfinished => {}
            Delivery::Copy => py.detach(|| result.copy()),
        }
    }
}

/// Results that become an object in one small step.
macro_rules! deliver_by {
    ($($ty:ty => |$py:ident, $this:ident| $make:expr;)*) => {$(
        impl Deliver for $ty {
            fn deliver(&mut self, $py: Python<'_>, _until: Option<Instant>) -> Delivery {
                let $this = self;
                Delivery::Done($make)
            }
        }
    )*};
}

deliver_by! {
    () => |py, _this| Ok(py.None());
    bool => |py, this| this.into_py_any(py);
    u64 => |py, this| this.into_py_any(py);
    usize => |py, this| this.into_py_any(py);
    twinfs::Metadata => |py, this| Metadata::from(this.clone()).into_py_any(py);
    twinfs::DiskUsage => |py, this| DiskUsage::from(*this).into_py_any(py);
    StagedId => |py, this| this.as_str().into_py_any(py);
    Vec<twinfs::Staged> => |py, this| this.drain(..).map(Staged::from).collect::<Vec<_>>().into_py_any(py);
}

/// Contents up to this many bytes are copied where the object is made: cheaper than a second hop.
const COPIED_IN_PLACE: usize = 256 * 1024;

/// The content of a file.
pub(crate) struct Content {
    bytes: Bytes,
    /// The object under way and where its content goes.
    object: Option<(Held<PyBytes>, SendPointer)>,
}

struct SendPointer(*mut u8);
// SAFETY: it points into a bytes object that nobody else has seen yet.
unsafe impl Send for SendPointer {}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, object: None }
    }
}

impl Deliver for Content {
    fn deliver(&mut self, py: Python<'_>, _until: Option<Instant>) -> Delivery {
        if let Some(object) = self.object.take().and_then(|(object, _)| object.into_inner()) {
            return Delivery::Done(Ok(object.into_any()));
        }
        if self.bytes.len() <= COPIED_IN_PLACE {
            return Delivery::Done(Ok(PyBytes::new(py, &self.bytes).into_any().unbind()));
        }
        match uninitialised_bytes(py, self.bytes.len()) {
            Ok((object, start)) => {
                self.object = Some((Held::new(object), SendPointer(start)));
                Delivery::Copy
            }
            Err(error) => Delivery::Done(Err(error)),
        }
    }

    fn copy(&mut self) {
        if let Some((_, SendPointer(start))) = &self.object {
            // SAFETY: `start` is the content of an object made for exactly this many bytes.
            unsafe { std::ptr::copy_nonoverlapping(self.bytes.as_ptr(), *start, self.bytes.len()) };
            self.bytes = Bytes::new();
        }
    }
}

/// What was read straight into a `bytes` object.
pub(crate) struct Filled {
    object: Held<PyBytes>,
    /// How much of it was filled; less than its length only at the end of the file.
    count: usize,
}

impl Filled {
    pub(crate) fn new(object: Held<PyBytes>, count: usize) -> Self {
        Self { object, count }
    }
}

impl Deliver for Filled {
    fn deliver(&mut self, py: Python<'_>, _until: Option<Instant>) -> Delivery {
        let Some(object) = self.object.get() else { return Delivery::Done(Ok(py.None())) };
        let filled = object.bind(py).as_bytes();
        let object = if self.count == filled.len() {
            object.clone_ref(py)
        } else {
            PyBytes::new(py, filled.get(..self.count).unwrap_or_default()).unbind()
        };
        Delivery::Done(Ok(object.into_any()))
    }
}

/// An item of a list of results.
pub(crate) trait Item: Send + 'static {
    fn into_object(self, py: Python<'_>) -> PyResult<Py<PyAny>>;
}

impl Item for Bytes {
    fn into_object(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(PyBytes::new(py, &self).into_any().unbind())
    }
}

impl Item for twinfs::Metadata {
    fn into_object(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Metadata::from(self).into_py_any(py)
    }
}

impl Item for twinfs::Entry {
    fn into_object(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Entry::from(self).into_py_any(py)
    }
}

/// A list that grows in Python as time allows.
pub(crate) struct Many<T> {
    items: std::vec::IntoIter<Result<T>>,
    failures: Failures,
    if_absent: bool,
    list: Option<Held<PyList>>,
}

impl<T> Many<T> {
    /// Results with an error each; the first error is raised, or each stands in the list.
    pub(crate) fn new(items: Vec<Result<T>>, failures: Failures) -> Self {
        Self { items: items.into_iter(), failures, if_absent: false, list: None }
    }

    /// The same with the condition that its items had.
    pub(crate) fn under(self, if_absent: bool) -> Self {
        Self { if_absent, ..self }
    }

    /// Results that are all there.
    pub(crate) fn all(items: Vec<T>) -> Self {
        Self::new(items.into_iter().map(Ok).collect(), Failures::Raise)
    }
}

/// How many items are made between two looks at the clock.
const STRIDE: usize = 16;

impl<T: Item> Many<T> {
    fn object_of(&self, py: Python<'_>, item: Result<T>) -> PyResult<Py<PyAny>> {
        match item {
            Ok(item) => item.into_object(py),
            Err(error) => {
                let exception = Failure::new(error, self.if_absent).into_exception();
                match self.failures {
                    Failures::Raise => Err(exception),
                    Failures::Return => exception.into_value(py).into_py_any(py),
                }
            }
        }
    }

    fn grow(&mut self, py: Python<'_>, until: Option<Instant>) -> PyResult<Option<Py<PyAny>>> {
        let list = match self.list.take().and_then(Held::into_inner) {
            Some(list) => list.into_bound(py),
            None => PyList::empty(py),
        };
        loop {
            for _ in 0..STRIDE {
                match self.items.next() {
                    Some(item) => list.append(self.object_of(py, item)?)?,
                    None => return Ok(Some(list.into_any().unbind())),
                }
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                self.list = Some(Held::new(list.unbind()));
                return Ok(None);
            }
        }
    }
}

impl<T: Item> Deliver for Many<T> {
    fn deliver(&mut self, py: Python<'_>, until: Option<Instant>) -> Delivery {
        match self.grow(py, until) {
            Ok(Some(list)) => Delivery::Done(Ok(list)),
            Ok(None) => Delivery::Unfinished,
            Err(error) => Delivery::Done(Err(error)),
        }
    }
}
