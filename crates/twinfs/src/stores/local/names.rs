//! The names of a directory: read with few system calls, kept compact, sorted in listing order.

use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use rustix::fs::{FileType, RawDir};
use rustix::io::Errno;

use super::staging::is_staged_name;
use super::sweep::{MAX_SWEPT, is_hidden};
use super::sys::{self, Sys};
use super::version::entry_kind;
use crate::path::is_component;
use crate::store::EntryKind;

/// What one system call brings: about a thousand names.
const BUFFER: usize = 32 * 1024;

/// Whether a directory has more names to read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    Yes,
    No,
}

/// Whether a directory was removed while it was open.
pub(super) fn has_no_names_any_more(dir: impl AsFd) -> bool {
    let mut buffer = [MaybeUninit::uninit(); 1024];
    matches!(RawDir::new(dir.as_fd(), &mut buffer).next(), Some(Err(Errno::NOENT)))
}

/// Visits the next names of a directory, at most one buffer of them, without `.` and `..`.
pub(super) fn visit_some(dir: impl AsFd, mut visit: impl FnMut(&[u8], FileType)) -> Sys<More> {
    let mut buffer = [MaybeUninit::uninit(); BUFFER];
    let mut raw = RawDir::new(dir.as_fd(), &mut buffer);
    loop {
        match raw.next() {
            // A directory that was removed while it was open has no names.
            None | Some(Err(Errno::NOENT)) => return Ok(More::No),
            Some(Err(Errno::INTR)) => continue,
            Some(Err(errno)) => return Err(errno),
            Some(Ok(entry)) => {
                let name = entry.file_name().to_bytes();
                if name != b"." && name != b".." {
                    visit(name, entry.file_type());
                }
            }
        }
        if raw.is_buffer_empty() {
            return Ok(More::Yes);
        }
    }
}

/// Visits all names of a directory from where its descriptor stands.
pub(super) fn visit_names(dir: impl AsFd, mut visit: impl FnMut(&[u8], FileType)) -> Sys<()> {
    while visit_some(dir.as_fd(), &mut visit)? == More::Yes {}
    Ok(())
}

/// Names of one directory, one after the other in one piece of memory; a directory's name ends in
/// `/`, which makes comparing names comparing paths.
#[derive(Default)]
pub(super) struct Names {
    text: Vec<u8>,
    items: Vec<Item>,
    /// Staged files met on the way; at most [`MAX_SWEPT`].
    pub(super) litter: Vec<Vec<u8>>,
}

#[derive(Clone, Copy)]
struct Item {
    /// The first eight bytes, so that most comparisons need not touch the text.
    head: u64,
    start: u32,
    len: u16,
    kind: EntryKind,
}

impl Names {
    /// Reads the next buffer of names.
    pub(super) fn read_some(&mut self, dir: impl AsFd) -> Sys<More> {
        let mut unknown = Vec::new();
        let mut full = false;
        let more = visit_some(dir.as_fd(), |name, file_type| match file_type {
            _ if is_hidden(name) => {
                if is_staged_name(name) && self.litter.len() < MAX_SWEPT {
                    self.litter.push(name.to_vec());
                }
            }
            // Some file systems do not tell.
            FileType::Unknown => unknown.push(name.to_vec()),
            _ => full |= !self.push(name, file_type),
        })?;
        for name in unknown {
            if let Some(stat) = sys::find_at(dir.as_fd(), &*name)? {
                full |= !self.push(&name, sys::file_type(&stat));
            }
        }
        if full { Err(Errno::OVERFLOW) } else { Ok(more) }
    }

    /// Reads all names that are left.
    pub(super) fn read_all(&mut self, dir: impl AsFd) -> Sys<()> {
        while self.read_some(dir.as_fd())? == More::Yes {}
        Ok(())
    }

    /// `false` if there is no room: more than 4 GiB of names in one directory.
    fn push(&mut self, name: &[u8], file_type: FileType) -> bool {
        let Ok(start) = u32::try_from(self.text.len()) else { return false };
        self.text.extend_from_slice(name);
        let kind = if is_component(name) { entry_kind(file_type) } else { EntryKind::Unrepresentable };
        if kind == EntryKind::Directory {
            self.text.push(b'/');
        }
        let len = self.text.len() - start as usize;
        let mut head = [0; 8];
        let shown = len.min(8);
        head[..shown].copy_from_slice(&self.text[start as usize..start as usize + shown]);
        // A name has at most 255 bytes (NAME_MAX), so its length fits.
        self.items.push(Item { head: u64::from_be_bytes(head), start, len: len as u16, kind });
        true
    }

    pub(super) fn sort(&mut self) {
        let text = &self.text;
        self.items.sort_unstable_by(|one, other| {
            one.head.cmp(&other.head).then_with(|| slice(text, one).cmp(slice(text, other)))
        });
    }

    /// Adds the names of another list, from an index on.
    pub(super) fn append(&mut self, other: &Self, from: usize) -> Sys<()> {
        for item in &other.items[from.min(other.items.len())..] {
            let start = u32::try_from(self.text.len()).map_err(|_| Errno::OVERFLOW)?;
            self.text.extend_from_slice(slice(&other.text, item));
            self.items.push(Item { start, ..*item });
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn kind(&self, index: usize) -> EntryKind {
        self.items[index].kind
    }

    /// The name by which an item is ordered: a directory's ends in `/`.
    pub(super) fn key(&self, index: usize) -> &[u8] {
        slice(&self.text, &self.items[index])
    }

    /// The name on disk.
    pub(super) fn name(&self, index: usize) -> &[u8] {
        let key = self.key(index);
        if self.kind(index) == EntryKind::Directory { &key[..key.len() - 1] } else { key }
    }

    /// How many names, in order, are not after `key`.
    pub(super) fn count_up_to(&self, key: &[u8]) -> usize {
        self.items.partition_point(|item| slice(&self.text, item) <= key)
    }
}

fn slice<'t>(text: &'t [u8], item: &Item) -> &'t [u8] {
    &text[item.start as usize..item.start as usize + usize::from(item.len)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(names: &[(&str, FileType)]) -> Vec<String> {
        let mut held = Names::default();
        for (name, file_type) in names {
            assert!(held.push(name.as_bytes(), *file_type));
        }
        held.sort();
        (0..held.len()).map(|index| String::from_utf8_lossy(held.key(index)).into_owned()).collect()
    }

    #[test]
    fn a_directory_sorts_as_its_name_and_a_slash() {
        use FileType::{Directory, RegularFile};
        let order =
            sorted(&[("a", Directory), ("a-b", RegularFile), ("a0", RegularFile), ("a", RegularFile)]);
        assert_eq!(order, ["a", "a-b", "a/", "a0"]);
    }

    #[test]
    fn names_that_share_their_head_sort_by_the_rest() {
        use FileType::RegularFile;
        let order =
            sorted(&[("12345678b", RegularFile), ("12345678", RegularFile), ("12345678a", RegularFile)]);
        assert_eq!(order, ["12345678", "12345678a", "12345678b"]);
    }
}
