//! Sweeping: sessions that nobody goes on with, and staged uploads that no session knows.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::session::Session;
use super::{UploadError, Uploads};
use crate::metadata::{millis, now_millis};

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

    /// Drops every expired session and every expired staged upload without a session; gives how many.
    async fn sweep(self: &Arc<Self>) -> Result<usize, UploadError> {
        let now = now_millis();
        let expired: Vec<Arc<Session>> =
            self.sessions().values().filter(|session| self.is_expired(session, now)).cloned().collect();
        let mut swept = 0;
        for session in expired {
            swept += usize::from(self.drop_session(session).await?);
        }
        let now = SystemTime::now();
        let staged = self.fs.list_staged().await?;
        if staged.iter().any(|staged| staged.expires < now) {
            let known: HashSet<String> = self
                .sessions()
                .values()
                .flat_map(|session| [session.file.get(), session.aside.get()])
                .flatten()
                .map(|staged| staged.as_str().to_owned())
                .collect();
            for staged in staged.iter().filter(|one| one.expires < now && !known.contains(one.id.as_str())) {
                self.discard(&staged.id).await;
                swept += 1;
            }
        }
        Ok(swept)
    }

    fn is_expired(&self, session: &Session, now: i64) -> bool {
        let idle = now.saturating_sub(session.touched()) > millis(self.limits.session_idle);
        let old = now.saturating_sub(session.created) > millis(self.limits.longest_session());
        idle || old
    }
}
