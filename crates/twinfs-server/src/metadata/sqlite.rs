//! SQLite behind [`MetadataStore`]: WAL with `synchronous=NORMAL`, which survives the death of the
//! process at any moment, and needs no sync per commit.
//!
//! A batch is one statement for each kind of change, its rows handed over as one JSON array, and all of
//! them go to SQLite's thread as one text: what a commit costs here is the way there and back.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{AssertSqlSafe, Executor, Row, Sqlite, Transaction};
use uuid::Uuid;

use super::{BoxFuture, Change, MetadataError, MetadataStore, Recovered, Result, SessionRow, User};
use crate::upload::assembly::{Chunk, Place};

/// `SQLITE_FULL`: a write found no space on the disk.
const FULL: &str = "13";
/// `SQLITE_BUSY`: another process has the database.
const BUSY: &str = "5";
/// `SQLITE_CORRUPT` and `SQLITE_NOTADB`.
const DAMAGED: [&str; 2] = ["11", "26"];

/// Why a database cannot be opened, and what to do about it.
fn unopened(path: Option<&Path>, error: sqlx::Error) -> MetadataError {
    let Some(path) = path else { return error.into() };
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    let advice = match code.as_deref() {
        Some(BUSY) => "another server is using it; each needs a data folder, or at least a state, of its own",
        Some(code) if DAMAGED.contains(&code) => {
            "it is damaged, or no database; put a copy back, or move it away to start with a new one, without \
             the users and unfinished uploads of the old"
        }
        _ => return MetadataError::new(format!("{}: {error}", path.display())),
    };
    MetadataError::new(format!("{}: {advice}", path.display()))
}

impl From<sqlx::Error> for MetadataError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        let is_full = code.is_some_and(|code| code == FULL);
        let error = Self::new(error);
        if is_full { error.of_full_disk() } else { error }
    }
}

/// The metadata in an SQLite file, which belongs to one server at a time.
pub(crate) struct SqliteMetadata {
    pool: SqlitePool,
}

impl SqliteMetadata {
    /// Opens or makes the database; `None` keeps it in memory.
    pub(crate) async fn open(path: Option<&Path>) -> Result<Self> {
        let options = match path {
            Some(path) => SqliteConnectOptions::new()
                .filename(path)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                // Two servers on one database would not know of each other's sessions.
                .locking_mode(SqliteLockingMode::Exclusive),
            None => SqliteConnectOptions::new().in_memory(true),
        };
        let options = options
            .synchronous(SqliteSynchronous::Normal)
            // Less than what is logged as a slow statement: a start that fails says why in one line.
            .busy_timeout(Duration::from_millis(800))
            .pragma("temp_store", "memory");
        // One connection: SQLite has one writer anyway, and what is read is read at login and start.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .map_err(|error| unopened(path, error))?;
        pool.execute(include_str!("schema.sql")).await.map_err(|error| unopened(path, error))?;
        Ok(Self { pool })
    }
}

/// The changes of one batch, by kind, as rows of JSON.
#[derive(Default)]
struct Batch {
    created: Vec<serde_json::Value>,
    chunks: Vec<serde_json::Value>,
    touched: HashMap<Uuid, serde_json::Value>,
    parked: Vec<serde_json::Value>,
    finished: Vec<Uuid>,
}

impl Batch {
    fn sort(changes: &[Change]) -> Self {
        let mut batch = Self::default();
        for change in changes {
            match change {
                Change::Create(row) => batch.created.push(serde_json::json!([
                    row.id,
                    row.owner,
                    row.announced,
                    row.created,
                    row.touched
                ])),
                Change::Record { session, number, chunk, file, aside, touched } => {
                    let (place, is_aside) = match chunk.place {
                        Place::File(offset) => (offset, 0),
                        Place::Aside(offset) => (offset, 1),
                    };
                    batch.chunks.push(serde_json::json!([session, number, chunk.len, place, is_aside]));
                    let row = serde_json::json!([session, touched, file, aside]);
                    // Of several chunks of one session, a later one may know of a second file.
                    if batch.touched.get(session).is_none_or(|known| known[2].is_null() || known[3].is_null())
                    {
                        let merged = merge(batch.touched.remove(session), row);
                        batch.touched.insert(*session, merged);
                    }
                }
                Change::Park { session, file } => batch.parked.push(serde_json::json!([session, file])),
                Change::Finish(id) => batch.finished.push(*id),
            }
        }
        batch
    }

