//! Opening handles, and the handle that reads.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rustix::fs::Stat;

use super::Inner;
use super::handle::{closed, not_writable};
use super::in_place::InPlaceWriter;
use super::sys::{self, fail};
use super::version::{self, Token};
use super::write::special_or_fail;
use super::writer::StagedWriter;
use crate::error::{ErrorKind, Result};
use crate::path::FsPath;
use crate::store::{
    BlockingFile, Condition, Data, Metadata, Mode, OpenOptions, Publish, ReadOptions, StatOptions, Version,
};

impl Inner {
    pub(super) fn stat(&self, path: &FsPath, options: &StatOptions) -> Result<Metadata> {
        // A directory has no version.
        if path.is_root() || !(options.version && self.keeps_versions) {
            return Ok(version::metadata(&self.root.stat(path)?));
        }
        match self.root.open_at(path.as_str().as_bytes(), sys::READ) {
            Ok(file) => self.metadata_of(&file),
            // What cannot be opened for reading can still be looked at; it has no version to tell.
            Err(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM | rustix::io::Errno::NXIO) => {
                Ok(version::metadata(&self.root.stat(path)?))
            }
            Err(errno) => Err(fail(errno)),
        }
    }

    /// Metadata of an open file, with its version.
    pub(super) fn metadata_of(&self, file: &OwnedFd) -> Result<Metadata> {
        let stat = sys::stat(file).map_err(fail)?;
        Ok(self.described(file, &stat))
    }

    /// Metadata of an open file with this stat.
    fn described(&self, file: &OwnedFd, stat: &Stat) -> Metadata {
        let mut metadata = version::metadata(stat);
        if metadata.is_file() && self.keeps_versions {
            metadata.version = Some(version::version(stat, Token::of(file)));
        }
        metadata
    }

    pub(super) fn read(&self, path: &FsPath, options: &ReadOptions) -> Result<Bytes> {
        let file = self.root.open_at(path.as_str().as_bytes(), sys::READ).map_err(special_or_fail)?;
        self.read_open(&file, options)
    }

    fn read_open(&self, file: &OwnedFd, options: &ReadOptions) -> Result<Bytes> {
        let (start, len) = self.range_in(file, options)?;
        Ok(sys::read_range(file, start, len)?.into())
    }

    /// Where the bytes that are asked for begin in an open file, and how many there are.
    pub(super) fn range_in(&self, file: &OwnedFd, options: &ReadOptions) -> Result<(u64, u64)> {
        let stat = sys::stat(file).map_err(fail)?;
        sys::require_file(&stat)?;
        if let Some(wanted) = &options.if_version {
            self.require_versions()?;
            if version::version(&stat, Token::of(file)) != *wanted {
                return Err(ErrorKind::ConditionFailed.into());
            }
        }
        Ok(options.range.resolve(stat.st_size.unsigned_abs()))
    }

    pub(super) fn open(
        self: &Arc<Self>,
        path: &FsPath,
        options: &OpenOptions,
    ) -> Result<Box<dyn BlockingFile>> {
        self.check_condition(&options.condition)?;
        match (options.mode, options.publish) {
            (Mode::Read, _) => self.open_reader(path, &options.condition),
            (_, Publish::Staged) => Ok(Box::new(StagedWriter::open(self, path, options)?)),
            (_, Publish::InPlace) => Ok(Box::new(InPlaceWriter::open(self, path, options)?)),
        }
    }

    fn open_reader(self: &Arc<Self>, path: &FsPath, condition: &Condition) -> Result<Box<dyn BlockingFile>> {
        let file = self.root.open_at(path.as_str().as_bytes(), sys::READ).map_err(special_or_fail)?;
        let stat = sys::stat(&file).map_err(fail)?;
        sys::require_file(&stat)?;
        // Its token is read with it: whoever asks for the version next need not wait for it.
        let metadata = self.described(&file, &stat);
        let held = match condition {
            Condition::None => true,
            Condition::IfAbsent => false,
            Condition::IfVersion(wanted) => metadata.version.as_ref() == Some(wanted),
        };
        if !held {
            return Err(ErrorKind::ConditionFailed.into());
        }
        let may_ask = self.attempts.may_ask(&stat);
        let (inner, closed) = (Arc::clone(self), AtomicBool::new(false));
        Ok(Box::new(Reader { inner, file, may_ask, seen: (stat, metadata), closed }))
    }
}

/// A handle that reads the version that stood at the path when it was opened, also after another
/// one was published.
struct Reader {
    inner: Arc<Inner>,
    file: OwnedFd,
    /// Whether its reads may be attempted without waiting.
    may_ask: bool,
    /// What it was when it was opened.
    seen: (Stat, Metadata),
    closed: AtomicBool,
}

impl Reader {
    fn file(&self) -> Result<&OwnedFd> {
        if self.closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(&self.file) }
    }
}

impl BlockingFile for Reader {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        sys::read_at(self.file()?, offset, buf).map_err(fail)
    }

    fn read_bytes(&self, offset: u64, len: usize) -> Result<Bytes> {
        read_bytes(self.file()?, offset, len)
    }

    fn try_read_at(&self, offset: u64, buf: &mut [u8]) -> Option<usize> {
        let file = self.file().ok().filter(|_| self.may_ask)?;
        self.inner.attempts.read_at(file, offset, buf)
    }

    fn try_metadata(&self) -> Option<Metadata> {
        let file = self.file().ok().filter(|_| self.may_ask)?;
        let (seen, metadata) = &self.seen;
        version::is_unchanged(&sys::stat(file).ok()?, seen).then(|| metadata.clone())
    }

    fn write_at(&self, _offset: u64, _data: &Data<'_>) -> Result<()> {
        self.file()?;
        Err(not_writable())
    }

    fn len(&self) -> Result<u64> {
        len(self.file()?)
    }

    fn metadata(&self) -> Result<Metadata> {
        self.inner.metadata_of(self.file()?)
    }

    fn set_len(&self, _len: u64) -> Result<()> {
        self.file()?;
        Err(not_writable())
    }

    fn flush(&self) -> Result<()> {
        self.file().map(drop)
    }

    fn commit(&self) -> Result<Metadata> {
        let metadata = self.metadata()?;
        self.closed.store(true, Ordering::Release);
        Ok(metadata)
    }

    fn abort(&self) -> Result<()> {
        // The descriptor itself goes with the handle: another thread may be reading right now.
        self.closed.store(true, Ordering::Release);
        Ok(())
    }
}

/// Reads up to `len` bytes; a large `len` past the end costs no memory.
pub(super) fn read_bytes(file: &OwnedFd, offset: u64, len: usize) -> Result<Bytes> {
    let len = len as u64;
    // One look at the size is cheaper than room for what is not there; small reads need neither.
    let len = if len <= 64 * 1024 { len } else { len.min(self::len(file)?.saturating_sub(offset)) };
    Ok(sys::read_range(file, offset, len)?.into())
}

pub(super) fn len(file: &OwnedFd) -> Result<u64> {
    Ok(sys::stat(file).map_err(fail)?.st_size.unsigned_abs())
}

/// Metadata of a file being written: what it is now, and the version it was opened from.
pub(super) fn metadata_while_writing(file: &OwnedFd, seen: Option<Version>) -> Result<Metadata> {
    let mut metadata = version::metadata(&sys::stat(file).map_err(fail)?);
    metadata.version = seen;
    Ok(metadata)
}
