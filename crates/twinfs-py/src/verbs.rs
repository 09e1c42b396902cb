//! The verbs of a file system: each is one function from owned arguments to an owned result, and
//! [`verb!`] makes the sync method and the asyncio method of it.

use std::ops::Range;

use pyo3::prelude::*;
use twinfs::adapters::ready;
use twinfs::{
    ByteRange, CreateDirOptions, Error, ErrorKind, Existing, FsPath, ListOptions, Mode, MoveOptions,
    OpenOptions, Parents, ReadOptions, RemoveOptions, StageOptions, StagedId, StatOptions, Version,
    WriteItem, WriteOptions,
};

use crate::arguments::{
    DurabilityArgument, Failures, FailuresArgument, Input, ItemsArgument, LeaseArgument, ParentsArgument,
    PathArgument, PathsArgument, PublishArgument, StagedArgument, condition, durability, range, seconds,
};
use crate::engine::{Engine, Length, Way};
use crate::errors::{Conditioned, Outcome, is_if_absent};
use crate::filesystem::{AsyncFileSystem, SyncFileSystem};
use crate::handle::Opened;
use crate::listing::list_options;
use crate::operation::Operation;
use crate::reading::{Read, SMALL_READ};
use crate::results::Many;

/// One verb: its function and the two methods. The block `at_once` answers without waiting, or not; it
/// has the arguments by reference. The block `in_lane` says which operations wait for each other.
macro_rules! verb {
    ($(#[$attribute:meta])*
     $length:ident $name:ident($fs:ident $(, $argument:ident: $ty:ty)* $(,)?) -> $result:ty $body:block
     $(at_once $attempt:block)? $(in_lane $lane:block)?) => {
        async fn $name($fs: Engine $(, $argument: $ty)*) -> Outcome<$result> $body

        #[pymethods]
        impl SyncFileSystem {
            $(#[$attribute])*
            fn $name(&self, py: Python<'_> $(, $argument: $ty)*) -> PyResult<Py<PyAny>> {
                let engine = self.engine()?;
                engine.way().call(py, Length::$length, $name(engine.clone() $(, $argument)*))
            }
        }

        #[pymethods]
        impl AsyncFileSystem {
            $(#[$attribute])*
            fn $name(&self $(, $argument: $ty)*) -> PyResult<Operation> {
                let engine = self.engine()?;
                let lane = None;
                $(let lane = {
                    let $fs = &engine;
                    $lane.or(lane)
                };)?
                let arguments = (engine.clone(), $($argument),*);
                Ok(operation!($name engine, arguments, ($fs, $($argument),*) $($attempt)?).in_lane(lane))
            }
        }
    };
}

/// The operation of an asyncio method, with an attempt or without.
macro_rules! operation {
    ($name:ident $engine:expr, $arguments:expr, ($($argument:ident),* $(,)?)) => {{
        let ($($argument,)*) = $arguments;
        $engine.way().operation(stringify!($name), $name($($argument),*))
    }};
    ($name:ident $engine:expr, $arguments:expr, ($($argument:ident),* $(,)?) $attempt:block) => {
        $engine.way().attempted(
            stringify!($name),
            $arguments,
            |_, ($($argument,)*)| $attempt,
            |($($argument,)*)| $name($($argument),*),
        )
    };
}

verb! {
    /// Says what stands at a path: kind, size, times. Links are followed.
    ///
    /// `version=True` asks for the version, too; where the store keeps none that is `Unsupported`.
    ///
    /// Raises NotFound, NotADirectory (a component above is a file), PermissionDenied (a link leads out
    /// of the root), InvalidPath.
    ///
    /// >>> fs.write("a.txt", b"hello")
    /// Metadata(kind='file', size=5)
    /// >>> fs.stat("a.txt").size
    /// 5
    #[pyo3(signature = (path, *, version=false))]
    Short stat(fs, path: PathArgument, version: bool) -> twinfs::Metadata {
        Ok(fs.stat_with(path.0, &StatOptions { version }).await?)
    } at_once {
        if *version { None } else { fs.try_stat(&path.0) }
    }
}

verb! {
    /// `stat` for many paths in one call; results in the order of the paths.
    ///
    /// Raises the first error, or puts each into the list with `on_error="return"`.
    ///
    /// >>> fs.stat_many(["no-such-file"], on_error="return")
    /// [NotFound(2, 'not found')]
    #[pyo3(signature = (paths, *, version=false, on_error=FailuresArgument(Failures::Raise)),
           text_signature = "($self, paths, *, version=False, on_error='raise')")]
    Long stat_many(fs, paths: PathsArgument, version: bool, on_error: FailuresArgument) -> Many<twinfs::Metadata> {
        let (paths, options) = (paths.0, StatOptions { version });
        if fs.way() != Way::Pool {
            return Ok(Many::new(fs.stat_many(&paths, &options).await?, on_error.0));
        }
        Ok(Many::in_portions(paths.len(), on_error.0, move |range| {
            ready(fs.stat_many(portion(&paths, range), &options))
        }))
    }
}

verb! {
    /// Whether anything is at a path. A link that leads nowhere is nothing.
    ///
    /// Raises InvalidPath, PermissionDenied; never NotFound.
    ///
    /// >>> fs.exists("no-such-file")
    /// False
    Short exists(fs, path: PathArgument) -> bool { Ok(fs.exists(path.0).await?) }
    at_once { fs.try_stat(&path.0).map(|_| true) }
}

verb! {
    /// Whether a regular file is at a path.
    ///
    /// Raises as `exists`.
    ///
    /// >>> fs.is_file("no-such-file")
    /// False
    Short is_file(fs, path: PathArgument) -> bool { Ok(fs.is_file(path.0).await?) }
    at_once { fs.try_stat(&path.0).map(|found| found.is_file()) }
}

verb! {
    /// Whether a directory is at a path.
    ///
    /// Raises as `exists`.
    ///
    /// >>> fs.is_dir("")
    /// True
    Short is_dir(fs, path: PathArgument) -> bool { Ok(fs.is_dir(path.0).await?) }
    at_once { fs.try_stat(&path.0).map(|found| found.is_dir()) }
}

verb! {
    /// Reads a file, or the bytes from `start` up to, not including, `end`.
    ///
    /// A negative `start` alone means the last so many bytes. What lies past the end is cut off.
    ///
    /// Raises NotFound, IsADirectory, NotADirectory, PermissionDenied, InvalidPath; ConditionFailed if the
    /// file does not have the version `if_version`.
    ///
    /// >>> _ = fs.write("a.txt", b"hello")
    /// >>> fs.read("a.txt")
    /// b'hello'
    /// >>> fs.read("a.txt", 1, 3), fs.read("a.txt", -2)
    /// (b'el', b'lo')
    #[pyo3(signature = (path, start=None, end=None, *, if_version=None))]
    Short read(fs, path: PathArgument, start: Option<i64>, end: Option<i64>, if_version: Option<String>) -> Read {
        let range = range(start, end)?;
        if range == ByteRange::Full && if_version.is_none() && fs.way() == Way::Pool {
            return read_whole(&fs, &path.0).await;
        }
        let options = ReadOptions { range, if_version: if_version.map(Version::new) };
        Ok(Read::from(fs.read_with(path.0, &options).await?))
    } at_once {
        let range = range(*start, *end).ok().filter(|_| if_version.is_none())?;
        fs.try_read(&path.0, range).map(Read::from)
    }
}

/// Reads a whole file. A large one is opened instead, and then read into the very object that
/// Python gets: it takes its memory once.
async fn read_whole(fs: &Engine, path: &FsPath) -> Outcome<Read> {
    let start = fs.read_range(path, 0..SMALL_READ + 1).await?;
    if start.len() as u64 <= SMALL_READ {
        return Ok(Read::from(start));
    }
    drop(start);
    let file = fs.open(path, Mode::Read).await?;
    let len =
        usize::try_from(file.len().await?).map_err(|_| Error::new(ErrorKind::TooLarge).with_path(path))?;
    Ok(Read::large(file, len))
}

verb! {
    /// Reads many files in one call, side by side where the store gains from it; results in the order
    /// of the paths.
    ///
    /// Raises the first error, or puts each into the list with `on_error="return"`.
    ///
    /// >>> _ = fs.write_many({"a": b"1", "b": b"2"})
    /// >>> fs.read_many(["a", "b"])
    /// [b'1', b'2']
    #[pyo3(signature = (paths, *, on_error=FailuresArgument(Failures::Raise)),
           text_signature = "($self, paths, *, on_error='raise')")]
    Long read_many(fs, paths: PathsArgument, on_error: FailuresArgument) -> Many<bytes::Bytes> {
        let paths = paths.0;
        if fs.way() != Way::Pool {
            return Ok(Many::new(fs.read_many(&paths).await?, on_error.0));
        }
        Ok(Many::in_portions(paths.len(), on_error.0, move |range| ready(fs.read_many(portion(&paths, range)))))
    }
}

