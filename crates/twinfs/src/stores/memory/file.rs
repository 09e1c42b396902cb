//! Opening files, and readers of whole ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use bytes::Bytes;

use super::Shared;
use super::content::{clip, copy_from};
use super::in_place::{self, InPlace};
use super::tree::{Content, Tree, version_text};
use super::writer;
use crate::error::{Error, ErrorKind, Result};
use crate::fork::{self, Section};
use crate::path::FsPath;
use crate::store::{BlockingFile, Condition, Data, EntryKind, Lease, Metadata, Mode, OpenOptions, Publish};

pub(super) fn open(
    shared: &Arc<Shared>,
    path: &FsPath,
    options: &OpenOptions,
) -> Result<Box<dyn BlockingFile>> {
    if !options.mode.writes() {
        return open_reader(shared, path, options);
    }
    let (file, _replaced) = {
        let section = fork::section();
        let mut tree = shared.tree_mut(&section);
        check_open(&tree, path, options, &section)?;
        let lease = options.lease == Lease::Hold;
        if lease && tree.leases.contains(path) {
            return Err(Error::new(ErrorKind::WouldBlock).with_message("another open writer holds it"));
        }
        let opened = match options.publish {
            Publish::Staged => (writer::open(shared, &tree, path, options, &section)?, None),
            Publish::InPlace => in_place::open(shared, &mut tree, path, options, &section)?,
        };
        if lease {
            tree.leases.insert(path.clone());
        }
        opened
    };
    Ok(file)
}

/// What the mode, the condition and the parents ask of the tree as it is.
fn check_open(tree: &Tree, path: &FsPath, options: &OpenOptions, section: &Section) -> Result<()> {
    match options.mode {
        Mode::Update => {
            tree.file(path)?;
        }
        Mode::Create if tree.find(path).is_some() => return Err(ErrorKind::AlreadyExists.into()),
        _ => {}
    }
    tree.check_put(path, &options.condition, options.parents, section)
}

fn open_reader(shared: &Arc<Shared>, path: &FsPath, options: &OpenOptions) -> Result<Box<dyn BlockingFile>> {
    let section = fork::section();
    let tree = shared.tree(&section);
    let content = tree.file(path)?;
    match &options.condition {
        Condition::IfVersion(version) if !content.has_version(version, &section) => {
            return Err(ErrorKind::ConditionFailed.into());
        }
        Condition::IfAbsent => return Err(ErrorKind::ConditionFailed.into()),
        _ => {}
    }
    Ok(match content {
        Content::Plain(plain) => Box::new(Reader {
            bytes: plain.bytes.clone(),
            modified: plain.modified,
            version: plain.version,
            closed: AtomicBool::new(false),
        }),
        Content::Live(live) => Box::new(InPlace::reader(shared, live, path)),
    })
}

pub(super) fn no_reading() -> Error {
    Error::new(ErrorKind::Unsupported).with_message("the handle was not opened for reading")
}

pub(super) fn no_writing() -> Error {
    Error::new(ErrorKind::Unsupported).with_message("the handle was not opened for writing")
}

pub(super) fn file_metadata(len: u64, modified: SystemTime, version: Option<u64>) -> Metadata {
    Metadata {
        modified: Some(modified),
        version: version.map(version_text),
        ..Metadata::new(EntryKind::File, len)
    }
}

/// A reader of a whole file: it keeps the content it was opened on.
struct Reader {
    bytes: Bytes,
    modified: SystemTime,
    version: u64,
    closed: AtomicBool,
}

impl Reader {
    fn bytes(&self) -> Result<&Bytes> {
        if self.closed.load(Ordering::Acquire) {
            return Err(ErrorKind::Closed.into());
        }
        Ok(&self.bytes)
    }
}

impl BlockingFile for Reader {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        Ok(copy_from(self.bytes()?, offset, buf))
    }

    fn read_bytes(&self, offset: u64, len: usize) -> Result<Bytes> {
        let bytes = self.bytes()?;
        let (start, end) = clip(bytes.len(), offset, len as u64);
        Ok(bytes.slice(start..end))
    }

    fn try_read_at(&self, offset: u64, buf: &mut [u8]) -> Option<usize> {
        self.read_at(offset, buf).ok()
    }

    fn write_at(&self, _offset: u64, _data: &Data<'_>) -> Result<()> {
        self.bytes()?;
        Err(no_writing())
    }

    fn len(&self) -> Result<u64> {
        Ok(self.bytes()?.len() as u64)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(file_metadata(self.len()?, self.modified, Some(self.version)))
    }

    fn set_len(&self, _len: u64) -> Result<()> {
        self.bytes()?;
        Err(no_writing())
    }

    fn flush(&self) -> Result<()> {
        self.bytes().map(drop)
    }

    fn commit(&self) -> Result<Metadata> {
        let metadata = self.metadata()?;
        self.closed.store(true, Ordering::Release);
        Ok(metadata)
    }

    fn abort(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        Ok(())
    }
}
