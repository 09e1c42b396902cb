//! The files of a run on a twinfs server as a store: `run+http(s)://HOST:PORT/FID`.
//!
//! The root is the run, with its two folders `in` and `out`; nothing else stands beside them. What the
//! wire cannot carry is not declared: there are no leases and no writing in place, directories
//! exist by the files in them, and an upload belongs to its handle.

pub(crate) mod fetch;
mod file;
mod list;
mod spool;
mod stage;
pub(crate) mod wire;

use std::sync::Arc;

use bytes::Bytes;

pub use file::RunFile;
pub use list::RunLister;

use crate::error::{Error, ErrorKind, Result};
use crate::logic::window::{boxed, window};
use crate::net::{self, http};
use crate::opaque::opaque_debug;
use crate::path::FsPath;
use crate::store::{
    AsyncStore, ByteRange, Capabilities, Condition, CreateDirOptions, Data, EntryKind, Existing, ListOptions,
    Metadata, MoveOptions, OpenOptions, Parents, ReadOptions, RemoveOptions, StageOptions, Staged, StagedId,
    StatOptions, Version, WriteItem, WriteOptions,
};
use wire::{Head, Listing, Transfer, Wire};

/// Requests under way at once for a call with many files.
const AT_ONCE: usize = 16;
/// The largest file that is read in one piece, in bytes; larger ones are read through a handle.
const MAX_WHOLE: usize = 1 << 40;

const CAPABILITIES: Capabilities = Capabilities {
    write: true,
    if_absent: true,
    if_version: true,
    in_place: false,
    leases: false,
    write_handles: true,
    update_handles: true,
    staged_uploads: false,
    directories: false,
    bulk: false,
    atomic_rename: false,
    durable: false,
    max_file_bytes: None,
};

/// A run on a twinfs server, reached over HTTP.
///
/// ```no_run
/// use twinfs::stores::run::RunStore;
///
/// # smol::block_on(async {
/// let store = RunStore::new("65f0a1", "http://127.0.0.1:8370", "eyJhbGciOi...")?;
/// let fs = twinfs::Fs::new(store);
/// fs.write("out/report.txt", "done").await?;
/// # Ok::<(), twinfs::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct RunStore {
    wire: Arc<Wire>,
    /// The path in the run that is the root of this store.
    root: FsPath,
}

opaque_debug! {
    impl[] RunStore, "RunStore";
}

impl RunStore {
    /// The run `fid` at the server `url`, for the holder of `token`. Nothing is sent.
    ///
    /// # Errors
    /// `InvalidInput` for a URL that is not `http(s)://host...`, an id that is not one name, or a token
    /// with characters that no token has.
    pub fn new(fid: &str, url: &str, token: &str) -> Result<Self> {
        Ok(Self { wire: Arc::new(Wire::new(fid, url, token)?), root: FsPath::root() })
    }

    /// The part of the run below a folder, `in/data` say. It need not be there.
    #[must_use]
    pub fn below(mut self, root: FsPath) -> Self {
        self.root = root;
        self
    }

    /// The path in the run.
    fn full(&self, path: &FsPath) -> Result<FsPath> {
        self.root.join(path.as_str())
    }

    /// The path in the run of something that is to be read.
    fn readable(&self, path: &FsPath) -> Result<Place> {
        let full = self.full(path)?;
        match full.as_str().split_once('/') {
            None if full.is_root() => Ok(Place::Run),
            None if matches!(full.as_str(), "in" | "out") => Ok(Place::Folder(full)),
            Some(("in" | "out", _)) => Ok(Place::Below(full)),
            _ => Err(ErrorKind::NotFound.into()),
        }
    }

    /// The path in the run of a file that is to be written.
    fn writable(&self, path: &FsPath) -> Result<FsPath> {
        match self.readable(path) {
            Ok(Place::Below(full)) if !path.is_root() => Ok(full),
            Ok(_) => Err(ErrorKind::IsADirectory.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::new(ErrorKind::PermissionDenied)
                .with_message("a run has the folders 'in' and 'out', and nothing beside them")),
            Err(error) => Err(error),
        }
    }

