//! The web page: HTML for browsers, over the same files as the API.
//!
//! Logging in, listing and downloading are plain HTML and work without JavaScript. Uploading is done by
//! the script of the repository's `web` folder, over the API's own routes; it is embedded if it was
//! there when the server was built. Nothing on a page is inline, so that the content security policy can
//! forbid all of it, and templates escape every value.

mod assets;
mod browser;
mod figures;
mod origin;
mod run;
mod runs;
mod session;

use std::sync::Arc;

use ::http::header::{self, HeaderValue};
use ::http::{HeaderName, StatusCode, Uri};
use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::{get, post};
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::http::error::{ApiError, ApiResult};

pub(crate) use browser::{Browser, for_browsers};

/// Scripts, styles, images and requests of our own only; no frames around us, and no text that becomes
/// markup in a script (trusted types).
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'",
);

/// The routes of the page, save `/login`, which it shares with the API.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(runs::show))
        .route("/new", get(run::start))
        .route("/runs/{fid}", get(run::show))
        .route("/logout", post(session::log_out))
        .route("/assets/{name}", get(assets::get))
}

/// A page as an answer.
fn answer(status: StatusCode, page: &impl Template) -> ApiResult<Response> {
    let text = page.render().map_err(|error| ApiError::internal(&error))?;
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    // What was shown to a user must not come back from a cache after logging out.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    guard(headers);
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
    // With "no-referrer", browsers would send forms with `Origin: null`.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    Ok(response)
}

/// What pages and their assets have in common.
fn guard(headers: &mut ::http::HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let resource = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(resource, HeaderValue::from_static("same-origin"));
}

/// Which page of a list is asked for.
fn position<T: DeserializeOwned>(uri: &Uri) -> ApiResult<T> {
    serde_urlencoded::from_str(uri.query().unwrap_or_default())
        .map_err(|_| ApiError::validation("The query of the address is not one of ours"))
}

/// Sends the browser on by GET.
fn see_other(location: &str) -> ApiResult<Response> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::from_str(location).map_err(|error| ApiError::internal(&error))?;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
