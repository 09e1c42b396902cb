//! The verbs above one store call: capability checks, the words of errors, small conveniences.

use bytes::Bytes;

use super::check;
use super::entries::{About, Cursor};
use crate::error::{Error, ErrorContext, ErrorKind, Operation, Result};
use crate::path::FsPath;
use crate::store::{
    AsyncStore, Condition, CreateDirOptions, Data, Existing, ListOptions, Metadata, MoveOptions, OpenOptions,
    Parents, PublishItem, ReadOptions, RemoveOptions, StageOptions, Staged, StagedId, StagedTarget,
    StatOptions, WriteItem, WriteOptions,
};

/// Adds operation, path and store to an error.
macro_rules! at {
    ($store:expr, $operation:ident, $path:expr, $result:expr) => {
        $result.at(Operation::$operation, $path).map_err(|error| error.with_store($store.scheme()))
    };
}

/// Adds operation and store, where no path belongs to it.
macro_rules! during {
    ($store:expr, $operation:ident, $result:expr) => {
        $result.during(Operation::$operation).map_err(|error| error.with_store($store.scheme()))
    };
}

/// Says which condition did not hold, and what to do about it.
fn which(condition: &Condition) -> impl FnOnce(Error) -> Error + use<> {
    let words = match condition {
        Condition::IfAbsent => "something is there already",
        Condition::IfVersion(_) => "it was changed or removed since; look at it again, then repeat",
        Condition::None => "",
    };
    move |error| match (error.kind(), error.message()) {
        (ErrorKind::ConditionFailed, None) if !words.is_empty() => error.with_message(words),
        _ => error,
    }
}

pub(crate) async fn stat<S: AsyncStore>(store: &S, path: &FsPath, options: &StatOptions) -> Result<Metadata> {
    at!(store, Stat, path, check::version(store.capabilities(), options.version))?;
    at!(store, Stat, path, store.stat(path, options).await)
}

