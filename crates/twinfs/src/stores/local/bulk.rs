//! Verbs on many files: portions of them side by side on the pool. Neighbours in the list that
//! stand in one directory share its descriptor, so each costs a lookup of one name.

use std::cell::LazyCell;
use std::ops::Range;
use std::os::fd::OwnedFd;
#[cfg(feature = "objects")]
use std::slice;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Inner;
use super::sys::{self, fail};
use super::version;
use super::write::{Content, Terms, special_or_fail};
use crate::error::{Error, ErrorKind, Result};
use crate::path::FsPath;
use crate::pool::{self, Lane};
use crate::store::{Durability, Metadata, Parents, ReadOptions, StatOptions, WriteItem, WriteOptions};

/// From how many files on the pool takes part, and in which portions.
const SPREAD_FROM: usize = 64;
const PORTION: usize = 32;
/// From this size on, copying a file's bytes costs more than making its name.
const LARGE: usize = 32 * 1024;
/// From how many neighbours on opening their directory first is worth its own system calls.
const SHARE_FROM: usize = 3;
/// Contents up to this many bytes share memory, of so many bytes each: whoever keeps one content keeps
/// that much.
const SHARED: usize = 8 * 1024;
const ROOM: usize = 64 * 1024;
/// How many bytes of borrowed data are copied for the workers at once.
const COPY_AT_ONCE: usize = 16 * 1024 * 1024;

impl Inner {
    pub(super) fn read_many(self: &Arc<Self>, paths: &[FsPath], options: &ReadOptions) -> Vec<Result<Bytes>> {
        let (inner, options) = (Arc::clone(self), options.clone());
        spread(
            paths,
            even_portions(paths.len()),
            move |portion: &[FsPath], results: &mut Vec<Result<Bytes>>| {
                let mut room = Room::default();
                inner.in_directories(
                    portion,
                    |dir, path| match dir {
                        Some(dir) => inner.read_in(dir, path, &options, &mut room),
                        None => inner.read(path, &options),
                    },
                    results,
                );
            },
        )
    }

    pub(super) fn stat_many(
        self: &Arc<Self>,
        paths: &[FsPath],
        options: &StatOptions,
    ) -> Vec<Result<Metadata>> {
        let (inner, options) = (Arc::clone(self), *options);
        spread(
            paths,
            even_portions(paths.len()),
            move |portion: &[FsPath], results: &mut Vec<Result<Metadata>>| {
                inner.in_directories(
                    portion,
                    |dir, path| match dir {
                        Some(dir) => inner.stat_in(dir, path, &options),
                        None => inner.stat(path, &options),
                    },
                    results,
                );
            },
        )
    }

    pub(super) fn write_many(
        self: &Arc<Self>,
        items: &[WriteItem<'_>],
        options: &WriteOptions,
    ) -> Vec<Result<Metadata>> {
        let mut results = Vec::with_capacity(items.len());
        let mut rest = items;
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(batch_len(rest));
            rest = later;
            let portions = self.write_portions(batch, options);
            if portions.len() < 2 {
                self.write_portion(batch, options, &mut results);
                continue;
            }
            let owned: Vec<WriteItem<'static>> = batch
                .iter()
                .map(|item| WriteItem { path: item.path.clone(), data: item.data.to_owned_data() })
                .collect();
            let (inner, options) = (Arc::clone(self), options.clone());
            results.extend(spread(&owned, portions, move |portion, results| {
                inner.write_portion(portion, &options, results);
            }));
        }
        results
    }

    /// Small files in one directory are one lane, as in [`write_portions`](Self::write_portions).
    pub(super) fn write_lane(&self, path: &FsPath, len: usize, options: &WriteOptions) -> Option<Lane> {
        let waits_for_the_directory = self.durability(options.durability) == Durability::None && len < LARGE;
        waits_for_the_directory.then(|| Lane::of(&(std::ptr::from_ref(self).addr(), path.parent_str())))
    }

