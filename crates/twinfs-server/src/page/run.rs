//! A run: the files of its two folders.

use std::sync::Arc;

use ::http::{StatusCode, Uri};
use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use serde::Deserialize;
use twinfs::{Depth, ErrorKind, Fs, ListOptions};
use uuid::Uuid;

use super::assets::{self, Links};
use super::figures::{self, Date};
use super::{answer, position, see_other};
use crate::app::App;
use crate::auth::User;
use crate::http::error::ApiResult;
use crate::http::target::{Dir, RunPath, quote};
use crate::routes::file_metadata;

/// Files of one folder on a page.
const PAGE: usize = 500;

/// After which file the page of a folder begins: a path below the folder.
#[derive(Deserialize)]
pub(super) struct Position {
    #[serde(default, rename = "in")]
    input: Option<String>,
    #[serde(default, rename = "out")]
    output: Option<String>,
}

#[derive(Template)]
#[template(path = "page/run.html")]
struct Page<'a> {
    assets: &'static Links,
    fid: &'a str,
    folders: [Folder; 2],
}

struct Folder {
    dir: &'static str,
    heading: &'static str,
    note: &'static str,
    /// What an empty one says.
    nothing: &'static str,
    files: Vec<Row>,
    /// Whether the page begins after some file.
    is_continued: bool,
    first: String,
    /// The address of the next page, if there is one.
    next: Option<String>,
}

struct Row {
    name: String,
    href: String,
    bytes: u64,
    size: String,
    changed: Option<Date>,
}

/// A new run is an id that nothing has been put under: it comes into being with its first file.
pub(super) async fn start(_user: User) -> ApiResult<Response> {
    see_other(&format!("/runs/{}", Uuid::new_v4()))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    user: User,
    Path(fid): Path<String>,
    uri: Uri,
) -> ApiResult<Response> {
    let Position { input, output } = position(&uri)?;
    let folders = [
        folder(&app.fs, &RunPath::folder(&user.0, &fid, "in")?, Dir::In, input).await?,
        folder(&app.fs, &RunPath::folder(&user.0, &fid, "out")?, Dir::Out, output).await?,
    ];
    answer(StatusCode::OK, &Page { assets: assets::links(), fid: &fid, folders })
}

async fn folder(fs: &Fs, target: &RunPath, which: Dir, after: Option<String>) -> ApiResult<Folder> {
    let after = after.filter(|after| !after.is_empty());
    let start_after = match &after {
        Some(after) => Some(target.below(after)?.path.as_str().to_owned()),
        None => None,
    };
    let mut files = files_after(fs, target, start_after).await?;
    let has_more = files.len() > PAGE;
    files.truncate(PAGE);
    let dir = which.name();
    let first = format!("/runs/{}#{dir}", quote(&target.fid));
    let last = files.last().filter(|_| has_more);
    let next = last.map(|file| format!("/runs/{}?{dir}={}#{dir}", quote(&target.fid), quote(&file.name)));
    let (heading, note, nothing) = match which {
        Dir::In => ("Input files", "What the run is given: in/", "No input files yet."),
        Dir::Out => ("Results", "What the run gives back: out/", "No results yet."),
    };
    Ok(Folder { dir, heading, note, nothing, files, is_continued: after.is_some(), first, next })
}

/// At most one file more than a page holds.
async fn files_after(fs: &Fs, target: &RunPath, start_after: Option<String>) -> twinfs::Result<Vec<Row>> {
    let options =
        ListOptions { depth: Depth::Recursive, metadata: true, start_after, ..ListOptions::default() };
    let mut entries = match fs.entries(&target.path, &options).await {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    loop {
        let page = entries.next_page(PAGE + 1).await?;
        if page.is_empty() {
            return Ok(files);
        }
        for entry in page {
            let Some(metadata) = file_metadata(fs, &entry).await? else { continue };
            let name = entry.path.strip_prefix(&target.path).unwrap_or_default();
            files.push(Row {
                href: address(target, name),
                name: name.to_owned(),
                bytes: metadata.len,
                size: figures::size(metadata.len),
                changed: metadata.modified.and_then(Date::of),
            });
            if files.len() > PAGE {
                return Ok(files);
            }
        }
    }
}

/// Where a file is downloaded from.
fn address(target: &RunPath, name: &str) -> String {
    let segments: Vec<String> = name.split('/').map(quote).collect();
    format!("/files/{}/{}/{}", quote(&target.fid), target.shown(), segments.join("/"))
}
