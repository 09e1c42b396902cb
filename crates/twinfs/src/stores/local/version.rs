//! Versions of files, and what the system's `stat` says in the terms of this library.
//!
//! A version is a random token, which every write of ours puts into an extended attribute, with
//! the size and the time of the last inode change. A file made by others has no token; its inode
//! number stands in for one.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, OFlags, Stat, XattrFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::path::Arg;

use super::sys::{self, Sys};
use crate::store::{EntryKind, Metadata, Version};

const TOKEN_ATTRIBUTE: &str = "user.twinfs.v";

/// 128 random bits, new with every write.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Token(pub(super) [u8; 16]);

impl Token {
    pub(super) fn random() -> crate::Result<Self> {
        Ok(Self(super::staging::random()?))
    }

    /// The token of an open file. Files made by others, and file systems without attributes, have none.
    pub(super) fn of(file: impl AsFd) -> Option<Self> {
        let mut token = [0; 16];
        // One byte more would be ERANGE: then it is no token of ours.
        match retry_on_intr(|| rustix::fs::fgetxattr(file.as_fd(), TOKEN_ATTRIBUTE, &mut token[..])) {
            Ok(16) => Some(Self(token)),
            _ => None,
        }
    }

    /// Puts the token on a file and gives it back. A mount below the root may lack the attributes
    /// that the root has; a version without token is weaker, and still one.
    pub(super) fn put(self, file: impl AsFd) -> Sys<Option<Self>> {
        match retry_on_intr(|| {
            rustix::fs::fsetxattr(file.as_fd(), TOKEN_ATTRIBUTE, &self.0, XattrFlags::empty())
        }) {
            Ok(()) => Ok(Some(self)),
            Err(Errno::OPNOTSUPP) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Whether files of this file system can carry tokens.
    pub(super) fn supported(dir: impl AsFd) -> bool {
        let mut token = [0; 16];
        !matches!(
            retry_on_intr(|| rustix::fs::fgetxattr(dir.as_fd(), TOKEN_ATTRIBUTE, &mut token[..])),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::PERM | Errno::ACCESS)
        )
    }
}

/// The version a file with this stat and token has.
pub(super) fn version(stat: &Stat, token: Option<Token>) -> Version {
    let mut text = Vec::with_capacity(32 + 1 + 16 + 1 + 32);
    match token {
        Some(Token(bytes)) => push_hex(&mut text, u128::from_be_bytes(bytes), 32),
        None => {
            text.push(b'i');
            push_hex(&mut text, u128::from(stat.st_ino), 1);
        }
    }
    text.push(b'-');
    push_hex(&mut text, stat.st_size as u128, 1);
    text.push(b'-');
    push_hex(&mut text, changed_ns(stat) as u128, 1);
    Version::new(String::from_utf8_lossy(&text))
}

/// Appends `value` in hexadecimal, with at least `width` digits.
fn push_hex(text: &mut Vec<u8>, value: u128, width: u32) {
    let digits = (128 - value.leading_zeros()).div_ceil(4).max(width);
    for digit in (0..digits).rev() {
        text.push(b"0123456789abcdef"[(value >> (digit * 4)) as usize & 15]);
    }
}

#[allow(
    trivial_numeric_casts,
    clippy::unnecessary_cast,
    reason = "the width of these fields differs between architectures"
)]
fn changed_ns(stat: &Stat) -> i128 {
    i128::from(stat.st_ctime) * 1_000_000_000 + stat.st_ctime_nsec as i128
}

/// What stands at a name, with a descriptor of it, so that its inode number cannot be used anew
/// while we remember it.
pub(super) struct Seen {
    pub(super) file: OwnedFd,
    pub(super) stat: Stat,
    pub(super) token: Option<Token>,
    /// Whether `file` can be read; else it is a name only, for want of permission.
    pub(super) readable: bool,
}

