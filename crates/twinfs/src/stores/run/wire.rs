//! The requests of the run-files API: what stands on the wire, and nothing else.
//!
//! Everything here runs on the network runtime. [`RunStore`](super::RunStore) and
//! [`runfiles`](crate::runfiles) share it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Body, Method, RequestBuilder, Response};
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::net::http::{self, Connections, Retry};
use crate::path::FsPath;
use crate::store::{ByteRange, Condition, Version, random_hex};

/// RFC 3986: everything but unreserved characters is encoded, whatever a server does with the rest.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The longest listing taken in, in bytes.
const MAX_LISTING_BYTES: usize = 1 << 30;
/// The longest other answer, in bytes.
const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Names the largest chunk a server takes, in bytes.
const MAX_CHUNK_HEADER: &str = "twinfs-max-chunk";
/// The time of the last change as in a listing: `Last-Modified` has no fractions of a second.
const MODIFIED_HEADER: &str = "twinfs-modified";
/// What a removal is to be of.
const ONLY_HEADER: &str = "twinfs-only";

/// One file of a run, as its listing says it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileInfo {
    /// The path from the root of the run: `in/a.txt`.
    pub path: String,
    /// Length in bytes.
    pub size: u64,
    /// When the content last changed, in seconds since 1970, with their fraction.
    pub last_modified: f64,
}

impl FileInfo {
    /// When the content last changed.
    #[must_use]
    pub fn modified(&self) -> Option<SystemTime> {
        since_epoch(self.last_modified)
    }
}

/// What the headers say of a path.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) is_dir: bool,
    pub(crate) len: u64,
    pub(crate) modified: Option<SystemTime>,
    pub(crate) version: Option<Version>,
}

/// What a `GET` of a path can be.
pub(crate) enum Listing {
    Directory(Vec<FileInfo>),
    File(Head),
}

/// What the server says of one upload session.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Received {
    #[serde(default)]
    pub(crate) exists: bool,
    #[serde(default)]
    pub(crate) received_chunks: Vec<u64>,
}

/// One file of a completion, as it is sent.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CompleteItem {
    pub(crate) filename: String,
    #[serde(rename = "totalChunks")]
    pub(crate) total_chunks: u64,
}

/// Uploads and what they become, as the object the server expects, in this order.
struct CompleteItems<'a>(&'a [(Arc<str>, CompleteItem)]);

impl Serialize for CompleteItems<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(id, item)| (id, item)))
    }
}

/// The multipart form of a chunk as it is sent, in one piece: its bytes are read into their place there.
pub(crate) struct ChunkForm {
    number: u64,
    boundary: String,
    body: Vec<u8>,
    data: Range<usize>,
}

impl ChunkForm {
    /// The form of a chunk of `len` bytes, zeros for now.
    pub(crate) fn new(upload_id: &str, number: u64, len: usize) -> Result<Self> {
        // So many random bits are in no file.
        let boundary = random_hex()?;
        let field = |name: &str, value: &str| {
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let head = format!(
            "{}{}--{boundary}\r\nContent-Disposition: form-data; name=\"chunk\"; filename=\"chunk_{number}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n",
            field("upload_id", upload_id),
            field("chunk_number", &number.to_string()),
        );
        let end = format!("\r\n--{boundary}--\r\n");
        let data = head.len()..head.len() + len;
        // Zeros from the system cost nothing, and zeros in memory little beside the bytes that follow them.
        let mut body = vec![0; data.end + end.len()];
        body[..data.start].copy_from_slice(head.as_bytes());
        body[data.end..].copy_from_slice(end.as_bytes());
        Ok(Self { number, boundary, body, data })
    }

    /// Where the chunk's bytes go.
    pub(crate) fn data(&mut self) -> &mut [u8] {
        &mut self.body[self.data.clone()]
    }

    fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }
}

/// What became of one file of a completion.
#[derive(Debug, Deserialize)]
pub(crate) struct Completed {
    /// Why it failed, if it did.
    #[serde(default)]
    pub(crate) error: Option<String>,
}

