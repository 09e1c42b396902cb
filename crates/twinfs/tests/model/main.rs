//! Random lists of operations, with two handles open at a time, on both faces of a store and on a
//! plain model: the same answers, the same kinds of errors, the same tree after every operation.
//!
//! `TWINFS_MODEL_CASES` says how many lists are tried, `TWINFS_SOAK=1` tries many; proptest shrinks
//! the one that fails. `TWINFS_SEED` makes the lists of an earlier run again.
#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what must hold by panicking")]

mod face;
mod handle;
mod operation;
mod plain;

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestCaseError};
use twinfs::stores::local::{LocalOptions, LocalStore};
use twinfs::stores::memory::MemoryStore;
use twinfs::{AnyStore, Fs, blocking};

use self::face::Face;
use self::operation::{Operation, operations};
use self::plain::{Answer, Model, Quirks};

fn cases(default: u32) -> ProptestConfig {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let soak = if number("TWINFS_SOAK") == Some(1) { 25 } else { 1 };
    let cases = number("TWINFS_MODEL_CASES").and_then(|cases| u32::try_from(cases).ok());
    ProptestConfig {
        cases: cases.unwrap_or(default * soak),
        max_shrink_iters: 20_000,
        rng_seed: number("TWINFS_SEED").map_or(RngSeed::Random, RngSeed::Fixed),
        // A failure is printed in full; it becomes a test of its own, not a seed in a file.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Runs the operations on one face and on the model; gives the answers, for the other face.
fn replay(operations: &[Operation], mut face: Face, quirks: Quirks) -> Result<Vec<Answer>, TestCaseError> {
    let mut model = Model::new(quirks);
    let mut answers = Vec::new();
    for (index, operation) in operations.iter().enumerate() {
        let Some(allowed) = model.apply(operation) else { continue };
        let answer = face.apply(operation);
        prop_assert!(
            allowed.contains(&answer),
            "operation {index}, {operation:?}: found {answer:?}, expected {allowed:?}"
        );
        prop_assert_eq!(face.tree(), model.tree(), "the tree after operation {}, {:?}", index, operation);
        answers.push(answer);
    }
    Ok(answers)
}

/// Both faces, each on a store of its own.
fn replay_both(
    operations: &[Operation],
    store: impl Fn() -> AnyStore,
    quirks: Quirks,
) -> Result<(), TestCaseError> {
    let sync = Face::sync(blocking::Fs::new(store().into_sync()));
    let asynchronous = Face::asynchronous(Fs::new(store().into_async()));
    prop_assert_eq!(replay(operations, sync, quirks)?, replay(operations, asynchronous, quirks)?);
    Ok(())
}

fn local_in(parent: &str, operations: &[Operation]) -> Result<(), TestCaseError> {
    let dir = tempfile::tempdir_in(parent).unwrap();
    let open = || {
        let root = tempfile::tempdir_in(dir.path()).unwrap().keep();
        AnyStore::new_blocking(LocalStore::open(root, LocalOptions::default()).unwrap())
    };
    replay_both(operations, open, Quirks { directories_at_open: true })
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn memory_does_as_the_model(operations in operations()) {
        let open = || AnyStore::Memory(Arc::new(MemoryStore::default()));
        replay_both(&operations, open, Quirks { directories_at_open: false })?;
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn local_disk_does_as_the_model(operations in operations()) {
        local_in(env!("CARGO_TARGET_TMPDIR"), &operations)?;
    }

    #[test]
    fn tmpfs_does_as_the_model(operations in operations()) {
        local_in("/dev/shm", &operations)?;
    }
}
