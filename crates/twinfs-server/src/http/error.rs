//! Errors as clients see them: one shape for all routes.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use twinfs::ErrorKind;

use crate::metadata::MetadataError;
use crate::upload::UploadError;
use crate::upload::usage::OverLimit;

const NO_SPACE: &str = "The server has no space left for this";

/// Names the kind of an error of the library, where several share a status.
const TWINFS_ERROR: HeaderName = HeaderName::from_static("twinfs-error");

/// An error on its way to the client. The place that answers adds path and request id, and writes to
/// the log what the client is not told.
#[derive(Clone, Debug)]
pub(crate) struct ApiError(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    status: StatusCode,
    class: &'static str,
    detail: Cow<'static, str>,
    headers: HeaderMap,
    /// For the log only.
    cause: Option<Arc<str>>,
}

pub(crate) type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    fn new(status: StatusCode, class: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let detail = detail.into();
        Self(Box::new(Inner { status, class, detail, headers: HeaderMap::new(), cause: None }))
    }

    /// A field is missing or of the wrong type.
    pub(crate) fn validation(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationException", detail)
    }

    /// The request cannot be understood.
    pub(crate) fn client(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ClientException", detail)
    }

    /// No valid credential, or a wrong password.
    pub(crate) fn not_authorized(detail: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "NotAuthorizedException", detail)
    }

    pub(crate) fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFoundException", detail)
    }

    /// Any other status.
    pub(crate) fn http(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let class = match status {
            StatusCode::FORBIDDEN => "PermissionDeniedException",
            StatusCode::METHOD_NOT_ALLOWED => "MethodNotAllowedException",
            StatusCode::TOO_MANY_REQUESTS => "TooManyRequestsException",
            StatusCode::INTERNAL_SERVER_ERROR => "InternalServerException",
            StatusCode::SERVICE_UNAVAILABLE => "ServiceUnavailableException",
            _ => "HTTPException",
        };
        Self::new(status, class, detail)
    }

    /// The disk is full, or as full as it may become.
    pub(crate) fn no_space() -> Self {
        Self::http(StatusCode::INSUFFICIENT_STORAGE, NO_SPACE)
            .with_header(TWINFS_ERROR, HeaderValue::from_static(ErrorKind::NoSpace.mapping().name))
    }

    /// The client must not learn what went wrong; the log does.
    pub(crate) fn internal(cause: &dyn std::fmt::Display) -> Self {
        Self::http(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error").because(cause)
    }

    /// The same with what the log is told.
    pub(crate) fn because(mut self, cause: &dyn std::fmt::Display) -> Self {
        self.0.cause = Some(Arc::from(cause.to_string()));
        self
    }

    /// The same with a header.
    pub(crate) fn with_header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.0.headers.insert(name, value.into());
        self
    }

    /// The same with more headers.
    pub(crate) fn with_headers(mut self, add: impl FnOnce(&mut HeaderMap)) -> Self {
        add(&mut self.0.headers);
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What the client is told.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What goes with it, `Retry-After` say.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }

    /// What the log is told.
    pub(crate) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// The answer, now that path (decoded, without query) and request id are known.
    pub(crate) fn render(&self, path: &str, request_id: &str) -> Response {
        #[derive(Serialize)]
        struct Shape<'a> {
            error: &'a str,
            path: &'a str,
            detail: &'a str,
            status_code: u16,
            request_id: &'a str,
        }
        let shape = Shape {
            error: self.0.class,
            path,
            detail: &self.0.detail,
            status_code: self.status().as_u16(),
            request_id,
        };
        // Strings and a number always become JSON.
        let body = serde_json::to_vec(&shape).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.0.status;
        *response.headers_mut() = self.0.headers.clone();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

impl IntoResponse for ApiError {
    /// An empty response that carries the error to where it is rendered.
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.0.status;
        response.extensions_mut().insert(self);
        response
    }
}

/// What a kind of the library's errors says to a client: never a path, never the system's own words.
fn words(error: &twinfs::Error) -> Cow<'static, str> {
    match (error.kind(), error.message()) {
        (ErrorKind::InvalidPath | ErrorKind::InvalidInput, Some(rule)) => Cow::Owned(rule.to_owned()),
        (ErrorKind::NoSpace, _) => Cow::Borrowed(NO_SPACE),
        (ErrorKind::IsADirectory, _) => Cow::Borrowed("A folder is in the place of the file"),
        (ErrorKind::NotADirectory, _) => Cow::Borrowed("A file is in the place of a folder"),
        (ErrorKind::Io | ErrorKind::Closed, _) => Cow::Borrowed("Internal server error"),
        (kind, _) => Cow::Borrowed(kind.mapping().name),
    }
}

/// Whether links on the way lead in a circle.
pub(crate) fn is_link_circle(error: &twinfs::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

impl From<twinfs::Error> for ApiError {
    fn from(error: twinfs::Error) -> Self {
        if is_link_circle(&error) {
            return Self::http(StatusCode::CONFLICT, "The links there lead in a circle").because(&error);
        }
        let status =
            StatusCode::from_u16(error.kind().mapping().http).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let shaped = match status {
            StatusCode::NOT_FOUND => Self::not_found(words(&error)),
            StatusCode::BAD_REQUEST => Self::validation(words(&error)),
            status => Self::http(status, words(&error)),
        };
        let kind = HeaderValue::from_static(error.kind().mapping().name);
        shaped.with_header(TWINFS_ERROR, kind).because(&error)
    }
}

impl From<MetadataError> for ApiError {
    fn from(error: MetadataError) -> Self {
        if error.is_full() { Self::no_space().because(&error) } else { Self::internal(&error) }
    }
}

impl From<OverLimit> for ApiError {
    fn from(limit: OverLimit) -> Self {
        match limit {
            OverLimit::SessionsPerUser(most) => Self::http(
                StatusCode::TOO_MANY_REQUESTS,
                format!("{most} uploads of yours are unfinished: complete or cancel some first"),
            ),
            OverLimit::Sessions(_) => Self::http(
                StatusCode::SERVICE_UNAVAILABLE,
                "Too many uploads are unfinished on this server; try again later",
            ),
            OverLimit::Bytes(most) => Self::http(
                StatusCode::INSUFFICIENT_STORAGE,
                format!("Your unfinished uploads may have {most} bytes in all"),
            ),
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Store(error) => error.into(),
            UploadError::Metadata(error) => error.into(),
            UploadError::OverLimit(limit) => limit.into(),
            UploadError::Differs => Self::http(
                StatusCode::CONFLICT,
                "The chunk was received before, with another content; the first one stays",
            ),
            UploadError::Broken => Self::internal(&error),
        }
    }
}
