//! What both faces share: the run, the size of chunks, the texts of the short verbs.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorContext, ErrorKind, Operation, Result};
use crate::net::http::{HttpStatus, closed};
use crate::path::FsPath;
use crate::stores::run::wire::{FileInfo, Listing, Wire};

/// The largest chunk, in bytes, until the server has named its own limit: kodosumi's limit.
const UNNAMED_LIMIT: u64 = 1 << 20;
/// The size of a chunk, in bytes, that is used where the server allows it.
const WANTED_CHUNK: u64 = 4 << 20;
/// The smallest chunk that is still halved when the server finds it too large, in bytes.
const SMALLEST_CHUNK: u64 = 2 << 10;

/// A run, and who asks.
pub(super) struct Session {
    pub(super) wire: Arc<Wire>,
    pub(super) fid: Box<str>,
    pub(super) url: Box<str>,
    pub(super) token: Box<str>,
    pub(super) chunk: ChunkSize,
}

impl Session {
    pub(super) fn new(fid: &str, url: &str, token: &str) -> Result<Arc<Self>> {
        Ok(Arc::new(Self {
            wire: Arc::new(Wire::new(fid, url, token)?),
            fid: fid.into(),
            url: url.into(),
            token: token.into(),
            chunk: ChunkSize::default(),
        }))
    }

    /// A path below `in` or `out`, of a client that is open.
    pub(super) fn path(&self, text: &str) -> Result<FsPath> {
        if self.wire.connections.is_closed() {
            return Err(closed());
        }
        run_path(text)
    }

    /// See [`RunFiles::ls`](super::RunFiles::ls).
    pub(super) async fn ls(&self, path: &FsPath) -> Result<Vec<FileInfo>> {
        match self.wire.list(path).await {
            Ok(Listing::Directory(files)) => Ok(files),
            Ok(Listing::File(_)) => self.below(path).await,
            Err(error) if lists_roots_only(&error) => self.below(path).await,
            Err(error) => Err(error),
        }
        .at(Operation::List, path)
    }

    /// Everything at or below a path, out of the listing of its root.
    async fn below(&self, path: &FsPath) -> Result<Vec<FileInfo>> {
        let root = FsPath::new(path.components().next().unwrap_or_default())?;
        let Listing::Directory(mut files) = self.wire.list(&root).await? else {
            return Err(ErrorKind::NotADirectory.into());
        };
        files.retain(|file| is_below(&file.path, path.as_str()));
        if files.is_empty() { Err(ErrorKind::NotFound.into()) } else { Ok(files) }
    }

    /// See [`RunFiles::remove`](super::RunFiles::remove).
    pub(super) async fn remove(&self, path: &FsPath) -> Result<()> {
        self.wire.delete(path).await.at(Operation::Remove, path)
    }
}

/// Kodosumi's own server has listings for `in` and `out` only, and says so for a folder that is there.
fn lists_roots_only(error: &Error) -> bool {
    let status = error.source().and_then(|source| source.downcast_ref::<HttpStatus>());
    status.is_some_and(|status| status.status == 404 && status.text().contains("Cannot retrieve directories"))
}

/// Whether a listed path is this one or below it, by whole components.
pub(super) fn is_below(listed: &str, path: &str) -> bool {
    listed.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A path of a run: `in` or `out`, and what is below. Empty components do not count.
pub(super) fn run_path(text: &str) -> Result<FsPath> {
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
    match parts.first() {
        Some(&("in" | "out")) => FsPath::new(&parts.join("/")),
        root => Err(Error::new(ErrorKind::InvalidInput)
            .with_raw_path(text)
            .with_message(format!("invalid root '{}'", root.unwrap_or(&"").escape_debug()))),
    }
}

/// How large the chunks of an upload are, in bytes: what is wanted, within the server's limit.
pub(super) struct ChunkSize {
    wanted: AtomicU64,
    limit: AtomicU64,
}

impl Default for ChunkSize {
    fn default() -> Self {
        Self { wanted: AtomicU64::new(WANTED_CHUNK), limit: AtomicU64::new(UNNAMED_LIMIT) }
    }
}

impl ChunkSize {
    pub(super) fn get(&self) -> u64 {
        self.wanted.load(Ordering::Relaxed).min(self.limit.load(Ordering::Relaxed))
    }

    pub(super) fn want(&self, bytes: u64) {
        self.wanted.store(bytes.max(1), Ordering::Relaxed);
    }

    /// The server has named its limit.
    pub(super) fn learn(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// The server found a chunk of this size too large; gives whether a smaller one is worth a try.
    pub(super) fn halve(&self, refused: u64) -> bool {
        // Several files may hear of it at once; each halves the size that it used itself.
        self.limit.fetch_min((refused / 2).max(1), Ordering::Relaxed);
        refused > SMALLEST_CHUNK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_in_and_out() {
        for text in ["in", "/in", "in/", "/in/"] {
            assert_eq!(run_path(text).unwrap().as_str(), "in");
        }
        assert_eq!(run_path("out//a b/").unwrap().as_str(), "out/a b");
        for text in ["", "/", "inn", "tmp/x", "../in"] {
            let error = run_path(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{text}");
            assert!(error.to_string().contains("invalid root '"), "{error}");
        }
        assert_eq!(run_path("in/../out").unwrap_err().kind(), ErrorKind::InvalidPath);
    }

    #[test]
    fn a_name_prefix_is_no_match() {
        assert!(is_below("in/data/x", "in/data") && is_below("in/data", "in/data"));
        assert!(!is_below("in/data", "in/dat"));
    }

    #[test]
    fn chunks_stay_within_the_limit() {
        let chunk = ChunkSize::default();
        assert_eq!(chunk.get(), 1 << 20);
        chunk.want(3);
        assert_eq!(chunk.get(), 3);
        chunk.want(64 << 20);
        assert_eq!(chunk.get(), 1 << 20);
        chunk.learn(8 << 20);
        assert_eq!(chunk.get(), 8 << 20);
        assert!(chunk.halve(8 << 20) && chunk.halve(8 << 20));
        assert_eq!(chunk.get(), 4 << 20);
        assert!(!chunk.halve(1024));
    }
}
