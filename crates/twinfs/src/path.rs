//! Paths: the one place where a string becomes a place inside a store.
//!
//! Every store takes [`FsPath`] and nothing else, so a name that could leave the root, hide among
//! twinfs's own files or confuse a protocol is refused here, once, before any store sees it.

use std::borrow::Borrow;
use std::fmt;

use smol_str::SmolStr;

use crate::error::{Error, ErrorKind, Result};

/// The longest component, in bytes: `NAME_MAX` of Linux file systems (`limits.h`).
pub const MAX_COMPONENT_BYTES: usize = 255;
/// The longest path, in bytes: `PATH_MAX` of Linux (`limits.h`).
pub const MAX_PATH_BYTES: usize = 4096;
/// Names with this prefix belong to twinfs (staged files, leases) and are refused in paths.
pub const RESERVED_PREFIX: &str = ".twinfs-";

/// A validated path inside a store, relative to its root, without leading or trailing `/`.
///
/// The root itself is the empty path. Short paths are kept inline;
/// cloning a longer one costs an atomic increment. Paths order by their
/// bytes; listings by [`Entry::listing_cmp`](crate::Entry::listing_cmp).
///
/// ```
/// use twinfs::FsPath;
///
/// let path = FsPath::new("/reports/2026/a.csv")?;
/// assert_eq!(path.as_str(), "reports/2026/a.csv");
/// assert_eq!(path.name(), "a.csv");
/// assert!(FsPath::new("a/../b").is_err());
/// # Ok::<(), twinfs::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FsPath(SmolStr);

impl FsPath {
    /// Validates `text`. Leading and trailing slashes do not matter; bytes are not normalised.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPath`] for an empty, `.` or `..` component, NUL or another control
    /// character, the reserved prefix `.twinfs-`, a component over 255 bytes or more than 4096
    /// bytes in all. The message names the rule.
    pub fn new(text: &str) -> Result<Self> {
        let trimmed = text.trim_matches('/');
        match check(trimmed) {
            Ok(()) => Ok(Self(SmolStr::new(trimmed))),
            Err(rule) => Err(Error::new(ErrorKind::InvalidPath).with_raw_path(text).with_message(rule)),
        }
    }

    /// Validates raw bytes, as a directory or a protocol delivers them; they must be UTF-8.
    ///
    /// # Errors
    /// As [`FsPath::new`], and [`ErrorKind::InvalidPath`] where the bytes are not UTF-8.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::new(text),
            Err(_) => Err(Error::new(ErrorKind::InvalidPath)
                .with_raw_path(String::from_utf8_lossy(bytes))
                .with_message("a path must be UTF-8")),
        }
    }

    /// The root of the store.
    #[must_use]
    pub fn root() -> Self {
        Self(SmolStr::default())
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, without leading or trailing slash; empty for the root.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last component; empty for the root.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&*self.0, |(_, name)| name)
    }

    /// The directory this path stands in; `None` for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        Some(Self(SmolStr::new(self.parent_str())))
    }

    /// The text of the parent directory, without allocating; empty for the root and its children.
    #[must_use]
    pub fn parent_str(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(dir, _)| dir)
    }

    /// The components, from the root downwards.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// This path with `relative` below it.
    ///
    /// # Errors
    /// As [`FsPath::new`], for `relative` and for the length of the whole.
    pub fn join(&self, relative: &str) -> Result<Self> {
        if self.is_root() {
            return Self::new(relative);
        }
        let relative = relative.trim_matches('/');
        if relative.is_empty() {
            return Ok(self.clone());
        }
        Self::new(&format!("{}/{relative}", self.0))
    }

    /// The rest of this path below `base`: empty if they are equal, `None` if it is not below.
    #[must_use]
    pub fn strip_prefix(&self, base: &Self) -> Option<&str> {
        if base.is_root() {
            return Some(self.as_str());
        }
        let rest = self.0.strip_prefix(base.as_str())?;
        if rest.is_empty() {
            return Some(rest);
        }
        rest.strip_prefix('/')
    }

    /// The path of a name in a directory, whose text ends in `/` unless it is the root. Both were
    /// checked before: the directory as a path, the name by [`is_component`].
    pub(crate) fn child(dir: &str, name: &str) -> Self {
        debug_assert!(
            is_component(name.as_bytes()) && dir.len() + name.len() <= MAX_PATH_BYTES,
            "{dir:?} {name:?}"
        );
        Self(SmolStr::from_iter([dir, name]))
    }
}

