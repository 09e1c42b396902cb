//! Request bodies: guarded against clients that send slowly, and drained where an answer comes early.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header::EXPECT;
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use super::error::{ApiError, ApiResult};
use crate::config::Limits;

/// What is drained of a body that nobody wants, so that the client gets to read the answer: it may well
/// send all of it before it looks.
const DRAIN: u64 = 16 * 1024 * 1024;

/// The client sent nothing for too long, or too little in all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stalled;

impl std::fmt::Display for Stalled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the client sends too slowly")
    }
}

impl std::error::Error for Stalled {}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where a body that was dropped unread comes back to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leftover(Arc<Mutex<Option<Incoming>>>);

impl Leftover {
    /// Reads on, up to a limit, what the handler left unread.
    pub(crate) async fn drain(&self, patience: Duration) {
        let Some(mut body) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let read = async {
            let mut count = 0;
            while let Some(Ok(frame)) = body.frame().await {
                count += frame.data_ref().map_or(0, |data| data.len() as u64);
                if count > DRAIN {
                    break;
                }
            }
        };
        // Too slow or too much: the connection is closed then.
        let _ = tokio::time::timeout(patience, read).await;
    }
}

/// A request body that fails when the client stalls.
pub(crate) struct Guarded {
    inner: Option<Incoming>,
    leftover: Leftover,
    /// Nobody reads what is left: the client has been told to wait for the answer, and sends nothing.
    is_held_back: bool,
    stall: Duration,
    min_rate: u64,
    started: Instant,
    received: u64,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Guarded {
    /// `headers` are those of the request: a client that expects to be told to go on is told so once
    /// the body is asked for.
    pub(crate) fn new(inner: Incoming, headers: &HeaderMap, limits: &Limits) -> (Self, Leftover) {
        let expectation = headers.get(EXPECT).map(HeaderValue::as_bytes);
        let leftover = Leftover::default();
        let guarded = Self {
            inner: Some(inner),
            leftover: leftover.clone(),
            is_held_back: expectation.is_some_and(|text| text.eq_ignore_ascii_case(b"100-continue")),
            stall: limits.stall_timeout,
            min_rate: limits.min_rate.max(1),
            started: Instant::now(),
            received: 0,
            alarm: None,
        };
        (guarded, leftover)
    }

    /// When patience ends: the next bytes are due, and the average too.
    fn deadline(&self, now: Instant) -> Instant {
        let earned = Duration::from_secs(self.received / self.min_rate);
        (now + self.stall).min(self.started + self.stall + earned)
    }
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        this.is_held_back = false;
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        match Pin::new(inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                this.received += frame.data_ref().map_or(0, |data| data.len() as u64);
                this.alarm = None;
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(end) => {
                this.inner = None;
                Poll::Ready(end.map(|end| end.map_err(Into::into)))
            }
            Poll::Pending => {
                let deadline = this.deadline(Instant::now());
                let alarm = this.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
                match alarm.as_mut().poll(context) {
                    Poll::Ready(()) => {
                        this.inner = None;
                        Poll::Ready(Some(Err(Stalled.into())))
                    }
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let is_held_back = self.is_held_back;
        if let Some(inner) = self.inner.take().filter(|inner| !is_held_back && !inner.is_end_stream()) {
            *self.leftover.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(inner);
        }
    }
}

/// What a broken body is to the client, which mostly is not there any more to read it.
pub(crate) fn broken(error: BoxError) -> ApiError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
    while let Some(current) = source {
        if current.is::<Stalled>() {
            return ApiError::http(StatusCode::REQUEST_TIMEOUT, "The body comes too slowly")
                .with_header(http::header::CONNECTION, HeaderValue::from_static("close"));
        }
        source = current.source();
    }
    ApiError::client("The body broke off").because(&error)
}

/// How many bytes a body announces, `limit` at most; without an announcement it may be that many.
pub(crate) fn announced(body: &Body, limit: usize) -> usize {
    let announced = HttpBody::size_hint(body).exact();
    announced.and_then(|len| usize::try_from(len).ok()).unwrap_or(limit).min(limit)
}

/// The whole body, if it has at most `limit` bytes.
pub(crate) async fn collect(mut body: Body, limit: usize) -> ApiResult<Bytes> {
    let too_large =
        || ApiError::http(StatusCode::PAYLOAD_TOO_LARGE, format!("The body may have at most {limit} bytes"));
    let hint = HttpBody::size_hint(&body);
    if hint.lower() > limit as u64 {
        return Err(too_large());
    }
    let mut collected = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken(error.into_inner()))?.into_data() else { continue };
        if collected.len() + data.len() > limit {
            return Err(too_large());
        }
        if collected.is_empty() && HttpBody::is_end_stream(&body) {
            return Ok(data);
        }
        collected.extend_from_slice(&data);
    }
    Ok(collected.freeze())
}
