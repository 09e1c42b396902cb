//! put, get and copy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use twinfs::adapters::Ready;
use twinfs::bulk::{Limit, OnError, Options, Pair, Progress, ProgressItem, TransferOptions, place};
use twinfs::stores::memory::{MemoryOptions, MemoryStore};
use twinfs::{Depth, Error, ErrorKind, Operation, WriteOptions, blocking, bulk};

use crate::path;
use crate::remote::{near, remote};

/// Every file of a tree with its bytes, every directory with `None`.
type Tree = BTreeMap<String, Option<Bytes>>;

fn sync(memory: &MemoryStore) -> blocking::Fs<Ready<MemoryStore>> {
    near(memory).1
}

fn tree(memory: &MemoryStore) -> Tree {
    let fs = sync(memory);
    let entries = fs.walk("").unwrap().collect_all().unwrap();
    let read = |path: &twinfs::FsPath, is_dir: bool| (!is_dir).then(|| fs.read(path).unwrap());
    entries.iter().map(|entry| (entry.path.to_string(), read(&entry.path, entry.is_dir()))).collect()
}

/// A tree with files around the bounds between small and streamed, and empty directories.
fn grow(memory: &MemoryStore) {
    let fs = sync(memory);
    let block = twinfs::STREAM_BLOCK;
    for (name, len) in [
        ("empty", 0),
        ("one", 1),
        ("deep/er/small", 1000),
        ("deep/bound", 256 * 1024),
        ("deep/over", 256 * 1024 + 1),
        ("deep-er/block", block),
        ("deep-er/blocks", 3 * block + 17),
    ] {
        let bytes: Vec<u8> = (0..len).map(|at| (at * 31 % 251) as u8).collect();
        fs.write(name, bytes).unwrap();
    }
    for number in 0..300 {
        fs.write(format!("many/{number}"), number.to_string()).unwrap();
    }
    fs.create_dir_all("hollow/inside").unwrap();
    fs.create_dir_all("many/hollow").unwrap();
}

fn all(to: &str) -> [Pair; 1] {
    [Pair { from: path(""), to: path(to) }]
}

fn recursive() -> TransferOptions {
    TransferOptions { depth: Depth::Recursive, ..TransferOptions::default() }
}

/// Sends the tree of `source` through a slow store, or a near one, and back on one face.
fn there_and_back(source: &MemoryStore, (slow, sync_face): (bool, bool), options: &TransferOptions) -> Tree {
    let (far, back) = (MemoryStore::default(), MemoryStore::default());
    let (far_async, far_sync, _) = remote(&far);
    let (near_async, near_sync) = near(&far);
    let (source_async, source_sync) = near(source);
    let (back_async, back_sync) = near(&back);
    let down = [Pair { from: path("in"), to: path("") }];
    let report = match (slow, sync_face) {
        (true, true) => {
            blocking::bulk::put(&far_sync, &source_sync, &all("in"), options).unwrap();
            blocking::bulk::get(&far_sync, &back_sync, &down, options).unwrap()
        }
        (true, false) => smol::block_on(async {
            bulk::put(&far_async, &source_async, &all("in"), options).await.unwrap();
            bulk::get(&far_async, &back_async, &down, options).await.unwrap()
        }),
        (false, true) => {
            blocking::bulk::put(&near_sync, &source_sync, &all("in"), options).unwrap();
            blocking::bulk::get(&near_sync, &back_sync, &down, options).unwrap()
        }
        (false, false) => smol::block_on(async {
            bulk::put(&near_async, &source_async, &all("in"), options).await.unwrap();
            bulk::get(&near_async, &back_async, &down, options).await.unwrap()
        }),
    };
    let original = tree(source);
    assert_eq!(report.files, original.values().flatten().count() as u64);
    assert_eq!(report.bytes, original.values().flatten().map(|bytes| bytes.len() as u64).sum::<u64>());
    assert_eq!(report.directories, 2);
    assert!(report.failed.is_empty() && report.skipped.is_empty());
    assert_eq!(sync(&far).list_staged().unwrap(), []);
    tree(&back)
}

#[test]
fn a_tree_goes_up_and_comes_down_the_same() {
    let source = MemoryStore::default();
    grow(&source);
    let original = tree(&source);
    for slow in [true, false] {
        for sync_face in [true, false] {
            for limit in [Limit::at_most(1), Limit::at_most(10), Limit::All] {
                let mut options = recursive();
                options.bulk.limit = Some(limit);
                let back = there_and_back(&source, (slow, sync_face), &options);
                assert!(back == original, "slow {slow}, sync {sync_face}, {limit}");
            }
        }
    }
}

#[test]
fn the_limit_holds_for_transfers() {
    let source = MemoryStore::default();
    grow(&source);
    let far = MemoryStore::default();
    let (far_async, far_sync, gate) = remote(&far);
    let (source_async, source_sync) = near(&source);
    let mut options = recursive();
    options.bulk.limit = Some(Limit::at_most(6));
    smol::block_on(bulk::put(&far_async, &source_async, &all("in"), &options)).unwrap();
    assert_eq!(gate.most(), 6);
    blocking::bulk::put(&far_sync, &source_sync, &all("in2"), &options).unwrap();
    assert_eq!(gate.most(), 6);
}

