//! Open files: readers that ask for what they need, writers that publish by one conditional `PUT`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use reqwest::Response;

use super::spool::Spool;
use super::wire::{self, Head};
use super::{MAX_WHOLE, RunStore};
use crate::error::{Error, ErrorKind, Result};
use crate::net::{self, OfProcess, http};
use crate::path::FsPath;
use crate::store::{AsyncFile, ByteRange, Condition, Data, EntryKind, Metadata, Mode, OpenOptions};

/// What comes with the opening of a reader, in bytes: a small file is read with one request.
const FIRST: u64 = 64 << 10;

/// An open file of a run.
pub struct RunFile {
    store: RunStore,
    /// The path in the run.
    full: FsPath,
    state: AtomicU8,
    kind: Kind,
}

crate::opaque::opaque_debug! {
    impl[] RunFile, "RunFile";
}

enum Kind {
    Reader { head: Head, first: Bytes },
    Writer(OfProcess<Writer>),
}

struct Writer {
    mode: Mode,
    /// What must hold at the commit: nobody else has written since.
    expected: Condition,
    /// Whether that is what the caller asked for, rather than what was found at opening.
    asked: bool,
    spool: Spool,
}

const OPEN: u8 = 0;
/// Another writer was first: what was written here can be read, and nothing else.
const LOST: u8 = 1;
const CLOSED: u8 = 2;

/// What stands at a path when a handle is opened.
struct Found {
    head: Head,
    content: Content,
}

/// What of the content comes with the look.
enum Content {
    Nothing,
    First(Bytes),
    Whole(Response),
}

impl RunFile {
    pub(super) async fn open(store: RunStore, path: FsPath, options: OpenOptions) -> Result<Self> {
        let full = match (options.mode, store.readable(&path)) {
            (Mode::Read, Ok(super::Place::Below(full))) => full,
            (Mode::Read, Ok(_)) => return Err(ErrorKind::IsADirectory.into()),
            (Mode::Read, Err(error)) => return Err(error),
            (Mode::Create, Ok(place)) if !matches!(place, super::Place::Below(_)) || path.is_root() => {
                return Err(ErrorKind::AlreadyExists.into());
            }
            _ => store.writable(&path)?,
        };
        let found = look(&store, &full, options.mode).await?;
        let kind = match options.mode {
            Mode::Read => {
                let Found { head, content } = found.ok_or(ErrorKind::NotFound)?;
                check(&options.condition, Some(&head))?;
                let first = if let Content::First(first) = content { first } else { Bytes::new() };
                Kind::Reader { head, first }
            }
            _ => {
                store.require_parent(&path, options.parents).await?;
                Kind::Writer(OfProcess::new(Writer::open(&options, found).await?))
            }
        };
        Ok(Self { store, full, state: AtomicU8::new(OPEN), kind })
    }

    fn state(&self) -> u8 {
        self.state.load(Ordering::Acquire)
    }

    fn closed() -> Error {
        Error::new(ErrorKind::Closed)
    }

    /// The writer, unless this handle is closed or of the parent process.
    fn writer(&self) -> Result<&Writer> {
        match &self.kind {
            _ if self.state() == CLOSED => Err(Self::closed()),
            Kind::Reader { .. } => {
                Err(Error::new(ErrorKind::Unsupported).with_message("this handle was opened for reading"))
            }
            Kind::Writer(writer) if writer.is_here() => Ok(writer),
            Kind::Writer(_) => {
                Err(Self::closed().with_message("a writer opened before a fork is of no use in the child"))
            }
        }
    }

    /// The writer, if it may still write.
    fn active_writer(&self) -> Result<&Writer> {
        let writer = self.writer()?;
        if self.state() == LOST { Err(lost()) } else { Ok(writer) }
    }

