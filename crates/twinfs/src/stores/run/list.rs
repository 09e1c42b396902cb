//! Listings: the server's, which has files only, with the directories they are in.

use super::wire::{FileInfo, Listing};
use super::{Place, RunStore};
use crate::error::{ErrorKind, Result};
use crate::path::FsPath;
use crate::store::{AsyncLister, Depth, Entry, EntryKind, ListOptions, Metadata};

/// A listing of a run.
pub struct RunLister(std::vec::IntoIter<Entry>);

crate::opaque::opaque_debug! {
    impl[] RunLister, "RunLister";
}

impl RunLister {
    pub(super) async fn start(store: &RunStore, path: &FsPath, options: &ListOptions) -> Result<Self> {
        let mut entries = match store.readable(path)? {
            Place::Run => {
                let mut entries = Vec::new();
                for name in ["in", "out"] {
                    let folder = FsPath::new(name)?;
                    entries.push(directory(folder.clone(), options));
                    if options.depth == Depth::Recursive
                        && let Listing::Directory(files) = store.wire.list(&folder).await?
                    {
                        entries.extend(below(files, store, &folder, options)?);
                    }
                }
                entries
            }
            Place::Folder(full) | Place::Below(full) => match store.wire.list(&full).await {
                Ok(Listing::Directory(files)) => below(files, store, path, options)?,
                Ok(Listing::File(head)) => {
                    let mut metadata = head.metadata();
                    metadata.version = None;
                    vec![entry(path.clone(), metadata, options)]
                }
                Err(error) if error.kind() == ErrorKind::NotFound && path.is_root() => Vec::new(),
                Err(error) => return Err(error),
            },
        };
        if let Some(start) = &options.start_after {
            entries.retain(|entry| is_after(entry, start));
        }
        Ok(Self(entries.into_iter()))
    }
}

impl AsyncLister for RunLister {
    async fn next_page(&mut self, max: usize) -> Result<Vec<Entry>> {
        Ok(self.0.by_ref().take(max).collect())
    }
}

fn is_after(entry: &Entry, start: &str) -> bool {
    crate::path::listing_key(entry.path.as_str(), entry.is_dir()).gt(start.bytes())
}

fn entry(path: FsPath, metadata: Metadata, options: &ListOptions) -> Entry {
    Entry { metadata: options.metadata.then(|| metadata.clone()), ..Entry::new(path, metadata.kind) }
}

fn directory(path: FsPath, options: &ListOptions) -> Entry {
    entry(path, Metadata::new(EntryKind::Directory, 0), options)
}

/// The entries below a directory: the files, and each directory before the first file in it. In the
/// order of listings that is where it belongs: all that starts with its name and `/` follows.
fn below(files: Vec<FileInfo>, store: &RunStore, path: &FsPath, options: &ListOptions) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::with_capacity(files.len());
    let mut last: Option<FsPath> = None;
    for file in files {
        // A name that no path can have is not this store's to show.
        let Ok(full) = FsPath::new(&file.path) else { continue };
        let Some(relative) = full.strip_prefix(&store.root) else { continue };
        let file_path = FsPath::new(relative)?;
        let Some(names) = file_path.strip_prefix(path).filter(|names| !names.is_empty()) else { continue };
        let slashes =
            names.match_indices('/').map(|(slash, _)| file_path.as_str().len() - names.len() + slash);
        for slash in slashes {
            let name = file_path.as_str().get(..slash).unwrap_or_default();
            if last.as_ref().is_none_or(|last| !is_at_or_below(last, name)) {
                entries.push(directory(FsPath::new(name)?, options));
            }
            if options.depth == Depth::Children {
                break;
            }
        }
        if options.depth == Depth::Recursive || !names.contains('/') {
            let metadata =
                Metadata { modified: file.modified(), ..Metadata::new(EntryKind::File, file.size) };
            entries.push(entry(file_path.clone(), metadata, options));
        }
        last = Some(file_path);
    }
    Ok(entries)
}

/// Whether a path is this directory or in it.
fn is_at_or_below(path: &FsPath, directory: &str) -> bool {
    path.as_str().strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[&str], path: &str, depth: Depth) -> Vec<String> {
        let store =
            RunStore::new("run", "http://127.0.0.1:1", "").unwrap().below(FsPath::new("out").unwrap());
        let files =
            files.iter().map(|name| FileInfo { path: format!("out/{name}"), size: 1, last_modified: 1.5 });
        let options = ListOptions { depth, ..ListOptions::default() };
        let entries = below(files.collect(), &store, &FsPath::new(path).unwrap(), &options).unwrap();
        let shown = |entry: &Entry| format!("{}{}", entry.path, if entry.is_dir() { "/" } else { "" });
        entries.iter().map(shown).collect()
    }

    #[test]
    fn directories_come_before_what_is_in_them() {
        let files = ["a-b", "a/b", "a/c/d/e", "a/c/f", "a0", "b/c"];
        assert_eq!(names(&files, "", Depth::Children), ["a-b", "a/", "a0", "b/"]);
        assert_eq!(
            names(&files, "", Depth::Recursive),
            ["a-b", "a/", "a/b", "a/c/", "a/c/d/", "a/c/d/e", "a/c/f", "a0", "b/", "b/c"]
        );
        assert_eq!(names(&files[1..4], "a", Depth::Children), ["a/b", "a/c/"]);
        assert_eq!(names(&files[2..4], "a/c", Depth::Recursive), ["a/c/d/", "a/c/d/e", "a/c/f"]);
    }
}
