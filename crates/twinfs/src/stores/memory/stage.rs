//! Staged uploads: content under an id, apart from the tree until it is published.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::Shared;
use super::content::Buffer;
use super::tree::{Content, Plain};
use crate::error::{Error, ErrorKind, Result};
use crate::fork::{self, Section};
use crate::path::FsPath;
use crate::store::{BlockingFile, Data, EntryKind, Metadata, StageOptions, Staged, StagedId, WriteOptions};

pub(super) struct Upload {
    /// `None` once it is published or discarded: its handles are closed then.
    buffer: RwLock<Option<Buffer>>,
    created: SystemTime,
    expires: SystemTime,
}

impl Upload {
    fn buffer(&self, _section: &Section) -> RwLockReadGuard<'_, Option<Buffer>> {
        self.buffer.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn buffer_mut(&self, _section: &Section) -> RwLockWriteGuard<'_, Option<Buffer>> {
        self.buffer.write().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn stage(shared: &Shared, options: &StageOptions) -> Result<StagedId> {
    let id = StagedId::random()?;
    let created = SystemTime::now();
    // An end that the clock cannot say is as good as never; a century is.
    let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    let expires = created + options.keep.min(century);
    let buffer = RwLock::new(Some(Buffer::new(Bytes::new(), &shared.quota)?));
    let upload = Arc::new(Upload { buffer, created, expires });
    let _expired: Vec<_> = {
        let section = fork::section();
        let mut tree = shared.tree_mut(&section);
        tree.uploads.insert(id.clone(), upload);
        // The only other counts are those of open handles.
        tree.uploads
            .extract_if(|_, upload| upload.expires < created && Arc::strong_count(upload) == 1)
            .collect()
    };
    Ok(id)
}

fn no_upload(id: &StagedId) -> Error {
    Error::new(ErrorKind::NotFound).with_message(format!("there is no staged upload {id}"))
}

pub(super) fn reopen(shared: &Shared, id: &StagedId) -> Result<Box<dyn BlockingFile>> {
    let section = fork::section();
    let upload = shared.tree(&section).uploads.get(id).cloned().ok_or_else(|| no_upload(id))?;
    Ok(Box::new(UploadHandle { upload, generation: fork::generation(), closed: AtomicBool::new(false) }))
}

pub(super) fn publish(
    shared: &Shared,
    id: &StagedId,
    path: &FsPath,
    options: &WriteOptions,
) -> Result<Metadata> {
    let (metadata, _replaced, _upload) = {
        let section = fork::section();
        let mut tree = shared.tree_mut(&section);
        if !tree.uploads.contains_key(id) {
            return Err(no_upload(id));
        }
        tree.check_put(path, &options.condition, options.parents, &section)?;
        let upload = tree.uploads.remove(id).ok_or_else(|| no_upload(id))?;
        let buffer = upload.buffer_mut(&section).take().ok_or_else(|| no_upload(id))?;
        let (bytes, charge) = buffer.into_parts();
        let plain = Plain { bytes, charge, modified: SystemTime::now(), version: shared.next_version() };
        let content = Content::Plain(plain);
        (content.metadata(&section, true), tree.put(path, content), upload)
    };
    Ok(metadata)
}

pub(super) fn discard(shared: &Shared, id: &StagedId) -> Result<()> {
    let _dropped = {
        let section = fork::section();
        let upload = shared.tree_mut(&section).uploads.remove(id).ok_or_else(|| no_upload(id))?;
        let buffer = upload.buffer_mut(&section).take();
        (upload, buffer)
    };
    Ok(())
}

pub(super) fn list_staged(shared: &Shared) -> Vec<Staged> {
    let section = fork::section();
    let tree = shared.tree(&section);
    let one = |(id, upload): (&StagedId, &Arc<Upload>)| Staged {
        id: id.clone(),
        len: upload.buffer(&section).as_ref().map_or(0, Buffer::len),
        created: upload.created,
        expires: upload.expires,
    };
    let mut all: Vec<Staged> = tree.uploads.iter().map(one).collect();
    all.sort_unstable_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
    all
}

/// A handle on a staged upload; several may write at once, each at its own place.
struct UploadHandle {
    upload: Arc<Upload>,
    generation: u64,
    closed: AtomicBool,
}

impl UploadHandle {
    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) || self.generation != fork::generation() {
            return Err(ErrorKind::Closed.into());
        }
        Ok(())
    }

    fn with_buffer<T>(&self, use_buffer: impl FnOnce(&Buffer) -> T) -> Result<T> {
        self.check_open()?;
        let section = fork::section();
        self.upload.buffer(&section).as_ref().map(use_buffer).ok_or_else(gone)
    }

    fn with_buffer_mut(&self, use_buffer: impl FnOnce(&mut Buffer) -> Result<()>) -> Result<()> {
        self.check_open()?;
        let section = fork::section();
        use_buffer(self.upload.buffer_mut(&section).as_mut().ok_or_else(gone)?)
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Closed).with_message("the upload was published or discarded")
}

impl BlockingFile for UploadHandle {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        self.with_buffer(|buffer| buffer.read_at(offset, buf))
    }

    fn read_bytes(&self, offset: u64, len: usize) -> Result<Bytes> {
        self.with_buffer(|buffer| buffer.slice(offset, len as u64))
    }

    fn write_at(&self, offset: u64, data: &Data<'_>) -> Result<()> {
        self.with_buffer_mut(|buffer| buffer.write_at(offset, data))
    }

    fn len(&self) -> Result<u64> {
        self.with_buffer(Buffer::len)
    }

    fn metadata(&self) -> Result<Metadata> {
        Ok(Metadata::new(EntryKind::File, self.len()?))
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.with_buffer_mut(|buffer| buffer.set_len(len))
    }

    fn flush(&self) -> Result<()> {
        self.with_buffer(|_| ())
    }

    fn commit(&self) -> Result<Metadata> {
        self.check_open()?;
        Err(Error::new(ErrorKind::Unsupported).with_message("a staged upload is published by its id"))
    }

    fn abort(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        Ok(())
    }
}
