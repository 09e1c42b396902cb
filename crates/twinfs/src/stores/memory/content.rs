//! What files are made of, and the account of how much of it there is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::SystemTime;

use bytes::Bytes;

use crate::error::{Error, ErrorKind, Result};
use crate::fork::Section;
use crate::store::Data;

/// The bytes a store holds and may hold.
pub(super) struct Quota {
    max: Option<u64>,
    used: AtomicU64,
}

impl Quota {
    pub(super) fn new(max: Option<u64>) -> Arc<Self> {
        Arc::new(Self { max, used: AtomicU64::new(0) })
    }

    pub(super) fn max(&self) -> Option<u64> {
        self.max
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes room for `len` bytes; the charge gives it back when dropped.
    pub(super) fn charge(self: &Arc<Self>, len: u64) -> Result<Charge> {
        self.take(len)?;
        Ok(Charge { quota: Arc::clone(self), len })
    }

    fn take(&self, len: u64) -> Result<()> {
        let Some(max) = self.max else {
            self.used.fetch_add(len, Ordering::Relaxed);
            return Ok(());
        };
        let fits = |used: u64| used.checked_add(len).filter(|sum| *sum <= max);
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(used) => Err(Error::new(ErrorKind::NoSpace).with_message(format!(
                "{len} bytes more do not fit: {used} of {max} bytes of this memory store are in use"
            ))),
        }
    }
}

/// Room taken from a [`Quota`].
pub(super) struct Charge {
    quota: Arc<Quota>,
    len: u64,
}

impl Charge {
    fn resize(&mut self, len: u64) -> Result<()> {
        if len > self.len {
            self.quota.take(len - self.len)?;
        } else {
            self.quota.used.fetch_sub(self.len - len, Ordering::Relaxed);
        }
        self.len = len;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.quota.used.fetch_sub(self.len, Ordering::Relaxed);
    }
}

/// Content that is being written: shared until the first change, then its own.
pub(super) struct Buffer {
    bits: Bits,
    charge: Charge,
}

enum Bits {
    Shared(Bytes),
    Own(Vec<u8>),
}

impl Buffer {
    /// A buffer that starts with these bytes.
    pub(super) fn new(bytes: Bytes, quota: &Arc<Quota>) -> Result<Self> {
        Ok(Self { charge: quota.charge(bytes.len() as u64)?, bits: Bits::Shared(bytes) })
    }

    /// A buffer of a file's content, with the room it has.
    pub(super) fn from_parts(bytes: Bytes, charge: Charge) -> Self {
        Self { bits: Bits::Shared(bytes), charge }
    }

