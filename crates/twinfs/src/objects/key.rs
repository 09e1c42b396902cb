//! Keys, and where the object of a key stands: one file in one of 256 folders.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use crate::error::{Error, ErrorKind, Operation, Result};
use crate::path::{FsPath, is_component};
use crate::stores::local::private::Layout;

/// How the files of objects end, so that they are told from everybody else's.
const SUFFIX: &str = ".obj";

macro_rules! key {
    ($(#[$doc:meta])* $key:ident { $(#[$field_doc:meta])* $field:ident }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub struct $key {
            $(#[$field_doc])*
            pub $field: String,
        }

        impl $key {
            /// The key of this text, which need not be one that a connector made.
            #[must_use]
            pub fn new($field: impl Into<String>) -> Self {
                Self { $field: $field.into() }
            }
        }
    };
}

key! {
    /// The key of an object in a [`FileConnector`](super::FileConnector).
    ///
    /// ```
    /// let key = twinfs::objects::FileKey::new("a text of my own");
    /// assert_eq!(key.filename, "a text of my own");
    /// ```
    FileKey {
        /// A name that no other object of the store has.
        filename
    }
}

key! {
    /// The key of an object in a [`StoreConnector`](super::StoreConnector).
    ///
    /// ```
    /// let key = twinfs::objects::StoreKey::new("a text of my own");
    /// assert_eq!(key.id, "a text of my own");
    /// ```
    StoreKey {
        /// An id that no other object of the store has.
        id
    }
}

/// How many objects in a row share a folder: each folder has to be made, and a batch is shared out
/// between workers by its folders.
const NEIGHBOURS: u32 = 256;

/// Makes the names of new objects. Each is a random UUID; so many in a row begin with the same random
/// byte, which puts them into one folder.
#[derive(Default)]
pub(super) struct Names(
    /// The first byte of the present run, and in the bits above how many of it are left.
    AtomicU32,
);

impl Names {
    pub(super) fn next(&self) -> Result<String> {
        let mut bytes = [0; 17];
        getrandom::fill(&mut bytes).map_err(|error| Error::from_io(error.into()))?;
        let [new, mut uuid @ ..] = bytes;
        let step = |state| match state >> 8 {
            0 => Some((NEIGHBOURS - 1) << 8 | u32::from(new)),
            left => Some((left - 1) << 8 | (state & 0xff)),
        };
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        let state = before.ok().and_then(step).unwrap_or(0);
        uuid[0] = (state & 0xff) as u8;
        Ok(text_of(uuid))
    }

    pub(super) fn many(&self, count: usize) -> Result<Vec<String>> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// What one connector knows of the folders of a directory: which of them it has touched, and how many
/// more objects it has put than evicted.
///
/// To remove a folder costs much more than to remove a file, so that is tried only when nothing that this
/// connector put is left, as far as it knows.
#[derive(Default)]
pub(super) struct Usage {
    left: AtomicI64,
    touched: [AtomicU64; 4],
}

impl Usage {
    pub(super) fn put(&self, name: &str) {
        self.left.fetch_add(1, Ordering::Relaxed);
        self.touch(name);
    }

    /// Which folders may be empty now.
    pub(super) fn evicted(&self, name: &str) -> Vec<u8> {
        let folder = self.touch(name);
        match self.left.fetch_sub(1, Ordering::Relaxed) {
            ..1 => vec![folder],
            1 => (0..=255).filter(|&folder| self.is_touched(folder)).collect(),
            _ => Vec::new(),
        }
    }

    fn touch(&self, name: &str) -> u8 {
        let folder = u8::from_str_radix(&folder_of(name), 16).unwrap_or_default();
        self.touched[usize::from(folder >> 6)].fetch_or(1 << (folder & 63), Ordering::Relaxed);
        folder
    }

    fn is_touched(&self, folder: u8) -> bool {
        self.touched[usize::from(folder >> 6)].load(Ordering::Relaxed) & 1 << (folder & 63) != 0
    }
}

/// Random bytes as a UUID of version 4.
fn text_of(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    text
}

/// Where the object of a name stands.
///
/// # Errors
/// `InvalidPath` for a name that is no component of a path.
pub(super) fn path_of(name: &str) -> Result<FsPath> {
    if !is_component(name.as_bytes()) {
        return Err(refused(
            name,
            "a key is one name: not empty, not '.' or '..', without '/' and control characters, and not \
             beginning with '.twinfs-'",
        ));
    }
    let mut path = String::with_capacity(3 + name.len() + SUFFIX.len());
    path.push_str(&folder_of(name));
    path.push('/');
    path.push_str(name);
    path.push_str(SUFFIX);
    FsPath::new(&path).map_err(|_| refused(name, "a key has at most 251 bytes"))
}

/// The error of putting an object under a name that can have none.
pub(super) fn refused(name: &str, message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidPath)
        .with_operation(Operation::Write)
        .with_raw_path(name)
        .with_message(message)
}

/// The folder of a name: its first two digits, or a hash of it where it does not begin with two.
fn folder_of(name: &str) -> String {
    match name.as_bytes().first_chunk::<2>() {
        Some(digits) if is_folder(digits) => name.chars().take(2).collect(),
        _ => format!("{:02x}", XxHash3_64::oneshot(name.as_bytes()) & 0xff),
    }
}

/// Whether a name at the root of a store is that of a folder of objects.
pub(super) fn is_folder(name: &[u8]) -> bool {
    name.len() == 2 && name.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a name in a folder is that of an object.
pub(super) fn is_object(folder: &[u8], file: &[u8]) -> bool {
    file.strip_suffix(SUFFIX.as_bytes())
        .and_then(|name| std::str::from_utf8(name).ok())
        .is_some_and(|name| is_component(name.as_bytes()) && folder_of(name).as_bytes() == folder)
}

pub(super) const LAYOUT: Layout = Layout { is_folder, is_file: is_object };

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn new_names_are_uuids_and_neighbours_share_a_folder() {
        let count = 20 * NEIGHBOURS as usize;
        let names = Names::default().many(count).unwrap();
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), count);
        for name in &names {
            let parts: Vec<&str> = name.split('-').collect();
            assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{name}");
            assert!(parts[2].starts_with('4') && parts[3].starts_with(['8', '9', 'a', 'b']), "{name}");
        }
        for run in names.chunks(NEIGHBOURS as usize) {
            assert_eq!(run.iter().map(|name| folder_of(name)).collect::<HashSet<_>>().len(), 1);
        }
        assert!(names.iter().map(|name| folder_of(name)).collect::<HashSet<_>>().len() > 5);
    }

    #[test]
    fn every_name_has_one_file_in_one_of_256_folders() {
        let long = "x".repeat(251);
        for name in ["a", "ab", "hello world", "é", "AB", "..x", ".hidden", "0123", long.as_str()] {
            let path = path_of(name).unwrap();
            let (folder, file) = path.as_str().split_once('/').unwrap();
            assert!(is_folder(folder.as_bytes()), "{path}");
            assert!(is_object(folder.as_bytes(), file.as_bytes()), "{path}");
            assert!(!is_object(b"xx", file.as_bytes()), "{path}");
        }
        assert_eq!(path_of("0123").unwrap().as_str(), "01/0123.obj");
    }

    #[test]
    fn what_is_no_name_is_no_key() {
        let long = "x".repeat(252);
        for name in
            ["", ".", "..", "/", "a/b", "../a", "/etc/passwd", "a\0", "a\n", ".twinfs-x", long.as_str()]
        {
            assert_eq!(path_of(name).unwrap_err().kind(), ErrorKind::InvalidPath, "{name:?}");
        }
    }

    #[test]
    fn files_of_others_are_no_objects() {
        for (folder, file) in [("ab", "notes.txt"), ("ab", "abc"), ("cd", "ab12.obj"), ("ab", ".obj")] {
            assert!(!is_object(folder.as_bytes(), file.as_bytes()), "{folder}/{file}");
        }
    }
}
