//! Answers in the form that browsers want: pages instead of JSON, redirects instead of tokens.

use ::http::header::{ACCEPT, SET_COOKIE};
use ::http::{HeaderMap, Method, Request, StatusCode};
use askama::Template;
use axum::extract::Request as Incoming;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::assets::{self, Links};
use super::{answer, origin, see_other, session};
use crate::http::error::{ApiError, ApiResult};

const LOGIN: &str = "/login";

/// A browser that asks for a page, by what its request says.
#[derive(Debug)]
pub(crate) struct Browser {
    is_read: bool,
    is_login: bool,
    /// Path and query.
    target: String,
    /// Where a login leads on to.
    next: Option<String>,
}

impl Browser {
    /// `None` for programs, scripts on pages included: only the browser itself asks for HTML by name.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Self> {
        if !wants_html(request.headers()) {
            return None;
        }
        let uri = request.uri();
        let is_login = uri.path() == LOGIN;
        Some(Self {
            is_read: matches!(*request.method(), Method::GET | Method::HEAD),
            is_login,
            target: uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
            next: if is_login { session::next(uri.query()) } else { None },
        })
    }

    /// An error as a page; who is not logged in gets the page to do so.
    pub(crate) fn error(&self, error: &ApiError, request_id: &str) -> Response {
        let page = if self.is_login {
            session::login(error.status(), self.next.as_deref(), Some(error.detail()))
        } else if error.status() == StatusCode::UNAUTHORIZED {
            let next = self.is_read.then_some(self.target.as_str());
            see_other(&session::address(next))
        } else {
            error_page(error, request_id)
        };
        let mut response = page.unwrap_or_else(|_| error.status().into_response());
        // Retry-After, say.
        response.headers_mut().extend(error.headers().clone());
        response
    }

    /// What a login that worked leads to; the cookie goes along.
    fn logged_in(&self, answer: &Response) -> ApiResult<Response> {
        let mut response = see_other(self.next.as_deref().unwrap_or("/"))?;
        if let Some(cookie) = answer.headers().get(SET_COOKIE) {
            response.headers_mut().insert(SET_COOKIE, cookie.clone());
        }
        Ok(response)
    }
}

fn wants_html(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| {
            let mut words = part.split(';').map(str::trim);
            words.next().is_some_and(|kind| kind.eq_ignore_ascii_case("text/html"))
                && !words.any(|word| matches!(word, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
}

/// Around all routes: refuses what other sites make a browser send, shows the page to log in on, and
/// leads on after a login.
pub(crate) async fn for_browsers(request: Incoming, next: Next) -> Response {
    if origin::is_foreign(request.method(), request.uri(), request.headers()) {
        let detail = "The request comes from a page of another site";
        return ApiError::http(StatusCode::FORBIDDEN, detail).into_response();
    }
    let browser = Browser::of(&request).filter(|browser| browser.is_login);
    if let Some(browser) = &browser
        && browser.is_read
        && !origin::logs_in(request.uri())
    {
        return session::login(StatusCode::OK, browser.next.as_deref(), None)
            .unwrap_or_else(IntoResponse::into_response);
    }
    let response = next.run(request).await;
    match browser {
        Some(browser)
            if response.status() == StatusCode::OK && response.headers().contains_key(SET_COOKIE) =>
        {
            browser.logged_in(&response).unwrap_or_else(IntoResponse::into_response)
        }
        _ => response,
    }
}

#[derive(Template)]
#[template(path = "page/error.html")]
struct ErrorPage<'a> {
    assets: &'static Links,
    heading: &'static str,
    advice: &'static str,
    detail: &'a str,
    status: u16,
    request_id: &'a str,
}

fn error_page(error: &ApiError, request_id: &str) -> ApiResult<Response> {
    let (heading, advice) = words(error.status());
    let (detail, status) = (error.detail(), error.status().as_u16());
    let page = ErrorPage { assets: assets::links(), heading, advice, detail, status, request_id };
    answer(error.status(), &page)
}

/// What happened, and what to do about it.
fn words(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::NOT_FOUND => (
            "Not found",
            "There is nothing at this address. It may have been removed, or the address is mistyped.",
        ),
        StatusCode::FORBIDDEN => ("Not allowed", "Open the page anew and try it from there."),
        StatusCode::TOO_MANY_REQUESTS => ("Too many requests", "Wait a little, then try again."),
        StatusCode::SERVICE_UNAVAILABLE => ("Busy", "The server has too much to do. Try again in a moment."),
        StatusCode::INSUFFICIENT_STORAGE => {
            ("No space left", "Remove files that are not needed, or ask the operator.")
        }
        status if status.is_server_error() => (
            "Something went wrong",
            "Try again. If it stays so, tell the operator the number of the request.",
        ),
        _ => ("That does not work", "The server does not understand the request. Check the address."),
    }
}

#[cfg(test)]
mod tests {
    use ::http::HeaderValue;
    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn only_browsers_are_given_pages() {
        for (accept, expected) in [
            (None, false),
            (Some("*/*"), false),
            (Some("application/json, */*;q=0.5"), false),
            (Some("text/html"), true),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), true),
            (Some("application/json, Text/HTML;q=0.1"), true),
            (Some("text/html;q=0, */*"), false),
            (Some("text/htmlx"), false),
        ] {
            let headers = accept.map(|accept| (ACCEPT, HeaderValue::from_static(accept)));
            assert_eq!(wants_html(&headers.into_iter().collect()), expected, "{accept:?}");
        }
    }

    fn browser(method: Method, uri: &str) -> Browser {
        let request =
            Request::builder().method(method).uri(uri).header(ACCEPT, "text/html").body(()).unwrap();
        Browser::of(&request).unwrap()
    }

    async fn text(response: Response) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn errors_become_pages() {
        let missing = ApiError::not_found("<b>gone</b>");
        let response = browser(Method::GET, "/files/r/in/x").error(&missing, "id-1");
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        assert!(response.headers().contains_key("content-security-policy"));
        let html = text(response).await;
        assert!(html.contains("Not found") && html.contains("id-1"), "{html}");
        assert!(!html.contains("<b>gone"), "{html}");
    }

    #[tokio::test]
    async fn who_is_not_logged_in_is_led_there_and_back() {
        let refused = ApiError::not_authorized("Unauthorized");
        let location = |browser: Browser| {
            let response = browser.error(&refused, "id");
            assert_eq!(response.status(), StatusCode::SEE_OTHER);
            response.headers()["location"].to_str().unwrap().to_owned()
        };
        assert_eq!(location(browser(Method::GET, "/runs/a?in=b")), "/login?next=%2Fruns%2Fa%3Fin%3Db");
        assert_eq!(location(browser(Method::GET, "/")), "/login");
        assert_eq!(location(browser(Method::POST, "/runs/a")), "/login");

        let response = browser(Method::POST, "/login?next=%2Fruns%2Fa").error(&refused, "id");
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let html = text(response).await;
        assert!(
            html.contains("Unauthorized") && html.contains("action=\"/login?next=%2Fruns%2Fa\""),
            "{html}"
        );
    }
}
