//! The text of the transfers between file systems: many files in flight, each of them whole.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::expand::{Expander, Job, Step, WHOLE};
use super::options::{Failed, Files, Limit, OnError, Pair, Report, Skipped, TransferOptions};
use super::verbs::Side;
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::logic::stream::{Blocks, STREAM_BLOCK};
use crate::logic::window::{BoxFuture, boxed};
use crate::logic::{check, verbs};
use crate::path::FsPath;
use crate::store::{
    AsyncFile, AsyncStore, CreateDirOptions, Data, Depth, Existing, Metadata, Mode, MoveOptions, OpenOptions,
    ReadOptions, WriteItem,
};

/// Files per batch, at most.
const BATCH: usize = 128;
/// Batches in flight, where the limit allows it.
const BATCHES: usize = 4;

/// How files get from one side to the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Read here, written there.
    Through,
    /// Copied by the store, which is the same on both sides.
    Inside,
}

/// What every step needs to know.
struct Transfer<'a, A, B> {
    source: &'a A,
    target: &'a B,
    options: &'a TransferOptions,
    way: Way,
}

/// What came of a step.
enum Done {
    Files(Vec<(Job, Result<u64>)>),
    Directory(FsPath, Result<()>),
    Skip(usize, Skipped),
    Fail(usize, Failed),
}

pub(super) async fn transfer<A: AsyncStore, B: AsyncStore>(
    source: Side<'_, A>,
    target: Side<'_, B>,
    pairs: &[Pair],
    options: &TransferOptions,
) -> Result<Report> {
    let limit = source.limit.or(target.limit);
    let context = Transfer { source: source.store, target: target.store, options, way: Way::Through };
    context.run(limit, pairs).await
}

pub(super) async fn copy<S: AsyncStore>(
    side: Side<'_, S>,
    pairs: &[Pair],
    options: &TransferOptions,
) -> Result<Report> {
    let within = |pair: &&Pair| match options.depth {
        Depth::Children => pair.from == pair.to,
        Depth::Recursive => pair.to.strip_prefix(&pair.from).is_some(),
    };
    if let Some(pair) = pairs.iter().find(within) {
        return Err(Error::new(ErrorKind::InvalidInput)
            .with_operation(Operation::Copy)
            .with_path(&pair.from)
            .with_message("it cannot be copied onto or into itself"));
    }
    let context = Transfer { source: side.store, target: side.store, options, way: Way::Inside };
    context.run(side.limit, pairs).await
}

