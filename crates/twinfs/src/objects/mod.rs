//! Objects: bytes that a store keeps under a key it makes itself, as ProxyStore's connectors do.
//!
//! A [`Connector`] puts objects and gets them back, in batches too. [`FileConnector`] keeps them in a
//! directory that several processes share, [`StoreConnector`] in any file system. The sync face,
//! with the same names and methods, is [`blocking::objects`](crate::blocking::objects).
//!
//! ```
//! # smol::block_on(async {
//! # let dir = tempfile::tempdir().unwrap();
//! # let store_dir = dir.path().join("objects");
//! use twinfs::objects::{Connector, FileConnector};
//!
//! let connector = FileConnector::open(&store_dir).await?;
//! let key = connector.put("some bytes").await?;
//! assert_eq!(connector.get(&key).await?.unwrap(), "some bytes");
//!
//! // What it takes to use the same objects elsewhere travels by serde.
//! let elsewhere = FileConnector::from_config(connector.config()?).await?;
//! assert!(elsewhere.exists(&key).await?);
//! elsewhere.evict(&key).await?;
//! assert_eq!(connector.get(&key).await?, None);
//! connector.close().await?;
//! elsewhere.close().await?;
//! # Ok::<(), twinfs::Error>(()) }).unwrap();
//! ```
//!
//! **Whole**: an object is there with all of its bytes, or not at all. **Checked**: each carries its
//! length and a checksum, so bytes that were cut or changed are an `Io` error and never come out.
//! **Inside**: no key leads out of the store. One that cannot be a key names nothing: it is not
//! there, and only to [`set`](Connector::set) it is `InvalidPath`.

mod access;
mod config;
mod faces;
mod frame;
mod key;

pub use config::{Clear, FileConfig, StoreConfig};
pub use faces::asynchronous::{Connector, FileConnector, Found, ObjectReader, StoreConnector};
pub use key::{FileKey, StoreKey};

/// The sync face: the same names and the same methods, without `.await`.
pub mod blocking {
    pub use super::config::{Clear, FileConfig, StoreConfig};
    pub use super::faces::blocking::{Connector, FileConnector, Found, ObjectReader, StoreConnector};
    pub use super::key::{FileKey, StoreKey};
}
