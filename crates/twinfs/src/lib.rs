//! One file layer with two faces, async and sync, that do the same, over any store.
//!
//! [`Fs`] is the async face, [`blocking::Fs`] the sync one: the same methods, the same bytes, the same
//! errors. A file is never half-written: what a reader sees is the old one or the new one, and a
//! writer that fails, is dropped or is killed publishes nothing.
//!
//! ```
//! # smol::block_on(async {
//! let fs = twinfs::Fs::connect("memory://notes").await?;
//! fs.write("2026/today.txt", "hello").await?;
//! assert_eq!(fs.read("2026/today.txt").await?, "hello");
//!
//! // The same tree from the other face.
//! let sync = twinfs::blocking::Fs::connect("memory://notes")?;
//! assert_eq!(sync.read("2026/today.txt")?, "hello");
//! # Ok::<(), twinfs::Error>(()) }).unwrap();
//! ```
//!
//! Local disk and memory need no runtime on either face; every executor will do for the async one.
//!
//! # Features
//! - `http`: `runfiles`, the client of a run-files server, and the store `run+http(s)://`.
//! - `tokio`: `http`, and `net::use_runtime`, which hands it a tokio runtime of the program's own.
//! - `objects`: `objects`, stores of bytes under keys, as ProxyStore's connectors are.
//! - `conformance`: the suite that every store must pass, for a store of your own.

pub mod adapters;
pub mod bulk;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod error;
mod face;
pub mod filelike;
pub mod fork;
pub mod layers;
pub mod location;
mod logic;
#[cfg(feature = "http")]
pub mod net;
#[cfg(feature = "objects")]
pub mod objects;
mod opaque;
pub mod path;
pub mod pathio;
pub mod pool;
pub mod registry;
#[cfg(feature = "http")]
pub mod runfiles;
pub mod seam;
pub mod settings;
pub mod store;
pub mod stores;
pub mod turn;

pub use error::{Error, ErrorContext, ErrorKind, Operation, Result};
pub use face::asynchronous::{Chunks, Entries, File, Fs};
pub use location::Location;
pub use logic::stream::STREAM_BLOCK;
pub use logic::usage::DiskUsage;
#[cfg(feature = "http")]
pub use net::http::HttpStatus;
pub use path::{FsPath, IntoFsPath};
pub use registry::StoreOptions;
pub use store::*;

/// The sync face: the same names and the same methods, without `.await`.
pub mod blocking {
    pub use crate::bulk::blocking as bulk;
    pub use crate::face::blocking::{Chunks, DEFAULT_BLOCK, Entries, File, Fs};
    pub use crate::filelike::blocking as filelike;
    #[cfg(feature = "objects")]
    pub use crate::objects::blocking as objects;
    pub use crate::pathio::blocking as pathio;
    #[cfg(feature = "http")]
    pub use crate::runfiles::blocking as runfiles;
}
