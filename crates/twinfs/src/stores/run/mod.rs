//! The store of a run on a twinfs server.

pub(crate) mod fetch;
pub(crate) mod wire;
