//! Path I/O: what `twinfs.aioftp` stands on. Every method gives an operation to await.

use std::io::SeekFrom;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use futures_util::lock::Mutex;
use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyList, PyString};
use twinfs::pathio::{self, FsPathIo, Listing, MkdirOptions, PathIo as _};
use twinfs::stores::memory::{NodeContent, TreeNode};
use twinfs::{EntryKind, Error, ErrorKind, Existing, FsPath, Metadata, Mode, Parents, Publish};

use crate::arguments::Input;
use crate::engine::{Engine, Way};
use crate::errors::{IntoException, Outcome};
use crate::filesystem::{AsyncFileSystem, SyncFileSystem};
use crate::operation::Operation;
use crate::reading::Content;
use crate::records::{nanoseconds, seconds};
use crate::results::{Deliver, Delivery};

/// What the paths of a path I/O are.
#[derive(Clone, Copy)]
enum Names {
    /// Places in the store.
    Store,
    /// Paths of the operating system; the store is that of `/`.
    Local,
}

impl Names {
    /// The place that a path means; asks the system where that is needed.
    fn place(self, path: &PathText) -> twinfs::Result<FsPath> {
        let PathText { text: path, is_utf8: true } = path else {
            let error = Error::new(ErrorKind::InvalidPath).with_raw_path(&path.text);
            return Err(error.with_message("a path must be UTF-8"));
        };
        match self {
            Self::Local => pathio::local_path(Path::new(&**path)),
            // What pathlib makes of the empty path.
            Self::Store if **path == *"." => Ok(FsPath::root()),
            Self::Store => FsPath::new(path),
        }
    }

    /// The place that a path means, where the system need not be asked for it.
    fn place_at_once(self, path: &PathText) -> Option<FsPath> {
        let looks_up = matches!(self, Self::Local) && path.text.split('/').any(|part| part == "..");
        if looks_up { None } else { self.place(path).ok() }
    }
}

/// A file system as an FTP server uses it.
///
/// `atomic=True` publishes files when they are closed, otherwise they are written in place where the
/// store can. `calling=True` does operations on local disk in the thread that awaits them; `local=True`
/// takes paths of the operating system and goes with a file system of `/`.
#[pyclass(frozen, module = "twinfs._twinfs")]
pub(crate) struct PathIo {
    io: FsPathIo,
    way: Way,
    names: Names,
}

impl PathIo {
    /// An operation on one path.
    fn on<T, F>(
        &self,
        name: &'static str,
        path: PathText,
        body: impl FnOnce(FsPathIo, FsPath) -> F + Send + 'static,
    ) -> Operation
    where
        T: Deliver,
        F: Future<Output = twinfs::Result<T>> + Send,
    {
        let (io, names) = (self.io.clone(), self.names);
        self.way.operation(name, async move { Ok(body(io, names.place(&path)?).await?) })
    }

    /// A look at one path, which may be answered where it is awaited: `seen` says what the answer is
    /// there, `body` what it is elsewhere.
    fn look<T, F>(
        &self,
        name: &'static str,
        path: PathText,
        seen: fn(Metadata) -> T,
        body: impl FnOnce(FsPathIo, twinfs::Result<FsPath>) -> F + Send + 'static,
    ) -> Operation
    where
        T: Deliver,
        F: Future<Output = twinfs::Result<T>> + Send + 'static,
    {
        let names = self.names;
        self.way.attempted(
            name,
            (self.io.clone(), path),
            move |_, (io, path)| io.fs().try_stat(names.place_at_once(path)?).map(seen),
            move |(io, path)| async move { Ok(body(io, names.place(&path)).await?) },
        )
    }
}

