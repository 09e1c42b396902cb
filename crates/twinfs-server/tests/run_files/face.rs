//! Both faces behind one trait, so that every scenario is written once.

use std::path::{Path, PathBuf};

use twinfs::Result;
use twinfs::runfiles::{self, FileInfo};

pub(crate) trait Face {
    fn name(&self) -> &'static str;
    fn ls(&self, path: &str) -> Result<Vec<FileInfo>>;
    fn remove(&self, path: &str) -> Result<()>;
    fn upload(&self, local: &Path) -> Result<Option<String>>;
    fn download(&self, path: &str) -> Result<Vec<PathBuf>>;
    /// Takes the first paths of a download and closes it.
    fn download_some(&self, path: &str, count: usize) -> Result<Vec<PathBuf>>;
    fn read_all(&self, path: &str) -> Result<Vec<u8>>;
    fn blocks(&self, path: &str) -> Result<Vec<Vec<u8>>>;
    fn set_chunk_size(&self, bytes: u64);
    fn chunk_size(&self) -> u64;
    fn close(&self);
}

impl Face for runfiles::blocking::RunFiles {
    fn name(&self) -> &'static str {
        "sync"
    }
    fn ls(&self, path: &str) -> Result<Vec<FileInfo>> {
        self.ls(path)
    }
    fn remove(&self, path: &str) -> Result<()> {
        self.remove(path)
    }
    fn upload(&self, local: &Path) -> Result<Option<String>> {
        self.upload(local)
    }
    fn download(&self, path: &str) -> Result<Vec<PathBuf>> {
        self.download(path)?.collect()
    }
    fn download_some(&self, path: &str, count: usize) -> Result<Vec<PathBuf>> {
        let mut download = self.download(path)?;
        let paths = download.by_ref().take(count).collect();
        download.close();
        paths
    }
    fn read_all(&self, path: &str) -> Result<Vec<u8>> {
        Ok(self.open(path)?.read_all()?.to_vec())
    }
    fn blocks(&self, path: &str) -> Result<Vec<Vec<u8>>> {
        self.open(path)?.map(|block| Ok(block?.to_vec())).collect()
    }
    fn set_chunk_size(&self, bytes: u64) {
        self.set_chunk_size(bytes);
    }
    fn chunk_size(&self) -> u64 {
        self.chunk_size()
    }
    fn close(&self) {
        self.close();
    }
}

impl Face for runfiles::RunFiles {
    fn name(&self) -> &'static str {
        "async"
    }
    fn ls(&self, path: &str) -> Result<Vec<FileInfo>> {
        smol::block_on(self.ls(path))
    }
    fn remove(&self, path: &str) -> Result<()> {
        smol::block_on(self.remove(path))
    }
    fn upload(&self, local: &Path) -> Result<Option<String>> {
        smol::block_on(self.upload(local))
    }
    fn download(&self, path: &str) -> Result<Vec<PathBuf>> {
        smol::block_on(async {
            let (mut download, mut paths) = (self.download(path)?, Vec::new());
            while let Some(path) = download.next().await {
                paths.push(path?);
            }
            Ok(paths)
        })
    }
    fn download_some(&self, path: &str, count: usize) -> Result<Vec<PathBuf>> {
        smol::block_on(async {
            let (mut download, mut paths) = (self.download(path)?, Vec::new());
            while paths.len() < count
                && let Some(path) = download.next().await
            {
                paths.push(path?);
            }
            download.close().await;
            Ok(paths)
        })
    }
    fn read_all(&self, path: &str) -> Result<Vec<u8>> {
        Ok(smol::block_on(self.open(path)?.read_all())?.to_vec())
    }
    fn blocks(&self, path: &str) -> Result<Vec<Vec<u8>>> {
        smol::block_on(async {
            let (mut file, mut blocks) = (self.open(path)?, Vec::new());
            while let Some(block) = file.next().await {
                blocks.push(block?.to_vec());
            }
            Ok(blocks)
        })
    }
    fn set_chunk_size(&self, bytes: u64) {
        self.set_chunk_size(bytes);
    }
    fn chunk_size(&self) -> u64 {
        self.chunk_size()
    }
    fn close(&self) {
        self.close();
    }
}

/// The same run on both faces.
pub(crate) fn faces(fid: &str, url: &str, token: &str) -> [Box<dyn Face>; 2] {
    [
        Box::new(runfiles::blocking::RunFiles::new(fid, url, token).unwrap()),
        Box::new(runfiles::RunFiles::new(fid, url, token).unwrap()),
    ]
}
