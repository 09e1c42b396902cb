//! Bringing sessions back after a start.

use std::collections::HashSet;
use std::sync::Arc;

use twinfs::StagedId;

use super::assembly::Assembly;
use super::session::Session;
use super::{UploadError, Uploads};
use crate::metadata::{MetadataStore, boot_id};

impl Uploads {
    /// Brings back the sessions that the database and the store still know; gives how many.
    pub(crate) async fn recover(&self, metadata: &dyn MetadataStore) -> Result<usize, UploadError> {
        let staged: HashSet<String> =
            self.fs.list_staged().await?.into_iter().map(|staged| staged.id.as_str().to_owned()).collect();
        let recovered = metadata.recover(&boot_id(), &staged).await?;
        let count = recovered.sessions.len();
        for (row, chunks) in recovered.sessions {
            let owner: Arc<str> = row.owner.into();
            let id = |text: Option<String>| text.map(|text| StagedId::new(&text)).transpose();
            let assembly = Assembly::restore(row.announced, chunks);
            self.usage.restore_session(&owner, assembly.bytes());
            let session = Session::new(row.id, owner, row.created, row.touched, assembly).with_staged(
                id(row.file)?,
                id(row.aside)?,
                row.parked,
            );
            self.sessions().insert(row.id, Arc::new(session));
        }
        if count + recovered.finished > 0 {
            let (finished, reset) = (recovered.finished, recovered.reset);
            tracing::info!(sessions = count, finished, reset, "uploads recovered");
        }
        Ok(count)
    }
}
