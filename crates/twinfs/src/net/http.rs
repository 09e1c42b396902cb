//! HTTP for both faces: clients by origin, the one place that retries, and what a refusal becomes.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::HeaderMap;
use reqwest::redirect;
use reqwest::{Client, RequestBuilder, Response};
use url::Url;

use super::{OfProcess, net};
use crate::error::{Error, ErrorKind, Result};
use crate::fork;

/// How long a server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection is kept without a request: less than servers keep it (ours a minute), so that
/// none is sent on a connection that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);
/// How long a connection may be silent, in either direction.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(300);
/// Pauses before a request is sent again; one more try than there are pauses.
const BACK_OFF: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];
/// How much of the body of a refusal is kept, in bytes.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;
/// How much of a body is allocated before its first byte has come, in bytes.
const MAX_TRUSTED_BYTES: u64 = 64 * 1024 * 1024;
/// The header in which a twinfs server names the kind of an error.
pub(crate) const ERROR_HEADER: &str = "twinfs-error";

/// The clients of a process, one an origin, alive as long as somebody uses them. They are forgotten in a
/// forked child with all of [`Net`](super::Net), so no fork need wait for the lock.
#[derive(Default)]
pub(crate) struct Clients(Mutex<HashMap<String, Weak<Client>>>);

impl Clients {
    fn get(&self, origin: &str) -> Result<Arc<Client>> {
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(origin).and_then(Weak::upgrade) {
            return Ok(client);
        }
        clients.retain(|_, client| client.strong_count() > 0);
        let client = Arc::new(build(origin.starts_with("https"))?);
        clients.insert(origin.to_owned(), Arc::downgrade(&client));
        Ok(client)
    }
}

