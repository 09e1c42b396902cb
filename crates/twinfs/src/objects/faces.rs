//! The two faces of the connectors, from one text.

use crate::error::{Error, ErrorKind, Result};
use crate::store::Data;

/// Emits the face: `wait!` awaits a future or takes the value as it is, `hop!` runs blocking code where
/// the face lets it, `answer!` is the type of what a method of the trait gives.
macro_rules! face {
    (
        async [$($async:tt)?]
        examples [$first:literal, $await:literal, $last:literal]
        module $module:literal twin $twin:literal store $into:ident
    ) => {
        use std::fmt;
        use std::hash::Hash;
        use std::path::Path;
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, Ordering};

        use bytes::Bytes;
        use serde::Serialize;
        use serde::de::DeserializeOwned;

        use super::super::config::{Clear, FileConfig, StoreConfig};
        use super::super::frame::{self, BLOCK, HEAD, Head, Sum};
        use super::super::key::{FileKey, LAYOUT, Names, StoreKey, is_folder, is_object, path_of, refused};
        use super::{LARGE, found, is_absent, leads_away, local_options, pages};
        use crate::error::{Error, ErrorKind, Result};
        use crate::path::FsPath;
        use crate::registry;
        use crate::store::{AnyStore, Data, Depth, Mode, WriteItem, WriteOptions};
        use crate::stores::local::private::PrivateDir;

        /// A store of objects under keys that it makes itself.
        #[doc = concat!("The trait of the other face is [`", $twin, "::Connector`].")]
        ///
        /// ```
        #[doc = $first]
        #[doc = concat!("use twinfs::", $module, "::{Connector, StoreConnector};")]
        ///
        #[doc = concat!("let connector = StoreConnector::connect(\"memory://\")", $await, "?;")]
        #[doc = concat!("let keys = connector.put_batch(&[\"one\".into(), \"two\".into()])", $await, "?;")]
        #[doc = concat!("assert_eq!(connector.get_batch(&keys)", $await, "?[1].as_deref(), Some(&b\"two\"[..]));")]
        ///
        /// // A key may be made before its object, and an object be put anew.
        /// let key = connector.new_key()?;
        #[doc = concat!("assert!(!connector.exists(&key)", $await, "?);")]
        #[doc = concat!("connector.set(&key, \"three\")", $await, "?;")]
        #[doc = concat!("connector.set(&key, \"four\")", $await, "?;")]
        #[doc = concat!("assert_eq!(connector.get(&key)", $await, "?.unwrap(), \"four\");")]
        #[doc = $last]
        /// ```
        pub trait Connector: Sized + Send + Sync {
            /// Names an object of this kind of connector, in every process.
            type Key: Clone + Eq + Hash + fmt::Debug + Serialize + DeserializeOwned + Send + Sync;
            /// What it takes to make the same connector elsewhere.
            type Config: Clone + Eq + fmt::Debug + Serialize + DeserializeOwned + Send + Sync;

            /// The connector of a configuration.
            ///
            /// # Errors
            /// Those of opening the store.
            fn from_config(config: Self::Config) -> answer!(Result<Self>);

            /// What [`from_config`](Self::from_config) takes, as plain JSON through serde.
            ///
            /// # Errors
            /// `Unsupported` where nobody else could reach the store.
            fn config(&self) -> Result<Self::Config>;

            /// Puts an object under a key of its own: whole, or not at all.
            ///
            /// Cancelled before it was published, it leaves nothing.
            ///
            /// # Errors
            /// `NoSpace`, `TooLarge`, `PermissionDenied`, `Connection`; nothing is stored then.
            fn put<'data>(&self, object: impl Into<Data<'data>> + Send) -> answer!(Result<Self::Key>);

            /// Puts many objects in one call; keys in the order of the objects.
            ///
            /// Cancelled, or killed, it may leave some of them, each whole.
            ///
            /// # Errors
            /// As [`put`](Self::put); none of the objects is stored then.
            fn put_batch(&self, objects: &[Data<'_>]) -> answer!(Result<Vec<Self::Key>>);

            /// The object of a key; `None` if there is none.
            ///
            /// # Errors
            /// `Io` for an object whose bytes were cut or changed; `PermissionDenied`, `Connection`.
            fn get(&self, key: &Self::Key) -> answer!(Result<Option<Bytes>>);

            /// The objects of many keys in one call, in their order; `None` where there is none.
            ///
            /// # Errors
            /// As [`get`](Self::get), the first one.
            fn get_batch(&self, keys: &[Self::Key]) -> answer!(Result<Vec<Option<Bytes>>>);

            /// Whether a key has an object.
            ///
            /// # Errors
            /// `PermissionDenied`, `Connection`.
            fn exists(&self, key: &Self::Key) -> answer!(Result<bool>);

            /// Removes the object of a key, if there is one.
            ///
            /// # Errors
            /// `PermissionDenied`, `Connection`.
            fn evict(&self, key: &Self::Key) -> answer!(Result<()>);

            /// A fresh key, for [`set`](Self::set). Nothing is stored.
            ///
            /// # Errors
            /// `Io` if the system's random source fails.
            fn new_key(&self) -> Result<Self::Key>;

            /// Puts an object under a key, over the one it has: readers see one or the other, whole.
            ///
            /// # Errors
            /// As [`put`](Self::put); `InvalidPath` for a key that is no name.
            fn set<'data>(&self, key: &Self::Key, object: impl Into<Data<'data>> + Send) -> answer!(Result<()>);

            /// Ends the use of the store, and removes the objects where the configuration says so. A
            /// second time it does nothing.
            ///
            /// # Errors
            /// Those of removing.
            fn close(&self) -> answer!(Result<()>);
        }

        /// Objects in a file system: what all connectors are made of.
        struct Objects {
            fs: Fs,
            write: WriteOptions,
            names: Names,
            /// Whether to open a file costs less than to read from it twice.
            opens: bool,
        }

        impl Objects {
            fn new(fs: Fs, durability: crate::store::Durability) -> Self {
                let write = WriteOptions::default().durability(durability);
                Self { fs, write, names: Names::default(), opens: false }
            }

            $($async)? fn set(&self, name: &str, object: Data<'_>) -> Result<()> {
                let path = path_of(name)?;
                let head = frame::head(&object);
                match wait!(self.fs.write_parts(path, &[Data::Borrowed(&head), object], &self.write)) {
                    Err(error) if leads_away(&error) => Err(refused(name, "a link stands in the way, and it leads away")),
                    written => written.map(drop),
                }
            }

            $($async)? fn put_batch(&self, objects: &[Data<'_>]) -> Result<Vec<String>> {
                let names = self.names.many(objects.len())?;
                let paths = names.iter().map(|name| path_of(name)).collect::<Result<Vec<FsPath>>>()?;
                if let Err(error) = wait!(self.write_all(&paths, objects)) {
                    // What cannot be removed now can be removed by nobody later: no one has its key.
                    let options = bulk::Options::default().on_error(bulk::OnError::Omit);
                    let _ = wait!(bulk::rm(&self.fs, &paths, Depth::Children, &options));
                    return Err(error);
                }
                Ok(names)
            }

            $($async)? fn write_all(&self, paths: &[FsPath], objects: &[Data<'_>]) -> Result<()> {
                // Not cancelled by the first error: what is known to be there can be removed.
                let options = bulk::Options::default().on_error(bulk::OnError::Return);
                for page in pages(objects) {
                    let (paths, objects) = (&paths[page.clone()], &objects[page]);
                    if let [object] = objects && object.len() > LARGE {
                        let head = frame::head(object);
                        let parts = [Data::Borrowed(&head), object.clone()];
                        wait!(self.fs.write_parts(paths[0].clone(), &parts, &self.write))?;
                        continue;
                    }
                    let item = |(path, object): (&FsPath, &Data<'_>)| WriteItem {
                        path: path.clone(),
                        data: frame::framed(object).into(),
                    };
                    let items: Vec<WriteItem<'_>> = paths.iter().zip(objects).map(item).collect();
                    for written in wait!(bulk::pipe(&self.fs, &items, &self.write, &options))? {
                        written.result?;
                    }
                }
                Ok(())
            }

            $($async)? fn get(&self, name: &str) -> Result<Option<Bytes>> {
                let Ok(path) = path_of(name) else { return Ok(None) };
                match found(wait!(self.fs.read(path.clone())))? {
                    Some(file) => self.open(&path, file).map(Some),
                    None => Ok(None),
                }
            }

            /// The object in the bytes of its file.
            fn open(&self, path: &FsPath, file: Bytes) -> Result<Bytes> {
                frame::open(file).map_err(|message| self.damaged(path, message))
            }

            fn damaged(&self, path: &FsPath, message: &'static str) -> Error {
                frame::damaged(path, crate::store::AsyncStore::scheme(self.fs.store()), message)
            }

            $($async)? fn get_batch(&self, names: &[&str]) -> Result<Vec<Option<Bytes>>> {
                let mut objects = vec![None; names.len()];
                let places: Vec<(usize, FsPath)> = names
                    .iter()
                    .enumerate()
                    .filter_map(|(place, name)| Some((place, path_of(name).ok()?)))
                    .collect();
                let paths: Vec<FsPath> = places.iter().map(|(_, path)| path.clone()).collect();
                let options = bulk::Options::default().on_error(bulk::OnError::Return);
                let read = wait!(bulk::cat(&self.fs, &paths, &options))?;
                for ((place, path), item) in places.iter().zip(read) {
                    if let Some(file) = found(item.result)? {
                        objects[*place] = Some(self.open(path, file)?);
                    }
                }
                Ok(objects)
            }

            $($async)? fn find(&self, name: &str, whole: u64) -> Result<Option<Found>> {
                let Ok(path) = path_of(name) else { return Ok(None) };
                let whole = whole.saturating_add(HEAD as u64);
                if self.opens {
                    return match found(wait!(self.fs.open(path, Mode::Read)))? {
                        Some(file) => wait!(self.find_in(file, whole)).map(Some),
                        None => Ok(None),
                    };
                }
                let start = wait!(self.fs.read_range(path.clone(), 0..whole.saturating_add(1)));
                match found(start)? {
                    Some(start) if start.len() as u64 <= whole => {
                        Ok(Some(Found::Whole(self.open(&path, start)?)))
                    }
                    Some(_) => match found(wait!(self.fs.open(path, Mode::Read)))? {
                        Some(file) => Ok(Some(Found::Large(wait!(self.reader(file))?))),
                        None => Ok(None),
                    },
                    None => Ok(None),
                }
            }

            $($async)? fn find_in(&self, file: File, whole: u64) -> Result<Found> {
                let len = usize::try_from(whole.saturating_add(1)).unwrap_or(usize::MAX);
                let start = wait!(file.read_at(0, len))?;
                if start.len() as u64 <= whole {
                    return Ok(Found::Whole(self.open(file.path(), start)?));
                }
                Ok(Found::Large(wait!(self.reader(file))?))
            }

            $($async)? fn reader(&self, file: File) -> Result<ObjectReader> {
                let len = wait!(file.len())?;
                let head = wait!(file.read_at(0, HEAD))?;
                let head = Head::read(&head, Some(len)).map_err(|message| self.damaged(file.path(), message))?;
                Ok(ObjectReader { file, head, at: 0, sum: Sum::default() })
            }

            $($async)? fn exists(&self, name: &str) -> Result<bool> {
                let Ok(path) = path_of(name) else { return Ok(false) };
                Ok(found(wait!(self.fs.stat(path)))?.is_some_and(|metadata| metadata.is_file()))
            }

            $($async)? fn evict(&self, name: &str) -> Result<()> {
                let Ok(path) = path_of(name) else { return Ok(()) };
                match wait!(self.fs.remove(path)) {
                    Err(error) if !is_absent(&error) => Err(error),
                    _ => Ok(()),
                }
            }

            /// Removes every object, and the folders that are empty then.
            $($async)? fn clear(&self) -> Result<()> {
                for folder in wait!(self.fs.list(FsPath::root()))? {
                    if !folder.is_dir() || !is_folder(folder.path.name().as_bytes()) {
                        continue;
                    }
                    let entries = wait!(self.fs.list(&folder.path))?;
                    let name = folder.path.name().as_bytes();
                    let ours = |entry: &crate::store::Entry| is_object(name, entry.path.name().as_bytes());
                    let paths: Vec<FsPath> =
                        entries.into_iter().filter(ours).map(|entry| entry.path).collect();
                    let options = bulk::Options::default().on_error(bulk::OnError::Return);
                    for removed in wait!(bulk::rm(&self.fs, &paths, Depth::Children, &options))? {
                        match removed.result {
                            Err(error) if !is_absent(&error) => return Err(error),
                            _ => {}
                        }
                    }
                    match wait!(self.fs.remove_dir(&folder.path)) {
                        // Something else stands there, or the store has no folders of their own.
                        Err(error)
                            if !matches!(
                                error.kind(),
                                ErrorKind::NotEmpty | ErrorKind::NotFound | ErrorKind::Unsupported
                            ) =>
                        {
                            return Err(error);
                        }
                        _ => {}
                    }
                }
                Ok(())
            }
        }

        /// An object that was found: see [`FileConnector::find`] and [`StoreConnector::find`].
        #[derive(Debug)]
        pub enum Found {
            /// All of its bytes.
            Whole(Bytes),
            /// It is larger than what was asked for whole.
            Large(ObjectReader),
        }

        /// An object that is read piece by piece.
        pub struct ObjectReader {
            file: File,
            head: Head,
            at: u64,
            sum: Sum,
        }

        impl ObjectReader {
            /// The length of the object in bytes.
            #[must_use]
            pub fn len(&self) -> u64 {
                self.head.len
            }

            /// Whether the object has no bytes.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.head.len == 0
            }

            /// Reads the next bytes; gives how many: as many as `buf` has room for, fewer at the end, then
            /// 0. The bytes are the object's only once the last of them has been read: then they are held
            /// against the checksum.
            ///
            /// # Errors
            /// `Io` where bytes were cut or changed.
            pub $($async)? fn read_into(&mut self, buf: &mut [u8]) -> Result<usize> {
                let mut filled = 0;
                while filled < buf.len() && self.at < self.head.len {
                    let left = usize::try_from(self.head.len - self.at).unwrap_or(usize::MAX);
                    let end = filled + (buf.len() - filled).min(left).min(BLOCK);
                    let piece = &mut buf[filled..end];
                    let count = wait!(self.file.read_into_at(HEAD as u64 + self.at, piece))?;
                    if count == 0 {
                        return Err(self.damaged(frame::CUT));
                    }
                    self.sum.add(&piece[..count]);
                    filled += count;
                    self.at += count as u64;
                }
                if self.at == self.head.len {
                    self.head.check(self.sum.finish()).map_err(|message| self.damaged(message))?;
                }
                Ok(filled)
            }

            fn damaged(&self, message: &'static str) -> Error {
                frame::damaged(self.file.path(), "objects", message)
            }
        }

        impl fmt::Debug for ObjectReader {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("ObjectReader").field("len", &self.head.len).finish_non_exhaustive()
            }
        }

        /// Objects in a directory that several processes share, one file each, readable by its owner only.
        #[doc = concat!("The same on the other face is [`", $twin, "::FileConnector`].")]
        ///
        /// As long as a connector is open it holds the directory, in whatever process it is.
        /// [`close`](Connector::close) removes the objects and the directory if no other connector holds it;
        /// what others put there stays. Dropped without that it removes nothing. To open one removes what
        /// killed writers left. The directory is for these connectors alone.
        ///
        /// A closed connector still gets what is there, but holds nothing.
        ///
        /// ```
        #[doc = $first]
        /// # let dir = tempfile::tempdir().unwrap();
        /// # let store_dir = dir.path().join("objects");
        #[doc = concat!("use twinfs::", $module, "::{Connector, FileConnector};")]
        ///
        #[doc = concat!("let connector = FileConnector::open(&store_dir)", $await, "?;")]
        #[doc = concat!("let key = connector.put(vec![1, 2, 3])", $await, "?;")]
        #[doc = concat!("assert_eq!(connector.get(&key)", $await, "?.unwrap(), [1, 2, 3][..]);")]
        #[doc = concat!("connector.close()", $await, "?;")]
        /// assert!(!store_dir.exists());
        #[doc = $last]
        /// ```
        pub struct FileConnector {
            objects: Objects,
            dir: Arc<PrivateDir>,
            config: FileConfig,
        }

        impl FileConnector {
            /// A connector to a directory, made with its parents if it is missing; its objects are removed
            /// when the last connector closes.
            ///
            /// # Errors
            /// `NotADirectory`, `PermissionDenied`, `InvalidPath` for a path that is not UTF-8.
            pub $($async)? fn open(store_dir: impl AsRef<Path> + Send) -> Result<Self> {
                let config = FileConfig::new(store_dir)?;
                wait!(Self::make(config))
            }

            $($async)? fn make(config: FileConfig) -> Result<Self> {
                let options = local_options(config.durability);
                // An absolute path is the same everywhere, and a configuration may be written by hand.
                let config = FileConfig { store_dir: FileConfig::new(&config.store_dir)?.store_dir, ..config };
                let path = config.store_dir.clone();
                let dir = hop!(move || PrivateDir::open(path.as_ref(), options, LAYOUT).map(Arc::new))?;
                let fs = Fs::new(AnyStore::new_blocking(dir.store().clone()).$into());
                let objects = Objects { opens: true, ..Objects::new(fs, config.durability) };
                Ok(Self { objects, dir, config })
            }

            /// The directory, absolute.
            #[must_use]
            pub fn store_dir(&self) -> &Path {
                self.dir.store().root()
            }

            fn objects(&self) -> Result<&Objects> {
                self.dir.renew()?;
                Ok(&self.objects)
            }

            fn own_config(&self) -> Result<FileConfig> {
                Ok(self.config.clone())
            }

            fn clears(&self) -> bool {
                self.config.clear
            }

            /// [`close`](Connector::close), whatever the configuration says of the objects.
            ///
            /// # Errors
            /// Those of removing.
            pub $($async)? fn close_with(&self, clear: Clear) -> Result<()> {
                let dir = Arc::clone(&self.dir);
                hop!(move || match clear {
                    Clear::Remove => dir.close_and_clear(),
                    Clear::Keep => dir.close(),
                })
            }
        }

        impl fmt::Debug for FileConnector {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("FileConnector").field("store_dir", &self.config.store_dir).finish_non_exhaustive()
            }
        }

        /// Objects in any file system, one file each.
        #[doc = concat!("The same on the other face is [`", $twin, "::StoreConnector`].")]
        ///
        /// Closing it keeps the objects unless it is told otherwise; then it removes all that are there,
        /// also those that others still use.
        ///
        /// ```
        #[doc = $first]
        #[doc = concat!("use twinfs::", $module, "::{Connector, StoreConnector};")]
        ///
        #[doc = concat!("let connector = StoreConnector::connect(\"memory://objects\")", $await, "?;")]
        #[doc = concat!("let key = connector.put(\"hello\")", $await, "?;")]
        ///
        /// // Another connector to the same store has the same objects.
        #[doc = concat!("let other = StoreConnector::from_config(connector.config()?)", $await, "?;")]
        #[doc = concat!("assert_eq!(other.get(&key)", $await, "?.unwrap(), \"hello\");")]
        #[doc = $last]
        /// ```
        pub struct StoreConnector {
            objects: Objects,
            config: Option<StoreConfig>,
            closed: AtomicBool,
        }

        impl StoreConnector {
            /// A connector to the store at a URL or path.
            ///
            /// # Errors
            #[doc = concat!("As [`Fs::connect`](", $module, "::StoreConnector::connect).")]
            pub $($async)? fn connect(url: &str) -> Result<Self> {
                wait!(Self::make(StoreConfig::new(url)))
            }

            /// A connector to a file system. Without [`with_config`](Self::with_config) it has no
            /// configuration, and durability `none`.
            #[must_use]
            pub fn new(fs: Fs) -> Self {
                let objects = Objects::new(fs, crate::store::Durability::default());
                Self { objects, config: None, closed: AtomicBool::new(false) }
            }

            /// The same with the configuration that leads to its file system.
            #[must_use]
            pub fn with_config(mut self, config: StoreConfig) -> Self {
                self.objects.write.durability = Some(config.durability);
                self.config = Some(config);
                self
            }

            $($async)? fn make(config: StoreConfig) -> Result<Self> {
                let config = config.resolve()?;
                let (url, options) = (config.url.clone(), config.store_options());
                let store = hop!(move || registry::open(&url, options))?;
                Ok(Self::new(Fs::new(store.$into())).with_config(config))
            }

            #[expect(clippy::unnecessary_wraps, reason = "the other connector may fail here")]
            fn objects(&self) -> Result<&Objects> {
                Ok(&self.objects)
            }

            fn own_config(&self) -> Result<StoreConfig> {
                self.config.clone().ok_or_else(|| {
                    Error::new(ErrorKind::Unsupported).with_message(
                        "this connector was made from a file system, not from a URL: nothing says how to reach \
                         it elsewhere",
                    )
                })
            }

            fn clears(&self) -> bool {
                self.config.as_ref().is_some_and(|config| config.clear)
            }

            /// [`close`](Connector::close), whatever the configuration says of the objects.
            ///
            /// # Errors
            /// Those of removing.
            pub $($async)? fn close_with(&self, clear: Clear) -> Result<()> {
                if self.closed.swap(true, Ordering::AcqRel) || clear == Clear::Keep {
                    return Ok(());
                }
                wait!(self.objects.clear())
            }
        }

        impl fmt::Debug for StoreConnector {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("StoreConnector").field("config", &self.config).finish_non_exhaustive()
            }
        }
    };
}

