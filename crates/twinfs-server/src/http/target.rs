//! Request targets: from what stands in the URL to a place in a run.
//!
//! A path is percent-decoded once, leniently (a lone `%` is a `%`, as Kodosumi's client sends it), and
//! `%2F` counts as `/`, as Kodosumi's page sends it. Empty segments count for nothing.

use std::borrow::Cow;

use http::Uri;
use http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use twinfs::FsPath;

use super::error::{ApiError, ApiResult};

/// Everything but unreserved characters (RFC 3986, section 2.3): what Python's `quote` leaves alone.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Percent-encodes one component.
pub(crate) fn quote(component: &str) -> String {
    utf8_percent_encode(component, RESERVED).to_string()
}

/// The path, decoded, as errors and the log show it.
pub(crate) fn shown(uri: &Uri) -> Cow<'_, str> {
    percent_decode_str(uri.path()).decode_utf8_lossy()
}

/// Gives a target its one spelling, in which the routes are looked up: single slashes, every segment
/// percent-encoded by itself.
///
/// # Errors
/// 400 where the decoded path is not UTF-8.
pub(crate) fn canonical(uri: &mut Uri) -> ApiResult<()> {
    let path = uri.path();
    let is_plain = !path.contains('%') && !path.contains("//") && (path == "/" || !path.ends_with('/'));
    if is_plain {
        return Ok(());
    }
    let decoded = percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| ApiError::validation("The path is not UTF-8 when percent-decoded"))?;
    let mut canonical = String::with_capacity(path.len());
    for segment in decoded.split('/').filter(|segment| !segment.is_empty()) {
        canonical.push('/');
        canonical.extend(utf8_percent_encode(segment, RESERVED));
    }
    if canonical.is_empty() {
        canonical.push('/');
    }
    if let Some(query) = uri.query() {
        canonical.push('?');
        canonical.push_str(query);
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query =
        Some(PathAndQuery::try_from(canonical).map_err(|_| ApiError::validation("The path is no URL path"))?);
    *uri = Uri::from_parts(parts).map_err(|_| ApiError::validation("The path is no URL path"))?;
    Ok(())
}

/// The two folders of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dir {
    /// What a run is given.
    In,
    /// What it gives back.
    Out,
}

impl Dir {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "in" => Some(Self::In),
            "out" => Some(Self::Out),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// What every route says of another folder.
pub(crate) const WRONG_DIR: &str = "Invalid directory type. Must be one of: in, out";

/// What stands in the place of a run id in other routes: nobody could list such a run.
const ROUTES: [&str; 4] = ["cancel", "complete", "status", "tus"];

/// A folder of a run, or something below it.
#[derive(Clone, Debug)]
pub(crate) struct RunPath {
    /// The run.
    pub(crate) fid: String,
    /// The path in the store: `{user}/{fid}/{in,out}/...`.
    pub(crate) path: FsPath,
    /// Whether this is the folder itself.
    pub(crate) is_root: bool,
    /// The path of the run in the store, of which listings show what comes after.
    pub(crate) run: FsPath,
}

impl RunPath {
    /// The folder `dir` of a run.
    ///
    /// # Errors
    /// 400 for another folder, or a run id that is no single plain name.
    pub(crate) fn folder(user: &str, fid: &str, dir: &str) -> ApiResult<Self> {
        let dir = Dir::parse(dir).ok_or_else(|| ApiError::http(http::StatusCode::BAD_REQUEST, WRONG_DIR))?;
        Self::of(user, fid, dir)
    }

    fn of(user: &str, fid: &str, dir: Dir) -> ApiResult<Self> {
        if !is_component(fid) {
            return Err(ApiError::validation("A run id is one plain path component"));
        }
        if ROUTES.contains(&fid) {
            return Err(ApiError::validation(format!(
                "No run can be called '{fid}': it is the name of a route"
            )));
        }
        let run = FsPath::new(user)?.join(fid)?;
        let path = run.join(dir.name())?;
        Ok(Self { fid: fid.to_owned(), path, is_root: true, run })
    }

    /// Something below this folder, named by a URL: slashes at the ends count for nothing.
    ///
    /// # Errors
    /// 400 for a path that no file can have.
    pub(crate) fn below(&self, path: &str) -> ApiResult<Self> {
        let path = self.path.join(path)?;
        let is_root = path == self.path;
        Ok(Self { path, is_root, ..self.clone() })
    }

    /// A file below this folder that is to be written under this name.
    ///
    /// # Errors
    /// 400 for a name that is no plain relative path: empty, absolute, with a slash at its end, `..`.
    pub(crate) fn file(&self, name: &str) -> ApiResult<FsPath> {
        if name.is_empty() || name.starts_with('/') || name.ends_with('/') {
            return Err(ApiError::validation("A file name is a relative path without a '/' at its ends"));
        }
        Ok(self.path.join(name)?)
    }

    /// The path as listings show it: from the folder's name on.
    pub(crate) fn shown(&self) -> &str {
        self.path.strip_prefix(&self.run).unwrap_or_default()
    }
}

/// Whether a text is one safe path component: a user id, a run id.
pub(crate) fn is_component(text: &str) -> bool {
    !text.is_empty() && !text.contains('/') && FsPath::new(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_get_one_spelling() {
        for (target, expected) in [
            ("/", "/"),
            ("//", "/"),
            ("/files/r/in", "/files/r/in"),
            ("/files//r/in/", "/files/r/in"),
            ("/files/r/in%2Fa%2fb", "/files/r/in/a/b"),
            ("/files/r/%69n/100%", "/files/r/in/100%25"),
            ("/files/r/in/%252e%252e?a=%41", "/files/r/in/%252e%252e?a=%41"),
            ("/files/r/in/%2e%2e/x", "/files/r/in/../x"),
            ("/files/r/in/%C3%A9", "/files/r/in/%C3%A9"),
        ] {
            let mut uri: Uri = target.parse().unwrap();
            canonical(&mut uri).unwrap();
            assert_eq!(uri.to_string(), expected, "{target}");
        }
        assert!(canonical(&mut "/files/r/in/%ff".parse().unwrap()).is_err());
    }

    #[test]
    fn nothing_leads_out_of_a_run() {
        let folder = RunPath::folder("user", "run", "in").unwrap();
        assert_eq!(folder.below("a/b").unwrap().path.as_str(), "user/run/in/a/b");
        assert_eq!(folder.below("a/b").unwrap().shown(), "in/a/b");
        assert!(folder.below("").unwrap().is_root);
        for hostile in ["..", "../x", "a/../../x", "a\0", "./x", ".twinfs-x"] {
            assert!(folder.below(hostile).is_err(), "{hostile:?}");
            assert!(folder.file(hostile).is_err(), "{hostile:?}");
        }
        for name in ["", "/", "/a", "a/", "a//b"] {
            assert!(folder.file(name).is_err(), "{name:?}");
        }
        for fid in ["", ".", "..", "a/b", "a/", "/a", "a\n", ".twinfs-x", "status", "complete"] {
            assert!(RunPath::folder("user", fid, "in").is_err(), "{fid:?}");
        }
        assert!(RunPath::folder("user", "run", "IN").is_err());
    }
}
