//! What the caller of a bulk transfer may say, and what it gets back.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;

use super::progress::Progress;
use crate::error::{Error, ErrorKind, Result};
use crate::path::FsPath;
use crate::settings;
use crate::store::{Depth, WriteOptions};

/// What one failure means for the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The first error ends the call: what is in flight is cancelled, what was done stays done.
    #[default]
    Raise,
    /// Items that fail are left out of the results.
    Omit,
    /// Each item carries its own result.
    Return,
}

impl FromStr for OnError {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "raise" => Ok(Self::Raise),
            "omit" => Ok(Self::Omit),
            "return" => Ok(Self::Return),
            _ => Err(Error::new(ErrorKind::InvalidInput).with_message(format!(
                "on_error is one of raise, omit, return, not '{}'",
                text.escape_debug()
            ))),
        }
    }
}

/// How many operations a bulk transfer keeps in flight.
///
/// As a number: so many from 1, or -1 for all at once.
///
/// ```
/// use twinfs::bulk::Limit;
///
/// assert_eq!(Limit::try_from(-1)?, Limit::All);
/// assert_eq!(Limit::try_from(8)?.to_number(), 8);
/// assert!(Limit::try_from(0).is_err());
/// # Ok::<(), twinfs::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// At most so many.
    AtMost(NonZeroUsize),
    /// As many as there are.
    All,
}

impl Limit {
    /// At most so many; 0 counts as 1.
    #[must_use]
    pub const fn at_most(count: usize) -> Self {
        match NonZeroUsize::new(count) {
            Some(count) => Self::AtMost(count),
            None => Self::AtMost(NonZeroUsize::MIN),
        }
    }

    /// The limit as a number, -1 for all at once.
    #[must_use]
    pub fn to_number(self) -> i64 {
        match self {
            Self::AtMost(count) => i64::try_from(count.get()).unwrap_or(i64::MAX),
            Self::All => -1,
        }
    }

    /// The limit as a number of operations.
    #[must_use]
    pub fn operations(self) -> usize {
        match self {
            Self::AtMost(count) => count.get(),
            Self::All => usize::MAX,
        }
    }

    /// The limit that counts now: that of the call, else that of the file system, else that of the
    /// [settings], else the default (64 or an eighth of the descriptors this process may have,
    /// whichever is less, with local files; 128 without).
    #[must_use]
    pub fn effective(call: Option<Self>, fs: Option<Self>, files: Files) -> Self {
        Self::chosen(call, fs, files).unwrap_or_else(|| Self::at_most(files.default_limit()))
    }

    /// The limit that somebody chose, if anybody did.
    pub(super) fn chosen(call: Option<Self>, fs: Option<Self>, files: Files) -> Option<Self> {
        call.or(fs).or_else(|| settings::bulk_limit(files == Files::Local))
    }
}

impl TryFrom<i64> for Limit {
    type Error = Error;

    fn try_from(number: i64) -> Result<Self> {
        if number == -1 {
            return Ok(Self::All);
        }
        usize::try_from(number).ok().and_then(NonZeroUsize::new).map(Self::AtMost).ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput)
                .with_message(format!("a limit is 1 or more operations, or -1 for all at once, not {number}"))
        })
    }
}

impl FromStr for Limit {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number: i64 = text.trim().parse().map_err(|_| {
            Error::new(ErrorKind::InvalidInput)
                .with_message(format!("a limit is a whole number, not '{}'", text.escape_debug()))
        })?;
        Self::try_from(number)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_number())
    }
}

/// Whether a bulk transfer touches local files, and so holds descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// It reads or writes the local disk.
    Local,
    /// It does not.
    Elsewhere,
}

impl Files {
    /// What stores of these schemes mean.
    pub(super) fn of(schemes: &[&str]) -> Self {
        if schemes.contains(&"file") { Self::Local } else { Self::Elsewhere }
    }

    fn default_limit(self) -> usize {
        const LOCAL: usize = 64;
        const ELSEWHERE: usize = 128;
        match self {
            Self::Elsewhere => ELSEWHERE,
            Self::Local => {
                // A transfer holds up to two descriptors, and the program needs some for itself.
                let descriptors = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
                let share = descriptors.map_or(LOCAL, |count| usize::try_from(count / 8).unwrap_or(LOCAL));
                share.clamp(1, LOCAL)
            }
        }
    }
}

/// Options of every bulk transfer.
///
/// ```
/// use twinfs::bulk::{Limit, OnError, Options};
///
/// let options = Options::default().on_error(OnError::Return).limit(Limit::at_most(8));
/// assert_eq!(options.on_error, OnError::Return);
/// ```
#[derive(Clone, Default)]
pub struct Options {
    /// What one failure means for the rest.
    pub on_error: OnError,
    /// Operations in flight; `None` asks the file system, then the process's settings.
    pub limit: Option<Limit>,
    /// Who is told how far things are.
    pub progress: Option<Arc<dyn Progress>>,
}

impl Options {
    /// The same with this meaning of a failure.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = on_error;
        self
    }

    /// The same with at most so many operations in flight.
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The same, telling this one how far things are.
    #[must_use]
    pub fn progress(mut self, progress: Arc<dyn Progress>) -> Self {
        self.progress = Some(progress);
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("on_error", &self.on_error)
            .field("limit", &self.limit)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}

/// Options of the transfers between file systems.
#[derive(Clone, Debug, Default)]
pub struct TransferOptions {
    /// Those of every bulk transfer.
    pub bulk: Options,
    /// What a source may be: a file, or with [`Depth::Recursive`] also a directory, which is copied
    /// with everything below it.
    pub depth: Depth,
    /// How each file is written: condition, durability, missing directories.
    pub write: WriteOptions,
}

/// A source and where it goes: a file to that very file, a directory's contents into that very
/// directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The source.
    pub from: FsPath,
    /// The destination.
    pub to: FsPath,
}

/// One item of a bulk transfer.
#[derive(Debug)]
pub struct Item<T> {
    /// Its place in the call's arguments, from 0.
    pub index: usize,
    /// Its path.
    pub path: FsPath,
    /// What came of it; always `Ok` unless [`OnError::Return`] was asked for.
    pub result: Result<T>,
}

/// What a transfer between file systems did.
#[derive(Debug, Default)]
pub struct Report {
    /// Files copied.
    pub files: u64,
    /// Bytes copied.
    pub bytes: u64,
    /// Directories that were made because they are empty in the source; those that hold files come
    /// with the files.
    pub directories: u64,
    /// What failed, in the order of the source: with [`OnError::Return`] only.
    pub failed: Vec<Failed>,
    /// What is neither file nor directory and so was passed over, in the order of the source.
    pub skipped: Vec<Skipped>,
}

/// One file or directory that could not be copied.
#[derive(Debug)]
pub struct Failed {
    /// The source.
    pub from: FsPath,
    /// The destination.
    pub to: FsPath,
    /// Why.
    pub error: Error,
}

/// Something that a recursive copy passed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where it is; of a name that no path can hold, its directory.
    pub path: FsPath,
    /// Its raw name, where no path can hold it.
    pub raw_name: Option<Box<[u8]>>,
    /// What it is and why it stays behind.
    pub reason: &'static str,
}
