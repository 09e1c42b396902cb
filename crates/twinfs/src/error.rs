//! Errors: one type with kind, operation, path, store and source, and the one table that says what
//! each kind is in `std::io`, Python, HTTP and FTP.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::io;

use crate::path::FsPath;

/// The result of every verb.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in the terms a caller can act on. The same call fails with the same kind on
/// every face.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing is at the path.
    NotFound,
    /// Something is at the path that must not be there.
    AlreadyExists,
    /// A file was needed and a directory is there.
    IsADirectory,
    /// A directory was needed and something else is there.
    NotADirectory,
    /// The directory still has entries.
    NotEmpty,
    /// The store refuses access, or a link leads out of the root.
    PermissionDenied,
    /// The text is no path (see [`FsPath::new`]).
    InvalidPath,
    /// An argument other than a path makes no sense.
    InvalidInput,
    /// Another writer holds the path, or committed first.
    WouldBlock,
    /// A condition of the call did not hold: if-absent, or if-version.
    ConditionFailed,
    /// The store does not have this capability.
    Unsupported,
    /// The operation took longer than its timeout.
    Timeout,
    /// The store is full, or a quota is.
    NoSpace,
    /// The object is larger than the store takes.
    TooLarge,
    /// The store asks to slow down.
    RateLimited,
    /// The store cannot be reached, or the connection broke.
    Connection,
    /// The handle is closed, or was inherited across a fork.
    Closed,
    /// Any other failure of the store; the source has the details.
    Io,
}

/// The exception class a kind becomes in Python; the binding maps each to a class that is also the
/// built-in named here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant is the built-in exception of that name")]
pub enum PythonClass {
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
    ValueError,
    BlockingIOError,
    UnsupportedOperation,
    TimeoutError,
    ConnectionError,
    /// Both `RuntimeError` and `ValueError`, as `io` expects of a closed file.
    Closed,
    OSError,
}

/// One row of the mapping table: what a kind is elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Mapping {
    /// The kind.
    pub kind: ErrorKind,
    /// Its short name, as it stands in messages and JSON.
    pub name: &'static str,
    /// The kind of `std::io::Error` it becomes.
    pub io: io::ErrorKind,
    /// The Python class it becomes.
    pub python: PythonClass,
    /// The HTTP status (RFC 9110; 423, 507: RFC 4918; 429: RFC 6585).
    pub http: u16,
    /// The FTP reply code (RFC 959; 426, 450 to 452, 550 to 553).
    pub ftp: u16,
    /// Whether the same call may go through when tried again unchanged.
    pub retryable: bool,
}

macro_rules! mapping_table {
    ($($kind:ident $name:literal $io:ident $python:ident $http:literal $ftp:literal $retryable:literal;)*) => {
        /// The mapping table: every kind, once.
        pub const MAPPINGS: &[Mapping] = &[$(Mapping {
            kind: ErrorKind::$kind, name: $name, io: io::ErrorKind::$io,
            python: PythonClass::$python, http: $http, ftp: $ftp, retryable: $retryable,
        }),*];

        impl ErrorKind {
            /// What this kind is in `std::io`, Python, HTTP and FTP.
            #[must_use]
            pub const fn mapping(self) -> &'static Mapping {
                // Declared and listed in the same order; `the_table_is_in_order` holds it.
                &MAPPINGS[self as usize]
            }
        }
    };
}

mapping_table! {
    // kind            name                 std::io             Python                http ftp  retryable
    NotFound         "not found"          NotFound            FileNotFoundError     404  550  false;
    AlreadyExists    "already exists"     AlreadyExists       FileExistsError       409  550  false;
    IsADirectory     "is a directory"     IsADirectory        IsADirectoryError     409  550  false;
    NotADirectory    "not a directory"    NotADirectory       NotADirectoryError    409  550  false;
    NotEmpty         "not empty"          DirectoryNotEmpty   OSError               409  550  false;
    PermissionDenied "permission denied"  PermissionDenied    PermissionError       403  550  false;
    InvalidPath      "invalid path"       InvalidInput        ValueError            400  553  false;
    InvalidInput     "invalid input"      InvalidInput        ValueError            400  501  false;
    WouldBlock       "held by another writer" WouldBlock      BlockingIOError       423  450  true;
    ConditionFailed  "condition failed"   AlreadyExists       FileExistsError       412  450  false;
    Unsupported      "unsupported"        Unsupported         UnsupportedOperation  501  504  false;
    Timeout          "timed out"          TimedOut            TimeoutError          504  451  true;
    NoSpace          "no space"           StorageFull         OSError               507  452  false;
    TooLarge         "too large"          FileTooLarge        OSError               413  552  false;
    RateLimited      "rate limited"       WouldBlock          BlockingIOError       429  450  true;
    Connection       "connection failed"  NotConnected        ConnectionError       502  426  true;
    Closed           "closed"             Other               Closed                500  451  false;
    Io               "input/output error" Other               OSError               500  451  false;
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mapping().name)
    }
}