impl<A: AsyncStore, B: AsyncStore> Transfer<'_, A, B> {
    async fn run(&self, limit: Option<Limit>, pairs: &[Pair]) -> Result<Report> {
        check::write(self.target.capabilities(), &self.options.write)
            .map_err(|error| error.with_operation(Operation::Copy).with_store(self.target.scheme()))?;
        let files = Files::of(&[self.source.scheme(), self.target.scheme()]);
        let chosen = Limit::chosen(self.options.bulk.limit, limit, files).map(Limit::operations);
        let limit = Limit::effective(self.options.bulk.limit, limit, files).operations();
        let batches =
            self.way == Way::Through && self.source.capabilities().bulk && self.target.capabilities().bulk;
        // A batch stands for as many operations as it has files; where nobody chose a limit, the
        // stores' own bulk verbs bound what they hold at a time.
        let batch = batches.then(|| chosen.map_or(BATCH, |limit| (limit / BATCHES).clamp(1, BATCH)));
        let in_flight = match (batch, chosen) {
            (Some(_), None) => BATCHES,
            (Some(batch), Some(limit)) => (limit / batch).max(1),
            (None, _) => limit,
        };

        let directories = self.target.capabilities().directories;
        let expander = Expander::new(self.source, pairs, self.options, batch, directories, limit);
        let mut steps = Steps::new(expander);
        let mut running = FuturesUnordered::new();
        let mut tally = Tally::default();
        while let Some(done) = poll_fn(|context| {
            while running.len() < in_flight
                && let Poll::Ready(Some(step)) = steps.poll_next(context)
            {
                running.push(boxed(self.step(step)));
            }
            match running.poll_next_unpin(context) {
                Poll::Ready(None) if !steps.ended() => Poll::Pending,
                polled => polled,
            }
        })
        .await
        {
            tally.add(done?, self.options)?;
        }
        Ok(tally.finish())
    }

    async fn step(&self, step: Result<Step>) -> Result<Done> {
        Ok(match step? {
            Step::Skip(index, skipped) => Done::Skip(index, skipped),
            Step::Fail(index, failed) => Done::Fail(index, failed),
            Step::Directory(to) => {
                let options = CreateDirOptions {
                    parents: self.options.write.parents,
                    existing: Existing::Keep,
                    durability: self.options.write.durability,
                };
                let result = verbs::create_dir(self.target, &to, &options).await;
                Done::Directory(to, result)
            }
            Step::File(job) => {
                self.started(&job);
                let result = self.file(&job).await;
                self.finished(&job, &result);
                Done::Files(vec![(job, result)])
            }
            Step::Batch(jobs) => Done::Files(self.batch(jobs).await?),
        })
    }

    /// One file by itself; gives its length.
    async fn file(&self, job: &Job) -> Result<u64> {
        match (self.way, job.len) {
            (Way::Inside, _) => self.inside(job).await,
            (Way::Through, Some(len)) if len <= WHOLE => self.whole(job).await,
            (Way::Through, _) => self.stream(job).await,
        }
    }

    async fn inside(&self, job: &Job) -> Result<u64> {
        let write = &self.options.write;
        let options = MoveOptions {
            condition: write.condition.clone(),
            durability: write.durability,
            parents: write.parents,
        };
        match verbs::copy(self.source, &job.from, &job.to, &options).await {
            Ok(Metadata { len, .. }) => {
                self.advanced(job, len);
                Ok(len)
            }
            // A store that cannot copy by itself still reads and writes.
            Err(error) if error.kind() == ErrorKind::Unsupported => self.stream(job).await,
            Err(error) => Err(error),
        }
    }

    async fn whole(&self, job: &Job) -> Result<u64> {
        let bytes = verbs::read(self.source, &job.from, &ReadOptions::default()).await?;
        let len = bytes.len() as u64;
        verbs::write(self.target, &job.to, &Data::Owned(bytes), &self.options.write).await?;
        self.advanced(job, len);
        Ok(len)
    }

    async fn stream(&self, job: &Job) -> Result<u64> {
        let file = verbs::open(self.source, &job.from, &OpenOptions::default()).await?;
        let reading = |error: Error| error.with_operation(Operation::Read).with_path(&job.from);
        let len = file.len().await.map_err(reading)?;
        check::size(self.target.capabilities(), len)
            .map_err(|error| error.with_operation(Operation::Write).with_path(&job.to))?;
        if len <= WHOLE || !self.target.capabilities().write_handles {
            // A file too long for memory's addresses is longer than any store takes in one piece.
            let size = usize::try_from(len).map_err(|_| ErrorKind::TooLarge).map_err(Error::from)?;
            let bytes = file.read_bytes(0, size).await.map_err(reading)?;
            let len = bytes.len() as u64;
            verbs::write(self.target, &job.to, &Data::Owned(bytes), &self.options.write).await?;
            self.advanced(job, len);
            return Ok(len);
        }
        let write = &self.options.write;
        let options = OpenOptions {
            mode: Mode::Write,
            condition: write.condition.clone(),
            durability: write.durability,
            parents: write.parents,
            ..OpenOptions::default()
        };
        let target = verbs::open(self.target, &job.to, &options).await?;
        let copied = self.blocks(job, Arc::new(file), len, &target).await;
        let result = match copied {
            Ok(()) => target.commit().await.map_err(|error| error.with_operation(Operation::Commit)),
            Err(error) => {
                // The first error says what happened; what is left behind is swept anyway.
                _ = target.abort().await;
                Err(error)
            }
        };
        match result {
            Ok(_) => Ok(len),
            Err(error) => Err(error.with_path(&job.to).with_store(self.target.scheme())),
        }
    }

    /// Copies block by block: the next ones are read while one is written.
    async fn blocks(&self, job: &Job, file: Arc<A::File>, len: u64, target: &B::File) -> Result<()> {
        let mut blocks = Blocks::new(file, 0, len, STREAM_BLOCK);
        let mut offset = 0;
        while let Some(block) = poll_fn(|context| blocks.poll_next(context)).await {
            let block = block.map_err(|error| {
                error.with_operation(Operation::Read).with_path(&job.from).with_store(self.source.scheme())
            })?;
            let count = block.len() as u64;
            let written = target.write_at(offset, &Data::Owned(block)).await;
            written.map_err(|error| error.with_operation(Operation::Write))?;
            offset += count;
            self.advanced(job, count);
        }
        if offset == len {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Io)
            .with_operation(Operation::Read)
            .with_path(&job.from)
            .with_store(self.source.scheme())
            .with_message("the file became shorter while it was read")
            .with_retryable(true))
    }

    /// Many small files in one call of each store.
    async fn batch(&self, jobs: Vec<Job>) -> Result<Vec<(Job, Result<u64>)>> {
        jobs.iter().for_each(|job| self.started(job));
        let paths: Vec<FsPath> = jobs.iter().map(|job| job.from.clone()).collect();
        let read = verbs::read_many(self.source, &paths, &ReadOptions::default()).await?;
        let mut outcomes: Vec<Option<Result<u64>>> = Vec::with_capacity(jobs.len());
        let mut items = Vec::with_capacity(jobs.len());
        for (job, bytes) in jobs.iter().zip(read) {
            match bytes {
                Ok(bytes) => {
                    outcomes.push(None);
                    items.push(WriteItem { path: job.to.clone(), data: Data::Owned(bytes) });
                }
                Err(error) => outcomes.push(Some(Err(error))),
            }
        }
        let lens: Vec<u64> = items.iter().map(|item| item.data.len() as u64).collect();
        let written = verbs::write_many(self.target, &items, &self.options.write).await?;
        let mut written = written.into_iter().zip(lens).map(|(result, len)| result.map(|_| len));
        let mut done = Vec::with_capacity(jobs.len());
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            let Some(result) = outcome.or_else(|| written.next()) else { continue };
            if let Ok(len) = result {
                self.advanced(&job, len);
            }
            self.finished(&job, &result);
            done.push((job, result));
        }
        Ok(done)
    }

    fn started(&self, job: &Job) {
        if let Some(progress) = &self.options.bulk.progress {
            progress.started(&job.item());
        }
    }

    fn advanced(&self, job: &Job, bytes: u64) {
        if let Some(progress) = &self.options.bulk.progress {
            progress.advanced(&job.item(), bytes);
        }
    }

    fn finished(&self, job: &Job, result: &Result<u64>) {
        if let Some(progress) = &self.options.bulk.progress {
            progress.finished(&job.item(), result.as_ref().map(|_| ()));
        }
    }
}

