//! Completing an upload: check, claim, join, publish.
//!
//! The order is what a crash cannot break: published in the store, finished in the database, answered.
//! A session whose staged upload is gone was published; one whose staged upload is there was not, and
//! goes on. Both are told apart at start. Of several completions the claim in memory lets one through.

use std::sync::Arc;

use twinfs::{ErrorKind, FsPath, StagedId, WriteOptions};

use super::assembly::{Destination, Incomplete, Join, Place};
use super::session::{Claim, Session};
use super::{UploadError, Uploads};
use crate::metadata::Change;

/// Bytes copied at a time where chunks have to be joined.
const BLOCK: u64 = 1024 * 1024;

/// From this length on a file is brought to the disk before it joins a group.
const LARGE: u64 = 4 * 1024 * 1024;

/// How a completion ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The file is there, whole and durable.
    Complete,
    /// There is no such upload, or not any more.
    Invalid,
    /// Another number of chunks was received.
    NotAll,
    /// These are not there.
    Missing(Vec<u64>),
}

/// What the chunks have become, and the staged uploads that are of no more use.
enum Whole {
    /// The file at its target.
    Published { spent: Vec<StagedId> },
    /// A staged upload outside any run.
    Waiting { file: StagedId, is_fresh: bool, spent: Vec<StagedId> },
}

impl Uploads {
    /// Completes an upload of `total` chunks at `target`; without one it waits, whole, outside any run.
    ///
    /// Cancelled, it goes on to its end.
    pub(crate) async fn complete(
        self: &Arc<Self>,
        owner: &str,
        id: &str,
        total: i64,
        target: Option<FsPath>,
    ) -> Result<Outcome, UploadError> {
        let Some(session) = self.find(owner, id) else { return Ok(Outcome::Invalid) };
        let uploads = Arc::clone(self);
        self.to_its_end(async move { uploads.complete_session(&session, total, target).await }).await
    }

    async fn complete_session(
        &self,
        session: &Arc<Session>,
        total: i64,
        target: Option<FsPath>,
    ) -> Result<Outcome, UploadError> {
        let Some(claim) = session.claim().await else { return Ok(Outcome::Invalid) };
        let is_parked_already = claim.parked().is_some() && target.is_none();
        if is_parked_already || claim.is_broken() {
            return Ok(Outcome::Invalid);
        }
        let total = match claim.with_assembly(|assembly| assembly.check(total)) {
            Ok(total) => total,
            Err(Incomplete::Count) => return Ok(Outcome::NotAll),
            Err(Incomplete::Missing(numbers)) => return Ok(Outcome::Missing(numbers)),
        };
        match self.carry_out(session, &claim, total, target.as_ref()).await {
            Ok(Whole::Published { spent }) => {
                self.discard_all(&spent).await;
                // The file is there: whatever the database says now, the answer is yes. A session whose
                // staged upload is gone is over at the next start.
                if let Err(error) = self.journal.apply(Change::Finish(session.id)).await {
                    tracing::error!(%error, "a completed session stays in the database until the next start");
                }
                claim.finish();
                self.forget(session);
                Ok(Outcome::Complete)
            }
            Ok(Whole::Waiting { file, is_fresh, spent }) => {
                let park = Change::Park { session: session.id, file: file.as_str().to_owned() };
                if let Err(error) = self.journal.apply(park).await {
                    if is_fresh {
                        self.discard(&file).await;
                    }
                    return Err(error.into());
                }
                // Not before: until then the upload is what its chunks are.
                self.discard_all(&spent).await;
                claim.park(file);
                Ok(Outcome::Complete)
            }
            Err(UploadError::Store(error)) if error.kind() == ErrorKind::NotFound => {
                self.lost(session, claim, &error).await?;
                Ok(Outcome::Invalid)
            }
            Err(UploadError::Store(error)) if self.is_dropped(session, &claim).await => {
                self.lost(session, claim, &error).await?;
                Err(error.into())
            }
            // The claim goes, and the upload goes on as it was.
            Err(error) => Err(error),
        }
    }

    /// Whether the store has dropped the bytes of an upload: those it could not sync.
    async fn is_dropped(&self, session: &Session, claim: &Claim) -> bool {
        let Some(staged) = claim.parked().or_else(|| session.file.get()) else { return false };
        self.fs.reopen(staged).await.is_err_and(|error| error.kind() == ErrorKind::NotFound)
    }

