//! Reading a file block by block, with the next blocks already on their way.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::error::Result;
use crate::store::AsyncFile;

/// The block of a stream, in bytes: large enough that a thread hop per block costs nothing.
pub const STREAM_BLOCK: usize = 512 * 1024;
/// Blocks read ahead of the reader.
const AHEAD: usize = 2;

type Block = Pin<Box<dyn Future<Output = Result<Bytes>> + Send>>;

enum Slot {
    Running(Block),
    Done(Result<Bytes>),
}

/// The blocks of a file, in order, read ahead.
pub(crate) struct Blocks<F> {
    file: Arc<F>,
    next: u64,
    end: u64,
    block: usize,
    ahead: VecDeque<Slot>,
}

impl<F: AsyncFile> Blocks<F> {
    pub(crate) fn new(file: Arc<F>, start: u64, end: u64, block: usize) -> Self {
        Self { file, next: start, end, block: block.max(1), ahead: VecDeque::new() }
    }

    /// Starts reads until enough are under way. Each is polled once, which is what starts it.
    fn fill(&mut self, context: &mut Context<'_>) {
        while self.ahead.len() < AHEAD && self.next < self.end {
            let (file, offset) = (Arc::clone(&self.file), self.next);
            let len = usize::try_from(self.end - offset).map_or(self.block, |rest| rest.min(self.block));
            self.next += len as u64;
            let mut read: Block = Box::pin(async move { file.read_bytes(offset, len).await });
            self.ahead.push_back(match read.as_mut().poll(context) {
                Poll::Ready(result) => Slot::Done(result),
                Poll::Pending => Slot::Running(read),
            });
        }
    }

    pub(crate) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        self.fill(context);
        let Some(front) = self.ahead.front_mut() else { return Poll::Ready(None) };
        if let Slot::Running(read) = front {
            match read.as_mut().poll(context) {
                Poll::Ready(result) => *front = Slot::Done(result),
                Poll::Pending => return Poll::Pending,
            }
        }
        let Some(Slot::Done(result)) = self.ahead.pop_front() else { return Poll::Ready(None) };
        match &result {
            // A file that shrank under an in-place writer ends where it ends now.
            Ok(bytes) if bytes.is_empty() => {
                self.stop();
                return Poll::Ready(None);
            }
            Ok(_) => self.fill(context),
            Err(_) => self.stop(),
        }
        Poll::Ready(Some(result))
    }

    fn stop(&mut self) {
        self.end = 0;
        self.ahead.clear();
    }
}
