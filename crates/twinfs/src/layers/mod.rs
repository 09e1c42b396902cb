//! Layers: a store around a store.
//!
//! A layer says what happens around an operation, once ([`Around`]); [`Layered`] carries it through
//! every verb, file and listing. [`Timeout`] is one; a counting layer of your own is as short.

mod around;
mod timeout;

pub use around::{Around, Call, ImmediateAround, Layered, LayeredFile, LayeredLister};
pub use timeout::{OperationTimeout, Timeout};
