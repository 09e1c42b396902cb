//! The memory store: a tree of files in this process.
//!
//! Reads and writes share [`Bytes`] instead of copying them: what was written as [`Data::Owned`] is
//! kept as it is, and `read` gives clones and slices of it. A read is one lookup in a hash map under
//! a read lock.

mod content;
mod file;
mod in_place;
mod list;
mod order;
mod snapshot;
mod stage;
#[cfg(test)]
mod tests;
mod tree;
mod writer;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

use bytes::Bytes;

use self::content::Quota;
pub use self::snapshot::{NodeContent, TreeNode};
use self::tree::{Content, Node, Plain, Tree};
use crate::error::{Error, ErrorKind, Result};
use crate::fork::{self, Section};
use crate::path::FsPath;
use crate::store::{
    BlockingFile, BlockingLister, BlockingStore, Capabilities, CreateDirOptions, Data, Existing, ListOptions,
    Metadata, MoveOptions, OpenOptions, ReadOptions, RemoveOptions, StageOptions, Staged, StagedId,
    StatOptions, WriteOptions,
};

/// Options of a [`MemoryStore`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryOptions {
    /// The most bytes of content the store holds, those of open writers and staged uploads included;
    /// above it writes fail with `NoSpace`. Names and bookkeeping are not counted. `None`: no limit
    /// but the machine's memory, so set one where strangers can write.
    pub max_bytes: Option<u64>,
}

/// A tree of files in memory. Clones are the same store.
///
/// Every verb returns at once, so no face needs a thread or a runtime for it. A replaced file lives
/// on in the handles that read it. A handle that reads sees the content it was opened on; only a
/// file that was being written in place at that time shows it later writes.
///
/// After `fork(2)` the child has its own copy of the tree as it was; open writers answer `Closed`
/// there.
///
/// ```
/// use twinfs::stores::memory::{MemoryOptions, MemoryStore};
/// use twinfs::{BlockingStore, Data, FsPath, ReadOptions, WriteOptions};
///
/// let store = MemoryStore::new(MemoryOptions { max_bytes: Some(1024) });
/// let path = FsPath::new("notes/a.txt")?;
/// store.write(&path, &Data::from("hello"), &WriteOptions::default())?;
/// assert_eq!(store.read(&path, &ReadOptions::default())?, "hello");
/// # Ok::<(), twinfs::Error>(())
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

/// What the store and its handles share.
struct Shared {
    tree: RwLock<Tree>,
    quota: Arc<Quota>,
    versions: AtomicU64,
}

impl Shared {
    fn tree(&self, _section: &Section) -> RwLockReadGuard<'_, Tree> {
        self.tree.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn tree_mut(&self, _section: &Section) -> RwLockWriteGuard<'_, Tree> {
        self.tree.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_version(&self) -> u64 {
        self.versions.fetch_add(1, Ordering::Relaxed)
    }

    fn plain(&self, bytes: Bytes) -> Result<Plain> {
        let charge = self.quota.charge(bytes.len() as u64)?;
        Ok(Plain { bytes, charge, modified: SystemTime::now(), version: self.next_version() })
    }
}

/// The named stores of this process.
static NAMED: Mutex<BTreeMap<String, Arc<MemoryStore>>> = Mutex::new(BTreeMap::new());

