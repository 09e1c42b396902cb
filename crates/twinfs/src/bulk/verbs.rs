//! The text of the bulk verbs on one file system.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::collect::{Collector, distinct, started};
use super::options::{Files, Item, Limit, Options};
use super::slice::{Resolved, Slice, SliceOf};
use crate::error::Result;
use crate::logic::verbs;
use crate::logic::window::{BoxFuture, boxed, window};
use crate::path::FsPath;
use crate::store::{
    AsyncStore, Depth, Metadata, ReadOptions, RemoveOptions, StatOptions, WriteItem, WriteOptions,
};

/// Files per call of a store's own bulk verb where nobody chose a limit: enough that the call itself
/// costs nothing, few enough that progress shows.
const PAGE: usize = 1024;

/// A file system as the bulk verbs see it: its store and its own limit.
pub(super) struct Side<'a, S> {
    pub(super) store: &'a S,
    pub(super) limit: Option<Limit>,
}

impl<S: AsyncStore> Side<'_, S> {
    /// Operations in flight.
    fn in_flight(&self, options: &Options) -> usize {
        Limit::effective(options.limit, self.limit, Files::of(&[self.store.scheme()])).operations()
    }

    /// Files per call of the store's own bulk verbs, if these are the better way.
    fn page(&self, options: &Options) -> Option<usize> {
        let files = Files::of(&[self.store.scheme()]);
        let chosen = Limit::chosen(options.limit, self.limit, files);
        self.store.capabilities().bulk.then(|| chosen.map_or(PAGE, Limit::operations))
    }

    /// Runs one operation per path in a window and gathers the results; `bytes` says how many bytes
    /// a result stands for.
    async fn each<'p, T>(
        &self,
        paths: impl Iterator<Item = &'p FsPath> + Clone,
        options: &Options,
        operation: impl Fn(usize, &'p FsPath) -> BoxFuture<'p, Result<T>>,
        bytes: impl Fn(usize, &T) -> u64,
    ) -> Result<Vec<Item<T>>> {
        let paths: Vec<&FsPath> = paths.collect();
        let mut collector = Collector::new(options, paths.iter().copied());
        let operations = paths.iter().enumerate().map(|(index, path)| {
            started(options, index, [*path]);
            operation(index, path)
        });
        window(self.in_flight(options), operations, |index, result| {
            let bytes = result.as_ref().map_or(0, |output| bytes(index, output));
            collector.push(index, paths[index], bytes, result)
        })
        .await?;
        Ok(collector.finish())
    }
}

pub(super) async fn cat<S: AsyncStore>(
    side: Side<'_, S>,
    paths: &[FsPath],
    options: &Options,
) -> Result<Vec<Item<Bytes>>> {
    let (store, read) = (side.store, &ReadOptions::default());
    let Some(page) = side.page(options) else {
        let read_one = |_, path| boxed(verbs::read(store, path, read));
        return side.each(paths.iter(), options, read_one, |_, bytes: &Bytes| bytes.len() as u64).await;
    };
    let mut collector = Collector::new(options, paths.iter());
    for (number, paths) in paths.chunks(page).enumerate() {
        let first = number * page;
        started(options, first, paths);
        let results = verbs::read_many(store, paths, read).await?;
        for (index, (path, result)) in paths.iter().zip(results).enumerate() {
            let len = result.as_ref().map_or(0, |bytes| bytes.len() as u64);
            collector.push(first + index, path, len, result)?;
        }
    }
    Ok(collector.finish())
}