impl Seen {
    /// Looks at a name, without following a link; `None` if nothing is there.
    pub(super) fn look(dir: impl AsFd, name: impl Arg + Copy) -> Sys<Option<Self>> {
        let (file, readable) = match sys::open_at(dir.as_fd(), name, sys::READ | OFlags::NOFOLLOW, 0) {
            Ok(file) => (file, true),
            Err(Errno::NOENT) => return Ok(None),
            // No permission, a link, or a socket: the name can still be looked at.
            Err(Errno::ACCESS | Errno::PERM | Errno::LOOP | Errno::NXIO) => {
                match sys::open_at(dir.as_fd(), name, sys::PATH | OFlags::NOFOLLOW, 0) {
                    Ok(file) => (file, false),
                    Err(Errno::NOENT) => return Ok(None),
                    Err(errno) => return Err(errno),
                }
            }
            Err(errno) => return Err(errno),
        };
        let stat = sys::stat(&file)?;
        let token = if readable { Token::of(&file) } else { None };
        Ok(Some(Self { file, stat, token, readable }))
    }

    pub(super) fn version(&self) -> Version {
        version(&self.stat, self.token)
    }

    /// Whether the same file, unchanged, still stands at the name.
    pub(super) fn still_at(&self, dir: impl AsFd, name: impl Arg + Copy) -> Sys<bool> {
        let Some(now) = sys::find_at(dir, name)? else { return Ok(false) };
        Ok(is_unchanged(&now, &self.stat) && (!self.readable || Token::of(&self.file) == self.token))
    }
}

/// Whether two stats are of one file that nobody has changed in between, as far as a stat tells.
pub(super) fn is_unchanged(now: &Stat, before: &Stat) -> bool {
    sys::same_inode(now, before) && now.st_size == before.st_size && changed_ns(now) == changed_ns(before)
}

/// Metadata from a stat, without version.
pub(super) fn metadata(stat: &Stat) -> Metadata {
    let kind = entry_kind(sys::file_type(stat));
    let mut metadata = Metadata::new(kind, 0);
    fill(&mut metadata, stat);
    metadata
}

#[allow(
    trivial_numeric_casts,
    clippy::unnecessary_cast,
    reason = "the width of these fields differs between architectures"
)]
fn fill(metadata: &mut Metadata, stat: &Stat) {
    if metadata.kind == EntryKind::File {
        metadata.len = stat.st_size.unsigned_abs();
    }
    metadata.modified = time(stat.st_mtime as i64, stat.st_mtime_nsec as u32);
    metadata.changed = time(stat.st_ctime as i64, stat.st_ctime_nsec as u32);
    metadata.mode = Some(stat.st_mode & 0o7777);
    metadata.links = Some(stat.st_nlink as u64);
}

pub(super) fn entry_kind(file_type: FileType) -> EntryKind {
    match file_type {
        FileType::RegularFile => EntryKind::File,
        FileType::Directory => EntryKind::Directory,
        FileType::Symlink => EntryKind::Symlink,
        _ => EntryKind::Other,
    }
}

/// A time of a stat; `None` for one that no clock of this platform can show.
pub(super) fn time(seconds: i64, nanoseconds: u32) -> Option<SystemTime> {
    let whole = Duration::from_secs(seconds.unsigned_abs());
    let base = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
    base?.checked_add(Duration::from_nanos(nanoseconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_has_the_digits_it_needs_and_at_least_its_width() {
        let hex = |value, width| {
            let mut text = Vec::new();
            push_hex(&mut text, value, width);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(hex(0, 1), "0");
        assert_eq!(hex(0xabc, 1), "abc");
        assert_eq!(hex(0xabc, 8), "00000abc");
        assert_eq!(hex(u128::MAX, 32), "f".repeat(32));
    }

    #[test]
    fn times_before_1970_are_times() {
        assert_eq!(time(-1, 500_000_000), UNIX_EPOCH.checked_sub(Duration::from_millis(500)));
        assert_eq!(time(1, 5), UNIX_EPOCH.checked_add(Duration::new(1, 5)));
    }
}
