//! Open files: positional, without a buffer. Python's file objects stand on these.

use std::sync::Arc;

use futures_util::lock::Mutex;
use pyo3::prelude::*;
use twinfs::File;

use crate::arguments::{Count, Input, Output};
use crate::engine::{Length, Way};
use crate::errors::{Conditioned, Outcome};
use crate::executor::Held;
use crate::operation::Operation;
use crate::reading::{Filled, fill};
use crate::results::{Deliver, Delivery};

/// An open file on its way to Python.
pub(crate) struct Opened(Option<Arc<OpenFile>>);

/// An open file and what its operations need to know.
struct OpenFile {
    file: File,
    way: Way,
    if_absent: bool,
    /// Of writes to a local file, which the system does one after the other anyway.
    write_turn: Mutex<()>,
}

impl Opened {
    pub(crate) fn new(file: File, way: Way, if_absent: bool) -> Self {
        Self(Some(Arc::new(OpenFile { file, way, if_absent, write_turn: Mutex::new(()) })))
    }
}

impl Deliver for Opened {
    fn deliver(&mut self, py: Python<'_>, _until: Option<std::time::Instant>) -> Delivery {
        let Some(file) = self.0.take() else { return Delivery::Done(Ok(py.None())) };
        Delivery::Done(Py::new(py, Handle(file)).map(Py::into_any))
    }
}

/// An open file; its methods wait.
#[pyclass(frozen, module = "twinfs._twinfs")]
pub(crate) struct Handle(Arc<OpenFile>);

/// An open file; its methods give operations to await.
#[pyclass(frozen, module = "twinfs._twinfs")]
pub(crate) struct AsyncHandle(Arc<OpenFile>);

#[pymethods]
impl Handle {
    /// The same open file with methods to await.
    fn asynchronous(&self) -> AsyncHandle {
        AsyncHandle(Arc::clone(&self.0))
    }
}

/// What both classes say of themselves.
macro_rules! properties {
    ($($class:ident)*) => {$(
        #[pymethods]
        impl $class {
            /// The path it was opened at; empty for a staged upload.
            #[getter]
            fn path(&self) -> &str {
                self.0.file.path().as_str()
            }
        }
    )*};
}

properties!(Handle AsyncHandle);

/// One verb of an open file: its function and the two methods.
macro_rules! file_verb {
    ($(#[$attribute:meta])*
     $length:ident $name:ident($this:ident $(, $argument:ident: $ty:ty)* $(,)?) -> $result:ty $body:block) => {
        async fn $name($this: Arc<OpenFile> $(, $argument: $ty)*) -> Outcome<$result> $body

        #[pymethods]
        impl Handle {
            $(#[$attribute])*
            fn $name(&self, py: Python<'_> $(, $argument: $ty)*) -> PyResult<Py<PyAny>> {
                self.0.way.call(py, Length::$length, $name(Arc::clone(&self.0) $(, $argument)*))
            }
        }

        #[pymethods]
        impl AsyncHandle {
            $(#[$attribute])*
            fn $name(&self $(, $argument: $ty)*) -> Operation {
                self.0.way.operation(stringify!($name), $name(Arc::clone(&self.0) $(, $argument)*))
            }
        }
    };
}

async fn read_at(
    this: Arc<OpenFile>,
    offset: u64,
    mut output: Output,
    object: Held<pyo3::types::PyBytes>,
) -> Outcome<Filled> {
    let count = fill(&this.file, offset, output.slice()).await?;
    Ok(Filled::new(object, count))
}

#[pymethods]
impl Handle {
    /// Reads up to `size` bytes at an offset: all of them unless the file ends before.
    fn read_at(&self, py: Python<'_>, offset: Count, size: Count) -> PyResult<Py<PyAny>> {
        let (object, output) = Output::bytes(py, size.bytes())?;
        let future = read_at(Arc::clone(&self.0), offset.0, output, Held::new(object));
        self.0.way.call(py, Length::Short, future)
    }
}

#[pymethods]
impl AsyncHandle {
    /// Reads up to `size` bytes at an offset: all of them unless the file ends before.
    fn read_at(&self, py: Python<'_>, offset: Count, size: Count) -> PyResult<Operation> {
        let (object, output) = Output::bytes(py, size.bytes())?;
        let arguments = (Arc::clone(&self.0), offset.0, output, Held::new(object));
        Ok(self.0.way.attempted(
            "read_at",
            arguments,
            |py, (this, offset, output, object)| {
                let count = this.file.try_read_into_at(*offset, output.slice())?;
                Some(Filled::new(Held::new(object.get()?.clone_ref(py)), count))
            },
            |(this, offset, output, object)| read_at(this, offset, output, object),
        ))
    }
}

async fn readinto_at(this: Arc<OpenFile>, offset: u64, mut buffer: Output) -> Outcome<usize> {
    Ok(fill(&this.file, offset, buffer.slice()).await?)
}

#[pymethods]
impl Handle {
    /// Fills a buffer from an offset; gives how many bytes, less than its length only at the end.
    fn readinto_at(&self, py: Python<'_>, offset: Count, buffer: Output) -> PyResult<Py<PyAny>> {
        self.0.way.call(py, Length::Short, readinto_at(Arc::clone(&self.0), offset.0, buffer))
    }
}

#[pymethods]
impl AsyncHandle {
    /// Fills a buffer from an offset; gives how many bytes, less than its length only at the end.
    fn readinto_at(&self, offset: Count, buffer: Output) -> Operation {
        self.0.way.attempted(
            "readinto_at",
            (Arc::clone(&self.0), offset.0, buffer),
            |_, (this, offset, buffer)| this.file.try_read_into_at(*offset, buffer.slice()),
            |(this, offset, buffer)| readinto_at(this, offset, buffer),
        )
    }
}

file_verb! {
    /// Writes all of the data at an offset (mode `ab`: at the end); gives how many bytes.
    Short write_at(this, offset: Count, data: Input) -> usize {
        this.file.write_at(offset.0, data.data()).await?;
        Ok(data.len())
    }
}

#[pymethods]
impl AsyncHandle {
    /// As `write_at`, for several at once that do not overlap: those to a local file go one after the
    /// other, so that no worker waits in the system for another one.
    fn write_in_turn(&self, offset: Count, data: Input) -> Operation {
        let this = Arc::clone(&self.0);
        self.0.way.operation("write_in_turn", async move {
            let _turn = match this.way {
                Way::Pool => Some(this.write_turn.lock().await),
                Way::InPlace | Way::Calling | Way::Woken => None,
            };
            write_at(Arc::clone(&this), offset, data).await
        })
    }
}

file_verb! {
    /// The length in bytes, as this handle sees it.
    Short size(this) -> u64 { Ok(this.file.len().await?) }
}

file_verb! {
    /// What this handle sees.
    Short metadata(this) -> twinfs::Metadata { Ok(this.file.metadata().await?) }
}

file_verb! {
    /// Cuts the file, or extends it with zeros, to this length in bytes.
    Short truncate(this, size: Count) -> () { Ok(this.file.set_len(size.0).await?) }
}

file_verb! {
    /// Brings what was written to the disk without publishing it.
    Short flush_to_disk(this) -> () { Ok(this.file.flush_to_disk().await?) }
}

file_verb! {
    /// Publishes what was written, whole, and closes the handle.
    Short commit(this) -> twinfs::Metadata { this.file.commit().await.under(this.if_absent) }
}

file_verb! {
    /// Drops what was written and closes the handle.
    Short abort(this) -> () { Ok(this.file.abort().await?) }
}
