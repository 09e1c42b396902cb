//! Results as Python objects.

use std::collections::VecDeque;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use twinfs::{Result, StagedId, pool};

use crate::arguments::Failures;
use crate::errors::{Failure, IntoException};
use crate::executor::Held;
use crate::records::{DiskUsage, Entry, Metadata, Staged};

/// How far a result has come on its way into Python.
pub(crate) enum Delivery {
    /// The object is whole, or could not be made.
    Done(PyResult<Py<PyAny>>),
    /// Time is up; call again.
    Unfinished,
    /// [`Deliver::advance`] is next, on a worker; then call again.
    Advance,
}

/// A result that becomes a Python object.
///
/// Large ones do not become one in a single go, so that an event loop is not held up: lists grow
/// until the time is up, and a worker fills large contents into memory that the object already owns.
pub(crate) trait Deliver: Send + 'static {
    /// Makes the object, or more of it, until `until`.
    fn deliver(&mut self, py: Python<'_>, until: Option<Instant>) -> Delivery;

    /// Does what needs no interpreter before `deliver` can go on. Called once before the first
    /// `deliver`, too.
    fn advance(&mut self, _context: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
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

/// A list that grows in Python as time allows, from results that may still be on their way.
pub(crate) struct Many<T> {
    source: Source<T>,
    ready: std::vec::IntoIter<Result<T>>,
    failures: Failures,
    if_absent: bool,
    list: Option<Held<PyList>>,
    failure: Option<Failure>,
}

/// Where further results come from.
enum Source<T> {
    /// They are all there.
    Nowhere,
    /// From portions that workers do side by side.
    Portions(Portions<T>),
}

impl<T> Many<T> {
    /// Results with an error each; the first error is raised, or each stands in the list.
    pub(crate) fn new(items: Vec<Result<T>>, failures: Failures) -> Self {
        let ready = items.into_iter();
        Self { source: Source::Nowhere, ready, failures, if_absent: false, list: None, failure: None }
    }

    /// Results that are all there.
    pub(crate) fn all(items: Vec<T>) -> Self {
        Self::new(items.into_iter().map(Ok).collect(), Failures::Raise)
    }

    /// The same with the condition that its items had.
    pub(crate) fn under(self, if_absent: bool) -> Self {
        Self { if_absent, ..self }
    }
}

impl<T: Send + 'static> Many<T> {
    /// Results of `count` items that workers do in portions: the first ones become objects while
    /// the next ones are read, and what has become an object takes no further memory.
    pub(crate) fn in_portions(
        count: usize,
        failures: Failures,
        job: impl Fn(Range<usize>) -> Outcomes<T> + Send + Sync + 'static,
    ) -> Self {
        let source = Portions { job: Arc::new(job), next: 0, count, running: VecDeque::new() };
        Self { source: Source::Portions(source), ..Self::new(Vec::new(), failures) }
    }
}

/// Items of a portion: fewer than a store would spread over further workers itself.
const PORTION: usize = 60;
/// Portions under way.
const PORTIONS_AHEAD: usize = 4;

type Outcomes<T> = Result<Vec<Result<T>>>;
type Job<T> = dyn Fn(Range<usize>) -> Outcomes<T> + Send + Sync;
struct Portions<T> {
    job: Arc<Job<T>>,
    next: usize,
    count: usize,
    running: VecDeque<Portion<T>>,
}

enum Portion<T> {
    Running(Pin<Box<dyn Future<Output = Outcomes<T>> + Send>>),
    Done(Outcomes<T>),
}

impl<T: Send + 'static> Portions<T> {
    /// Begins portions until enough are under way. Each is polled once, which is what begins it.
    fn fill(&mut self, context: &mut Context<'_>) {
        while self.running.len() < PORTIONS_AHEAD && self.next < self.count {
            let range = self.next..(self.next + PORTION).min(self.count);
            self.next = range.end;
            let job = Arc::clone(&self.job);
            let mut portion = Box::pin(pool::run(move || job(range)));
            self.running.push_back(match portion.as_mut().poll(context) {
                Poll::Ready(outcomes) => Portion::Done(outcomes),
                Poll::Pending => Portion::Running(portion),
            });
        }
    }

    /// The next portion's results; empty at the end.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Outcomes<T>> {
        self.fill(context);
        let outcomes = match self.running.pop_front() {
            None => Ok(Vec::new()),
            Some(Portion::Done(outcomes)) => outcomes,
            Some(Portion::Running(mut portion)) => match portion.as_mut().poll(context) {
                Poll::Ready(outcomes) => outcomes,
                Poll::Pending => {
                    self.running.push_front(Portion::Running(portion));
                    return Poll::Pending;
                }
            },
        };
        self.fill(context);
        Poll::Ready(outcomes)
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

    fn grow(&mut self, py: Python<'_>, until: Option<Instant>) -> Result<Delivery, PyErr> {
        if let Some(failure) = self.failure.take() {
            return Err(failure.into_exception());
        }
        let list = match self.list.take().and_then(Held::into_inner) {
            Some(list) => list.into_bound(py),
            None => PyList::empty(py),
        };
        loop {
            for _ in 0..STRIDE {
                if let Some(item) = self.ready.next() {
                    list.append(self.object_of(py, item)?)?;
                } else if let Source::Portions(_) = self.source {
                    // What is there already costs no way to a worker and back.
                    if self.advance(&mut Context::from_waker(Waker::noop())).is_pending() {
                        self.list = Some(Held::new(list.unbind()));
                        return Ok(Delivery::Advance);
                    }
                    if let Some(failure) = self.failure.take() {
                        return Err(failure.into_exception());
                    }
                } else {
                    return Ok(Delivery::Done(Ok(list.into_any().unbind())));
                }
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                self.list = Some(Held::new(list.unbind()));
                return Ok(Delivery::Unfinished);
            }
        }
    }
}

impl<T: Item> Deliver for Many<T> {
    fn deliver(&mut self, py: Python<'_>, until: Option<Instant>) -> Delivery {
        self.grow(py, until).unwrap_or_else(|error| Delivery::Done(Err(error)))
    }

    fn advance(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Source::Portions(portions) = &mut self.source else { return Poll::Ready(()) };
        let portion = match portions.poll_next(context) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(portion)) => portion,
            Poll::Ready(Err(error)) => {
                self.failure = Some(Failure::new(error, self.if_absent));
                Vec::new()
            }
        };
        if portion.is_empty() {
            self.source = Source::Nowhere;
        }
        self.ready = portion.into_iter();
        Poll::Ready(())
    }
}