/// What is asked of a place; `no` where the path is none.
async fn unless_nowhere<F: Future<Output = twinfs::Result<bool>>>(
    place: twinfs::Result<FsPath>,
    ask: impl FnOnce(FsPath) -> F,
) -> twinfs::Result<bool> {
    match place {
        Ok(place) => ask(place).await,
        Err(error) if is_nowhere(error.kind()) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether an error of looking a path up means that nothing is there.
fn is_nowhere(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::InvalidPath | ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// The text of a path, before it is one.
struct PathText {
    text: Box<str>,
    /// Else some of it is not what the caller gave: lone surrogates, which os.fsdecode makes of bytes
    /// that are not UTF-8.
    is_utf8: bool,
}

impl FromPyObject<'_, '_> for PathText {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let py = object.py();
        static FSPATH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let text = match object.cast::<PyString>() {
            Ok(text) => text.to_owned(),
            Err(_) => FSPATH.import(py, "os", "fspath")?.call1((object,))?.cast_into::<PyString>()?,
        };
        Ok(match text.to_cow() {
            Ok(utf8) => Self { text: utf8.into(), is_utf8: true },
            Err(_) => Self { text: text.to_string_lossy().into(), is_utf8: false },
        })
    }
}

#[pymethods]
impl PathIo {
    #[new]
    #[allow(clippy::fn_params_excessive_bools, reason = "they are keywords in Python")]
    #[pyo3(signature = (fs, *, atomic=false, calling=false, local=false))]
    fn new(fs: &Bound<'_, PyAny>, atomic: bool, calling: bool, local: bool) -> PyResult<Self> {
        let engine: Engine = match fs.cast::<AsyncFileSystem>() {
            Ok(fs) => fs.get().engine()?.clone(),
            Err(_) => fs.cast::<SyncFileSystem>()?.get().engine()?.clone(),
        };
        let io = FsPathIo::new(engine.fs().clone());
        Ok(Self {
            io: if atomic { io.publish(Publish::Staged) } else { io },
            way: if calling && engine.way() == Way::Pool { Way::Calling } else { engine.way() },
            names: if local { Names::Local } else { Names::Store },
        })
    }

    /// Whether anything is at a path.
    fn exists(&self, path: PathText) -> Operation {
        self.look(
            "exists",
            path,
            |_| true,
            |io, place| async move { unless_nowhere(place, |path| io.exists(path)).await },
        )
    }

    /// Whether a regular file is at a path.
    fn is_file(&self, path: PathText) -> Operation {
        self.look(
            "is_file",
            path,
            |found| found.is_file(),
            |io, place| async move { unless_nowhere(place, |path| io.is_file(path)).await },
        )
    }

    /// Whether a directory is at a path.
    fn is_dir(&self, path: PathText) -> Operation {
        self.look(
            "is_dir",
            path,
            |found| found.is_dir(),
            |io, place| async move { unless_nowhere(place, |path| io.is_dir(path)).await },
        )
    }

    /// Makes a directory.
    #[allow(clippy::fn_params_excessive_bools, reason = "they are keywords in Python")]
    fn mkdir(&self, path: PathText, parents: bool, exist_ok: bool) -> Operation {
        let options = MkdirOptions {
            parents: if parents { Parents::Create } else { Parents::Require },
            existing: if exist_ok { Existing::Keep } else { Existing::Refuse },
        };
        self.on("mkdir", path, move |io, path| async move { io.mkdir(path, &options).await })
    }

    /// Removes an empty directory.
    fn rmdir(&self, path: PathText) -> Operation {
        self.on("rmdir", path, |io, path| async move { io.rmdir(path).await })
    }

    /// Removes a file.
    fn unlink(&self, path: PathText) -> Operation {
        self.on("unlink", path, |io, path| async move { io.unlink(path).await })
    }

    /// Starts a listing of the names in a directory.
    fn list(&self, path: PathText) -> PathListing {
        let (io, names) = (self.io.clone(), self.names);
        let start = Start { io, names, path };
        PathListing { names: Arc::new(Mutex::new(NameSource::New(start))), way: self.way }
    }

    /// Says what stands at a path, as an `os.stat_result`.
    fn stat(&self, path: PathText) -> Operation {
        self.look("stat", path, Stat, |io, place| async move { io.stat(place?).await.map(Stat) })
    }

    /// Size, times in seconds (inode, then content), links and mode of what stands at a path.
    fn facts(&self, path: PathText) -> Operation {
        self.look("facts", path, Facts, |io, place| async move { io.stat(place?).await.map(Facts) })
    }

    /// Moves a file or directory; the directory above the destination must be there.
    fn rename(&self, source: PathText, destination: PathText) -> Operation {
        let names = self.names;
        self.on("rename", source, move |io, source| async move {
            io.rename(source, names.place(&destination)?).await.map(drop)
        })
    }

    /// Opens a file.
    fn open(&self, path: PathText, mode: &str) -> PyResult<Operation> {
        let mode: Mode = mode.parse().map_err(IntoException::into_exception)?;
        let way = self.way;
        Ok(self.on("open", path, move |io, path| async move {
            let file = io.open_file(path, mode).await?;
            Ok(OpenedPath(Some(PathFile { io, file: Arc::new(Mutex::new(Some(file))), way })))
        }))
    }

    /// What stands at a path of a tree in memory, with everything below it: name, time in seconds,
    /// and `bytes` or a list. `None` for nothing.
    fn node(&self, py: Python<'_>, path: PathText) -> PyResult<Py<PyAny>> {
        let Some(memory) = self.io.fs().store().memory() else {
            let message = "only a tree in memory can be looked at as a whole";
            return Err(Error::new(ErrorKind::Unsupported).with_message(message).into_exception());
        };
        let node = self.names.place(&path).ok().and_then(|path| memory.node(path));
        node.map_or_else(|| Ok(py.None()), |node| node_object(py, &node))
    }
}

fn node_object(py: Python<'_>, node: &TreeNode) -> PyResult<Py<PyAny>> {
    let content = match &node.content {
        NodeContent::File(bytes) => PyBytes::new(py, bytes).into_any(),
        NodeContent::Directory(children) => {
            let list = PyList::empty(py);
            for child in children {
                list.append(node_object(py, child)?)?;
            }
            list.into_any()
        }
    };
    (node.name.as_str(), seconds(nanoseconds(node.modified)), content).into_py_any(py)
}

/// What stands at a path, in the few numbers that a server needs.
struct Facts(Metadata);

impl Deliver for Facts {
    fn deliver(&mut self, py: Python<'_>, _until: Option<Instant>) -> Delivery {
        let [modified, changed] = times(&self.0).map(|time| time.div_euclid(1_000_000_000));
        let facts = (self.0.len, changed, modified, self.0.links.unwrap_or(1), mode_of(&self.0));
        Delivery::Done(facts.into_py_any(py))
    }
}

/// When the content and the inode last changed, in nanoseconds. A store that knows one of the two
/// gives it for both.
fn times(metadata: &Metadata) -> [i64; 2] {
    let known = [metadata.modified.or(metadata.changed), metadata.changed.or(metadata.modified)];
    known.map(|time| time.map_or(0, nanoseconds))
}

/// Type and permissions, as `st_mode` has them.
fn mode_of(metadata: &Metadata) -> u32 {
    let permissions = metadata.mode.unwrap_or(if metadata.is_dir() { 0o777 } else { 0o666 });
    file_type(metadata.kind) | (permissions & 0o7777)
}

/// What stands at a path, as an `os.stat_result`.
struct Stat(Metadata);

/// The type of a file in `st_mode` (`stat(2)`).
fn file_type(kind: EntryKind) -> u32 {
    match kind {
        EntryKind::File => 0o100_000,
        EntryKind::Directory => 0o040_000,
        EntryKind::Symlink => 0o120_000,
        _ => 0,
    }
}

impl Deliver for Stat {
    fn deliver(&mut self, py: Python<'_>, _until: Option<Instant>) -> Delivery {
        let metadata = &self.0;
        let [modified, changed] = times(metadata);
        // As `stat(2)` has them: inode, device, owner and group are nothing that a store knows.
        let links = metadata.links.and_then(|links| i64::try_from(links).ok()).unwrap_or(1);
        let size = i64::try_from(metadata.len).unwrap_or(i64::MAX);
        let numbers = [i64::from(mode_of(metadata)), 0, 0, links, 0, 0, size];
        Delivery::Done(stat_result(py, numbers, [modified, modified, changed]))
    }
}

/// The object, from the numbers of a file and its times in nanoseconds: access, content, inode.
fn stat_result(py: Python<'_>, numbers: [i64; 7], times: [i64; 3]) -> PyResult<Py<PyAny>> {
    static STAT_RESULT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let fields = PyList::new(py, numbers)?;
    for time in times {
        fields.append(time.div_euclid(1_000_000_000))?;
    }
    for time in times {
        fields.append(seconds(time))?;
    }
    for time in times {
        fields.append(time)?;
    }
    Ok(STAT_RESULT.import(py, "os", "stat_result")?.call1((fields,))?.unbind())
}

/// An open file on its way to Python.
struct OpenedPath(Option<PathFile>);

impl Deliver for OpenedPath {
    fn deliver(&mut self, py: Python<'_>, _until: Option<Instant>) -> Delivery {
        Delivery::Done(self.0.take().into_py_any(py))
    }
}

/// An open file. Calls on it come one after the other, in whatever tasks they are made.
#[pyclass(frozen, module = "twinfs._twinfs")]
pub(crate) struct PathFile {
    io: FsPathIo,
    file: Shared,
    way: Way,
}

/// None after a call of `close` that was cancelled.
type Shared = Arc<Mutex<Option<pathio::PathFile>>>;

fn still_open(file: &mut Option<pathio::PathFile>) -> twinfs::Result<&mut pathio::PathFile> {
    file.as_mut().ok_or_else(|| {
        Error::new(ErrorKind::Closed)
            .with_message("the call that closed the file was cancelled; what was not published is dropped")
    })
}

/// The end of a file. It comes also if the call is cancelled, whatever still refers to the object:
/// a traceback does, and no descriptor is to stay open for one.
struct Closing {
    file: Shared,
    done: bool,
}

impl Closing {
    async fn close(mut self, io: FsPathIo) -> twinfs::Result<()> {
        let result = match still_open(&mut *self.file.lock().await) {
            Ok(file) => io.close(file).await,
            Err(error) => Err(error),
        };
        self.done = true;
        result
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        // Of a call that is under way the last one of its references lets go of the file.
        if let (false, Some(mut file)) = (self.done, self.file.try_lock()) {
            drop(file.take());
        }
    }
}

/// One method of an open file.
macro_rules! on_file {
    ($this:ident, $name:literal, |$io:ident, $file:ident| $body:expr) => {{
        let ($io, file) = ($this.io.clone(), Arc::clone(&$this.file));
        $this.way.operation($name, async move {
            let mut guard = file.lock().await;
            let $file = still_open(&mut guard)?;
            Outcome::Ok($body)
        })
    }};
}

#[pymethods]
impl PathFile {
    /// Reads up to `size` bytes, all there are with -1; empty at the end.
    #[pyo3(signature = (size=-1), text_signature = "($self, size=-1)")]
    fn read(&self, size: i64) -> Operation {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let arguments = (self.io.clone(), Arc::clone(&self.file));
        self.way.attempted(
            "read",
            arguments,
            move |_, (_, file)| file.try_lock()?.as_mut()?.try_read(size).map(Content::from),
            move |(io, file)| async move {
                let mut file = file.lock().await;
                Ok(Content::from(io.read(still_open(&mut file)?, size).await?))
            },
        )
    }

    /// Writes all of the data; gives how many bytes.
    fn write(&self, data: Input) -> Operation {
        on_file!(self, "write", |io, file| io.write(file, data.data()).await?)
    }

    /// Moves the position, in bytes; gives the new one from the start.
    #[pyo3(signature = (offset, whence=0))]
    fn seek(&self, offset: i64, whence: u8) -> PyResult<Operation> {
        let refused = |message| Error::new(ErrorKind::InvalidInput).with_message(message).into_exception();
        let to = match whence {
            0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| refused("negative seek position"))?),
            1 => SeekFrom::Current(offset),
            2 => SeekFrom::End(offset),
            _ => return Err(refused("whence is 0, 1 or 2")),
        };
        Ok(on_file!(self, "seek", |io, file| io.seek(file, to).await?))
    }

    /// Closes the file; what is published on close is then. Cancelled, it closes the file, too, and
    /// what is not published yet is dropped.
    fn close(&self) -> Operation {
        let closing = Closing { file: Arc::clone(&self.file), done: false };
        let io = self.io.clone();
        self.way.operation("close", async move { Outcome::Ok(closing.close(io).await?) })
    }

    /// Closes the file and drops what is not published yet.
    fn abort(&self) -> Operation {
        on_file!(self, "abort", |_io, file| file.abort().await?)
    }
}

