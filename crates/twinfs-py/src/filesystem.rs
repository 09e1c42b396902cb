//! The two file system classes: connecting, closing, pickling. Their verbs stand in `verbs`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyString, PyTuple};
use twinfs::location::redacted;
use twinfs::{Error, ErrorKind, Location, Operation as Verb, StoreOptions, fork};

use crate::engine::Engine;
use crate::errors::{IntoException, invalid_input};

/// What both classes are: an engine, and the configuration it was made from.
struct Connection {
    engine: Engine,
    /// As it travels: a plain path is absolute in it.
    url: String,
    options: BTreeMap<String, String>,
    /// Of a memory tree: whether a handle of it may become an empty tree elsewhere.
    memory: Option<Memory>,
    closed: AtomicBool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Memory {
    named: bool,
    shared: bool,
}

/// The option that carries the process token of a memory tree in a pickle.
const PROCESS: &str = "_process";

impl Connection {
    fn new(url: &Bound<'_, PyAny>, keywords: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let url = url_of(url)?;
        let mut options = options_of(keywords)?;
        let location = Location::parse(&url).map_err(IntoException::into_exception)?;
        let memory = memory_of(&location, &mut options)?;
        let mut store_options = StoreOptions::new();
        for (name, value) in &options {
            store_options = store_options.with(name, value);
        }
        let engine = Engine::connect(&url, store_options).map_err(IntoException::into_exception)?;
        Ok(Self { engine, url, options, memory, closed: AtomicBool::new(false) })
    }

    fn engine(&self) -> PyResult<&Engine> {
        if self.closed.load(Ordering::Acquire) {
            let error = Error::new(ErrorKind::Closed).with_message("the file system was closed");
            return Err(error.into_exception());
        }
        Ok(&self.engine)
    }

    /// Positional and keyword arguments that make the same file system again, elsewhere, too.
    fn configuration<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let keywords = PyDict::new(py);
        for (name, value) in &self.options {
            keywords.set_item(name, value)?;
        }
        match self.memory {
            None => {}
            Some(Memory { shared: false, .. }) => keywords.set_item("shared", false)?,
            Some(Memory { named: true, .. }) => {
                keywords.set_item(PROCESS, fork::process_token().map_err(IntoException::into_exception)?)?;
            }
            Some(Memory { named: false, .. }) => {
                return Err(PyTypeError::new_err(
                    "cannot pickle a private memory tree: name it (memory://NAME), or ask for an empty one \
                     elsewhere with shared=False",
                ));
            }
        }
        Ok((PyTuple::new(py, [&self.url])?, keywords))
    }
}

/// The URL as text; a plain relative path becomes absolute, so that it means the same elsewhere.
pub(crate) fn url_of(url: &Bound<'_, PyAny>) -> PyResult<String> {
    let text = if let Ok(text) = url.cast::<PyString>() {
        text.to_str()?.to_owned()
    } else {
        static FSPATH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        FSPATH.import(url.py(), "os", "fspath")?.call1((url,))?.extract()?
    };
    if text.is_empty() || text.contains("://") {
        return Ok(text);
    }
    let absolute = std::path::absolute(&text).map_err(|error| Error::from_io(error).into_exception())?;
    absolute.into_os_string().into_string().map_err(|_| {
        Error::new(ErrorKind::InvalidPath).with_operation(Verb::Connect).with_raw_path(&text).into_exception()
    })
}

/// Keyword options as the texts that a URL's query would have.
pub(crate) fn options_of(keywords: Option<&Bound<'_, PyDict>>) -> PyResult<BTreeMap<String, String>> {
    let mut options = BTreeMap::new();
    for (name, value) in keywords.into_iter().flatten() {
        let name = name.extract::<String>()?;
        let text = if value.is_none() {
            continue;
        } else if let Ok(flag) = value.cast::<PyBool>() {
            if flag.is_true() { "true".to_owned() } else { "false".to_owned() }
        } else {
            value.str()?.to_str()?.to_owned()
        };
        options.insert(name, text);
    }
    Ok(options)
}

/// Takes out the options that are about memory trees and their travels.
fn memory_of(location: &Location, options: &mut BTreeMap<String, String>) -> PyResult<Option<Memory>> {
    if location.scheme != "memory" {
        return Ok(None);
    }
    let shared = match options.remove("shared").as_deref() {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err(invalid_input("option 'shared' must be True or False")),
    };
    if let Some(token) = options.remove(PROCESS)
        && token != fork::process_token().map_err(IntoException::into_exception)?
    {
        return Err(invalid_input(format!(
            "memory://{} is a tree of another process; connect with shared=False to get an empty one here",
            location.authority.escape_debug()
        )));
    }
    Ok(Some(Memory { named: !location.authority.is_empty(), shared }))
}

macro_rules! file_system_class {
    ($(#[$attribute:meta])* $name:ident) => {
        $(#[$attribute])*
        #[pyclass(subclass, frozen, weakref, module = "twinfs._twinfs")]
        pub(crate) struct $name(Connection);

        impl $name {
            /// The engine, unless the file system was closed.
            pub(crate) fn engine(&self) -> PyResult<&Engine> {
                self.0.engine()
            }
        }

        #[pymethods]
        impl $name {
            #[new]
            #[pyo3(signature = (url, **options))]
            fn new(url: &Bound<'_, PyAny>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
                Connection::new(url, options).map(Self)
            }

            /// The URL or path it was made from, without user, password and query.
            #[getter]
            fn url(&self) -> String {
                redacted(&self.0.url)
            }

            /// Whether it was closed.
            #[getter]
            fn closed(&self) -> bool {
                self.0.closed.load(Ordering::Acquire)
            }

            /// Closes it for further calls; open handles stay open.
            fn _close(&self) {
                self.0.closed.store(true, Ordering::Release);
            }

            fn __getnewargs_ex__<'py>(
                &self,
                py: Python<'py>,
            ) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
                self.0.configuration(py)
            }

            /// It is never changed, so a copy is the thing itself.
            fn __copy__(slf: Py<Self>) -> Py<Self> {
                slf
            }

            #[expect(unused_variables, reason = "the signature is that of copy.deepcopy")]
            fn __deepcopy__(slf: Py<Self>, memo: &Bound<'_, PyAny>) -> Py<Self> {
                slf
            }

            fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
                let class = slf.get_type().qualname()?;
                let url = slf.get().url().into_bound_py_any(slf.py())?.repr()?;
                Ok(format!("{class}({url})"))
            }
        }
    };
}

file_system_class! {
    /// The compiled part of `twinfs.SyncFileSystem`.
    SyncFileSystem
}

file_system_class! {
    /// The compiled part of `twinfs.AsyncFileSystem`.
    AsyncFileSystem
}
