//! The tree: names, what stands at them, and their order. Nothing here locks.

use std::collections::{BTreeSet, HashMap, HashSet, btree_set};
use std::ops::Bound;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
// Names may come from strangers: the hash is keyed at random.
use foldhash::quality::RandomState;

use super::content::{Charge, Live};
use super::order::{Key, Listed, Place};
use super::stage::Upload;
use crate::error::{Error, ErrorKind, Result};
use crate::fork::Section;
use crate::path::FsPath;
use crate::store::{Condition, EntryKind, Metadata, Parents, StagedId, Version};

/// What stands at a path.
pub(super) enum Node {
    Dir(Dir),
    File(Content),
}

pub(super) struct Dir {
    modified: SystemTime,
}

/// A file: whole, or one that was written in place.
pub(super) enum Content {
    Plain(Plain),
    Live(Arc<Live>),
}

pub(super) struct Plain {
    pub(super) bytes: Bytes,
    pub(super) modified: SystemTime,
    pub(super) version: u64,
    /// Gives the room back when it is dropped.
    pub(super) charge: Charge,
}

/// The text of a version.
pub(super) fn version_text(number: u64) -> Version {
    Version::new(format!("{number:016x}"))
}

impl Content {
    pub(super) fn version(&self, section: &Section) -> u64 {
        match self {
            Self::Plain(plain) => plain.version,
            Self::Live(live) => live.state(section).version,
        }
    }

    pub(super) fn has_version(&self, version: &Version, section: &Section) -> bool {
        version_text(self.version(section)) == *version
    }

    fn set_version(&mut self, version: u64, section: &Section) {
        match self {
            Self::Plain(plain) => plain.version = version,
            Self::Live(live) => live.state_mut(section).version = version,
        }
    }

    pub(super) fn metadata(&self, section: &Section, with_version: bool) -> Metadata {
        let (len, modified, version) = match self {
            Self::Plain(plain) => (plain.bytes.len() as u64, plain.modified, plain.version),
            Self::Live(live) => {
                let state = live.state(section);
                (state.buffer.len(), state.modified, state.version)
            }
        };
        Metadata {
            modified: Some(modified),
            version: with_version.then(|| version_text(version)),
            ..Metadata::new(EntryKind::File, len)
        }
    }
}

impl Node {
    pub(super) fn kind(&self) -> EntryKind {
        match self {
            Self::Dir(_) => EntryKind::Directory,
            Self::File(_) => EntryKind::File,
        }
    }

    fn is_dir(&self) -> bool {
        matches!(self, Self::Dir(_))
    }

    pub(super) fn metadata(&self, section: &Section, with_version: bool) -> Metadata {
        match self {
            Self::Dir(dir) => {
                Metadata { modified: Some(dir.modified), ..Metadata::new(EntryKind::Directory, 0) }
            }
            Self::File(content) => content.metadata(section, with_version),
        }
    }
}

/// All names of a store. The map answers for one name; the set keeps them in listing order.
pub(super) struct Tree {
    nodes: HashMap<FsPath, Node, RandomState>,
    order: BTreeSet<Key>,
    /// Paths that an open writer holds.
    pub(super) leases: HashSet<FsPath, RandomState>,
    pub(super) uploads: HashMap<StagedId, Arc<Upload>, RandomState>,
}

/// What a verb took out of the tree; dropped by the caller after the lock.
pub(super) type Removed = Vec<Node>;

impl Tree {
    pub(super) fn new() -> Self {
        let mut nodes = HashMap::default();
        nodes.insert(FsPath::root(), Node::Dir(Dir { modified: SystemTime::now() }));
        Self { nodes, order: BTreeSet::new(), leases: HashSet::default(), uploads: HashMap::default() }
    }

    pub(super) fn find(&self, path: &FsPath) -> Option<&Node> {
        self.nodes.get(path)
    }

    pub(super) fn get(&self, path: &FsPath) -> Result<&Node> {
        self.nodes.get(path).ok_or_else(|| self.missing(path))
    }

