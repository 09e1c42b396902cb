//! From what a user types to a store and a path in it.
//!
//! A location is split into a root, which is opened as a store, and the path inside it. The root of
//! a plain path is its parent (where that is missing, the nearest directory above that is there); of
//! `memory://NAME/path` it is `memory://NAME`, of `run+http://HOST:PORT/FID/path` the run. Nothing a
//! command does reaches outside the root.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use twinfs::{Error, ErrorKind, FsPath, Location};

use crate::output::{Failure, Result};

/// What a location argument means.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// `-`: standard input or output.
    Standard,
    /// A place in a store.
    Place(Place),
}

/// A place in a store.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// As the user typed it.
    pub(crate) text: String,
    /// What is opened.
    pub(crate) root: Root,
    /// The path inside.
    pub(crate) path: FsPath,
    /// Whether it ended in `/`, and so means a directory.
    pub(crate) slash: bool,
}

/// What is opened as a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    /// A directory of this machine, absolute.
    Local(PathBuf),
    /// A URL without the path inside.
    Url { scheme: String, url: String },
}

/// What a URL path must escape, where it is percent-decoded.
const ESCAPED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'`');

impl Target {
    pub(crate) fn parse(text: &OsStr) -> Result<Self> {
        if text == "-" { Ok(Self::Standard) } else { Place::parse(text).map(Self::Place) }
    }

    /// The place, for commands that need one.
    pub(crate) fn place(self) -> Result<Place> {
        match self {
            Self::Place(place) => Ok(place),
            Self::Standard => {
                Err(Failure::usage("'-' makes no sense here; a file of that name is './-'").into())
            }
        }
    }
}

/// All locations of a command.
pub(crate) fn places(texts: &[OsString]) -> Result<Vec<Place>> {
    texts.iter().map(|text| Target::parse(text)?.place()).collect()
}

impl Place {
    pub(crate) fn parse(text: &OsStr) -> Result<Self> {
        let Some(typed) = text.to_str() else {
            let error = Error::new(ErrorKind::InvalidPath).with_message("a path must be UTF-8");
            return Err(Failure::new(text.to_string_lossy(), error).into());
        };
        Self::split(typed).map_err(|error| Failure::new(typed, error).into())
    }

    fn split(text: &str) -> twinfs::Result<Self> {
        let location = Location::parse(text)?;
        let slash = location.path.ends_with('/');
        let (root, path) = if location.scheme != "file" {
            split_url(text, &location)?
        } else if matches!(location.authority.as_str(), "" | "localhost") && location.query.is_empty() {
            let path = if location.path.is_empty() { "/" } else { &location.path };
            split_plain(Path::new(path))?
        } else {
            let message = "a file URL is file:///dir/file, without host and options";
            return Err(Error::new(ErrorKind::InvalidInput).with_message(message));
        };
        Ok(Self { text: text.to_owned(), root, path, slash })
    }

    /// A path of the same store as a user would type it.
    pub(crate) fn show(&self, path: &FsPath) -> String {
        match (path.strip_prefix(&self.path), &self.root) {
            (Some(""), _) => self.text.clone(),
            (Some(below), root) => {
                let below = if root.is_encoded() {
                    utf8_percent_encode(below, ESCAPED).to_string()
                } else {
                    below.to_owned()
                };
                // The options of a URL are those of its store: names go before them.
                let (place, options) = match (root, self.text.split_once('?')) {
                    (Root::Url { .. }, Some((place, options))) => (place, format!("?{options}")),
                    _ => (self.text.as_str(), String::new()),
                };
                format!("{}/{below}{options}", place.trim_end_matches('/'))
            }
            (None, Root::Local(root)) => root.join(path.as_str()).to_string_lossy().into_owned(),
            (None, Root::Url { .. }) => path.to_string(),
        }
    }

    /// Whether copies go into this place, not to it.
    pub(crate) fn is_directory_by_name(&self) -> bool {
        // A run has its two folders before anything is in them.
        self.slash
            || self.path.is_root()
            || (self.root.is_run() && matches!(self.path.as_str(), "in" | "out"))
    }

    /// Whether a path of another place is this place or lies in it, whatever links lead there.
    pub(crate) fn holds(&self, other: &Self, path: &FsPath) -> bool {
        match (&self.root, &other.root) {
            (Root::Local(here), Root::Local(there)) => {
                let here = resolved(&here.join(self.path.as_str()));
                resolved(&there.join(path.as_str())).starts_with(here)
            }
            (here, there) => here == there && path.strip_prefix(&self.path).is_some(),
        }
    }

    /// The same place below the nearest directory above both, if both are on one disk: there a
    /// rename can do what otherwise takes a copy.
    pub(crate) fn on_one_disk(&self, other: &Self) -> Option<(Self, Self)> {
        let (Root::Local(here), Root::Local(there)) = (&self.root, &other.root) else { return None };
        let (here, there) = (here.canonicalize().ok()?, there.canonicalize().ok()?);
        if here.metadata().ok()?.dev() != there.metadata().ok()?.dev() {
            return None;
        }
        let shared = here.components().zip(there.components()).take_while(|(one, two)| one == two);
        let shared: PathBuf = shared.map(|(one, _)| one).collect();
        let below = |place: &Self, root: &Path| {
            let path = FsPath::new(root.strip_prefix(&shared).ok()?.to_str()?).ok()?;
            let path = path.join(place.path.as_str()).ok()?;
            Some(Self { root: Root::Local(shared.clone()), path, ..place.clone() })
        };
        Some((below(self, &here)?, below(other, &there)?))
    }
}

