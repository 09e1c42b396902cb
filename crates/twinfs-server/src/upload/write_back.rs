//! Bringing the bytes of a large upload to the disk while its chunks still arrive, so that completing it
//! has little left to sync: its cost must not grow with the file.

use std::sync::Arc;

use super::session::Session;
use super::{UploadError, Uploads};

/// Bytes received between two syncs.
const SYNC_EVERY: u64 = 32 * 1024 * 1024;

impl Uploads {
    /// Counts bytes received, and starts a sync when there are enough; it does not wait for it.
    pub(super) fn write_back(self: &Arc<Self>, session: &Arc<Session>, received: u64) {
        if session.sync_is_due(received, SYNC_EVERY) {
            let (uploads, session) = (Arc::clone(self), Arc::clone(session));
            self.tasks.spawn(async move {
                let synced = uploads.sync(&session).await;
                session.synced(synced.is_ok());
                if let Err(error) = synced {
                    // After a failed sync the system may have dropped what it could not write, and a later
                    // sync would say nothing of it. The upload must not become a file.
                    tracing::error!(%error, upload = %session.id, "an upload was lost: it could not be synced");
                    if let Err(error) = uploads.drop_session(session).await {
                        tracing::error!(%error, "a lost upload could not be dropped");
                    }
                }
            });
        }
    }

    async fn sync(&self, session: &Session) -> Result<(), UploadError> {
        match session.file.get() {
            Some(file) => Ok(self.fs.reopen(file).await?.flush_to_disk().await?),
            None => Ok(()),
        }
    }
}
