//! From pairs of sources and destinations to single files: directories are walked while the first
//! files are already on their way.

use std::collections::VecDeque;

use super::options::{Failed, Pair, Skipped, TransferOptions};
use super::progress::ProgressItem;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::logic::entries::{Cursor, PAGE};
use crate::logic::verbs;
use crate::logic::window::{boxed, window};
use crate::path::FsPath;
use crate::store::{AsyncStore, Depth, Entry, EntryKind, ListOptions, Metadata, StatOptions};

/// Files up to this length, in bytes, travel in one piece; longer ones as a stream of blocks.
pub(super) const WHOLE: u64 = 256 * 1024;
/// The most bytes that one batch of files holds in memory.
const BATCH_BYTES: u64 = 8 * 1024 * 1024;
/// Pairs whose sources are looked up together.
const PAIRS: usize = 256;

/// One file to copy.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) index: usize,
    pub(super) from: FsPath,
    pub(super) to: FsPath,
    /// The length as the listing had it; `None` where nobody asked.
    pub(super) len: Option<u64>,
}

impl Job {
    pub(super) fn item(&self) -> ProgressItem<'_> {
        ProgressItem { index: self.index, path: &self.from, to: Some(&self.to), len: self.len }
    }
}

/// What the transfer has to do next.
#[derive(Debug)]
pub(super) enum Step {
    File(Job),
    /// Small files, for stores that take many in one call.
    Batch(Vec<Job>),
    Directory(FsPath),
    Skip(usize, Skipped),
    /// A source that could not be looked at.
    Fail(usize, Failed),
}

/// Turns pairs into steps.
pub(super) struct Expander<'a, A: AsyncStore> {
    source: &'a A,
    options: &'a TransferOptions,
    pairs: &'a [Pair],
    /// Files per batch; `None` where the stores do not gain from batches.
    batch: Option<usize>,
    /// Whether directories exist by themselves at the destination.
    directories: bool,
    in_flight: usize,
    walk: Option<Walk<A::Lister>>,
    /// Pairs that were looked up and are not walked yet.
    found: VecDeque<(&'a Pair, Result<Option<Metadata>>)>,
    steps: VecDeque<Step>,
    small: Vec<Job>,
    small_bytes: u64,
    next_index: usize,
}

/// A directory under way.
struct Walk<L> {
    from: FsPath,
    to: FsPath,
    cursor: Cursor<L>,
    /// The last directory seen, as long as nothing below it was.
    empty: Option<FsPath>,
}

impl<'a, A: AsyncStore> Expander<'a, A> {
    pub(super) fn new(
        source: &'a A,
        pairs: &'a [Pair],
        options: &'a TransferOptions,
        batch: Option<usize>,
        directories: bool,
        in_flight: usize,
    ) -> Self {
        Self {
            source,
            options,
            pairs,
            batch,
            directories,
            in_flight,
            walk: None,
            found: VecDeque::new(),
            steps: VecDeque::new(),
            small: Vec::new(),
            small_bytes: 0,
            next_index: 0,
        }
    }

