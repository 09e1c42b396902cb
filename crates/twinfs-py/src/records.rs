//! What a store says of files, as Python objects.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use twinfs::EntryKind;

/// A time as nanoseconds since 1970, UTC; enough for the years 1678 to 2262.
pub(crate) fn nanoseconds(time: SystemTime) -> i64 {
    let count = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => count(since),
        Err(before) => -count(before.duration()),
    }
}

/// A time in seconds, rounded as `os.stat_result` rounds its `st_mtime`.
#[expect(clippy::cast_precision_loss, reason = "that rounding is what is wanted")]
pub(crate) fn seconds(nanoseconds: i64) -> f64 {
    let (whole, rest) = (nanoseconds.div_euclid(1_000_000_000), nanoseconds.rem_euclid(1_000_000_000));
    whole as f64 + 1e-9 * rest as f64
}

const fn kind_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::Directory => "directory",
        EntryKind::Symlink => "symlink",
        EntryKind::Unrepresentable => "unrepresentable",
        _ => "other",
    }
}

/// The name as it was compiled in, so that a record needs no allocation for it.
fn known_kind(name: &str) -> PyResult<&'static str> {
    let kinds = ["file", "directory", "symlink", "other", "unrepresentable"];
    kinds.into_iter().find(|kind| *kind == name).ok_or_else(|| {
        crate::errors::invalid_input(format!(
            "a kind is one of {}, not '{}'",
            kinds.join(", "),
            name.escape_debug()
        ))
    })
}

/// What stands at a path.
///
/// Times are seconds since 1970, UTC; those in `_ns` are whole nanoseconds. What a store does not
/// know is `None`.
#[pyclass(frozen, eq, hash, module = "twinfs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Metadata {
    /// `"file"`, `"directory"`, `"symlink"`, `"other"` or `"unrepresentable"`.
    #[pyo3(get)]
    kind: &'static str,
    /// Length in bytes; 0 for anything but a file.
    #[pyo3(get)]
    size: u64,
    /// When the content last changed, in nanoseconds.
    #[pyo3(get)]
    modified_ns: Option<i64>,
    /// When the inode last changed, in nanoseconds.
    #[pyo3(get)]
    changed_ns: Option<i64>,
    /// Permission bits.
    #[pyo3(get)]
    mode: Option<u32>,
    /// Number of hard links.
    #[pyo3(get)]
    links: Option<u64>,
    /// The version, where it was asked for and the store keeps versions.
    #[pyo3(get)]
    version: Option<String>,
}

impl From<twinfs::Metadata> for Metadata {
    fn from(metadata: twinfs::Metadata) -> Self {
        Self {
            kind: kind_name(metadata.kind),
            size: metadata.len,
            modified_ns: metadata.modified.map(nanoseconds),
            changed_ns: metadata.changed.map(nanoseconds),
            mode: metadata.mode,
            links: metadata.links,
            version: metadata.version.map(|version| version.as_str().to_owned()),
        }
    }
}

type MetadataFields = (&'static str, u64, Option<i64>, Option<i64>, Option<u32>, Option<u64>, Option<String>);

#[pymethods]
impl Metadata {
    #[new]
    #[pyo3(signature = (kind, size=0, modified_ns=None, changed_ns=None, mode=None, links=None, version=None))]
    fn new(
        kind: &str,
        size: u64,
        modified_ns: Option<i64>,
        changed_ns: Option<i64>,
        mode: Option<u32>,
        links: Option<u64>,
        version: Option<String>,
    ) -> PyResult<Self> {
        Ok(Self { kind: known_kind(kind)?, size, modified_ns, changed_ns, mode, links, version })
    }

    /// When the content last changed, in seconds.
    #[getter]
    fn modified(&self) -> Option<f64> {
        self.modified_ns.map(seconds)
    }

    /// When the inode last changed, in seconds.
    #[getter]
    fn changed(&self) -> Option<f64> {
        self.changed_ns.map(seconds)
    }

    /// Whether this is a regular file.
    fn is_file(&self) -> bool {
        self.kind == "file"
    }

    /// Whether this is a directory.
    fn is_dir(&self) -> bool {
        self.kind == "directory"
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyAny>, MetadataFields) {
        let this = slf.get();
        let fields = (
            this.kind,
            this.size,
            this.modified_ns,
            this.changed_ns,
            this.mode,
            this.links,
            this.version.clone(),
        );
        (slf.get_type().into_any(), fields)
    }

    fn __repr__(&self) -> String {
        format!("Metadata(kind='{}', size={})", self.kind, self.size)
    }
}

/// One entry of a listing.
#[pyclass(frozen, eq, hash, module = "twinfs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    /// The full path inside the store; of an unrepresentable entry, that of its directory.
    #[pyo3(get)]
    path: String,
    /// What stands there; links are not followed.
    #[pyo3(get)]
    kind: &'static str,
    /// Size, times and the rest, where the listing was asked for them.
    #[pyo3(get)]
    metadata: Option<Metadata>,
    raw_name: Option<Vec<u8>>,
}

