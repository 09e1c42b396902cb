//! Upload sessions: chunks come in, in any order, and become one file.
//!
//! All live sessions are in memory; what must outlive the process is in the database before a request
//! is answered. Bytes go into the library's staged uploads, which outlive the process too.

pub(crate) mod assembly;
mod complete;
mod numbers;
mod publishing;
mod recover;
mod session;
mod sweep;
pub(crate) mod usage;
mod whole;
mod write_back;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OnceCell;
use tokio_util::task::TaskTracker;
use twinfs::{AsyncStore, Durability, ErrorKind, Fs, StageOptions, StagedId, StagedTarget, WriteOptions};
use uuid::Uuid;

use crate::config::Limits;
use crate::memory::Held;
use crate::metadata::journal::Journal;
use crate::metadata::{Change, MetadataError, SessionRow, now_millis};
use assembly::{Assembly, Chunk, Place};
pub(crate) use complete::Outcome;
use publishing::Publisher;
use session::{Arrival, Session};
use usage::{OverLimit, Usage};

/// Why a request on an upload failed.
#[derive(Debug)]
pub(crate) enum UploadError {
    /// The store refused.
    Store(twinfs::Error),
    /// The database did.
    Metadata(MetadataError),
    /// A limit forbids it.
    OverLimit(OverLimit),
    /// The chunk was received before, with another content.
    Differs,
    /// The work broke off inside the server.
    Broken,
}

impl fmt::Display for UploadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Metadata(error) => error.fmt(f),
            Self::OverLimit(limit) => write!(f, "over a limit: {limit:?}"),
            Self::Differs => f.write_str("the chunk was received with another content"),
            Self::Broken => f.write_str("the work broke off"),
        }
    }
}

impl From<twinfs::Error> for UploadError {
    fn from(error: twinfs::Error) -> Self {
        Self::Store(error)
    }
}

impl From<MetadataError> for UploadError {
    fn from(error: MetadataError) -> Self {
        Self::Metadata(error)
    }
}

impl From<OverLimit> for UploadError {
    fn from(limit: OverLimit) -> Self {
        Self::OverLimit(limit)
    }
}

/// A chunk as it arrived.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) number: u64,
    pub(crate) data: Bytes,
    /// A resend must have the content that is there already.
    pub(crate) must_match: bool,
    /// The memory it takes, given back when it is written.
    pub(crate) memory: Held,
}

/// What the server knows of an upload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) numbers: Vec<u64>,
}

/// All upload sessions of the server.
pub(crate) struct Uploads {
    fs: Fs,
    journal: Journal,
    publisher: Publisher,
    sessions: Mutex<HashMap<Uuid, Arc<Session>>>,
    /// The staged uploads of whole files under way, which no session knows.
    whole_files: Mutex<HashSet<StagedId>>,
    pub(crate) usage: Arc<Usage>,
    durability: Durability,
    limits: Limits,
    /// Work that goes on though the client is gone; the server waits for it when it stops.
    tasks: TaskTracker,
}