#[test]
fn a_directory_needs_recursive() {
    let (source, target) = (MemoryStore::default(), MemoryStore::default());
    sync(&source).write("d/a", "1").unwrap();
    let pairs = [Pair { from: path("d"), to: path("x") }];
    let options = TransferOptions::default();
    let error = blocking::bulk::put(&sync(&target), &sync(&source), &pairs, &options).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::IsADirectory, Some("d")));
    let (_, slow, _) = remote(&source);
    let error = blocking::bulk::put(&sync(&target), &slow, &pairs, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IsADirectory);
    assert!(tree(&target).is_empty());
}

#[test]
fn on_error_return_names_what_failed_in_order() {
    let (source, target) = (MemoryStore::default(), MemoryStore::default());
    sync(&source).write("a", "1").unwrap();
    sync(&source).write("c", "3").unwrap();
    sync(&target).write("c", "old").unwrap();
    let pair = |from: &str| Pair { from: path(from), to: path(from) };
    let pairs = [pair("missing"), pair("a"), pair("none"), pair("c")];
    let mut options = TransferOptions { write: WriteOptions::if_absent(), ..TransferOptions::default() };
    options.bulk.on_error = OnError::Return;
    for slow in [false, true] {
        let report = if slow {
            blocking::bulk::put(&sync(&target), &remote(&source).1, &pairs, &options).unwrap()
        } else {
            blocking::bulk::put(&sync(&target), &sync(&source), &pairs, &options).unwrap()
        };
        let failed: Vec<_> =
            report.failed.iter().map(|failed| (failed.from.as_str(), failed.error.kind())).collect();
        assert_eq!(failed[0], ("missing", ErrorKind::NotFound));
        assert_eq!(failed[failed.len() - 2], ("none", ErrorKind::NotFound));
        assert_eq!(failed[failed.len() - 1], ("c", ErrorKind::ConditionFailed));
        assert_eq!(report.files, u64::from(!slow), "the second time 'a' is there already");
        assert_eq!(sync(&target).read("c").unwrap(), "old");
    }
}

#[test]
fn a_failed_or_cancelled_transfer_leaves_nothing_half_done() {
    let source = MemoryStore::default();
    let large = vec![7_u8; 4 * twinfs::STREAM_BLOCK];
    sync(&source).write("large", large).unwrap();
    let pairs = [Pair { from: path("large"), to: path("large") }];
    let options = TransferOptions::default();

    let full = MemoryStore::new(MemoryOptions { max_bytes: Some(3 * twinfs::STREAM_BLOCK as u64) });
    sync(&full).write("large", "old").unwrap();
    let error = blocking::bulk::put(&sync(&full), &sync(&source), &pairs, &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSpace);
    assert_eq!(sync(&full).read("large").unwrap(), "old");
    assert_eq!(full.used_bytes(), 3);

    let far = MemoryStore::default();
    let (slow, _, gate) = remote(&far);
    gate.fail(Operation::Commit, ErrorKind::Connection);
    let (near_source, _) = near(&source);
    let error = smol::block_on(bulk::put(&slow, &near_source, &pairs, &options)).unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Connection, Some("large")));
    assert!(tree(&far).is_empty());

    // Dropped at each await in turn.
    let (slow, _, gate) = remote(&far);
    for polls in 1..12 {
        let mut count = 0;
        let mut transfer = Box::pin(bulk::put(&slow, &near_source, &pairs, &options));
        let ended = smol::block_on(std::future::poll_fn(|context| {
            count += 1;
            match transfer.as_mut().poll(context) {
                std::task::Poll::Ready(result) => std::task::Poll::Ready(Some(result)),
                std::task::Poll::Pending if count >= polls => std::task::Poll::Ready(None),
                std::task::Poll::Pending => std::task::Poll::Pending,
            }
        }));
        drop(transfer);
        assert_eq!(gate.now(), 0);
        match ended {
            Some(result) => assert_eq!(result.unwrap().files, 1),
            None => assert!(
                tree(&far).values().flatten().all(|bytes| bytes.len() == 4 * twinfs::STREAM_BLOCK),
                "a part is visible after {polls} polls"
            ),
        }
        sync(&far).remove_all("").unwrap();
    }
}

