//! The run-files client: what `twinfs.kodosumi` is made of. Each class has a sync and an asyncio twin
//! from one list of methods; names, roots and exceptions as Kodosumi has them are Python's part.

use std::time::Instant;

use bytes::Bytes;
use pyo3::IntoPyObjectExt;
use pyo3::exceptions::{PyStopAsyncIteration, PyStopIteration};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use twinfs::runfiles::{Download, FileInfo, FileStream, RunFiles};
use twinfs::{Error, ErrorKind};

use crate::engine::{Length, Way};
use crate::errors::{IntoException, Outcome};
use crate::executor::Held;
use crate::operation::Operation;
use crate::results::{Deliver, Delivery, Item};
use crate::turns::{Turn, Turns};

/// A listing as dictionaries.
struct Files(Vec<FileInfo>);

impl Deliver for Files {
    fn deliver(&mut self, py: Python<'_>, _until: Option<Instant>) -> Delivery {
        let entry = |file: FileInfo| {
            let entry = PyDict::new(py);
            entry.set_item("path", file.path)?;
            entry.set_item("size", file.size)?;
            entry.set_item("last_modified", file.last_modified)?;
            Ok(entry)
        };
        let entries: PyResult<Vec<_>> = std::mem::take(&mut self.0).into_iter().map(entry).collect();
        Delivery::Done(entries.and_then(|entries| PyList::new(py, entries)?.into_py_any(py)))
    }
}

/// The id of a batch, if there was anything to upload.
struct Batch(Option<String>);

impl Deliver for Batch {
    fn deliver(&mut self, py: Python<'_>, _until: Option<Instant>) -> Delivery {
        Delivery::Done(self.0.take().into_py_any(py))
    }
}

/// An item of an iteration, or its end.
struct Step<T> {
    item: Option<T>,
    face: Face,
}

#[derive(Clone, Copy)]
enum Face {
    Sync,
    Async,
}

impl Face {
    fn end(self) -> PyErr {
        match self {
            Self::Sync => PyStopIteration::new_err(()),
            Self::Async => PyStopAsyncIteration::new_err(()),
        }
    }
}

impl Deliver for Step<String> {
    fn deliver(&mut self, py: Python<'_>, _until: Option<Instant>) -> Delivery {
        Delivery::Done(match self.item.take() {
            Some(path) => path.into_py_any(py),
            None => Err(self.face.end()),
        })
    }
}

impl Deliver for Step<Bytes> {
    fn deliver(&mut self, py: Python<'_>, _until: Option<Instant>) -> Delivery {
        Delivery::Done(match self.item.take() {
            Some(block) => block.into_object(py),
            None => Err(self.face.end()),
        })
    }
}

/// The content of a file, or the rest of it.
struct Content(Option<Bytes>);

impl Deliver for Content {
    fn deliver(&mut self, py: Python<'_>, _until: Option<Instant>) -> Delivery {
        Delivery::Done(self.0.take().unwrap_or_default().into_object(py))
    }
}

/// The value of a turn, which is there until the turn is over.
fn held<T>(turn: &mut Turn<T>) -> Result<&mut T, Error> {
    turn.as_mut().ok_or_else(|| ErrorKind::Closed.into())
}

async fn ls(run: RunFiles, path: String) -> Outcome<Files> {
    Ok(Files(run.ls(&path).await?))
}

async fn remove(run: RunFiles, path: String) -> Outcome<()> {
    Ok(run.remove(&path).await?)
}

async fn upload(run: RunFiles, local: std::path::PathBuf) -> Outcome<Batch> {
    Ok(Batch(run.upload(local).await?))
}

/// A download, and whether the path that it gave last has reached its user: a cancelled task, or Ctrl-C,
/// may come in between.
struct Arrivals {
    download: Download,
    unclaimed: bool,
}

impl Arrivals {
    fn new(download: Download) -> Self {
        Self { download, unclaimed: false }
    }

    fn settle(&mut self) {
        if std::mem::take(&mut self.unclaimed) {
            self.download.take_back();
        }
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.settle();
    }
}

