//! Publishing staged uploads, many at a time: contents are synced side by side, and a directory once for
//! all that changed in it. Each upload goes the same way as one by itself: its content is on the disk before
//! its name, and its new name before the old one is gone from there.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::confine::Follow;
use super::lock::{self, Lock};
use super::publish::{At, Outcome, check_early, condition_failed, publish};
use super::stage::{dropped, unknown, unknown_or_fail};
use super::staging::{ContentMode, stands_at};
use super::sys::{self, Sys, fail};
use super::version::Token;
use super::write::{Content, Terms, kept_vanishing};
use super::{Inner, MAX_VANISHED};
use crate::error::Result;
use crate::path::FsPath;
use crate::pool;
use crate::store::{Durability, Metadata, PublishItem, StagedId, WriteOptions};

/// How many uploads are open at a time, each with a descriptor of its own.
const GROUP: usize = 128;

/// An upload that is being published: nobody else publishes it or writes to it.
struct Taken {
    file: OwnedFd,
    token: Option<Token>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        lock::release(&self.file);
    }
}

/// An upload that stands at its path; its name may not be on the disk yet.
struct Renamed {
    metadata: Metadata,
    /// The directories that must be synced for it, as [`Changed`] counts them.
    names: Vec<usize>,
}

/// Directories whose names have changed, each of them once.
#[derive(Default)]
struct Changed {
    dirs: Vec<OwnedFd>,
    places: HashMap<(u64, u64), usize>,
}

impl Changed {
    fn add(&mut self, dir: OwnedFd) -> Result<usize> {
        let stat = sys::stat(&dir).map_err(fail)?;
        let dirs = &mut self.dirs;
        #[allow(
            trivial_numeric_casts,
            clippy::unnecessary_cast,
            reason = "the width of these fields differs between architectures"
        )]
        let key = (stat.st_dev as u64, stat.st_ino as u64);
        Ok(*self.places.entry(key).or_insert_with(|| {
            dirs.push(dir);
            dirs.len() - 1
        }))
    }
}

