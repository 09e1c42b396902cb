//! Bulk transfers: the same on both faces, over stores with and without fast bulk verbs.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod limits;
mod remote;
mod transfers;
mod verbs;

use twinfs::FsPath;

fn path(text: &str) -> FsPath {
    FsPath::new(text).unwrap()
}

fn paths(texts: &[&str]) -> Vec<FsPath> {
    texts.iter().map(|text| path(text)).collect()
}

/// The bulk verbs of the sync face behind `async fn`s, so that one text can test both faces.
mod sync_bulk {
    use bytes::Bytes;
    use twinfs::blocking::Fs;
    use twinfs::blocking::bulk::{Item, Options, Pair, Report, SliceOf, TransferOptions};
    use twinfs::{Depth, FsPath, Immediate, Metadata, Result, WriteItem, WriteOptions, blocking::bulk};

    pub(crate) async fn cat<S: Immediate>(
        fs: &Fs<S>,
        paths: &[FsPath],
        options: &Options,
    ) -> Result<Vec<Item<Bytes>>> {
        bulk::cat(fs, paths, options)
    }
    pub(crate) async fn pipe<S: Immediate>(
        fs: &Fs<S>,
        items: &[WriteItem<'_>],
        write: &WriteOptions,
        options: &Options,
    ) -> Result<Vec<Item<Metadata>>> {
        bulk::pipe(fs, items, write, options)
    }
    pub(crate) async fn rm<S: Immediate>(
        fs: &Fs<S>,
        paths: &[FsPath],
        depth: Depth,
        options: &Options,
    ) -> Result<Vec<Item<()>>> {
        bulk::rm(fs, paths, depth, options)
    }
    pub(crate) async fn sizes<S: Immediate>(
        fs: &Fs<S>,
        paths: &[FsPath],
        options: &Options,
    ) -> Result<Vec<Item<u64>>> {
        bulk::sizes(fs, paths, options)
    }
    pub(crate) async fn cat_ranges<S: Immediate>(
        fs: &Fs<S>,
        slices: &[SliceOf],
        options: &Options,
    ) -> Result<Vec<Item<Bytes>>> {
        bulk::cat_ranges(fs, slices, options)
    }
    pub(crate) async fn put<S: Immediate, O: Immediate>(
        fs: &Fs<S>,
        other: &Fs<O>,
        pairs: &[Pair],
        options: &TransferOptions,
    ) -> Result<Report> {
        bulk::put(fs, other, pairs, options)
    }
}

/// Emits a test four times: over memory and over a slow store, on the async and the sync face.
/// In the text, `$fs` is the file system under test and `$memory` what it stands on.
macro_rules! everywhere {
    ($(async fn $name:ident($fs:ident, $memory:ident, $bulk:ident) $body:block)*) => {
        mod near_async {
            use super::*;
            $(#[test]
            fn $name() {
                use twinfs::bulk as $bulk;
                let $memory = MemoryStore::default();
                let ($fs, _) = crate::remote::near(&$memory);
                smol::block_on(async $body);
            })*
        }
        mod near_sync {
            use super::*;
            $(#[test]
            fn $name() {
                use crate::sync_bulk as $bulk;
                let $memory = MemoryStore::default();
                let (_, $fs) = crate::remote::near(&$memory);
                smol::block_on(async $body);
            })*
        }
        mod remote_async {
            use super::*;
            $(#[test]
            fn $name() {
                use twinfs::bulk as $bulk;
                let $memory = MemoryStore::default();
                let ($fs, _, _) = crate::remote::remote(&$memory);
                smol::block_on(async $body);
            })*
        }
        mod remote_sync {
            use super::*;
            $(#[test]
            fn $name() {
                use crate::sync_bulk as $bulk;
                let $memory = MemoryStore::default();
                let (_, $fs, _) = crate::remote::remote(&$memory);
                smol::block_on(async $body);
            })*
        }
    };
}

use everywhere;

#[test]
fn futures_of_the_async_face_can_be_spawned() {
    fn spawnable<T: Send>(_: T) {}
    let (fs, other) = (twinfs::Fs::memory(), twinfs::Fs::memory());
    spawnable(async move {
        let options = twinfs::bulk::Options::default();
        let transfer = twinfs::bulk::TransferOptions::default();
        let paths = Vec::<FsPath>::new();
        _ = twinfs::bulk::cat(&fs, &paths, &options).await;
        _ = twinfs::bulk::pipe(&fs, &[], &Default::default(), &options).await;
        _ = twinfs::bulk::sizes(&fs, &paths, &options).await;
        _ = twinfs::bulk::rm(&fs, &paths, twinfs::Depth::Children, &options).await;
        _ = twinfs::bulk::cat_ranges(&fs, &[], &options).await;
        _ = twinfs::bulk::put(&fs, &other, &[], &transfer).await;
        _ = twinfs::bulk::copy(&fs, &[], &transfer).await;
    });
}