/// The verb that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each variant is the verb of that name")]
pub enum Operation {
    Open,
    Stat,
    Read,
    ReadMany,
    Write,
    WriteMany,
    List,
    Walk,
    Glob,
    CreateDir,
    Remove,
    RemoveDir,
    RemoveAll,
    Rename,
    Copy,
    DiskUsage,
    Stage,
    Reopen,
    Publish,
    Discard,
    ListStaged,
    Seek,
    Truncate,
    Flush,
    Commit,
    Abort,
    Connect,
}

impl Operation {
    /// The name as it stands in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Stat => "stat",
            Self::Read => "read",
            Self::ReadMany => "read_many",
            Self::Write => "write",
            Self::WriteMany => "write_many",
            Self::List => "list",
            Self::Walk => "walk",
            Self::Glob => "glob",
            Self::CreateDir => "create_dir",
            Self::Remove => "remove",
            Self::RemoveDir => "remove_dir",
            Self::RemoveAll => "remove_all",
            Self::Rename => "rename",
            Self::Copy => "copy",
            Self::DiskUsage => "disk_usage",
            Self::Stage => "stage",
            Self::Reopen => "reopen",
            Self::Publish => "publish",
            Self::Discard => "discard",
            Self::ListStaged => "list_staged",
            Self::Seek => "seek",
            Self::Truncate => "truncate",
            Self::Flush => "flush",
            Self::Commit => "commit",
            Self::Abort => "abort",
            Self::Connect => "connect",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An error of a verb: what ([`ErrorKind`]), where (operation, path, store), why (message and
/// source), and whether trying again may help.
///
/// ```
/// use twinfs::{Error, ErrorKind, Operation};
///
/// let error = Error::new(ErrorKind::NotFound).with_operation(Operation::Read).with_raw_path("a/b");
/// assert_eq!(error.to_string(), "read 'a/b': not found");
/// assert_eq!(error.kind().mapping().http, 404);
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    operation: Option<Operation>,
    path: Option<Box<str>>,
    destination: Option<Box<str>>,
    store: Option<&'static str>,
    retryable: Option<bool>,
    message: Option<Cow<'static, str>>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind, with nothing else known yet.
    #[must_use]
    pub fn new(kind: ErrorKind) -> Self {
        Self(Box::new(Inner {
            kind,
            operation: None,
            path: None,
            destination: None,
            store: None,
            retryable: None,
            message: None,
            source: None,
        }))
    }

    /// Adds the operation, if none is known yet: the innermost room that knows it is right.
    #[must_use]
    pub fn with_operation(mut self, operation: Operation) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Adds the path, if none is known yet.
    #[must_use]
    pub fn with_path(self, path: &FsPath) -> Self {
        self.with_raw_path(path.as_str())
    }

    /// Adds text that was meant as a path, if none is known yet.
    #[must_use]
    pub fn with_raw_path(mut self, path: impl AsRef<str>) -> Self {
        self.0.path.get_or_insert_with(|| path.as_ref().into());
        self
    }

    /// Adds the path that a rename or copy goes to, if none is known yet.
    #[must_use]
    pub fn with_destination(mut self, path: &FsPath) -> Self {
        self.0.destination.get_or_insert_with(|| path.as_str().into());
        self
    }

    /// Adds the store's scheme, if none is known yet.
    #[must_use]
    pub fn with_store(mut self, store: &'static str) -> Self {
        self.0.store.get_or_insert(store);
        self
    }

    /// Says why, and what to do next, in words.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.0.message = Some(message.into());
        self
    }