async fn next_path(arrivals: Turns<Arrivals>, face: Face) -> Outcome<Step<String>> {
    let mut turn = arrivals.take().await?;
    let arrivals = held(&mut turn)?;
    let path = arrivals.download.next().await.transpose()?;
    arrivals.unclaimed = path.is_some();
    Ok(Step { item: path.map(|path| path.to_string_lossy().into_owned()), face })
}

async fn close_download(arrivals: Turns<Arrivals>) -> Outcome<()> {
    // What a parent process is doing is nothing to close here.
    let Ok(mut turn) = arrivals.take().await else { return Ok(()) };
    let arrivals = held(&mut turn)?;
    arrivals.settle();
    arrivals.download.close().await;
    Ok(())
}

async fn next_block(stream: Turns<FileStream>, face: Face) -> Outcome<Step<Bytes>> {
    let mut turn = stream.take().await?;
    let block = held(&mut turn)?.next().await.transpose()?;
    Ok(Step { item: block, face })
}

async fn begin(stream: Turns<FileStream>) -> Outcome<()> {
    let mut turn = stream.take().await?;
    Ok(held(&mut turn)?.begin().await?)
}

async fn read_all(stream: Turns<FileStream>) -> Outcome<Content> {
    let mut turn = stream.take().await?;
    Ok(Content(Some(held(&mut turn)?.read_all().await?)))
}

async fn remove_opened(stream: Turns<FileStream>) -> Outcome<()> {
    let mut turn = stream.take().await?;
    Ok(held(&mut turn)?.remove().await?)
}

/// Makes the client of `(fid, url, token)`; a callback is told `(path, bytes, total_bytes, files, total_files)`.
fn client(fid: &str, url: &str, token: &str, progress: Option<Py<PyAny>>) -> PyResult<RunFiles> {
    let run = RunFiles::new(fid, url, token).map_err(IntoException::into_exception)?;
    let Some(callback) = progress else { return Ok(run) };
    let callback = Held::new(callback);
    Ok(run.with_progress(move |progress| {
        Python::attach(|py| {
            let told = callback.get().map(|callback| {
                let numbers = (
                    &*progress.path,
                    progress.bytes,
                    progress.total_bytes,
                    progress.files,
                    progress.total_files,
                );
                callback.call1(py, numbers)
            });
            if let Some(Err(error)) = told {
                // A callback cannot stop a transfer; what it raised is shown, not lost.
                error.write_unraisable(py, None);
            }
        });
    }))
}

