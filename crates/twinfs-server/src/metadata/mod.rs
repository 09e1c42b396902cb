//! What the server remembers beside the files: upload sessions and users. Bytes are never here.
//!
//! [`MetadataStore`] is what a database must do; SQLite is the one there is. Every change goes through
//! the [`journal`], which puts the changes of all requests that are waiting into one transaction.

pub(crate) mod journal;
mod sqlite;

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

pub(crate) use sqlite::SqliteMetadata;

use crate::upload::assembly::Chunk;

/// A failure of the database. Many requests may share one: they were in one transaction.
#[derive(Clone, Debug)]
pub(crate) struct MetadataError {
    source: Arc<dyn std::error::Error + Send + Sync>,
    is_full: bool,
}

impl MetadataError {
    pub(crate) fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: Arc::from(error.into()), is_full: false }
    }

    /// The same, said to come from a disk without space.
    fn of_full_disk(self) -> Self {
        Self { is_full: true, ..self }
    }

    /// Whether the disk under the database has no space left.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full
    }
}

impl fmt::Display for MetadataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "metadata database: {}", self.source)
    }
}

impl std::error::Error for MetadataError {}

pub(crate) type Result<T> = std::result::Result<T, MetadataError>;
pub(crate) type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// An upload session as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionRow {
    pub(crate) id: Uuid,
    /// The user it belongs to.
    pub(crate) owner: String,
    /// The number of chunks announced.
    pub(crate) announced: u64,
    /// When it was started, in milliseconds of the Unix epoch.
    pub(crate) created: i64,
    /// When a chunk last came, likewise.
    pub(crate) touched: i64,
    /// The staged upload that becomes the file.
    pub(crate) file: Option<String>,
    /// The staged upload of chunks without a place in the file yet.
    pub(crate) aside: Option<String>,
    /// Completed outside any run: `file` is whole and waits.
    pub(crate) parked: bool,
}

/// One change of the metadata.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// A session was started.
    Create(SessionRow),
    /// A chunk was written; the bytes are in the file before this is.
    Record {
        session: Uuid,
        number: u64,
        chunk: Chunk,
        file: Option<String>,
        aside: Option<String>,
        touched: i64,
    },
    /// The upload is whole and waits, in this staged upload, for a run.
    Park { session: Uuid, file: String },
    /// The session is over.
    Finish(Uuid),
}

/// A user who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) id: Uuid,
    /// Argon2id, as a PHC string.
    pub(crate) password_hash: String,
}

/// What start-up found.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) sessions: Vec<(SessionRow, Vec<(u64, Chunk)>)>,
    /// Sessions that were over, without the server having had the time to say so.
    pub(crate) finished: usize,
    /// Sessions whose received chunks were forgotten, because the machine was started anew since.
    pub(crate) reset: usize,
}

/// The database behind the server.
pub(crate) trait MetadataStore: Send + Sync + 'static {
    /// Makes all changes, or none. Of changes of one session there is at most one kind in a call.
    fn apply<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, ()>;

    /// Brings the sessions back after a start: `staged` are the staged uploads that are there.
    ///
    /// A session that had a staged upload which is gone is over: it was published, or dropped. One that
    /// waits for chunks forgets those of another boot of the machine: they were never synced.
    fn recover<'a>(&'a self, boot: &'a str, staged: &'a HashSet<String>) -> BoxFuture<'a, Recovered>;

    /// A user by name.
    fn user<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<User>>;

    /// Adds a user, or gives one another password. The id of a name never changes.
    fn save_user<'a>(&'a self, user: &'a User) -> BoxFuture<'a, ()>;

    /// Whether the database answers.
    fn ping(&self) -> BoxFuture<'_, ()>;

    /// Writes everything out and closes.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Now, in milliseconds of the Unix epoch.
pub(crate) fn now_millis() -> i64 {
    millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}

/// A duration in milliseconds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The id of this boot of the machine (`random(4)`); where there is none, every start counts as one.
pub(crate) fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_or_else(|_| Uuid::new_v4().to_string(), |text| text.trim().to_owned())
}
