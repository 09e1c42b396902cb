//! Connectors of objects: what `twinfs.proxystore` is made of. Keys are names here; what they look like in
//! Python is Python's part.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyMemoryView, PyString};
use twinfs::adapters::ready;
use twinfs::location::redacted;
use twinfs::objects::{Clear, Connector as _, FileKey, StoreConfig, StoreConnector, StoreKey, blocking};
use twinfs::objects::{Found as StoreFound, ObjectReader as StoreReader};
use twinfs::{Data, Result};

use crate::arguments::{DurabilityArgument, Input, Output};
use crate::engine::{Engine, Length, Way};
use crate::errors::{Failure, IntoException, Outcome};
use crate::executor::{Held, detached, run_in_place, run_waiting, work};
use crate::filesystem::{options_of, url_of};
use crate::reading::{Filled, SMALL_READ};
use crate::results::{Deliver, Delivery, Item, Many};

/// Objects of more bytes than this are written and read on a worker, so that the main thread stays open
/// to Ctrl-C.
const LONG: usize = 64 * 1024 * 1024;
/// Objects of a directory up to this many bytes are read in one go; above it, into the `bytes` they become.
const SMALL_OBJECT: u64 = 16 * 1024;
/// Batches of as many objects as this go to a worker, too.
const MANY: usize = 64;

/// The connector of the library, and how its calls go.
#[derive(Clone)]
enum Connector {
    File(Arc<blocking::FileConnector>),
    Store(Arc<StoreConnector>, Way),
}

/// Calls a method of either connector with the key of a name; a call of the file connector is over at
/// once.
macro_rules! either {
    ($connector:expr, $name:expr => |$own:ident, $key:ident| $sync:expr, $wait:expr) => {
        match $connector {
            Connector::File($own) => {
                let $key = &FileKey::new($name);
                $sync
            }
            Connector::Store($own, _) => {
                let $key = &StoreKey::new($name);
                $wait
            }
        }
    };
}

impl Connector {
    fn way(&self) -> Way {
        match self {
            Self::File(_) => Way::Pool,
            Self::Store(_, way) => *way,
        }
    }

    async fn put(&self, object: Data<'_>) -> Result<String> {
        use blocking::Connector as _;
        Ok(match self {
            Self::File(own) => own.put(object)?.filename,
            Self::Store(own, _) => own.put(object).await?.id,
        })
    }