/// What both connectors do with their objects.
macro_rules! connector {
    (async [$($async:tt)?] $connector:ident, $key:ident { $field:ident }, $config:ident) => {
        impl Connector for $connector {
            type Key = $key;
            type Config = $config;

            $($async)? fn from_config(config: $config) -> Result<Self> {
                wait!(Self::make(config))
            }

            fn config(&self) -> Result<$config> {
                self.own_config()
            }

            $($async)? fn put<'data>(&self, object: impl Into<Data<'data>> + Send) -> Result<$key> {
                let key = self.new_key()?;
                wait!(self.set(&key, object))?;
                Ok(key)
            }

            $($async)? fn put_batch(&self, objects: &[Data<'_>]) -> Result<Vec<$key>> {
                let names = wait!(self.objects()?.put_batch(objects))?;
                Ok(names.into_iter().map(|$field| $key { $field }).collect())
            }

            $($async)? fn get(&self, key: &$key) -> Result<Option<Bytes>> {
                wait!(self.objects()?.get(&key.$field))
            }

            $($async)? fn get_batch(&self, keys: &[$key]) -> Result<Vec<Option<Bytes>>> {
                let names: Vec<&str> = keys.iter().map(|key| key.$field.as_str()).collect();
                wait!(self.objects()?.get_batch(&names))
            }

            $($async)? fn exists(&self, key: &$key) -> Result<bool> {
                wait!(self.objects()?.exists(&key.$field))
            }

            $($async)? fn evict(&self, key: &$key) -> Result<()> {
                wait!(self.objects()?.evict(&key.$field))
            }

            fn new_key(&self) -> Result<$key> {
                Ok($key { $field: self.objects.names.next()? })
            }

            $($async)? fn set<'data>(
                &self,
                key: &$key,
                object: impl Into<Data<'data>> + Send,
            ) -> Result<()> {
                let object = object.into();
                wait!(self.objects()?.set(&key.$field, object))
            }

            $($async)? fn close(&self) -> Result<()> {
                let clear = if self.clears() { Clear::Remove } else { Clear::Keep };
                wait!(self.close_with(clear))
            }
        }

        impl $connector {
            /// As [`get`](Connector::get), but gives an object of more than `whole` bytes as a reader.
            ///
            /// # Errors
            /// As [`get`](Connector::get).
            pub $($async)? fn find(&self, key: &$key, whole: u64) -> Result<Option<Found>> {
                wait!(self.objects()?.find(&key.$field, whole))
            }
        }
    };
}

