//! One file layer with two faces, async and sync, that do the same, over any store.
pub mod adapters;
pub mod bulk;
pub mod error;
pub mod fork;
pub mod path;
pub mod pool;
pub mod seam;
pub mod settings;
pub mod store;
pub mod stores;

pub use error::{Error, ErrorContext, ErrorKind, Operation, Result};
pub use location::Location;
pub use path::{FsPath, IntoFsPath};
pub use registry::StoreOptions;
pub use store::*;

mod face;
pub mod layers;
pub mod location;
mod logic;
mod opaque;
pub mod registry;

pub use face::asynchronous::{Chunks, Entries, File, Fs};
pub use logic::stream::STREAM_BLOCK;
pub use logic::usage::DiskUsage;

/// The sync face: the same names and the same methods, without `.await`.
pub mod blocking {
    pub use crate::bulk::blocking as bulk;
    pub use crate::face::blocking::{Chunks, DEFAULT_BLOCK, Entries, File, Fs};
}