    /// One transaction as one text, and the rows of its statements in their order. There are as many
    /// texts as combinations of kinds, so SQLite keeps them prepared.
    fn into_sql(self) -> Result<(String, Vec<String>)> {
        let touched: Vec<_> = self.touched.into_values().collect();
        let finished: Vec<_> = self.finished.iter().map(|id| serde_json::json!(id)).collect();
        let kinds = [
            (CREATE, &self.created),
            (RECORD, &self.chunks),
            (TOUCH, &touched),
            (PARK, &self.parked),
            (FINISH, &finished),
            (FORGET, &finished),
        ];
        let (mut text, mut values) = ("BEGIN; ".to_owned(), Vec::new());
        for (sql, rows) in kinds.into_iter().filter(|(_, rows)| !rows.is_empty()) {
            text.push_str(sql);
            text.push_str("; ");
            values.push(serde_json::to_string(rows).map_err(MetadataError::new)?);
        }
        text.push_str("COMMIT");
        Ok((text, values))
    }
}

fn merge(known: Option<serde_json::Value>, mut row: serde_json::Value) -> serde_json::Value {
    if let Some(known) = known {
        for index in [2, 3] {
            if row[index].is_null() {
                row[index] = known[index].clone();
            }
        }
    }
    row
}

async fn run(
    tx: &mut Transaction<'_, Sqlite>,
    sql: &'static str,
    rows: &impl serde::Serialize,
) -> Result<()> {
    let rows = serde_json::to_string(rows).map_err(MetadataError::new)?;
    sqlx::query(sql).bind(rows).execute(&mut **tx).await?;
    Ok(())
}

const CREATE: &str = "INSERT INTO sessions (id, owner, announced, created, touched) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?)";
const RECORD: &str = "INSERT OR IGNORE INTO chunks (session, number, length, place, aside) \
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4 FROM json_each(?)";
const TOUCH: &str = "UPDATE sessions SET touched = new.value ->> 1, \
    file = coalesce(file, new.value ->> 2), aside = coalesce(aside, new.value ->> 3) \
    FROM json_each(?) AS new WHERE sessions.id = new.value ->> 0";
const PARK: &str = "UPDATE sessions SET parked = 1, file = new.value ->> 1, aside = NULL \
    FROM json_each(?) AS new WHERE sessions.id = new.value ->> 0";
const FINISH: &str = "DELETE FROM sessions WHERE id IN (SELECT value FROM json_each(?))";
const FORGET: &str = "DELETE FROM chunks WHERE session IN (SELECT value FROM json_each(?))";

impl SqliteMetadata {
    async fn apply_batch(&self, changes: &[Change]) -> Result<()> {
        let (text, rows) = Batch::sort(changes).into_sql()?;
        let mut connection = self.pool.acquire().await?;
        let mut query = sqlx::query(AssertSqlSafe(text));
        for rows in rows {
            query = query.bind(rows);
        }
        if let Err(error) = query.execute(&mut *connection).await {
            // The text broke off inside its transaction, unless SQLite has ended that by itself.
            let _ = connection.execute("ROLLBACK").await;
            return Err(error.into());
        }
        Ok(())
    }

