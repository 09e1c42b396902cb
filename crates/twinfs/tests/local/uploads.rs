//! Staged uploads: kept apart, published once, never changed by a late write.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use twinfs::stores::local::{LocalOptions, LocalStore};
use twinfs::{BlockingStore, Data, ErrorKind, Mode, StageOptions, StagedId, WriteOptions};

use crate::limits::{mount, unmount};
use crate::support::{held, is_root, kind, open, path, put, read, stat, tree, write};

#[test]
fn an_upload_outlives_handle_and_store() {
    let tree = tree();
    let id = tree.store.stage(&StageOptions::default()).unwrap();
    let file = tree.store.reopen(&id).unwrap();
    file.write_at(4, &Data::from("four")).unwrap();
    drop(file);
    let again = LocalStore::open(tree.dir.path(), LocalOptions::default()).unwrap();
    let id = StagedId::new(id.as_str()).unwrap();
    let file = again.reopen(&id).unwrap();
    put(&*file, "zero");
    assert_eq!(held(&*file), "zerofour");
    assert_eq!(kind(file.commit()), Some(ErrorKind::Unsupported));
    drop(file);
    let staged = again.list_staged().unwrap();
    assert_eq!((staged.len(), &staged[0].id, staged[0].len), (1, &id, 8));
    assert!(staged[0].expires.duration_since(staged[0].created).unwrap() >= StageOptions::default().keep);
    let metadata = again.publish(&id, &path("deep/a"), &WriteOptions::default()).unwrap();
    assert_eq!(metadata.version, stat(&tree.store, "deep/a").unwrap().version);
    assert_eq!(read(&tree.store, "deep/a").unwrap(), "zerofour");
    assert_eq!(kind(again.reopen(&id)), Some(ErrorKind::NotFound));
    assert_eq!(tree.disk_names(), ["deep"], "the directory of uploads goes with the last one");
}

#[test]
fn a_late_write_does_not_reach_the_published_file() {
    let tree = tree();
    let id = tree.store.stage(&StageOptions::default()).unwrap();
    let files = [tree.store.reopen(&id).unwrap(), tree.store.reopen(&id).unwrap()];
    put(&*files[0], "complete");
    tree.store.publish(&id, &path("a"), &WriteOptions::default()).unwrap();
    for file in &files {
        assert_eq!(kind(file.write_at(0, &Data::from("late"))), Some(ErrorKind::Closed));
        assert_eq!(kind(file.set_len(0)), Some(ErrorKind::Closed));
    }
    assert_eq!(read(&tree.store, "a").unwrap(), "complete");
}

#[test]
fn writes_that_race_with_publishing_are_before_it_or_refused() {
    const BLOCK: u64 = 512 * 1024;
    let tree = tree();
    let block = vec![b'x'; BLOCK as usize];
    let barrier = Barrier::new(3);
    for round in 0..20 {
        let id = tree.store.stage(&StageOptions::default()).unwrap();
        let name = format!("{round}");
        thread::scope(|scope| {
            let writers: Vec<_> = (0..2_u64)
                .map(|writer| {
                    let file = tree.store.reopen(&id).unwrap();
                    let (barrier, block) = (&barrier, &block);
                    scope.spawn(move || {
                        barrier.wait();
                        let mut written = 0;
                        while file.write_at((written * 2 + writer) * BLOCK, &Data::from(block)).is_ok() {
                            written += 1;
                        }
                        written
                    })
                })
                .collect();
            barrier.wait();
            let published = tree.store.publish(&id, &path(&name), &WriteOptions::default()).unwrap();
            let written: u64 = writers.into_iter().map(|thread| thread.join().unwrap()).sum();
            let content = std::fs::read(tree.at(&name)).unwrap();
            assert_eq!(content.len() as u64, published.len, "written after it was published");
            let bytes = content.iter().filter(|&&byte| byte == b'x').count() as u64;
            assert_eq!(bytes, written * BLOCK, "an acknowledged write is missing");
            assert_eq!(Some(published.version), stat(&tree.store, &name).ok().map(|now| now.version));
        });
        std::fs::remove_file(tree.at(&name)).unwrap();
    }
}

