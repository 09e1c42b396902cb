//! Python arguments as owned Rust values.

use std::time::Duration;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyOverflowError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyMemoryView, PyString};
use twinfs::{
    ByteRange, Condition, Data, Durability, Error, ErrorKind, FsPath, Lease, Parents, Publish, Result,
    StagedId, Version,
};

use crate::errors::{IntoException, invalid_input};
use crate::executor::Held;

/// A path inside a store: `str`, or anything with `__fspath__` that gives one.
pub(crate) struct PathArgument(pub(crate) FsPath);

impl FromPyObject<'_, '_> for PathArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(text) = object.cast::<PyString>() {
            return path_of_text(&text);
        }
        static FSPATH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let fspath = FSPATH.import(object.py(), "os", "fspath")?.call1((object,))?;
        match fspath.cast::<PyString>() {
            Ok(text) => path_of_text(text),
            Err(_) => {
                Err(PyTypeError::new_err("a path inside a store is str or os.PathLike[str], not bytes"))
            }
        }
    }
}

fn path_of_text(text: &Bound<'_, PyString>) -> PyResult<PathArgument> {
    match text.to_str() {
        Ok(utf8) => FsPath::new(utf8).map(PathArgument).map_err(IntoException::into_exception),
        // Lone surrogates: what os.fsdecode makes of bytes that are not UTF-8.
        Err(_) => Err(Error::new(ErrorKind::InvalidPath)
            .with_raw_path(text.to_string_lossy())
            .with_message("a path must be UTF-8")
            .into_exception()),
    }
}

/// A place in a file, or a number of bytes.
pub(crate) struct Count(pub(crate) u64);

impl Count {
    /// As many bytes in memory; of what can be in none the most there is, which is refused then.
    pub(crate) fn bytes(&self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromPyObject<'_, '_> for Count {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        match object.extract::<u64>() {
            Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => {
                Err(invalid_input(format!("{} is no offset and no number of bytes", object.str()?)))
            }
            result => result.map(Self),
        }
    }
}

/// Bytes to write, of any object with the buffer protocol, without a copy.
///
/// Holds the object, and through a memoryview its export, so that the memory neither moves nor goes
/// away before the operation is over, cancelled or not.
pub(crate) struct Input {
    #[expect(dead_code, reason = "it is held, not read")]
    keep: Held<PyAny>,
    start: *const u8,
    len: usize,
}

// SAFETY: the pointer is to memory that `keep` holds in place; it is only read.
unsafe impl Send for Input {}
// SAFETY: as above.
unsafe impl Sync for Input {}

impl Input {
    /// The bytes. A caller who changes a mutable buffer meanwhile gets some mixture of old and new
    /// into the file, as with `os.write`.
    pub(crate) fn data(&self) -> Data<'_> {
        // SAFETY: `start` and `len` describe one contiguous block that lives as long as `keep`.
        Data::Borrowed(unsafe { std::slice::from_raw_parts(self.start, self.len) })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl FromPyObject<'_, '_> for Input {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast_exact::<PyBytes>() {
            let content = bytes.as_bytes();
            let (start, len) = (content.as_ptr(), content.len());
            return Ok(Self { keep: Held::new(object.to_owned().unbind()), start, len });
        }
        match exported(&object, false) {
            Ok((keep, start, len)) => Ok(Self { keep: Held::new(keep), start: start.cast_const(), len }),
            Err(error) => match copied(&object) {
                Some(bytes) => bytes.extract(),
                None => Err(error),
            },
        }
    }
}

/// The bytes of an object whose elements no memoryview can describe, such as an array of dates or one
/// without dimensions. A copy, since nothing but the export itself keeps their memory in place.
fn copied<'py>(object: &Bound<'py, PyAny>) -> Option<Bound<'py, PyBytes>> {
    let mut view = pyo3::ffi::Py_buffer::new();
    // SAFETY: the object is alive, and the structure is what the call fills.
    if unsafe { pyo3::ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut view, pyo3::ffi::PyBUF_SIMPLE) } != 0
    {
        drop(PyErr::take(object.py()));
        return None;
    }
    let (start, len) = (view.buf.cast::<u8>(), usize::try_from(view.len).unwrap_or(0));
    let content = match len {
        0 => &[],
        // SAFETY: an export of the simple kind is `len` bytes at `buf` until it is released.
        _ => unsafe { std::slice::from_raw_parts(start.cast_const(), len) },
    };
    let bytes = PyBytes::new(object.py(), content);
    // SAFETY: it was filled above, and is released once.
    unsafe { pyo3::ffi::PyBuffer_Release(&raw mut view) };
    Some(bytes)
}