/// How a file or folder gets to another path of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transfer {
    Move,
    Copy,
}

impl Transfer {
    /// The header of a `PUT` without a body that names the source, percent-encoded, from the run on.
    fn header(self) -> &'static str {
        match self {
            Self::Move => "twinfs-move-from",
            Self::Copy => "twinfs-copy-from",
        }
    }
}

/// A run on a server: where it is, who asks, and the connections.
pub(crate) struct Wire {
    base: String,
    run: String,
    cookie: Option<HeaderValue>,
    /// The server has shown that it is one of ours, by a header of ours.
    is_ours: AtomicBool,
    pub(crate) connections: Connections,
}

impl Wire {
    /// The run `fid` below the server's URL. Nothing is sent yet.
    ///
    /// # Errors
    /// `InvalidInput`, without the token in its words.
    pub(crate) fn new(fid: &str, url: &str, token: &str) -> Result<Self> {
        let invalid = |words: &'static str| {
            Error::new(ErrorKind::InvalidInput).with_operation(Operation::Connect).with_message(words)
        };
        let parsed =
            Url::parse(url).map_err(|_| invalid("the server's URL must be like http://host:port"))?;
        if !matches!(parsed.scheme(), "http" | "https") || !parsed.has_host() {
            return Err(invalid("the server's URL must start with http:// or https://"));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(invalid("the server's URL must have no query and no fragment"));
        }
        match FsPath::new(fid) {
            Ok(id) if !fid.is_empty() && id.as_str() == fid && !fid.contains('/') => {}
            _ => return Err(invalid("the id of a run must be one name, without '/'")),
        }
        Ok(Self {
            connections: Connections::to(&parsed),
            base: format!("{}/files", parsed.as_str().trim_end_matches('/')),
            run: utf8_percent_encode(fid, SEGMENT).to_string(),
            is_ours: AtomicBool::new(false),
            cookie: credential(token).ok_or_else(|| invalid("the token has characters that no token has"))?,
        })
    }

    /// The same run at the same server, for cleaning up after a client that is closed.
    pub(crate) fn again(&self) -> Self {
        Self {
            base: self.base.clone(),
            run: self.run.clone(),
            cookie: self.cookie.clone(),
            is_ours: AtomicBool::new(self.is_ours.load(Ordering::Relaxed)),
            connections: self.connections.again(),
        }
    }

    fn request(&self, method: Method, url: &str) -> Result<RequestBuilder> {
        let request = self.connections.client()?.request(method, url);
        Ok(match &self.cookie {
            Some(cookie) => request.header(header::COOKIE, cookie.clone()),
            None => request,
        })
    }

    fn url_of(&self, path: &FsPath) -> String {
        let mut url = format!("{}/{}", self.base, self.run);
        for part in path.components() {
            url.push('/');
            url.extend(utf8_percent_encode(part, SEGMENT));
        }
        url
    }

    /// What the headers say of a path, and of the server.
    fn learn(&self, response: &Response) -> Head {
        if response.headers().contains_key(MODIFIED_HEADER) {
            self.is_ours.store(true, Ordering::Relaxed);
        }
        head_of(response)
    }

    /// What `path`, a directory or a file, holds; of a file, its headers.
    pub(crate) async fn list(&self, path: &FsPath) -> Result<Listing> {
        let url = self.url_of(path);
        let top = path.parent_str().is_empty();
        let request = || {
            let request = self.request(Method::GET, &url)?;
            // A file there would come with all its bytes; the first tells that it is one.
            Ok(if top { request } else { request.header(header::RANGE, "bytes=0-0") })
        };
        http::exchange(Retry::Idempotent, request, |response| async move {
            if is_listing(&response) {
                let response = http::expect(response, &[200]).await?;
                let body = http::body(response, MAX_LISTING_BYTES).await?;
                return parse(&body).map(Listing::Directory);
            }
            let response = http::expect(response, &[200, 206, 416]).await?;
            Ok(Listing::File(head_of(&response)))
        })
        .await
    }

    /// What the headers say of a path.
    pub(crate) async fn head(&self, path: &FsPath) -> Result<Head> {
        let url = self.url_of(path);
        let response = http::send(Retry::Idempotent, || self.request(Method::HEAD, &url)).await?;
        Ok(self.learn(&http::expect(response, &[200]).await?))
    }

    /// Asks for a file, or a range of it: 200, 206, or 416 where the range is past the end.
    pub(crate) async fn get(
        &self,
        path: &FsPath,
        range: ByteRange,
        version: Option<&Version>,
    ) -> Result<Response> {
        self.take(path, range, version, |response| async { Ok(response) }).await
    }

    /// As [`get`](Self::get), and takes in what is wanted of the answer; where the connection breaks
    /// meanwhile, it asks anew.
    pub(crate) async fn take<T, F: Future<Output = Result<T>>>(
        &self,
        path: &FsPath,
        range: ByteRange,
        version: Option<&Version>,
        take: impl Fn(Response) -> F,
    ) -> Result<T> {
        let url = self.url_of(path);
        let request = || {
            let mut request = self.request(Method::GET, &url)?;
            if let Some(range) = range_header(range) {
                request = request.header(header::RANGE, range);
            }
            Ok(match version {
                Some(version) => request.header(header::IF_MATCH, format!("\"{}\"", version.as_str())),
                None => request,
            })
        };
        let take = &take;
        http::exchange(Retry::Idempotent, request, |response| async move {
            take(http::expect(response, &[200, 206, 416]).await?).await
        })
        .await
    }

    /// Writes a whole file. `body` gives the bytes and their number, and is called for every try.
    pub(crate) async fn put(
        &self,
        path: &FsPath,
        condition: &Condition,
        body: impl Fn() -> (Body, u64),
    ) -> Result<Head> {
        let url = self.url_of(path);
        let request = || {
            let (body, len) = body();
            let request = self.request(Method::PUT, &url)?.header(header::CONTENT_LENGTH, len).body(body);
            Ok(on_condition(request.header(header::CONTENT_TYPE, "application/octet-stream"), condition))
        };
        // With a condition, the second try could find what the first one wrote, and lose to itself.
        let retry = if *condition == Condition::None { Retry::Idempotent } else { Retry::Unsent };
        let response = http::expect(http::send(retry, request).await?, &[200, 201, 204]).await?;
        Ok(self.learn(&response))
    }

    /// Moves or copies inside the run, on the server.
    pub(crate) async fn transfer(
        &self,
        how: Transfer,
        from: &FsPath,
        to: &FsPath,
        condition: &Condition,
    ) -> Result<()> {
        let url = self.url_of(to);
        let parts: Vec<String> =
            from.components().map(|part| utf8_percent_encode(part, SEGMENT).to_string()).collect();
        let request = || {
            let request = self.request(Method::PUT, &url)?.header(how.header(), parts.join("/"));
            Ok(on_condition(request.header(header::CONTENT_LENGTH, 0), condition))
        };
        http::expect(http::send(Retry::Unsent, request).await?, &[201, 204]).await.map(drop)
    }

    /// Removes a file; a directory stays, with the error `IsADirectory`.
    pub(crate) async fn delete_file(&self, path: &FsPath) -> Result<()> {
        // A server that does not know the header would remove the directory: it is asked first, until it
        // has shown that it is one of ours.
        if !self.is_ours.load(Ordering::Relaxed) && self.head(path).await?.is_dir {
            return Err(ErrorKind::IsADirectory.into());
        }
        let url = self.url_of(path);
        let request = || Ok(self.request(Method::DELETE, &url)?.header(ONLY_HEADER, "file"));
        http::expect(http::send(Retry::Unsent, request).await?, &[204]).await.map(drop)
    }

    /// Removes a file, or a directory with everything in it.
    pub(crate) async fn delete(&self, path: &FsPath) -> Result<()> {
        let url = self.url_of(path);
        let response = http::send(Retry::Unsent, || self.request(Method::DELETE, &url)).await?;
        http::expect(response, &[204]).await.map(drop)
    }

    /// Begins a batch of uploads; gives its id and the largest chunk, where the server says it.
    pub(crate) async fn init_batch(&self) -> Result<(String, Option<u64>)> {
        #[derive(Deserialize)]
        struct Answer {
            batch_id: String,
        }
        let url = format!("{}/init_batch", self.base);
        let request = || Ok(self.request(Method::POST, &url)?.header(header::CONTENT_LENGTH, 0));
        http::exchange(Retry::Idempotent, request, |response| async move {
            let response = http::expect(response, &[201]).await?;
            let limit = http::header(response.headers(), MAX_CHUNK_HEADER).and_then(|text| text.parse().ok());
            Ok((answer::<Answer>(response).await?.batch_id, limit.filter(|limit| *limit > 0)))
        })
        .await
    }

    /// Begins the upload of one file; gives its id.
    pub(crate) async fn init(&self, filename: &str, total_chunks: u64, batch_id: &str) -> Result<Arc<str>> {
        #[derive(Serialize)]
        struct Question<'a> {
            filename: &'a str,
            total_chunks: u64,
            batch_id: &'a str,
        }
        #[derive(Deserialize)]
        struct Answer {
            upload_id: Arc<str>,
        }
        let url = format!("{}/init", self.base);
        let question = Question { filename, total_chunks, batch_id };
        // Sent twice it begins a second session, which nobody completes and the server drops in time.
        let request = || Ok(self.request(Method::POST, &url)?.json(&question));
        http::exchange(Retry::Idempotent, request, |response| async move {
            let answer: Answer = answer(http::expect(response, &[201]).await?).await?;
            Ok(answer.upload_id)
        })
        .await
    }

    /// Sends one chunk, once: the upload decides what to send after a failure.
    ///
    /// # Errors
    /// `TooLarge`: over the server's limit. `NotFound`: the server does not know this upload.
    pub(crate) async fn chunk(&self, form: ChunkForm) -> Result<()> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            status: String,
            #[serde(default)]
            chunk_number: Option<u64>,
            #[serde(default)]
            error: Option<String>,
        }
        let number = form.number;
        let request = self.request(Method::POST, &format!("{}/chunk", self.base))?;
        let request = request.header(header::CONTENT_TYPE, form.content_type()).body(form.body);
        let response = request.send().await.map_err(http::failure)?;
        let response = http::expect(response, &[201]).await?;
        let answer: Answer = answer(response).await?;
        if answer.status == "chunk received" && answer.chunk_number == Some(number) {
            return Ok(());
        }
        let words = answer.error.unwrap_or(answer.status);
        let kind = if words.starts_with("Invalid upload ID") { ErrorKind::NotFound } else { ErrorKind::Io };
        Err(refused(kind, &format!("chunk {number}"), &words))
    }

    /// Which chunks the server has; `None` where it cannot say.
    pub(crate) async fn received(&self, upload_id: &str) -> Result<Option<Received>> {
        let url = format!("{}/status/{}", self.base, utf8_percent_encode(upload_id, SEGMENT));
        let request = || self.request(Method::GET, &url);
        http::exchange(Retry::Idempotent, request, |response| async move {
            match response.status().as_u16() {
                200 => answer(response).await.map(Some),
                // A server without this route takes it for the directory of a run: 400 or 404.
                400 | 404 | 405 => Ok(None),
                _ => Err(http::HttpStatus::read(response).await.into_error()),
            }
        })
        .await
    }

    /// Makes files of these uploads in the run's `out`; one answer an upload, in their order.
    pub(crate) async fn complete(
        &self,
        batch_id: &str,
        items: &[(Arc<str>, CompleteItem)],
    ) -> Result<Vec<Completed>> {
        let batch = utf8_percent_encode(batch_id, SEGMENT);
        let url = format!("{}/complete/{}/{batch}/out", self.base, self.run);
        let response =
            http::send(Retry::Unsent, || Ok(self.request(Method::POST, &url)?.json(&CompleteItems(items))))
                .await?;
        answer(http::expect(response, &[201]).await?).await
    }

    /// Drops an upload that is not to be completed; an unknown one is none.
    pub(crate) async fn cancel(&self, upload_id: &str) -> Result<()> {
        let url = format!("{}/cancel/{}", self.base, utf8_percent_encode(upload_id, SEGMENT));
        let response = http::send(Retry::Idempotent, || self.request(Method::DELETE, &url)).await?;
        http::expect(response, &[204, 404]).await.map(drop)
    }
}