    async fn read_range(&self, head: &Head, first: &Bytes, offset: u64, len: usize) -> Result<Bytes> {
        let end = offset.saturating_add(len as u64).min(head.len);
        if offset >= end {
            return Ok(Bytes::new());
        }
        if let (Ok(start), Ok(end)) = (usize::try_from(offset), usize::try_from(end))
            && end <= first.len()
        {
            return Ok(first.slice(start..end));
        }
        let (wire, full, version) = (Arc::clone(&self.store.wire), self.full.clone(), head.version.clone());
        net::run(async move {
            let range = ByteRange::Bounded(offset, end);
            let answer = wire.take(&full, range, version.as_ref(), |response| async move {
                let whole = response.status().as_u16() == 200;
                Ok((whole, http::body(response, MAX_WHOLE).await?))
            });
            let (whole, bytes) = answer.await?;
            let skipped = if whole { usize::try_from(offset).map_err(|_| ErrorKind::TooLarge)? } else { 0 };
            let wanted = usize::try_from(end - offset).map_err(|_| ErrorKind::TooLarge)?;
            let has_all = bytes.len().checked_sub(skipped).is_some_and(|rest| rest >= wanted);
            if !has_all {
                // Only without a version to ask for can the file have become another one.
                return Err(Error::new(ErrorKind::ConditionFailed)
                    .with_message("the file was replaced while it was read"));
            }
            Ok(bytes.slice(skipped..skipped + wanted))
        })
        .await
    }
}