    async fn put_batch(&self, objects: &[Data<'_>]) -> Result<Vec<String>> {
        use blocking::Connector as _;
        Ok(match self {
            Self::File(own) => own.put_batch(objects)?.into_iter().map(|key| key.filename).collect(),
            Self::Store(own, _) => own.put_batch(objects).await?.into_iter().map(|key| key.id).collect(),
        })
    }

    async fn set(&self, name: String, object: Data<'_>) -> Result<()> {
        use blocking::Connector as _;
        either!(self, name => |own, key| own.set(key, object), own.set(key, object).await)
    }

    async fn find(&self, name: String) -> Result<Option<Found>> {
        match self {
            Self::File(own) => Ok(own.find(&FileKey::new(name), SMALL_OBJECT)?.map(|found| match found {
                blocking::Found::Whole(object) => Found::Whole(object),
                blocking::Found::Large(reader) => Found::Large(Reader::File(reader)),
            })),
            Self::Store(own, _) => {
                Ok(own.find(&StoreKey::new(name), SMALL_READ).await?.map(|found| match found {
                    StoreFound::Whole(object) => Found::Whole(object),
                    StoreFound::Large(reader) => Found::Large(Reader::Store(reader)),
                }))
            }
        }
    }

    async fn get_batch(&self, names: Vec<String>) -> Result<Vec<Option<Bytes>>> {
        use blocking::Connector as _;
        match self {
            Self::File(own) => own.get_batch(&names.into_iter().map(FileKey::new).collect::<Vec<_>>()),
            Self::Store(own, _) => {
                own.get_batch(&names.into_iter().map(StoreKey::new).collect::<Vec<_>>()).await
            }
        }
    }

    async fn exists(&self, name: String) -> Result<bool> {
        use blocking::Connector as _;
        either!(self, name => |own, key| own.exists(key), own.exists(key).await)
    }

    async fn evict(&self, name: String) -> Result<()> {
        use blocking::Connector as _;
        either!(self, name => |own, key| own.evict(key), own.evict(key).await)
    }

    fn new_key(&self) -> Result<String> {
        use blocking::Connector as _;
        Ok(match self {
            Self::File(own) => own.new_key()?.filename,
            Self::Store(own, _) => own.new_key()?.id,
        })
    }

    async fn close(&self, clear: Clear) -> Result<()> {
        match self {
            Self::File(own) => own.close_with(clear),
            Self::Store(own, _) => own.close_with(clear).await,
        }
    }

    /// Runs an operation that ends at once, unless the store is one that is waited for.
    fn call<T: Deliver>(
        &self,
        py: Python<'_>,
        length: Length,
        operation: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> PyResult<Py<PyAny>> {
        self.way().call(py, length, operation)
    }
}

/// An object that was found.
enum Found {
    Whole(Bytes),
    Large(Reader),
}

enum Reader {
    File(blocking::ObjectReader),
    Store(StoreReader),
}

impl Reader {
    fn len(&self) -> u64 {
        match self {
            Self::File(reader) => reader.len(),
            Self::Store(reader) => reader.len(),
        }
    }

    async fn fill(self, mut output: Output) -> Result<usize> {
        let buffer = output.slice();
        let len = buffer.len();
        match self {
            Self::File(reader) => reader.read_whole(buffer)?,
            Self::Store(reader) => reader.read_whole(buffer).await?,
        }
        Ok(len)
    }
}

impl Item for Option<Bytes> {
    fn into_object(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self {
            Some(object) => object.into_object(py),
            None => Ok(py.None()),
        }
    }
}

/// An object on its way into `bytes`, or none.
enum Got {
    Nothing,
    Whole(Bytes),
    Large(LargeObject),
}

impl From<Option<Found>> for Got {
    fn from(found: Option<Found>) -> Self {
        match found {
            None => Self::Nothing,
            Some(Found::Whole(object)) => Self::Whole(object),
            Some(Found::Large(reader)) => Self::Large(LargeObject::Opened(reader)),
        }
    }
}

impl Deliver for Got {
    fn deliver(&mut self, py: Python<'_>, until: Option<Instant>) -> Delivery {
        match self {
            Self::Nothing => Delivery::Done(Ok(py.None())),
            Self::Whole(object) => Delivery::Done(std::mem::take(object).into_object(py)),
            Self::Large(large) => large.deliver(py, until),
        }
    }

    fn advance(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Large(large) => large.advance(context),
            _ => Poll::Ready(()),
        }
    }
}

/// An object that is read into the very `bytes` that Python gets: it takes its memory once.
enum LargeObject {
    Opened(Reader),
    Reading(Held<PyBytes>, Pin<Box<dyn Future<Output = Result<usize>> + Send>>),
    Read(Result<Filled>),
    Over,
}

impl Deliver for LargeObject {
    fn deliver(&mut self, py: Python<'_>, until: Option<Instant>) -> Delivery {
        match std::mem::replace(self, Self::Over) {
            Self::Opened(reader) => {
                let len = usize::try_from(reader.len()).unwrap_or(usize::MAX);
                match Output::bytes(py, len) {
                    Ok((object, output)) => {
                        *self = Self::Reading(Held::new(object), Box::pin(reader.fill(output)));
                        Delivery::Advance
                    }
                    Err(error) => Delivery::Done(Err(error)),
                }
            }
            Self::Read(Ok(mut filled)) => filled.deliver(py, until),
            Self::Read(Err(error)) => Delivery::Done(Err(error.into_exception())),
            Self::Reading(..) | Self::Over => Delivery::Done(Err(Failure::panicked().into_exception())),
        }
    }