fn build(secure: bool) -> Result<Client> {
    // Another scheme is another origin: a token must not go there, and a POST would become a GET.
    let same_scheme = redirect::Policy::custom(|attempt| match attempt.previous() {
        [first, ..] if first.scheme() != attempt.url().scheme() => {
            attempt.error("the server redirects to another scheme; use that URL instead")
        }
        seen if seen.len() > 10 => attempt.error("too many redirects"),
        _ => attempt.follow(),
    });
    Client::builder()
        .tls_backend_preconfigured(tls(secure)?)
        .redirect(same_scheme)
        .http1_only()
        .tcp_nodelay(true)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT)
        .read_timeout(SILENCE_TIMEOUT)
        .user_agent(concat!("twinfs/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(failure)
}

/// TLS with the certificates the system trusts. Plain HTTP trusts none: reading them costs
/// milliseconds, and a small container may have none to read.
fn tls(secure: bool) -> Result<rustls::ClientConfig> {
    use rustls_platform_verifier::BuilderVerifierExt;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let invalid = |error: rustls::Error| {
        Error::new(ErrorKind::Connection).with_message("TLS could not be set up").with_source(error)
    };
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(invalid)?;
    if secure {
        return Ok(config.with_platform_verifier().map_err(invalid)?.with_no_client_auth());
    }
    Ok(config.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// The connections of one handle to its origin: opened at first use, shared with every other handle to
/// the same origin, and closed with the last of them. A forked child opens its own.
pub(crate) struct Connections {
    origin: Box<str>,
    held: Mutex<Held>,
}

enum Held {
    Fresh,
    Open(OfProcess<Arc<Client>>),
    Closed,
}

impl Connections {
    /// Those to the origin of this URL; nothing is opened yet.
    pub(crate) fn to(url: &Url) -> Self {
        Self { origin: url.origin().ascii_serialization().into(), held: Mutex::new(Held::Fresh) }
    }

    /// Connections to the same origin, for what has to be done though these are closed.
    pub(crate) fn again(&self) -> Self {
        Self { origin: self.origin.clone(), held: Mutex::new(Held::Fresh) }
    }

    fn held<T>(&self, body: impl FnOnce(&mut Held) -> T) -> T {
        let _section = fork::section();
        body(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The client.
    ///
    /// # Errors
    /// `Closed` after [`close`](Self::close).
    pub(crate) fn client(&self) -> Result<Arc<Client>> {
        let open = self.held(|held| match held {
            Held::Closed => Err(closed()),
            Held::Open(client) if client.is_here() => Ok(Some(Arc::clone(client))),
            Held::Open(_) | Held::Fresh => Ok(None),
        })?;
        if let Some(client) = open {
            return Ok(client);
        }
        // Outside the section: reading the system's certificates takes its time.
        let client = net()?.clients.get(&self.origin)?;
        self.held(|held| match held {
            Held::Closed => Err(closed()),
            Held::Open(_) | Held::Fresh => {
                *held = Held::Open(OfProcess::new(Arc::clone(&client)));
                Ok(client)
            }
        })
    }

    /// Whether [`close`](Self::close) was called.
    pub(crate) fn is_closed(&self) -> bool {
        self.held(|held| matches!(held, Held::Closed))
    }

    /// Lets go of the connections; every later request fails with `Closed`.
    pub(crate) fn close(&self) {
        // Dropped outside the section: closing sockets is no business of a fork.
        drop(self.held(|held| std::mem::replace(held, Held::Closed)));
    }
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed).with_message("this client has been closed")
}

/// Whether a request may be sent again when it is not known what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Sending it twice does the same as sending it once.
    Idempotent,
    /// Only where it cannot have reached the server.
    Unsent,
}

/// Sends a request, and again after a pause where the connection failed and `retry` allows it. An
/// answer, whatever its status, is an answer.
pub(crate) async fn send(retry: Retry, request: impl Fn() -> Result<RequestBuilder>) -> Result<Response> {
    exchange(retry, request, |response| async { Ok(response) }).await
}

/// As [`send`], and takes in what is wanted of the answer: a connection that breaks inside it has failed
/// like any other. What `take` finds wrong with an answer is no reason to ask for another.
pub(crate) async fn exchange<T, F: Future<Output = Result<T>>>(
    retry: Retry,
    request: impl Fn() -> Result<RequestBuilder>,
    take: impl Fn(Response) -> F,
) -> Result<T> {
    let mut pauses = BACK_OFF.into_iter();
    loop {
        let error = match request()?.send().await {
            Ok(response) => match take(response).await {
                Err(error) if retry == Retry::Idempotent && broke_inside(&error) => error,
                taken => return taken,
            },
            Err(error) => {
                let sent_again = error.is_connect() || retry == Retry::Idempotent && is_broken(&error);
                if error.is_timeout() || !sent_again {
                    return Err(failure(error));
                }
                failure(error)
            }
        };
        match pauses.next() {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(error),
        }
    }
}

/// Whether it was the connection that broke while an answer came.
fn broke_inside(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<reqwest::Error>());
    source.is_some_and(|error| !error.is_timeout() && is_broken(error))
}

/// Whether the connection broke, as opposed to a request that could not be built.
fn is_broken(error: &reqwest::Error) -> bool {
    (error.is_request() || error.is_body() || error.is_decode())
        && !error.is_redirect()
        && !error.is_builder()
}

/// A failure without an answer, as an error. The URL is left out: it may hold a password.
pub(crate) fn failure(error: reqwest::Error) -> Error {
    let error = error.without_url();
    let kind = if error.is_timeout() && !error.is_connect() {
        ErrorKind::Timeout
    } else if error.is_builder() {
        ErrorKind::InvalidInput
    } else if error.is_redirect() {
        ErrorKind::Io
    } else {
        ErrorKind::Connection
    };
    // The words of the innermost error say what happened: refused, reset, closed before the end.
    let mut innermost: &dyn StdError = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let words = innermost.to_string();
    Error::new(kind).with_message(words).with_source(error)
}

/// A refusal as it came: the source of errors for which a server answered with a status.
///
/// ```
/// use std::error::Error as _;
/// use twinfs::HttpStatus;
///
/// fn status(error: &twinfs::Error) -> Option<u16> {
///     Some(error.source()?.downcast_ref::<HttpStatus>()?.status)
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct HttpStatus {
    /// The status code.
    pub status: u16,
    /// Names, in lower case, and values, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body, at most its first 64 KiB.
    pub body: Bytes,
}

impl HttpStatus {
    /// The first header of this name, given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Takes a response in, with as much of its body as comes.
    pub(crate) async fn read(mut response: Response) -> Self {
        let headers = (response.headers().iter())
            .map(|(name, value)| {
                (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        let mut body = BytesMut::new();
        // A body that breaks off does not change what the status said.
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = MAX_REFUSAL_BYTES - body.len();
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if chunk.len() >= room {
                break;
            }
        }
        Self { status: response.status().as_u16(), headers, body: body.freeze() }
    }

    /// What the server said, in words: the field `detail` or `error` of a JSON body.
    fn detail(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        let words = body.get("detail").or_else(|| body.get("error"))?.as_str()?;
        Some(words.chars().filter(|character| !character.is_control()).take(300).collect())
    }

    /// The kind the server named, or else the one the status stands for.
    fn kind(&self) -> ErrorKind {
        let named = self.header(ERROR_HEADER);
        if let Some(row) = named.and_then(|name| crate::error::MAPPINGS.iter().find(|row| row.name == name)) {
            return row.kind;
        }
        match self.status {
            400 | 422 => ErrorKind::InvalidInput,
            401 | 403 => ErrorKind::PermissionDenied,
            404 | 410 => ErrorKind::NotFound,
            405 | 501 => ErrorKind::Unsupported,
            408 | 504 => ErrorKind::Timeout,
            409 => ErrorKind::AlreadyExists,
            412 => ErrorKind::ConditionFailed,
            413 => ErrorKind::TooLarge,
            423 => ErrorKind::WouldBlock,
            429 => ErrorKind::RateLimited,
            502 | 503 => ErrorKind::Connection,
            507 => ErrorKind::NoSpace,
            _ => ErrorKind::Io,
        }
    }

    /// The refusal as an error.
    pub(crate) fn into_error(self) -> Error {
        let words = match self.detail() {
            Some(detail) => format!("the server answered {}: {detail}", self.status),
            None => format!("the server answered {}", self.status),
        };
        Error::new(self.kind()).with_message(words).with_source(self)
    }
}

impl fmt::Display for HttpStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP status {}", self.status)
    }
}

impl fmt::Debug for HttpStatus {
    // Headers and body may hold what a log must not: cookies, names of files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpStatus").field("status", &self.status).finish_non_exhaustive()
    }
}

impl StdError for HttpStatus {}

/// The response, if its status is one of these; the refusal as an error otherwise.
pub(crate) async fn expect(response: Response, wanted: &[u16]) -> Result<Response> {
    if wanted.contains(&response.status().as_u16()) {
        return Ok(response);
    }
    Err(HttpStatus::read(response).await.into_error())
}

/// The length a response announces for its body, in bytes; of an answer to HEAD, that of the file.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    header(headers, "content-length")?.parse().ok()
}

/// All of a body, which must not be longer than `max` bytes.
pub(crate) async fn body(mut response: Response, max: usize) -> Result<Bytes> {
    let too_large =
        || Error::new(ErrorKind::TooLarge).with_message("the server's answer is longer than it may be");
    let announced = announced(response.headers());
    if announced.is_some_and(|len| len > max as u64) {
        return Err(too_large());
    }
    let Some(first) = response.chunk().await.map_err(failure)? else { return Ok(Bytes::new()) };
    if announced == Some(first.len() as u64) {
        return Ok(first);
    }
    let trusted = usize::try_from(announced.unwrap_or(0).min(MAX_TRUSTED_BYTES)).unwrap_or(0);
    let mut whole = BytesMut::with_capacity(trusted.max(first.len()));
    whole.extend_from_slice(&first);
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        if whole.len() + chunk.len() > max {
            return Err(too_large());
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// The text of a header.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// When the content last changed, as the header `Last-Modified` says it.
pub(crate) fn last_modified(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(header(headers, "last-modified")?).ok()
}
