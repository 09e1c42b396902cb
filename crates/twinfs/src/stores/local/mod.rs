//! Local disk: a directory of a Linux file system as a store.
//!
//! Everything works from a handle of the root directory, confined by the kernel (`confine`).
//! New content is staged next to its target (`staging`) and published by a rename that compares
//! what it replaces (`publish`); a version is a token in an extended attribute with size and
//! time (`version`).

mod attempt;
mod bulk;
mod confine;
mod file;
#[cfg(feature = "objects")]
mod folders;
mod handle;
mod in_place;
mod list;
mod lock;
mod names;
#[cfg(feature = "objects")]
pub(crate) mod private;
mod publish;
mod publish_staged;
mod remove;
mod rename;
mod stage;
mod staging;
mod sweep;
mod sys;
mod version;
mod write;
mod writer;

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;

use self::attempt::Attempts;
use self::confine::Root;
use crate::error::{Error, ErrorKind, Result};
use crate::path::FsPath;
use crate::pool::Lane;
use crate::store::{
    BlockingFile, BlockingLister, BlockingStore, Capabilities, CreateDirOptions, Data, Durability,
    ListOptions, Metadata, MoveOptions, OpenOptions, PublishItem, ReadOptions, RemoveOptions, StageOptions,
    Staged, StagedId, StagedTarget, StatOptions, WriteItem, WriteOptions,
};

/// How often a call starts over when others remove its directory, or its staged file, meanwhile.
const MAX_VANISHED: usize = 32;

/// Whether files get versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// Every write gives the file a new version, and conditions on versions hold.
    #[default]
    Keep,
    /// No versions: some microseconds faster a write, for a private directory of unique names.
    /// Conditions on versions are refused; `Condition::IfAbsent` still holds.
    Off,
}

impl FromStr for Versions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "keep" => Ok(Self::Keep),
            "off" => Ok(Self::Off),
            _ => Err(Error::new(ErrorKind::InvalidInput).with_message("versions is one of keep, off")),
        }
    }
}

/// Whether a store makes its root directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Create {
    /// Make it, and what is missing above it, if it is not there.
    #[default]
    Missing,
    /// Fail with `NotFound` if it is not there.
    Never,
}

impl FromStr for Create {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "true" => Ok(Self::Missing),
            "false" => Ok(Self::Never),
            _ => Err(Error::new(ErrorKind::InvalidInput).with_message("create is one of true, false")),
        }
    }
}

/// Options of a [`LocalStore`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalOptions {
    /// When writes are on disk, where a call does not say.
    pub durability: Durability,
    /// Whether files get versions.
    pub versions: Versions,
    /// Permission bits of files, also of those that are replaced. `None`: 0666 without the umask's
    /// bits for new files; a replaced file keeps its own.
    pub file_mode: Option<u32>,
    /// Permission bits of directories that are made. `None`: 0777 without the umask's bits.
    pub dir_mode: Option<u32>,
    /// What to do if the root is missing.
    pub create: Create,
}

/// A directory of a local file system as a store. Clones share one root handle.
///
/// Nothing outside the directory is reached, whatever links it contains. New content is published
/// whole; see [`BlockingStore`] for all promises. Everything it adds to the directory for a while
/// is named `.twinfs-` and something, and shows in no listing.
///
/// ```
/// use twinfs::stores::local::{LocalOptions, LocalStore};
/// use twinfs::{BlockingStore, FsPath, ReadOptions, WriteOptions};
///
/// # let dir = tempfile::tempdir().unwrap();
/// let store = LocalStore::open(dir.path(), LocalOptions::default())?;
/// let path = FsPath::new("reports/a.txt")?;
/// store.write(&path, &"hello".into(), &WriteOptions::default())?;
/// assert_eq!(store.read(&path, &ReadOptions::default())?, "hello");
/// # Ok::<(), twinfs::Error>(())
/// ```
#[derive(Clone)]
pub struct LocalStore(Arc<Inner>);

struct Inner {
    root: Root,
    path: PathBuf,
    options: LocalOptions,
    capabilities: Capabilities,
    /// Asked for, and the file system can.
    keeps_versions: bool,
    attempts: Attempts,
    /// Of a private store: its short way.
    #[cfg(feature = "objects")]
    folders: std::sync::OnceLock<folders::Folders>,
    /// When `stage` last looked for expired uploads, in seconds since 1970.
    last_sweep: AtomicU64,
}

impl Inner {
    fn durability(&self, asked: Option<Durability>) -> Durability {
        asked.unwrap_or(self.options.durability)
    }

    /// Where nothing was found because the root itself is gone, says so.
    fn rooted<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| {
            if error.kind() != ErrorKind::NotFound || !self.root.is_removed() {
                return error;
            }
            error.with_message(format!(
                "the store's root directory, {}, was removed; open the store again",
                self.path.display()
            ))
        })
    }
}

impl LocalStore {
    /// Opens a directory as a store.
    ///
    /// [`capabilities`](BlockingStore::capabilities) tells whether the file system can keep
    /// versions: that needs extended attributes.
    ///
    /// # Errors
    /// `NotFound` if it is missing and not to be made, `NotADirectory`, `PermissionDenied`.
    pub fn open(root: impl AsRef<Path>, options: LocalOptions) -> Result<Self> {
        let path = std::path::absolute(root).map_err(Error::from_io)?;
        let handle =
            Root::open(&path, &options).map_err(|error| error.with_raw_path(path.to_string_lossy()))?;
        let readable = handle.open_dir(b"").ok();
        let keeps_versions =
            options.versions == Versions::Keep && readable.as_ref().is_some_and(version::Token::supported);
        if let Some(dir) = &readable {
            sweep::sweep_some(dir);
        }
        let capabilities = Capabilities { if_version: keeps_versions, ..Capabilities::all() };
        Ok(Self(Arc::new(Inner {
            attempts: Attempts::new(&handle),
            root: handle,
            path,
            options,
            capabilities,
            keeps_versions,
            #[cfg(feature = "objects")]
            folders: std::sync::OnceLock::new(),
            last_sweep: AtomicU64::new(0),
        })))
    }

