//! Reading and deleting files and folders of a run.

use std::sync::Arc;

use ::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ::http::{Method, StatusCode};
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use twinfs::{ErrorKind, File, Metadata, Mode, RemoveOptions, STREAM_BLOCK, StatOptions};

use super::listing;
use crate::app::App;
use crate::auth::User;
use crate::http::conditions::{Validators, Verdict, range_counts, weigh};
use crate::http::error::{ApiError, ApiResult};
use crate::http::range::{Wanted, wanted};
use crate::http::target::{RunPath, quote};

/// What a removal is to be of: `file`, so that a folder stays, and what is in it.
const TWINFS_ONLY: HeaderName = HeaderName::from_static("twinfs-only");
/// The conditions that a removal may have.
const CONDITIONS: [HeaderName; 3] = [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_UNMODIFIED_SINCE];
/// A part up to this size is read at once, without a stream.
const AT_ONCE: u64 = 256 * 1024;

/// Nothing is at the path.
pub(super) fn missing(target: &RunPath) -> ApiError {
    ApiError::not_found(format!("'{}' not found for flow {}", target.shown(), target.fid))
}

pub(super) async fn get_folder(
    State(app): State<Arc<App>>,
    user: User,
    method: Method,
    Path((fid, dir)): Path<(String, String)>,
) -> ApiResult<Response> {
    listing::folder(&app, &method, &RunPath::folder(&user.0, &fid, &dir)?).await
}

/// A file, or part of it; of a folder the listing.
pub(super) async fn get(
    State(app): State<Arc<App>>,
    user: User,
    method: Method,
    headers: HeaderMap,
    Path((fid, dir, path)): Path<(String, String, String)>,
) -> ApiResult<Response> {
    let target = RunPath::folder(&user.0, &fid, &dir)?.below(&path)?;
    let file = match app.fs.open(&target.path, Mode::Read).await {
        Ok(file) => file,
        Err(error) => match error.kind() {
            ErrorKind::IsADirectory => return listing::folder(&app, &method, &target).await,
            ErrorKind::NotFound | ErrorKind::NotADirectory => return Err(missing(&target)),
            _ => return Err(error.into()),
        },
    };
    let metadata = file.metadata().await?;
    let validators = Validators::of(&metadata);
    let mut response = match weigh(&headers, &validators) {
        Verdict::NotModified => StatusCode::NOT_MODIFIED.into_response(),
        Verdict::Failed => return Err(condition_failed()),
        Verdict::Proceed => content(&method, &headers, &file, &metadata, &validators).await?,
    };
    let head = response.headers_mut();
    validators.write(head);
    head.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if matches!(response.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        describe(response.headers_mut(), target.path.name())?;
    }
    Ok(response)
}

/// 412.
pub(super) fn condition_failed() -> ApiError {
    ApiError::http(StatusCode::PRECONDITION_FAILED, "A condition of the request does not hold")
}

/// The headers of a file's content.
fn describe(headers: &mut HeaderMap, name: &str) -> ApiResult<()> {
    let quoted = quote(name);
    let disposition = format!("attachment; filename=\"{quoted}\"; filename*=UTF-8''{quoted}");
    let disposition = HeaderValue::from_str(&disposition).map_err(|error| ApiError::internal(&error))?;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Ok(())
}

