//! Listings: each page is taken under the lock from where the last one ended, so a listing holds
//! one page and one name, and changes in between are no matter.

use std::ops::Bound;
use std::sync::Arc;

use super::Shared;
use super::tree::{Node, Tree};
use crate::error::Result;
use crate::fork::{self, Section};
use crate::path::FsPath;
use crate::store::{BlockingLister, Depth, Entry, ListOptions};

/// The most entries taken under the lock at once, so that a page of a million names does not keep
/// writers waiting.
const MAX_PAGE: usize = 1024;

pub(super) fn list(
    shared: &Arc<Shared>,
    path: &FsPath,
    options: &ListOptions,
) -> Result<Box<dyn BlockingLister>> {
    let section = fork::section();
    let tree = shared.tree(&section);
    let start_after = options.start_after.as_deref();
    if let node @ Node::File(_) = tree.get(path)? {
        let is_after = start_after.is_none_or(|after| path.as_str() > after);
        let entry = is_after.then(|| entry_of(path, node, options.metadata, &section));
        return Ok(Box::new(OneFile(entry)));
    }
    let first = if path.is_root() { String::new() } else { format!("{path}/") };
    let next = start_after.filter(|after| *after > first.as_str()).map_or(first, str::to_owned);
    Ok(Box::new(Below {
        shared: Arc::clone(shared),
        dir: path.clone(),
        depth: options.depth,
        metadata: options.metadata,
        after: Some(next),
    }))
}

fn entry_of(path: &FsPath, node: &Node, metadata: bool, section: &Section) -> Entry {
    let metadata = metadata.then(|| node.metadata(section, false));
    Entry { metadata, ..Entry::new(path.clone(), node.kind()) }
}

/// The listing of a file: that file.
struct OneFile(Option<Entry>);

impl BlockingLister for OneFile {
    fn next_page(&mut self, _max: usize) -> Result<Vec<Entry>> {
        Ok(self.0.take().into_iter().collect())
    }
}

/// The listing of a directory.
struct Below {
    shared: Arc<Shared>,
    dir: FsPath,
    depth: Depth,
    metadata: bool,
    /// The place in listing order after which the next page starts; `None` at the end.
    after: Option<String>,
}

impl BlockingLister for Below {
    fn next_page(&mut self, max: usize) -> Result<Vec<Entry>> {
        let section = fork::section();
        let shared = Arc::clone(&self.shared);
        let tree = shared.tree(&section);
        let mut page = Vec::new();
        self.fill(&tree, max.clamp(1, MAX_PAGE), &section, &mut page);
        Ok(page)
    }
}

impl Below {
    fn fill(&mut self, tree: &Tree, max: usize, section: &Section, page: &mut Vec<Entry>) {
        let Some(after) = self.after.take() else { return };
        let mut start = Bound::Excluded(after);
        loop {
            let Some(skip) = self.fill_from(tree, start, max, section, page) else { return };
            start = Bound::Included(skip);
        }
    }

    /// Fills the page from a place on. `Some`: go on from that place, past what lies deeper.
    fn fill_from(
        &mut self,
        tree: &Tree,
        start: Bound<String>,
        max: usize,
        section: &Section,
        page: &mut Vec<Entry>,
    ) -> Option<String> {
        for key in tree.names_from(start.as_ref().map(String::as_str)) {
            let rest = key.path.strip_prefix(&self.dir)?;
            if self.depth == Depth::Children
                && let Some((child, _)) = rest.split_once('/')
            {
                // '0' is the byte after '/': the first place that is not below that child.
                let slash = if self.dir.is_root() { "" } else { "/" };
                return Some(format!("{}{slash}{child}0", self.dir));
            }
            let Some(node) = tree.find(&key.path) else { continue };
            page.push(entry_of(&key.path, node, self.metadata, section));
            if page.len() == max {
                self.after = Some(if key.is_dir { format!("{}/", key.path) } else { key.path.to_string() });
                return None;
            }
        }
        None
    }
}