    /// The root directory, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.0.path
    }

    /// The options it was opened with.
    #[must_use]
    pub fn options(&self) -> &LocalOptions {
        &self.0.options
    }

    /// Whether the kernel itself confines lookups to the root (`openat2`); else every path is
    /// walked component by component, as safe but slower.
    #[must_use]
    pub fn is_confined_by_kernel(&self) -> bool {
        self.0.root.confined_by_kernel()
    }
}

impl std::fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalStore")
            .field("root", &self.0.path)
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

impl BlockingStore for LocalStore {
    fn scheme(&self) -> &'static str {
        "file"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.0.capabilities
    }

    fn stat(&self, path: &FsPath, options: &StatOptions) -> Result<Metadata> {
        self.0.rooted(self.0.stat(path, options))
    }

    fn read(&self, path: &FsPath, options: &ReadOptions) -> Result<Bytes> {
        self.0.rooted(self.0.read(path, options))
    }

    fn try_stat(&self, path: &FsPath, options: &StatOptions) -> Option<Metadata> {
        self.0.try_stat(path, options)
    }

    fn try_read(&self, path: &FsPath, options: &ReadOptions) -> Option<Bytes> {
        self.0.try_read(path, options)
    }

    fn write_lane(&self, path: &FsPath, len: usize, options: &WriteOptions) -> Option<Lane> {
        self.0.write_lane(path, len, options)
    }

    fn read_many(&self, paths: &[FsPath], options: &ReadOptions) -> Result<Vec<Result<Bytes>>> {
        Ok(self.0.read_many(paths, options))
    }

    fn stat_many(&self, paths: &[FsPath], options: &StatOptions) -> Result<Vec<Result<Metadata>>> {
        Ok(self.0.stat_many(paths, options))
    }

    fn write(&self, path: &FsPath, data: &Data<'_>, options: &WriteOptions) -> Result<Metadata> {
        self.0.rooted(self.0.write(path, data, options))
    }

    fn write_parts(&self, path: &FsPath, parts: &[Data<'_>], options: &WriteOptions) -> Result<Metadata> {
        #[cfg(feature = "objects")]
        if let Some(metadata) = self.0.create_in_folder(path, parts, options)? {
            return Ok(metadata);
        }
        self.0.rooted(self.0.write_parts(path, parts, options))
    }

    fn write_many(&self, items: &[WriteItem<'_>], options: &WriteOptions) -> Result<Vec<Result<Metadata>>> {
        Ok(self.0.write_many(items, options))
    }

    fn open(&self, path: &FsPath, options: &OpenOptions) -> Result<Box<dyn BlockingFile>> {
        self.0.rooted(self.0.open(path, options))
    }

    fn list(&self, path: &FsPath, options: &ListOptions) -> Result<Box<dyn BlockingLister>> {
        self.0.rooted(self.0.list(path, options))
    }

    fn create_dir(&self, path: &FsPath, options: &CreateDirOptions) -> Result<()> {
        self.0.rooted(self.0.create_dir(path, options))
    }

    fn remove(&self, path: &FsPath, options: &RemoveOptions) -> Result<()> {
        #[cfg(feature = "objects")]
        if self.0.remove_from_folder(path) {
            return Ok(());
        }
        self.0.rooted(self.0.remove(path, options))
    }

    fn remove_dir(&self, path: &FsPath, options: &RemoveOptions) -> Result<()> {
        self.0.rooted(self.0.remove_dir(path, options))
    }

    fn remove_all(&self, path: &FsPath, options: &RemoveOptions) -> Result<()> {
        self.0.rooted(self.0.remove_all(path, options))
    }

    fn rename(&self, from: &FsPath, to: &FsPath, options: &MoveOptions) -> Result<()> {
        self.0.rooted(self.0.rename(from, to, options))
    }

    fn copy(&self, from: &FsPath, to: &FsPath, options: &MoveOptions) -> Result<Metadata> {
        self.0.rooted(self.0.copy(from, to, options))
    }

    fn stage(&self, options: &StageOptions) -> Result<StagedId> {
        self.0.rooted(self.0.stage(options))
    }

    fn reopen(&self, id: &StagedId) -> Result<Box<dyn BlockingFile>> {
        self.0.rooted(self.0.reopen(id))
    }

    fn publish(&self, id: &StagedId, path: &FsPath, options: &WriteOptions) -> Result<Metadata> {
        self.0.rooted(self.0.publish(id, path, options))
    }

    fn write_staged(&self, target: &StagedTarget, offset: &u64, data: &Data<'_>) -> Result<StagedId> {
        self.0.write_staged(target, *offset, data)
    }

    fn publish_many(&self, items: &[PublishItem], options: &WriteOptions) -> Result<Vec<Result<Metadata>>> {
        Ok(self.0.publish_many(items, options))
    }

    fn discard(&self, id: &StagedId) -> Result<()> {
        self.0.rooted(self.0.discard(id))
    }

    fn list_staged(&self) -> Result<Vec<Staged>> {
        self.0.list_staged()
    }
}