/// The bytes asked for, with the headers that say which they are.
async fn content(
    method: &Method,
    headers: &HeaderMap,
    file: &File,
    metadata: &Metadata,
    validators: &Validators,
) -> ApiResult<Response> {
    let whole = (StatusCode::OK, 0, metadata.len);
    // Ranges are defined for GET alone.
    let range = headers
        .get(header::RANGE)
        .filter(|_| *method == Method::GET && range_counts(headers, validators))
        .and_then(|value| value.to_str().ok());
    let (status, start, len) = match range.map(|range| wanted(range, metadata.len)) {
        None | Some(Wanted::Whole) => whole,
        Some(Wanted::Part(start, len)) => (StatusCode::PARTIAL_CONTENT, start, len),
        Some(Wanted::Unsatisfiable) => {
            let size = format!("bytes */{}", metadata.len);
            return Err(ApiError::http(StatusCode::RANGE_NOT_SATISFIABLE, "The file has no such range")
                .with_header(header::CONTENT_RANGE, header_value(&size)?)
                .with_headers(|headers| validators.write(headers)));
        }
    };
    let body = if *method == Method::HEAD || len == 0 {
        Body::empty()
    } else if len <= AT_ONCE {
        let bytes = file.read_at(start, len as usize).await?;
        if bytes.len() as u64 != len {
            return Err(ApiError::internal(&"a file was cut short while it was read"));
        }
        Body::from(bytes)
    } else {
        // Shorter than announced, should somebody cut the file meanwhile, it breaks the connection.
        Body::from_stream(file.chunks(start..start + len, STREAM_BLOCK).await?)
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(len));
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {start}-{}/{}", start + len - 1, metadata.len);
        response.headers_mut().insert(header::CONTENT_RANGE, header_value(&range)?);
    }
    Ok(response)
}

fn header_value(text: &str) -> ApiResult<HeaderValue> {
    HeaderValue::from_str(text).map_err(|error| ApiError::internal(&error))
}

pub(super) async fn delete_folder(
    State(app): State<Arc<App>>,
    user: User,
    Path((fid, dir)): Path<(String, String)>,
) -> ApiResult<Response> {
    remove(&app, &RunPath::folder(&user.0, &fid, &dir)?).await
}

pub(super) async fn delete(
    State(app): State<Arc<App>>,
    user: User,
    headers: HeaderMap,
    Path((fid, dir, path)): Path<(String, String, String)>,
) -> ApiResult<Response> {
    let target = RunPath::folder(&user.0, &fid, &dir)?.below(&path)?;
    if CONDITIONS.iter().any(|name| headers.contains_key(name)) {
        hold(&app, &headers, &target).await?;
    }
    match headers.get(TWINFS_ONLY).map(HeaderValue::as_bytes) {
        None => remove(&app, &target).await,
        Some(b"file") if target.is_root => Err(twinfs::Error::new(ErrorKind::IsADirectory).into()),
        Some(b"file") => remove_file(&app, &target).await,
        // What is not understood must not remove more than was meant.
        Some(_) => Err(ApiError::validation("Twinfs-Only is 'file'")),
    }
}

/// Looks whether what stands there may be removed under the request's conditions. Who puts another file there
/// between this and the removal loses it: a store removes without conditions.
async fn hold(app: &App, headers: &HeaderMap, target: &RunPath) -> ApiResult<()> {
    let options = StatOptions { version: app.keeps_versions() };
    let validators = match app.fs.stat_with(&target.path, &options).await {
        Ok(metadata) => Validators::of(&metadata),
        // The removal says so.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut headers = headers.clone();
    // A condition of reading alone.
    headers.remove(header::IF_MODIFIED_SINCE);
    match weigh(&headers, &validators) {
        Verdict::Proceed => Ok(()),
        Verdict::NotModified | Verdict::Failed => Err(condition_failed()),
    }
}

/// Removes a file, or a folder with everything in it.
async fn remove(app: &App, target: &RunPath) -> ApiResult<Response> {
    let options = RemoveOptions { durability: app.uploads.durability() };
    removed(app.fs.remove_all_with(&target.path, &options).await, target)
}

/// Removes a file; a folder stays.
async fn remove_file(app: &App, target: &RunPath) -> ApiResult<Response> {
    let options = RemoveOptions { durability: app.uploads.durability() };
    removed(app.fs.remove_with(&target.path, &options).await, target)
}

fn removed(result: twinfs::Result<()>, target: &RunPath) -> ApiResult<Response> {
    match result {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(ApiError::not_found(format!("Path not found: /{}", target.shown())))
        }
        Err(error) => Err(error.into()),
    }
}
