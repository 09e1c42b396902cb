//! What surrounds every request: its id, its one spelling, its log line, and the shape of its error.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::header::ALLOW;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use hyper::body::Incoming;
use tower::ServiceExt;

use crate::config::{Config, Limits};
use crate::http::body::Guarded;
use crate::http::error::ApiError;
use crate::http::target;
use crate::network::{self, Network};
use crate::page::Browser;
use crate::routes::Peer;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Answers requests by the router.
pub(super) struct Front {
    router: Router,
    limits: Limits,
    trusted_proxies: Vec<Network>,
    /// Differs between starts, so that request ids do.
    run: u32,
    requests: AtomicU64,
}

impl Front {
    pub(super) fn new(router: Router, config: &Config) -> Self {
        let run = uuid::Uuid::new_v4().as_fields().0;
        let trusted_proxies = config.trusted_proxies.clone();
        Self { router, limits: config.limits, trusted_proxies, run, requests: AtomicU64::new(0) }
    }

    /// Answers a request, whatever happens.
    pub(super) async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response {
        let start = Instant::now();
        let given = given_id(request.headers());
        let id = given.clone().unwrap_or_else(|| self.next_id());
        let method = request.method().clone();
        let shown = target::shown(request.uri()).into_owned();
        let browser = Browser::of(&request);
        let client = network::client(peer.ip(), request.headers(), &self.trusted_proxies);
        let mut response = self.route(request, client).await;
        let failure = response.extensions_mut().remove::<ApiError>();
        if let Some(error) = &failure {
            // The router says by itself which methods a route has.
            let allowed = response.headers_mut().remove(ALLOW);
            response = match &browser {
                Some(browser) => browser.error(error, &id),
                None => error.render(&shown, &id),
            };
            response.headers_mut().extend(allowed.map(|methods| (ALLOW, methods)));
        }
        // Who gave an id, or has something to ask, gets one back.
        if (failure.is_some() || given.is_some())
            && let Ok(id) = HeaderValue::from_str(&id)
        {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        let status = response.status().as_u16();
        let cause = failure.as_ref().and_then(ApiError::cause);
        let detail = failure.as_ref().map(ApiError::detail);
        let micros = start.elapsed().as_micros() as u64;
        let behind = (client != peer.ip().to_canonical()).then(|| tracing::field::display(client));
        tracing::info!(
            target: "twinfs_server::request",
            request_id = id, %method, path = %shown.escape_debug(), status, micros, %peer, client = behind, detail,
            cause,
        );
        if status >= 500 {
            tracing::error!(request_id = id, status, detail, cause, "a request failed");
        }
        response
    }

    /// An id of the server's own.
    fn next_id(&self) -> String {
        format!("{:08x}-{:08x}", self.run, self.requests.fetch_add(1, Ordering::Relaxed))
    }

    async fn route(&self, mut request: Request<Incoming>, client: IpAddr) -> Response {
        if let Err(error) = target::canonical(request.uri_mut()) {
            return error.into_response();
        }
        let (parts, incoming) = request.into_parts();
        let (body, leftover) = if incoming.is_end_stream() {
            (Body::empty(), None)
        } else {
            let (guarded, leftover) = Guarded::new(incoming, &parts.headers, &self.limits);
            (Body::new(guarded), Some(leftover))
        };
        let mut request = Request::from_parts(parts, body);
        request.extensions_mut().insert(Peer(client));
        let answering = AssertUnwindSafe(self.router.clone().oneshot(request)).catch_unwind();
        let response = match answering.await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            // The panic's own words went to standard error.
            Err(_) => ApiError::internal(&"a handler panicked").into_response(),
        };
        if let Some(leftover) = leftover {
            leftover.drain(self.limits.stall_timeout).await;
        }
        response
    }
}

/// The id that a client or a proxy gave the request, where it is a sane one.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let id = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    ((1..=64).contains(&id.len()) && id.bytes().all(sane)).then(|| id.to_owned())
}
