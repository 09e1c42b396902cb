//! The files that are measured.

use std::path::{Path, PathBuf};

/// A folder of equal small files, removed when dropped.
pub struct Tree {
    folder: tempfile::TempDir,
    pub names: Vec<String>,
    pub size: usize,
}

impl Tree {
    /// `count` files of `size` bytes each, in the folder of `TWINFS_BENCH_DIR` or the system's.
    pub fn new(count: usize, size: usize) -> std::io::Result<Self> {
        let folder = folder()?;
        let content: Vec<u8> = (0..size).map(|index| index as u8).collect();
        let names: Vec<String> = (0..count).map(|index| format!("file-{index:06}.bin")).collect();
        for name in &names {
            std::fs::write(folder.path().join(name), &content)?;
        }
        Ok(Self { folder, names, size })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn paths(&self) -> Vec<PathBuf> {
        self.names.iter().map(|name| self.path().join(name)).collect()
    }

    pub fn bytes(&self) -> u64 {
        (self.names.len() * self.size) as u64
    }
}

/// An empty folder, removed when dropped.
pub fn folder() -> std::io::Result<tempfile::TempDir> {
    match std::env::var_os("TWINFS_BENCH_DIR") {
        Some(parent) => tempfile::tempdir_in(parent),
        None => tempfile::tempdir(),
    }
}

/// The runtime that async contenders share.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}
