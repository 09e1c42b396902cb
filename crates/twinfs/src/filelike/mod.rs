//! Files by name with as few verbs as can be: open, list, remove, move, copy.
//!
//! What is written to a file is stored, whole, when it is closed; a reader sees the file as it was when
//! it was opened; of two writers of one file one stores it and the other gets `WouldBlock`. It works over
//! any store, and names know nothing of which.
//!
//! [`FileLikeSystem`] is the async face, [`blocking::FileLikeSystem`] the sync one with the same methods.

mod content;
mod faces;
mod pattern;
mod system;
mod template;

pub use faces::asynchronous::{FileLike, FileLikeSystem};
pub use system::Mode;
pub use template::Template;

use crate::error::{Error, ErrorContext, ErrorKind, Operation, Result};
use crate::registry::{self, StoreOptions};
use crate::store::AnyStore;

/// The sync face: the same names and the same methods, without `.await`.
pub mod blocking {
    pub use super::faces::blocking::{FileLike, FileLikeSystem};
    pub use super::{Mode, Template};
}

/// The store on the local disk that a template names, and the template inside it.
fn local_store(template: &str) -> Result<(AnyStore, Template)> {
    let (root, inside) = Template::on_disk(template).during(Operation::Connect)?;
    let Some(root) = root.to_str() else {
        return Err(Error::new(ErrorKind::InvalidPath)
            .with_operation(Operation::Connect)
            .with_raw_path(template)
            .with_message("a path must be UTF-8"));
    };
    Ok((registry::open(root, StoreOptions::new())?, inside))
}
