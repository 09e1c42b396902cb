//! Sweeping: sessions that nobody goes on with, and staged uploads that no session knows.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use twinfs::{Staged, StagedId};

use super::session::Session;
use super::{UploadError, Uploads};
use crate::metadata::{millis, now_millis};

/// Stores may keep times in whole seconds, and round up.
const CLOCK_GRAIN: Duration = Duration::from_secs(2);

impl Uploads {
    /// Sweeps for as long as the server runs.
    pub(crate) async fn sweep_forever(self: Arc<Self>) {
        // Often enough that nothing lies about for much longer than it may.
        let pause = (self.limits.session_idle / 4).clamp(Duration::from_millis(100), Duration::from_secs(60));
        loop {
            tokio::time::sleep(pause).await;
            match self.sweep().await {
                Ok(0) => {}
                Ok(swept) => tracing::info!(swept, "expired uploads swept"),
                Err(error) => tracing::warn!(%error, "sweeping failed"),
            }
        }
    }

    /// Drops every expired session, and staged uploads that no session knows; gives how many.
    async fn sweep(self: &Arc<Self>) -> Result<usize, UploadError> {
        let now = now_millis();
        let expired: Vec<Arc<Session>> =
            self.sessions().values().filter(|session| self.is_expired(session, now)).cloned().collect();
        let mut swept = 0;
        for session in expired {
            match self.drop_session(session).await {
                Ok(dropped) => swept += usize::from(dropped),
                // The others, and the strays, are swept all the same.
                Err(error) => tracing::warn!(%error, "an expired upload could not be dropped"),
            }
        }
        swept += self.sweep_strays().await?;
        Ok(swept)
    }

    /// Drops the staged uploads of this server that no session knows: a crash between the store and the
    /// database leaves some. Those of others, by how long they are kept, are left alone.
    async fn sweep_strays(&self) -> Result<usize, UploadError> {
        let now = SystemTime::now();
        let keep = self.keep();
        let is_old_and_ours = |one: &Staged| {
            let kept = one.expires.duration_since(one.created).unwrap_or_default();
            let age = now.duration_since(one.created).unwrap_or_default();
            kept.abs_diff(keep) <= CLOCK_GRAIN && age > self.limits.session_idle
        };
        let mut strays: Vec<Staged> = self.fs.list_staged().await?;
        strays.retain(is_old_and_ours);
        if strays.is_empty() {
            return Ok(0);
        }
        // Looked up after the listing: what is staged since is too young to be swept.
        let mut known: HashSet<StagedId> = self.whole_files().clone();
        known.extend(self.sessions().values().flat_map(|session| session.staged()));
        strays.retain(|stray| !known.contains(&stray.id));
        for stray in &strays {
            self.discard(&stray.id).await;
        }
        Ok(strays.len())
    }

    fn is_expired(&self, session: &Session, now: i64) -> bool {
        let idle = now.saturating_sub(session.touched()) > millis(self.limits.session_idle);
        let old = now.saturating_sub(session.created) > millis(self.limits.longest_session());
        idle || old
    }
}