    fn as_slice(&self) -> &[u8] {
        match &self.bits {
            Bits::Shared(bytes) => bytes,
            Bits::Own(vec) => vec,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    pub(super) fn read_at(&self, offset: u64, buf: &mut [u8]) -> usize {
        copy_from(self.as_slice(), offset, buf)
    }

    /// Up to `len` bytes at an offset; without a copy where nothing was changed yet.
    pub(super) fn slice(&self, offset: u64, len: u64) -> Bytes {
        let (start, end) = clip(self.as_slice().len(), offset, len);
        match &self.bits {
            Bits::Shared(bytes) => bytes.slice(start..end),
            Bits::Own(vec) => Bytes::copy_from_slice(&vec[start..end]),
        }
    }

    /// Writes all of `data`, or nothing on an error.
    pub(super) fn write_at(&mut self, offset: u64, data: &Data<'_>) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let (start, end) = span(offset, data.len())?;
        let len = self.as_slice().len();
        self.charge.resize(end.max(len) as u64)?;
        if len == 0
            && start == 0
            && let Data::Owned(bytes) = data
        {
            self.bits = Bits::Shared(bytes.clone());
            return Ok(());
        }
        let vec = match self.own(end.saturating_sub(len)) {
            Ok(vec) => vec,
            Err(error) => {
                self.charge.resize(len as u64)?;
                return Err(error);
            }
        };
        if start > len {
            vec.resize(start, 0);
        }
        let inside = vec.len().min(end).saturating_sub(start);
        vec[start..start + inside].copy_from_slice(&data[..inside]);
        vec.extend_from_slice(&data[inside..]);
        Ok(())
    }

    /// Cuts, or extends with zeros; changes nothing on an error.
    pub(super) fn set_len(&mut self, len: u64) -> Result<()> {
        let (new, _) = span(len, 0)?;
        let old = self.as_slice().len();
        self.charge.resize(len)?;
        if new <= old {
            match &mut self.bits {
                Bits::Shared(bytes) => bytes.truncate(new),
                Bits::Own(vec) => vec.truncate(new),
            }
            return Ok(());
        }
        match self.own(new - old) {
            Ok(vec) => {
                vec.resize(new, 0);
                Ok(())
            }
            Err(error) => {
                self.charge.resize(old as u64)?;
                Err(error)
            }
        }
    }

    /// The content as bytes of its own, with room for so many more.
    fn own(&mut self, more: usize) -> Result<&mut Vec<u8>> {
        if let Bits::Shared(bytes) = &mut self.bits {
            let mut vec = Vec::new();
            if bytes.is_unique() {
                vec = Vec::from(std::mem::take(bytes));
            } else {
                vec.try_reserve(bytes.len() + more).map_err(|_| no_memory())?;
                vec.extend_from_slice(bytes);
            }
            self.bits = Bits::Own(vec);
        }
        match &mut self.bits {
            Bits::Own(vec) => {
                vec.try_reserve(more).map_err(|_| no_memory())?;
                Ok(vec)
            }
            Bits::Shared(_) => Err(no_memory()),
        }
    }

    /// Makes the content shareable, and gives it.
    pub(super) fn seal(&mut self) -> Bytes {
        if let Bits::Own(vec) = &mut self.bits {
            let mut vec = std::mem::take(vec);
            // What grew by doubling may hold up to half of its memory in vain.
            if vec.capacity() - vec.len() > vec.len() / 8 {
                vec.shrink_to_fit();
            }
            self.bits = Bits::Shared(vec.into());
        }
        self.slice(0, u64::MAX)
    }

    pub(super) fn into_parts(mut self) -> (Bytes, Charge) {
        (self.seal(), self.charge)
    }
}

fn no_memory() -> Error {
    Error::new(ErrorKind::NoSpace).with_message("the system has no memory left for this file")
}

/// The span of a write as indexes.
fn span(offset: u64, len: usize) -> Result<(usize, usize)> {
    let start = usize::try_from(offset).ok();
    let end = start.and_then(|start| start.checked_add(len)).filter(|end| isize::try_from(*end).is_ok());
    match (start, end) {
        (Some(start), Some(end)) => Ok((start, end)),
        _ => Err(Error::new(ErrorKind::TooLarge).with_message("a file in memory ends before 2^63 bytes")),
    }
}

/// The part of `0..total` that starts at `offset` and has at most `len` bytes.
pub(super) fn clip(total: usize, offset: u64, len: u64) -> (usize, usize) {
    let start = usize::try_from(offset).map_or(total, |start| start.min(total));
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    (start, start.saturating_add(len).min(total))
}

/// Copies from an offset of `slice` into `buf`; gives how many bytes.
pub(super) fn copy_from(slice: &[u8], offset: u64, buf: &mut [u8]) -> usize {
    let (start, end) = clip(slice.len(), offset, buf.len() as u64);
    buf[..end - start].copy_from_slice(&slice[start..end]);
    end - start
}

/// A file that was written in place, which its open handles and the tree share. It follows its
/// content, not its name, as an inode does.
pub(super) struct Live(RwLock<LiveState>);

pub(super) struct LiveState {
    pub(super) buffer: Buffer,
    pub(super) modified: SystemTime,
    pub(super) version: u64,
    /// Open writers; the last one seals the content.
    pub(super) writers: usize,
}

impl Live {
    pub(super) fn new(state: LiveState) -> Arc<Self> {
        Arc::new(Self(RwLock::new(state)))
    }

    pub(super) fn state(&self, _section: &Section) -> RwLockReadGuard<'_, LiveState> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state_mut(&self, _section: &Section) -> RwLockWriteGuard<'_, LiveState> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