pub(super) async fn pipe<S: AsyncStore>(
    side: Side<'_, S>,
    items: &[WriteItem<'_>],
    write: &WriteOptions,
    options: &Options,
) -> Result<Vec<Item<Metadata>>> {
    let (store, paths) = (side.store, items.iter().map(|item| &item.path));
    distinct(paths.clone())?;
    let Some(page) = side.page(options) else {
        let write_one = |index: usize, path| boxed(verbs::write(store, path, &items[index].data, write));
        let len = |index: usize, _: &Metadata| items[index].data.len() as u64;
        return side.each(paths, options, write_one, len).await;
    };
    let mut collector = Collector::new(options, paths);
    for (number, items) in items.chunks(page).enumerate() {
        let first = number * page;
        started(options, first, items.iter().map(|item| &item.path));
        let results = verbs::write_many(store, items, write).await?;
        for (index, (item, result)) in items.iter().zip(results).enumerate() {
            collector.push(first + index, &item.path, item.data.len() as u64, result)?;
        }
    }
    Ok(collector.finish())
}

pub(super) async fn sizes<S: AsyncStore>(
    side: Side<'_, S>,
    paths: &[FsPath],
    options: &Options,
) -> Result<Vec<Item<u64>>> {
    let (store, stat) = (side.store, &StatOptions::default());
    let Some(page) = side.page(options) else {
        let size = |_, path| boxed(async move { Ok(verbs::stat(store, path, stat).await?.len) });
        return side.each(paths.iter(), options, size, |_, _| 0).await;
    };
    let mut collector = Collector::new(options, paths.iter());
    for (number, paths) in paths.chunks(page).enumerate() {
        let first = number * page;
        started(options, first, paths);
        let results = verbs::stat_many(store, paths, stat).await?;
        for (index, (path, result)) in paths.iter().zip(results).enumerate() {
            collector.push(first + index, path, 0, result.map(|metadata| metadata.len))?;
        }
    }
    Ok(collector.finish())
}

pub(super) async fn rm<S: AsyncStore>(
    side: Side<'_, S>,
    paths: &[FsPath],
    depth: Depth,
    options: &Options,
) -> Result<Vec<Item<()>>> {
    distinct(paths.iter())?;
    let mut collector = Collector::new(options, paths.iter());
    // The deepest first and level by level, so that a path and its directory can both be named.
    let mut levels: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, path) in paths.iter().enumerate() {
        levels.entry(path.components().count()).or_default().push(index);
    }
    let store = side.store;
    for level in levels.into_values().rev() {
        let removals = level.iter().map(|&index| {
            started(options, index, [&paths[index]]);
            boxed(remove(store, &paths[index], depth))
        });
        window(side.in_flight(options), removals, |place, result| {
            let index = level[place];
            collector.push(index, &paths[index], 0, result)
        })
        .await?;
    }
    Ok(collector.finish())
}

async fn remove<S: AsyncStore>(store: &S, path: &FsPath, depth: Depth) -> Result<()> {
    let options = RemoveOptions::default();
    match depth {
        Depth::Children => verbs::remove(store, path, &options).await,
        Depth::Recursive => verbs::remove_all(store, path, &options).await,
    }
}

pub(super) async fn cat_ranges<S: AsyncStore>(
    side: Side<'_, S>,
    slices: &[SliceOf],
    options: &Options,
) -> Result<Vec<Item<Bytes>>> {
    let store = side.store;
    let read_slice = |index: usize, path| boxed(read_slice(store, path, slices[index].slice));
    let paths = slices.iter().map(|slice| &slice.path);
    side.each(paths, options, read_slice, |_, bytes: &Bytes| bytes.len() as u64).await
}

async fn read_slice<S: AsyncStore>(store: &S, path: &FsPath, slice: Slice) -> Result<Bytes> {
    let range = match slice.resolve() {
        Resolved::Range(range) => range,
        Resolved::NeedsLength => slice.range(verbs::stat(store, path, &StatOptions::default()).await?.len),
    };
    verbs::read(store, path, &ReadOptions { range, if_version: None }).await
}

pub(super) async fn place<S: AsyncStore>(
    store: &S,
    from: &FsPath,
    to: &FsPath,
    into_directory: bool,
) -> Result<FsPath> {
    if into_directory || verbs::is_dir(store, to).await? { to.join(from.name()) } else { Ok(to.clone()) }
}