fn on_condition(request: RequestBuilder, condition: &Condition) -> RequestBuilder {
    match condition {
        Condition::None => request,
        Condition::IfAbsent => request.header(header::IF_NONE_MATCH, "*"),
        Condition::IfVersion(version) => {
            request.header(header::IF_MATCH, format!("\"{}\"", version.as_str()))
        }
    }
}

/// The token as the cookie that every server of this API, and every proxy before it, lets through; a
/// header with an underscore in its name is dropped by some.
fn credential(token: &str) -> Option<Option<HeaderValue>> {
    if token.is_empty() {
        return Some(None);
    }
    // RFC 6265, section 4.1.1: what a cookie's value may hold.
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\');
    if !token.bytes().all(fits) {
        return None;
    }
    let mut cookie = HeaderValue::from_str(&format!("kodosumi_jwt={token}")).ok()?;
    cookie.set_sensitive(true);
    Some(Some(cookie))
}

fn is_json(response: &Response) -> bool {
    http::header(response.headers(), "content-type").is_some_and(|kind| kind.starts_with("application/json"))
}

/// Whether an answer is a listing: a file, whatever its name, is `application/octet-stream`.
fn is_listing(response: &Response) -> bool {
    response.status().is_success() && is_json(response)
}

pub(crate) fn head_of(response: &Response) -> Head {
    let headers = response.headers();
    // `bytes 0-0/LEN` and `bytes */LEN`: RFC 9110, section 14.4.
    let whole =
        http::header(headers, "content-range").and_then(|range| range.rsplit_once('/')?.1.parse().ok());
    let etag = http::header(headers, "etag");
    Head {
        is_dir: is_listing(response),
        len: whole.or_else(|| http::announced(headers)).unwrap_or(0),
        modified: modified(headers),
        // A weak tag (`W/"..."`) is no version: it cannot stand in If-Match.
        version: etag.and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"')).map(Version::new),
    }
}

