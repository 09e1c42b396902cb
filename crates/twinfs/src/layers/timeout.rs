//! A limit on how long an operation may take.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::{Around, Call, Layered};
use crate::error::{Error, ErrorKind, Result};
use crate::seam;
use crate::store::AnyStore;

/// The layer that ends an operation with `Timeout` when it takes too long.
///
/// The operation is dropped then: one that waits on the pool is taken out of the queue, one that a
/// worker already runs is abandoned there, and the pool works on with another worker. A write that
/// was abandoned may still be published afterwards.
#[derive(Clone, Copy, Debug)]
pub struct OperationTimeout(pub Duration);

/// A store with an operation timeout. Under the sync face it stands below
/// [`Park`](crate::adapters::Park), over [`OffThread`](crate::adapters::OffThread) or an async store.
pub type Timeout<S> = Layered<S, OperationTimeout>;

impl<S: crate::AsyncStore> Timeout<S> {
    /// Limits every operation of a store, each page of a listing and each read or write of a file.
    #[must_use]
    pub fn limited(store: S, limit: Duration) -> Self {
        Self::new(store, OperationTimeout(limit))
    }
}

impl AnyStore {
    /// The same store with a limit on every operation. Somebody else does the work then: on the sync
    /// face the pool, while the calling thread waits. A tree in memory never waits and stays as it is.
    ///
    /// ```
    /// use std::time::Duration;
    /// use twinfs::registry::{self, StoreOptions};
    ///
    /// # let dir = tempfile::tempdir().unwrap();
    /// let store = registry::open(dir.path().to_str().unwrap(), StoreOptions::new())?;
    /// let fs = twinfs::blocking::Fs::new(store.limited(Duration::from_secs(30)).into_sync());
    /// fs.write("a", "1")?;
    /// # Ok::<(), twinfs::Error>(())
    /// ```
    #[must_use]
    pub fn limited(self, limit: Duration) -> Self {
        match self {
            Self::Memory(store) => Self::Memory(store),
            other => Self::new_async(Timeout::limited(other.into_async(), limit)),
        }
    }
}

impl Around for OperationTimeout {
    async fn around<T: Send>(
        &self,
        call: Call,
        operation: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let mut operation = pin!(operation);
        let mut limit = pin!(seam::sleep(self.0));
        std::future::poll_fn(|context| {
            if let Poll::Ready(result) = operation.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            match limit.as_mut().poll(context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) => Poll::Ready(Err(Error::new(ErrorKind::Timeout)
                    .with_operation(call.operation)
                    .with_message(format!("it took longer than {:?}", self.0)))),
            }
        })
        .await
    }
}
