//! The two faces of the connectors, from one text.

use crate::store::Durability;
use crate::stores::local::{Create, LocalOptions, Versions};

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
        use super::super::key::{FileKey, LAYOUT, StoreKey, Usage};
        use super::local_options;
        use crate::error::{Error, ErrorKind, Result};
        use crate::registry;
        use crate::store::{AnyStore, Data, Durability};
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
            usage: Usage,
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
                let objects = Objects { private: true, ..Objects::new(fs, config.durability) };
                Ok(Self { objects, dir, config, usage: Usage::default() })
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

            fn was_put(&self, name: &str) {
                self.usage.put(name);
            }

            /// Removes the folders that may be empty now that this object is gone.
            $($async)? fn evicted(&self, name: &str) {
                let folders = self.usage.evicted(name);
                if !folders.is_empty() {
                    let dir = Arc::clone(&self.dir);
                    // A folder that stays is in nobody's way.
                    let _: Result<()> = hop!(move || {
                        dir.remove_emptied(folders.into_iter());
                        Ok(())
                    });
                }
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
                let objects = Objects::new(fs, Durability::default());
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
            fn objects(&self) -> Result<&Objects> {
                Ok(&self.objects)
            }
            fn was_put(&self, _name: &str) {}
            $($async)? fn evicted(&self, _name: &str) {}

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
                let (key, object) = (self.new_key()?, object.into());
                wait!(self.objects()?.put(&key.$field, object))?;
                self.was_put(&key.$field);
                Ok(key)
            }

            $($async)? fn put_batch(&self, objects: &[Data<'_>]) -> Result<Vec<$key>> {
                let names = wait!(self.objects()?.put_batch(objects))?;
            names.iter().for_each(|name| self.was_put(name));
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
                if wait!(self.objects()?.evict(&key.$field))? {
                    wait!(self.evicted(&key.$field));
                }
                Ok(())
            }

            fn new_key(&self) -> Result<$key> {
                Ok($key { $field: self.objects.names.next()? })
            }

            $($async)? fn set<'data>(&self, key: &$key, object: impl Into<Data<'data>> + Send) -> Result<()> {
                let object = object.into();
                wait!(self.objects()?.set(&key.$field, object))?;
                self.was_put(&key.$field);
                Ok(())
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

/// How the directory of a [`FileConnector`](super::FileConnector) is opened.
fn local_options(durability: Durability) -> LocalOptions {
    LocalOptions {
        durability,
        // Keys are unique: nobody writes on a condition.
        versions: Versions::Off,
        file_mode: Some(0o600),
        dir_mode: Some(0o700),
        create: Create::Missing,
    }
}

/// The async face.
pub(super) mod asynchronous {
    use std::future::Future;

    use super::super::access::asynchronous::Objects;
    pub use super::super::access::asynchronous::{Found, ObjectReader};
    use crate::face::asynchronous::Fs;

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

    connector!(async [async] FileConnector, FileKey { filename }, FileConfig);
    connector!(async [async] StoreConnector, StoreKey { id }, StoreConfig);
}

/// The sync face.
pub(super) mod blocking {
    use super::super::access::blocking::Objects;
    pub use super::super::access::blocking::{Found, ObjectReader};
    use crate::face::blocking::Fs;

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

    connector!(async [] FileConnector, FileKey { filename }, FileConfig);
    connector!(async [] StoreConnector, StoreKey { id }, StoreConfig);
}
