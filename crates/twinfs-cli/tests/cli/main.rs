//! The real binary: outputs, exit codes, bytes.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod copy;
mod files;
mod output;
mod password;
mod remote;
mod run;
mod serve;