verb! {
    /// Writes a whole file: a reader sees the old or the new content, never a part. Missing
    /// directories are created unless `parents="require"`. The last writer wins, unless `if_absent`, or
    /// `if_version` with a version that `stat` or an earlier write gave, says otherwise.
    ///
    /// `data` is any object with the buffer protocol and is not copied. `durability` is `"none"`, `"file"`
    /// or `"full"`; without it the store's own setting holds.
    ///
    /// Raises IsADirectory, NotADirectory, NoSpace, TooLarge, PermissionDenied, InvalidPath; ConditionFailed;
    /// NotFound for a missing parent; Unsupported for what the store does not have. Nothing is changed then.
    /// Cancelled before it was published, it changes nothing and leaves nothing behind.
    ///
    /// >>> fs.write("new/folder/a.txt", b"hello")
    /// Metadata(kind='file', size=5)
    /// >>> fs.write("new/folder/a.txt", b"again", if_absent=True)
    /// Traceback (most recent call last):
    ///     ...
    /// twinfs.errors.AbsenceConditionFailed: write 'new/folder/a.txt' [memory]: condition failed...
    #[pyo3(signature = (path, data, *, if_absent=false, if_version=None, durability=None, parents=None))]
    Short write(
        fs, path: PathArgument, data: Input, if_absent: bool, if_version: Option<String>,
        durability: Option<DurabilityArgument>, parents: Option<ParentsArgument>
    ) -> twinfs::Metadata {
        let options = write_options(if_absent, if_version, durability, parents)?;
        fs.write_with(path.0, data.data(), &options).await.under(if_absent)
    } in_lane {
        let options = WriteOptions { durability: self::durability(durability), ..Default::default() };
        fs.write_lane(&path.0, data.data().len(), &options)
    }
}

