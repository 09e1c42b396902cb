//! Staged uploads: none. An upload session of the wire takes each chunk once, tells nobody what it
//! has beyond the chunks' numbers, and shows in no list; that is no staged upload.

use crate::error::{Error, ErrorKind, Result};

pub(super) fn undeclared<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported).with_message("a run over HTTP has no staged uploads"))
}