    async fn recover_sessions(&self, boot: &str, staged: &HashSet<String>) -> Result<Recovered> {
        let mut recovered = Recovered::default();
        let mut tx = self.pool.begin().await?;
        let booted: Option<String> = sqlx::query_scalar("SELECT value FROM facts WHERE name = 'boot'")
            .fetch_optional(&mut *tx)
            .await?;
        let same_boot = booted.as_deref() == Some(boot);
        let (mut over, mut forget, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for row in sqlx::query("SELECT * FROM sessions").fetch_all(&mut *tx).await? {
            let row = session(&row)?;
            let is_gone = |staged_id: &Option<String>| {
                staged_id.as_ref().is_some_and(|staged_id| !staged.contains(staged_id))
            };
            if is_gone(&row.file) || is_gone(&row.aside) {
                over.push(row.id);
                continue;
            }
            if !row.parked && !same_boot {
                forget.push(row.id);
            }
            rows.push(row);
        }
        run(&mut tx, FINISH, &over).await?;
        run(&mut tx, FORGET, &forget).await?;
        tx.execute("DELETE FROM chunks WHERE session NOT IN (SELECT id FROM sessions)").await?;
        sqlx::query("INSERT OR REPLACE INTO facts (name, value) VALUES ('boot', ?)")
            .bind(boot)
            .execute(&mut *tx)
            .await?;
        let mut chunks: HashMap<Uuid, Vec<(u64, Chunk)>> = HashMap::new();
        for row in sqlx::query("SELECT * FROM chunks").fetch_all(&mut *tx).await? {
            chunks.entry(uuid(row.try_get("session")?)?).or_default().push(chunk(&row)?);
        }
        tx.commit().await?;
        recovered.finished = over.len();
        recovered.reset = forget.len();
        recovered.sessions = rows
            .into_iter()
            .map(|row| {
                let chunks = chunks.remove(&row.id).unwrap_or_default();
                (row, chunks)
            })
            .collect();
        Ok(recovered)
    }
}

fn uuid(text: &str) -> Result<Uuid> {
    Uuid::parse_str(text).map_err(MetadataError::new)
}

fn number(row: &sqlx::sqlite::SqliteRow, column: &'static str) -> Result<u64> {
    u64::try_from(row.try_get::<i64, _>(column)?).map_err(MetadataError::new)
}

fn session(row: &sqlx::sqlite::SqliteRow) -> Result<SessionRow> {
    Ok(SessionRow {
        id: uuid(row.try_get("id")?)?,
        owner: row.try_get("owner")?,
        announced: number(row, "announced")?,
        created: row.try_get("created")?,
        touched: row.try_get("touched")?,
        file: row.try_get("file")?,
        aside: row.try_get("aside")?,
        parked: row.try_get("parked")?,
    })
}

fn chunk(row: &sqlx::sqlite::SqliteRow) -> Result<(u64, Chunk)> {
    let offset = number(row, "place")?;
    let place = if row.try_get("aside")? { Place::Aside(offset) } else { Place::File(offset) };
    Ok((number(row, "number")?, Chunk { len: number(row, "length")?, place }))
}

impl MetadataStore for SqliteMetadata {
    fn apply<'a>(&'a self, changes: &'a [Change]) -> BoxFuture<'a, ()> {
        Box::pin(self.apply_batch(changes))
    }

    fn recover<'a>(&'a self, boot: &'a str, staged: &'a HashSet<String>) -> BoxFuture<'a, Recovered> {
        Box::pin(self.recover_sessions(boot, staged))
    }

    fn user<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Option<User>> {
        Box::pin(async move {
            let row = sqlx::query("SELECT name, id, password_hash FROM users WHERE name = ?")
                .bind(name)
                .fetch_optional(&self.pool)
                .await?;
            let Some(row) = row else { return Ok(None) };
            Ok(Some(User {
                name: row.try_get(0)?,
                id: uuid(row.try_get(1)?)?,
                password_hash: row.try_get(2)?,
            }))
        })
    }

    fn save_user<'a>(&'a self, user: &'a User) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            sqlx::query(
                "INSERT INTO users (name, id, password_hash) VALUES (?, ?, ?) \
                 ON CONFLICT (name) DO UPDATE SET password_hash = excluded.password_hash",
            )
            .bind(&user.name)
            .bind(user.id.to_string())
            .bind(&user.password_hash)
            .execute(&self.pool)
            .await?;
            Ok(())
        })
    }

    fn ping(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.pool.execute("SELECT 1").await?;
            Ok(())
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.pool.close().await;
            Ok(())
        })
    }
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