    fn advance(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match std::mem::replace(self, Self::Over) {
            Self::Reading(object, mut reading) => match reading.as_mut().poll(context) {
                Poll::Pending => {
                    *self = Self::Reading(object, reading);
                    return Poll::Pending;
                }
                Poll::Ready(read) => *self = Self::Read(read.map(|count| Filled::new(object, count))),
            },
            other => *self = other,
        }
        Poll::Ready(())
    }
}

/// Names of new objects on their way to their caller. If that one is gone, interrupted by Ctrl-C while
/// a worker went on, nobody has the keys: then the objects go, too.
struct Stored {
    names: Vec<String>,
    connector: Option<Connector>,
    batch: bool,
}

impl Deliver for Stored {
    fn deliver(&mut self, py: Python<'_>, _until: Option<Instant>) -> Delivery {
        let mut names = std::mem::take(&mut self.names);
        self.connector = None;
        Delivery::Done(if self.batch { names.into_py_any(py) } else { names.pop().into_py_any(py) })
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        if let Some(connector) = self.connector.take().filter(|connector| connector.way() != Way::Woken) {
            for name in self.names.drain(..) {
                // A store that fails here keeps an object that nobody has the key of.
                let _ = ready(connector.evict(name));
            }
        }
    }
}

/// The bytes of an object: anything with the buffer protocol. What is not contiguous is copied.
struct ObjectArgument(Input);

impl FromPyObject<'_, '_> for ObjectArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        match object.extract::<Input>() {
            Err(error) if error.is_instance_of::<PyBufferError>(object.py()) => {
                PyMemoryView::from(&object)?.call_method0("tobytes")?.extract().map(Self)
            }
            result => result.map(Self),
        }
    }
}

/// The objects of a batch.
struct ObjectsArgument(Vec<Input>);

impl FromPyObject<'_, '_> for ObjectsArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("several bytes-like objects are needed, not one str"));
        }
        let objects = object.try_iter()?.map(|one| Ok(one?.extract::<ObjectArgument>()?.0));
        objects.collect::<PyResult<_>>().map(Self)
    }
}

/// The connector under `FileConnector` and `TwinConnector` of `twinfs.proxystore`.
#[pyclass(frozen, module = "twinfs._twinfs")]
pub(crate) struct Objects {
    connector: Connector,
    url: String,
    process: Option<String>,
}

#[pymethods]
impl Objects {
    /// A connector to a directory.
    #[staticmethod]
    #[pyo3(signature = (store_dir, *, clear, durability))]
    fn file(
        py: Python<'_>,
        store_dir: String,
        clear: bool,
        durability: DurabilityArgument,
    ) -> PyResult<Self> {
        use blocking::Connector as _;
        let config = blocking::FileConfig { store_dir, clear, durability: durability.0 };
        let connector = detached(py, || blocking::FileConnector::from_config(config));
        let connector = Arc::new(connector.map_err(IntoException::into_exception)?);
        let url = connector.store_dir().to_string_lossy().into_owned();
        Ok(Self { connector: Connector::File(connector), url, process: None })
    }

    /// A connector to the store at a URL or path.
    #[staticmethod]
    #[pyo3(signature = (url, *, clear, durability, process, options))]
    fn store(
        py: Python<'_>,
        url: &Bound<'_, PyAny>,
        clear: bool,
        durability: DurabilityArgument,
        process: Option<String>,
        options: &Bound<'_, PyDict>,
    ) -> PyResult<Self> {
        let (url, options) = (url_of(url)?, options_of(Some(options))?);
        let config = StoreConfig { url, options, clear, durability: durability.0, process };
        let open = move || -> Result<_> {
            let config = config.resolve()?;
            let engine = Engine::connect(&config.url, config.store_options())?;
            Ok((config, engine))
        };
        let (config, engine) = detached(py, open).map_err(IntoException::into_exception)?;
        let (url, process) = (config.url.clone(), config.process.clone());
        let connector = Arc::new(StoreConnector::new((*engine).clone()).with_config(config));
        Ok(Self { connector: Connector::Store(connector, engine.way()), url, process })
    }

