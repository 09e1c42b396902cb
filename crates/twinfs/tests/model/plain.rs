//! The model: a map of names, a list of contents, and what the promises say.

use std::collections::{BTreeMap, BTreeSet};

use twinfs::{Depth, ErrorKind, Existing, Lease, Mode, Parents, Publish};

use super::handle::{Handle, Phase, Staged};
use super::operation::{HANDLES, On, Operation};

/// What an operation came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    Directory,
    Length(u64),
    Bytes(Vec<u8>),
    Names(Vec<String>),
    Refused(ErrorKind),
}

/// What an operation may come to: where a call is wrong in two ways, each of them may be said.
pub(crate) type Allowed = Vec<Answer>;

pub(crate) fn allowed(outcome: Outcome) -> Allowed {
    match outcome {
        Ok(answer) => vec![answer],
        Err(kinds) => kinds.into_iter().map(Answer::Refused).collect(),
    }
}

/// In what stores may differ.
#[derive(Clone, Copy)]
pub(crate) struct Quirks {
    /// A staged writer makes missing directories when it is opened, not when it commits.
    pub directories_at_open: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Dir,
    /// The index of the content.
    File(usize),
}

pub(crate) struct Content {
    pub(crate) bytes: Vec<u8>,
    pub(crate) version: u64,
}

pub(crate) struct Model {
    quirks: Quirks,
    pub(crate) nodes: BTreeMap<String, Node>,
    pub(crate) contents: Vec<Content>,
    versions: u64,
    pub(crate) leases: BTreeSet<&'static str>,
    handles: [Option<Handle>; HANDLES],
}

pub(crate) type Outcome = Result<Answer, Vec<ErrorKind>>;

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(above, _)| above)
}

