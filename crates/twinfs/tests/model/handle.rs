//! Open handles in the model.

use twinfs::{ErrorKind, Mode, Parents};

use super::operation::Operation;
use super::plain::{Allowed, Answer, Model, Node, Outcome, allowed};

/// An open handle.
pub(crate) enum Handle {
    Reader { content: usize, opened: Vec<u8>, closed: bool },
    InPlace { path: &'static str, mode: Mode, content: usize, lease: bool, closed: bool },
    Staged(Staged),
}

pub(crate) struct Staged {
    pub(crate) path: &'static str,
    pub(crate) mode: Mode,
    pub(crate) bytes: Vec<u8>,
    pub(crate) seen: Option<(usize, u64)>,
    pub(crate) lease: bool,
    pub(crate) phase: Phase,
}

pub(crate) enum Phase {
    Open,
    /// A commit was refused with one of these kinds.
    Lost(Vec<ErrorKind>),
    Closed,
}

/// Writes into bytes, with zeros before.
fn splice(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    bytes.resize(bytes.len().max(end), 0);
    bytes[offset..end].copy_from_slice(data);
}

impl Model {
    /// An operation on a handle; `None` if it is left out.
    pub(crate) fn use_handle(&mut self, handle: &mut Handle, operation: &Operation) -> Option<Allowed> {
        match handle {
            Handle::Reader { content, opened, closed } => {
                Some(self.use_reader(closed, [opened.as_slice(), &self.contents[*content].bytes], operation))
            }
            Handle::InPlace { path, mode, content, lease, closed } => {
                let closes =
                    matches!(operation, Operation::HandleCommit { .. } | Operation::HandleAbort { .. });
                let outcome = self.use_in_place(*mode, *content, *closed, operation)?;
                if closes && !std::mem::replace(closed, true) && *lease {
                    self.leases.remove(path);
                }
                Some(allowed(outcome))
            }
            Handle::Staged(staged) => Some(allowed(self.use_staged(staged, operation))),
        }
    }

    /// A reader of a file that is written in place may see what it opened or what is there now.
    fn use_reader(&self, closed: &mut bool, seen: [&[u8]; 2], operation: &Operation) -> Allowed {
        match operation {
            Operation::HandleAbort { .. } => {
                *closed = true;
                vec![Answer::Done]
            }
            _ if *closed => vec![Answer::Refused(ErrorKind::Closed)],
            Operation::HandleRead { .. } => seen.map(|bytes| Answer::Bytes(bytes.to_vec())).to_vec(),
            Operation::HandleCommit { .. } => {
                *closed = true;
                seen.map(|bytes| Answer::Length(bytes.len() as u64)).to_vec()
            }
            _ => vec![Answer::Refused(ErrorKind::Unsupported)],
        }
    }

    fn use_in_place(
        &mut self,
        mode: Mode,
        content: usize,
        closed: bool,
        operation: &Operation,
    ) -> Option<Outcome> {
        let bytes = &mut self.contents[content].bytes;
        match operation {
            Operation::HandleAbort { .. } => return Some(Ok(Answer::Done)),
            _ if closed => return Some(Err(vec![ErrorKind::Closed])),
            Operation::HandleRead { .. } if mode.reads() => return Some(Ok(Answer::Bytes(bytes.clone()))),
            Operation::HandleRead { .. } => return Some(Err(vec![ErrorKind::Unsupported])),
            Operation::HandleWrite { offset, data, .. } => write(bytes, mode, *offset, data),
            // Whether a version changes when nothing does is open.
            Operation::HandleSetLen { len, .. } if bytes.len() as u64 == *len => return None,
            Operation::HandleSetLen { len, .. } => bytes.resize(*len as usize, 0),
            // A commit: what was written is a version of its own.
            _ => {}
        }
        self.contents[content].version = self.next_version();
        Some(Ok(self.length(content)))
    }

    fn use_staged(&mut self, staged: &mut Staged, operation: &Operation) -> Outcome {
        match (operation, &staged.phase) {
            (Operation::HandleAbort { .. }, _) => {
                self.release(staged);
                staged.phase = Phase::Closed;
                return Ok(Answer::Done);
            }
            (_, Phase::Closed) => return Err(vec![ErrorKind::Closed]),
            (Operation::HandleRead { .. }, Phase::Lost(_)) => {}
            (Operation::HandleRead { .. }, _) if staged.mode.reads() => {}
            (Operation::HandleRead { .. }, _) => return Err(vec![ErrorKind::Unsupported]),
            (Operation::HandleCommit { .. }, Phase::Open) => return self.commit(staged),
            (Operation::HandleCommit { .. }, Phase::Lost(kinds)) => return Err(kinds.clone()),
            (_, Phase::Lost(_)) => return Err(vec![ErrorKind::Closed]),
            (Operation::HandleWrite { offset, data, .. }, _) => {
                write(&mut staged.bytes, staged.mode, *offset, data);
                return Ok(Answer::Length(staged.bytes.len() as u64));
            }
            (Operation::HandleSetLen { len, .. }, _) => {
                staged.bytes.resize(*len as usize, 0);
                return Ok(Answer::Length(*len));
            }
            _ => {}
        }
        Ok(Answer::Bytes(staged.bytes.clone()))
    }

    fn commit(&mut self, staged: &mut Staged) -> Outcome {
        self.release(staged);
        let outcome = self.check_commit(staged);
        if let Err(kinds) = outcome {
            staged.phase = Phase::Lost(kinds.clone());
            return Err(kinds);
        }
        staged.phase = Phase::Closed;
        Ok(self.put(staged.path, std::mem::take(&mut staged.bytes)))
    }

    fn check_commit(&self, staged: &Staged) -> Result<(), Vec<ErrorKind>> {
        let now = match self.nodes.get(staged.path) {
            Some(_) if staged.mode == Mode::Create => return Err(vec![ErrorKind::AlreadyExists]),
            Some(Node::Dir) => return Err(vec![ErrorKind::IsADirectory, ErrorKind::WouldBlock]),
            Some(Node::File(content)) => Some((*content, self.contents[*content].version)),
            None => None,
        };
        match (now, staged.seen) {
            (now, seen) if now != seen => Err(vec![ErrorKind::WouldBlock]),
            (None, _) => self.check_parent(staged.path, Parents::Create),
            _ => Ok(()),
        }
    }
}

fn write(bytes: &mut Vec<u8>, mode: Mode, offset: u64, data: &[u8]) {
    let offset = if mode == Mode::Append { bytes.len() } else { offset as usize };
    splice(bytes, offset, data);
}
