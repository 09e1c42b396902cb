//! How far a download or upload has come.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far a download or upload has come, in all its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The file that has just moved on: its path in the run.
    pub path: Arc<str>,
    /// Bytes transferred so far.
    pub bytes: u64,
    /// Bytes in all, as known at the start.
    pub total_bytes: u64,
    /// Files that have arrived whole.
    pub files: u64,
    /// Files in all.
    pub total_files: u64,
}

/// Is told of every block and every file that has arrived. It runs on a thread of twinfs's network
/// runtime, so it must return soon, and must not use the sync face of a network store.
pub type ProgressCallback = Arc<dyn Fn(Progress) + Send + Sync>;

/// Counts one transfer and tells the callback.
pub(super) struct Meter {
    callback: Option<ProgressCallback>,
    total_bytes: u64,
    total_files: u64,
    bytes: AtomicU64,
    files: AtomicU64,
}

impl Meter {
    pub(super) fn new(callback: Option<ProgressCallback>, total_bytes: u64, total_files: usize) -> Arc<Self> {
        let total_files = total_files as u64;
        Arc::new(Self {
            callback,
            total_bytes,
            total_files,
            bytes: AtomicU64::new(0),
            files: AtomicU64::new(0),
        })
    }

    fn tell(&self, path: &Arc<str>) {
        if let Some(callback) = &self.callback {
            callback(Progress {
                path: Arc::clone(path),
                bytes: self.bytes.load(Ordering::Relaxed),
                total_bytes: self.total_bytes,
                files: self.files.load(Ordering::Relaxed),
                total_files: self.total_files,
            });
        }
    }

    /// Bytes of this file have arrived.
    pub(super) fn advance(&self, path: &Arc<str>, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.tell(path);
    }

    /// Bytes that had arrived are sent once more.
    pub(super) fn retract(&self, bytes: u64) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// This file has arrived whole.
    pub(super) fn finish(&self, path: &Arc<str>) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.tell(path);
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter")
            .field("bytes", &self.bytes)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}