/// How many names a page holds.
const PAGE: usize = 1000;

/// A listing under way.
#[pyclass(frozen, module = "twinfs._twinfs")]
pub(crate) struct PathListing {
    names: Arc<Mutex<NameSource>>,
    way: Way,
}

/// Where the names come from.
enum NameSource {
    New(Start),
    Open(Listing),
    Ended,
}

struct Start {
    io: FsPathIo,
    names: Names,
    path: PathText,
}

impl NameSource {
    /// The next names; none at the end.
    async fn page(&mut self) -> twinfs::Result<Vec<String>> {
        let mut listing = match std::mem::replace(self, Self::Ended) {
            Self::Ended => return Ok(Vec::new()),
            Self::Open(listing) => listing,
            Self::New(start) => match start.names.place(&start.path) {
                Ok(path) => start.io.list(path),
                Err(error) if is_nowhere(error.kind()) => return Ok(Vec::new()),
                Err(error) => return Err(error),
            },
        };
        let mut page = Vec::new();
        while page.len() < PAGE {
            match listing.next().await {
                Some(path) => page.push(path?.name().to_owned()),
                None => return Ok(page),
            }
        }
        *self = Self::Open(listing);
        Ok(page)
    }
}

#[pymethods]
impl PathListing {
    /// The next names, in order; an empty list at the end.
    fn next_page(&self) -> Operation {
        let names = Arc::clone(&self.names);
        self.way.operation("next_page", async move { Ok(PageOfNames(names.lock().await.page().await?)) })
    }
}

struct PageOfNames(Vec<String>);

impl Deliver for PageOfNames {
    fn deliver(&mut self, py: Python<'_>, _until: Option<Instant>) -> Delivery {
        Delivery::Done(std::mem::take(&mut self.0).into_py_any(py))
    }
}
