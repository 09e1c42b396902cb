//! The four adapters that give both faces to every store.
//!
//! | store | async face | sync face |
//! |---|---|---|
//! | [`BlockingStore`](crate::store::BlockingStore) | [`OffThread`]: at most one hop to the pool per verb | [`Ready`]: called in place |
//! | [`AsyncStore`](crate::store::AsyncStore) | itself | [`Park`]: the thread waits |
//!
//! Whether a call may hop is a type, never a test of where it is called from.

mod off_thread;
mod park;
mod ready;

pub use off_thread::{OffThread, OffThreadFile, OffThreadLister};
pub use park::{Park, ParkFile, ParkLister, park_on};
pub use ready::{Ready, ReadyFile, ReadyLister, ready};
