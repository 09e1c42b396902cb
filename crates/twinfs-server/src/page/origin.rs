//! Which requests another site made the browser send.
//!
//! The cookie is `SameSite=Lax`, but other ports of the same host count as the same site, and a login
//! needs no cookie: without this check any page could log its visitor in as somebody else, to have the
//! visitor's files uploaded into that account. The rule is that of Go's `http.CrossOriginProtection`.

use ::http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use ::http::{HeaderMap, Method, Uri};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const API_KEY: HeaderName = HeaderName::from_static("kodosumi_api_key");

/// Whether a request changes something and comes from another site's page.
pub(super) fn is_foreign(method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    // Logging in by the query is the one change by GET.
    let changes = !method.is_safe() || (uri.path() == "/login" && logs_in(uri));
    if !changes || carries_token(headers) {
        return false;
    }
    match (text(headers, &SEC_FETCH_SITE), text(headers, &ORIGIN)) {
        (Some("same-origin" | "none"), _) | (None, None) => false,
        (Some(_), _) => true,
        // Browsers leave Sec-Fetch-Site away where they talk plain HTTP to another machine.
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            // No page can make a browser send it; a proxy that hides the Host tells of it here.
            let forwarded = text(headers, &X_FORWARDED_HOST).into_iter().flat_map(|hosts| hosts.split(','));
            !text(headers, &HOST).into_iter().chain(forwarded.map(str::trim)).any(|ours| Some(ours) == host)
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// Whether a login's query has a password, in whatever spelling.
pub(super) fn logs_in(uri: &Uri) -> bool {
    let has_password = |query| {
        serde_urlencoded::from_str::<Vec<(String, String)>>(query)
            .is_ok_and(|pairs| pairs.iter().any(|(name, _)| name == "password"))
    };
    uri.query().is_some_and(has_password)
}

/// Whether the request proves who sends it by what no browser adds by itself.
fn carries_token(headers: &HeaderMap) -> bool {
    [&API_KEY, &AUTHORIZATION]
        .into_iter()
        .any(|name| headers.get(name).is_some_and(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;

    use super::*;

    #[test]
    fn what_other_sites_send_is_refused() {
        let post = |pairs: &[(&'static str, &'static str)], foreign: bool| {
            check(&Method::POST, "/login", pairs, foreign);
            check(&Method::DELETE, "/files/r/in/a", pairs, foreign);
            check(&Method::GET, "/login?name=eve&pass%77ord=x", pairs, foreign);
            check(&Method::GET, "/files/r/in/a", pairs, false);
            check(&Method::GET, "/login?next=%2F", pairs, false);
        };
        post(&[], false);
        post(&[("sec-fetch-site", "same-origin")], false);
        post(&[("sec-fetch-site", "none")], false);
        post(&[("sec-fetch-site", "same-site")], true);
        post(&[("sec-fetch-site", "cross-site")], true);
        post(&[("sec-fetch-site", "same-site"), ("authorization", "Bearer x")], false);
        post(&[("sec-fetch-site", "same-site"), ("kodosumi_api_key", "x")], false);
        post(&[("sec-fetch-site", "same-site"), ("kodosumi_api_key", "")], true);
        post(&[("host", "a:1"), ("origin", "http://a:1")], false);
        post(&[("host", "a:1"), ("origin", "http://a:2")], true);
        post(&[("host", "a:1"), ("origin", "null")], true);
        post(&[("host", "inner"), ("x-forwarded-host", "b, a:1"), ("origin", "https://a:1")], false);
        post(&[("origin", "http://a")], true);
    }

    fn check(method: &Method, uri: &str, pairs: &[(&'static str, &'static str)], foreign: bool) {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        assert_eq!(is_foreign(method, &uri.parse().unwrap(), &headers), foreign, "{method} {uri} {pairs:?}");
    }
}
