//! A look at the whole tree, or a part of it, as it is at one moment.

use std::time::SystemTime;

use bytes::Bytes;

use super::MemoryStore;
use super::tree::{Content, Node, Tree};
use crate::fork::{self, Section};
use crate::path::{FsPath, IntoFsPath};

/// What stood at a path of a [`MemoryStore`] at one moment; [`MemoryStore::node`] gives it. What is
/// written afterwards does not change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeNode {
    /// The last component of its path; empty for the root.
    pub name: String,
    /// When its content last changed; of a directory, its entries.
    pub modified: SystemTime,
    /// What it holds.
    pub content: NodeContent,
}

/// What a [`TreeNode`] holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeContent {
    /// The bytes of a file, shared with the store.
    File(Bytes),
    /// The entries of a directory, in the order of listings.
    Directory(Vec<TreeNode>),
}

impl TreeNode {
    /// Whether this is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        matches!(self.content, NodeContent::Directory(_))
    }

    /// The bytes of a file.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match &self.content {
            NodeContent::File(bytes) => Some(bytes),
            NodeContent::Directory(_) => None,
        }
    }

    /// The entries of a directory; of a file, none.
    #[must_use]
    pub fn children(&self) -> &[Self] {
        match &self.content {
            NodeContent::File(_) => &[],
            NodeContent::Directory(children) => children,
        }
    }

    fn new(path: &FsPath, node: &Node, section: &Section) -> Self {
        let content = match node {
            Node::Dir(_) => NodeContent::Directory(Vec::new()),
            Node::File(Content::Plain(plain)) => NodeContent::File(plain.bytes.clone()),
            Node::File(Content::Live(live)) => {
                NodeContent::File(live.state(section).buffer.slice(0, u64::MAX))
            }
        };
        let modified = node.metadata(section, false).modified.unwrap_or(SystemTime::UNIX_EPOCH);
        Self { name: path.name().to_owned(), modified, content }
    }
}

impl MemoryStore {
    /// What stands at a path, with everything below it; `None` for nothing, and for what is no path.
    ///
    /// ```
    /// let fs = twinfs::blocking::Fs::memory();
    /// fs.write("app/data/file1.txt", "Content")?;
    /// let memory = fs.store().memory().unwrap();
    /// let data = memory.node("app/data").unwrap();
    /// assert_eq!(data.children()[0].name, "file1.txt");
    /// assert!(memory.node("app/logs").is_none());
    /// # Ok::<(), twinfs::Error>(())
    /// ```
    #[must_use]
    pub fn node(&self, path: impl IntoFsPath) -> Option<TreeNode> {
        let path = path.into_fs_path().ok()?;
        let section = fork::section();
        let tree = self.shared.tree(&section);
        let node = TreeNode::new(&path, tree.find(&path)?, &section);
        Some(if node.is_dir() { fill(node, &path, &tree, &section) } else { node })
    }

    /// The whole tree: the root, with everything below it.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a tree is made with its root, and no verb removes that")]
    pub fn tree(&self) -> TreeNode {
        self.node(FsPath::root()).expect("the root is there")
    }
}

/// Gives a directory all that is below it. Names come so that a directory is followed by what is in
/// it: a row of open directories is enough, however deep the tree.
fn fill(mut root: TreeNode, path: &FsPath, tree: &Tree, section: &Section) -> TreeNode {
    let mut open: Vec<(&FsPath, TreeNode)> = Vec::new();
    for key in tree.below(path) {
        let Some(node) = tree.find(&key.path) else { continue };
        while let Some((_, closed)) = open.pop_if(|(dir, _)| dir.as_str() != key.path.parent_str()) {
            put(&mut root, &mut open, closed);
        }
        let node = TreeNode::new(&key.path, node, section);
        if node.is_dir() {
            open.push((&key.path, node));
        } else {
            put(&mut root, &mut open, node);
        }
    }
    while let Some((_, closed)) = open.pop() {
        put(&mut root, &mut open, closed);
    }
    root
}

/// Puts a node into the innermost open directory.
fn put(root: &mut TreeNode, open: &mut [(&FsPath, TreeNode)], node: TreeNode) {
    let dir = open.last_mut().map_or(root, |(_, dir)| dir);
    if let NodeContent::Directory(children) = &mut dir.content {
        children.push(node);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocking;
    use crate::{Lease, Mode, OpenOptions, Publish};

    /// All paths below a node, a directory with a slash behind it.
    fn paths(node: &TreeNode, above: &str, found: &mut Vec<String>) {
        for child in node.children() {
            let path = format!("{above}{}", child.name);
            if child.is_dir() {
                found.push(format!("{path}/"));
                paths(child, &format!("{path}/"), found);
            } else {
                found.push(path);
            }
        }
    }

    #[test]
    fn the_tree_is_that_of_the_walk() {
        let fs = blocking::Fs::memory();
        for path in ["a-b", "a/b/c/d", "a/b.txt", "b", "a/b/e", "z/y"] {
            fs.write(path, path).unwrap();
        }
        fs.create_dir("empty").unwrap();
        let walked: Vec<String> = fs
            .walk("")
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| if entry.is_dir() { format!("{}/", entry.path) } else { entry.path.to_string() })
            .collect();
        let mut found = Vec::new();
        let memory = fs.store().memory().unwrap();
        paths(&memory.tree(), "", &mut found);
        assert_eq!(found, walked);
        assert_eq!(memory.node("a/b/e").unwrap().bytes().unwrap(), "a/b/e");
        assert_eq!(memory.node("a").unwrap(), memory.tree().children()[1]);
    }

    #[test]
    fn a_node_is_of_one_moment() {
        let fs = blocking::Fs::memory();
        let options = OpenOptions::from(Mode::Write).publish(Publish::InPlace).lease(Lease::Off);
        let mut file = fs.open("log", options).unwrap();
        file.write("one").unwrap();
        let memory = fs.store().memory().unwrap();
        let before = memory.node("log").unwrap();
        file.write("two").unwrap();
        assert_eq!(before.bytes().unwrap(), "one");
        assert_eq!(memory.node("log").unwrap().bytes().unwrap(), "onetwo");
        assert_eq!(memory.node("no/../path"), None);
    }
}