    pub(super) fn file(&self, path: &FsPath) -> Result<&Content> {
        match self.get(path)? {
            Node::File(content) => Ok(content),
            Node::Dir(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    /// Why nothing is at a path: `NotADirectory` below a file, else `NotFound`.
    fn missing(&self, path: &FsPath) -> Error {
        match self.nearest(path) {
            Some(Node::File(_)) => ErrorKind::NotADirectory.into(),
            _ => ErrorKind::NotFound.into(),
        }
    }

    /// The nearest thing above a path that exists.
    fn nearest(&self, path: &FsPath) -> Option<&Node> {
        ancestors(path.as_str()).find_map(|above| self.nodes.get(above))
    }

    /// Whether a name can be made at a path where nothing is.
    pub(super) fn check_parent(&self, path: &FsPath, parents: Parents) -> Result<()> {
        let nearest = match parents {
            Parents::Create => self.nearest(path),
            Parents::Require => match self.nodes.get(path.parent_str()) {
                None => return Err(self.missing(path).with_message("the directory above is missing")),
                found => found,
            },
        };
        match nearest {
            Some(Node::File(_)) => Err(ErrorKind::NotADirectory.into()),
            _ => Ok(()),
        }
    }

    /// Whether a file can be put at a path.
    pub(super) fn check_put(
        &self,
        path: &FsPath,
        condition: &Condition,
        parents: Parents,
        section: &Section,
    ) -> Result<()> {
        match (self.nodes.get(path), condition) {
            (Some(_), Condition::IfAbsent) => Err(ErrorKind::ConditionFailed.into()),
            (Some(Node::Dir(_)), _) => Err(ErrorKind::IsADirectory.into()),
            (Some(Node::File(content)), Condition::IfVersion(version))
                if !content.has_version(version, section) =>
            {
                Err(ErrorKind::ConditionFailed.into())
            }
            (Some(Node::File(_)), _) => Ok(()),
            (None, Condition::IfVersion(_)) => match self.nearest(path) {
                Some(Node::File(_)) => Err(ErrorKind::NotADirectory.into()),
                _ => Err(ErrorKind::ConditionFailed.into()),
            },
            (None, _) => self.check_parent(path, parents),
        }
    }

    /// Puts a file at a path that [`check_put`](Self::check_put) allowed, and makes what is
    /// missing above it.
    pub(super) fn put(&mut self, path: &FsPath, content: Content) -> Option<Node> {
        if let Some(node) = self.nodes.get_mut(path) {
            return Some(std::mem::replace(node, Node::File(content)));
        }
        self.insert(path, Node::File(content));
        None
    }

    /// Inserts a new name and what is missing above it.
    fn insert(&mut self, path: &FsPath, node: Node) {
        let now = SystemTime::now();
        let mut above = path.parent();
        while let Some(dir) = above {
            if let Some(node) = self.nodes.get_mut(&dir) {
                if let Node::Dir(dir) = node {
                    dir.modified = now;
                }
                break;
            }
            above = dir.parent();
            self.order.insert(Key { path: dir.clone(), is_dir: true });
            self.nodes.insert(dir, Node::Dir(Dir { modified: now }));
        }
        self.order.insert(Key { path: path.clone(), is_dir: node.is_dir() });
        self.nodes.insert(path.clone(), node);
    }

    fn take(&mut self, path: &FsPath) -> Option<Node> {
        let node = self.nodes.remove(path)?;
        self.order.remove(&Key { path: path.clone(), is_dir: node.is_dir() });
        self.touch(path.parent_str());
        Some(node)
    }

    fn touch(&mut self, dir: &str) {
        if let Some(Node::Dir(dir)) = self.nodes.get_mut(dir) {
            dir.modified = SystemTime::now();
        }
    }

    /// The names from a place on, in listing order.
    pub(super) fn names_from<'a>(&'a self, start: Bound<&str>) -> btree_set::Range<'a, Key> {
        let (text, inclusive) = match start {
            Bound::Included(text) => (text, true),
            Bound::Excluded(text) => (text, false),
            Bound::Unbounded => ("", true),
        };
        let place = Place(text);
        let place: &dyn Listed = &place;
        let start = if inclusive { Bound::Included(place) } else { Bound::Excluded(place) };
        self.order.range::<dyn Listed, _>((start, Bound::Unbounded))
    }

    /// Everything below a directory, in listing order.
    pub(super) fn below<'a>(&'a self, dir: &'a FsPath) -> impl Iterator<Item = &'a Key> {
        let start = if dir.is_root() { String::new() } else { format!("{dir}/") };
        self.names_from(Bound::Excluded(&start)).take_while(|key| key.path.strip_prefix(dir).is_some())
    }

    fn has_children(&self, dir: &FsPath) -> bool {
        self.below(dir).next().is_some()
    }

    pub(super) fn create_dir(&mut self, path: &FsPath, parents: Parents, keep_existing: bool) -> Result<()> {
        match self.nodes.get(path) {
            Some(Node::Dir(_)) if keep_existing => return Ok(()),
            Some(_) => return Err(ErrorKind::AlreadyExists.into()),
            None => self.check_parent(path, parents)?,
        }
        self.insert(path, Node::Dir(Dir { modified: SystemTime::now() }));
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &FsPath) -> Result<Option<Node>> {
        self.file(path)?;
        Ok(self.take(path))
    }

    pub(super) fn remove_dir(&mut self, path: &FsPath) -> Result<()> {
        if path.is_root() {
            return Err(Error::new(ErrorKind::InvalidInput).with_message("the root cannot be removed"));
        }
        match self.get(path)? {
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
            Node::Dir(_) if self.has_children(path) => Err(ErrorKind::NotEmpty.into()),
            Node::Dir(_) => {
                self.take(path);
                Ok(())
            }
        }
    }

    pub(super) fn remove_all(&mut self, path: &FsPath) -> Result<Removed> {
        self.get(path)?;
        let keys: Vec<Key> = self.below(path).cloned().collect();
        let mut removed: Removed = keys
            .iter()
            .filter_map(|key| {
                self.order.remove(key);
                self.nodes.remove(&key.path)
            })
            .collect();
        if path.is_root() {
            self.touch("");
        } else {
            removed.extend(self.take(path));
        }
        Ok(removed)
    }

    /// Whether a rename can be done; its moves are prepared, so that it cannot fail half way.
    fn plan_rename(
        &self,
        from: &FsPath,
        to: &FsPath,
        condition: &Condition,
        parents: Parents,
        section: &Section,
    ) -> Result<Vec<(Key, FsPath)>> {
        if from.is_root() || to.is_root() {
            return Err(
                Error::new(ErrorKind::InvalidInput).with_message("the root cannot be renamed or replaced")
            );
        }
        let node = self.get(from)?;
        let target = self.nodes.get(to);
        if target.is_some() && *condition == Condition::IfAbsent {
            return Err(ErrorKind::ConditionFailed.into());
        }
        if from == to {
            self.check_version(target, condition, section)?;
            return Ok(Vec::new());
        }
        if node.is_dir() && to.strip_prefix(from).is_some() {
            return Err(
                Error::new(ErrorKind::InvalidInput).with_message("a directory cannot move into itself")
            );
        }
        match (node, target) {
            (Node::File(_), _) => self.check_put(to, condition, parents, section)?,
            (Node::Dir(_), Some(Node::File(_))) => return Err(ErrorKind::NotADirectory.into()),
            (Node::Dir(_), Some(Node::Dir(_))) if self.has_children(to) => {
                return Err(ErrorKind::NotEmpty.into());
            }
            (Node::Dir(_), _) => {
                self.check_version(target, condition, section)?;
                if target.is_none() {
                    self.check_parent(to, parents)?;
                }
            }
        }
        let own = std::iter::once((Key { path: from.clone(), is_dir: node.is_dir() }, to.clone()));
        if !node.is_dir() {
            return Ok(own.collect());
        }
        let rest = self.below(from).map(|key| {
            let below = key.path.strip_prefix(from).unwrap_or_default();
            Ok((key.clone(), to.join(below)?))
        });
        own.map(Ok).chain(rest).collect()
    }

    fn check_version(&self, node: Option<&Node>, condition: &Condition, section: &Section) -> Result<()> {
        match (condition, node) {
            (Condition::IfVersion(_), Some(Node::Dir(_))) => Err(ErrorKind::IsADirectory.into()),
            (Condition::IfVersion(version), Some(Node::File(content)))
                if content.has_version(version, section) =>
            {
                Ok(())
            }
            (Condition::IfVersion(_), _) => Err(ErrorKind::ConditionFailed.into()),
            _ => Ok(()),
        }
    }

    /// Moves a file or directory; `version` is the moved file's new one.
    pub(super) fn rename(
        &mut self,
        from: &FsPath,
        to: &FsPath,
        (condition, parents): (&Condition, Parents),
        version: u64,
        section: &Section,
    ) -> Result<Option<Node>> {
        let moves = self.plan_rename(from, to, condition, parents, section)?;
        if moves.is_empty() {
            return Ok(None);
        }
        let replaced = self.take(to);
        self.touch(from.parent_str());
        for (index, (key, path)) in moves.into_iter().enumerate() {
            self.order.remove(&key);
            let Some(mut node) = self.nodes.remove(&key.path) else { continue };
            if let Node::File(content) = &mut node
                && index == 0
            {
                content.set_version(version, section);
            }
            if index == 0 {
                self.insert(&path, node);
            } else {
                self.order.insert(Key { path: path.clone(), is_dir: key.is_dir });
                self.nodes.insert(path, node);
            }
        }
        Ok(replaced)
    }
}

/// The paths above a path, nearest first, the root last; none above the root itself.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    fn parent(path: &str) -> Option<&str> {
        (!path.is_empty()).then(|| path.rsplit_once('/').map_or("", |(above, _)| above))
    }
    std::iter::successors(parent(path), |above| parent(above))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ancestors_end_with_the_root() {
        assert_eq!(ancestors("a/b/c").collect::<Vec<_>>(), ["a/b", "a", ""]);
        assert_eq!(ancestors("a").collect::<Vec<_>>(), [""]);
        assert_eq!(ancestors("").count(), 0);
    }
}
