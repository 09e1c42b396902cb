//! The options of every verb: plain structs and enums with defaults, never bare booleans.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::store::{StagedId, Version};

/// Which bytes of a file. Ranges past the end are clipped, never an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ByteRange {
    /// All of it.
    #[default]
    Full,
    /// From this offset to the end.
    From(u64),
    /// From the first offset up to, not including, the second.
    Bounded(u64, u64),
    /// The last so many bytes.
    Suffix(u64),
}

impl ByteRange {
    /// The first offset and the number of bytes this range means in a file of `len` bytes.
    #[must_use]
    pub fn resolve(self, len: u64) -> (u64, u64) {
        let (start, end) = match self {
            Self::Full => (0, len),
            Self::From(start) => (start, len),
            Self::Bounded(start, end) => (start, end.min(len)),
            Self::Suffix(count) => (len.saturating_sub(count), len),
        };
        let start = start.min(len);
        (start, end.saturating_sub(start))
    }
}

impl From<std::ops::Range<u64>> for ByteRange {
    fn from(range: std::ops::Range<u64>) -> Self {
        Self::Bounded(range.start, range.end)
    }
}

impl From<std::ops::RangeFrom<u64>> for ByteRange {
    fn from(range: std::ops::RangeFrom<u64>) -> Self {
        Self::From(range.start)
    }
}

impl From<std::ops::RangeFull> for ByteRange {
    fn from(_: std::ops::RangeFull) -> Self {
        Self::Full
    }
}

/// When a write that was acknowledged is on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// When the system writes it back: survives `kill -9`, not a power cut.
    #[default]
    None,
    /// The file's bytes are synced before it is published; the name may be lost in a power cut.
    File,
    /// Bytes, name and every directory that was created for it are synced.
    Full,
}

impl Durability {
    /// Its word, which [`FromStr`](std::str::FromStr) reads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::File => "file",
            Self::Full => "full",
        }
    }
}

impl std::str::FromStr for Durability {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "none" => Ok(Self::None),
            "file" => Ok(Self::File),
            "full" => Ok(Self::Full),
            _ => Err(Error::new(ErrorKind::InvalidInput).with_message(format!(
                "durability is one of none, file, full, not '{}'",
                text.escape_debug()
            ))),
        }
    }
}

/// What must hold for a write, publish, copy or rename to happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing: the last one wins.
    #[default]
    None,
    /// Nothing is at the path.
    IfAbsent,
    /// The file at the path has this version.
    IfVersion(Version),
}

/// What to do about missing directories above a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parents {
    /// Create them.
    #[default]
    Create,
    /// Fail with `NotFound`.
    Require,
}

/// When the bytes written through a handle become visible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Publish {
    /// On commit, all at once; readers see the old file until then.
    #[default]
    Staged,
    /// As they are written, in the file itself, for logs and FTP's ways. Local disk and memory only.
    InPlace,
}

/// Whether an open writer holds the path's lease, which refuses other writers at open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lease {
    /// Held from open to commit or abort, where the store has leases.
    #[default]
    Hold,
    /// Not taken.
    Off,
}

/// Options of `stat`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatOptions {
    /// Also find out the version; costs one more system call on local disk.
    pub version: bool,
}

/// Options of `read`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOptions {
    /// Which bytes.
    pub range: ByteRange,
    /// Fail with `ConditionFailed` unless the file has this version.
    pub if_version: Option<Version>,
}

/// Options of `write`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// What must hold.
    pub condition: Condition,
    /// When the write is on disk; `None` means the store's own setting.
    pub durability: Option<Durability>,
    /// What to do about missing directories.
    pub parents: Parents,
}

impl WriteOptions {
    /// Options that write only where nothing is.
    #[must_use]
    pub fn if_absent() -> Self {
        Self { condition: Condition::IfAbsent, ..Self::default() }
    }

    /// Options that write only over this version.
    #[must_use]
    pub fn if_version(version: Version) -> Self {
        Self { condition: Condition::IfVersion(version), ..Self::default() }
    }

    /// The same with this durability.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// The same with this way of treating missing directories.
    #[must_use]
    pub fn parents(mut self, parents: Parents) -> Self {
        self.parents = parents;
        self
    }
}

/// How a handle is opened; the names are those of C's and Python's mode strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `rb`: read an existing file.
    #[default]
    Read,
    /// `wb`: write a new content, from empty.
    Write,
    /// `xb`: as `Write`, but only where nothing is, at open and at commit.
    Create,
    /// `ab`: keep the content and write at its end; made if missing.
    Append,
    /// `r+b`: keep the content, read and write anywhere; the file must be there.
    Update,
    /// `w+b`: from empty, read and write anywhere.
    Overwrite,
}

