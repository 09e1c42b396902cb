//! What a store says of a file or directory.

use std::sync::Arc;
use std::time::SystemTime;

use crate::path::{FsPath, listing_key};

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file, or an object.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, as listings report it; `stat` follows links.
    Symlink,
    /// A socket, device, pipe or the like.
    Other,
    /// A name on disk that no [`FsPath`] can hold; the entry carries its raw bytes. Only
    /// `remove_all` of the parent touches it.
    Unrepresentable,
}

/// An opaque version of a file: equal for equal content states, changed by every write.
///
/// Compare it, keep it, send it back in a condition; its text means nothing else.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Version(Arc<str>);

impl Version {
    /// A version from the text a store, or an earlier [`Version::as_str`], gave.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text, safe for a header or a database column.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Version({})", self.0)
    }
}

/// What a store says of a file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What stands there.
    pub kind: EntryKind,
    /// Length in bytes; 0 for anything but a file.
    pub len: u64,
    /// When the content last changed.
    pub modified: Option<SystemTime>,
    /// When the inode last changed (`st_ctime`), where the store has such a thing.
    pub changed: Option<SystemTime>,
    /// Permission bits, where the store has them.
    pub mode: Option<u32>,
    /// Number of hard links, where the store has them.
    pub links: Option<u64>,
    /// The version, where it was asked for and the store keeps versions.
    pub version: Option<Version>,
}

impl Metadata {
    /// Metadata of this kind and length with nothing else known.
    #[must_use]
    pub fn new(kind: EntryKind, len: u64) -> Self {
        Self { kind, len, modified: None, changed: None, mode: None, links: None, version: None }
    }

    /// Whether this is a regular file.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.kind == EntryKind::File
    }

    /// Whether this is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind == EntryKind::Directory
    }
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The full path inside the store; of an unrepresentable entry, that of its directory.
    pub path: FsPath,
    /// What stands there; links are not followed.
    pub kind: EntryKind,
    /// Size, times and the rest, where the listing was asked for them.
    pub metadata: Option<Metadata>,
    /// The raw name of an [`EntryKind::Unrepresentable`] entry.
    pub raw_name: Option<Box<[u8]>>,
}

impl Entry {
    /// An entry of this kind with nothing else known.
    #[must_use]
    pub fn new(path: FsPath, kind: EntryKind) -> Self {
        Self { path, kind, metadata: None, raw_name: None }
    }

    /// Whether this is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind == EntryKind::Directory
    }

    /// The order of every listing: bytes of the full path, a directory compared as its name and `/`,
    /// so that `a-b` comes before `a/b`, as git and S3 order names.
    #[must_use]
    pub fn listing_cmp(&self, other: &Self) -> std::cmp::Ordering {
        listing_key(self.path.as_str(), self.is_dir()).cmp(listing_key(other.path.as_str(), other.is_dir()))
    }

    /// Length in bytes, where the listing was asked for metadata.
    #[must_use]
    pub fn len(&self) -> Option<u64> {
        self.metadata.as_ref().map(|metadata| metadata.len)
    }

    /// Whether the listing said that this has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }
}

/// The name of a staged upload, which outlives handle and process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StagedId(Arc<str>);

impl StagedId {
    /// An id from text: 1 to 64 ASCII letters, digits, `-` or `_`, so that it is a safe file name.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for anything else.
    pub fn new(text: &str) -> crate::Result<Self> {
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (1..=64).contains(&text.len()) && text.bytes().all(safe) {
            return Ok(Self(Arc::from(text)));
        }
        Err(crate::Error::new(crate::ErrorKind::InvalidInput)
            .with_message("a staged upload's id is 1 to 64 ASCII letters, digits, '-' or '_'"))
    }

    /// A fresh random id of 128 bits.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if the system's random source fails.
    pub fn random() -> crate::Result<Self> {
        Ok(Self(Arc::from(random_hex()?)))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for StagedId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// 128 random bits as 32 hexadecimal digits.
pub(crate) fn random_hex() -> crate::Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| crate::Error::from_io(error.into()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// A staged upload as `list_staged` reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// Its id.
    pub id: StagedId,
    /// Bytes received so far (the highest offset written).
    pub len: u64,
    /// When it was staged.
    pub created: SystemTime,
    /// When it may be swept; never before.
    pub expires: SystemTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listing_order_is_that_of_full_paths() {
        let entry = |path, kind| Entry::new(FsPath::new(path).unwrap(), kind);
        let neighbour = entry("a-b", EntryKind::File);
        assert!(entry("a", EntryKind::Directory).listing_cmp(&neighbour).is_gt());
        assert!(entry("a", EntryKind::File).listing_cmp(&neighbour).is_lt());
    }
}