impl Uploads {
    /// On the runtime whose task publishes.
    pub(crate) fn new(fs: Fs, journal: Journal, durability: Durability, limits: Limits) -> Arc<Self> {
        let options = WriteOptions { durability: promised(&fs, durability), ..WriteOptions::default() };
        Arc::new(Self {
            publisher: Publisher::start(fs.clone(), options),
            fs,
            journal,
            sessions: Mutex::default(),
            whole_files: Mutex::default(),
            usage: Usage::new(limits),
            durability,
            limits,
            tasks: TaskTracker::new(),
        })
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn whole_files(&self) -> MutexGuard<'_, HashSet<StagedId>> {
        self.whole_files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of this id, if it is this user's: another's is as good as none.
    fn find(&self, owner: &str, id: &str) -> Option<Arc<Session>> {
        // Only the form that the server hands out is an id.
        let id = Uuid::parse_str(id).ok().filter(|uuid| uuid.as_hyphenated().to_string() == id)?;
        self.sessions().get(&id).filter(|session| *session.owner == *owner).cloned()
    }

    /// Starts an upload.
    ///
    /// Cancelled, it is started all the same, and expires.
    pub(crate) async fn start(
        self: &Arc<Self>,
        owner: &Arc<str>,
        announced: u64,
    ) -> Result<Uuid, UploadError> {
        let (uploads, owner) = (Arc::clone(self), Arc::clone(owner));
        // A client that goes away must not leave a session counted that nobody knows.
        self.to_its_end(async move { uploads.start_now(&owner, announced).await }).await
    }

    async fn start_now(&self, owner: &Arc<str>, announced: u64) -> Result<Uuid, UploadError> {
        self.usage.open_session(owner)?;
        let (id, now) = (Uuid::new_v4(), now_millis());
        let row = SessionRow {
            id,
            owner: owner.to_string(),
            announced,
            created: now,
            touched: now,
            file: None,
            aside: None,
            parked: false,
        };
        if let Err(error) = self.journal.apply(Change::Create(row)).await {
            self.usage.close_session(owner, 0);
            return Err(error.into());
        }
        let session = Session::new(id, Arc::clone(owner), now, now, Assembly::new(announced));
        self.sessions().insert(id, Arc::new(session));
        Ok(id)
    }

    /// What is known of an upload; `None` if there is none.
    pub(crate) fn status(&self, owner: &str, id: &str) -> Option<Status> {
        Some(Status { numbers: self.find(owner, id)?.numbers() })
    }

    /// Takes in a chunk; gives how many different ones there are now, `None` if there is no upload.
    ///
    /// Cancelled, the chunk is kept or not; it can be sent again.
    pub(crate) async fn receive(
        self: &Arc<Self>,
        owner: &str,
        id: &str,
        chunk: Arrived,
    ) -> Result<Option<u64>, UploadError> {
        let Some(session) = self.find(owner, id) else { return Ok(None) };
        let uploads = Arc::clone(self);
        // A write that has begun must end before anybody else writes to the same place or publishes the
        // file, so it does not end with its client.
        self.to_its_end(async move { uploads.receive_in(&session, chunk).await }).await
    }

    /// Runs work to its end even if the client goes away.
    async fn to_its_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, UploadError>> + Send + 'static,
    ) -> Result<T, UploadError> {
        self.tasks.spawn(work).await.unwrap_or(Err(UploadError::Broken))
    }

    async fn receive_in(
        self: &Arc<Self>,
        session: &Arc<Session>,
        chunk: Arrived,
    ) -> Result<Option<u64>, UploadError> {
        let len = chunk.data.len() as u64;
        let writing = match session.begin(chunk.number, len).await {
            Arrival::Unknown => return Ok(None),
            Arrival::TooFar => return Err(twinfs::Error::new(ErrorKind::TooLarge).into()),
            Arrival::Received => {
                if chunk.must_match && !self.is_same(session, &chunk).await? {
                    return Err(UploadError::Differs);
                }
                return Ok(Some(session.received()));
            }
            Arrival::Write(writing) => writing,
        };
        // A gap counts too: a store may have to fill it with zeros.
        let (Place::File(start) | Place::Aside(start)) = writing.place;
        if start.saturating_add(len) > self.limits.bytes_per_user {
            return Err(OverLimit::Bytes(self.limits.bytes_per_user).into());
        }
        self.usage.add_bytes(&session.owner, len)?;
        let (number, place, now) = (chunk.number, writing.place, now_millis());
        match self.write_chunk(session, number, place, chunk.data, now).await {
            Ok(()) => writing.landed(now),
            Err(error) => {
                self.usage.remove_bytes(&session.owner, len);
                return Err(error);
            }
        }
        drop(chunk.memory);
        self.write_back(session, len);
        Ok(Some(session.received()))
    }

    /// Writes a chunk, and after it the row that says so.
    async fn write_chunk(
        &self,
        session: &Session,
        number: u64,
        place: Place,
        data: Bytes,
        now: i64,
    ) -> Result<(), UploadError> {
        let len = data.len() as u64;
        let (cell, offset) = match place {
            Place::File(offset) => (&session.file, offset),
            Place::Aside(offset) => (&session.aside, offset),
        };
        self.write_staged(cell, offset, data).await?;
        let text = |staged: Option<&StagedId>| staged.map(|staged| staged.as_str().to_owned());
        let record = Change::Record {
            session: session.id,
            number,
            chunk: Chunk { len, place },
            file: text(session.file.get()),
            aside: text(session.aside.get()),
            touched: now,
        };
        self.journal.apply(record).await?;
        Ok(())
    }

    /// Writes into the staged upload of a session; the first chunk makes it.
    async fn write_staged(&self, cell: &OnceCell<StagedId>, offset: u64, data: Bytes) -> twinfs::Result<()> {
        let mut written = false;
        let first = || {
            written = true;
            let new = StagedTarget::New(self.stage_options());
            let data = data.clone();
            async move { self.fs.write_staged(&new, offset, data).await }
        };
        let staged = cell.get_or_try_init(first).await?;
        if !written {
            self.fs.write_staged(&StagedTarget::Known(staged.clone()), offset, data).await?;
        }
        Ok(())
    }

