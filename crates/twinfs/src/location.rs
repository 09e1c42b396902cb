//! Where a store is: a URL or plain path, taken apart.

use percent_encoding::percent_decode_str;

use crate::error::{Error, ErrorKind, Operation, Result};

/// A location, taken apart: `scheme://authority/path?query`, or a plain path, whose scheme is `file`.
///
/// Only the paths of `http`, `https` and `run+http(s)` are percent-decoded, once; every other path is
/// literal UTF-8. A plain path is literal as a whole: a `?` in it is part of the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The scheme, in lower case.
    pub scheme: String,
    /// Between `//` and the next `/`: host and port, bucket, or the name of a memory tree.
    pub authority: String,
    /// The rest up to `?`. Of a plain path, all of it.
    pub path: String,
    /// The query's pairs, percent-decoded, in order.
    pub query: Vec<(String, String)>,
}

impl Location {
    /// Takes a URL or plain path apart.
    ///
    /// # Errors
    /// `InvalidInput` for an empty text, or percent-encoding that is not UTF-8.
    pub fn parse(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Err(invalid(
                "a location is empty; give a path such as ./data or a URL such as memory://name",
            ));
        }
        let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
            return Ok(Self {
                scheme: "file".into(),
                authority: String::new(),
                path: text.into(),
                query: Vec::new(),
            });
        };
        let scheme = scheme.to_ascii_lowercase();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let path =
            if scheme.ends_with("http") || scheme.ends_with("https") { decode(path)? } else { path.into() };
        let query = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decode(key)?, decode(value)?))
            })
            .collect::<Result<_>>()?;
        Ok(Self { scheme, authority: authority.into(), path, query })
    }
}

/// A URL or path for people and logs: without user, password and query, which may be secret.
///
/// ```
/// use twinfs::location::redacted;
///
/// assert_eq!(redacted("redis://me:secret@host:1/0?password=secret"), "redis://host:1/0 (as a user)");
/// assert_eq!(redacted("./data"), "./data");
/// ```
#[must_use]
pub fn redacted(url: &str) -> String {
    match Location::parse(url) {
        Ok(location) if url.contains("://") => {
            let (user, host) = location.authority.rsplit_once('@').unwrap_or(("", &location.authority));
            let note = if user.is_empty() { "" } else { " (as a user)" };
            format!("{}://{host}{}{note}", location.scheme, location.path)
        }
        _ => url.to_owned(),
    }
}

/// RFC 3986, section 3.1, and at least two characters, so that no drive letter is one.
fn is_scheme(text: &str) -> bool {
    text.len() > 1
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

fn decode(text: &str) -> Result<String> {
    match percent_decode_str(text).decode_utf8() {
        Ok(decoded) => Ok(decoded.into_owned()),
        Err(_) => Err(invalid("percent-encoded bytes in a URL must be UTF-8")),
    }
}

fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput).with_operation(Operation::Connect).with_message(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_literal() {
        for text in ["/data/a?b%20c", "./x", "C:\\x", "a:b"] {
            let location = Location::parse(text).unwrap();
            assert_eq!((location.scheme.as_str(), location.path.as_str()), ("file", text));
        }
    }

    #[test]
    fn urls_are_taken_apart() {
        let location = Location::parse("memory://tree?max_bytes=10").unwrap();
        assert_eq!((location.scheme.as_str(), location.authority.as_str()), ("memory", "tree"));
        assert_eq!(location.query, [("max_bytes".to_owned(), "10".to_owned())]);
        assert_eq!(Location::parse("file:///a%20b").unwrap().path, "/a%20b");
        assert_eq!(Location::parse("run+http://h:1/a%20b").unwrap().path, "/a b");
        assert!(Location::parse("").is_err());
        assert!(Location::parse("http://h/%ff").is_err());
    }
}