/// Syncs files or directories side by side; results in their order.
fn sync_all(files: &[BorrowedFd<'_>]) -> Vec<Sys<()>> {
    if let [one] = files {
        return vec![sys::sync(one)];
    }
    let synced: Vec<OnceLock<Sys<()>>> = files.iter().map(|_| OnceLock::new()).collect();
    pool::for_each_waiting(files.len(), &|index| {
        let _ = synced[index].set(sys::sync(files[index]));
    });
    // One that nobody got to, since a worker panicked, is not synced.
    synced.into_iter().map(|synced| synced.into_inner().unwrap_or(Err(Errno::IO))).collect()
}

/// How many of the first items go together: no upload twice, which would wait for itself.
fn group_len(items: &[PublishItem]) -> usize {
    let mut seen = HashSet::new();
    items.iter().take(GROUP).take_while(|item| seen.insert(&item.id)).count()
}

impl Inner {
    pub(super) fn publish(&self, id: &StagedId, path: &FsPath, options: &WriteOptions) -> Result<Metadata> {
        let item = PublishItem { id: id.clone(), path: path.clone() };
        self.publish_many(&[item], options).pop().unwrap_or_else(|| Err(unknown()))
    }

    pub(super) fn publish_many(
        &self,
        items: &[PublishItem],
        options: &WriteOptions,
    ) -> Vec<Result<Metadata>> {
        if self.check_condition(&options.condition).is_err() {
            let refused = |_| self.check_condition(&options.condition).and_then(|()| Err(unknown()));
            return items.iter().map(refused).collect();
        }
        let mut results = Vec::with_capacity(items.len());
        let mut rest = items;
        while !rest.is_empty() {
            let (group, later) = rest.split_at(group_len(rest));
            match self.publish_group(group, options) {
                Ok(published) => results.extend(published),
                Err(errno) => results.extend(group.iter().map(|_| Err(unknown_or_fail(errno)))),
            }
            rest = later;
        }
        self.tidy_staged_dir();
        results
    }

    /// Publishes uploads of different ids; an error is of all of them.
    fn publish_group(&self, group: &[PublishItem], options: &WriteOptions) -> Sys<Vec<Result<Metadata>>> {
        let terms = self.terms(options);
        let dir = self.staged_dir()?;
        let mut taken = self.take_uploads(&dir, group)?;
        if terms.durability != Durability::None {
            sync_contents(&dir, &mut taken, group);
        }
        let mut changed = Changed::default();
        let renamed: Vec<Result<Renamed>> = taken
            .into_iter()
            .zip(group)
            .map(|(taken, item)| self.rename_upload(&dir, &taken?, item, terms, &mut changed))
            .collect();
        if terms.durability != Durability::Full {
            return Ok(renamed.into_iter().map(|renamed| Ok(renamed?.metadata)).collect());
        }
        let dirs: Vec<BorrowedFd<'_>> = changed.dirs.iter().map(AsFd::as_fd).collect();
        let synced = sync_all(&dirs);
        let staged = if dirs.is_empty() { Ok(()) } else { sys::sync(&dir) };
        let published = |renamed: Result<Renamed>| {
            let renamed = renamed?;
            renamed.names.iter().try_for_each(|&name| synced[name]).and(staged).map_err(fail)?;
            Ok(renamed.metadata)
        };
        Ok(renamed.into_iter().map(published).collect())
    }

    /// Opens uploads and takes them from everybody else: waits for writes under way, and lets no new ones
    /// begin. Of several publishers the first finds the name, the others do not.
    fn take_uploads(&self, dir: &OwnedFd, group: &[PublishItem]) -> Sys<Vec<Result<Taken>>> {
        let turn = Lock::exclusive(dir)?;
        let locked: Vec<Result<Taken>> = group
            .iter()
            .map(|item| {
                let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                let file = sys::open_at(dir, item.id.as_str(), flags, 0).map_err(unknown_or_fail)?;
                Lock::exclusive(&file).map_err(fail)?.keep();
                Ok(Taken { file, token: None })
            })
            .collect();
        drop(turn);
        let checked = locked.into_iter().zip(group).map(|(taken, item)| {
            let mut taken = taken?;
            if !stands_at(&taken.file, dir.as_fd(), item.id.as_str().as_bytes()).map_err(fail)? {
                return Err(unknown());
            }
            taken.token = self.put_token(&taken.file, Token::random()?)?;
            Ok(taken)
        });
        Ok(checked.collect())
    }

    /// Moves an upload to its path.
    fn rename_upload(
        &self,
        dir: &OwnedFd,
        taken: &Taken,
        item: &PublishItem,
        terms: Terms<'_>,
        changed: &mut Changed,
    ) -> Result<Renamed> {
        let from = At { dir, name: item.id.as_str().as_bytes() };
        for _ in 0..MAX_VANISHED {
            let place = self.locate_target(&item.path, Follow::Yes, terms.condition, terms.parents)?;
            check_early(terms.condition, place.stat.as_ref())?;
            if let Some(stat) = &place.stat {
                sys::require_file(stat)?;
            }
            let mode = ContentMode::new(self.options.file_mode, place.stat.as_ref());
            mode.force(&taken.file).and_then(|()| mode.settle(&taken.file)).map_err(fail)?;
            let to = At { dir: &place.dir, name: &place.name };
            let published = publish(from, to, terms.condition.into(), self.locking());
            if !matches!(published, Ok(Outcome::Published)) {
                // It is kept, to be written to and published later.
                mode.force(&taken.file).map_err(fail)?;
            }
            match published {
                Ok(Outcome::Published) => {
                    let metadata = self.published_metadata(&taken.file, taken.token)?;
                    let dirs = std::iter::once(place.dir).chain(place.created);
                    let names = dirs.map(|dir| changed.add(dir)).collect::<Result<_>>()?;
                    return Ok(Renamed { metadata, names });
                }
                Ok(Outcome::Mismatch) => return Err(condition_failed()),
                Ok(Outcome::Vanished) if stands_at(&taken.file, dir.as_fd(), from.name).map_err(fail)? => {
                    continue;
                }
                Ok(Outcome::Vanished) => return Err(unknown()),
                // The target lies on another file system, mounted below the root.
                Err(Errno::XDEV) => {
                    let metadata = self.write_content(&item.path, Content::File(&taken.file), terms)?;
                    sys::unlink_at(dir, from.name).map_err(fail)?;
                    return Ok(Renamed { metadata, names: Vec::new() });
                }
                Err(errno) => return Err(fail(errno)),
            }
        }
        Err(kept_vanishing())
    }
}

/// Brings the contents to the disk; one that could not be brought there is dropped.
fn sync_contents(dir: &OwnedFd, taken: &mut [Result<Taken>], group: &[PublishItem]) {
    let open: Vec<usize> = (0..taken.len()).filter(|&index| taken[index].is_ok()).collect();
    let files: Vec<BorrowedFd<'_>> =
        taken.iter().filter_map(|taken| taken.as_ref().ok()).map(|taken| taken.file.as_fd()).collect();
    let synced = sync_all(&files);
    drop(files);
    for (index, synced) in open.into_iter().zip(synced) {
        if let Err(errno) = synced {
            taken[index] = Err(dropped(dir, &group[index].id, fail(errno)));
        }
    }
}
