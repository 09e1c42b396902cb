//! Listings under way, page by page, as iterators.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pyo3::exceptions::{PyStopAsyncIteration, PyStopIteration};
use pyo3::prelude::*;
use twinfs::{Depth, Entries, Error, ErrorKind, FsPath, ListOptions, Order};

use crate::arguments::PathArgument;
use crate::engine::{Engine, Length};
use crate::errors::Outcome;
use crate::filesystem::{AsyncFileSystem, SyncFileSystem};
use crate::operation::Operation;
use crate::results::{Deliver, Delivery, Item};

/// How many entries a page holds: one hop, and at most some hundred kilobytes.
const PAGE: usize = 1000;

/// The options that keywords mean.
#[expect(clippy::fn_params_excessive_bools, reason = "they are keywords in Python")]
pub(crate) fn list_options(
    detail: bool,
    recursive: bool,
    ordered: bool,
    start_after: Option<String>,
) -> ListOptions {
    ListOptions {
        depth: if recursive { Depth::Recursive } else { Depth::Children },
        order: if ordered { Order::Sorted } else { Order::Unordered },
        metadata: detail,
        start_after,
    }
}

/// What is listed.
enum Request {
    Entries(FsPath, ListOptions),
    Glob(String),
}

/// A listing and the page that is being handed out.
struct Pages {
    engine: Engine,
    page: Mutex<VecDeque<twinfs::Entry>>,
    source: Mutex<Source>,
}

enum Source {
    New(Request),
    Open(Entries),
    Busy,
    Ended,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pages {
    fn new(engine: Engine, request: Request) -> Arc<Self> {
        Arc::new(Self { engine, page: Mutex::default(), source: Mutex::new(Source::New(request)) })
    }

    fn buffered(&self) -> Option<twinfs::Entry> {
        lock(&self.page).pop_front()
    }

    async fn open(&self, request: Request) -> twinfs::Result<Entries> {
        match request {
            Request::Entries(path, options) => self.engine.entries(path, &options).await,
            Request::Glob(pattern) => self.engine.glob(&pattern).await,
        }
    }
}

/// Opens the listing if need be, so that its errors come early.
async fn opened(pages: Arc<Pages>) -> Outcome<()> {
    let source = std::mem::replace(&mut *lock(&pages.source), Source::Ended);
    let source = match source {
        Source::New(request) => Source::Open(pages.open(request).await?),
        other => other,
    };
    *lock(&pages.source) = source;
    Ok(())
}

/// Fetches the next page and gives its first entry.
async fn next(pages: Arc<Pages>, face: Face) -> Outcome<Next> {
    let source = std::mem::replace(&mut *lock(&pages.source), Source::Busy);
    let mut entries = match source {
        Source::New(request) => match pages.open(request).await {
            Ok(entries) => entries,
            Err(error) => {
                *lock(&pages.source) = Source::Ended;
                return Err(error.into());
            }
        },
        Source::Open(entries) => entries,
        Source::Busy => {
            let message = "the listing is being read by another call already";
            return Err(Error::new(ErrorKind::InvalidInput).with_message(message).into());
        }
        Source::Ended => {
            *lock(&pages.source) = Source::Ended;
            return Ok(Next { entry: None, face });
        }
    };
    let fetched = entries.next_page(PAGE).await;
    let ended = !matches!(&fetched, Ok(page) if !page.is_empty());
    *lock(&pages.source) = if ended { Source::Ended } else { Source::Open(entries) };
    let mut page = VecDeque::from(fetched?);
    let entry = page.pop_front();
    lock(&pages.page).append(&mut page);
    Ok(Next { entry, face })
}

#[derive(Clone, Copy)]
enum Face {
    Sync,
    Async,
}

/// The next entry, or the end of the iteration.
struct Next {
    entry: Option<twinfs::Entry>,
    face: Face,
}

impl Deliver for Next {
    fn deliver(&mut self, py: Python<'_>, _until: Option<Instant>) -> Delivery {
        Delivery::Done(match (self.entry.take(), self.face) {
            (Some(entry), _) => entry.into_object(py),
            (None, Face::Sync) => Err(PyStopIteration::new_err(())),
            (None, Face::Async) => Err(PyStopAsyncIteration::new_err(())),
        })
    }
}

/// An iterator of entries.
#[pyclass(frozen, module = "twinfs._twinfs")]
pub(crate) struct Listing(Arc<Pages>);

#[pymethods]
impl Listing {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        if let Some(entry) = self.0.buffered() {
            return entry.into_object(py).map(Some);
        }
        self.0.engine.way().call(py, Length::Short, next(Arc::clone(&self.0), Face::Sync)).map(Some)
    }
}

