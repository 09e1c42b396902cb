//! Logging in and out.

use std::sync::Arc;

use ::http::header::{COOKIE, HeaderName, HeaderValue, SET_COOKIE};
use ::http::uri::PathAndQuery;
use ::http::{HeaderMap, StatusCode};
use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::assets::{self, Links};
use super::{answer, see_other};
use crate::app::App;
use crate::auth;
use crate::http::error::{ApiError, ApiResult};
use crate::http::target::quote;

#[derive(Template)]
#[template(path = "page/login.html")]
struct Page<'a> {
    assets: &'static Links,
    action: &'a str,
    message: Option<&'a str>,
}

/// The page to log in on; `next` is where the browser wants to go.
pub(super) fn login(status: StatusCode, next: Option<&str>, message: Option<&str>) -> ApiResult<Response> {
    let action = address(next);
    answer(status, &Page { assets: assets::links(), action: &action, message })
}

/// The address of that page.
pub(super) fn address(next: Option<&str>) -> String {
    match next.filter(|next| *next != "/") {
        Some(next) => format!("/login?next={}", quote(next)),
        None => "/login".to_owned(),
    }
}

/// Where a login's query says to go on to, if that is a place on this server.
pub(super) fn next(query: Option<&str>) -> Option<String> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query?).ok()?;
    let (_, next) = pairs.into_iter().find(|(name, _)| name == "next")?;
    // "//host" and "/\host" lead elsewhere, and browsers drop tabs and line ends before they look.
    let stays = next.starts_with('/') && !next.starts_with("//") && !next.contains('\\');
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic());
    (stays && is_plain && PathAndQuery::try_from(next.as_str()).is_ok()).then_some(next)
}

/// Ends the cookie with the token in this browser. The token itself stays valid until it expires: the
/// server keeps no list of tokens.
pub(super) async fn log_out(State(app): State<Arc<App>>, headers: HeaderMap) -> ApiResult<Response> {
    let mut response = see_other("/login")?;
    if headers.contains_key(COOKIE) {
        let secure = if app.tls { "; Secure" } else { "" };
        let cookie = format!("{}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}", auth::COOKIE);
        let cookie = HeaderValue::from_str(&cookie).map_err(|error| ApiError::internal(&error))?;
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    // The script remembers names of files whose upload is not finished.
    let clear = HeaderName::from_static("clear-site-data");
    response.headers_mut().insert(clear, HeaderValue::from_static("\"storage\""));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_on_to_this_server_only() {
        for (query, expected) in [
            (None, None),
            (Some(""), None),
            (Some("next=%2Fruns%2Fa%3Fin%3D%2520b"), Some("/runs/a?in=%20b")),
            (Some("name=x&next=/"), Some("/")),
            (Some("next=runs"), None),
            (Some("next=https://evil.example/"), None),
            (Some("next=//evil.example/"), None),
            (Some("next=/%5Cevil.example/"), None),
            (Some("next=/%09/evil.example/"), None),
            (Some("next=/%0d%0aSet-Cookie:x"), None),
            (Some("next=/%C3%A9"), None),
        ] {
            assert_eq!(next(query).as_deref(), expected, "{query:?}");
        }
        assert_eq!(address(Some("/runs/a?in=%20b")), "/login?next=%2Fruns%2Fa%3Fin%3D%2520b");
        assert_eq!(address(Some("/")), "/login");
    }

    #[test]
    fn what_is_shown_is_escaped() {
        let page = Page {
            assets: assets::links(),
            action: "/login?next=\"><img src=x>",
            message: Some("<script>alert(1)</script>"),
        };
        let html = page.render().unwrap();
        assert!(!html.contains("<img src=x>") && !html.contains("<script>alert"), "{html}");
    }
}