#[test]
fn copy_stays_inside_and_refuses_circles() {
    let memory = MemoryStore::default();
    grow(&memory);
    let original: Tree =
        tree(&memory).into_iter().map(|(name, bytes)| (format!("copy/{name}"), bytes)).collect();
    let circle = [Pair { from: path("many"), to: path("many/inside") }];
    let error = blocking::bulk::copy(&sync(&memory), &circle, &recursive()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);

    for slow in [false, true] {
        let pairs: Vec<Pair> = ["deep", "deep-er", "empty", "hollow", "many", "one"]
            .iter()
            .map(|name| Pair { from: path(name), to: path(&format!("copy/{name}")) })
            .collect();
        let report = if slow {
            blocking::bulk::copy(&remote(&memory).1, &pairs, &recursive()).unwrap()
        } else {
            blocking::bulk::copy(&sync(&memory), &pairs, &recursive()).unwrap()
        };
        assert_eq!(report.files, 307);
        let copied: Tree = tree(&memory).into_iter().filter(|(name, _)| name.starts_with("copy/")).collect();
        assert!(copied == original, "slow {slow}");
        sync(&memory).remove_all("copy").unwrap();
    }
}

#[derive(Default)]
struct Sums {
    files: AtomicU64,
    expected: AtomicU64,
    bytes: AtomicU64,
    finished: AtomicU64,
}

impl Progress for Sums {
    fn discovered(&self, item: &ProgressItem<'_>) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.expected.fetch_add(item.len.unwrap(), Ordering::Relaxed);
    }
    fn advanced(&self, _: &ProgressItem<'_>, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
    fn finished(&self, item: &ProgressItem<'_>, result: Result<(), &Error>) {
        assert!(result.is_ok() && item.to.is_some());
        self.finished.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn progress_adds_up() {
    let (source, target) = (MemoryStore::default(), MemoryStore::default());
    grow(&source);
    for slow in [false, true] {
        let sums = Arc::new(Sums::default());
        let options = TransferOptions { bulk: Options::default().progress(sums.clone()), ..recursive() };
        let report = if slow {
            blocking::bulk::put(&remote(&target).1, &sync(&source), &all(""), &options).unwrap()
        } else {
            blocking::bulk::put(&sync(&target), &sync(&source), &all(""), &options).unwrap()
        };
        for (sum, expected) in [
            (&sums.files, report.files),
            (&sums.expected, report.bytes),
            (&sums.bytes, report.bytes),
            (&sums.finished, report.files),
        ] {
            assert_eq!(sum.load(Ordering::Relaxed), expected);
        }
    }
}

#[test]
fn place_follows_the_rules_of_cp() {
    smol::block_on(async {
        let fs = twinfs::Fs::memory();
        fs.create_dir("folder").await.unwrap();
        fs.write("file", "").await.unwrap();
        let placed = async |from: &str, to: &str, into| place(&fs, from, to, into).await.unwrap().to_string();
        assert_eq!(placed("x/a", "folder", false).await, "folder/a");
        assert_eq!(placed("x/a", "file", false).await, "file");
        assert_eq!(placed("x/a", "new", false).await, "new");
        assert_eq!(placed("x/a", "new", true).await, "new/a");
        assert_eq!(placed("x/a", "", false).await, "a");
    });
}

#[test]
fn the_local_disk_is_a_side_like_any_other() {
    let source = MemoryStore::default();
    grow(&source);
    let original = tree(&source);
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    std::fs::create_dir(folder.path().join("links")).unwrap();
    std::os::unix::fs::symlink("../in/one", folder.path().join("links/file")).unwrap();
    std::os::unix::fs::symlink("../in", folder.path().join("links/directory")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.path().join("links/out")).unwrap();
    let down = [Pair { from: path("in"), to: path("") }];
    let links = [Pair { from: path("links"), to: path("links") }];
    let (source_async, source_sync) = near(&source);
    for sync_face in [true, false] {
        let (far, back) = (MemoryStore::default(), MemoryStore::default());
        let (far_async, far_sync, _) = remote(&far);
        let (back_async, back_sync) = near(&back);
        let options = recursive();
        let report = if sync_face {
            let disk = blocking::Fs::connect(root).unwrap();
            blocking::bulk::put(&disk, &source_sync, &all("in"), &options).unwrap();
            blocking::bulk::put(&far_sync, &disk, &down, &options).unwrap();
            blocking::bulk::get(&disk, &back_sync, &down, &options).unwrap();
            blocking::bulk::get(&disk, &far_sync, &links, &options).unwrap()
        } else {
            smol::block_on(async {
                let disk = twinfs::Fs::connect(root).await.unwrap();
                bulk::put(&disk, &source_async, &all("in"), &options).await.unwrap();
                bulk::put(&far_async, &disk, &down, &options).await.unwrap();
                bulk::get(&disk, &back_async, &down, &options).await.unwrap();
                bulk::get(&disk, &far_async, &links, &options).await.unwrap()
            })
        };
        assert!(tree(&back) == original, "sync {sync_face}");
        let skipped: Vec<&str> = report.skipped.iter().map(|skipped| skipped.path.as_str()).collect();
        assert_eq!((report.files, skipped), (1, vec!["links/directory", "links/out"]));
        assert_eq!(sync(&far).read("links/file").unwrap(), sync(&source).read("one").unwrap());
        sync(&far).remove_all("links").unwrap();
        assert!(tree(&far) == original, "sync {sync_face}");
        std::fs::remove_dir_all(folder.path().join("in")).unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        std::fs::write(folder.path().join("in/one"), "0").unwrap();
    }
}