/// Looks at a path, with as much of the content as the mode needs; `None` for nothing.
async fn look(store: &RunStore, full: &FsPath, mode: Mode) -> Result<Option<Found>> {
    let found = async {
        let range = match mode {
            Mode::Read => ByteRange::Bounded(0, FIRST),
            _ if mode.keeps() => ByteRange::Full,
            _ => return Ok(Found { head: store.wire.head(full).await?, content: Content::Nothing }),
        };
        let answer = store.wire.take(full, range, None, |response| async move {
            let head = wire::head_of(&response);
            let content = match response.status().as_u16() {
                _ if head.is_dir => Content::Nothing,
                200 if mode.keeps() => Content::Whole(response),
                206 => Content::First(http::body(response, MAX_WHOLE).await?),
                200 if head.len <= FIRST => Content::First(http::body(response, MAX_WHOLE).await?),
                // An empty file, or a server without ranges that would send all of a large one.
                _ => Content::Nothing,
            };
            Ok(Found { head, content })
        });
        answer.await
    };
    match found.await {
        Ok(found) if found.head.is_dir => {
            Err(if mode == Mode::Create { ErrorKind::AlreadyExists } else { ErrorKind::IsADirectory }.into())
        }
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a condition given at opening holds.
fn check(condition: &Condition, found: Option<&Head>) -> Result<()> {
    let holds = match condition {
        Condition::None => true,
        Condition::IfAbsent => found.is_none(),
        Condition::IfVersion(version) => found.is_some_and(|head| head.version.as_ref() == Some(version)),
    };
    if holds { Ok(()) } else { Err(ErrorKind::ConditionFailed.into()) }
}

fn lost() -> Error {
    Error::new(ErrorKind::WouldBlock)
        .with_message("another writer was first; nothing of this handle was written")
}

impl Writer {
    async fn open(options: &OpenOptions, found: Option<Found>) -> Result<Self> {
        let mode = options.mode;
        match &found {
            Some(_) if mode == Mode::Create => return Err(ErrorKind::AlreadyExists.into()),
            None if mode == Mode::Update => return Err(ErrorKind::NotFound.into()),
            _ => check(&options.condition, found.as_ref().map(|found| &found.head))?,
        }
        let expected = match &found {
            None => Condition::IfAbsent,
            Some(found) => match &found.head.version {
                Some(version) => Condition::IfVersion(version.clone()),
                None => {
                    return Err(Error::new(ErrorKind::Unsupported).with_message(
                        "the server keeps no versions, so a handle could not tell another writer's file from the one it saw",
                    ));
                }
            },
        };
        let writer =
            Self { mode, expected, asked: options.condition != Condition::None, spool: Spool::new() };
        if let Some(Found { content: Content::Whole(mut response), .. }) = found {
            while let Some(block) = response.chunk().await.map_err(http::failure)? {
                writer.spool.append(block).await?;
            }
        }
        Ok(writer)
    }

    /// What a failed commit means for this handle.
    fn refused(&self, error: Error) -> Error {
        match error.kind() {
            ErrorKind::ConditionFailed if self.mode == Mode::Create => {
                Error::new(ErrorKind::AlreadyExists).with_source(error)
            }
            ErrorKind::ConditionFailed if self.asked => error,
            ErrorKind::ConditionFailed => lost().with_source(error),
            _ => error,
        }
    }
}

impl AsyncFile for RunFile {
    async fn read_bytes(&self, offset: u64, len: usize) -> Result<Bytes> {
        match &self.kind {
            _ if self.state() == CLOSED => Err(Self::closed()),
            Kind::Reader { head, first } => self.read_range(head, first, offset, len).await,
            Kind::Writer(_) => {
                let writer = self.writer()?;
                // The bytes of a loser can be had, whatever the mode.
                if !writer.mode.reads() && self.state() != LOST {
                    return Err(Error::new(ErrorKind::Unsupported)
                        .with_message("this handle was opened for writing only; r+b and w+b read, too"));
                }
                writer.spool.read_at(offset, len).await
            }
        }
    }

    async fn write_at(&self, offset: u64, data: &Data<'_>) -> Result<()> {
        let writer = self.active_writer()?;
        let data = data.clone().into_bytes();
        match writer.mode {
            Mode::Append => writer.spool.append(data).await,
            _ => writer.spool.write_at(offset, data).await,
        }
    }

    async fn len(&self) -> Result<u64> {
        match &self.kind {
            _ if self.state() == CLOSED => Err(Self::closed()),
            Kind::Reader { head, .. } => Ok(head.len),
            Kind::Writer(_) => self.writer()?.spool.len().await,
        }
    }

    async fn metadata(&self) -> Result<Metadata> {
        match &self.kind {
            _ if self.state() == CLOSED => Err(Self::closed()),
            Kind::Reader { head, .. } => Ok(head.clone().metadata()),
            Kind::Writer(_) => Ok(Metadata::new(EntryKind::File, self.len().await?)),
        }
    }

    async fn set_len(&self, len: u64) -> Result<()> {
        self.active_writer()?.spool.set_len(len).await
    }

    /// Nothing to do: until the commit, what was written is this process's own.
    async fn flush(&self) -> Result<()> {
        match &self.kind {
            Kind::Reader { .. } if self.state() != CLOSED => Ok(()),
            _ => self.active_writer().map(drop),
        }
    }

    async fn commit(&self) -> Result<Metadata> {
        if let Kind::Reader { head, .. } = &self.kind {
            return match self.state.swap(CLOSED, Ordering::AcqRel) {
                CLOSED => Err(Self::closed()),
                _ => Ok(head.clone().metadata()),
            };
        }
        let writer = self.active_writer()?;
        let bodies = writer.spool.bodies().await?;
        let (wire, full, expected) =
            (Arc::clone(&self.store.wire), self.full.clone(), writer.expected.clone());
        let published = net::run(async move {
            let len = bodies().1;
            Ok(wire.put(&full, &expected, bodies).await?.written(len))
        });
        match published.await {
            Ok(metadata) => {
                self.state.store(CLOSED, Ordering::Release);
                Ok(metadata)
            }
            Err(error) => {
                if error.kind() == ErrorKind::ConditionFailed {
                    self.state.store(LOST, Ordering::Release);
                }
                Err(writer.refused(error))
            }
        }
    }

    async fn abort(&self) -> Result<()> {
        self.state.store(CLOSED, Ordering::Release);
        Ok(())
    }
}