    /// What the server says of a path.
    async fn look(&self, path: &FsPath) -> Result<Head> {
        match self.readable(path)? {
            Place::Run | Place::Folder(_) => Ok(Head::directory()),
            Place::Below(full) => match self.wire.head(&full).await {
                // The root of the store is there, whatever is in it.
                Err(error) if error.kind() == ErrorKind::NotFound && path.is_root() => Ok(Head::directory()),
                found => found,
            },
        }
    }

    async fn stat_here(&self, path: &FsPath, options: StatOptions) -> Result<Metadata> {
        let head = self.look(path).await?;
        let mut metadata = head.metadata();
        if !options.version {
            metadata.version = None;
        }
        Ok(metadata)
    }

    async fn read_here(&self, path: &FsPath, options: &ReadOptions) -> Result<Bytes> {
        let Place::Below(full) = self.readable(path)? else { return Err(ErrorKind::IsADirectory.into()) };
        check_version(options.if_version.as_ref())?;
        let (range, is_empty) = match options.range {
            // HTTP has no empty range: one byte is asked for and left out.
            ByteRange::Bounded(start, end) if end <= start => (ByteRange::Bounded(0, 1), true),
            ByteRange::Suffix(0) => (ByteRange::Bounded(0, 1), true),
            range => (range, false),
        };
        let answer = self.wire.take(&full, range, options.if_version.as_ref(), |response| async move {
            if !wire::is_file(&response) {
                return Err(ErrorKind::IsADirectory.into());
            }
            let status = response.status().as_u16();
            let nothing = status == 416 || is_empty;
            Ok((status, if nothing { Bytes::new() } else { http::body(response, MAX_WHOLE).await? }))
        });
        let (status, bytes) = answer.await?;
        if bytes.is_empty() {
            return Ok(bytes);
        }
        if status == 206 || range == ByteRange::Full {
            return Ok(bytes);
        }
        // A server may answer a range with everything.
        let (start, len) = range.resolve(bytes.len() as u64);
        let cut = usize::try_from(start).ok().zip(usize::try_from(start + len).ok());
        Ok(cut.map_or_else(Bytes::new, |(start, end)| bytes.slice(start..end)))
    }

    async fn write_here(&self, path: &FsPath, data: Bytes, options: &WriteOptions) -> Result<Metadata> {
        let full = self.writable(path)?;
        self.require_parent(path, options.parents).await?;
        if let Condition::IfVersion(version) = &options.condition {
            check_version(Some(version))?;
        }
        let len = data.len() as u64;
        let head = self.wire.put(&full, &options.condition, || (data.clone().into(), len)).await?;
        Ok(head.written(len))
    }

    async fn require_parent(&self, path: &FsPath, parents: Parents) -> Result<()> {
        match path.parent() {
            Some(parent) if parents == Parents::Require => match self.look(&parent).await? {
                head if head.is_dir => Ok(()),
                _ => Err(ErrorKind::NotADirectory.into()),
            },
            _ => Ok(()),
        }
    }

    async fn remove_here(&self, path: &FsPath) -> Result<()> {
        match self.readable(path)? {
            Place::Below(full) if !path.is_root() => self.wire.delete_file(&full).await,
            _ => Err(ErrorKind::IsADirectory.into()),
        }
    }

    async fn remove_dir_here(&self, path: &FsPath) -> Result<()> {
        let full = match self.readable(path)? {
            Place::Below(full) if !path.is_root() => full,
            _ => {
                return Err(Error::new(ErrorKind::InvalidInput)
                    .with_message("the root and the folders 'in' and 'out' of a run are always there"));
            }
        };
        match self.wire.list(&full).await? {
            Listing::File(_) => Err(ErrorKind::NotADirectory.into()),
            Listing::Directory(files) if files.is_empty() => self.wire.delete(&full).await,
            Listing::Directory(_) => Err(ErrorKind::NotEmpty.into()),
        }
    }

    async fn remove_all_here(&self, path: &FsPath) -> Result<()> {
        let (places, must_be_there) = match self.readable(path)? {
            Place::Run => (vec![FsPath::new("in")?, FsPath::new("out")?], false),
            Place::Folder(full) => (vec![full], false),
            Place::Below(full) => (vec![full], !path.is_root()),
        };
        for place in places {
            match self.wire.delete(&place).await {
                Err(error) if error.kind() == ErrorKind::NotFound && !must_be_there => {}
                result => result?,
            }
        }
        Ok(())
    }