/// A writable buffer that an operation fills without a copy; held as [`Input`] is.
pub(crate) struct Output {
    #[expect(dead_code, reason = "it is held, not read")]
    keep: Held<PyAny>,
    start: *mut u8,
    len: usize,
}

// SAFETY: the pointer is to memory that `keep` holds in place; one operation writes to it.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
    /// The memory of a fresh `bytes` object of `len` bytes that nobody else has seen yet.
    pub(crate) fn bytes(py: Python<'_>, len: usize) -> PyResult<(Py<PyBytes>, Self)> {
        let (object, start) = uninitialised_bytes(py, len)?;
        let keep = Held::new(object.clone_ref(py).into_any());
        Ok((object, Self { keep, start, len }))
    }

    pub(crate) fn slice(&mut self) -> &mut [u8] {
        // SAFETY: `start` and `len` describe one contiguous writable block that lives as long as
        // `keep`; `&mut self` makes this the only Rust reference to it.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }
}

impl FromPyObject<'_, '_> for Output {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let (keep, start, len) = exported(&object, true)?;
        Ok(Self { keep: Held::new(keep), start, len })
    }
}

/// A `bytes` object whose content is still to be written, and where.
pub(crate) fn uninitialised_bytes(py: Python<'_>, len: usize) -> PyResult<(Py<PyBytes>, *mut u8)> {
    let size = isize::try_from(len).map_err(|_| Error::new(ErrorKind::TooLarge).into_exception())?;
    // SAFETY: a null pointer asks for uninitialised content; the object is fresh, so writing to it
    // before anybody else sees it is what the C API provides this for.
    unsafe {
        let object = pyo3::ffi::PyBytes_FromStringAndSize(std::ptr::null(), size);
        let object = Bound::from_owned_ptr_or_err(py, object)?.cast_into_unchecked::<PyBytes>();
        let start = pyo3::ffi::PyBytes_AsString(object.as_ptr()).cast::<u8>();
        Ok((object.unbind(), start))
    }
}

/// The memory of an object with the buffer protocol, and what keeps it in place.
fn exported(object: &Bound<'_, PyAny>, writable: bool) -> PyResult<(Py<PyAny>, *mut u8, usize)> {
    // The memoryview keeps the export alive and, unlike a buffer handle, can be dropped anywhere.
    let view = PyMemoryView::from(object)?;
    let buffer = PyUntypedBuffer::get(&view)?;
    if !buffer.is_c_contiguous() {
        return Err(PyBufferError::new_err("the buffer must be contiguous"));
    }
    if writable && buffer.readonly() {
        return Err(PyTypeError::new_err("a read-write bytes-like object is required"));
    }
    let (start, len) = (buffer.buf_ptr().cast::<u8>(), buffer.len_bytes());
    buffer.release(object.py());
    // An empty slice still needs a pointer that is not null.
    let start = if start.is_null() { std::ptr::NonNull::dangling().as_ptr() } else { start };
    Ok((view.into_any().unbind(), start, len))
}

/// Options that are words, those of the Rust enums; some may be `True` or `False` as well.
macro_rules! words {
    ($($name:ident($ty:ty $(, $truth:expr, $falsehood:expr)?) = $($word:literal => $value:expr),+;)*) => {$(
        #[derive(Clone, Copy)]
        pub(crate) struct $name(pub(crate) $ty);

        impl FromPyObject<'_, '_> for $name {
            type Error = PyErr;

            fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
                $(if let Ok(flag) = object.extract::<bool>() {
                    return Ok(Self(if flag { $truth } else { $falsehood }));
                })?
                let text = object.extract::<String>()?;
                match text.as_str() {
                    $($word => Ok(Self($value)),)+
                    other => Err(invalid_input(format!(
                        "it is one of {}, not '{}'", [$($word),+].join(", "), other.escape_debug()
                    ))),
                }
            }
        }
    )*};
}

