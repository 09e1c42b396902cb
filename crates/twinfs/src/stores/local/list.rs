//! Listings: one directory's names at a time, in order or as they come.
//!
//! A recursive listing goes depth first, which with sorted names is the order of full paths. Sizes
//! and small sub-directories are fetched ahead on the pool, so that two cores share the work.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::OFlags;
use rustix::io::Errno;

use super::Inner;
use super::names::{More, Names};
use super::sweep::sweep_names;
use super::sys::{self, Sys, fail};
use super::version::{entry_kind, metadata};
use crate::error::{Error, Result};
use crate::path::{FsPath, MAX_PATH_BYTES};
use crate::pool;
use crate::store::{BlockingLister, Depth, Entry, EntryKind, ListOptions, Metadata, Order};

/// How many levels keep their directory open; those above are opened again when needed.
const OPEN_LEVELS: usize = 16;
/// How many sub-directories are read ahead at once, and from how many on that is worth a hop.
const AHEAD: usize = 32;
const AHEAD_FROM: usize = 4;
/// The most names a directory read ahead may have; larger ones are read when their turn comes.
const AHEAD_NAMES: usize = 1024;
/// How many files are looked at ahead, from how many on the pool takes part, and in which portions.
const WINDOW: usize = 1024;
const WINDOW_FROM: usize = 128;
const PORTION: usize = 64;

type Found = Vec<Option<Metadata>>;

impl Inner {
    pub(super) fn list(
        self: &Arc<Self>,
        path: &FsPath,
        options: &ListOptions,
    ) -> Result<Box<dyn BlockingLister>> {
        let mut lister = Lister {
            inner: Arc::clone(self),
            options: options.clone(),
            path: path.as_str().to_owned(),
            stack: Vec::new(),
            single: None,
            failed: None,
        };
        match self.root.open_dir(path.as_str().as_bytes()) {
            Ok(dir) => {
                if path.is_root() {
                    self.root.check_kept(&sys::stat(&dir).map_err(fail)?)?;
                }
                lister.start(dir)?;
            }
            Err(Errno::NOTDIR) => lister.single = self.single_entry(path, options)?,
            Err(errno) => return Err(fail(errno)),
        }
        Ok(Box::new(lister))
    }

    /// The listing of what is no directory: itself.
    fn single_entry(&self, path: &FsPath, options: &ListOptions) -> Result<Option<Entry>> {
        let stat = self.root.stat(path)?;
        if options.start_after.as_ref().is_some_and(|after| path.as_str() <= after.as_str()) {
            return Ok(None);
        }
        let mut entry = Entry::new(path.clone(), entry_kind(sys::file_type(&stat)));
        entry.metadata = options.metadata.then(|| metadata(&stat));
        Ok(Some(entry))
    }
}

struct Lister {
    inner: Arc<Inner>,
    options: ListOptions,
    /// The path of the directory being listed, with a final `/` unless it is the root.
    path: String,
    stack: Vec<Level>,
    single: Option<Entry>,
    /// What went wrong behind the entries given out last.
    failed: Option<Error>,
}

/// A directory whose names are being given out.
struct Level {
    dir: Option<Arc<OwnedFd>>,
    /// How much of the path is above this directory.
    parent_len: usize,
    names: Arc<Names>,
    next: usize,
    more: More,
    /// What was found out about names from this index on.
    window: (usize, Found),
    /// Sub-directories read ahead, the next one last.
    ahead: Vec<(usize, Ahead)>,
}

/// A sub-directory read ahead.
enum Ahead {
    Read(Names, Found),
    /// Not there any more, or not a directory.
    Gone,
    /// Too large to be read ahead, or it could not be.
    Later,
}

/// A sub-directory whose turn has come.
enum Opened {
    Dir(OwnedFd),
    Read(Names, Found),
}

impl BlockingLister for Lister {
    fn next_page(&mut self, max: usize) -> Result<Vec<Entry>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let max = max.max(1);
        let mut page = Vec::with_capacity(max.min(WINDOW));
        page.extend(self.single.take());
        match self.fill(&mut page, max) {
            Err(error) if page.is_empty() => Err(error),
            // What was found before it comes first.
            Err(error) => {
                self.failed = Some(error);
                Ok(page)
            }
            Ok(()) => Ok(page),
        }
    }
}