/// Objects longer than this, in bytes, are not copied to stand behind their heads.
const LARGE: usize = 256 * 1024;
/// The most bytes of one page of a batch.
const PAGE_BYTES: usize = 16 * 1024 * 1024;
/// The most objects of one page of a batch.
const PAGE_OBJECTS: usize = 1024;
/// The pages of a batch: large objects alone, others together.
fn pages(objects: &[Data<'_>]) -> Vec<std::ops::Range<usize>> {
    let mut pages = Vec::new();
    let (mut start, mut bytes) = (0, 0_usize);
    for (index, object) in objects.iter().enumerate() {
        let full = index - start == PAGE_OBJECTS || bytes.saturating_add(object.len()) > PAGE_BYTES;
        if start < index && (full || object.len() > LARGE) {
            pages.push(start..index);
            (start, bytes) = (index, 0);
        }
        bytes = bytes.saturating_add(object.len());
        if object.len() > LARGE {
            pages.push(index..index + 1);
            (start, bytes) = (index + 1, 0);
        }
    }
    if start < objects.len() {
        pages.push(start..objects.len());
    }
    pages
}

/// Whether a buffer has room for an object and for nothing else.
fn check_length(buf: &[u8], len: u64) -> Result<()> {
    if buf.len() as u64 == len {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidInput)
        .with_message(format!("the buffer has {} bytes and the object {len}", buf.len())))
}

