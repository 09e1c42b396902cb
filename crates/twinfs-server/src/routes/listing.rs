//! Listing a folder: every file below it, in the order of the paths, streamed page by page.

use std::convert::Infallible;
use std::time::UNIX_EPOCH;

use ::http::header::{CONTENT_TYPE, HeaderValue};
use ::http::{Method, StatusCode};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use twinfs::{Depth, Entries, Entry, EntryKind, ErrorKind, Fs, FsPath, ListOptions, Metadata};

use super::files::missing;
use crate::app::App;
use crate::http::error::{ApiResult, is_link_circle};
use crate::http::target::RunPath;

/// Entries asked of the store at a time.
const PAGE: usize = 1024;
/// A shorter listing is sent in one piece, with its length.
const IN_ONE_PIECE: usize = 256 * 1024;

#[derive(Serialize)]
struct Item<'a> {
    path: &'a str,
    size: u64,
    last_modified: f64,
}

/// A listing on its way out.
struct Listing {
    fs: Fs,
    entries: Entries,
    run: FsPath,
    /// Nothing was written yet, not even the opening bracket.
    is_new: bool,
    /// No item was written yet.
    is_empty: bool,
    is_done: bool,
}

/// Answers with the listing of a folder. The folder of a run that has none yet is empty.
pub(super) async fn folder(app: &App, method: &Method, target: &RunPath) -> ApiResult<Response> {
    let body = if *method == Method::HEAD {
        // Of no known length, as nobody has looked what is there.
        let unknown = || Body::from_stream(stream::empty::<Result<Bytes, Infallible>>());
        app.fs.stat(&target.path).await.map(|_| unknown())
    } else {
        begin(app, target).await
    };
    match body {
        Ok(body) => Ok(answer(body)),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory if target.is_root => Ok(answer(Body::from("[]"))),
            ErrorKind::NotFound | ErrorKind::NotADirectory => Err(missing(target)),
            _ => Err(error.into()),
        },
    }
}

/// Reads the first pages, which may fail; the rest is a stream.
async fn begin(app: &App, target: &RunPath) -> twinfs::Result<Body> {
    let options = ListOptions { depth: Depth::Recursive, metadata: true, ..ListOptions::default() };
    let entries = app.fs.entries(&target.path, &options).await?;
    let (fs, run) = (app.fs.clone(), target.run.clone());
    let mut listing = Listing { fs, entries, run, is_new: true, is_empty: true, is_done: false };
    let mut body = Vec::new();
    while !listing.is_done && body.len() < IN_ONE_PIECE {
        listing.page(&mut body).await?;
    }
    Ok(if listing.is_done { Body::from(body) } else { listing.stream(body) })
}

fn answer(body: Body) -> Response {
    let mut response = (StatusCode::OK, body).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl Listing {
    /// Appends a page of items.
    async fn page(&mut self, body: &mut Vec<u8>) -> twinfs::Result<()> {
        let page = self.entries.next_page(PAGE).await?;
        if std::mem::take(&mut self.is_new) {
            body.push(b'[');
        }
        if page.is_empty() {
            body.push(b']');
            self.is_done = true;
        }
        for entry in page {
            let Some(metadata) = file_metadata(&self.fs, &entry).await? else { continue };
            let since_epoch = metadata.modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            let item = Item {
                path: entry.path.strip_prefix(&self.run).unwrap_or_default(),
                size: metadata.len,
                last_modified: since_epoch.unwrap_or_default().as_secs_f64(),
            };
            if !std::mem::take(&mut self.is_empty) {
                body.push(b',');
            }
            serde_json::to_writer(&mut *body, &item)
                .map_err(|error| twinfs::Error::new(ErrorKind::Io).with_source(error))?;
        }
        Ok(())
    }

    /// The rest as a stream, after what is there already. A failure breaks the connection: the client
    /// must not take half a listing for a whole one.
    fn stream(self, begun: Vec<u8>) -> Body {
        let state = (self, Some(begun));
        Body::from_stream(stream::try_unfold(state, |(mut listing, begun)| async move {
            if let Some(begun) = begun {
                return Ok(Some((Bytes::from(begun), (listing, None))));
            }
            let mut body = Vec::new();
            while body.is_empty() && !listing.is_done {
                listing.page(&mut body).await.inspect_err(|error| {
                    tracing::error!(%error, "a listing broke off");
                })?;
            }
            let piece = (!body.is_empty()).then(|| (Bytes::from(body), (listing, None)));
            Ok::<_, twinfs::Error>(piece)
        }))
    }
}

/// The metadata of an entry that is a file, or a link to one inside the store.
pub(crate) async fn file_metadata(fs: &Fs, entry: &Entry) -> twinfs::Result<Option<Metadata>> {
    match (entry.kind, &entry.metadata) {
        (EntryKind::File, Some(metadata)) => Ok(Some(metadata.clone())),
        (EntryKind::File | EntryKind::Symlink, _) => match fs.stat(&entry.path).await {
            Ok(metadata) => Ok(Some(metadata).filter(Metadata::is_file)),
            Err(error) if error.kind() == ErrorKind::Io && !is_link_circle(&error) => Err(error),
            // It went away meanwhile, or leads outside or in a circle: it is not there.
            Err(_) => Ok(None),
        },
        _ => Ok(None),
    }
}