#[test]
fn of_several_publishers_one_finds_the_upload() {
    let tree = tree();
    for round in 0..20 {
        let id = tree.store.stage(&StageOptions::default()).unwrap();
        let barrier = Arc::new(Barrier::new(4));
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let (store, barrier, id) = (tree.store.clone(), Arc::clone(&barrier), id.clone());
                thread::spawn(move || {
                    barrier.wait();
                    store.publish(&id, &path(&format!("{round}/{number}")), &WriteOptions::default())
                })
            })
            .collect();
        let results: Vec<_> = threads.into_iter().map(|thread| kind(thread.join().unwrap())).collect();
        assert_eq!(results.iter().filter(|result| result.is_none()).count(), 1, "{results:?}");
        assert!(results.iter().flatten().all(|&kind| kind == ErrorKind::NotFound), "{results:?}");
    }
}

#[test]
fn a_condition_that_fails_keeps_the_upload() {
    let tree = tree();
    write(&tree.store, "a", "old").unwrap();
    let id = tree.store.stage(&StageOptions::default()).unwrap();
    assert_eq!(
        kind(tree.store.publish(&id, &path("a"), &WriteOptions::if_absent())),
        Some(ErrorKind::ConditionFailed)
    );
    let version = stat(&tree.store, "a").unwrap().version.unwrap();
    let writer = open(&tree.store, "a", Mode::Append).unwrap();
    tree.store.publish(&id, &path("a"), &WriteOptions::if_version(version)).unwrap();
    assert_eq!(read(&tree.store, "a").unwrap(), "");
    assert_eq!(kind(writer.commit()), Some(ErrorKind::WouldBlock), "publishing takes no lease, and wins");
}

#[test]
fn what_has_expired_is_swept_and_nothing_before() {
    let tree = tree();
    let long = tree.store.stage(&StageOptions { keep: Duration::MAX }).unwrap();
    let short = tree.store.stage(&StageOptions { keep: Duration::ZERO }).unwrap();
    let ids = |store: &LocalStore| {
        store.list_staged().unwrap().into_iter().map(|staged| staged.id).collect::<Vec<_>>()
    };
    let expires =
        tree.store.list_staged().unwrap().into_iter().find(|staged| staged.id == short).unwrap().expires;
    loop {
        let kept = ids(&tree.store);
        // Looked at afterwards: an answer without it before its time is a sweep before its time.
        if std::time::SystemTime::now() >= expires {
            break;
        }
        assert!(kept.contains(&short));
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(ids(&tree.store), std::slice::from_ref(&long));
    assert_eq!(kind(tree.store.reopen(&short)), Some(ErrorKind::NotFound));
    tree.store.discard(&long).unwrap();
    assert_eq!(kind(tree.store.discard(&long)), Some(ErrorKind::NotFound));
    assert!(tree.disk_names().is_empty());
}

#[test]
fn staging_and_tidying_do_not_disturb_each_other() {
    let tree = tree();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let store = tree.store.clone();
            thread::spawn(move || {
                for _ in 0..100 {
                    let id = store.stage(&StageOptions::default()).unwrap();
                    put(&*store.reopen(&id).unwrap(), "1");
                    store.discard(&id).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(tree.disk_names().is_empty());
}

#[test]
fn another_file_system_below_the_root_is_reached_by_copying() {
    if !is_root() {
        return;
    }
    let tree = tree();
    std::fs::create_dir(tree.at("mounted")).unwrap();
    mount(&tree.at("mounted"), "1m");
    let id = tree.store.stage(&StageOptions::default()).unwrap();
    put(&*tree.store.reopen(&id).unwrap(), "upload");
    let published = tree.store.publish(&id, &path("mounted/a"), &WriteOptions::default());
    let content = read(&tree.store, "mounted/a");
    let gone = kind(tree.store.reopen(&id));
    write(&tree.store, "file", "moved").unwrap();
    let renamed = tree.store.rename(&path("file"), &path("mounted/b"), &Default::default());
    let moved = read(&tree.store, "mounted/b");
    std::fs::create_dir(tree.at("dir")).unwrap();
    let dir = kind(tree.store.rename(&path("dir"), &path("mounted/dir"), &Default::default()));
    unmount(&tree.at("mounted"));
    published.unwrap();
    renamed.unwrap();
    assert_eq!((content.unwrap().as_str(), moved.unwrap().as_str()), ("upload", "moved"));
    assert_eq!((gone, dir), (Some(ErrorKind::NotFound), Some(ErrorKind::Unsupported)));
    assert_eq!(tree.disk_names(), ["dir", "mounted"]);
}