/// What an operation on an object gave, with `None` where there is no object.
fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an error says that no object stands there: nothing, a directory, or a link that others put
/// there and that leads out of the store or nowhere.
fn is_absent(error: &Error) -> bool {
    use ErrorKind::{IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | IsADirectory) || leads_away(error)
}

/// Whether an error says that a link leads out of the store, or round in circles.
fn leads_away(error: &Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error();
    errno.is_some() && [Errno::XDEV, Errno::LOOP].into_iter().any(|away| errno == Some(away.raw_os_error()))
}

/// How the directory of a [`FileConnector`](super::FileConnector) is opened.
fn local_options(durability: crate::store::Durability) -> crate::stores::local::LocalOptions {
    crate::stores::local::LocalOptions {
        durability,
        // Keys are unique: nobody writes on a condition.
        versions: crate::stores::local::Versions::Off,
        file_mode: Some(0o600),
        dir_mode: Some(0o700),
        create: crate::stores::local::Create::Missing,
        emptied: crate::stores::local::Emptied::Remove,
    }
}

/// The async face.
pub(super) mod asynchronous {
    use std::future::Future;

    use super::check_length;
    use crate::bulk;
    use crate::face::asynchronous::{File, Fs};

    macro_rules! wait {
        ($future:expr) => {
            $future.await
        };
    }