impl Lister {
    fn fill(&mut self, page: &mut Vec<Entry>, max: usize) -> Result<()> {
        while page.len() < max {
            let Some(level) = self.stack.last_mut() else { break };
            let index = level.next;
            if index < level.names.len() {
                level.next += 1;
                let entry = self.entry(index, max - page.len());
                page.extend(entry.map_err(|error| error.with_raw_path(self.dir_path()))?);
                self.descend(index)?;
            } else if level.more == More::Yes {
                self.refill().map_err(|error| error.with_raw_path(self.dir_path()))?;
            } else {
                let parent_len = level.parent_len;
                self.path.truncate(parent_len);
                self.stack.pop();
            }
        }
        Ok(())
    }

    /// The directory being listed, as errors name it.
    fn dir_path(&self) -> &str {
        self.path.trim_end_matches('/')
    }

    fn start(&mut self, dir: OwnedFd) -> Result<()> {
        let parent_len = self.path.len();
        if parent_len > 0 {
            self.path.push('/');
        }
        self.push_level(dir, parent_len)?;
        let Some(after) = self.options.start_after.take() else { return Ok(()) };
        self.skip_to(&after)
    }

    /// Passes over what a listing that is resumed gave out before.
    fn skip_to(&mut self, after: &str) -> Result<()> {
        while let Some(level) = self.stack.last_mut() {
            let Some(rest) = after.strip_prefix(self.path.as_str()) else {
                if after > self.path.as_str() {
                    level.next = level.names.len();
                }
                return Ok(());
            };
            level.next = level.names.count_up_to(rest.as_bytes());
            let Some(last) = level.next.checked_sub(1) else { return Ok(()) };
            // The directory in which the listing stopped was given out itself, but not all below it.
            let inside = level.names.kind(last) == EntryKind::Directory
                && rest.as_bytes().starts_with(level.names.key(last));
            let depth = self.stack.len();
            if inside {
                self.descend(last)?;
            }
            if self.stack.len() == depth {
                return Ok(());
            }
        }
        Ok(())
    }

    fn push_level(&mut self, dir: OwnedFd, parent_len: usize) -> Result<()> {
        let mut names = Names::default();
        let more = if self.options.order == Order::Sorted {
            names.read_all(&dir).map_err(fail)?;
            names.sort();
            More::No
        } else {
            names.read_some(&dir).map_err(fail)?
        };
        if !names.litter.is_empty() {
            sweep_names(&dir, &names.litter);
        }
        self.push(Level {
            dir: Some(Arc::new(dir)),
            parent_len,
            names: Arc::new(names),
            next: 0,
            more,
            window: (0, Vec::new()),
            ahead: Vec::new(),
        })
    }

    fn push(&mut self, level: Level) -> Result<()> {
        if let Some(index) = self.stack.len().checked_sub(OPEN_LEVELS) {
            let upper = &mut self.stack[index];
            if let Some(dir) = upper.dir.take()
                && upper.more == More::Yes
            {
                // Its position is lost with its descriptor, so the rest is read now.
                let mut rest = Names::default();
                rest.read_all(&*dir).map_err(fail)?;
                upper.more = More::No;
                upper.keep_remaining(rest).map_err(fail)?;
            }
        }
        self.stack.push(level);
        Ok(())
    }

    fn refill(&mut self) -> Result<()> {
        let Some(level) = self.stack.last_mut() else { return Ok(()) };
        let Some(dir) = level.dir.clone() else {
            level.more = More::No;
            return Ok(());
        };
        let mut names = Names::default();
        level.more = names.read_some(&*dir).map_err(fail)?;
        if !names.litter.is_empty() {
            sweep_names(&dir, &names.litter);
        }
        level.names = Arc::new(names);
        level.next = 0;
        level.window = (0, Vec::new());
        level.ahead.clear();
        Ok(())
    }

