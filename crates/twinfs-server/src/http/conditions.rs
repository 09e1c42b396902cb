//! Conditional requests (RFC 9110, section 13).

use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use twinfs::{Metadata, Version};

/// What a file is compared by: entity tag and date.
#[derive(Clone, Debug, Default)]
pub(crate) struct Validators {
    /// The strong entity tag, with its quotes.
    pub(crate) etag: Option<String>,
    /// To the second, as HTTP dates are.
    pub(crate) modified: Option<SystemTime>,
    /// In seconds with their fraction, as listings say it.
    pub(crate) exactly: Option<f64>,
}

/// The time of the last change as in a listing, for clients that compare the two.
const TWINFS_MODIFIED: HeaderName = HeaderName::from_static("twinfs-modified");

impl Validators {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let since_epoch = metadata.modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self {
            etag: metadata.version.as_ref().and_then(etag),
            modified: metadata.modified.filter(|_| since_epoch.is_some()).map(to_second),
            exactly: since_epoch.map(|since| since.as_secs_f64()),
        }
    }

    /// Adds `ETag`, `Last-Modified` and `Twinfs-Modified`.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Some(Ok(etag)) = self.etag.as_deref().map(HeaderValue::from_str) {
            headers.insert(header::ETAG, etag);
        }
        if let Some(Ok(date)) =
            self.modified.map(|time| HeaderValue::from_str(&httpdate::fmt_http_date(time)))
        {
            headers.insert(header::LAST_MODIFIED, date);
        }
        if let Some(Ok(exactly)) = self.exactly.map(|seconds| HeaderValue::from_str(&seconds.to_string())) {
            headers.insert(TWINFS_MODIFIED, exactly);
        }
    }
}

fn to_second(time: SystemTime) -> SystemTime {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    UNIX_EPOCH + std::time::Duration::from_secs(seconds)
}

/// The entity tag of a version; `None` if the version's text does not fit into one.
pub(crate) fn etag(version: &Version) -> Option<String> {
    let fits = |byte: u8| byte == b'!' || (b'#'..=b'~').contains(&byte);
    version.as_str().bytes().all(fits).then(|| format!("\"{}\"", version.as_str()))
}

/// What the conditions of a request to read come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Proceed,
    /// 304: the client has it.
    NotModified,
    /// 412.
    Failed,
}

/// Weighs the conditions of a GET or HEAD, in the order of RFC 9110, section 13.2.2.
pub(crate) fn weigh(headers: &HeaderMap, validators: &Validators) -> Verdict {
    let etag = validators.etag.as_deref();
    match tags(headers, &header::IF_MATCH) {
        Some(tags) if !tags.match_strong(etag) => return Verdict::Failed,
        None if changed_since(headers, &header::IF_UNMODIFIED_SINCE, validators) == Some(true) => {
            return Verdict::Failed;
        }
        _ => {}
    }
    match tags(headers, &header::IF_NONE_MATCH) {
        Some(tags) if tags.match_weak(etag) => Verdict::NotModified,
        None if changed_since(headers, &header::IF_MODIFIED_SINCE, validators) == Some(false) => {
            Verdict::NotModified
        }
        _ => Verdict::Proceed,
    }
}

/// Whether `Range` counts: `If-Range` is missing, or names this very file.
pub(crate) fn range_counts(headers: &HeaderMap, validators: &Validators) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else { return true };
    let Ok(value) = value.to_str() else { return false };
    let value = value.trim();
    if value.starts_with('"') || value.starts_with("W/") {
        // The comparison is strong: a weak tag never matches.
        return validators.etag.as_deref() == Some(value);
    }
    validators.modified.is_some() && httpdate::parse_http_date(value).ok() == validators.modified
}

/// Whether the file was changed after the date of a header; `None` without a date or a time to compare.
pub(crate) fn changed_since(headers: &HeaderMap, name: &HeaderName, validators: &Validators) -> Option<bool> {
    let date = httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()?;
    Some(validators.modified? > date)
}

