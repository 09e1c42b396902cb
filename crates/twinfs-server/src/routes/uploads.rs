//! Uploading in chunks: start, chunk, complete, cancel, status.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde::de::DeserializeOwned;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use twinfs::FsPath;
use uuid::Uuid;

use crate::app::App;
use crate::auth::User;
use crate::http::body;
use crate::http::digest::Announced;
use crate::http::error::{ApiError, ApiResult};
use crate::http::json::{self, Count, Object};
use crate::http::multipart::ChunkForm;
use crate::http::target::{Dir, RunPath, WRONG_DIR};
use crate::memory::Held;
use crate::upload::{Arrived, Outcome};

/// Announces the largest chunk, in bytes.
const TWINFS_MAX_CHUNK: HeaderName = HeaderName::from_static("twinfs-max-chunk");
/// The body of a request that names one upload.
const MAX_BODY: usize = 256 * 1024;
/// Completions of one batch under way at a time: as many as the store is given to publish together.
const AT_ONCE: usize = 256;

/// `{"error": ...}` in a 201: real clients look for it there.
#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}

fn refuse(error: &str) -> Response {
    json::answer(StatusCode::CREATED, &Refusal { error })
}

/// Reads a JSON body, and counts it against the memory for bodies for as long as what comes with it lives.
async fn read<T: DeserializeOwned>(app: &App, user: &User, body: Body, limit: usize) -> ApiResult<(T, Held)> {
    // The text, and what is read out of it.
    let memory = app.memory_for(user, body::announced(&body, limit).saturating_mul(2)).await?;
    Ok((json::read(body, limit).await?, memory))
}

fn announcing_max_chunk(app: &App, mut response: Response) -> Response {
    response.headers_mut().insert(TWINFS_MAX_CHUNK, HeaderValue::from(app.limits.max_chunk));
    response
}

#[derive(Serialize)]
struct Batch {
    batch_id: String,
}

/// A batch is a name that completions share; nothing is kept of it.
pub(super) async fn init_batch(State(app): State<Arc<App>>, _user: User) -> Response {
    let batch = Batch { batch_id: Uuid::new_v4().to_string() };
    announcing_max_chunk(&app, json::answer(StatusCode::CREATED, &batch))
}

#[derive(Deserialize)]
#[serde(expecting = "an object with filename and total_chunks")]
struct Init {
    #[serde(rename = "filename")]
    _filename: String,
    total_chunks: Count,
    #[serde(default)]
    batch_id: Option<String>,
}

#[derive(Serialize)]
struct Started {
    upload_id: String,
    batch_id: Option<String>,
}

pub(super) async fn init(State(app): State<Arc<App>>, user: User, body: Body) -> ApiResult<Response> {
    let (init, _memory): (Init, _) = read(&app, &user, body, MAX_BODY).await?;
    let announced = u64::try_from(init.total_chunks.0)
        .map_err(|_| ApiError::validation("total_chunks must not be negative"))?;
    app.space.check()?;
    let upload_id = app.uploads.start(&user.0, announced).await?.to_string();
    let started = Started { upload_id, batch_id: init.batch_id };
    Ok(announcing_max_chunk(&app, json::answer(StatusCode::CREATED, &started)))
}

#[derive(Serialize)]
struct Received {
    status: &'static str,
    chunk_number: u64,
    received_chunks: u64,
}

pub(super) async fn chunk(
    State(app): State<Arc<App>>,
    user: User,
    headers: HeaderMap,
    body: Body,
) -> ApiResult<Response> {
    app.space.check()?;
    let announced = Announced::read(&headers)?;
    // A body of no announced length counts as a whole chunk.
    let memory = app.memory_for(&user, body::announced(&body, app.limits.max_chunk)).await?;
    let form = ChunkForm::read(&headers, body, app.limits.max_chunk).await?;
    if announced.is_some_and(|announced| !announced.fits(&form.data)) {
        return Err(ApiError::client("The chunk does not fit its digest: it was damaged on its way"));
    }
    let arrived = Arrived { number: form.number, data: form.data, must_match: announced.is_some(), memory };
    let received = app.uploads.receive(&user.0, &form.upload_id, arrived).await?;
    Ok(match received {
        None => refuse("Invalid upload ID - upload not initialized"),
        Some(received_chunks) => {
            let status = "chunk received";
            json::answer(
                StatusCode::CREATED,
                &Received { status, chunk_number: form.number, received_chunks },
            )
        }
    })
}

#[derive(Deserialize)]
#[serde(expecting = "an object with upload_id, filename and total_chunks")]
struct Complete {
    upload_id: String,
    filename: String,
    total_chunks: Count,
    #[serde(default)]
    batch_id: Option<String>,
    #[serde(default)]
    fid: Option<String>,
}

#[derive(Serialize)]
struct Completed<'a> {
    status: &'static str,
    completion_id: &'a str,
    batch_id: &'a str,
    final_file: &'a str,
    final_path: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Item<'a> {
    Completed(Completed<'a>),
    Refused { error: String },
}

impl<'a> Item<'a> {
    fn of(outcome: &Outcome, completion_id: &'a str, batch_id: &'a str, filename: &'a str) -> Self {
        let error = match outcome {
            Outcome::Complete => {
                return Self::Completed(Completed {
                    status: "upload complete",
                    completion_id,
                    batch_id,
                    final_file: filename,
                    final_path: format!("{completion_id}/{filename}"),
                });
            }
            Outcome::Invalid => "Invalid upload ID".to_owned(),
            Outcome::NotAll => "Not all chunks uploaded".to_owned(),
            Outcome::Missing(numbers) => format!("Missing chunk files: {numbers:?}"),
        };
        Self::Refused { error }
    }
}

