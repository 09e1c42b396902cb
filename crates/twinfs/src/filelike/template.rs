//! How names become paths and paths names.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::path::FsPath;

/// What stands for the name.
const HOLE: &str = "{}";

/// Where the files of a system are: a path in which `{}` stands for the name.
///
/// Names may have directories. Whatever a name is, its file lies below the store's root, and its path
/// begins and ends as the template does.
///
/// ```
/// use twinfs::filelike::Template;
///
/// let template = Template::new("reports/{}.csv")?;
/// assert_eq!(template.path("2026/may")?.as_str(), "reports/2026/may.csv");
/// assert_eq!(template.name("reports/2026/may.csv"), Some("2026/may"));
/// assert_eq!(template.name("notes/may.csv"), None);
/// assert!(template.path("../secret").is_err());
/// # Ok::<(), twinfs::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Template {
    text: Arc<str>,
    prefix: Arc<str>,
    suffix: Arc<str>,
}

impl Template {
    /// A template from text with one `{}` in it.
    ///
    /// # Errors
    /// `InvalidInput` for none or several; `InvalidPath` for what no path can hold.
    pub fn new(text: &str) -> Result<Self> {
        let (prefix, suffix) = split(text)?;
        let template = Self {
            text: text.into(),
            // As of every path, slashes at the ends do not matter.
            prefix: prefix.trim_start_matches('/').into(),
            suffix: suffix.trim_end_matches('/').into(),
        };
        template.path("name")?;
        Ok(template)
    }

    /// Takes a template on the local disk apart: the nearest directory that is there, and the rest as a
    /// template inside it. A relative one begins in the current directory.
    ///
    /// That directory is the root of the store: what is missing below it is made with the first file, and
    /// nothing above it is reached.
    ///
    /// # Errors
    /// As [`new`](Self::new), and `Io` where the current directory is gone.
    ///
    /// ```
    /// use twinfs::filelike::Template;
    ///
    /// # let dir = tempfile::tempdir().unwrap();
    /// let text = format!("{}/new/{{}}.csv", dir.path().display());
    /// let (root, template) = Template::on_disk(&text)?;
    /// assert_eq!((root.as_path(), template.as_str()), (dir.path(), "new/{}.csv"));
    /// # Ok::<(), twinfs::Error>(())
    /// ```
    pub fn on_disk(text: &str) -> Result<(PathBuf, Self)> {
        let (prefix, suffix) = split(text)?;
        let (directory, start) = match prefix.rsplit_once('/') {
            Some(("", start)) => ("/", start),
            Some((directory, start)) => (directory, start),
            None => (".", prefix),
        };
        let directory = std::path::absolute(directory)
            .map_err(|error| Error::from_io(error).with_operation(Operation::Connect).with_raw_path(text))?;
        let mut root: &Path = &directory;
        while !root.is_dir() {
            root = root.parent().unwrap_or(Path::new("/"));
        }
        let missing = directory.strip_prefix(root).unwrap_or(Path::new(""));
        let Some(missing) = missing.to_str() else {
            return Err(Error::new(ErrorKind::InvalidPath)
                .with_raw_path(text)
                .with_message("a path must be UTF-8"));
        };
        let slash = if missing.is_empty() { "" } else { "/" };
        let inside = Self::new(&format!("{missing}{slash}{start}{HOLE}{suffix}"))?;
        Ok((root.to_owned(), inside))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path of a name.
    ///
    /// # Errors
    /// `InvalidPath` for an empty name, and as [`FsPath::new`].
    pub fn path(&self, name: &str) -> Result<FsPath> {
        // Slashes at the ends of a name do not matter where they would meet another one.
        let at_start = self.prefix.is_empty() || self.prefix.ends_with('/');
        let trimmed = if at_start { name.trim_start_matches('/') } else { name };
        let path = FsPath::new(&[&*self.prefix, trimmed, &*self.suffix].concat())?;
        match self.name(path.as_str()) {
            Some(_) if !path.is_root() => Ok(path),
            _ => Err(Error::new(ErrorKind::InvalidPath).with_raw_path(name).with_message("a name is empty")),
        }
    }

    /// The name of a path; `None` for a path that is not one of this template.
    #[must_use]
    pub fn name<'path>(&self, path: &'path str) -> Option<&'path str> {
        path.strip_prefix(&*self.prefix)?.strip_suffix(&*self.suffix)
    }

    /// The directory in which everything lies whose name begins so; `None` if nothing can lie there.
    pub(super) fn directory_of(&self, start: &str) -> Option<FsPath> {
        let path = [&*self.prefix, start].concat();
        FsPath::new(path.rsplit_once('/').map_or("", |(directory, _)| directory)).ok()
    }
}

/// What stands before and behind the name.
fn split(text: &str) -> Result<(&str, &str)> {
    text.split_once(HOLE).filter(|(_, suffix)| !suffix.contains(HOLE)).ok_or_else(|| {
        Error::new(ErrorKind::InvalidInput)
            .with_operation(Operation::Connect)
            .with_message(format!("a template has one '{{}}' for the name, not '{}'", text.escape_debug()))
    })
}

impl Default for Template {
    /// The name is the path.
    fn default() -> Self {
        Self { text: HOLE.into(), prefix: "".into(), suffix: "".into() }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl FromStr for Template {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_below_its_template() {
        let template = Template::new("/data/{}").unwrap();
        assert_eq!(template.path("/a/b/").unwrap().as_str(), "data/a/b");
        for name in ["", "/", "..", "../x", "a/../../x", "a//b", "."] {
            assert_eq!(template.path(name).unwrap_err().kind(), ErrorKind::InvalidPath, "{name}");
        }
        for name in ["", "/"] {
            assert!(Template::default().path(name).is_err(), "{name}");
        }
        // What is no component of its own cannot lead upwards.
        let start = Template::new("data/a{}z").unwrap();
        assert_eq!(start.path("..").unwrap().as_str(), "data/a..z");
        assert_eq!(start.path("").unwrap().as_str(), "data/az");
    }

    #[test]
    fn every_path_of_a_template_has_the_name_it_was_made_from() {
        for text in ["{}", "/{}", "a/{}", "a/b{}", "a/{}.x", "{}/x", "a{}/"] {
            let template = Template::new(text).unwrap();
            for name in ["n", "n/m", "n.x", "ä b"] {
                let path = template.path(name).unwrap();
                assert_eq!(template.name(path.as_str()), Some(name), "{text}");
            }
        }
    }

    #[test]
    fn a_template_without_one_hole_is_refused() {
        for text in ["", "a", "{}{}", "a/{}/{}"] {
            assert_eq!(Template::new(text).unwrap_err().kind(), ErrorKind::InvalidInput, "{text}");
            assert!(Template::on_disk(text).is_err(), "{text}");
        }
        assert_eq!(Template::new("../{}").unwrap_err().kind(), ErrorKind::InvalidPath);
    }
}
