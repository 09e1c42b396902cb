//! Who sends a request.

pub(crate) mod backoff;
pub(crate) mod password;
pub mod token;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, header};

use crate::app::App;
use crate::http::error::ApiError;
use crate::http::target::is_component;

/// The cookie a login sets.
pub(crate) const COOKIE: &str = "kodosumi_jwt";
const HEADER: &str = "kodosumi_api_key";

/// The user of a request, by the id in the token. Files and uploads of one user are closed to all others.
#[derive(Clone, Debug)]
pub(crate) struct User(pub(crate) Arc<str>);

impl FromRequestParts<Arc<App>> for User {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let credential =
            credential(&parts.headers).ok_or_else(|| ApiError::not_authorized("Unauthorized"))?;
        let invalid = || ApiError::not_authorized("Invalid token");
        let subject = app.tokens.verify(&credential).ok_or_else(invalid)?;
        // The subject becomes a folder's name.
        if is_component(&subject) { Ok(Self(subject)) } else { Err(invalid()) }
    }
}

/// The token a request carries: what a program sets by itself goes before the cookie, which a browser
/// adds. An empty header counts as none.
fn credential(headers: &HeaderMap) -> Option<String> {
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or("?").trim().to_owned();
    if let Some(key) = headers.get(HEADER).map(text).filter(|key| !key.is_empty()) {
        return Some(key);
    }
    if let Some(key) = headers.get(header::AUTHORIZATION).map(text)
        && let Some((scheme, token)) = key.split_once(' ')
        && scheme.eq_ignore_ascii_case("bearer")
    {
        return Some(token.trim().to_owned());
    }
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn the_header_wins_and_an_empty_one_is_none() {
        for (pairs, expected) in [
            (vec![], None),
            (vec![("kodosumi_api_key", "a"), ("cookie", "kodosumi_jwt=b")], Some("a")),
            (vec![("kodosumi_api_key", ""), ("cookie", "x=1; kodosumi_jwt=b; y=2")], Some("b")),
            (vec![("authorization", "Bearer c"), ("cookie", "kodosumi_jwt=b")], Some("c")),
            (vec![("authorization", "Basic YTpi"), ("cookie", "kodosumi_jwt=b")], Some("b")),
            (vec![("authorization", "bearer  c ")], Some("c")),
            (vec![("cookie", "kodosumi=b")], None),
        ] {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(credential(&headers).as_deref(), expected, "{pairs:?}");
        }
    }
}