    /// How writes are split between threads. Two that make small files in one directory mostly wait
    /// for each other, so each gets directories of its own; large files and syncs overlap anyway.
    fn write_portions(&self, items: &[WriteItem<'_>], options: &WriteOptions) -> Vec<Range<usize>> {
        let bytes: usize = items.iter().map(|item| item.data.len()).sum();
        let overlap =
            self.durability(options.durability) != Durability::None || bytes / items.len().max(1) >= LARGE;
        if overlap || items.len() < SPREAD_FROM {
            return even_portions(items.len());
        }
        let mut portions: Vec<Range<usize>> = Vec::new();
        let mut start = 0;
        for run in items.chunk_by(|one, other| one.path.parent_str() == other.path.parent_str()) {
            let end = start + run.len();
            match portions.last_mut() {
                Some(last) if last.len() < PORTION => last.end = end,
                _ => portions.push(start..end),
            }
            start = end;
        }
        portions
    }

    /// Calls `one` for each path, with its directory where several in a row share it.
    fn in_directories<T>(
        &self,
        paths: &[FsPath],
        mut one: impl FnMut(Option<&OwnedFd>, &FsPath) -> Result<T>,
        results: &mut Vec<Result<T>>,
    ) {
        for run in paths.chunk_by(|one, other| one.parent_str() == other.parent_str()) {
            let shared = run.len() >= SHARE_FROM && !run.iter().any(FsPath::is_root);
            // If the directory cannot be opened, each path says why by itself.
            let dir = shared.then(|| self.root.open_dir(run[0].parent_str().as_bytes()).ok()).flatten();
            results.extend(
                run.iter()
                    .map(|path| self.rooted(one(dir.as_ref(), path)).map_err(|error| error.with_path(path))),
            );
        }
    }

    fn read_in(&self, dir: &OwnedFd, path: &FsPath, options: &ReadOptions, room: &mut Room) -> Result<Bytes> {
        match sys::open_at(dir, path.name(), sys::READ | OFlags::NOFOLLOW, 0) {
            Ok(file) => {
                let (start, len) = self.range_in(&file, options)?;
                room.read(&file, start, len)
            }
            // A link has to be followed from the root, confined.
            Err(Errno::LOOP) => self.read(path, options),
            Err(errno) => Err(special_or_fail(errno)),
        }
    }

    fn stat_in(&self, dir: &OwnedFd, path: &FsPath, options: &StatOptions) -> Result<Metadata> {
        if options.version && self.keeps_versions {
            return match sys::open_at(dir, path.name(), sys::READ | OFlags::NOFOLLOW, 0) {
                Ok(file) => self.metadata_of(&file),
                Err(_) => self.stat(path, options),
            };
        }
        let stat = sys::stat_at(dir, path.name()).map_err(fail)?;
        if sys::is_link(&stat) { self.stat(path, options) } else { Ok(version::metadata(&stat)) }
    }

    fn write_portion(
        &self,
        items: &[WriteItem<'_>],
        options: &WriteOptions,
        results: &mut Vec<Result<Metadata>>,
    ) {
        let terms = self.terms(options);
        for run in items.chunk_by(|one, other| one.path.parent_str() == other.path.parent_str()) {
            let shared = run.len() >= SHARE_FROM
                && terms.durability != Durability::Full
                && self.check_condition(terms.condition).is_ok()
                && !run.iter().any(|item| item.path.is_root());
            let dir = LazyCell::new(|| {
                shared.then(|| self.open_for_writing(run[0].path.parent_str(), terms.parents)).flatten()
            });
            results.extend(run.iter().map(|item| {
                let written = self.write_item(item, || dir.as_ref(), terms, options);
                self.rooted(written).map_err(|error| error.with_path(&item.path))
            }));
        }
    }

    /// Writes a file, in its directory where neighbours share that: it is asked for only if it is needed.
    fn write_item<'dir>(
        &self,
        item: &WriteItem<'_>,
        dir: impl FnOnce() -> Option<&'dir OwnedFd>,
        terms: Terms<'_>,
        options: &WriteOptions,
    ) -> Result<Metadata> {
        #[cfg(feature = "objects")]
        if let Some(metadata) = self.create_in_folder(&item.path, slice::from_ref(&item.data), options)? {
            return Ok(metadata);
        }
        match dir() {
            Some(dir) => self.write_in(dir, item, terms, options),
            None => self.write(&item.path, &item.data, options),
        }
    }

    fn open_for_writing(&self, dir: &str, parents: Parents) -> Option<OwnedFd> {
        self.root.open_parent(dir, parents).ok().map(|(dir, _)| dir)
    }

    fn write_in(
        &self,
        dir: &OwnedFd,
        item: &WriteItem<'_>,
        terms: Terms<'_>,
        options: &WriteOptions,
    ) -> Result<Metadata> {
        let name = item.path.name().as_bytes();
        let present = sys::find_at(dir, name).map_err(fail)?;
        if !present.is_some_and(|stat| sys::is_link(&stat))
            && let Some(metadata) =
                self.write_at(dir, name, present.as_ref(), Content::Bytes(&item.data), terms)?
        {
            return Ok(metadata);
        }
        // A link, or the directory was removed: the long way.
        self.write(&item.path, &item.data, options)
    }
}

/// Memory that the contents of small files share: to get and to free it for each takes as long as to
/// copy its bytes, the more so where another thread frees it.
#[derive(Default)]
struct Room(BytesMut);

impl Room {
    /// Reads up to `len` bytes from `offset`: fewer only where the file ends.
    fn read(&mut self, file: &OwnedFd, offset: u64, len: u64) -> Result<Bytes> {
        let len = match usize::try_from(len) {
            Ok(len) if len <= SHARED => len,
            _ => return Ok(sys::read_range(file, offset, len)?.into()),
        };
        if self.0.capacity() < len {
            self.0 = BytesMut::with_capacity(ROOM);
        }
        self.0.resize(len, 0);
        let mut filled = 0;
        while filled < len {
            match sys::read_at(file, offset + filled as u64, &mut self.0[filled..]).map_err(fail)? {
                0 => break,
                count => filled += count,
            }
        }
        self.0.truncate(filled);
        // What is behind the bytes that were read is room for the next file's.
        Ok(self.0.split().freeze())
    }
}

/// How many items are copied for the workers at once: those up to [`COPY_AT_ONCE`] bytes.
fn batch_len(items: &[WriteItem<'_>]) -> usize {
    let mut bytes = 0;
    let fits = items.iter().take_while(|item| {
        bytes += item.data.len();
        bytes <= COPY_AT_ONCE
    });
    fits.count().max(1)
}

/// Portions of the same size; one if there are too few items to be worth a hop.
fn even_portions(count: usize) -> Vec<Range<usize>> {
    let size = if count < SPREAD_FROM { count.max(1) } else { PORTION };
    (0..count).step_by(size).map(|start| start..count.min(start + size)).collect()
}

/// Runs `work` on portions of the items, on this thread and on free workers; results in order.
fn spread<I, T>(
    items: &[I],
    portions: Vec<Range<usize>>,
    work: impl Fn(&[I], &mut Vec<Result<T>>) + Send + Sync + 'static,
) -> Vec<Result<T>>
where
    I: Clone + Send + Sync + 'static,
    T: Send + 'static,
{
    let mut all = Vec::with_capacity(items.len());
    if portions.len() < 2 {
        work(items, &mut all);
        return all;
    }
    let shared: Arc<[I]> = items.into();
    let slots: Arc<Vec<Mutex<Vec<Result<T>>>>> =
        Arc::new(portions.iter().map(|_| Mutex::default()).collect());
    let (filled, taken) = (Arc::clone(&slots), portions.clone());
    pool::for_each(portions.len(), 1, move |portion| {
        let items = &shared[taken[portion].clone()];
        let mut results = Vec::with_capacity(items.len());
        work(items, &mut results);
        *filled[portion].lock().unwrap_or_else(PoisonError::into_inner) = results;
    });
    for (portion, slot) in portions.iter().zip(slots.iter()) {
        let mut results = std::mem::take(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner));
        // A worker that panicked left its portion short.
        results.resize_with(portion.len(), || {
            Err(Error::new(ErrorKind::Io)
                .with_message("a worker panicked; this is a fault of twinfs, please report it"))
        });
        all.append(&mut results);
    }
    all
}