/// What stands at a path, with `None` for nothing: also where a component above is a file.
async fn found<S: AsyncStore>(store: &S, path: &FsPath) -> Result<Option<Metadata>> {
    match stat(store, path, &StatOptions::default()).await {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) async fn exists<S: AsyncStore>(store: &S, path: &FsPath) -> Result<bool> {
    Ok(found(store, path).await?.is_some())
}

pub(crate) async fn is_file<S: AsyncStore>(store: &S, path: &FsPath) -> Result<bool> {
    Ok(found(store, path).await?.is_some_and(|metadata| metadata.is_file()))
}

pub(crate) async fn is_dir<S: AsyncStore>(store: &S, path: &FsPath) -> Result<bool> {
    Ok(found(store, path).await?.is_some_and(|metadata| metadata.is_dir()))
}

pub(crate) async fn read<S: AsyncStore>(store: &S, path: &FsPath, options: &ReadOptions) -> Result<Bytes> {
    at!(store, Read, path, check::version(store.capabilities(), options.if_version.is_some()))?;
    let result = store.read(path, options).await;
    at!(store, Read, path, result.map_err(which_version(options)))
}

/// As [`which`], of a read.
fn which_version(options: &ReadOptions) -> impl FnOnce(Error) -> Error + use<> {
    which(&options.if_version.clone().map_or(Condition::None, Condition::IfVersion))
}

/// `stat` without waiting; `None` also for what [`stat`] would refuse.
pub(crate) fn try_stat<S: AsyncStore>(store: &S, path: &FsPath, options: &StatOptions) -> Option<Metadata> {
    check::version(store.capabilities(), options.version).ok()?;
    store.try_stat(path, options)
}

/// `read` without waiting; `None` also for what [`read`] would refuse.
pub(crate) fn try_read<S: AsyncStore>(store: &S, path: &FsPath, options: &ReadOptions) -> Option<Bytes> {
    check::version(store.capabilities(), options.if_version.is_some()).ok()?;
    store.try_read(path, options)
}

pub(crate) async fn read_many<S: AsyncStore>(
    store: &S,
    paths: &[FsPath],
    options: &ReadOptions,
) -> Result<Vec<Result<Bytes>>> {
    during!(store, ReadMany, check::version(store.capabilities(), options.if_version.is_some()))?;
    let results = during!(store, ReadMany, store.read_many(paths, options).await)?;
    let told = |result: Result<Bytes>| result.map_err(which_version(options));
    Ok(paths.iter().zip(results).map(|(path, result)| at!(store, Read, path, told(result))).collect())
}

pub(crate) async fn stat_many<S: AsyncStore>(
    store: &S,
    paths: &[FsPath],
    options: &StatOptions,
) -> Result<Vec<Result<Metadata>>> {
    during!(store, Stat, check::version(store.capabilities(), options.version))?;
    let results = during!(store, Stat, store.stat_many(paths, options).await)?;
    Ok(paths.iter().zip(results).map(|(path, result)| at!(store, Stat, path, result)).collect())
}

pub(crate) async fn write<S: AsyncStore>(
    store: &S,
    path: &FsPath,
    data: &Data<'_>,
    options: &WriteOptions,
) -> Result<Metadata> {
    let caps = store.capabilities();
    at!(store, Write, path, check::write(caps, options))?;
    at!(store, Write, path, check::size(caps, data.len() as u64))?;
    at!(store, Write, path, store.write(path, data, options).await.map_err(which(&options.condition)))
}

pub(crate) async fn write_parts<S: AsyncStore>(
    store: &S,
    path: &FsPath,
    parts: &[Data<'_>],
    options: &WriteOptions,
) -> Result<Metadata> {
    let caps = store.capabilities();
    let len = parts.iter().map(|part| part.len() as u64).sum();
    at!(store, Write, path, check::write(caps, options))?;
    at!(store, Write, path, check::size(caps, len))?;
    at!(store, Write, path, store.write_parts(path, parts, options).await.map_err(which(&options.condition)))
}

pub(crate) async fn write_many<S: AsyncStore>(
    store: &S,
    items: &[WriteItem<'_>],
    options: &WriteOptions,
) -> Result<Vec<Result<Metadata>>> {
    during!(store, WriteMany, check::write_many(store.capabilities(), items, options))?;
    let results = during!(store, WriteMany, store.write_many(items, options).await)?;
    let told = |result: Result<Metadata>| result.map_err(which(&options.condition));
    Ok(items.iter().zip(results).map(|(item, result)| at!(store, Write, &item.path, told(result))).collect())
}

pub(crate) async fn open<S: AsyncStore>(store: &S, path: &FsPath, options: &OpenOptions) -> Result<S::File> {
    at!(store, Open, path, check::open(store.capabilities(), options))?;
    at!(store, Open, path, store.open(path, options).await.map_err(which(&options.condition)))
}

pub(crate) async fn list<S: AsyncStore>(
    store: &S,
    path: &FsPath,
    options: &ListOptions,
    operation: Operation,
) -> Result<Cursor<S::Lister>> {
    let about = About { operation, path: path.clone(), store: store.scheme() };
    let listed = match check::list(options) {
        Ok(()) => store.list(path, options).await,
        Err(error) => Err(error),
    };
    match listed {
        Ok(lister) => Ok(Cursor::new(lister, about)),
        Err(error) => Err(about.tell(error)),
    }
}

pub(crate) async fn create_dir<S: AsyncStore>(
    store: &S,
    path: &FsPath,
    options: &CreateDirOptions,
) -> Result<()> {
    at!(store, CreateDir, path, check::writable(store.capabilities()))?;
    at!(store, CreateDir, path, check::durability(store.capabilities(), options.durability))?;
    at!(store, CreateDir, path, store.create_dir(path, options).await)
}

/// `mkdir`: the parent must be there, the directory must not.
pub(crate) const MKDIR: CreateDirOptions =
    CreateDirOptions { parents: Parents::Require, existing: Existing::Refuse, durability: None };

/// `mkdir -p`.
pub(crate) const MKDIR_ALL: CreateDirOptions =
    CreateDirOptions { parents: Parents::Create, existing: Existing::Keep, durability: None };

macro_rules! removals {
    ($($name:ident $operation:ident;)*) => {$(
        pub(crate) async fn $name<S: AsyncStore>(store: &S, path: &FsPath, options: &RemoveOptions) -> Result<()> {
            at!(store, $operation, path, check::writable(store.capabilities()))?;
            at!(store, $operation, path, check::durability(store.capabilities(), options.durability))?;
            at!(store, $operation, path, store.$name(path, options).await)
        }
    )*};
}

removals! {
    remove Remove;
    remove_dir RemoveDir;
    remove_all RemoveAll;
}

fn check_move<S: AsyncStore>(store: &S, options: &MoveOptions) -> Result<()> {
    let caps = store.capabilities();
    check::writable(caps)?;
    check::condition(caps, &options.condition)?;
    check::durability(caps, options.durability)
}

/// An error of a move names its source as path; this adds the destination, which may be what is wrong.
fn arriving(to: &FsPath, options: &MoveOptions) -> impl FnOnce(Error) -> Error + use<> {
    let (which, to) = (which(&options.condition), to.clone());
    move |error| which(error).with_destination(&to)
}

pub(crate) async fn rename<S: AsyncStore>(
    store: &S,
    from: &FsPath,
    to: &FsPath,
    options: &MoveOptions,
) -> Result<()> {
    at!(store, Rename, from, check_move(store, options).map_err(arriving(to, options)))?;
    at!(store, Rename, from, store.rename(from, to, options).await.map_err(arriving(to, options)))
}

pub(crate) async fn copy<S: AsyncStore>(
    store: &S,
    from: &FsPath,
    to: &FsPath,
    options: &MoveOptions,
) -> Result<Metadata> {
    at!(store, Copy, from, check_move(store, options).map_err(arriving(to, options)))?;
    at!(store, Copy, from, store.copy(from, to, options).await.map_err(arriving(to, options)))
}

fn check_staged<S: AsyncStore>(store: &S) -> Result<()> {
    check::writable(store.capabilities())?;
    check::staged_uploads(store.capabilities())
}

pub(crate) async fn stage<S: AsyncStore>(store: &S, options: &StageOptions) -> Result<StagedId> {
    during!(store, Stage, check_staged(store))?;
    during!(store, Stage, store.stage(options).await)
}

pub(crate) async fn write_staged<S: AsyncStore>(
    store: &S,
    target: &StagedTarget,
    offset: u64,
    data: &Data<'_>,
) -> Result<StagedId> {
    during!(store, Write, check_staged(store))?;
    during!(store, Write, store.write_staged(target, &offset, data).await)
}

pub(crate) async fn reopen<S: AsyncStore>(store: &S, id: &StagedId) -> Result<S::File> {
    during!(store, Reopen, check_staged(store))?;
    during!(store, Reopen, store.reopen(id).await)
}

pub(crate) async fn publish<S: AsyncStore>(
    store: &S,
    id: &StagedId,
    path: &FsPath,
    options: &WriteOptions,
) -> Result<Metadata> {
    at!(store, Publish, path, check_staged(store))?;
    at!(store, Publish, path, check::write(store.capabilities(), options))?;
    at!(store, Publish, path, store.publish(id, path, options).await.map_err(which(&options.condition)))
}

pub(crate) async fn publish_many<S: AsyncStore>(
    store: &S,
    items: &[PublishItem],
    options: &WriteOptions,
) -> Result<Vec<Result<Metadata>>> {
    during!(store, Publish, check_staged(store))?;
    during!(store, Publish, check::write(store.capabilities(), options))?;
    let results = during!(store, Publish, store.publish_many(items, options).await)?;
    let named = |(item, result): (&PublishItem, Result<Metadata>)| {
        at!(store, Publish, &item.path, result.map_err(which(&options.condition)))
    };
    Ok(items.iter().zip(results).map(named).collect())
}

pub(crate) async fn discard<S: AsyncStore>(store: &S, id: &StagedId) -> Result<()> {
    during!(store, Discard, check_staged(store))?;
    during!(store, Discard, store.discard(id).await)
}

pub(crate) async fn list_staged<S: AsyncStore>(store: &S) -> Result<Vec<Staged>> {
    during!(store, ListStaged, check_staged(store))?;
    during!(store, ListStaged, store.list_staged().await)
}
