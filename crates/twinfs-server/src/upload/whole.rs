//! A whole file in one request: a staged upload that its request publishes, or that goes with it.

use std::sync::Arc;

use bytes::Bytes;
use twinfs::{Condition, File, FsPath, Metadata, StagedId, WriteOptions};

use super::usage::BytesUnderWay;
use super::{UploadError, Uploads};

/// A file on its way in. Dropped, it leaves nothing behind.
pub(crate) struct WholeFile {
    uploads: Arc<Uploads>,
    staged: Option<StagedId>,
    file: File,
    end: u64,
    counted: BytesUnderWay,
}

impl Uploads {
    /// Starts a whole file.
    pub(crate) async fn start_whole(self: &Arc<Self>, owner: &Arc<str>) -> Result<WholeFile, UploadError> {
        let staged = self.stage().await?;
        match self.fs.reopen(&staged).await {
            Ok(file) => {
                self.whole_files().insert(staged.clone());
                let counted = BytesUnderWay::new(&self.usage, owner);
                Ok(WholeFile { uploads: Arc::clone(self), staged: Some(staged), file, end: 0, counted })
            }
            Err(error) => {
                self.discard(&staged).await;
                Err(error.into())
            }
        }
    }

    /// Writes a file that is in memory already.
    pub(crate) async fn write_whole(
        self: &Arc<Self>,
        target: FsPath,
        data: Bytes,
        condition: Condition,
    ) -> Result<Metadata, UploadError> {
        let uploads = Arc::clone(self);
        self.to_its_end(async move {
            Ok(uploads.fs.write_with(&target, data, &uploads.write_options(condition)).await?)
        })
        .await
    }

    fn write_options(&self, condition: Condition) -> WriteOptions {
        WriteOptions { condition, durability: self.durability(), ..WriteOptions::default() }
    }
}

impl WholeFile {
    /// Appends bytes.
    pub(crate) async fn append(&mut self, data: Bytes) -> Result<(), UploadError> {
        let len = data.len() as u64;
        self.counted.add(len)?;
        self.file.write_at(self.end, data).await?;
        self.end += len;
        Ok(())
    }

    /// Publishes the file, whole and durable.
    pub(crate) async fn publish(self, target: FsPath, condition: Condition) -> Result<Metadata, UploadError> {
        let uploads = Arc::clone(&self.uploads);
        uploads.to_its_end(self.publish_now(target, condition)).await
    }

    async fn publish_now(mut self, target: FsPath, condition: Condition) -> Result<Metadata, UploadError> {
        let Some(staged) = self.staged.clone() else { return Err(UploadError::Broken) };
        let options = self.uploads.write_options(condition);
        let metadata = self.uploads.fs.publish(&staged, &target, &options).await?;
        // Nothing is left to discard.
        self.staged = None;
        self.uploads.whole_files().remove(&staged);
        Ok(metadata)
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some(staged) = self.staged.take() {
            let uploads = Arc::clone(&self.uploads);
            self.uploads.tasks.spawn(async move {
                uploads.discard(&staged).await;
                uploads.whole_files().remove(&staged);
            });
        }
    }
}
