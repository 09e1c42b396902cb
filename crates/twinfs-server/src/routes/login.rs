//! Logging in: name and password for a token, as body and as cookie.

use std::net::IpAddr;
use std::sync::Arc;

use ::http::header::{RETRY_AFTER, SET_COOKIE};
use ::http::{HeaderValue, StatusCode};
use axum::body::Body;
use axum::extract::{Extension, RawQuery, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::COOKIE;
use crate::http::error::{ApiError, ApiResult};
use crate::http::{body, json};

/// A login is small.
const MAX_BODY: usize = 64 * 1024;

/// The address of the client, as far as it can be trusted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

#[derive(Deserialize)]
#[serde(expecting = "an object with name and password")]
pub(super) struct Login {
    name: String,
    password: String,
}

#[derive(Serialize)]
struct LoggedIn<'a> {
    name: &'a str,
    id: String,
    #[serde(rename = "KODOSUMI_API_KEY")]
    token: &'a str,
}

pub(super) async fn by_json(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    body: Body,
) -> ApiResult<Response> {
    log_in(&app, peer, json::read(body, MAX_BODY).await?).await
}

pub(super) async fn by_form(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    body: Body,
) -> ApiResult<Response> {
    log_in(&app, peer, form(&body::collect(body, MAX_BODY).await?)?).await
}

/// As Kodosumi has it; passwords in URLs end up in logs, so `strict` turns it off.
pub(super) async fn by_query(
    State(app): State<Arc<App>>,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
) -> ApiResult<Response> {
    log_in(&app, peer, form(query.unwrap_or_default().as_bytes())?).await
}

fn form(text: &[u8]) -> ApiResult<Login> {
    serde_urlencoded::from_bytes(text).map_err(|_| ApiError::validation("The fields are name and password"))
}

async fn log_in(app: &App, peer: Peer, login: Login) -> ApiResult<Response> {
    let attempt = app.backoff.attempt(&login.name, peer.0).await.map_err(|_| {
        ApiError::http(
            StatusCode::TOO_MANY_REQUESTS,
            "Too many logins, or too many failed ones; try again later",
        )
        .with_header(RETRY_AFTER, HeaderValue::from_static("10"))
    })?;
    let Some(user) = app.users.log_in(&login.name, login.password).await? else {
        attempt.failed();
        return Err(ApiError::not_authorized("Invalid name or password"));
    };
    attempt.succeeded();
    let id = user.id.to_string();
    let token = app.tokens.issue(&id, app.token_lifetime);
    let secure = if app.tls { "; Secure" } else { "" };
    let max_age = app.token_lifetime.as_secs();
    let cookie = format!("{COOKIE}={token}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}");
    let mut response = json::answer(StatusCode::OK, &LoggedIn { name: &user.name, id, token: &token });
    let cookie = HeaderValue::from_str(&cookie).map_err(|error| ApiError::internal(&error))?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}