    macro_rules! hop {
        ($work:expr) => {
            crate::pool::run($work).await
        };
    }

    macro_rules! answer {
        ($ty:ty) => { impl Future<Output = $ty> + Send };
    }

    face! {
        async [async]
        examples ["# smol::block_on(async {", ".await", "# Ok::<(), twinfs::Error>(()) }).unwrap();"]
        module "objects" twin "blocking" store into_async
    }

    impl ObjectReader {
        /// Reads the whole object into `buf`, which has its length.
        ///
        /// # Errors
        /// As [`read_into`](Self::read_into); `InvalidInput` for a buffer of another length.
        pub async fn read_whole(mut self, buf: &mut [u8]) -> Result<()> {
            check_length(buf, self.head.len)?;
            self.read_into(buf).await.map(drop)
        }
    }

    connector!(async [async] FileConnector, FileKey { filename }, FileConfig);
    connector!(async [async] StoreConnector, StoreKey { id }, StoreConfig);
}

/// The sync face.
pub(super) mod blocking {
    use std::sync::{Mutex, PoisonError};

    use super::check_length;
    use crate::bulk::blocking as bulk;
    use crate::face::blocking::{File, Fs};

    macro_rules! wait {
        ($value:expr) => {
            $value
        };
    }

    macro_rules! hop {
        ($work:expr) => {
            ($work)()
        };
    }

