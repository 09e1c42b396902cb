//! What a writer has written so far: in memory while it is small, in an unnamed temporary file then.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use reqwest::Body;

use crate::error::{Error, ErrorKind, Result};
use crate::pool;

/// What is held in memory, in bytes.
const IN_MEMORY: u64 = 1 << 20;
/// What is sent from the file at a time, in bytes.
const BLOCK: u64 = 256 << 10;

/// The content of a writer, for reading and writing anywhere. Calls on the file run on the pool, those
/// on memory in place.
#[derive(Clone)]
pub(super) struct Spool(Arc<Mutex<Content>>);

enum Content {
    Memory(Vec<u8>),
    File { file: Arc<File>, len: u64 },
}

impl Spool {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Content::Memory(Vec::new()))))
    }

    /// Runs `body` on the content, in a place that holds `end` bytes.
    async fn with<T: Send + 'static>(
        &self,
        end: u64,
        body: impl FnOnce(&mut Content) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        // Only calls on the file hold the lock for long, and those run on the pool, as does what waits for them.
        if let Ok(mut content) = self.0.try_lock()
            && matches!(&*content, Content::Memory(_))
            && end <= IN_MEMORY
        {
            return body(&mut content).map_err(Error::from_io);
        }
        let content = Arc::clone(&self.0);
        pool::run(move || {
            let mut content = content.lock().unwrap_or_else(PoisonError::into_inner);
            content.hold(end).and_then(|()| body(&mut content)).map_err(Error::from_io)
        })
        .await
    }

    pub(super) async fn len(&self) -> Result<u64> {
        self.with(0, |content| Ok(content.len())).await
    }

    /// Writes all of the data; a gap before it reads as zeros.
    pub(super) async fn write_at(&self, offset: u64, data: Bytes) -> Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let end = end_of(offset, data.len())?;
        self.with(end, move |content| content.write_at(offset, &data)).await
    }

    /// Writes all of the data at the end.
    pub(super) async fn append(&self, data: Bytes) -> Result<()> {
        let end = end_of(self.len().await?, data.len())?;
        // Another append may come between, so the end is looked at once more where it counts.
        self.with(end, move |content| content.write_at(content.len(), &data)).await
    }

    /// Reads up to `len` bytes: all of them unless the content ends before.
    pub(super) async fn read_at(&self, offset: u64, len: usize) -> Result<Bytes> {
        self.with(0, move |content| content.read_at(offset, len)).await
    }

    /// Cuts, or extends with zeros.
    pub(super) async fn set_len(&self, len: u64) -> Result<()> {
        end_of(len, 0)?;
        self.with(len, move |content| content.set_len(len)).await
    }

    /// The content as the body of a request, as often as wanted, and its length.
    pub(super) async fn bodies(&self) -> Result<impl Fn() -> (Body, u64) + Send + Sync + use<>> {
        let snapshot = self.with(0, |content| {
            Ok(match content {
                Content::Memory(bytes) => (Ok(Bytes::copy_from_slice(bytes)), bytes.len() as u64),
                Content::File { file, len } => (Err(Arc::clone(file)), *len),
            })
        });
        let (source, len) = snapshot.await?;
        Ok(move || {
            let body = match &source {
                Ok(bytes) => bytes.clone().into(),
                Err(file) => from_file(Arc::clone(file), len),
            };
            (body, len)
        })
    }
}

/// Where a write ends: no file has an offset beyond that of a signed number (`off_t`).
fn end_of(offset: u64, len: usize) -> Result<u64> {
    let end = offset.checked_add(len as u64).filter(|end| i64::try_from(*end).is_ok());
    end.ok_or_else(|| ErrorKind::TooLarge.into())
}

fn from_file(file: Arc<File>, len: u64) -> Body {
    Body::wrap_stream(stream::try_unfold(0, move |offset| {
        let file = Arc::clone(&file);
        async move {
            if offset >= len {
                return Ok::<_, Error>(None);
            }
            let block = pool::run(move || read_exactly(&file, offset, BLOCK.min(len - offset))).await?;
            let next = offset + block.len() as u64;
            Ok(Some((block, next)))
        }
    }))
}

fn read_exactly(file: &File, offset: u64, len: u64) -> Result<Bytes> {
    let mut block = vec![0; usize::try_from(len).map_err(|_| ErrorKind::TooLarge)?];
    file.read_exact_at(&mut block, offset).map_err(Error::from_io)?;
    Ok(block.into())
}

/// An offset in memory.
fn index(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl Content {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }

    /// Moves to a file if so many bytes are too many for memory.
    fn hold(&mut self, end: u64) -> io::Result<()> {
        if let Self::Memory(bytes) = self
            && end > IN_MEMORY
        {
            let file = tempfile::tempfile()?;
            file.write_all_at(bytes, 0)?;
            *self = Self::File { file: Arc::new(file), len: bytes.len() as u64 };
        }
        Ok(())
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset + data.len() as u64;
        match self {
            Self::Memory(bytes) => {
                let (start, end) = (index(offset)?, index(end)?);
                bytes.resize(bytes.len().max(end), 0);
                bytes[start..end].copy_from_slice(data);
            }
            Self::File { file, len } => {
                file.write_all_at(data, offset)?;
                *len = end.max(*len);
            }
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let end = offset.saturating_add(len as u64).min(self.len());
        let (start, len) = (offset.min(end), end - offset.min(end));
        match self {
            Self::Memory(bytes) => Ok(Bytes::copy_from_slice(&bytes[index(start)?..index(end)?])),
            Self::File { file, .. } => {
                let mut read = vec![0; index(len)?];
                file.read_exact_at(&mut read, start)?;
                Ok(read.into())
            }
        }
    }

    fn set_len(&mut self, new: u64) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => bytes.resize(index(new)?, 0),
            Self::File { file, len } => {
                file.set_len(new)?;
                *len = new;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::park_on;

    #[test]
    fn memory_and_file_hold_the_same() {
        for unit in [1, IN_MEMORY] {
            let spool = Spool::new();
            let write = |offset, text: &'static str| park_on(spool.write_at(offset, text.into())).unwrap();
            write(3 * unit, "abc");
            write(0, "xyz");
            assert_eq!(park_on(spool.len()).unwrap(), 3 * unit + 3);
            assert_eq!(
                park_on(spool.read_at(3 * unit - 1, 100)).unwrap(),
                if unit == 1 { "zabc" } else { "\0abc" }
            );
            assert_eq!(park_on(spool.read_at(4 * unit, 100)).unwrap().len(), if unit == 1 { 2 } else { 0 });
            park_on(spool.append("!".into())).unwrap();
            park_on(spool.set_len(3 * unit + 6)).unwrap();
            assert_eq!(park_on(spool.read_at(3 * unit, 100)).unwrap(), "abc!\0\0");
            park_on(spool.set_len(2)).unwrap();
            park_on(spool.set_len(4)).unwrap();
            assert_eq!(park_on(spool.read_at(0, 100)).unwrap(), "xy\0\0");
        }
    }
}
