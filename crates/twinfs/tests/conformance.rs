//! The conformance suite over local disk and memory, on every face and executor.

#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test says what must hold by unwrapping")]

use std::path::PathBuf;
use std::sync::Arc;

use rstest::rstest;
use tempfile::TempDir;
use twinfs::conformance::{self, Options, Report};
use twinfs::stores::local::{LocalOptions, LocalStore};
use twinfs::stores::memory::MemoryStore;
use twinfs::{AnyStore, Durability, Fs, blocking};

/// A store under test.
#[derive(Clone, Copy, Debug)]
enum Under {
    Memory,
    /// The disk that the build directory is on, without durability.
    Disk,
    /// The same, with all of it.
    Durable,
    /// A file system in memory, without durability.
    Tmpfs,
    /// The same, with all of it.
    DurableTmpfs,
}

/// A fresh store, and the directory that goes with it.
fn open(under: Under) -> (AnyStore, Option<TempDir>) {
    let (parent, durability) = match under {
        Under::Memory => return (AnyStore::Memory(Arc::new(MemoryStore::default())), None),
        Under::Disk => (PathBuf::from(env!("CARGO_TARGET_TMPDIR")), Durability::None),
        Under::Durable => (PathBuf::from(env!("CARGO_TARGET_TMPDIR")), Durability::Full),
        Under::Tmpfs => (PathBuf::from("/dev/shm"), Durability::None),
        Under::DurableTmpfs => (PathBuf::from("/dev/shm"), Durability::Full),
    };
    let dir = tempfile::tempdir_in(parent).unwrap();
    let store = LocalStore::open(dir.path(), LocalOptions { durability, ..LocalOptions::default() }).unwrap();
    (AnyStore::new_blocking(store), Some(dir))
}

/// All trials, or those whose name contains `TWINFS_CONFORMANCE_ONLY`. All names go to memory, and to
/// disk with `TWINFS_SOAK=1`.
fn options(under: Under) -> Options {
    let is_soak = std::env::var("TWINFS_SOAK").is_ok_and(|soak| soak == "1");
    let nth = if matches!(under, Under::Memory) || is_soak { 1 } else { 7 };
    let options = Options::default().every_nth_name(nth);
    match std::env::var("TWINFS_CONFORMANCE_ONLY") {
        Ok(only) => options.only(only),
        Err(_) => options,
    }
}

fn sync(under: Under) -> Report {
    let (store, _dir) = open(under);
    conformance::run_blocking(&blocking::Fs::new(store.into_sync()), &options(under))
}

async fn asynchronous(under: Under) -> Report {
    let (store, _dir) = open(under);
    conformance::run_async(&Fs::new(store.into_async()), &options(under)).await
}

fn tokio_threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[rstest]
fn the_sync_face(
    #[values(Under::Memory, Under::Disk, Under::Durable, Under::Tmpfs, Under::DurableTmpfs)] under: Under,
) {
    sync(under).assert_all();
}

#[rstest]
fn the_sync_face_inside_a_runtime(
    #[values(Under::Memory, Under::Disk, Under::Durable, Under::Tmpfs, Under::DurableTmpfs)] under: Under,
) {
    tokio_threads().block_on(async { sync(under) }).assert_all();
}

#[rstest]
fn the_async_face_on_threads(
    #[values(Under::Memory, Under::Disk, Under::Durable, Under::Tmpfs, Under::DurableTmpfs)] under: Under,
) {
    // Spawned, so that the futures of every trial must be `Send`.
    let runtime = tokio_threads();
    runtime.block_on(async { tokio::spawn(asynchronous(under)).await.unwrap() }).assert_all();
}

#[rstest]
fn the_async_face_on_one_thread(
    #[values(Under::Memory, Under::Disk, Under::Durable, Under::Tmpfs, Under::DurableTmpfs)] under: Under,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(asynchronous(under)).assert_all();
}

#[rstest]
fn the_async_face_on_smol(#[values(Under::Memory, Under::Disk, Under::Tmpfs)] under: Under) {
    smol::block_on(asynchronous(under)).assert_all();
}

#[rstest]
fn both_faces_refuse_with_the_same_kinds(#[values(Under::Memory, Under::Disk, Under::Tmpfs)] under: Under) {
    let (sync, asynchronous) = (sync(under), smol::block_on(asynchronous(under)));
    assert!(sync.observed.len() > 1000, "{}", sync.observed.len());
    for (index, (one, other)) in sync.observed.iter().zip(&asynchronous.observed).enumerate() {
        assert_eq!(one, other, "at {index}");
    }
    assert_eq!(sync.observed.len(), asynchronous.observed.len());
    let sets = |report: Report| (report.passed, report.refused, report.skipped);
    assert_eq!(sets(sync), sets(asynchronous));
}