    async fn create_dir_here(&self, path: &FsPath, options: CreateDirOptions) -> Result<()> {
        if let Err(error) = self.readable(path) {
            // Beside `in` and `out` nothing can be made.
            return Err(self.writable(path).err().unwrap_or(error));
        }
        match self.look(path).await {
            Ok(head) if head.is_dir && options.existing == Existing::Keep => Ok(()),
            Ok(_) => Err(ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::new(ErrorKind::Unsupported)
                .with_message("a run keeps no empty directories; write a file into it, and it is there")),
            Err(error) => Err(error),
        }
    }

    /// Moves or copies on the server; gives the path in the run where it is then.
    async fn transfer(
        &self,
        how: Transfer,
        from: &FsPath,
        to: &FsPath,
        options: &MoveOptions,
    ) -> Result<FsPath> {
        let ends = match (how, self.readable(from)?) {
            (_, Place::Below(source)) if !from.is_root() => self.writable(to).map(|target| (source, target)),
            (Transfer::Copy, _) => Err(ErrorKind::IsADirectory.into()),
            (Transfer::Move, _) => Err(always_there()),
        };
        let (source, target) = match ends {
            Err(error) if how == Transfer::Move && error.kind() == ErrorKind::IsADirectory => {
                Err(always_there())
            }
            ends => ends,
        }?;
        if let Condition::IfVersion(version) = &options.condition {
            check_version(Some(version))?;
        }
        self.require_parent(to, options.parents).await?;
        self.wire.transfer(how, &source, &target, &options.condition).await?;
        Ok(target)
    }
}

/// Where in a run a path leads.
enum Place {
    /// The run itself.
    Run,
    /// `in` or `out`, which are always there.
    Folder(FsPath),
    /// Something in one of them.
    Below(FsPath),
}

fn always_there() -> Error {
    Error::new(ErrorKind::InvalidInput)
        .with_message("the root and the folders 'in' and 'out' of a run cannot be moved or replaced")
}

/// A version that no entity tag can carry is none that a server gave.
fn check_version(version: Option<&Version>) -> Result<()> {
    let fits = |byte: u8| byte == b' ' || byte == b'!' || (b'#'..=b'~').contains(&byte);
    match version {
        Some(version) if !version.as_str().bytes().all(fits) => Err(ErrorKind::ConditionFailed.into()),
        _ => Ok(()),
    }
}

impl Head {
    fn directory() -> Self {
        Self { is_dir: true, len: 0, modified: None, version: None }
    }

    fn metadata(self) -> Metadata {
        if self.is_dir {
            return Metadata::new(EntryKind::Directory, 0);
        }
        Metadata {
            modified: self.modified,
            version: self.version,
            ..Metadata::new(EntryKind::File, self.len)
        }
    }

    /// What stands there after a write of so many bytes.
    fn written(self, len: u64) -> Metadata {
        Self { is_dir: false, len, ..self }.metadata()
    }
}

/// Runs a verb of the store on the network runtime.
macro_rules! on_network {
    ($store:ident => $body:expr) => {{
        let $store = $store.clone();
        net::run(async move { $body }).await
    }};
}

/// Runs a verb for many files, so many at once, in one task.
macro_rules! many {
    ($store:ident, $items:expr, |$item:ident| $body:expr) => {{
        let ($store, items) = ($store.clone(), $items);
        net::run(async move {
            let (store, mut results) = (&$store, Vec::with_capacity(items.len()));
            results.resize_with(items.len(), || None);
            let futures = items.into_iter().map(|$item| {
                let $store = store;
                boxed(async move { $body })
            });
            window(AT_ONCE, futures, |index, result| {
                results[index] = Some(result);
                Ok(())
            })
            .await?;
            Ok(results.into_iter().flatten().collect())
        })
        .await
    }};
}

impl AsyncStore for RunStore {
    type File = RunFile;
    type Lister = RunLister;