words! {
    DurabilityArgument(Durability) =
        "none" => Durability::None, "file" => Durability::File, "full" => Durability::Full;
    ParentsArgument(Parents, Parents::Create, Parents::Require) =
        "create" => Parents::Create, "require" => Parents::Require;
    PublishArgument(Publish) = "staged" => Publish::Staged, "in_place" => Publish::InPlace;
    LeaseArgument(Lease, Lease::Hold, Lease::Off) = "hold" => Lease::Hold, "off" => Lease::Off;
    FailuresArgument(Failures) = "raise" => Failures::Raise, "return" => Failures::Return;
}

/// What a bulk verb does with the failures of single items.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failures {
    /// The first one is raised.
    Raise,
    /// They stand in the list of results.
    Return,
}

/// The durability, where one was asked for.
pub(crate) fn durability(argument: Option<DurabilityArgument>) -> Option<Durability> {
    argument.map(|argument| argument.0)
}

/// The condition that two keywords mean together.
pub(crate) fn condition(if_absent: bool, if_version: Option<String>) -> Result<Condition> {
    match (if_absent, if_version) {
        (false, None) => Ok(Condition::None),
        (true, None) => Ok(Condition::IfAbsent),
        (false, Some(version)) => Ok(Condition::IfVersion(Version::new(version))),
        (true, Some(_)) => {
            Err(Error::new(ErrorKind::InvalidInput)
                .with_message("if_absent and if_version exclude each other"))
        }
    }
}

/// The range that `start` and `end` mean, as in a slice: a negative start counts from the end.
pub(crate) fn range(start: Option<i64>, end: Option<i64>) -> Result<ByteRange> {
    let refused = || {
        Error::new(ErrorKind::InvalidInput)
            .with_message("a negative start stands alone, and an end is not negative")
    };
    let offset = |value: i64| u64::try_from(value).map_err(|_| refused());
    Ok(match (start, end) {
        (None, None) => ByteRange::Full,
        (Some(start), None) if start < 0 => ByteRange::Suffix(start.unsigned_abs()),
        (Some(start), None) => ByteRange::From(offset(start)?),
        (start, Some(end)) => ByteRange::Bounded(offset(start.unwrap_or(0))?, offset(end)?),
    })
}

/// A time span in seconds.
pub(crate) fn seconds(value: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(value).map_err(|_| {
        Error::new(ErrorKind::InvalidInput).with_message("a time span is a positive number of seconds")
    })
}

/// The id of a staged upload.
pub(crate) struct StagedArgument(pub(crate) StagedId);

impl FromPyObject<'_, '_> for StagedArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        // What `list_staged` gave is as good as its id.
        let text = match object.cast::<PyString>() {
            Ok(text) => text.to_string(),
            Err(_) => object.getattr(intern!(object.py(), "id"))?.extract()?,
        };
        StagedId::new(&text).map(Self).map_err(IntoException::into_exception)
    }
}

/// The items of `write_many`: a mapping of paths to data, or pairs.
pub(crate) struct ItemsArgument(pub(crate) Vec<(FsPath, Input)>);

impl FromPyObject<'_, '_> for ItemsArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let py = object.py();
        let pairs = match object.hasattr(intern!(py, "items"))? {
            true => object.call_method0(intern!(py, "items"))?,
            false => object.to_owned(),
        };
        let items = pairs.try_iter()?.map(|pair| {
            let (path, data): (PathArgument, Input) = pair?.extract()?;
            Ok((path.0, data))
        });
        items.collect::<PyResult<_>>().map(Self)
    }
}

/// Many paths: any iterable of them but a single `str`.
pub(crate) struct PathsArgument(pub(crate) Vec<FsPath>);

impl FromPyObject<'_, '_> for PathsArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("several paths are needed, not one str"));
        }
        let paths = object.try_iter()?.map(|path| Ok(path?.extract::<PathArgument>()?.0));
        paths.collect::<PyResult<_>>().map(Self)
    }
}
