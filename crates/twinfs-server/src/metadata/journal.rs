//! Group commit: the changes of all waiting requests in one transaction.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Change, MetadataError, MetadataStore, Result};

/// Changes in one transaction, at most.
const BATCH: usize = 512;
/// Requests waiting, at most; more wait to be allowed to wait.
const WAITING: usize = 4096;

type Waiting = (Change, oneshot::Sender<Result<()>>);

/// The way of every change into the database.
pub(crate) struct Journal {
    queue: mpsc::Sender<Waiting>,
}

impl Journal {
    /// Starts the task that writes. It ends, everything written, when the journal is dropped.
    pub(crate) fn start(store: Arc<dyn MetadataStore>) -> (Self, JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(WAITING);
        (Self { queue }, tokio::spawn(write(store, waiting)))
    }

    /// Makes one change; it is in the database when this returns.
    ///
    /// Cancelled, the change is made all the same if it was handed over already.
    pub(crate) async fn apply(&self, change: Change) -> Result<()> {
        let (done, result) = oneshot::channel();
        let closed = |()| MetadataError::new("the server is stopping");
        self.queue.send((change, done)).await.map_err(|_| closed(()))?;
        result.await.map_err(|_| closed(()))?
    }
}

async fn write(store: Arc<dyn MetadataStore>, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH);
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let (changes, answers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        let applied = store.apply(&changes).await;
        if let Err(error) = &applied {
            tracing::error!(%error, changes = changes.len(), "metadata could not be written");
        }
        for answer in answers {
            // Nobody listens any more when the client has gone; the change stands.
            let _ = answer.send(applied.clone());
        }
    }
}