/// When the content last changed: to the fraction of a second where the server says it, so that it is the
/// same as in a listing.
fn modified(headers: &HeaderMap) -> Option<SystemTime> {
    match http::header(headers, MODIFIED_HEADER).and_then(|seconds| seconds.parse().ok()) {
        Some(seconds) => since_epoch(seconds),
        None => http::last_modified(headers),
    }
}

fn since_epoch(seconds: f64) -> Option<SystemTime> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
}

/// The version a response was read from.
pub(crate) fn version_of(response: &Response) -> Option<Version> {
    head_of(response).version
}

/// Whether a response has the bytes of a file.
pub(crate) fn is_file(response: &Response) -> bool {
    !is_listing(response)
}

fn range_header(range: ByteRange) -> Option<String> {
    match range {
        ByteRange::Full | ByteRange::From(0) => None,
        ByteRange::From(start) => Some(format!("bytes={start}-")),
        ByteRange::Bounded(start, end) => Some(format!("bytes={start}-{}", end.saturating_sub(1))),
        ByteRange::Suffix(count) => Some(format!("bytes=-{count}")),
    }
}

async fn answer<T: serde::de::DeserializeOwned>(response: Response) -> Result<T> {
    parse(&http::body(response, MAX_ANSWER_BYTES).await?)
}

fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| {
        Error::new(ErrorKind::Io)
            .with_message("the server's answer is not what this API says")
            .with_source(error)
    })
}

/// A refusal inside an answer whose status says success.
pub(crate) fn refused(kind: ErrorKind, what: &str, words: &str) -> Error {
    let words: String = words.chars().filter(|character| !character.is_control()).take(300).collect();
    Error::new(kind).with_message(format!("the server refused {what}: {words}"))
}