/// The entity tags of `If-Match` or `If-None-Match`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tags {
    /// `*`: whatever is there.
    Any,
    /// Those named, with their quotes and `W/`.
    Named(Vec<String>),
}

impl Tags {
    fn match_strong(&self, etag: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::Named(tags) => etag.is_some_and(|etag| tags.iter().any(|tag| tag == etag)),
        }
    }

    fn match_weak(&self, etag: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::Named(tags) => {
                etag.is_some_and(|etag| tags.iter().any(|tag| tag.strip_prefix("W/").unwrap_or(tag) == etag))
            }
        }
    }

    /// The versions that the strong tags name.
    pub(crate) fn versions(&self) -> Vec<Version> {
        let Self::Named(tags) = self else { return Vec::new() };
        let version = |tag: &String| Some(Version::new(tag.strip_prefix('"')?.strip_suffix('"')?));
        tags.iter().filter_map(version).collect()
    }
}

/// Reads the tags of a header, which may be there several times; `None` if it is not there at all.
pub(crate) fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Tags> {
    if !headers.contains_key(name) {
        return None;
    }
    let mut named = Vec::new();
    for value in headers.get_all(name) {
        let text = String::from_utf8_lossy(value.as_bytes());
        if text.trim() == "*" {
            return Some(Tags::Any);
        }
        split(&text, &mut named);
    }
    Some(Tags::Named(named))
}

/// Splits at commas outside quotes; entity tags may have commas in them.
fn split(text: &str, tags: &mut Vec<String>) {
    let mut quoted = false;
    let parts = text.split(|c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    tags.extend(parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn file() -> Validators {
        Validators {
            etag: Some("\"a,b\"".into()),
            modified: Some(UNIX_EPOCH + Duration::from_secs(784_111_777)),
            exactly: None,
        }
    }

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    #[test]
    fn conditions_are_weighed_in_the_order_of_the_rfc() {
        use header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
        for (pairs, verdict) in [
            (vec![], Verdict::Proceed),
            (vec![(IF_NONE_MATCH, "\"x\", W/\"a,b\"")], Verdict::NotModified),
            (vec![(IF_NONE_MATCH, "*")], Verdict::NotModified),
            (vec![(IF_NONE_MATCH, "\"x\"")], Verdict::Proceed),
            (vec![(IF_MATCH, "\"x\",\"a,b\"")], Verdict::Proceed),
            (vec![(IF_MATCH, "W/\"a,b\"")], Verdict::Failed),
            (vec![(IF_MATCH, "*")], Verdict::Proceed),
            (vec![(IF_MODIFIED_SINCE, DATE)], Verdict::NotModified),
            (vec![(IF_MODIFIED_SINCE, BEFORE)], Verdict::Proceed),
            (vec![(IF_MODIFIED_SINCE, DATE), (IF_NONE_MATCH, "\"x\"")], Verdict::Proceed),
            (vec![(IF_UNMODIFIED_SINCE, BEFORE)], Verdict::Failed),
            (vec![(IF_UNMODIFIED_SINCE, DATE)], Verdict::Proceed),
            (vec![(IF_MODIFIED_SINCE, "no date")], Verdict::Proceed),
        ] {
            assert_eq!(weigh(&headers(&pairs), &file()), verdict, "{pairs:?}");
        }
    }

    #[test]
    fn a_range_counts_for_this_very_file_only() {
        for (value, counts) in [
            ("\"a,b\"", true),
            ("W/\"a,b\"", false),
            ("\"x\"", false),
            (DATE, true),
            (BEFORE, false),
            ("?", false),
        ] {
            assert_eq!(range_counts(&headers(&[(header::IF_RANGE, value)]), &file()), counts, "{value}");
        }
        assert!(range_counts(&HeaderMap::new(), &file()));
    }

    #[test]
    fn only_strong_tags_name_versions() {
        let tags = tags(&headers(&[(header::IF_MATCH, "\"v1\", W/\"v2\", v3")]), &header::IF_MATCH).unwrap();
        assert_eq!(tags.versions(), [Version::new("v1")]);
        assert_eq!(etag(&Version::new("sp ace")), None);
    }
}