fn is_below(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

impl Model {
    pub(crate) fn new(quirks: Quirks) -> Self {
        Self {
            quirks,
            nodes: BTreeMap::new(),
            contents: Vec::new(),
            versions: 0,
            leases: BTreeSet::new(),
            handles: Default::default(),
        }
    }

    /// Everything there is: names in listing order, with contents.
    pub(crate) fn tree(&self) -> Vec<(String, Vec<u8>)> {
        let mut tree: Vec<(String, Vec<u8>)> =
            self.nodes.iter().map(|(path, node)| self.row(path, *node)).collect();
        tree.sort();
        tree
    }

    fn row(&self, path: &str, node: Node) -> (String, Vec<u8>) {
        match node {
            Node::Dir => (format!("{path}/"), Vec::new()),
            Node::File(content) => (path.to_owned(), self.contents[content].bytes.clone()),
        }
    }

    /// Does the operation; `None` if it is left out, because stores may do it differently.
    pub(crate) fn apply(&mut self, operation: &Operation) -> Option<Allowed> {
        if self.moves_a_directory_from_under_a_writer(operation) {
            return None;
        }
        match operation {
            Operation::HandleWrite { handle, .. }
            | Operation::HandleRead { handle }
            | Operation::HandleSetLen { handle, .. }
            | Operation::HandleCommit { handle }
            | Operation::HandleAbort { handle } => {
                let mut taken = self.handles[*handle].take()?;
                let allowed = self.use_handle(&mut taken, operation);
                self.handles[*handle] = Some(taken);
                allowed
            }
            _ => Some(allowed(self.try_apply(operation))),
        }
    }

    /// A directory that goes while a writer is open below it: a writer on disk stages there, so it
    /// holds or follows its directory; one in memory does not.
    fn moves_a_directory_from_under_a_writer(&self, operation: &Operation) -> bool {
        let dirs: &[&str] = match operation {
            Operation::RemoveDir { path } | Operation::RemoveAll { path } => &[path],
            Operation::Rename { from, to, .. } => &[from, to],
            _ => return false,
        };
        let held = |path: &str| dirs.iter().any(|dir| is_below(path, dir));
        self.handles.iter().flatten().any(|handle| match handle {
            Handle::Reader { .. } => false,
            Handle::InPlace { path, .. } => held(path),
            Handle::Staged(staged) => held(staged.path),
        })
    }

    fn try_apply(&mut self, operation: &Operation) -> Outcome {
        match operation {
            Operation::Write { path, data, on, parents } => self.write(path, data, *on, *parents),
            Operation::Read { path, range } => self.file(path).map(|content| {
                let bytes = &self.contents[content].bytes;
                let (start, len) = range.resolve(bytes.len() as u64);
                Answer::Bytes(bytes[start as usize..(start + len) as usize].to_vec())
            }),
            Operation::Stat { path } => self.get(path).map(|node| match node {
                Node::Dir => Answer::Directory,
                Node::File(content) => self.length(content),
            }),
            Operation::List { path, depth } => self.list(path, *depth),
            Operation::CreateDir { path, parents, existing } => self.create_dir(path, *parents, *existing),
            Operation::Remove { path } => self.file(path).map(|_| {
                self.nodes.remove(*path);
                Answer::Done
            }),
            Operation::RemoveDir { path } => self.remove_dir(path),
            Operation::RemoveAll { path } => self.get(path).map(|_| {
                self.nodes.retain(|name, _| name != path && !is_below(name, path));
                Answer::Done
            }),
            Operation::Rename { from, to, absent } => self.rename(from, to, *absent),
            Operation::Copy { from, to, absent } => self.copy(from, to, *absent),
            Operation::Open { handle, path, mode, publish, lease } => {
                self.drop_handle(*handle);
                let opened = self.open(path, *mode, *publish, *lease)?;
                self.handles[*handle] = Some(opened);
                Ok(Answer::Done)
            }
            Operation::HandleDrop { handle } => {
                self.drop_handle(*handle);
                Ok(Answer::Done)
            }
            // Those of handles are done by `use_handle`.
            _ => Ok(Answer::Done),
        }
    }

    pub(crate) fn length(&self, content: usize) -> Answer {
        Answer::Length(self.contents[content].bytes.len() as u64)
    }

    pub(crate) fn next_version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }

    /// Why nothing is at a path.
    fn missing(&self, path: &str) -> ErrorKind {
        let mut above = parent(path);
        while !above.is_empty() {
            match self.nodes.get(above) {
                Some(Node::File(_)) => return ErrorKind::NotADirectory,
                Some(Node::Dir) => return ErrorKind::NotFound,
                None => above = parent(above),
            }
        }
        ErrorKind::NotFound
    }

    fn get(&self, path: &str) -> Result<Node, Vec<ErrorKind>> {
        self.nodes.get(path).copied().ok_or_else(|| vec![self.missing(path)])
    }

    fn file(&self, path: &str) -> Result<usize, Vec<ErrorKind>> {
        match self.get(path)? {
            Node::File(content) => Ok(content),
            Node::Dir => Err(vec![ErrorKind::IsADirectory]),
        }
    }

    /// Whether a name can be made at a path where nothing is.
    pub(crate) fn check_parent(&self, path: &str, parents: Parents) -> Result<(), Vec<ErrorKind>> {
        let above = parent(path);
        match self.missing(path) {
            ErrorKind::NotADirectory => Err(vec![ErrorKind::NotADirectory]),
            _ if parents == Parents::Require && !above.is_empty() && !self.nodes.contains_key(above) => {
                Err(vec![ErrorKind::NotFound])
            }
            _ => Ok(()),
        }
    }

    fn make_parents(&mut self, path: &str) {
        let mut above = parent(path);
        while !above.is_empty() {
            self.nodes.insert(above.to_owned(), Node::Dir);
            above = parent(above);
        }
    }

    pub(crate) fn put(&mut self, path: &str, bytes: Vec<u8>) -> Answer {
        let length = Answer::Length(bytes.len() as u64);
        let version = self.next_version();
        self.contents.push(Content { bytes, version });
        self.make_parents(path);
        self.nodes.insert(path.to_owned(), Node::File(self.contents.len() - 1));
        length
    }

    fn write(&mut self, path: &str, data: &[u8], on: On, parents: Parents) -> Outcome {
        match (self.nodes.get(path), on) {
            (Some(Node::Dir), On::Anything) => return Err(vec![ErrorKind::IsADirectory]),
            (Some(Node::Dir), _) => return Err(vec![ErrorKind::IsADirectory, ErrorKind::ConditionFailed]),
            (Some(Node::File(_)), On::Absent | On::Stale) => return Err(vec![ErrorKind::ConditionFailed]),
            (Some(Node::File(_)), On::Anything | On::Current) => {}
            (None, On::Current | On::Stale) => {
                let mut kinds = vec![ErrorKind::ConditionFailed];
                kinds.extend(self.check_parent(path, parents).err().into_iter().flatten());
                return Err(kinds);
            }
            (None, On::Anything | On::Absent) => self.check_parent(path, parents)?,
        }
        Ok(self.put(path, data.to_vec()))
    }

    fn list(&self, path: &str, depth: Depth) -> Outcome {
        if let Node::File(_) = self.get(path)? {
            return Ok(Answer::Names(vec![path.to_owned()]));
        }
        let is_listed = |name: &str| match depth {
            Depth::Children => parent(name) == path,
            Depth::Recursive => is_below(name, path),
        };
        let below = self.nodes.iter().filter(|(name, _)| is_listed(name));
        let mut names: Vec<String> = below.map(|(name, node)| self.row(name, *node).0).collect();
        names.sort();
        Ok(Answer::Names(names))
    }

    fn create_dir(&mut self, path: &str, parents: Parents, existing: Existing) -> Outcome {
        match self.nodes.get(path) {
            Some(Node::Dir) if existing == Existing::Keep => return Ok(Answer::Done),
            Some(_) => return Err(vec![ErrorKind::AlreadyExists]),
            None => self.check_parent(path, parents)?,
        }
        self.make_parents(path);
        self.nodes.insert(path.to_owned(), Node::Dir);
        Ok(Answer::Done)
    }

    fn is_empty_dir(&self, path: &str) -> bool {
        !self.nodes.keys().any(|name| is_below(name, path))
    }

    fn remove_dir(&mut self, path: &str) -> Outcome {
        match self.get(path)? {
            Node::File(_) => Err(vec![ErrorKind::NotADirectory]),
            Node::Dir if !self.is_empty_dir(path) => Err(vec![ErrorKind::NotEmpty]),
            Node::Dir => {
                self.nodes.remove(path);
                Ok(Answer::Done)
            }
        }
    }

    /// Whether what is at `from` can go to `to`, conditions aside.
    fn check_rename(&self, node: Node, from: &str, to: &str) -> Result<(), Vec<ErrorKind>> {
        if node == Node::Dir && is_below(to, from) {
            return Err(vec![ErrorKind::InvalidInput]);
        }
        match (node, self.nodes.get(to)) {
            _ if from == to => Ok(()),
            (_, None) => self.check_parent(to, Parents::Create),
            (Node::File(_), Some(Node::Dir)) => Err(vec![ErrorKind::IsADirectory]),
            (Node::Dir, Some(Node::File(_))) => Err(vec![ErrorKind::NotADirectory]),
            (Node::Dir, Some(Node::Dir)) if !self.is_empty_dir(to) => Err(vec![ErrorKind::NotEmpty]),
            _ => Ok(()),
        }
    }

    fn rename(&mut self, from: &str, to: &str, absent: bool) -> Outcome {
        let node = self.get(from)?;
        let mut kinds = self.check_rename(node, from, to).err().unwrap_or_default();
        if absent && self.nodes.contains_key(to) {
            kinds.push(ErrorKind::ConditionFailed);
        }
        if !kinds.is_empty() {
            return Err(kinds);
        }
        if from == to {
            return Ok(Answer::Done);
        }
        if let Node::File(content) = node {
            self.contents[content].version = self.next_version();
        }
        let moved: Vec<String> =
            self.nodes.keys().filter(|name| *name == from || is_below(name, from)).cloned().collect();
        self.make_parents(to);
        for name in moved {
            if let Some(node) = self.nodes.remove(&name) {
                let rest = name.strip_prefix(from).unwrap_or_default();
                self.nodes.insert(format!("{to}{rest}"), node);
            }
        }
        Ok(Answer::Done)
    }

    fn copy(&mut self, from: &str, to: &str, absent: bool) -> Outcome {
        let content = self.file(from)?;
        let mut kinds = Vec::new();
        match self.nodes.get(to) {
            Some(Node::Dir) => kinds.push(ErrorKind::IsADirectory),
            Some(Node::File(_)) => {}
            None => kinds.extend(self.check_parent(to, Parents::Create).err().into_iter().flatten()),
        }
        if absent && self.nodes.contains_key(to) {
            kinds.push(ErrorKind::ConditionFailed);
        }
        if !kinds.is_empty() {
            return Err(kinds);
        }
        Ok(self.put(to, self.contents[content].bytes.clone()))
    }

    fn open(
        &mut self,
        path: &'static str,
        mode: Mode,
        publish: Publish,
        lease: Lease,
    ) -> Result<Handle, Vec<ErrorKind>> {
        if mode == Mode::Read {
            let content = self.file(path)?;
            let opened = self.contents[content].bytes.clone();
            return Ok(Handle::Reader { content, opened, closed: false });
        }
        let mut kinds = match self.nodes.get(path) {
            Some(_) if mode == Mode::Create => vec![ErrorKind::AlreadyExists],
            Some(Node::Dir) => vec![ErrorKind::IsADirectory],
            Some(Node::File(_)) => Vec::new(),
            None if mode == Mode::Update => vec![self.missing(path)],
            None => self.check_parent(path, Parents::Create).err().unwrap_or_default(),
        };
        let lease = lease == Lease::Hold;
        if lease && self.leases.contains(path) {
            kinds.push(ErrorKind::WouldBlock);
        }
        if !kinds.is_empty() {
            return Err(kinds);
        }
        if lease {
            self.leases.insert(path);
        }
        let there = match self.nodes.get(path) {
            Some(Node::File(content)) => Some(*content),
            _ => None,
        };
        Ok(match publish {
            Publish::Staged => self.open_staged(path, mode, there, lease),
            Publish::InPlace => self.open_in_place(path, mode, there, lease),
        })
    }

    fn open_staged(&mut self, path: &'static str, mode: Mode, there: Option<usize>, lease: bool) -> Handle {
        if self.quirks.directories_at_open {
            self.make_parents(path);
        }
        let bytes = match there {
            Some(content) if mode.keeps() => self.contents[content].bytes.clone(),
            _ => Vec::new(),
        };
        let seen = there.map(|content| (content, self.contents[content].version));
        Handle::Staged(Staged { path, mode, bytes, seen, lease, phase: Phase::Open })
    }

    fn open_in_place(&mut self, path: &'static str, mode: Mode, there: Option<usize>, lease: bool) -> Handle {
        let content = match there {
            Some(content) => {
                if !mode.keeps() {
                    self.contents[content].bytes.clear();
                }
                self.contents[content].version = self.next_version();
                content
            }
            None => {
                self.put(path, Vec::new());
                self.contents.len() - 1
            }
        };
        Handle::InPlace { path, mode, content, lease, closed: false }
    }

    fn drop_handle(&mut self, handle: usize) {
        match self.handles[handle].take() {
            Some(Handle::Staged(mut staged)) => self.release(&mut staged),
            Some(Handle::InPlace { path, lease: true, closed: false, .. }) => {
                self.leases.remove(path);
            }
            _ => {}
        }
    }

    pub(crate) fn release(&mut self, staged: &mut Staged) {
        if std::mem::take(&mut staged.lease) {
            self.leases.remove(staged.path);
        }
    }
}
