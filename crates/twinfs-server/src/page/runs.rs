//! The list of a user's runs.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::SystemTime;

use ::http::{StatusCode, Uri};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;
use twinfs::{Depth, EntryKind, ErrorKind, Fs, FsPath, ListOptions, Order};

use super::assets::{self, Links};
use super::figures::{self, Date};
use super::{answer, position};
use crate::app::App;
use crate::auth::User;
use crate::http::error::ApiResult;
use crate::http::target::quote;

/// Runs on a page.
const PAGE: usize = 50;
/// Runs looked at at a time.
const AT_ONCE: usize = 16;
/// Of a run with more entries no totals are given: a page must not take longer the more there is.
const COUNTED: usize = 10_000;

#[derive(Deserialize)]
pub(super) struct Position {
    #[serde(default)]
    page: Option<usize>,
}

#[derive(Template)]
#[template(path = "page/runs.html")]
struct Page {
    assets: &'static Links,
    runs: Vec<Row>,
    page: usize,
    has_more: bool,
}

struct Row {
    id: String,
    href: String,
    files: String,
    /// What is counted, shown where the columns have no headings.
    unit: &'static str,
    size: String,
    changed: Option<Date>,
}

/// A run, and when something was last put into or removed from one of its folders.
struct Run {
    path: FsPath,
    changed: Option<SystemTime>,
}

pub(super) async fn show(State(app): State<Arc<App>>, user: User, uri: Uri) -> ApiResult<Response> {
    let page = position::<Position>(&uri)?.page.unwrap_or(1).max(1);
    let mut runs = newest_first(&app.fs, &FsPath::new(&user.0)?).await?;
    let mut rest = runs.split_off(runs.len().min((page - 1).saturating_mul(PAGE)));
    let has_more = rest.len() > PAGE;
    rest.truncate(PAGE);
    let rows = rest.into_iter().map(|run| row(&app.fs, run));
    let runs = stream::iter(rows).buffered(AT_ONCE).try_collect().await?;
    answer(StatusCode::OK, &Page { assets: assets::links(), runs, page, has_more })
}

async fn newest_first(fs: &Fs, user: &FsPath) -> twinfs::Result<Vec<Run>> {
    let entries = match fs.entries(user, &ListOptions { metadata: true, ..ListOptions::default() }).await {
        Ok(entries) => entries.collect_all().await?,
        // A user's folder comes with the first file.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let runs = entries.into_iter().filter(twinfs::Entry::is_dir).map(|entry| async move {
        let folders = last_change_of_folders(fs, &entry.path).await?;
        let own = entry.metadata.and_then(|metadata| metadata.modified);
        Ok::<_, twinfs::Error>(Run { path: entry.path, changed: own.max(folders) })
    });
    let mut runs: Vec<Run> = stream::iter(runs).buffer_unordered(AT_ONCE).try_collect().await?;
    runs.sort_unstable_by(|a, b| (Reverse(a.changed), &a.path).cmp(&(Reverse(b.changed), &b.path)));
    Ok(runs)
}

/// When `in` or `out` last changed; `None` where the store does not know, or the run has just gone.
async fn last_change_of_folders(fs: &Fs, run: &FsPath) -> twinfs::Result<Option<SystemTime>> {
    let options = ListOptions { metadata: true, order: Order::Unordered, ..ListOptions::default() };
    let entries = match fs.entries(run, &options).await {
        Ok(entries) => entries.collect_all().await?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(entries.into_iter().filter_map(|entry| entry.metadata?.modified).max())
}

async fn row(fs: &Fs, run: Run) -> twinfs::Result<Row> {
    let id = run.path.name().to_owned();
    let totals = totals(fs, &run.path).await?;
    let (files, size) = match totals {
        Some((files, bytes)) => (figures::count(files), figures::size(bytes)),
        None => (format!("over {}", figures::count(COUNTED as u64)), "not counted".to_owned()),
    };
    let unit = if totals.is_some_and(|(files, _)| files == 1) { "file" } else { "files" };
    let changed = run.changed.and_then(Date::of);
    Ok(Row { href: format!("/runs/{}", quote(&id)), id, files, unit, size, changed })
}

/// Number and bytes of a run's files; `None` if there are too many to count for a page.
async fn totals(fs: &Fs, run: &FsPath) -> twinfs::Result<Option<(u64, u64)>> {
    let options =
        ListOptions { depth: Depth::Recursive, order: Order::Unordered, metadata: true, start_after: None };
    let mut entries = match fs.entries(run, &options).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some((0, 0))),
        Err(error) => return Err(error),
    };
    let (mut seen, mut files, mut bytes) = (0, 0, 0);
    loop {
        let page = entries.next_page(1000).await?;
        if page.is_empty() {
            return Ok(Some((files, bytes)));
        }
        seen += page.len();
        if seen > COUNTED {
            return Ok(None);
        }
        for entry in page.iter().filter(|entry| entry.kind == EntryKind::File) {
            files += 1;
            bytes += entry.len().unwrap_or(0);
        }
    }
}