    fn scheme(&self) -> &'static str {
        "run+http"
    }

    fn capabilities(&self) -> &Capabilities {
        &CAPABILITIES
    }

    async fn stat(&self, path: &FsPath, options: &StatOptions) -> Result<Metadata> {
        let (store, path, options) = (self, path.clone(), *options);
        on_network!(store => store.stat_here(&path, options).await)
    }

    async fn stat_many(&self, paths: &[FsPath], options: &StatOptions) -> Result<Vec<Result<Metadata>>> {
        let (store, options) = (self, *options);
        many!(store, paths.to_vec(), |path| store.stat_here(&path, options).await)
    }

    async fn read(&self, path: &FsPath, options: &ReadOptions) -> Result<Bytes> {
        let (store, path, options) = (self, path.clone(), options.clone());
        on_network!(store => store.read_here(&path, &options).await)
    }

    async fn read_many(&self, paths: &[FsPath], options: &ReadOptions) -> Result<Vec<Result<Bytes>>> {
        let (store, options) = (self, Arc::new(options.clone()));
        let items: Vec<_> = paths.iter().map(|path| (path.clone(), Arc::clone(&options))).collect();
        many!(store, items, |item| store.read_here(&item.0, &item.1).await)
    }

    async fn write(&self, path: &FsPath, data: &Data<'_>, options: &WriteOptions) -> Result<Metadata> {
        let (store, path, data, options) = (self, path.clone(), data.clone().into_bytes(), options.clone());
        on_network!(store => store.write_here(&path, data, &options).await)
    }

    async fn write_many(
        &self,
        items: &[WriteItem<'_>],
        options: &WriteOptions,
    ) -> Result<Vec<Result<Metadata>>> {
        let (store, options) = (self, Arc::new(options.clone()));
        let owned =
            |item: &WriteItem<'_>| (item.path.clone(), item.data.clone().into_bytes(), Arc::clone(&options));
        let items: Vec<_> = items.iter().map(owned).collect();
        many!(store, items, |item| store.write_here(&item.0, item.1, &item.2).await)
    }

    async fn open(&self, path: &FsPath, options: &OpenOptions) -> Result<RunFile> {
        let (store, path, options) = (self, path.clone(), options.clone());
        on_network!(store => RunFile::open(store, path, options).await)
    }

    async fn list(&self, path: &FsPath, options: &ListOptions) -> Result<RunLister> {
        let (store, path, options) = (self, path.clone(), options.clone());
        on_network!(store => RunLister::start(&store, &path, &options).await)
    }

    async fn create_dir(&self, path: &FsPath, options: &CreateDirOptions) -> Result<()> {
        let (store, path, options) = (self, path.clone(), *options);
        on_network!(store => store.create_dir_here(&path, options).await)
    }

    async fn remove(&self, path: &FsPath, _options: &RemoveOptions) -> Result<()> {
        let (store, path) = (self, path.clone());
        on_network!(store => store.remove_here(&path).await)
    }

    async fn remove_dir(&self, path: &FsPath, _options: &RemoveOptions) -> Result<()> {
        let (store, path) = (self, path.clone());
        on_network!(store => store.remove_dir_here(&path).await)
    }

    async fn remove_all(&self, path: &FsPath, _options: &RemoveOptions) -> Result<()> {
        let (store, path) = (self, path.clone());
        on_network!(store => store.remove_all_here(&path).await)
    }

    async fn rename(&self, from: &FsPath, to: &FsPath, options: &MoveOptions) -> Result<()> {
        let (store, from, to, options) = (self, from.clone(), to.clone(), options.clone());
        on_network!(store => store.transfer(Transfer::Move, &from, &to, &options).await.map(drop))
    }

    async fn copy(&self, from: &FsPath, to: &FsPath, options: &MoveOptions) -> Result<Metadata> {
        let (store, from, to, options) = (self, from.clone(), to.clone(), options.clone());
        on_network!(store => {
            let target = store.transfer(Transfer::Copy, &from, &to, &options).await?;
            Ok(store.wire.head(&target).await?.metadata())
        })
    }

    async fn stage(&self, _options: &StageOptions) -> Result<StagedId> {
        stage::undeclared()
    }

    async fn reopen(&self, _id: &StagedId) -> Result<RunFile> {
        stage::undeclared()
    }

    async fn publish(&self, _id: &StagedId, _path: &FsPath, _options: &WriteOptions) -> Result<Metadata> {
        stage::undeclared()
    }

    async fn discard(&self, _id: &StagedId) -> Result<()> {
        stage::undeclared()
    }

    async fn list_staged(&self) -> Result<Vec<Staged>> {
        stage::undeclared()
    }
}
