//! One-shot writes and copies: staged under a random name, published at once.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{OFlags, Stat};
use rustix::io::Errno;

use super::confine::{Follow, Place};
use super::publish::{
    At, Locking, Outcome, check_early, condition_failed, publish, sync_content, sync_names,
};
use super::staging::{ContentMode, StagedFile, StagedName, random};
use super::sys::{self, fail};
use super::version::{self, Token};
use super::{Inner, MAX_VANISHED};
use crate::error::{Error, ErrorKind, Result};
use crate::path::FsPath;
use crate::store::{Condition, Data, Durability, Metadata, MoveOptions, Parents, WriteOptions};

/// Where the bytes of a new file come from.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    Bytes(&'a [u8]),
    Parts(&'a [Data<'a>]),
    File(&'a OwnedFd),
    /// A file on its way to another file system: its owner, permissions and times go with it.
    Moved(&'a OwnedFd),
}

/// What must hold, and what is synced.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) condition: &'a Condition,
    pub(super) durability: Durability,
    pub(super) parents: Parents,
}

impl Inner {
    pub(super) fn terms<'a>(&self, options: &'a WriteOptions) -> Terms<'a> {
        Terms {
            condition: &options.condition,
            durability: self.durability(options.durability),
            parents: options.parents,
        }
    }

    pub(super) fn write(&self, path: &FsPath, data: &Data<'_>, options: &WriteOptions) -> Result<Metadata> {
        self.write_content(path, Content::Bytes(data), self.terms(options))
    }

    pub(super) fn write_parts(
        &self,
        path: &FsPath,
        parts: &[Data<'_>],
        options: &WriteOptions,
    ) -> Result<Metadata> {
        self.write_content(path, Content::Parts(parts), self.terms(options))
    }

    pub(super) fn copy(&self, from: &FsPath, to: &FsPath, options: &MoveOptions) -> Result<Metadata> {
        let source = self.root.open_at(from.as_str().as_bytes(), sys::READ).map_err(special_or_fail)?;
        sys::require_file(&sys::stat(&source).map_err(fail)?)?;
        let durability = self.durability(options.durability);
        let terms = Terms { condition: &options.condition, durability, parents: options.parents };
        self.write_content(to, Content::File(&source), terms)
    }

    pub(super) fn write_content(
        &self,
        path: &FsPath,
        content: Content<'_>,
        terms: Terms<'_>,
    ) -> Result<Metadata> {
        self.check_condition(terms.condition)?;
        for _ in 0..MAX_VANISHED {
            let place = self.locate_target(path, Follow::Yes, terms.condition, terms.parents)?;
            let written = self.write_at(&place.dir, &place.name, place.stat.as_ref(), content, terms)?;
            if let Some(metadata) = written {
                sync_names(&place.dir, &place.created, terms.durability)?;
                return Ok(metadata);
            }
        }
        Err(kept_vanishing())
    }

    /// Finds where a write goes. A file that must have a version must be there, and its directory.
    pub(super) fn locate_target<'path>(
        &self,
        path: &'path FsPath,
        follow: Follow,
        condition: &Condition,
        parents: Parents,
    ) -> Result<Place<'path>> {
        if !matches!(condition, Condition::IfVersion(_)) {
            return self.root.locate(path, follow, parents);
        }
        self.root.locate(path, follow, Parents::Require).map_err(|error| match error.kind() {
            ErrorKind::NotFound => condition_failed(),
            _ => error,
        })
    }

    /// Writes at a name in an open directory; `None` if the directory, or the staged file, vanished
    /// under our hands. The caller syncs the names.
    pub(super) fn write_at(
        &self,
        dir: &OwnedFd,
        name: &[u8],
        present: Option<&Stat>,
        content: Content<'_>,
        terms: Terms<'_>,
    ) -> Result<Option<Metadata>> {
        check_early(terms.condition, present)?;
        if let Some(stat) = present {
            sys::require_file(stat)?;
        }
        let moved = match content {
            Content::Moved(source) => Some(sys::stat(source).map_err(fail)?),
            _ => None,
        };
        let mode = ContentMode::new(self.options.file_mode, moved.as_ref().or(present));
        // One call of the system's random source for both.
        let bits: [u8; 32] = random()?;
        let (name_bits, token_bits) = halves(bits);
        let staged_name = StagedName::from_bits(name_bits);
        let mut staged = match StagedFile::create(dir, staged_name, OFlags::WRONLY, mode.at_creation()) {
            Ok(staged) => staged,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(fail(errno)),
        };
        match content {
            Content::Bytes(bytes) => sys::write_at(&staged.file, 0, bytes),
            Content::Parts(parts) => sys::write_all(&staged.file, parts),
            Content::File(source) | Content::Moved(source) => sys::copy_content(source, &staged.file),
        }
        .and_then(|()| mode.apply(&staged.file))
        .map_err(fail)?;
        let token = self.put_token(&staged.file, Token(token_bits))?;
        if let Some(moved) = &moved {
            sys::keep_owner_and_times(&staged.file, moved).map_err(fail)?;
        }
        mode.settle(&staged.file).map_err(fail)?;
        sync_content(&staged.file, terms.durability)?;
        let from = At { dir, name: staged_name.as_bytes() };
        match publish(from, At { dir, name }, terms.condition.into(), self.locking()).map_err(fail)? {
            Outcome::Published => {
                staged.published();
                self.published_metadata(&staged.file, token).map(Some)
            }
            Outcome::Mismatch => Err(condition_failed()),
            Outcome::Vanished => Ok(None),
        }
    }

    /// Puts a token on a file, if this store keeps versions.
    pub(super) fn put_token(&self, file: impl AsFd, token: Token) -> Result<Option<Token>> {
        if self.keeps_versions { token.put(file).map_err(fail) } else { Ok(None) }
    }

    /// Metadata of a file that was just published: its version is settled only after the rename.
    pub(super) fn published_metadata(&self, file: impl AsFd, token: Option<Token>) -> Result<Metadata> {
        let stat = sys::stat(file).map_err(fail)?;
        let mut metadata = version::metadata(&stat);
        if self.keeps_versions {
            metadata.version = Some(version::version(&stat, token));
        }
        Ok(metadata)
    }

    pub(super) fn locking(&self) -> Locking {
        if self.keeps_versions { Locking::Locked } else { Locking::Unlocked }
    }

    pub(super) fn check_condition(&self, condition: &Condition) -> Result<()> {
        match condition {
            Condition::IfVersion(_) => self.require_versions(),
            Condition::None | Condition::IfAbsent => Ok(()),
        }
    }

    pub(super) fn require_versions(&self) -> Result<()> {
        if self.keeps_versions {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unsupported).with_message(
            "this store keeps no versions: it was opened so, or its file system has no extended attributes",
        ))
    }
}

pub(super) fn kept_vanishing() -> Error {
    Error::new(ErrorKind::NotFound)
        .with_message("the directory was removed by others again and again during the call")
}

/// A socket cannot be opened at all, and a FIFO not for writing: said as what it is.
pub(super) fn special_or_fail(errno: Errno) -> Error {
    if errno == Errno::NXIO { sys::special_file() } else { fail(errno) }
}

fn halves(bits: [u8; 32]) -> ([u8; 16], [u8; 16]) {
    let (mut first, mut second) = ([0; 16], [0; 16]);
    first.copy_from_slice(&bits[..16]);
    second.copy_from_slice(&bits[16..]);
    (first, second)
}
