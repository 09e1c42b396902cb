//! What a store is: the two traits, their arguments and their answers.
//!
//! A store is written once, in the face natural to it: [`BlockingStore`] for local disk and memory,
//! [`AsyncStore`] for the network. The [adapters](crate::adapters) give both faces to each.

mod asynchronous;
mod blocking;
mod capabilities;
mod data;
mod erased;
mod metadata;
mod options;
pub(crate) mod verbs;

pub use asynchronous::{AsyncFile, AsyncLister, AsyncStore, Immediate};
pub(crate) use blocking::after_failed_write;
pub use blocking::{BlockingFile, BlockingLister, BlockingStore};
pub use capabilities::Capabilities;
pub(crate) use data::join;
pub use data::{Data, PublishItem, WriteItem};
pub use erased::{AnyStore, AsyncFace, DynFile, DynLister, DynStore, SyncFace};
pub(crate) use metadata::random_hex;
pub use metadata::{Entry, EntryKind, Metadata, Staged, StagedId, Version};
pub use options::{
    ByteRange, Condition, CreateDirOptions, Depth, Durability, Existing, Lease, ListOptions, Mode,
    MoveOptions, OpenOptions, Order, Parents, Publish, ReadOptions, RemoveOptions, StageOptions,
    StagedTarget, StatOptions, WriteOptions,
};
