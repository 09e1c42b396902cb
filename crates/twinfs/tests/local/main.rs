//! What is particular to local disk: processes, forks, links, modes, full disks, leftovers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what must hold by unwrapping"
)]
#![allow(clippy::print_stderr, reason = "a test that passes over something says so")]
#![cfg(test)]

mod attempts;
mod bulk;
mod child;
mod confinement;
mod copies;
mod durability;
mod fork;
mod limits;
mod listing;
mod litter;
mod modes;
mod mounts;
mod removal;
mod root;
mod support;
mod uploads;
mod versions;
mod writers;