/// The bytes by which a listing orders a path: a directory counts as its name and `/`, so that `a-b`
/// comes before `a/b`, as git and S3 order names.
pub(crate) fn listing_key(name: &str, is_dir: bool) -> impl Iterator<Item = u8> + '_ {
    name.bytes().chain(is_dir.then_some(b'/'))
}

/// Says which rule a trimmed path breaks.
fn check(path: &str) -> std::result::Result<(), &'static str> {
    if path.is_empty() {
        return Ok(());
    }
    if path.len() > MAX_PATH_BYTES {
        return Err("a path must not be longer than 4096 bytes");
    }
    // ASCII controls are single bytes in UTF-8, so the byte test is exact and fast; the C1
    // controls (U+0080 to U+009F) start with 0xC2 and need the look at characters.
    let suspicious = |byte: u8| byte < 0x20 || byte == 0x7f || byte == 0xc2;
    // Without an early end the compiler makes a few wide instructions of it.
    let any = path.bytes().fold(false, |any, byte| any | suspicious(byte));
    if any && path.chars().any(char::is_control) {
        return Err("a path must not contain NUL or another control character");
    }
    path.as_bytes().split(|&byte| byte == b'/').try_for_each(check_component)
}

/// Whether raw bytes, as a directory delivers them, can be a component of a path.
pub(crate) fn is_component(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| !name.is_empty() && !name.contains('/') && check(name).is_ok())
}

fn check_component(part: &[u8]) -> std::result::Result<(), &'static str> {
    match part {
        b"" => Err("a path must not contain an empty component ('//')"),
        b"." | b".." => Err("a path must not contain '.' or '..' components"),
        _ if part.len() > MAX_COMPONENT_BYTES => Err("a component must not be longer than 255 bytes"),
        _ if part.starts_with(RESERVED_PREFIX.as_bytes()) => {
            Err("names that start with '.twinfs-' are reserved")
        }
        _ => Ok(()),
    }
}

impl fmt::Display for FsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl AsRef<str> for FsPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for FsPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for FsPath {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

/// What a verb takes as a path: text, which is validated, or an [`FsPath`], which is taken as is.
pub trait IntoFsPath: Send {
    /// The validated path.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPath`], as [`FsPath::new`].
    fn into_fs_path(self) -> Result<FsPath>;
}

impl IntoFsPath for FsPath {
    fn into_fs_path(self) -> Result<FsPath> {
        Ok(self)
    }
}

impl IntoFsPath for &FsPath {
    fn into_fs_path(self) -> Result<FsPath> {
        Ok(self.clone())
    }
}

impl IntoFsPath for &str {
    fn into_fs_path(self) -> Result<FsPath> {
        FsPath::new(self)
    }
}

impl IntoFsPath for String {
    fn into_fs_path(self) -> Result<FsPath> {
        FsPath::new(&self)
    }
}

impl IntoFsPath for &String {
    fn into_fs_path(self) -> Result<FsPath> {
        FsPath::new(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_at_the_ends_do_not_matter() {
        for text in ["a/b", "/a/b", "a/b/", "//a/b//"] {
            assert_eq!(FsPath::new(text).unwrap().as_str(), "a/b");
        }
        assert!(FsPath::new("/").unwrap().is_root());
    }

    #[test]
    fn hostile_names_are_refused() {
        let long = "x".repeat(256);
        let deep = "x/".repeat(2100);
        for text in [
            "..",
            "a/..",
            "../a",
            "a/../b",
            ".",
            "a/./b",
            "a//b",
            "a\0b",
            "a\nb",
            "a\u{7f}",
            "a\u{85}b",
            ".twinfs-x",
            "a/.twinfs-staged/b",
            &long,
            &deep,
        ] {
            let error = FsPath::new(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidPath, "{text:?}");
        }
    }

    #[test]
    fn strip_prefix_respects_component_bounds() {
        let base = FsPath::new("in/dat").unwrap();
        assert_eq!(FsPath::new("in/data").unwrap().strip_prefix(&base), None);
        assert_eq!(FsPath::new("in/dat/x").unwrap().strip_prefix(&base), Some("x"));
    }
}