    /// The entry of a name; `None` if it vanished.
    fn entry(&mut self, index: usize, wanted: usize) -> Result<Option<Entry>> {
        let metadata = if self.options.metadata {
            match self.metadata(index, wanted)? {
                Some(metadata) => Some(metadata),
                None => return Ok(None),
            }
        } else {
            None
        };
        let Some(level) = self.stack.last() else { return Ok(None) };
        let raw_name = level.names.name(index);
        let mut entry = match std::str::from_utf8(raw_name) {
            Ok(name) if self.is_representable(level, index) => {
                Entry::new(FsPath::child(&self.path, name), level.names.kind(index))
            }
            _ => {
                let mut entry = Entry::new(FsPath::new(&self.path)?, EntryKind::Unrepresentable);
                entry.raw_name = Some(raw_name.into());
                entry
            }
        };
        entry.metadata = metadata;
        Ok(Some(entry))
    }

    fn is_representable(&self, level: &Level, index: usize) -> bool {
        level.names.kind(index) != EntryKind::Unrepresentable
            && self.path.len() + level.names.name(index).len() <= MAX_PATH_BYTES
    }

    /// Metadata of a name of the uppermost level; the following ones are found out with it.
    fn metadata(&mut self, index: usize, wanted: usize) -> Result<Option<Metadata>> {
        let known = |level: &mut Level| {
            let (start, found) = &mut level.window;
            index.checked_sub(*start).and_then(|at| found.get_mut(at)).map(Option::take)
        };
        if let Some(found) = self.stack.last_mut().and_then(known) {
            return Ok(found);
        }
        let Some(dir) = self.top_dir()? else { return Ok(None) };
        let Some(level) = self.stack.last_mut() else { return Ok(None) };
        let end = level.names.len().min(index + wanted.clamp(1, WINDOW));
        level.window = (index, look_at(&dir, &level.names, index, end).map_err(fail)?);
        Ok(known(level).flatten())
    }

    /// The directory of the uppermost level, opened again if it had to be closed; `None` if it
    /// vanished.
    fn top_dir(&mut self) -> Result<Option<Arc<OwnedFd>>> {
        let Some(level) = self.stack.last_mut() else { return Ok(None) };
        if level.dir.is_none() {
            match self.inner.root.open_dir(self.path.trim_end_matches('/').as_bytes()) {
                Ok(dir) => level.dir = Some(Arc::new(dir)),
                Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
                Err(errno) => return Err(fail(errno)),
            }
        }
        Ok(level.dir.clone())
    }

    /// Goes down into the directory at an index, if it is one and the listing goes deep.
    fn descend(&mut self, index: usize) -> Result<()> {
        let Some(level) = self.stack.last_mut() else { return Ok(()) };
        if self.options.depth == Depth::Children || level.names.kind(index) != EntryKind::Directory {
            return Ok(());
        }
        let name_len = level.names.key(index).len();
        if self.path.len() + name_len > MAX_PATH_BYTES {
            return Ok(());
        }
        if level.ahead.is_empty() {
            self.read_ahead(index)?;
        }
        let Some(level) = self.stack.last_mut() else { return Ok(()) };
        let ahead = match level.ahead.pop() {
            Some((at, ahead)) if at == index => ahead,
            other => {
                level.ahead.extend(other);
                Ahead::Later
            }
        };
        let names = Arc::clone(&level.names);
        let parent_len = self.path.len();
        let opened = match ahead {
            Ahead::Gone => None,
            Ahead::Read(names, found) => Some(Ok(Opened::Read(names, found))),
            Ahead::Later => self.open_child(names.name(index)).transpose(),
        };
        let Some(opened) = opened else { return Ok(()) };
        // A directory's key is a representable name and a slash: UTF-8.
        self.path.push_str(&String::from_utf8_lossy(names.key(index)));
        let pushed = match opened {
            Err(error) => Err(error),
            Ok(Opened::Dir(dir)) => self.push_level(dir, parent_len),
            Ok(Opened::Read(names, found)) => self.push(Level {
                dir: None,
                parent_len,
                names: Arc::new(names),
                next: 0,
                more: More::No,
                window: (0, found),
                ahead: Vec::new(),
            }),
        };
        pushed.map_err(|error| {
            let error = error.with_raw_path(self.dir_path());
            self.path.truncate(parent_len);
            error
        })
    }

    /// Opens a sub-directory; `None` if it vanished or is none any more.
    fn open_child(&mut self, name: &[u8]) -> Result<Option<Opened>> {
        let Some(dir) = self.top_dir()? else { return Ok(None) };
        match sys::open_at(&*dir, name, sys::DIRECTORY | OFlags::NOFOLLOW, 0) {
            Ok(child) => Ok(Some(Opened::Dir(child))),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(fail(errno)),
        }
    }

