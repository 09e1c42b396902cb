//! The parts of HTTP that every route shares.

pub(crate) mod body;
pub(crate) mod conditions;
pub(crate) mod digest;
pub(crate) mod error;
pub(crate) mod json;
pub(crate) mod multipart;
pub(crate) mod range;
pub(crate) mod target;