    /// The bytes of an upload are gone from the store; nothing can come of it any more.
    async fn lost(&self, session: &Session, claim: Claim, error: &twinfs::Error) -> Result<(), UploadError> {
        tracing::warn!(%error, upload = %session.id, "an upload was lost from the store");
        self.journal.apply(Change::Finish(session.id)).await?;
        claim.finish();
        self.forget(session);
        Ok(())
    }

    async fn discard_all(&self, staged: &[StagedId]) {
        for staged in staged {
            self.discard(staged).await;
        }
    }

    /// Joins what has to be joined and publishes; without a target gives the whole staged upload.
    async fn carry_out(
        &self,
        session: &Session,
        claim: &Claim,
        total: u64,
        target: Option<&FsPath>,
    ) -> Result<Whole, UploadError> {
        let options = WriteOptions { durability: self.durability(), ..WriteOptions::default() };
        let (whole, is_fresh) = match (claim.parked(), target) {
            (Some(parked), _) => (parked.clone(), false),
            (None, Some(target)) if total == 0 => {
                self.fs.write_with(target, &b""[..], &options).await?;
                return Ok(Whole::Published { spent: Vec::new() });
            }
            (None, _) => self.joined(session, claim, total).await?,
        };
        let done = match target {
            Some(target) => self.publish(session, &whole, target).await,
            None => self.flush(&whole).await,
        };
        if let Err(error) = done {
            if is_fresh {
                // Joined in vain: the chunks are still where they were.
                self.discard(&whole).await;
            }
            return Err(error.into());
        }
        let spent = session.file.get().filter(|file| is_fresh && **file != whole);
        let spent = [spent, session.aside.get()].into_iter().flatten().cloned().collect();
        Ok(match target {
            Some(_) => Whole::Published { spent },
            None => Whole::Waiting { file: whole, is_fresh, spent },
        })
    }

    /// Publishes in one group with others; none of them is to wait for the bytes of a large one.
    async fn publish(&self, session: &Session, whole: &StagedId, target: &FsPath) -> twinfs::Result<()> {
        if session.bytes() > LARGE {
            self.flush(whole).await?;
        }
        self.publisher.publish(whole.clone(), target.clone()).await
    }

    async fn flush(&self, staged: &StagedId) -> twinfs::Result<()> {
        self.fs.reopen(staged).await?.flush_to_disk().await
    }

    /// The staged upload that has the whole content, and whether it was made for that just now.
    async fn joined(
        &self,
        session: &Session,
        claim: &Claim,
        total: u64,
    ) -> Result<(StagedId, bool), UploadError> {
        let (join, is_exact) = claim.with_assembly(|assembly| {
            let join = assembly.join(total);
            let is_exact = join.pieces.is_empty() && assembly.ends_at(join.len);
            (join, is_exact)
        });
        if let (Destination::Same, Some(file)) = (join.into, session.file.get()) {
            if !is_exact {
                self.copy_pieces(session, &join, file).await?;
            }
            return Ok((file.clone(), false));
        }
        let fresh = self.stage().await?;
        if let Err(error) = self.copy_pieces(session, &join, &fresh).await {
            self.discard(&fresh).await;
            return Err(error);
        }
        Ok((fresh, true))
    }

    async fn copy_pieces(&self, session: &Session, join: &Join, whole: &StagedId) -> Result<(), UploadError> {
        let to = self.fs.reopen(whole).await?;
        let mut sources = [None, None];
        for piece in &join.pieces {
            let (slot, cell, from) = match piece.from {
                Place::File(from) => (0, &session.file, from),
                Place::Aside(from) => (1, &session.aside, from),
            };
            if sources[slot].is_none()
                && let Some(staged) = cell.get()
            {
                sources[slot] = Some(self.fs.reopen(staged).await?);
            }
            let Some(source) = &sources[slot] else {
                return Err(twinfs::Error::new(ErrorKind::NotFound).into());
            };
            let mut done = 0;
            while done < piece.len {
                let len = (piece.len - done).min(BLOCK) as usize; // at most BLOCK
                let block = source.read_at(from + done, len).await?;
                if block.is_empty() {
                    return Err(twinfs::Error::new(ErrorKind::Io)
                        .with_message("a chunk was cut short")
                        .into());
                }
                let count = block.len() as u64;
                to.write_at(piece.to + done, block).await?;
                done += count;
            }
        }
        // Bytes of a chunk that was written and never acknowledged may lie beyond the end.
        if to.len().await? != join.len {
            to.set_len(join.len).await?;
        }
        Ok(())
    }
}