impl From<twinfs::Entry> for Entry {
    fn from(entry: twinfs::Entry) -> Self {
        Self {
            path: entry.path.as_str().to_owned(),
            kind: kind_name(entry.kind),
            metadata: entry.metadata.map(Metadata::from),
            raw_name: entry.raw_name.map(Vec::from),
        }
    }
}

#[pymethods]
impl Entry {
    #[new]
    #[pyo3(signature = (path, kind, metadata=None, raw_name=None))]
    fn new(
        path: String,
        kind: &str,
        metadata: Option<&Metadata>,
        raw_name: Option<Vec<u8>>,
    ) -> PyResult<Self> {
        Ok(Self { path, kind: known_kind(kind)?, metadata: metadata.cloned(), raw_name })
    }

    /// The last component of the path.
    #[getter]
    fn name(&self) -> &str {
        self.path.rsplit_once('/').map_or(&*self.path, |(_, name)| name)
    }

    /// Length in bytes, where the listing was asked for metadata.
    #[getter]
    fn size(&self) -> Option<u64> {
        self.metadata.as_ref().map(|metadata| metadata.size)
    }

    /// The raw name of an unrepresentable entry.
    #[getter]
    fn raw_name<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.raw_name.as_deref().map(|name| PyBytes::new(py, name))
    }

    /// Whether this is a regular file.
    fn is_file(&self) -> bool {
        self.kind == "file"
    }

    /// Whether this is a directory.
    fn is_dir(&self) -> bool {
        self.kind == "directory"
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let (py, this) = (slf.py(), slf.get());
        let raw_name = this.raw_name(py);
        let fields = (&this.path, this.kind, this.metadata.clone(), raw_name).into_pyobject(py)?;
        Ok((slf.get_type().into_any(), fields))
    }

    fn __str__(&self) -> &str {
        &self.path
    }

    fn __repr__(&self) -> String {
        format!("Entry(path='{}', kind='{}')", self.path.escape_debug(), self.kind)
    }
}

/// What a tree holds.
#[pyclass(frozen, eq, hash, get_all, module = "twinfs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct DiskUsage {
    /// Bytes of all files, as lengths, not as blocks.
    bytes: u64,
    /// Number of files.
    files: u64,
    /// Number of directories below the path.
    directories: u64,
    /// Number of links and other entries.
    others: u64,
}

impl From<twinfs::DiskUsage> for DiskUsage {
    fn from(usage: twinfs::DiskUsage) -> Self {
        let twinfs::DiskUsage { bytes, files, directories, others } = usage;
        Self { bytes, files, directories, others }
    }
}

#[pymethods]
impl DiskUsage {
    #[new]
    fn new(bytes: u64, files: u64, directories: u64, others: u64) -> Self {
        Self { bytes, files, directories, others }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyAny>, (u64, u64, u64, u64)) {
        let this = slf.get();
        (slf.get_type().into_any(), (this.bytes, this.files, this.directories, this.others))
    }

    fn __repr__(&self) -> String {
        let Self { bytes, files, directories, others } = self;
        format!("DiskUsage(bytes={bytes}, files={files}, directories={directories}, others={others})")
    }
}

/// A staged upload. Times are seconds since 1970, UTC.
#[pyclass(frozen, eq, hash, module = "twinfs")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Staged {
    /// Its id.
    #[pyo3(get)]
    id: String,
    /// Bytes received so far: the highest offset written.
    #[pyo3(get)]
    size: u64,
    created_ns: i64,
    expires_ns: i64,
}

impl From<twinfs::Staged> for Staged {
    fn from(staged: twinfs::Staged) -> Self {
        Self {
            id: staged.id.as_str().to_owned(),
            size: staged.len,
            created_ns: nanoseconds(staged.created),
            expires_ns: nanoseconds(staged.expires),
        }
    }
}

#[pymethods]
impl Staged {
    #[new]
    fn new(id: String, size: u64, created_ns: i64, expires_ns: i64) -> Self {
        Self { id, size, created_ns, expires_ns }
    }

    /// When it was staged.
    #[getter]
    fn created(&self) -> f64 {
        seconds(self.created_ns)
    }

    /// When it may be swept; never before.
    #[getter]
    fn expires(&self) -> f64 {
        seconds(self.expires_ns)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> (Bound<'py, PyAny>, (String, u64, i64, i64)) {
        let this = slf.get();
        (slf.get_type().into_any(), (this.id.clone(), this.size, this.created_ns, this.expires_ns))
    }

    fn __repr__(&self) -> String {
        format!("Staged(id='{}', size={})", self.id, self.size)
    }
}
