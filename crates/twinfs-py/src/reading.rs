//! What was read, on its way into `bytes` objects.

use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use twinfs::{File, adapters::ready};

use crate::arguments::{Output, uninitialised_bytes};
use crate::errors::{Failure, IntoException};
use crate::executor::Held;
use crate::results::{Deliver, Delivery};

/// Up to this many bytes a file is read in one go; above it, into the object it becomes.
pub(crate) const SMALL_READ: u64 = 128 * 1024;

/// The content of a file, or the file it is to be read from.
pub(crate) enum Read {
    Content(Content),
    Large(LargeRead),
}

impl From<Bytes> for Read {
    fn from(bytes: Bytes) -> Self {
        Self::Content(bytes.into())
    }
}

impl Read {
    /// The content of an open file of `len` bytes, still to be read.
    pub(crate) fn large(file: File, len: usize) -> Self {
        Self::Large(LargeRead { file, len, stage: Stage::Opened })
    }
}

impl Deliver for Read {
    fn deliver(&mut self, py: Python<'_>, until: Option<Instant>) -> Delivery {
        match self {
            Self::Content(content) => content.deliver(py, until),
            Self::Large(large) => large.deliver(py, until),
        }
    }

    fn advance(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Content(content) => content.advance(context),
            Self::Large(large) => large.advance(context),
        }
    }
}

/// A file of a blocking store that is read into the object it becomes.
pub(crate) struct LargeRead {
    file: File,
    len: usize,
    stage: Stage,
}

enum Stage {
    Opened,
    /// There is memory to read into.
    Allocated(Held<PyBytes>, Output),
    Read(twinfs::Result<Filled>),
    Over,
}

impl Deliver for LargeRead {
    fn deliver(&mut self, py: Python<'_>, until: Option<Instant>) -> Delivery {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Opened => match Output::bytes(py, self.len) {
                Ok((object, output)) => {
                    self.stage = Stage::Allocated(Held::new(object), output);
                    Delivery::Advance
                }
                Err(error) => Delivery::Done(Err(error)),
            },
            Stage::Read(Ok(mut filled)) => filled.deliver(py, until),
            Stage::Read(Err(error)) => Delivery::Done(Err(error.into_exception())),
            Stage::Allocated(..) | Stage::Over => Delivery::Done(Err(Failure::panicked().into_exception())),
        }
    }

    fn advance(&mut self, _context: &mut Context<'_>) -> Poll<()> {
        if let Stage::Allocated(object, mut output) = std::mem::replace(&mut self.stage, Stage::Over) {
            let filled = ready(fill(&self.file, 0, output.slice()));
            self.stage = Stage::Read(filled.map(|count| Filled::new(object, count)));
        } else {
            self.stage = Stage::Opened;
        }
        Poll::Ready(())
    }
}

/// Reads until the buffer is full or the file ends.
pub(crate) async fn fill(file: &File, offset: u64, buffer: &mut [u8]) -> twinfs::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_into_at(offset + filled as u64, rest).await? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// Contents up to this many bytes are copied where the object is made: cheaper than a second hop.
const COPIED_IN_PLACE: usize = 256 * 1024;

/// The content of a file.
pub(crate) struct Content {
    bytes: Bytes,
    /// The object under way and where its content goes.
    object: Option<(Held<PyBytes>, SendPointer)>,
}

struct SendPointer(*mut u8);
// SAFETY: it points into a bytes object that nobody else has seen yet.
unsafe impl Send for SendPointer {}

impl From<Bytes> for Content {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, object: None }
    }
}

impl Deliver for Content {
    fn deliver(&mut self, py: Python<'_>, _until: Option<Instant>) -> Delivery {
        if let Some(object) = self.object.take().and_then(|(object, _)| object.into_inner()) {
            return Delivery::Done(Ok(object.into_any()));
        }
        if self.bytes.len() <= COPIED_IN_PLACE {
            return Delivery::Done(Ok(PyBytes::new(py, &self.bytes).into_any().unbind()));
        }
        match uninitialised_bytes(py, self.bytes.len()) {
            Ok((object, start)) => {
                self.object = Some((Held::new(object), SendPointer(start)));
                Delivery::Advance
            }
            Err(error) => Delivery::Done(Err(error)),
        }
    }

    fn advance(&mut self, _context: &mut Context<'_>) -> Poll<()> {
        if let Some((_, SendPointer(start))) = &self.object {
            // SAFETY: `start` is the content of an object made for exactly this many bytes.
            unsafe { std::ptr::copy_nonoverlapping(self.bytes.as_ptr(), *start, self.bytes.len()) };
            self.bytes = Bytes::new();
        }
        Poll::Ready(())
    }
}

/// What was read straight into a `bytes` object.
pub(crate) struct Filled {
    object: Held<PyBytes>,
    /// How much of it was filled; less than its length only at the end of the file.
    count: usize,
}

impl Filled {
    pub(crate) fn new(object: Held<PyBytes>, count: usize) -> Self {
        Self { object, count }
    }
}

impl Deliver for Filled {
    fn deliver(&mut self, py: Python<'_>, _until: Option<Instant>) -> Delivery {
        let Some(object) = self.object.get() else { return Delivery::Done(Ok(py.None())) };
        let filled = object.bind(py).as_bytes();
        let object = if self.count == filled.len() {
            object.clone_ref(py)
        } else {
            PyBytes::new(py, filled.get(..self.count).unwrap_or_default()).unbind()
        };
        Delivery::Done(Ok(object.into_any()))
    }
}