    /// Adds the error below this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says whether trying again may help, where the kind alone does not tell.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = Some(retryable);
        self
    }

    /// An error of the operating system, its kind read from the error number.
    #[must_use]
    pub fn from_io(source: io::Error) -> Self {
        // An Error that travelled through std::io comes back as it was.
        match source.downcast::<Self>() {
            Ok(error) => error,
            Err(source) => Self::from_plain_io(source),
        }
    }

    fn from_plain_io(source: io::Error) -> Self {
        let kind = match source.raw_os_error() {
            Some(errno) => kind_of_errno(errno),
            None => kind_of_io(source.kind()),
        };
        Self::new(kind).with_source(source)
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The verb that failed.
    #[must_use]
    pub fn operation(&self) -> Option<Operation> {
        self.0.operation
    }

    /// The path, as the caller gave it.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    /// The path that a rename or copy was to go to.
    #[must_use]
    pub fn destination(&self) -> Option<&str> {
        self.0.destination.as_deref()
    }

    /// The scheme of the store.
    #[must_use]
    pub fn store(&self) -> Option<&'static str> {
        self.0.store
    }

    /// The words added to the kind: the reason, and what to do next.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// Whether the same call may go through when tried again unchanged.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.0.retryable.unwrap_or(self.0.kind.mapping().retryable)
    }

    /// The error number of the operating system, where the source has one.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.source.as_deref()?.downcast_ref::<io::Error>()?.raw_os_error()
    }
}

/// The kind of a Linux error number (`errno(3)`).
fn kind_of_errno(errno: i32) -> ErrorKind {
    use rustix::io::Errno;
    match Errno::from_raw_os_error(errno) {
        Errno::NOENT => ErrorKind::NotFound,
        Errno::EXIST => ErrorKind::AlreadyExists,
        Errno::ISDIR => ErrorKind::IsADirectory,
        Errno::NOTDIR => ErrorKind::NotADirectory,
        Errno::NOTEMPTY => ErrorKind::NotEmpty,
        // EXDEV is what openat2(2) answers to a path that leaves RESOLVE_BENEATH.
        Errno::ACCESS | Errno::PERM | Errno::ROFS | Errno::XDEV => ErrorKind::PermissionDenied,
        Errno::NAMETOOLONG => ErrorKind::InvalidPath,
        Errno::INVAL => ErrorKind::InvalidInput,
        Errno::AGAIN | Errno::TXTBSY | Errno::BUSY => ErrorKind::WouldBlock,
        Errno::OPNOTSUPP | Errno::NOSYS => ErrorKind::Unsupported,
        Errno::TIMEDOUT => ErrorKind::Timeout,
        Errno::NOSPC | Errno::DQUOT => ErrorKind::NoSpace,
        Errno::FBIG | Errno::OVERFLOW => ErrorKind::TooLarge,
        Errno::CONNREFUSED | Errno::CONNRESET | Errno::CONNABORTED | Errno::PIPE | Errno::NOTCONN => {
            ErrorKind::Connection
        }
        Errno::BADF => ErrorKind::Closed,
        _ => ErrorKind::Io,
    }
}