verb! {
    /// Writes many files in one call, each whole by itself: a mapping of paths to data, or pairs.
    ///
    /// Options as of `write`. Raises the first error, or puts each into the list with
    /// `on_error="return"`; what was written stays.
    ///
    /// >>> [written.size for written in fs.write_many({"a": b"1", "b": b"22"})]
    /// [1, 2]
    #[pyo3(signature = (items, *, if_absent=false, if_version=None, durability=None, parents=None,
                        on_error=FailuresArgument(Failures::Raise)),
           text_signature = "($self, items, *, if_absent=False, if_version=None, durability=None, parents=None, on_error='raise')")]
    Long write_many(
        fs, items: ItemsArgument, if_absent: bool, if_version: Option<String>,
        durability: Option<DurabilityArgument>, parents: Option<ParentsArgument>, on_error: FailuresArgument
    ) -> Many<twinfs::Metadata> {
        let options = write_options(if_absent, if_version, durability, parents)?;
        let items = items.0;
        let bytes: usize = items.iter().map(|(_, data)| data.data().len()).sum();
        if fs.way() != Way::Pool || bytes / items.len().max(1) < LARGE {
            let written = fs.write_many(&write_items(&items), &options).await.under(if_absent)?;
            return Ok(Many::new(written, on_error.0).under(if_absent));
        }
        let many = Many::in_portions(items.len(), on_error.0, move |range| {
            ready(fs.write_many(&write_items(portion(&items, range)), &options))
        });
        Ok(many.under(if_absent))
    }
}