type Advanced<'a, A> = (Box<Expander<'a, A>>, Result<Option<Step>>);

/// The steps of an expander, found while others are done.
enum Steps<'a, A: AsyncStore> {
    Idle(Box<Expander<'a, A>>),
    Running(BoxFuture<'a, Advanced<'a, A>>),
    Ended,
}

impl<'a, A: AsyncStore> Steps<'a, A> {
    fn new(expander: Expander<'a, A>) -> Self {
        Self::Idle(Box::new(expander))
    }

    fn ended(&self) -> bool {
        matches!(self, Self::Ended)
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Step>>> {
        let mut running = match std::mem::replace(self, Self::Ended) {
            Self::Idle(mut expander) => boxed(async move {
                let step = expander.next().await;
                (expander, step)
            }),
            Self::Running(running) => running,
            Self::Ended => return Poll::Ready(None),
        };
        match running.as_mut().poll(context) {
            Poll::Pending => {
                *self = Self::Running(running);
                Poll::Pending
            }
            Poll::Ready((expander, Ok(Some(step)))) => {
                *self = Self::Idle(expander);
                Poll::Ready(Some(Ok(step)))
            }
            Poll::Ready((_, result)) => Poll::Ready(result.transpose()),
        }
    }
}

/// A report in the making.
#[derive(Default)]
struct Tally {
    report: Report,
    failed: Vec<(usize, Failed)>,
    skipped: Vec<(usize, Skipped)>,
}

impl Tally {
    fn add(&mut self, done: Done, options: &TransferOptions) -> Result<()> {
        match done {
            Done::Directory(to, Err(error)) => {
                self.fail(usize::MAX, Failed { from: to.clone(), to, error }, options)?;
            }
            Done::Directory(_, Ok(())) => self.report.directories += 1,
            Done::Skip(index, skipped) => self.skipped.push((index, skipped)),
            Done::Fail(index, failed) => self.fail(index, failed, options)?,
            Done::Files(files) => {
                for (job, result) in files {
                    match result {
                        Ok(len) => {
                            self.report.files += 1;
                            self.report.bytes += len;
                        }
                        Err(error) => {
                            self.fail(job.index, Failed { from: job.from, to: job.to, error }, options)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn fail(&mut self, index: usize, failed: Failed, options: &TransferOptions) -> Result<()> {
        match options.bulk.on_error {
            OnError::Raise => return Err(failed.error),
            OnError::Omit => {}
            OnError::Return => self.failed.push((index, failed)),
        }
        Ok(())
    }

    fn finish(mut self) -> Report {
        self.failed.sort_by_key(|(index, _)| *index);
        self.skipped.sort_by_key(|(index, _)| *index);
        self.report.failed = self.failed.into_iter().map(|(_, failed)| failed).collect();
        self.report.skipped = self.skipped.into_iter().map(|(_, skipped)| skipped).collect();
        self.report
    }
}