/// The kind of an `std::io` error that carries no error number.
fn kind_of_io(kind: io::ErrorKind) -> ErrorKind {
    match kind {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::AlreadyExists => ErrorKind::AlreadyExists,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        io::ErrorKind::WouldBlock => ErrorKind::WouldBlock,
        io::ErrorKind::InvalidInput => ErrorKind::InvalidInput,
        io::ErrorKind::TimedOut => ErrorKind::Timeout,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
        io::ErrorKind::FileTooLarge => ErrorKind::TooLarge,
        io::ErrorKind::Unsupported => ErrorKind::Unsupported,
        io::ErrorKind::IsADirectory => ErrorKind::IsADirectory,
        io::ErrorKind::NotADirectory => ErrorKind::NotADirectory,
        io::ErrorKind::DirectoryNotEmpty => ErrorKind::NotEmpty,
        io::ErrorKind::ConnectionRefused
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::NotConnected
        | io::ErrorKind::BrokenPipe => ErrorKind::Connection,
        _ => ErrorKind::Io,
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        let mut gap = "";
        if let Some(operation) = inner.operation {
            write!(f, "{operation}")?;
            gap = " ";
        }
        if let Some(path) = &inner.path {
            // `escape_debug` keeps hostile names from breaking a terminal or a log line.
            write!(f, "{gap}'{}'", path.escape_debug())?;
            gap = " ";
        }
        if let Some(destination) = &inner.destination {
            write!(f, " to '{}'", destination.escape_debug())?;
        }
        if let Some(store) = inner.store {
            write!(f, "{gap}[{store}]")?;
            gap = " ";
        }
        if !gap.is_empty() {
            f.write_str(": ")?;
        }
        write!(f, "{}", inner.kind)?;
        if let Some(message) = &inner.message {
            write!(f, ": {message}")?;
        } else if let Some(source) = &inner.source
            && matches!(inner.kind, ErrorKind::Io | ErrorKind::Connection | ErrorKind::InvalidInput)
        {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("operation", &self.0.operation)
            .field("path", &self.0.path)
            .field("destination", &self.0.destination)
            .field("store", &self.0.store)
            .field("message", &self.0.message)
            .field("source", &self.0.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        Self::new(error.kind().mapping().io, error)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

/// Adds what a room knows to the error of a result, where nothing closer to the fault said it.
pub trait ErrorContext<T> {
    /// Adds operation and path.
    ///
    /// # Errors
    /// The error of `self`, with what it did not know yet.
    fn at(self, operation: Operation, path: &FsPath) -> Result<T>;

    /// Adds the operation, where there is no path.
    ///
    /// # Errors
    /// The error of `self`, with what it did not know yet.
    fn during(self, operation: Operation) -> Result<T>;
}

impl<T> ErrorContext<T> for Result<T> {
    fn at(self, operation: Operation, path: &FsPath) -> Result<T> {
        self.map_err(|error| error.with_operation(operation).with_path(path))
    }

    fn during(self, operation: Operation) -> Result<T> {
        self.map_err(|error| error.with_operation(operation))
    }
}

impl<T> ErrorContext<T> for io::Result<T> {
    fn at(self, operation: Operation, path: &FsPath) -> Result<T> {
        self.map_err(Error::from_io).at(operation, path)
    }

    fn during(self, operation: Operation) -> Result<T> {
        self.map_err(Error::from_io).during(operation)
    }
}

impl<T> ErrorContext<T> for rustix::io::Result<T> {
    fn at(self, operation: Operation, path: &FsPath) -> Result<T> {
        self.map_err(io::Error::from).at(operation, path)
    }

    fn during(self, operation: Operation) -> Result<T> {
        self.map_err(io::Error::from).during(operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        for (index, row) in MAPPINGS.iter().enumerate() {
            assert_eq!(row.kind as usize, index, "{:?}", row.kind);
            assert_eq!(row.kind.mapping().kind, row.kind);
        }
        assert_eq!(MAPPINGS.len(), ErrorKind::Io as usize + 1);
    }

    #[test]
    fn an_error_survives_std_io() {
        let error = Error::new(ErrorKind::ConditionFailed).with_raw_path("a");
        let back = Error::from_io(io::Error::from(error));
        assert_eq!(back.kind(), ErrorKind::ConditionFailed);
        assert_eq!(back.path(), Some("a"));
    }

    #[test]
    fn a_message_has_no_gap_for_what_is_not_known() {
        let error = || Error::new(ErrorKind::Closed);
        let (connect, path) = (Operation::Connect, "a");
        for (error, text) in [
            (error(), "closed"),
            (error().with_operation(connect), "connect: closed"),
            (error().with_raw_path(path), "'a': closed"),
            (error().with_store("file"), "[file]: closed"),
            (error().with_operation(connect).with_store("file"), "connect [file]: closed"),
            (
                error().with_operation(connect).with_raw_path(path).with_store("file"),
                "connect 'a' [file]: closed",
            ),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn a_hostile_name_cannot_break_a_line() {
        let text = Error::new(ErrorKind::InvalidPath).with_raw_path("a\n\u{1b}[31m").to_string();
        assert!(!text.contains('\n') && !text.contains('\u{1b}'), "{text}");
    }
}