    /// Where the objects are: a directory, or a URL as it travels.
    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    /// The URL for people: without user, password and query.
    #[getter]
    fn shown_url(&self) -> String {
        redacted(&self.url)
    }

    /// Of a tree in memory: the process whose tree it is.
    #[getter]
    fn process(&self) -> Option<&str> {
        self.process.as_deref()
    }

    /// Puts an object; gives its name.
    fn put(&self, py: Python<'_>, object: ObjectArgument) -> PyResult<Py<PyAny>> {
        let connector = self.connector.clone();
        let length = length(object.0.len() > LONG);
        self.connector.call(py, length, async move {
            let names = vec![connector.put(object.0.data()).await?];
            Ok(Stored { names, connector: Some(connector), batch: false })
        })
    }

    /// Puts many objects; gives their names.
    fn put_batch(&self, py: Python<'_>, objects: ObjectsArgument) -> PyResult<Py<PyAny>> {
        let connector = self.connector.clone();
        let bytes: usize = objects.0.iter().map(Input::len).sum();
        let length = length(objects.0.len() >= MANY || bytes > LONG);
        self.connector.call(py, length, async move {
            let data: Vec<Data<'_>> = objects.0.iter().map(Input::data).collect();
            let names = connector.put_batch(&data).await?;
            Ok(Stored { names, connector: Some(connector), batch: true })
        })
    }

    /// Puts an object under a name.
    fn set(&self, py: Python<'_>, name: String, object: ObjectArgument) -> PyResult<Py<PyAny>> {
        let connector = self.connector.clone();
        let length = length(object.0.len() > LONG);
        self.connector.call(py, length, async move { Ok(connector.set(name, object.0.data()).await?) })
    }

    /// The object of a name as `bytes`, or `None`.
    fn get(&self, py: Python<'_>, name: String) -> PyResult<Py<PyAny>> {
        let connector = self.connector.clone();
        if connector.way() != Way::Pool {
            return self
                .connector
                .call(py, Length::Short, async move { Ok(Got::from(connector.find(name).await?)) });
        }
        // In place: only then is it known how long the object is.
        let found = detached(py, || ready(connector.find(name))).map_err(IntoException::into_exception)?;
        match found {
            None => Ok(py.None()),
            Some(Found::Whole(object)) => object.into_object(py),
            Some(Found::Large(reader)) => {
                let long = reader.len() > LONG as u64;
                let got = async move { Ok(LargeObject::Opened(reader)) };
                if long { run_waiting(py, work(got)) } else { run_in_place(py, false, got) }
            }
        }
    }

    /// The objects of many names.
    fn get_batch(&self, py: Python<'_>, names: Vec<String>) -> PyResult<Py<PyAny>> {
        let connector = self.connector.clone();
        self.connector.call(py, length(names.len() >= MANY), async move {
            Ok(Many::all(connector.get_batch(names).await?))
        })
    }

    /// Whether a name has an object.
    fn exists(&self, py: Python<'_>, name: String) -> PyResult<Py<PyAny>> {
        let connector = self.connector.clone();
        self.connector.call(py, Length::Short, async move { Ok(connector.exists(name).await?) })
    }

    /// Removes the object of a name, if there is one.
    fn evict(&self, py: Python<'_>, name: String) -> PyResult<Py<PyAny>> {
        let connector = self.connector.clone();
        self.connector.call(py, Length::Short, async move { Ok(connector.evict(name).await?) })
    }

    /// A fresh name.
    fn new_key(&self) -> PyResult<String> {
        self.connector.new_key().map_err(IntoException::into_exception)
    }

    /// Ends the use of the store.
    fn close(&self, py: Python<'_>, clear: bool) -> PyResult<Py<PyAny>> {
        let connector = self.connector.clone();
        let clear = if clear { Clear::Remove } else { Clear::Keep };
        self.connector.call(py, Length::Long, async move { Ok(connector.close(clear).await?) })
    }
}

fn length(long: bool) -> Length {
    if long { Length::Long } else { Length::Short }
}
