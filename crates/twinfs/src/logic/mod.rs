//! What stands above the stores, written once as async text over [`AsyncStore`](crate::AsyncStore).
//! The async face awaits it, the sync face runs it to the end.
//!
//! Logic awaits nothing but store verbs: no timer, lock or channel. That is what lets the sync face
//! run it without a runtime.

pub(crate) mod check;
pub(crate) mod entries;
pub(crate) mod glob;
pub(crate) mod stream;
pub(crate) mod usage;
pub(crate) mod verbs;
pub(crate) mod window;