/// Both twins of a client, its downloads and its streams.
macro_rules! twins {
    ($client:ident $download:ident $stream:ident $face:ident $result:ty;
     |$py:ident, $length:ident, $name:ident, $future:ident| $run:expr;
     iterator $iter:ident $next:ident) => {
        /// The client of one run.
        #[pyclass(frozen, module = "twinfs._twinfs")]
        pub(crate) struct $client(RunFiles);

        #[pymethods]
        impl $client {
            #[new]
            #[pyo3(signature = (fid, url, token, progress=None))]
            fn new(fid: &str, url: &str, token: &str, progress: Option<Py<PyAny>>) -> PyResult<Self> {
                client(fid, url, token, progress).map(Self)
            }

            #[getter]
            fn chunk_size(&self) -> u64 {
                self.0.chunk_size()
            }

            #[setter]
            fn set_chunk_size(&self, bytes: u64) {
                self.0.set_chunk_size(bytes);
            }

            /// Lists files.
            fn ls(&self, $py: Python<'_>, path: String) -> $result {
                let ($length, $name, $future) = (Length::Long, "ls", ls(self.0.clone(), path));
                $run
            }

            /// Removes a file or folder.
            fn remove(&self, $py: Python<'_>, path: String) -> $result {
                let ($length, $name, $future) = (Length::Long, "remove", remove(self.0.clone(), path));
                $run
            }

            /// Uploads a local file or folder.
            fn upload(&self, $py: Python<'_>, local: std::path::PathBuf) -> $result {
                let ($length, $name, $future) = (Length::Long, "upload", upload(self.0.clone(), local));
                $run
            }

            /// Starts a download.
            fn download(&self, path: &str) -> PyResult<$download> {
                let download = self.0.download(path).map_err(IntoException::into_exception)?;
                Ok($download(Turns::new(Arrivals::new(download))))
            }

            /// Opens a file for reading.
            fn open(&self, path: &str) -> PyResult<$stream> {
                let stream = self.0.open(path).map_err(IntoException::into_exception)?;
                Ok($stream(Turns::new(stream)))
            }

            /// Lets go of the connections.
            fn close(&self) {
                self.0.close();
            }
        }

        /// A download under way.
        #[pyclass(frozen, module = "twinfs._twinfs")]
        pub(crate) struct $download(Turns<Arrivals>);

        #[pymethods]
        impl $download {
            fn $iter(slf: Py<Self>) -> Py<Self> {
                slf
            }

            fn $next(&self, $py: Python<'_>) -> $result {
                let ($length, $name) = (Length::Long, "download");
                let $future = next_path(self.0.clone(), Face::$face);
                $run
            }

            /// Says that the path given last has reached its user.
            fn claim(&self) {
                if let Some(arrivals) = self.0.try_take().as_deref_mut().and_then(Option::as_mut) {
                    arrivals.unclaimed = false;
                }
            }

            /// Ends the download and removes what has not reached its user.
            fn close(&self, $py: Python<'_>) -> $result {
                let ($length, $name, $future) = (Length::Long, "close", close_download(self.0.clone()));
                $run
            }
        }

        /// A file open for reading.
        #[pyclass(frozen, module = "twinfs._twinfs")]
        pub(crate) struct $stream(Turns<FileStream>);

        #[pymethods]
        impl $stream {
            fn $iter(slf: Py<Self>) -> Py<Self> {
                slf
            }

            fn $next(&self, $py: Python<'_>) -> $result {
                let ($length, $name) = (Length::Long, "read");
                let $future = next_block(self.0.clone(), Face::$face);
                $run
            }

            /// Asks for the file.
            fn begin(&self, $py: Python<'_>) -> $result {
                let ($length, $name, $future) = (Length::Long, "begin", begin(self.0.clone()));
                $run
            }

            /// Reads what is left.
            fn read_all(&self, $py: Python<'_>) -> $result {
                let ($length, $name, $future) = (Length::Long, "read_all", read_all(self.0.clone()));
                $run
            }

            /// Removes the file from the run.
            fn remove(&self, $py: Python<'_>) -> $result {
                let ($length, $name, $future) = (Length::Long, "remove", remove_opened(self.0.clone()));
                $run
            }

            /// Ends the transfer.
            fn close(&self) {
                if let Some(stream) = self.0.try_take().as_deref_mut().and_then(Option::as_mut) {
                    stream.close();
                }
            }
        }
    };
}

mod sync {
    use super::{
        Arrivals, Face, FileStream, IntoException, Length, Py, PyAny, PyResult, Python, RunFiles, Turns, Way,
        begin, client, close_download, ls, next_block, next_path, pyclass, pymethods, read_all, remove,
        remove_opened, upload,
    };

    twins! {
        RunClient RunDownload RunStream Sync PyResult<Py<PyAny>>;
        |py, length, name, future| {
            let _ = name;
            Way::Woken.call(py, length, future)
        };
        iterator __iter__ __next__
    }
}

mod asynchronous {
    use super::{
        Arrivals, Face, FileStream, IntoException, Length, Operation, Py, PyAny, PyResult, Python, RunFiles,
        Turns, Way, begin, client, close_download, ls, next_block, next_path, pyclass, pymethods, read_all,
        remove, remove_opened, upload,
    };

    twins! {
        AsyncRunClient AsyncRunDownload AsyncRunStream Async Operation;
        |py, length, name, future| {
            let _ = (py, length);
            Way::Woken.operation(name, future)
        };
        iterator __aiter__ __anext__
    }
}

pub(crate) use asynchronous::{AsyncRunClient, AsyncRunDownload, AsyncRunStream};
pub(crate) use sync::{RunClient, RunDownload, RunStream};