    /// A new staged upload.
    async fn stage(&self) -> twinfs::Result<StagedId> {
        self.fs.stage(&self.stage_options()).await
    }

    /// Staged uploads are kept for longer than any session may last.
    fn stage_options(&self) -> StageOptions {
        StageOptions { keep: self.keep() }
    }

    /// How long the store is to keep a staged upload.
    fn keep(&self) -> Duration {
        self.limits.longest_session().saturating_add(Duration::from_secs(24 * 60 * 60))
    }

    async fn is_same(&self, session: &Session, arrived: &Arrived) -> Result<bool, UploadError> {
        let Some(chunk) = session.chunk(arrived.number) else { return Ok(false) };
        if chunk.len != arrived.data.len() as u64 {
            return Ok(false);
        }
        let (cell, offset) = match chunk.place {
            Place::File(offset) => (&session.file, offset),
            Place::Aside(offset) => (&session.aside, offset),
        };
        let Some(staged) = cell.get() else { return Ok(false) };
        let kept = self.fs.reopen(staged).await?.read_at(offset, arrived.data.len()).await?;
        Ok(kept == arrived.data)
    }

    /// Drops an upload and its bytes; gives whether there was one.
    pub(crate) async fn cancel(self: &Arc<Self>, owner: &str, id: &str) -> Result<bool, UploadError> {
        match self.find(owner, id) {
            Some(session) => self.drop_session(session).await,
            None => Ok(false),
        }
    }

    async fn drop_session(self: &Arc<Self>, session: Arc<Session>) -> Result<bool, UploadError> {
        let uploads = Arc::clone(self);
        self.to_its_end(async move {
            let Some(claim) = session.claim().await else { return Ok(false) };
            // Bytes first: a crash in between leaves a session whose file is gone, which is over. And a
            // full disk, where the database can take in nothing, gets its space back.
            let parked = claim.parked().cloned();
            for staged in [session.file.get(), session.aside.get(), parked.as_ref()].into_iter().flatten() {
                uploads.discard(staged).await;
            }
            if let Err(error) = uploads.journal.apply(Change::Finish(session.id)).await {
                tracing::error!(%error, "a dropped session stays in the database until the next start");
            }
            claim.finish();
            uploads.forget(&session);
            Ok(true)
        })
        .await
    }

    /// Takes a session that is over out of the books.
    fn forget(&self, session: &Session) {
        if self.sessions().remove(&session.id).is_some() {
            self.usage.close_session(&session.owner, session.bytes());
        }
    }

    /// Removes a staged upload; one that cannot be removed is swept by the store in the end.
    async fn discard(&self, staged: &StagedId) {
        match self.fs.discard(staged).await {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(%error, "a staged upload could not be removed");
            }
            _ => {}
        }
    }

    /// What completions, whole-file writes and removals promise, as far as the store can.
    pub(crate) fn durability(&self) -> Option<Durability> {
        promised(&self.fs, self.durability)
    }

    /// Waits for all work that outlived its client, then closes the way to the database.
    pub(crate) async fn settle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn promised(fs: &Fs, durability: Durability) -> Option<Durability> {
    fs.store().capabilities().durable.then_some(durability)
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;
    use crate::metadata::{MetadataStore, SqliteMetadata};

    #[tokio::test]
    async fn a_start_whose_client_goes_away_counts_a_session_that_is_there() {
        let database: Arc<dyn MetadataStore> = Arc::new(SqliteMetadata::open(None).await.unwrap());
        let (journal, _writing) = Journal::start(database);
        let limits = Limits { sessions: 1, ..Limits::default() };
        let uploads = Uploads::new(Fs::memory(), journal, Durability::None, limits);
        let owner: Arc<str> = "ada".into();
        let mut starting = Box::pin(uploads.start(&owner, 1));
        assert!(starting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(starting);
        let known = async {
            loop {
                let known = uploads.sessions().values().next().cloned();
                match known {
                    Some(session) => return session,
                    None => tokio::task::yield_now().await,
                }
            }
        };
        let session = tokio::time::timeout(Duration::from_secs(30), known).await.expect("nobody knows it");
        assert!(uploads.start(&owner, 1).await.is_err(), "it counts");
        assert!(uploads.cancel(&owner, &session.id.to_string()).await.unwrap());
        assert!(uploads.start(&owner, 1).await.is_ok());
    }
}
