//! Moving and copying inside a run: a `PUT` without a body that names its source in a header.

use ::http::StatusCode;
use ::http::header::{HeaderMap, HeaderName};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode;
use twinfs::{Condition, Metadata, MoveOptions, StatOptions};

use crate::app::App;
use crate::auth::User;
use crate::http::conditions::Validators;
use crate::http::error::{ApiError, ApiResult};
use crate::http::target::RunPath;

/// The source of a move, from the run on, percent-encoded: `in/a%20b`. Files and folders.
const TWINFS_MOVE_FROM: HeaderName = HeaderName::from_static("twinfs-move-from");
/// The source of a copy, likewise. Files only.
const TWINFS_COPY_FROM: HeaderName = HeaderName::from_static("twinfs-copy-from");

/// What a request says instead of a body.
#[derive(Clone, Debug)]
pub(super) enum Transfer {
    Move(RunPath),
    Copy(RunPath),
}

impl Transfer {
    /// Reads the headers; `None` if the request brings a body of its own.
    ///
    /// # Errors
    /// 400 for a source that is no path below a folder of the run.
    pub(super) fn read(headers: &HeaderMap, user: &User, fid: &str) -> ApiResult<Option<Self>> {
        let source = |name| headers.get(name).map(|value| source(value.as_bytes(), user, fid)).transpose();
        match (source(&TWINFS_MOVE_FROM)?, source(&TWINFS_COPY_FROM)?) {
            (None, None) => Ok(None),
            (Some(from), None) => Ok(Some(Self::Move(from))),
            (None, Some(from)) => Ok(Some(Self::Copy(from))),
            (Some(_), Some(_)) => Err(ApiError::validation("A request moves or copies, not both")),
        }
    }
}

fn source(encoded: &[u8], user: &User, fid: &str) -> ApiResult<RunPath> {
    let no_path = || ApiError::validation("The source is a percent-encoded path: in/name or out/name");
    let decoded = percent_decode(encoded).decode_utf8().map_err(|_| no_path())?;
    let (dir, path) = decoded.split_once('/').ok_or_else(no_path)?;
    let source = RunPath::folder(&user.0, fid, dir)?.below(path)?;
    if source.is_root { Err(no_path()) } else { Ok(source) }
}

/// Moves or copies to `target`, whole and durable: 201 where nothing was, 204 where a file was replaced.
pub(super) async fn transfer(
    app: &App,
    transfer: Transfer,
    target: &RunPath,
    condition: Condition,
    replaces: bool,
) -> ApiResult<Response> {
    let options = MoveOptions { condition, durability: app.uploads.durability(), ..MoveOptions::default() };
    let metadata: Metadata = match transfer {
        Transfer::Copy(from) => app.fs.copy_with(&from.path, &target.path, &options).await?,
        Transfer::Move(from) => {
            app.fs.rename_with(&from.path, &target.path, &options).await?;
            // Somebody may have been there since: what is answered is what is there now.
            app.fs.stat_with(&target.path, &StatOptions { version: app.keeps_versions() }).await?
        }
    };
    let status = if replaces { StatusCode::NO_CONTENT } else { StatusCode::CREATED };
    let mut response = status.into_response();
    if metadata.is_file() {
        Validators::of(&metadata).write(response.headers_mut());
    }
    Ok(response)
}