/// From this size on, contents are left where they are and portions of them go to workers. Those of
/// smaller files the store copies and spreads itself: it knows which of them would wait for each other.
const LARGE: usize = 32 * 1024;

/// The items as the library takes them: the data stays where it is.
fn write_items(items: &[(FsPath, Input)]) -> Vec<WriteItem<'_>> {
    items.iter().map(|(path, data)| WriteItem { path: path.clone(), data: data.data() }).collect()
}

/// The items of a range, which lies within them.
fn portion<T>(items: &[T], range: Range<usize>) -> &[T] {
    items.get(range).unwrap_or_default()
}

fn write_options(
    if_absent: bool,
    if_version: Option<String>,
    sync: Option<DurabilityArgument>,
    parents: Option<ParentsArgument>,
) -> twinfs::Result<WriteOptions> {
    Ok(WriteOptions {
        condition: condition(if_absent, if_version)?,
        durability: durability(sync),
        parents: parents.map_or(Parents::Create, |parents| parents.0),
    })
}

verb! {
    /// The entries of a directory as a list, in order: bytes of the full path, a directory counted as
    /// its name and `/`. A file is listed as itself.
    ///
    /// `detail=True` gives each entry its metadata, `recursive=True` lists everything below,
    /// `ordered=False` takes the store's own order, `start_after` is a full path to go on after.
    ///
    /// Raises NotFound.
    ///
    /// >>> _ = fs.write_many({"in/b/c": b"", "in/a": b"xyz"})
    /// >>> [entry.path for entry in fs.list("in")]
    /// ['in/a', 'in/b']
    /// >>> fs.list("in", detail=True)[0].size
    /// 3
    #[pyo3(signature = (path=PathArgument(FsPath::root()), *, detail=false, recursive=false, ordered=true,
                        start_after=None),
           text_signature = "($self, path='', *, detail=False, recursive=False, ordered=True, start_after=None)")]
    Long list(
        fs, path: PathArgument, detail: bool, recursive: bool, ordered: bool, start_after: Option<String>
    ) -> Many<twinfs::Entry> {
        let options: ListOptions = list_options(detail, recursive, ordered, start_after);
        Ok(Many::all(fs.entries(path.0, &options).await?.collect_all().await?))
    }
}

verb! {
    /// Creates a directory. `parents=True` creates missing ones above it, `exist_ok=True` takes one that is
    /// there already.
    ///
    /// Raises AlreadyExists, NotFound (the parent), NotADirectory.
    ///
    /// >>> fs.create_dir("reports")
    /// >>> fs.create_dir("reports")
    /// Traceback (most recent call last):
    ///     ...
    /// twinfs.errors.AlreadyExists: create_dir 'reports' [memory]: already exists
    #[pyo3(signature = (path, *, parents=ParentsArgument(Parents::Require), exist_ok=false, durability=None),
           text_signature = "($self, path, *, parents=False, exist_ok=False, durability=None)")]
    Short create_dir(
        fs, path: PathArgument, parents: ParentsArgument, exist_ok: bool, durability: Option<DurabilityArgument>
    ) -> () {
        let existing = if exist_ok { Existing::Keep } else { Existing::Refuse };
        let durability = crate::arguments::durability(durability);
        let options = CreateDirOptions { parents: parents.0, existing, durability };
        Ok(fs.create_dir_with(path.0, &options).await?)
    }
}

verb! {
    /// Creates a directory and those above it; one that is there already is fine.
    ///
    /// Raises AlreadyExists or NotADirectory where a file is in the way.
    ///
    /// >>> fs.create_dir_all("deep/down/here")
    /// >>> fs.create_dir_all("deep/down/here")
    #[pyo3(signature = (path, *, durability=None))]
    Short create_dir_all(fs, path: PathArgument, durability: Option<DurabilityArgument>) -> () {
        let durability = crate::arguments::durability(durability);
        let options = CreateDirOptions { parents: Parents::Create, existing: Existing::Keep, durability };
        Ok(fs.create_dir_with(path.0, &options).await?)
    }
}

