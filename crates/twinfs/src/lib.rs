//! One file layer with two faces, async and sync, that do the same, over any store.
pub mod adapters;
pub mod error;
pub mod fork;
pub mod path;
pub mod pool;
pub mod seam;
pub mod store;
pub mod stores;

pub use error::{Error, ErrorContext, ErrorKind, Operation, Result};
pub use path::{FsPath, IntoFsPath};
pub use store::*;
