//! Styles, scripts and images, embedded in the binary.

use std::fmt::Write as _;
use std::sync::LazyLock;

use ::http::header::{self, HeaderMap, HeaderValue};
use ::http::{StatusCode, Uri};
use axum::body::Body;
use axum::extract::Path;
use axum::response::Response;
use sha2::{Digest, Sha256};

use super::guard;
use crate::http::conditions::{self, Validators, Verdict};
use crate::http::error::{ApiError, ApiResult};

/// What works without the built web page.
static OWN: &[(&str, &[u8])] = &[
    ("icon.svg", include_bytes!("../../assets/icon.svg")),
    ("page.css", include_bytes!("../../assets/page.css")),
];

/// The script that the pages begin with. The rest of the built web page has names with a hash of the content;
/// this one is imported by the others, so that it has one URL, without a version.
const SCRIPT: &str = "main.js";

/// The built web page; empty where there was none.
static WEB: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/web.rs"));

struct Asset {
    name: &'static str,
    content: &'static [u8],
    /// Changes with the content.
    version: String,
    is_built: bool,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let asset = |(name, content): &(&'static str, &'static [u8]), is_built| {
        let digest = Sha256::digest(content);
        let version = digest.iter().take(8).fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        Asset { name, content, version, is_built }
    };
    let own = OWN.iter().map(|file| asset(file, false));
    own.chain(WEB.iter().map(|file| asset(file, true))).collect()
});

/// Where the pages find what they are made of.
pub(super) struct Links {
    pub(super) icon: String,
    pub(super) style: String,
    /// `None` in a server that was built without it.
    pub(super) script: Option<String>,
}

static LINKS: LazyLock<Links> = LazyLock::new(|| Links {
    icon: link("icon.svg"),
    style: link("page.css"),
    script: find(SCRIPT).map(|script| format!("/assets/{}", script.name)),
});

pub(super) fn links() -> &'static Links {
    &LINKS
}

fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// The URL of an asset's present content.
fn link(name: &str) -> String {
    let version = find(name).map_or("", |asset| &asset.version);
    format!("/assets/{name}?v={version}")
}

fn content_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit_once('.') {
        Some((_, "css")) => "text/css; charset=utf-8",
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "svg")) => "image/svg+xml",
        _ => "application/octet-stream",
    })
}

pub(super) async fn get(uri: Uri, headers: HeaderMap, Path(name): Path<String>) -> ApiResult<Response> {
    let asset = find(&name).ok_or_else(|| ApiError::not_found("Not Found"))?;
    let validators =
        Validators { etag: Some(format!("\"{}\"", asset.version)), modified: None, exactly: None };
    let mut response = match conditions::weigh(&headers, &validators) {
        Verdict::Proceed => Response::new(Body::from(asset.content)),
        verdict => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = match verdict {
                Verdict::NotModified => StatusCode::NOT_MODIFIED,
                _ => StatusCode::PRECONDITION_FAILED,
            };
            response
        }
    };
    // A URL that names the content's version never gets another content.
    let names_version = uri.query().and_then(|query| query.strip_prefix("v=")) == Some(&asset.version);
    let caching = if names_version || (asset.is_built && asset.name != SCRIPT) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = response.headers_mut();
    validators.write(headers);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(header::CONTENT_TYPE, content_type(asset.name));
    guard(headers);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assets_have_a_type_and_a_link_of_their_content() {
        for asset in &*ASSETS {
            assert_ne!(content_type(asset.name), "application/octet-stream", "{}", asset.name);
            assert_eq!(asset.version.len(), 16);
        }
        let style = &links().style;
        assert!(style.starts_with("/assets/page.css?v="), "{style}");
        assert_eq!(links().script.is_some(), !WEB.is_empty());
    }
}