/// Completes one upload, into a run or, without a `fid`, to wait outside any.
pub(super) async fn complete(
    State(app): State<Arc<App>>,
    user: User,
    Path(dir): Path<String>,
    body: Body,
) -> ApiResult<Response> {
    let (complete, _memory): (Complete, _) = read(&app, &user, body, MAX_BODY).await?;
    let Some(dir) = Dir::parse(&dir) else {
        return Ok(refuse(&format!("Internal server error: 400: {WRONG_DIR}")));
    };
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (fid, batch_id) = (given(complete.fid), given(complete.batch_id));
    // Outside any run the name is checked all the same: it is the same upload that will go into one.
    let folder = RunPath::folder(&user.0, fid.as_deref().unwrap_or("none"), dir.name())?;
    let target = folder.file(&complete.filename)?;
    let target = fid.is_some().then_some(target);
    let outcome = app.uploads.complete(&user.0, &complete.upload_id, complete.total_chunks.0, target).await?;
    let completion_id = fid.or_else(|| batch_id.clone()).unwrap_or_else(|| Uuid::new_v4().to_string());
    let batch_id = batch_id.unwrap_or_default();
    let item = Item::of(&outcome, &completion_id, &batch_id, &complete.filename);
    Ok(json::answer(StatusCode::CREATED, &item))
}

#[derive(Deserialize)]
#[serde(expecting = "an object with filename and totalChunks")]
struct BatchItem {
    filename: String,
    #[serde(rename = "totalChunks")]
    total_chunks: Count,
}

/// A JSON object in its own order. Of a repeated key the last value counts, in the first one's place, as
/// Python reads it.
struct Ordered(Vec<(String, BatchItem)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = Ordered;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of uploads by id")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
                let mut items: Vec<(String, BatchItem)> = Vec::new();
                let mut places: HashMap<String, usize> = HashMap::new();
                while let Some((id, Object(item))) = map.next_entry::<String, Object<BatchItem>>()? {
                    if let Some(&place) = places.get(&id) {
                        items[place].1 = item;
                    } else {
                        places.insert(id.clone(), items.len());
                        items.push((id, item));
                    }
                }
                Ok(Ordered(items))
            }
        }
        deserializer.deserialize_map(Items)
    }
}

/// Completes many uploads into a run. Of a repeated filename the first wins; the other's upload stays.
pub(super) async fn complete_batch(
    State(app): State<Arc<App>>,
    user: User,
    Path((fid, batch_id, dir)): Path<(String, String, String)>,
    body: Body,
) -> ApiResult<Response> {
    let folder = RunPath::folder(&user.0, &fid, &dir)?;
    let (Ordered(items), _memory) = read(&app, &user, body, app.limits.max_json).await?;
    let mut names = HashSet::new();
    let mut accepted: Vec<(usize, FsPath)> = Vec::with_capacity(items.len());
    // Every name is looked at before anything is written.
    for (index, (_, item)) in items.iter().enumerate() {
        let target = folder.file(&item.filename)?;
        if names.insert(item.filename.as_str()) {
            accepted.push((index, target));
        }
    }
    let mut answers: Vec<(usize, Result<Item<'_>, ApiError>)> = stream::iter(accepted)
        .map(|(index, target)| {
            let (app, user, (id, item)) = (&app, &user, &items[index]);
            let (fid, batch_id) = (&fid, &batch_id);
            async move {
                let outcome = app.uploads.complete(&user.0, id, item.total_chunks.0, Some(target)).await;
                let answer = outcome.map(|outcome| Item::of(&outcome, fid, batch_id, &item.filename));
                (index, answer.map_err(ApiError::from))
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    answers.sort_unstable_by_key(|(index, _)| *index);
    let mut list = Vec::with_capacity(answers.len());
    for (_, answer) in answers {
        list.push(match answer {
            Ok(item) => item,
            // Clients do not look at the items: a failure of the server must not go unnoticed. What was
            // completed stays so.
            Err(error) if error.status().is_server_error() => return Err(error),
            Err(error) => Item::Refused { error: error.detail().to_owned() },
        });
    }
    Ok(json::answer(StatusCode::CREATED, &list))
}

#[derive(Deserialize)]
#[serde(expecting = "an object with upload_id")]
struct Cancel {
    upload_id: String,
}

async fn cancel_upload(app: &App, user: &User, upload_id: &str) -> ApiResult<()> {
    if app.uploads.cancel(&user.0, upload_id).await? {
        return Ok(());
    }
    Err(ApiError::not_found("Invalid upload ID"))
}

pub(super) async fn cancel(
    State(app): State<Arc<App>>,
    user: User,
    Path(upload_id): Path<String>,
) -> ApiResult<Response> {
    cancel_upload(&app, &user, &upload_id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Serialize)]
struct Cancelled {
    status: &'static str,
}

pub(super) async fn cancel_by_body(
    State(app): State<Arc<App>>,
    user: User,
    body: Body,
) -> ApiResult<Response> {
    let (cancel, _memory): (Cancel, _) = read(&app, &user, body, MAX_BODY).await?;
    cancel_upload(&app, &user, &cancel.upload_id).await?;
    Ok(json::answer(StatusCode::OK, &Cancelled { status: "upload cancelled" }))
}

#[derive(Serialize)]
struct UploadStatus {
    exists: bool,
    received_chunks: Vec<u64>,
    total_received: usize,
}

pub(super) async fn status(
    State(app): State<Arc<App>>,
    user: User,
    Path(upload_id): Path<String>,
) -> Response {
    let status = app.uploads.status(&user.0, &upload_id);
    let exists = status.is_some();
    let received_chunks = status.map(|status| status.numbers).unwrap_or_default();
    let total_received = received_chunks.len();
    json::answer(StatusCode::OK, &UploadStatus { exists, received_chunks, total_received })
}