/// An asynchronous iterator of entries.
#[pyclass(frozen, module = "twinfs._twinfs")]
pub(crate) struct AsyncListing(Arc<Pages>);

#[pymethods]
impl AsyncListing {
    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __anext__(&self, py: Python<'_>) -> Operation {
        match self.0.buffered() {
            Some(entry) => Operation::finished("next", entry.into_object(py)),
            None => self.0.engine.way().operation("next", next(Arc::clone(&self.0), Face::Async)),
        }
    }
}

/// The methods that give listings.
macro_rules! listings {
    ($($(#[$attribute:meta])* $name:ident($($argument:ident: $ty:ty),*) -> $request:expr;)*) => {
        #[pymethods]
        impl SyncFileSystem {
            $($(#[$attribute])*
            fn $name(&self, py: Python<'_>, $($argument: $ty),*) -> PyResult<Listing> {
                let engine = self.engine()?;
                let pages = Pages::new(engine.clone(), $request);
                engine.way().call(py, Length::Short, opened(Arc::clone(&pages)))?;
                Ok(Listing(pages))
            })*
        }

        #[pymethods]
        impl AsyncFileSystem {
            $($(#[$attribute])*
            fn $name(&self, $($argument: $ty),*) -> PyResult<AsyncListing> {
                Ok(AsyncListing(Pages::new(self.engine()?.clone(), $request)))
            })*
        }
    };
}

listings! {
    /// Iterates over the entries of a directory, in order, a page at a time. Options as of `list`.
    ///
    /// Raises NotFound.
    ///
    /// >>> _ = fs.write_many({"in/b/c": b"", "in/a": b"xyz"})
    /// >>> [entry.path for entry in fs.entries("in")]
    /// ['in/a', 'in/b']
    #[pyo3(signature = (path=PathArgument(FsPath::root()), *, detail=false, recursive=false, ordered=true, start_after=None),
           text_signature = "($self, path='', *, detail=False, recursive=False, ordered=True, start_after=None)")]
    entries(path: PathArgument, detail: bool, recursive: bool, ordered: bool, start_after: Option<String>)
        -> Request::Entries(path.0, list_options(detail, recursive, ordered, start_after));

    /// Iterates over everything below a directory, in order. Links are reported and not followed.
    ///
    /// `detail=True` gives each entry its metadata, `ordered=False` takes the store's own order, which starts
    /// sooner.
    ///
    /// Raises NotFound.
    ///
    /// >>> _ = fs.write("in/b/c", b"")
    /// >>> [entry.path for entry in fs.walk("in")]
    /// ['in/b', 'in/b/c']
    #[pyo3(signature = (path=PathArgument(FsPath::root()), *, detail=false, ordered=true, start_after=None),
           text_signature = "($self, path='', *, detail=False, ordered=True, start_after=None)")]
    walk(path: PathArgument, detail: bool, ordered: bool, start_after: Option<String>)
        -> Request::Entries(path.0, list_options(detail, true, ordered, start_after));

    /// Iterates over everything that matches a pattern, in order: `*`, `?`, `[a-z]`, `[!a-z]`, `{a,b}`
    /// within a component, `**` across components; a trailing `/` means directories only.
    ///
    /// Raises InvalidInput for a malformed pattern.
    ///
    /// >>> _ = fs.write_many({"in/x.txt": b"", "in/y.csv": b""})
    /// >>> [entry.name for entry in fs.glob("in/*.txt")]
    /// ['x.txt']
    #[pyo3(signature = (pattern))]
    glob(pattern: String) -> Request::Glob(pattern);
}