    macro_rules! answer {
        ($ty:ty) => {
            $ty
        };
    }

    face! {
        async []
        examples ["", "", "# Ok::<(), twinfs::Error>(())"]
        module "blocking::objects" twin "objects" store into_sync
    }

    impl ObjectReader {
        /// Reads the whole object into `buf`, which has its length, on several threads if it is long.
        ///
        /// # Errors
        /// As [`read_into`](Self::read_into); `InvalidInput` for a buffer of another length.
        pub fn read_whole(mut self, buf: &mut [u8]) -> Result<()> {
            check_length(buf, self.head.len)?;
            if buf.len() < SPREAD_FROM {
                return self.read_into(buf).map(drop);
            }
            let blocks: Vec<Mutex<Block<'_>>> =
                buf.chunks_mut(BLOCK).map(|bytes| Mutex::new(Block { bytes, sum: Ok(0) })).collect();
            let read = |index: usize| {
                let mut block = blocks[index].lock().unwrap_or_else(PoisonError::into_inner);
                block.sum = self.read_block(index as u64, block.bytes);
            };
            let done = crate::pool::for_each_borrowed(blocks.len(), 2, &read);
            let sums = blocks
                .into_iter()
                .map(|block| block.into_inner().unwrap_or_else(PoisonError::into_inner).sum);
            let sums = sums.collect::<Result<Vec<u64>>>()?;
            if !done {
                return Err(self.damaged("a worker panicked; this is a fault of twinfs, please report it"));
            }
            self.head.check(frame::joined(sums.into_iter())).map_err(|message| self.damaged(message))
        }

        /// Reads one block; gives its checksum.
        fn read_block(&self, index: u64, block: &mut [u8]) -> Result<u64> {
            let start = HEAD as u64 + index * BLOCK as u64;
            let mut filled = 0;
            while filled < block.len() {
                match self.file.read_into_at(start + filled as u64, &mut block[filled..])? {
                    0 => return Err(self.damaged(frame::CUT)),
                    count => filled += count,
                }
            }
            Ok(frame::checksum(block))
        }
    }

    /// A block of an object under way, and its checksum once it is read.
    struct Block<'buf> {
        bytes: &'buf mut [u8],
        sum: Result<u64>,
    }

    /// From how many bytes on a second thread is worth waking.
    const SPREAD_FROM: usize = 4 * 1024 * 1024;

    connector!(async [] FileConnector, FileKey { filename }, FileConfig);
    connector!(async [] StoreConnector, StoreKey { id }, StoreConfig);
}