impl MemoryStore {
    /// A private, empty store; it lives as long as its clones, handles and listings.
    #[must_use]
    pub fn new(options: MemoryOptions) -> Self {
        let shared = Shared {
            tree: RwLock::new(Tree::new()),
            quota: Quota::new(options.max_bytes),
            versions: AtomicU64::new(1),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The store of this name in this process, made at the first call. It lives as long as the
    /// process: `remove_all` of its root gives its memory back.
    ///
    /// # Errors
    /// `InvalidInput` if the store is there already with another `max_bytes` than the one asked for;
    /// `None` takes it as it is.
    ///
    /// ```
    /// use twinfs::stores::memory::{MemoryOptions, MemoryStore};
    /// use twinfs::{BlockingStore, Data, FsPath, StatOptions, WriteOptions};
    ///
    /// let path = FsPath::new("a")?;
    /// MemoryStore::named("shared", MemoryOptions::default())?
    ///     .write(&path, &Data::from("x"), &WriteOptions::default())?;
    /// let again = MemoryStore::named("shared", MemoryOptions::default())?;
    /// assert_eq!(again.stat(&path, &StatOptions::default())?.len, 1);
    /// # Ok::<(), twinfs::Error>(())
    /// ```
    pub fn named(name: &str, options: MemoryOptions) -> Result<Arc<Self>> {
        let _section = fork::section();
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(store) = named.get(name) else {
            let store = Arc::new(Self::new(options));
            named.insert(name.to_owned(), Arc::clone(&store));
            return Ok(store);
        };
        if options.max_bytes.is_some() && options.max_bytes != store.shared.quota.max() {
            return Err(Error::new(ErrorKind::InvalidInput).with_message(format!(
                "the memory store '{}' is open with another max_bytes",
                name.escape_debug()
            )));
        }
        Ok(Arc::clone(store))
    }

    /// The bytes of content held now, as [`MemoryOptions::max_bytes`] counts them.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.shared.quota.used()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(MemoryOptions::default())
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("used_bytes", &self.used_bytes())
            .field("max_bytes", &self.shared.quota.max())
            .finish_non_exhaustive()
    }
}

const CAPABILITIES: Capabilities = Capabilities { durable: false, ..Capabilities::all() };

// In every verb: the section is entered before a lock is taken and left after it is given back, and
// what the verb took out of the tree is dropped after both.
impl BlockingStore for MemoryStore {
    fn scheme(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    fn is_instant(&self) -> bool {
        true
    }

    fn stat(&self, path: &FsPath, options: &StatOptions) -> Result<Metadata> {
        let section = fork::section();
        Ok(self.shared.tree(&section).get(path)?.metadata(&section, options.version))
    }

    fn read(&self, path: &FsPath, options: &ReadOptions) -> Result<Bytes> {
        let section = fork::section();
        let tree = self.shared.tree(&section);
        let content = tree.file(path)?;
        if let Some(version) = &options.if_version
            && !content.has_version(version, &section)
        {
            return Err(ErrorKind::ConditionFailed.into());
        }
        Ok(match content {
            Content::Plain(plain) => {
                let (start, len) = options.range.resolve(plain.bytes.len() as u64);
                // Both lie inside the bytes, whose length is a usize.
                plain.bytes.slice(start as usize..(start + len) as usize)
            }
            Content::Live(live) => {
                let state = live.state(&section);
                let (start, len) = options.range.resolve(state.buffer.len());
                state.buffer.slice(start, len)
            }
        })
    }

    fn write(&self, path: &FsPath, data: &Data<'_>, options: &WriteOptions) -> Result<Metadata> {
        let bytes = data.clone().into_bytes();
        let (metadata, _replaced) = {
            let section = fork::section();
            let mut tree = self.shared.tree_mut(&section);
            tree.check_put(path, &options.condition, options.parents, &section)?;
            let content = Content::Plain(self.shared.plain(bytes)?);
            (content.metadata(&section, true), tree.put(path, content))
        };
        Ok(metadata)
    }

    fn open(&self, path: &FsPath, options: &OpenOptions) -> Result<Box<dyn BlockingFile>> {
        file::open(&self.shared, path, options)
    }

    fn list(&self, path: &FsPath, options: &ListOptions) -> Result<Box<dyn BlockingLister>> {
        list::list(&self.shared, path, options)
    }

    fn create_dir(&self, path: &FsPath, options: &CreateDirOptions) -> Result<()> {
        let section = fork::section();
        let keep_existing = options.existing == Existing::Keep;
        self.shared.tree_mut(&section).create_dir(path, options.parents, keep_existing)
    }

    fn remove(&self, path: &FsPath, _options: &RemoveOptions) -> Result<()> {
        let _removed: Option<Node> = {
            let section = fork::section();
            self.shared.tree_mut(&section).remove_file(path)?
        };
        Ok(())
    }

    fn remove_dir(&self, path: &FsPath, _options: &RemoveOptions) -> Result<()> {
        let section = fork::section();
        self.shared.tree_mut(&section).remove_dir(path)
    }

    fn remove_all(&self, path: &FsPath, _options: &RemoveOptions) -> Result<()> {
        let _removed = {
            let section = fork::section();
            self.shared.tree_mut(&section).remove_all(path)?
        };
        Ok(())
    }

    fn rename(&self, from: &FsPath, to: &FsPath, options: &MoveOptions) -> Result<()> {
        let _replaced: Option<Node> = {
            let section = fork::section();
            let version = self.shared.next_version();
            let how = (&options.condition, options.parents);
            self.shared.tree_mut(&section).rename(from, to, how, version, &section)?
        };
        Ok(())
    }

    fn copy(&self, from: &FsPath, to: &FsPath, options: &MoveOptions) -> Result<Metadata> {
        let (metadata, _replaced) = {
            let section = fork::section();
            let mut tree = self.shared.tree_mut(&section);
            let bytes = match tree.file(from)? {
                Content::Plain(plain) => plain.bytes.clone(),
                Content::Live(live) => live.state(&section).buffer.slice(0, u64::MAX),
            };
            tree.check_put(to, &options.condition, options.parents, &section)?;
            let content = Content::Plain(self.shared.plain(bytes)?);
            (content.metadata(&section, true), tree.put(to, content))
        };
        Ok(metadata)
    }

    fn stage(&self, options: &StageOptions) -> Result<StagedId> {
        stage::stage(&self.shared, options)
    }

    fn reopen(&self, id: &StagedId) -> Result<Box<dyn BlockingFile>> {
        stage::reopen(&self.shared, id)
    }

    fn publish(&self, id: &StagedId, path: &FsPath, options: &WriteOptions) -> Result<Metadata> {
        stage::publish(&self.shared, id, path, options)
    }

    fn discard(&self, id: &StagedId) -> Result<()> {
        stage::discard(&self.shared, id)
    }

    fn list_staged(&self) -> Result<Vec<Staged>> {
        Ok(stage::list_staged(&self.shared))
    }
}