    /// Reads the next sub-directories on the pool, starting with the one at `index`.
    fn read_ahead(&mut self, index: usize) -> Result<()> {
        let Some(level) = self.stack.last() else { return Ok(()) };
        let names = Arc::clone(&level.names);
        let dirs: Vec<usize> =
            (index..names.len()).filter(|&at| names.kind(at) == EntryKind::Directory).take(AHEAD).collect();
        if dirs.len() < AHEAD_FROM {
            return Ok(());
        }
        let Some(dir) = self.top_dir()? else { return Ok(()) };
        let results: Arc<Vec<Mutex<Ahead>>> =
            Arc::new(dirs.iter().map(|_| Mutex::new(Ahead::Later)).collect());
        let (shared, targets, options) = (Arc::clone(&results), dirs.clone(), self.options.clone());
        pool::for_each(dirs.len(), 1, move |at| {
            let read = read_child(&dir, names.name(targets[at]), &options);
            *shared[at].lock().unwrap_or_else(PoisonError::into_inner) = read;
        });
        let Some(level) = self.stack.last_mut() else { return Ok(()) };
        level.ahead.extend(dirs.into_iter().zip(results.iter()).rev().map(|(index, slot)| {
            let read =
                std::mem::replace(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner), Ahead::Later);
            (index, read)
        }));
        Ok(())
    }
}

impl Level {
    /// Puts names that were read late behind those not yet given out.
    fn keep_remaining(&mut self, mut rest: Names) -> Sys<()> {
        rest.append(&self.names, self.next)?;
        self.names = Arc::new(rest);
        self.next = 0;
        self.window = (0, Vec::new());
        self.ahead.clear();
        Ok(())
    }
}

/// Reads a small sub-directory whole. What fails is left to the one who comes to its turn.
fn read_child(parent: &OwnedFd, name: &[u8], options: &ListOptions) -> Ahead {
    let dir = match sys::open_at(parent, name, sys::DIRECTORY | OFlags::NOFOLLOW, 0) {
        Ok(dir) => dir,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ahead::Gone,
        Err(_) => return Ahead::Later,
    };
    let mut names = Names::default();
    loop {
        match names.read_some(&dir) {
            Ok(More::No) => break,
            Ok(More::Yes) if names.len() <= AHEAD_NAMES => continue,
            _ => return Ahead::Later,
        }
    }
    if !names.litter.is_empty() {
        sweep_names(&dir, &names.litter);
    }
    if options.order == Order::Sorted {
        names.sort();
    }
    let found =
        if options.metadata { look_at_portion(dir.as_fd(), &names, 0, names.len()) } else { Ok(Vec::new()) };
    found.map_or(Ahead::Later, |found| Ahead::Read(names, found))
}

/// Looks at the names from `start` to `end`; those that vanished are `None`.
fn look_at(dir: &Arc<OwnedFd>, names: &Arc<Names>, start: usize, end: usize) -> Sys<Found> {
    let count = end - start;
    if count < WINDOW_FROM {
        return look_at_portion(dir.as_fd(), names, start, end);
    }
    let portions = count.div_ceil(PORTION);
    let results: Arc<Vec<Mutex<Sys<Found>>>> =
        Arc::new((0..portions).map(|_| Mutex::new(Ok(Vec::new()))).collect());
    let (shared, dir, names) = (Arc::clone(&results), Arc::clone(dir), Arc::clone(names));
    pool::for_each(portions, 1, move |portion| {
        let from = start + portion * PORTION;
        let found = look_at_portion(dir.as_fd(), &names, from, end.min(from + PORTION));
        *shared[portion].lock().unwrap_or_else(PoisonError::into_inner) = found;
    });
    let mut all = Vec::with_capacity(count);
    for slot in results.iter() {
        let mut found = slot.lock().unwrap_or_else(PoisonError::into_inner);
        all.append(found.as_mut().map_err(|errno| *errno)?);
    }
    Ok(all)
}

fn look_at_portion(dir: impl AsFd, names: &Names, start: usize, end: usize) -> Sys<Found> {
    (start..end)
        .map(|index| Ok(sys::find_at(dir.as_fd(), names.name(index))?.map(|stat| metadata(&stat))))
        .collect()
}