    /// The next step; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Step>> {
        loop {
            if let Some(step) = self.steps.pop_front() {
                return Ok(Some(step));
            }
            if let Some(mut walk) = self.walk.take() {
                match walk.cursor.next_page(PAGE).await {
                    Ok(page) if page.is_empty() => self.leave(walk),
                    Ok(page) => {
                        self.take_page(&mut walk, page).await;
                        self.walk = Some(walk);
                    }
                    Err(error) => self.fail(walk.from, walk.to, error),
                }
            } else if let Some((pair, metadata)) = self.found.pop_front() {
                self.enter(pair, metadata).await;
            } else if !self.pairs.is_empty() {
                self.look_up().await?;
            } else if self.small.is_empty() {
                return Ok(None);
            } else {
                self.flush();
            }
        }
    }

    /// Looks up what the next pairs' sources are.
    async fn look_up(&mut self) -> Result<()> {
        let (pairs, rest) = self.pairs.split_at(self.pairs.len().min(PAIRS));
        self.pairs = rest;
        let bulk = self.source.capabilities().bulk;
        if bulk && pairs.len() > 1 {
            let paths: Vec<FsPath> = pairs.iter().map(|pair| pair.from.clone()).collect();
            let found = verbs::stat_many(self.source, &paths, &StatOptions::default()).await?;
            self.found = pairs.iter().zip(found.into_iter().map(|metadata| metadata.map(Some))).collect();
        } else if bulk || self.options.depth == Depth::Recursive {
            let (source, options) = (self.source, &StatOptions::default());
            let stats = pairs.iter().map(|pair| boxed(verbs::stat(source, &pair.from, options)));
            let mut found: Vec<Option<Result<Metadata>>> = pairs.iter().map(|_| None).collect();
            window(self.in_flight, stats, |index, metadata| {
                found[index] = Some(metadata);
                Ok(())
            })
            .await?;
            self.found =
                pairs.iter().zip(found.into_iter().flatten().map(|metadata| metadata.map(Some))).collect();
        } else {
            // Opening a file says what it is; asking beforehand would double the round trips.
            self.found = pairs.iter().map(|pair| (pair, Ok(None))).collect();
        }
        Ok(())
    }

    async fn enter(&mut self, pair: &Pair, metadata: Result<Option<Metadata>>) {
        let (from, to) = (pair.from.clone(), pair.to.clone());
        let metadata = match metadata {
            Err(error) => return self.fail(from, to, error),
            Ok(None) => return self.file(from, to, None),
            Ok(Some(metadata)) => metadata,
        };
        match (metadata.kind, self.options.depth) {
            (EntryKind::Directory, Depth::Recursive) => {
                let options =
                    ListOptions { depth: Depth::Recursive, metadata: true, ..ListOptions::default() };
                match verbs::list(self.source, &from, &options, Operation::Walk).await {
                    Ok(cursor) => {
                        let empty = Some(to.clone());
                        self.walk = Some(Walk { from, to, cursor, empty });
                    }
                    Err(error) => self.fail(from, to, error),
                }
            }
            (EntryKind::Directory, Depth::Children) => {
                let error = Error::new(ErrorKind::IsADirectory)
                    .with_operation(Operation::Copy)
                    .with_path(&from)
                    .with_store(self.source.scheme());
                self.fail(from, to, error);
            }
            (EntryKind::File, _) => self.file(from, to, Some(metadata.len)),
            (kind, _) => self.skip(from, None, reason(kind)),
        }
    }

    async fn take_page(&mut self, walk: &mut Walk<A::Lister>, page: Vec<Entry>) {
        for entry in page {
            let below = entry.path.strip_prefix(&walk.from).map(str::to_owned);
            let to = match below.as_deref().map(|below| walk.to.join(below)) {
                Some(Ok(to)) => to,
                // A listing that leaves its directory is a fault of the store; nothing is copied.
                None => continue,
                Some(Err(error)) => {
                    self.fail(entry.path, walk.to.clone(), error);
                    continue;
                }
            };
            if let Some(empty) = walk.empty.take_if(|empty| to.strip_prefix(empty).is_none()) {
                self.directory(empty);
            }
            match entry.kind {
                EntryKind::Directory => walk.empty = Some(to),
                EntryKind::File => {
                    walk.empty = None;
                    let len = entry.len();
                    self.file(entry.path, to, len);
                }
                EntryKind::Symlink => {
                    // A link to a file counts as that file; one to a directory could lead in circles.
                    match verbs::stat(self.source, &entry.path, &StatOptions::default()).await {
                        Ok(metadata) if metadata.is_file() => {
                            walk.empty = None;
                            self.file(entry.path, to, Some(metadata.len));
                        }
                        Ok(_) => self.skip(entry.path, None, "a link to a directory"),
                        Err(_) => self.skip(entry.path, None, "a link that leads nowhere or out of the root"),
                    }
                }
                kind => self.skip(entry.path, entry.raw_name, reason(kind)),
            }
        }
    }

    /// The end of a directory.
    fn leave(&mut self, walk: Walk<A::Lister>) {
        if let Some(empty) = walk.empty {
            self.directory(empty);
        }
    }

    fn directory(&mut self, to: FsPath) {
        if self.directories {
            self.steps.push_back(Step::Directory(to));
        }
    }

    fn index(&mut self) -> usize {
        self.next_index += 1;
        self.next_index - 1
    }

    fn file(&mut self, from: FsPath, to: FsPath, len: Option<u64>) {
        let job = Job { index: self.index(), from, to, len };
        if let Some(progress) = &self.options.bulk.progress {
            progress.discovered(&job.item());
        }
        match (self.batch, len) {
            (Some(batch), Some(len)) if len <= WHOLE => {
                if self.small_bytes + len > BATCH_BYTES {
                    self.flush();
                }
                self.small.push(job);
                self.small_bytes += len;
                if self.small.len() >= batch {
                    self.flush();
                }
            }
            _ => self.steps.push_back(Step::File(job)),
        }
    }

    fn flush(&mut self) {
        if !self.small.is_empty() {
            self.steps.push_back(Step::Batch(std::mem::take(&mut self.small)));
            self.small_bytes = 0;
        }
    }

    fn fail(&mut self, from: FsPath, to: FsPath, error: Error) {
        let index = self.index();
        self.steps.push_back(Step::Fail(index, Failed { from, to, error }));
    }

    fn skip(&mut self, path: FsPath, raw_name: Option<Box<[u8]>>, reason: &'static str) {
        let index = self.index();
        self.steps.push_back(Step::Skip(index, Skipped { path, raw_name, reason }));
    }
}

fn reason(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Unrepresentable => "a name that no path can hold",
        EntryKind::Symlink => "a link that leads nowhere or out of the root",
        _ => "neither a file nor a directory",
    }
}