verb! {
    /// Removes a file, or a link itself.
    ///
    /// Raises NotFound, IsADirectory.
    ///
    /// >>> _ = fs.write("a", b"")
    /// >>> fs.remove("a")
    #[pyo3(signature = (path, *, durability=None))]
    Short remove(fs, path: PathArgument, durability: Option<DurabilityArgument>) -> () {
        Ok(fs.remove_with(path.0, &remove_options(durability)).await?)
    }
}

verb! {
    /// Removes an empty directory.
    ///
    /// Raises NotFound, NotADirectory, NotEmpty; InvalidInput for the root.
    ///
    /// >>> fs.create_dir("empty")
    /// >>> fs.remove_dir("empty")
    #[pyo3(signature = (path, *, durability=None))]
    Short remove_dir(fs, path: PathArgument, durability: Option<DurabilityArgument>) -> () {
        Ok(fs.remove_dir_with(path.0, &remove_options(durability)).await?)
    }
}

verb! {
    /// Removes a file, or a directory with everything in it; of the root: everything in it. Links are
    /// removed, never followed.
    ///
    /// Raises NotFound, PermissionDenied. Cancelled, or failed half-way, what was removed stays removed.
    ///
    /// >>> _ = fs.write("tree/b/c", b"")
    /// >>> fs.remove_all("tree")
    /// >>> fs.exists("tree")
    /// False
    #[pyo3(signature = (path, *, durability=None))]
    Long remove_all(fs, path: PathArgument, durability: Option<DurabilityArgument>) -> () {
        Ok(fs.remove_all_with(path.0, &remove_options(durability)).await?)
    }
}

fn remove_options(sync: Option<DurabilityArgument>) -> RemoveOptions {
    RemoveOptions { durability: durability(sync) }
}

fn move_options(
    if_absent: bool,
    if_version: Option<String>,
    sync: Option<DurabilityArgument>,
    parents: Option<ParentsArgument>,
) -> twinfs::Result<MoveOptions> {
    Ok(MoveOptions {
        condition: condition(if_absent, if_version)?,
        durability: durability(sync),
        parents: parents.map_or(Parents::Create, |parents| parents.0),
    })
}

verb! {
    /// Moves a file, link or directory. A file at the destination is replaced, unless `if_absent` or
    /// `if_version` says otherwise; missing directories above it are created.
    ///
    /// Raises NotFound, IsADirectory, NotADirectory, NotEmpty, ConditionFailed; InvalidInput for a directory
    /// into itself.
    ///
    /// >>> _ = fs.write("old", b"1")
    /// >>> fs.rename("old", "new/name")
    /// >>> fs.read("new/name")
    /// b'1'
    #[pyo3(signature = (source, destination, *, if_absent=false, if_version=None, durability=None, parents=None))]
    Short rename(
        fs, source: PathArgument, destination: PathArgument, if_absent: bool, if_version: Option<String>,
        durability: Option<DurabilityArgument>, parents: Option<ParentsArgument>
    ) -> () {
        let options = move_options(if_absent, if_version, durability, parents)?;
        fs.rename_with(source.0, destination.0, &options).await.under(if_absent)
    }
}

verb! {
    /// Copies a file, whole, inside the store. Options as of `rename`.
    ///
    /// Raises NotFound, IsADirectory, NoSpace, ConditionFailed.
    ///
    /// >>> _ = fs.write("a", b"1")
    /// >>> fs.copy("a", "b")
    /// Metadata(kind='file', size=1)
    #[pyo3(signature = (source, destination, *, if_absent=false, if_version=None, durability=None, parents=None))]
    Long copy(
        fs, source: PathArgument, destination: PathArgument, if_absent: bool, if_version: Option<String>,
        durability: Option<DurabilityArgument>, parents: Option<ParentsArgument>
    ) -> twinfs::Metadata {
        let options = move_options(if_absent, if_version, durability, parents)?;
        fs.copy_with(source.0, destination.0, &options).await.under(if_absent)
    }
}

