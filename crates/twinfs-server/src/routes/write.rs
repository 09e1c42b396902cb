//! Writing a whole file in one request.

use std::sync::Arc;

use ::http::header::{self, HeaderMap};
use ::http::{HeaderValue, StatusCode};
use axum::body::{Body, BodyDataStream};
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::try_join;
use twinfs::{Condition, ErrorKind, FsPath, Metadata, STREAM_BLOCK, StatOptions};

use super::files::condition_failed;
use super::transfer::{Transfer, transfer};
use crate::app::App;
use crate::auth::User;
use crate::http::body;
use crate::http::conditions::{Tags, Validators, changed_since, tags};
use crate::http::error::{ApiError, ApiResult};
use crate::http::target::RunPath;
use crate::memory::Held;
use crate::upload::usage::OverLimit;

/// Writes a file from the body, or from another path of the run that a header names: 201 where there was none, 204 where there was one. The old one is there
/// until the new one is, whole and durable.
pub(super) async fn put(
    State(app): State<Arc<App>>,
    user: User,
    headers: HeaderMap,
    Path((fid, dir, path)): Path<(String, String, String)>,
    body: Body,
) -> ApiResult<Response> {
    let target = RunPath::folder(&user.0, &fid, &dir)?.below(&path)?;
    if target.is_root {
        return Err(ApiError::http(StatusCode::METHOD_NOT_ALLOWED, "A folder cannot be written")
            .with_header(header::ALLOW, HeaderValue::from_static("GET,HEAD,DELETE")));
    }
    if headers.contains_key(header::CONTENT_RANGE) {
        // Taken for the whole, it would replace the file by a part of it (RFC 9110, section 14.5).
        return Err(ApiError::validation("A part of a file cannot be written: send the whole file"));
    }
    app.space.check()?;
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value: &HeaderValue| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > app.limits.bytes_per_user) {
        return Err(OverLimit::Bytes(app.limits.bytes_per_user).into());
    }
    let present = look(&app, &target.path).await?;
    if let Some(source) = Transfer::read(&headers, &user, &fid)? {
        let condition = condition(&headers, present.as_ref())?;
        return transfer(&app, source, &target, condition, present.is_some()).await;
    }
    if present.as_ref().is_some_and(Metadata::is_dir) {
        return Err(twinfs::Error::new(ErrorKind::IsADirectory).into());
    }
    let condition = condition(&headers, present.as_ref())?;
    let metadata = match length {
        Some(length) if length <= STREAM_BLOCK as u64 => {
            let _memory = app.memory_for(&user, length as usize).await?; // at most STREAM_BLOCK
            let data = body::collect(body, STREAM_BLOCK).await?;
            app.uploads.write_whole(target.path, data, condition).await?
        }
        _ => stream(&app, &user, target.path, body, condition).await?,
    };
    let status = if present.is_some() { StatusCode::NO_CONTENT } else { StatusCode::CREATED };
    let mut response = status.into_response();
    Validators::of(&metadata).write(response.headers_mut());
    Ok(response)
}

/// What stands at the target now, with its version where the store keeps versions.
async fn look(app: &App, path: &FsPath) -> ApiResult<Option<Metadata>> {
    let options = StatOptions { version: app.keeps_versions() };
    match app.fs.stat_with(path, &options).await {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The condition under which the file may be published, from the request's and what stands there now: it
/// holds to the end, however long the body takes.
fn condition(headers: &HeaderMap, present: Option<&Metadata>) -> ApiResult<Condition> {
    let version = present.and_then(|metadata| metadata.version.clone());
    let still_this = || match (present, &version) {
        (None, _) => Ok(Condition::IfAbsent),
        (Some(_), Some(version)) => Ok(Condition::IfVersion(version.clone())),
        (Some(_), None) => Err(ApiError::from(twinfs::Error::new(ErrorKind::Unsupported))),
    };
    if let Some(wanted) = tags(headers, &header::IF_MATCH) {
        let holds = match &wanted {
            Tags::Any => present.is_some(),
            Tags::Named(_) => version.as_ref().is_some_and(|version| wanted.versions().contains(version)),
        };
        return if holds { still_this() } else { Err(condition_failed()) };
    }
    let validators = present.map(Validators::of).unwrap_or_default();
    let unchanged = match changed_since(headers, &header::IF_UNMODIFIED_SINCE, &validators) {
        Some(true) => return Err(condition_failed()),
        Some(false) => still_this(),
        None => Ok(Condition::None),
    };
    match tags(headers, &header::IF_NONE_MATCH) {
        None => unchanged,
        Some(Tags::Any) if present.is_some() => Err(condition_failed()),
        Some(Tags::Any) => Ok(Condition::IfAbsent),
        Some(unwanted) => {
            let is_there = version.as_ref().is_some_and(|version| unwanted.versions().contains(version));
            if is_there { Err(condition_failed()) } else { still_this() }
        }
    }
}

/// Writes a body of any length: one block is written while the next one arrives.
async fn stream(
    app: &App,
    user: &User,
    target: FsPath,
    body: Body,
    condition: Condition,
) -> ApiResult<Metadata> {
    let mut body = body.into_data_stream();
    let mut file = app.uploads.start_whole(&user.0).await?;
    let mut block = next_block(app, user, &mut body).await?;
    while let Some(Block { data, memory }) = block {
        app.space.check()?;
        let written = async {
            file.append(data).await?;
            // Given back as soon as it is written: the next block may be waiting for it.
            drop(memory);
            Ok(())
        };
        block = try_join(written, next_block(app, user, &mut body)).await?.1;
    }
    Ok(file.publish(target, condition).await?)
}

/// Bytes of a body, and the memory they count for.
struct Block {
    data: Bytes,
    memory: Held,
}

/// The next bytes of a body, a block's worth of them; `None` at the end.
async fn next_block(app: &App, user: &User, body: &mut BodyDataStream) -> ApiResult<Option<Block>> {
    // Memory is waited for once something has come: a body that has not begun holds none.
    let Some(first) = next_bytes(body).await? else { return Ok(None) };
    let memory = app.memory_for(user, first.len().max(STREAM_BLOCK)).await?;
    if first.len() >= STREAM_BLOCK {
        return Ok(Some(Block { data: first, memory }));
    }
    let mut block = BytesMut::with_capacity(STREAM_BLOCK + first.len());
    block.extend_from_slice(&first);
    while block.len() < STREAM_BLOCK {
        let Some(data) = next_bytes(body).await? else { break };
        block.extend_from_slice(&data);
    }
    Ok(Some(Block { data: block.freeze(), memory }))
}

/// The next bytes of a body as they come, some at least; `None` at the end.
async fn next_bytes(body: &mut BodyDataStream) -> ApiResult<Option<Bytes>> {
    while let Some(data) = body.next().await {
        let data = data.map_err(|error| body::broken(error.into_inner()))?;
        if !data.is_empty() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
