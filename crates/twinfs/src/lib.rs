//! One file layer with two faces, async and sync, that do the same, over any store.
pub mod adapters;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod error;
pub mod fork;
#[cfg(feature = "net")]
pub mod net;
pub mod path;
pub mod pool;
pub mod seam;
pub mod store;
pub mod stores;

pub use error::{Error, ErrorContext, ErrorKind, Operation, Result};
pub use location::Location;
#[cfg(feature = "http")]
pub use net::http::HttpStatus;
pub use path::{FsPath, IntoFsPath};
pub use registry::StoreOptions;
pub use store::*;

mod face;
pub mod layers;
pub mod location;
mod logic;
mod opaque;
pub mod registry;
#[cfg(feature = "http")]
pub mod runfiles;

pub use face::asynchronous::{Chunks, Entries, File, Fs};
pub use logic::stream::STREAM_BLOCK;
pub use logic::usage::DiskUsage;

/// The sync face: the same names and the same methods, without `.await`.
pub mod blocking {
    #[cfg(feature = "http")]
    pub use crate::runfiles::blocking as runfiles;
    pub use crate::face::blocking::{Chunks, DEFAULT_BLOCK, Entries, File, Fs};
}