verb! {
    /// Counts the bytes, files and directories below a path.
    ///
    /// Raises NotFound.
    ///
    /// >>> _ = fs.write("counted/b", b"123")
    /// >>> fs.disk_usage("counted").bytes
    /// 3
    #[pyo3(signature = (path=PathArgument(FsPath::root())), text_signature = "($self, path='')")]
    Long disk_usage(fs, path: PathArgument) -> twinfs::DiskUsage { Ok(fs.disk_usage(path.0).await?) }
}

verb! {
    /// Makes an empty staged upload and gives its id: bytes on their way in that outlive handle and
    /// process, show in no listing, and become a file by `publish`. It is kept at least `keep` seconds.
    ///
    /// Raises Unsupported, NoSpace.
    ///
    /// >>> upload = fs.stage()
    /// >>> with fs.reopen(upload) as handle:
    /// ...     _ = handle.write(b"hello")
    /// >>> _ = fs.publish(upload, "uploaded")
    /// >>> fs.read("uploaded")
    /// b'hello'
    #[pyo3(signature = (*, keep=86400.0))]
    Short stage(fs, keep: f64) -> StagedId { Ok(fs.stage(&StageOptions { keep: seconds(keep)? }).await?) }
}

verb! {
    /// Publishes a staged upload at a path. Of several calls at once, one finds the upload. Options as
    /// of `write`.
    ///
    /// Raises NotFound for the upload; otherwise as `write`, and the upload is kept.
    ///
    /// >>> fs.publish(fs.stage(), "empty")
    /// Metadata(kind='file', size=0)
    #[pyo3(signature = (id, path, *, if_absent=false, if_version=None, durability=None, parents=None))]
    Short publish(
        fs, id: StagedArgument, path: PathArgument, if_absent: bool, if_version: Option<String>,
        durability: Option<DurabilityArgument>, parents: Option<ParentsArgument>
    ) -> twinfs::Metadata {
        let options = write_options(if_absent, if_version, durability, parents)?;
        fs.publish(&id.0, path.0, &options).await.under(if_absent)
    }
}

verb! {
    /// Removes a staged upload.
    ///
    /// Raises NotFound.
    ///
    /// >>> fs.discard(fs.stage())
    Short discard(fs, id: StagedArgument) -> () { Ok(fs.discard(&id.0).await?) }
}

verb! {
    /// All staged uploads, by id.
    ///
    /// Raises Unsupported.
    ///
    /// >>> upload = fs.stage()
    /// >>> [staged.size for staged in fs.list_staged()]
    /// [0]
    Short list_staged(fs) -> Vec<twinfs::Staged> { Ok(fs.list_staged().await?) }
}

verb! {
    /// Opens a handle without a buffer or a position; `open` makes a file object of it.
    #[pyo3(signature = (path, mode, *, publish=None, durability=None, parents=None, lease=None, if_absent=false,
                        if_version=None))]
    Short _open(
        fs, path: PathArgument, mode: String, publish: Option<PublishArgument>,
        durability: Option<DurabilityArgument>, parents: Option<ParentsArgument>, lease: Option<LeaseArgument>,
        if_absent: bool, if_version: Option<String>
    ) -> Opened {
        let options = OpenOptions {
            mode: mode.parse()?,
            publish: publish.map(|publish| publish.0).unwrap_or_default(),
            durability: crate::arguments::durability(durability),
            parents: parents.map_or(Parents::Create, |parents| parents.0),
            lease: lease.map(|lease| lease.0).unwrap_or_default(),
            condition: condition(if_absent, if_version)?,
        };
        let if_absent = is_if_absent(&options.condition);
        let file = fs.open(path.0, &options).await.under(if_absent)?;
        Ok(Opened::new(file, fs.way(), if_absent))
    }
}

verb! {
    /// Opens a handle of a staged upload.
    Short _reopen(fs, id: StagedArgument) -> Opened {
        Ok(Opened::new(fs.reopen(&id.0).await?, fs.way(), false))
    }
}
