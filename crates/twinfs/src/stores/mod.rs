//! The stores. Each folder has the same file names: `mod.rs` (the store), `file.rs` (its handles),
//! `list.rs` (its listings), `stage.rs` (its staged uploads) and what else it alone needs.

pub mod local;
pub mod memory;
#[cfg(feature = "http")]
pub mod run;
