//! The text of a system's verbs.

use std::fmt;

use super::pattern::Pattern;
use super::template::Template;
use crate::bulk::Item;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::logic::entries::PAGE;
use crate::logic::verbs;
use crate::path::FsPath;
use crate::store::{AsyncStore, Depth, EntryKind, ListOptions, Metadata, MoveOptions, StatOptions};

/// A file whose name matches.
pub(super) struct Found {
    pub(super) path: FsPath,
    pub(super) name: String,
}

/// The files whose names match, in the order of their paths.
pub(super) async fn find<S: AsyncStore>(store: &S, template: &Template, pattern: &str) -> Result<Vec<Found>> {
    let pattern = Pattern::new(pattern);
    if let Some(name) = pattern.exact() {
        return Ok(find_one(store, template, name).await?.into_iter().collect());
    }
    let mut found = Vec::new();
    let Some(directory) = template.directory_of(&pattern.literal()) else { return Ok(found) };
    let options = ListOptions { depth: Depth::Recursive, ..ListOptions::default() };
    let mut entries = match verbs::list(store, &directory, &options, Operation::List).await {
        Ok(entries) => entries,
        Err(error) if is_nothing(&error) => return Ok(found),
        Err(error) => return Err(error),
    };
    loop {
        let page = entries.next_page(PAGE).await?;
        if page.is_empty() {
            return Ok(found);
        }
        for entry in page {
            let named = template.name(entry.path.as_str()).filter(|name| pattern.matches(name));
            let Some(name) = named.map(str::to_owned) else { continue };
            if entry.kind == EntryKind::File
                || (entry.kind == EntryKind::Symlink && is_file(store, &entry.path).await?)
            {
                found.push(Found { path: entry.path, name });
            }
        }
    }
}

/// The file of one name, if it is there. What can be no name is no file.
async fn find_one<S: AsyncStore>(store: &S, template: &Template, name: String) -> Result<Option<Found>> {
    let Ok(path) = template.path(&name) else { return Ok(None) };
    // The name that a listing would give: slashes at the ends are none of it.
    let listed = template.name(path.as_str()).is_some_and(|own| own == name);
    Ok((listed && is_file(store, &path).await?).then_some(Found { path, name }))
}

fn is_nothing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Whether a file is there; a link that leads out of the store leads to nothing.
async fn is_file<S: AsyncStore>(store: &S, path: &FsPath) -> Result<bool> {
    match verbs::is_file(store, path).await {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(false),
        other => other,
    }
}

/// The first failure of a removal: a file that somebody else removed meanwhile is none.
pub(super) fn removed(items: Vec<Item<()>>) -> Result<()> {
    items
        .into_iter()
        .map(|item| item.result)
        .find(|result| result.as_ref().is_err_and(|error| !is_nothing(error)))
        .unwrap_or(Ok(()))
}

pub(super) async fn stat<S: AsyncStore>(store: &S, path: &FsPath) -> Result<Metadata> {
    let metadata = verbs::stat(store, path, &StatOptions::default()).await?;
    if metadata.is_dir() { Err(directory(Operation::Stat, path)) } else { Ok(metadata) }
}

pub(super) async fn exists<S: AsyncStore>(store: &S, path: &FsPath) -> Result<bool> {
    verbs::is_file(store, path).await
}

pub(super) async fn mv<S: AsyncStore>(store: &S, from: &FsPath, to: &FsPath) -> Result<()> {
    // A store would move a directory as well, and everything in it.
    if verbs::stat(store, from, &StatOptions::default()).await?.is_dir() {
        return Err(directory(Operation::Rename, from));
    }
    verbs::rename(store, from, to, &MoveOptions::default()).await
}

pub(super) async fn cp<S: AsyncStore>(store: &S, from: &FsPath, to: &FsPath) -> Result<()> {
    verbs::copy(store, from, to, &MoveOptions::default()).await.map(drop)
}

fn directory(operation: Operation, path: &FsPath) -> Error {
    Error::new(ErrorKind::IsADirectory).with_operation(operation).with_path(path)
}

/// How a file is opened; the names are those of Python's mode strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// `r`: read.
    #[default]
    Read,
    /// `r+`: read, and replace the content by what is written; after a seek, change it in place.
    Update,
    /// `w`: write a new content.
    Write,
}

impl std::str::FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "r" | "rb" => Ok(Self::Read),
            "r+" | "r+b" | "rb+" => Ok(Self::Update),
            "w" | "wb" => Ok(Self::Write),
            _ => Err(Error::new(ErrorKind::InvalidInput).with_operation(Operation::Open).with_message(
                format!("mode is one of r, r+, w, with or without b, not '{}'", text.escape_debug()),
            )),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "r",
            Self::Update => "r+",
            Self::Write => "w",
        })
    }
}
