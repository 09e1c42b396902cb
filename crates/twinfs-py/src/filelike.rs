//! Files by name: what `twinfs.aiofs` is made of. Each class has a sync and an asyncio twin from one
//! list of methods; context managers and names as aiofs has them are Python's part.

use std::future::Future;
use std::io::SeekFrom;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use twinfs::filelike::{FileLike as File, FileLikeSystem as System, Template};
use twinfs::{Error, ErrorKind, StoreOptions};

use crate::arguments::{Input, Output};
use crate::engine::{Engine, Length, Way};
use crate::errors::{IntoException, Outcome, invalid_input};
use crate::executor::{Held, run_waiting, work};
use crate::filesystem as whole;
use crate::operation::Operation;
use crate::reading::{Filled, Read, SMALL_READ};
use crate::results::{Deliver, Delivery, Item, Many};
use crate::turns::{Turn, Turns};

/// How the methods of one face answer.
trait Face: Send + 'static {
    type Answer;

    /// Answers with what is there already.
    fn done(name: &'static str, result: PyResult<Py<PyAny>>) -> PyResult<Self::Answer>;

    /// Does an operation that goes the way of its store.
    fn run<T: Deliver>(
        py: Python<'_>,
        way: Way,
        length: Length,
        name: &'static str,
        future: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> PyResult<Self::Answer>;

    /// Does an operation that waits for another one first.
    fn wait<T: Deliver>(
        py: Python<'_>,
        name: &'static str,
        future: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> PyResult<Self::Answer>;

    /// An open file as an object.
    fn object(py: Python<'_>, opened: Opened) -> PyResult<Py<PyAny>>;
}

struct Sync;

impl Face for Sync {
    type Answer = Py<PyAny>;

    fn done(_name: &'static str, result: PyResult<Py<PyAny>>) -> PyResult<Py<PyAny>> {
        result
    }

    fn run<T: Deliver>(
        py: Python<'_>,
        way: Way,
        length: Length,
        _name: &'static str,
        future: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> PyResult<Py<PyAny>> {
        way.call(py, length, future)
    }

    fn wait<T: Deliver>(
        py: Python<'_>,
        _name: &'static str,
        future: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> PyResult<Py<PyAny>> {
        run_waiting(py, work(future))
    }

    fn object(py: Python<'_>, opened: Opened) -> PyResult<Py<PyAny>> {
        Py::new(py, FileLike(opened)).map(Py::into_any)
    }
}

struct Async;

impl Face for Async {
    type Answer = Operation;

    fn done(name: &'static str, result: PyResult<Py<PyAny>>) -> PyResult<Operation> {
        Ok(Operation::finished(name, result))
    }

    fn run<T: Deliver>(
        _py: Python<'_>,
        way: Way,
        _length: Length,
        name: &'static str,
        future: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> PyResult<Operation> {
        Ok(way.operation(name, future))
    }

    fn wait<T: Deliver>(
        _py: Python<'_>,
        name: &'static str,
        future: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> PyResult<Operation> {
        Ok(Way::Woken.operation(name, future))
    }

    fn object(py: Python<'_>, opened: Opened) -> PyResult<Py<PyAny>> {
        Py::new(py, AsyncFileLike(opened)).map(Py::into_any)
    }
}

// Systems

/// A system and the way its operations go.
#[derive(Clone)]
struct Names {
    system: System,
    way: Way,
}

impl Names {
    fn over(engine: &Engine, template: &str) -> PyResult<Self> {
        let template = Template::new(template).map_err(IntoException::into_exception)?;
        let system = System::new(twinfs::Fs::clone(engine)).with_template(template);
        Ok(Self { system, way: engine.way() })
    }

    fn of(fs: &Bound<'_, PyAny>, template: &str) -> PyResult<Self> {
        if let Ok(fs) = fs.cast::<whole::SyncFileSystem>() {
            return Self::over(fs.get().engine()?, template);
        }
        match fs.cast::<whole::AsyncFileSystem>() {
            Ok(fs) => Self::over(fs.get().engine()?, template),
            Err(_) => Err(PyTypeError::new_err("a SyncFileSystem or an AsyncFileSystem is needed")),
        }
    }

    fn on_disk(template: &str) -> PyResult<Self> {
        let (root, inside) = Template::on_disk(template).map_err(IntoException::into_exception)?;
        let Some(root) = root.to_str() else {
            return Err(Error::new(ErrorKind::InvalidPath)
                .with_raw_path(template)
                .with_message("a path must be UTF-8")
                .into_exception());
        };
        let engine = Engine::connect(root, StoreOptions::new()).map_err(IntoException::into_exception)?;
        Self::over(&engine, inside.as_str())
    }

    fn open<F: Face>(&self, py: Python<'_>, name: String, mode: &str) -> PyResult<F::Answer> {
        let (system, way) = (self.system.clone(), self.way);
        let mode = mode.parse().map_err(IntoException::into_exception)?;
        F::run(py, way, Length::Short, "open", async move {
            let file = system.open(&name, mode).await?;
            Ok(Opening { opened: Some(Opened { file: Turns::new(file), way }), object: F::object })
        })
    }

    fn ls<F: Face>(&self, py: Python<'_>, pattern: String) -> PyResult<F::Answer> {
        let system = self.system.clone();
        F::run(py, self.way, Length::Long, "ls", async move { Ok(Many::all(system.ls(&pattern).await?)) })
    }

    fn rm<F: Face>(&self, py: Python<'_>, pattern: String) -> PyResult<F::Answer> {
        let system = self.system.clone();
        F::run(py, self.way, Length::Long, "rm", async move { Ok(system.rm(&pattern).await?) })
    }

    fn mv<F: Face>(&self, py: Python<'_>, from: String, to: String) -> PyResult<F::Answer> {
        let system = self.system.clone();
        F::run(py, self.way, Length::Short, "mv", async move { Ok(system.mv(&from, &to).await?) })
    }

    fn cp<F: Face>(&self, py: Python<'_>, from: String, to: String) -> PyResult<F::Answer> {
        let system = self.system.clone();
        F::run(py, self.way, Length::Long, "cp", async move { Ok(system.cp(&from, &to).await?) })
    }

    fn exists<F: Face>(&self, py: Python<'_>, name: String) -> PyResult<F::Answer> {
        let system = self.system.clone();
        F::run(py, self.way, Length::Short, "exists", async move { Ok(system.exists(&name).await?) })
    }

    fn stat<F: Face>(&self, py: Python<'_>, name: String) -> PyResult<F::Answer> {
        let system = self.system.clone();
        F::run(py, self.way, Length::Short, "stat", async move { Ok(system.stat(&name).await?) })
    }
}

impl Item for String {
    fn into_object(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.into_py_any(py)
    }
}

// Files

/// An open file and the way its operations go.
struct Opened {
    file: Turns<File>,
    way: Way,
}

/// An open file on its way to Python.
struct Opening {
    opened: Option<Opened>,
    object: fn(Python<'_>, Opened) -> PyResult<Py<PyAny>>,
}

impl Deliver for Opening {
    fn deliver(&mut self, py: Python<'_>, _until: Option<std::time::Instant>) -> Delivery {
        let opened = self.opened.take().ok_or_else(|| closed().into_exception());
        Delivery::Done(opened.and_then(|opened| (self.object)(py, opened)))
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed).with_message("the file is closed")
}

/// The file of a turn that is not the last one.
fn held(turn: &mut Turn<File>) -> twinfs::Result<&mut File> {
    turn.as_mut().ok_or_else(closed)
}

impl Opened {
    /// Does something with the file, once the calls before this one are done.
    fn run<F: Face, T: Deliver, Body>(
        &self,
        py: Python<'_>,
        name: &'static str,
        turn: Option<Turn<File>>,
        body: impl FnOnce(Turn<File>) -> Body + Send + 'static,
    ) -> PyResult<F::Answer>
    where
        Body: Future<Output = Outcome<T>> + Send + 'static,
    {
        if let Some(turn) = turn {
            return F::run(py, self.way, Length::Short, name, body(turn));
        }
        let turns = self.file.clone();
        F::wait(py, name, async move { body(turns.take().await?).await })
    }

    fn read<F: Face>(&self, py: Python<'_>, size: Option<i64>) -> PyResult<F::Answer> {
        let size = size.and_then(|size| usize::try_from(size).ok());
        let mut turn = self.file.try_take();
        // What is there already needs no hop to a worker.
        let now = turn
            .as_deref_mut()
            .and_then(Option::as_mut)
            .and_then(|file| file.read_now(size.unwrap_or(usize::MAX)));
        if let Some(bytes) = now {
            return F::done("read", Item::into_object(bytes, py));
        }
        let count = turn.as_deref().and_then(Option::as_ref).map_or(0, File::remaining);
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(size.unwrap_or(usize::MAX));
        if self.way == Way::Pool && count as u64 > SMALL_READ {
            // Read into the very object that Python gets, a long content takes its memory once.
            let (object, mut output) = Output::bytes(py, count)?;
            let object = Held::new(object);
            return self.run::<F, _, _>(py, "read", turn, async move |mut turn| {
                let count = held(&mut turn)?.read_into(output.slice()).await?;
                Ok(Filled::new(object, count))
            });
        }
        self.run::<F, _, _>(py, "read", turn, async move |mut turn| {
            let file = held(&mut turn)?;
            Ok(Read::from(match size {
                Some(size) => file.read(size).await?,
                None => file.read_to_end().await?,
            }))
        })
    }

    fn write<F: Face>(&self, py: Python<'_>, data: Input) -> PyResult<F::Answer> {
        let mut turn = self.file.try_take();
        let done =
            turn.as_deref_mut().and_then(Option::as_mut).is_some_and(|file| file.write_now(&data.data()));
        if done {
            return F::done("write", data.len().into_py_any(py));
        }
        self.run::<F, _, _>(py, "write", turn, async move |mut turn| {
            held(&mut turn)?.write(data.data()).await?;
            Ok(data.len())
        })
    }

    fn seek<F: Face>(&self, py: Python<'_>, offset: i64, whence: i64) -> PyResult<F::Answer> {
        let target = match (whence, u64::try_from(offset)) {
            (0, Ok(offset)) => SeekFrom::Start(offset),
            (0, Err(_)) => return Err(invalid_input(format!("negative seek position {offset}"))),
            (1, _) => SeekFrom::Current(offset),
            (2, _) => SeekFrom::End(offset),
            _ => return Err(invalid_input(format!("whence is 0, 1 or 2, not {whence}"))),
        };
        let seek = move |turn: &mut Turn<File>| held(turn)?.seek(target);
        if let Some(mut turn) = self.file.try_take() {
            let sought = seek(&mut turn).map_err(IntoException::into_exception);
            return F::done("seek", sought.and_then(|position| position.into_py_any(py)));
        }
        self.run::<F, _, _>(py, "seek", None, async move |mut turn| Ok(seek(&mut turn)?))
    }

    fn tell<F: Face>(&self, py: Python<'_>) -> PyResult<F::Answer> {
        if let Some(mut turn) = self.file.try_take() {
            let told = held(&mut turn).map(|file| file.tell()).map_err(IntoException::into_exception);
            return F::done("tell", told.and_then(|position| position.into_py_any(py)));
        }
        self.run::<F, _, _>(py, "tell", None, async move |mut turn| Ok(held(&mut turn)?.tell()))
    }

    fn close<F: Face>(&self, py: Python<'_>) -> PyResult<F::Answer> {
        let turn = self.file.try_take();
        if turn.as_deref().and_then(Option::as_ref).is_some_and(File::is_free) {
            drop(turn.and_then(Turn::last));
            return F::done("close", Ok(py.None()));
        }
        self.run::<F, _, _>(py, "close", turn, async move |turn| {
            Ok(turn.last().ok_or_else(closed)?.close().await?)
        })
    }

    fn abort<F: Face>(&self, py: Python<'_>) -> PyResult<F::Answer> {
        let turn = self.file.try_take();
        self.run::<F, _, _>(py, "abort", turn, async move |turn| {
            Ok(turn.last().ok_or_else(closed)?.abort().await?)
        })
    }
}

/// The two classes of a face.
macro_rules! classes {
    ($face:ident $answer:ty, $system:ident $file:ident) => {
        /// Files by name.
        #[pyclass(frozen, module = "twinfs._twinfs")]
        pub(crate) struct $system(Names);

        #[pymethods]
        impl $system {
            #[new]
            fn new(fs: &Bound<'_, PyAny>, template: &str) -> PyResult<Self> {
                Names::of(fs, template).map(Self)
            }

            /// Files on the local disk; what is missing of the folder is made with the first one.
            #[staticmethod]
            fn on_disk(template: &str) -> PyResult<Self> {
                Names::on_disk(template).map(Self)
            }

            /// The same system with another template.
            fn with_template(&self, template: &str) -> PyResult<Self> {
                let template = Template::new(template).map_err(IntoException::into_exception)?;
                let Names { system, way } = self.0.clone();
                Ok(Self(Names { system: system.with_template(template), way }))
            }

            /// Opens a file in mode r, r+ or w.
            fn open(&self, py: Python<'_>, name: String, mode: &str) -> PyResult<$answer> {
                self.0.open::<$face>(py, name, mode)
            }

            /// The names that match a pattern.
            fn ls(&self, py: Python<'_>, pattern: String) -> PyResult<$answer> {
                self.0.ls::<$face>(py, pattern)
            }

            /// Removes the files whose names match a pattern.
            fn rm(&self, py: Python<'_>, pattern: String) -> PyResult<$answer> {
                self.0.rm::<$face>(py, pattern)
            }

            /// Moves a file.
            fn mv(&self, py: Python<'_>, source: String, destination: String) -> PyResult<$answer> {
                self.0.mv::<$face>(py, source, destination)
            }

            /// Copies a file.
            fn cp(&self, py: Python<'_>, source: String, destination: String) -> PyResult<$answer> {
                self.0.cp::<$face>(py, source, destination)
            }

            /// Whether there is a file of this name.
            fn exists(&self, py: Python<'_>, name: String) -> PyResult<$answer> {
                self.0.exists::<$face>(py, name)
            }

            /// Says what a file is.
            fn stat(&self, py: Python<'_>, name: String) -> PyResult<$answer> {
                self.0.stat::<$face>(py, name)
            }
        }

        /// An open file.
        #[pyclass(frozen, module = "twinfs._twinfs")]
        pub(crate) struct $file(Opened);

        #[pymethods]
        impl $file {
            /// Reads up to `size` bytes, or to the end.
            #[pyo3(signature = (size=None))]
            fn read(&self, py: Python<'_>, size: Option<i64>) -> PyResult<$answer> {
                self.0.read::<$face>(py, size)
            }

            /// Writes all of the data; gives how many bytes.
            fn write(&self, py: Python<'_>, data: Input) -> PyResult<$answer> {
                self.0.write::<$face>(py, data)
            }

            /// Moves the position; gives the new one.
            #[pyo3(signature = (offset, whence=0))]
            fn seek(&self, py: Python<'_>, offset: i64, whence: i64) -> PyResult<$answer> {
                self.0.seek::<$face>(py, offset, whence)
            }

            /// The position.
            fn tell(&self, py: Python<'_>) -> PyResult<$answer> {
                self.0.tell::<$face>(py)
            }

            /// Stores what was written.
            fn close(&self, py: Python<'_>) -> PyResult<$answer> {
                self.0.close::<$face>(py)
            }

            /// Stores nothing.
            fn abort(&self, py: Python<'_>) -> PyResult<$answer> {
                self.0.abort::<$face>(py)
            }
        }
    };
}

classes!(Sync Py<PyAny>, FileLikeSystem FileLike);
classes!(Async Operation, AsyncFileLikeSystem AsyncFileLike);