impl Mode {
    /// Whether a handle of this mode can write.
    #[must_use]
    pub fn writes(self) -> bool {
        self != Self::Read
    }

    /// Whether a handle of this mode can read.
    #[must_use]
    pub fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Update | Self::Overwrite)
    }

    /// Whether the content that is there is the start of the new one.
    #[must_use]
    pub fn keeps(self) -> bool {
        matches!(self, Self::Append | Self::Update)
    }
}

impl std::str::FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "rb" | "r" => Ok(Self::Read),
            "wb" | "w" => Ok(Self::Write),
            "xb" | "x" => Ok(Self::Create),
            "ab" | "a" => Ok(Self::Append),
            "r+b" | "rb+" | "r+" => Ok(Self::Update),
            "w+b" | "wb+" | "w+" => Ok(Self::Overwrite),
            _ => Err(Error::new(ErrorKind::InvalidInput).with_message(format!(
                "mode is one of rb, wb, xb, ab, r+b, w+b, not '{}'",
                text.escape_debug()
            ))),
        }
    }
}

/// Options of `open`.
///
/// ```
/// use twinfs::{Mode, OpenOptions, Publish};
///
/// let options = OpenOptions::from(Mode::Append).publish(Publish::InPlace);
/// assert_eq!(options.mode, Mode::Append);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// How the handle is opened.
    pub mode: Mode,
    /// When the bytes become visible.
    pub publish: Publish,
    /// When a commit is on disk; `None` means the store's own setting.
    pub durability: Option<Durability>,
    /// What to do about missing directories.
    pub parents: Parents,
    /// Whether the path's lease is held.
    pub lease: Lease,
    /// A condition on the version seen before opening; checked at open and at commit.
    pub condition: Condition,
}

impl From<Mode> for OpenOptions {
    fn from(mode: Mode) -> Self {
        Self { mode, ..Self::default() }
    }
}

impl From<&Self> for OpenOptions {
    fn from(options: &Self) -> Self {
        options.clone()
    }
}

impl OpenOptions {
    /// The same with this way of publishing.
    #[must_use]
    pub fn publish(mut self, publish: Publish) -> Self {
        self.publish = publish;
        self
    }

    /// The same with this durability.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// The same with this way of treating missing directories.
    #[must_use]
    pub fn parents(mut self, parents: Parents) -> Self {
        self.parents = parents;
        self
    }

    /// The same with or without the lease.
    #[must_use]
    pub fn lease(mut self, lease: Lease) -> Self {
        self.lease = lease;
        self
    }

    /// The same with this condition.
    #[must_use]
    pub fn condition(mut self, condition: Condition) -> Self {
        self.condition = condition;
        self
    }
}

/// How deep a listing goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// The entries of the directory itself.
    #[default]
    Children,
    /// Everything below it; links are reported and not descended into.
    Recursive,
}

/// In which order a listing comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By the bytes of the full path, a directory counted as its name and `/`.
    #[default]
    Sorted,
    /// As the store has it; starts sooner and holds no names back.
    Unordered,
}

/// Options of `list`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// How deep.
    pub depth: Depth,
    /// In which order.
    pub order: Order,
    /// Whether each entry carries its metadata (without version).
    pub metadata: bool,
    /// Start after this full path in listing order; only with [`Order::Sorted`]. A directory's
    /// path ends in `/`.
    pub start_after: Option<String>,
}

/// Options of `create_dir`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CreateDirOptions {
    /// What to do about missing directories above; `Require` is `mkdir`, `Create` is `mkdir -p`.
    pub parents: Parents,
    /// What to do if the directory is there already.
    pub existing: Existing,
    /// When it is on disk; `None` means the store's own setting.
    pub durability: Option<Durability>,
}

/// What to do about something that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Fail with `AlreadyExists`.
    #[default]
    Refuse,
    /// Keep it and go on.
    Keep,
}

/// Options of `remove`, `remove_dir` and `remove_all`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RemoveOptions {
    /// When it is on disk; `None` means the store's own setting.
    pub durability: Option<Durability>,
}

/// Options of `rename` and `copy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MoveOptions {
    /// What must hold at the destination. Without a condition a file there is replaced.
    pub condition: Condition,
    /// When it is on disk; `None` means the store's own setting.
    pub durability: Option<Durability>,
    /// What to do about missing directories above the destination.
    pub parents: Parents,
}

/// Options of `stage`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageOptions {
    /// How long the upload is kept at least, from now. Default: one day.
    pub keep: Duration,
}

impl Default for StageOptions {
    fn default() -> Self {
        Self { keep: Duration::from_secs(24 * 60 * 60) }
    }
}

/// Which staged upload bytes are written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StagedTarget {
    /// A new one.
    New(StageOptions),
    /// One that is there.
    Known(StagedId),
}
