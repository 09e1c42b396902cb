//! Publishing in groups: the staged uploads of all completions that wait, in one call of the store, so
//! that they share what it syncs.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, oneshot};
use twinfs::{Error, ErrorKind, Fs, FsPath, PublishItem, Result, StagedId, WriteOptions};

/// Uploads in one group, at most.
const GROUP: usize = 128;
/// Groups under way at a time: one is renamed while another is synced.
const GROUPS: usize = 2;
/// Completions that wait for a group, at most; more wait to be allowed to wait.
const WAITING: usize = 4096;

type Waiting = (PublishItem, oneshot::Sender<Result<()>>);

/// The way of every completion into the store.
pub(crate) struct Publisher {
    queue: mpsc::Sender<Waiting>,
}

impl Publisher {
    /// Starts the task that publishes. It ends when the publisher is dropped.
    pub(crate) fn start(fs: Fs, options: WriteOptions) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING);
        tokio::spawn(publish_groups(fs, options, waiting));
        Self { queue }
    }

    /// Publishes a staged upload; it is at its path, and durable, when this returns.
    ///
    /// Cancelled, it is published all the same if it was handed over already.
    pub(crate) async fn publish(&self, id: StagedId, path: FsPath) -> Result<()> {
        let (done, result) = oneshot::channel();
        let closed = || Error::new(ErrorKind::Closed).with_message("the server is stopping");
        self.queue.send((PublishItem { id, path }, done)).await.map_err(|_| closed())?;
        result.await.map_err(|_| closed())?
    }
}

async fn publish_groups(fs: Fs, options: WriteOptions, mut waiting: mpsc::Receiver<Waiting>) {
    let slots = Arc::new(Semaphore::new(GROUPS));
    // The slot comes first: whoever arrives while all are taken joins the next group.
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let mut group = Vec::with_capacity(GROUP);
        if waiting.recv_many(&mut group, GROUP).await == 0 {
            return;
        }
        let (fs, options) = (fs.clone(), options.clone());
        tokio::spawn(async move {
            publish_group(&fs, &options, group).await;
            drop(slot);
        });
    }
}

async fn publish_group(fs: &Fs, options: &WriteOptions, group: Vec<Waiting>) {
    let (items, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
    let results = match fs.publish_many(&items, options).await {
        Ok(results) => results.into_iter().map(|result| result.map(drop)).collect(),
        // None could be tried, for one reason.
        Err(error) => {
            let again = |item: &PublishItem| {
                let words = error.to_string();
                Err(Error::new(error.kind()).with_path(&item.path).with_message(words))
            };
            items.iter().map(again).collect::<Vec<_>>()
        }
    };
    for (answer, result) in answers.into_iter().zip(results) {
        // Nobody listens any more when the completion was given up; the file is there.
        let _ = answer.send(result);
    }
}