impl Root {
    /// Whether its paths are percent-decoded.
    fn is_encoded(&self) -> bool {
        matches!(self, Self::Url { scheme, .. } if scheme.ends_with("http") || scheme.ends_with("https"))
    }

    /// Whether it is a run of a run server.
    pub(crate) fn is_run(&self) -> bool {
        matches!(self, Self::Url { scheme, .. } if scheme.starts_with("run+"))
    }
}

fn split_plain(path: &Path) -> twinfs::Result<(Root, FsPath)> {
    let absolute = std::path::absolute(path).map_err(Error::from_io)?;
    // `.`, `/` and what ends in `..` have no name of their own: they are the root.
    let mut root = absolute.as_path();
    let mut inside = Vec::new();
    while let (Some(Component::Normal(_)), Some(name), Some(parent)) =
        (root.components().next_back(), root.file_name(), root.parent())
    {
        if (inside.len() == 1 && root.is_dir()) || (inside.len() > 1 && root.exists()) {
            break;
        }
        if inside.is_empty() && matches!(path.components().next_back(), Some(Component::CurDir)) {
            break;
        }
        inside.push(name.to_str().ok_or_else(not_utf8)?);
        root = parent;
    }
    inside.reverse();
    Ok((Root::Local(root.to_owned()), FsPath::new(&inside.join("/"))?))
}

/// A path without links, as far as it is there.
fn resolved(path: &Path) -> PathBuf {
    path.ancestors()
        .find_map(|above| Some(above.canonicalize().ok()?.join(path.strip_prefix(above).ok()?)))
        .unwrap_or_else(|| path.to_owned())
}

fn not_utf8() -> Error {
    Error::new(ErrorKind::InvalidPath).with_message("a path must be UTF-8")
}

fn split_url(text: &str, location: &Location) -> twinfs::Result<(Root, FsPath)> {
    let (place, query) = match text.split_once('?') {
        Some((place, query)) => (place, format!("?{query}")),
        None => (text, String::new()),
    };
    let start = place.find("://").map_or(0, |at| at + 3);
    let authority_end =
        place.get(start..).and_then(|rest| rest.find('/')).map_or(place.len(), |at| start + at);
    let (base, rest) = place.split_at(authority_end);
    let rest = rest.trim_start_matches('/');
    // The first name of the path belongs to the root: the run, or the number of a database.
    let named = matches!(location.scheme.as_str(), "run+http" | "run+https" | "redis" | "rediss");
    let (name, rest) = if named { rest.split_once('/').unwrap_or((rest, "")) } else { ("", rest) };
    let url = if named { format!("{base}/{name}{query}") } else { format!("{base}{query}") };
    let root = Root::Url { scheme: location.scheme.clone(), url };
    let rest = if root.is_encoded() {
        Location::parse(&format!("http://host/{rest}"))?.path
    } else {
        rest.to_owned()
    };
    Ok((root, FsPath::new(&rest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> (Root, String) {
        let place = Place::split(text).unwrap();
        (place.root, place.path.to_string())
    }

    fn url(scheme: &str, url: &str) -> Root {
        Root::Url { scheme: scheme.into(), url: url.into() }
    }

    #[test]
    fn urls_are_split_where_the_store_begins() {
        assert_eq!(split("memory://n/a/b"), (url("memory", "memory://n"), "a/b".into()));
        assert_eq!(split("memory://n?max_bytes=1"), (url("memory", "memory://n?max_bytes=1"), String::new()));
        let run = || url("run+http", "run+http://h:1/FID");
        assert_eq!(split("run+http://h:1/FID/in/a%20b"), (run(), "in/a b".into()));
        assert_eq!(split("run+http://h:1/FID/"), (run(), String::new()));
        assert_eq!(split("run+http://h:1/FID"), (run(), String::new()));
    }

    #[test]
    fn plain_paths_are_split_at_their_parent() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let local = || Root::Local(folder.path().to_owned());
        std::fs::create_dir(folder.path().join("there")).unwrap();
        assert_eq!(split(&format!("{root}/a?b%20")), (local(), "a?b%20".into()));
        assert_eq!(split(&format!("{root}/there")), (local(), "there".into()));
        assert_eq!(split(&format!("{root}/not/there/yet")), (local(), "not/there/yet".into()));
        assert_eq!(split(&format!("file://{root}/a")), (local(), "a".into()));
        assert_eq!(split("/"), (Root::Local("/".into()), String::new()));
        let here = Root::Local(std::env::current_dir().unwrap());
        assert_eq!(split("."), (here, String::new()));
    }

    #[test]
    fn hostile_names_are_refused() {
        for text in
            ["memory://n/../x", "memory://n/a//b", "run+http://h/FID/in/%2e%2e/x", "", "/tmp/.twinfs-x"]
        {
            assert!(Place::split(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_are_shown_as_they_can_be_typed() {
        let show = |text: &str, below: &str| {
            let place = Place::split(text).unwrap();
            place.show(&place.path.join(below).unwrap())
        };
        assert_eq!(show("memory://n/a", "b c"), "memory://n/a/b c");
        assert_eq!(show("run+http://h/F/in/", "b c#%"), "run+http://h/F/in/b%20c%23%25");
        assert_eq!(show("memory://n?max_bytes=9", "b"), "memory://n/b?max_bytes=9");
        assert_eq!(show("./dir", "x"), "./dir/x");
    }
}
