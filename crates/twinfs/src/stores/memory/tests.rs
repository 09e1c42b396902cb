//! What is particular to the memory store; what it shares with every store is in the conformance
//! suite.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use super::*;
use crate::store::{Condition, Depth, Lease, Mode, Parents, Publish};

fn path(text: &str) -> FsPath {
    FsPath::new(text).unwrap()
}

fn store() -> MemoryStore {
    MemoryStore::new(MemoryOptions::default())
}

fn limited(max_bytes: u64) -> MemoryStore {
    MemoryStore::new(MemoryOptions { max_bytes: Some(max_bytes) })
}

fn put(store: &MemoryStore, name: &str, text: &'static str) {
    store.write(&path(name), &Data::from(text), &WriteOptions::default()).unwrap();
}

fn get(store: &MemoryStore, name: &str) -> Result<Bytes> {
    store.read(&path(name), &ReadOptions::default())
}

fn kind<T>(result: Result<T>) -> ErrorKind {
    result.err().unwrap().kind()
}

fn open_with(
    store: &MemoryStore,
    name: &str,
    options: impl Into<OpenOptions>,
) -> Result<Box<dyn BlockingFile>> {
    store.open(&path(name), &options.into())
}

#[test]
fn bytes_are_shared_and_not_copied() {
    let store = store();
    let bytes = Bytes::from(vec![7; 4096]);
    store.write(&path("a"), &Data::from(&bytes), &WriteOptions::default()).unwrap();
    store.copy(&path("a"), &path("b"), &MoveOptions::default()).unwrap();
    for name in ["a", "b"] {
        assert_eq!(get(&store, name).unwrap().as_ptr(), bytes.as_ptr());
    }
    let handle = open_with(&store, "c", Mode::Write).unwrap();
    handle.write_at(0, &Data::from(&bytes)).unwrap();
    handle.commit().unwrap();
    assert_eq!(get(&store, "c").unwrap().as_ptr(), bytes.as_ptr());
}

#[test]
fn the_limit_holds_for_every_way_in() {
    let store = limited(10);
    put(&store, "a", "123456");
    assert_eq!(
        kind(store.write(&path("b"), &Data::from("12345"), &WriteOptions::default())),
        ErrorKind::NoSpace
    );
    assert_eq!(kind(get(&store, "b")), ErrorKind::NotFound);
    assert_eq!(kind(store.copy(&path("a"), &path("b"), &MoveOptions::default())), ErrorKind::NoSpace);
    for publish in [Publish::Staged, Publish::InPlace] {
        let handle = open_with(&store, "b", OpenOptions::from(Mode::Overwrite).publish(publish)).unwrap();
        handle.write_at(0, &Data::from("1234")).unwrap();
        assert_eq!(kind(handle.write_at(4, &Data::from("5"))), ErrorKind::NoSpace);
        assert_eq!(kind(handle.set_len(5)), ErrorKind::NoSpace);
        assert_eq!(kind(handle.write_at(1 << 40, &Data::from("5"))), ErrorKind::NoSpace);
        assert_eq!(handle.read_bytes(0, 9).unwrap(), "1234");
        handle.abort().unwrap();
    }
    assert_eq!(get(&store, "b").unwrap(), "1234");
    store.remove(&path("b"), &RemoveOptions::default()).unwrap();
    let id = store.stage(&StageOptions::default()).unwrap();
    let upload = store.reopen(&id).unwrap();
    upload.write_at(0, &Data::from("1234")).unwrap();
    assert_eq!(kind(upload.write_at(4, &Data::from("5"))), ErrorKind::NoSpace);
    assert_eq!(store.used_bytes(), 10);
}

#[test]
fn a_file_that_fills_the_store_is_written_in_place() {
    let store = limited(10);
    put(&store, "log", "123456789");
    let log = open_with(&store, "log", OpenOptions::from(Mode::Append).publish(Publish::InPlace)).unwrap();
    log.write_at(0, &Data::from("0")).unwrap();
    assert_eq!(kind(log.write_at(0, &Data::from("1"))), ErrorKind::NoSpace);
    log.commit().unwrap();
    assert_eq!(get(&store, "log").unwrap(), "1234567890");
    assert_eq!(store.used_bytes(), 10);
}

#[test]
fn space_comes_back() {
    let store = limited(10);
    put(&store, "a", "12345");
    put(&store, "a", "12");
    assert_eq!(store.used_bytes(), 2);
    drop({
        let handle = open_with(&store, "b", Mode::Write).unwrap();
        handle.write_at(0, &Data::from("12345678")).unwrap();
        handle
    });
    assert_eq!(store.used_bytes(), 2);
    let id = store.stage(&StageOptions::default()).unwrap();
    let upload = store.reopen(&id).unwrap();
    upload.write_at(0, &Data::from("12345678")).unwrap();
    store.discard(&id).unwrap();
    assert_eq!(store.used_bytes(), 2);
    assert_eq!(kind(upload.len()), ErrorKind::Closed);
    put(&store, "d/e/f", "123");
    store.rename(&path("d/e/f"), &path("a"), &MoveOptions::default()).unwrap();
    assert_eq!(store.used_bytes(), 3);
    store.remove_all(&FsPath::root(), &RemoveOptions::default()).unwrap();
    assert_eq!(store.used_bytes(), 0);
}

#[test]
fn a_write_past_every_bound_is_refused() {
    let store = store();
    let handle = open_with(&store, "a", Mode::Write).unwrap();
    assert_eq!(kind(handle.write_at(u64::MAX, &Data::from("x"))), ErrorKind::TooLarge);
    assert_eq!(kind(handle.set_len(u64::MAX)), ErrorKind::TooLarge);
    assert_eq!(handle.len().unwrap(), 0);
    assert_eq!(store.used_bytes(), 0);
}

#[test]
fn a_name_is_one_store() {
    let options = MemoryOptions { max_bytes: Some(100) };
    let first = MemoryStore::named("memory-tests-identity", options).unwrap();
    put(&first, "a", "x");
    drop(first);
    let again = MemoryStore::named("memory-tests-identity", MemoryOptions::default()).unwrap();
    assert_eq!(get(&again, "a").unwrap(), "x");
    assert_eq!(
        kind(get(&MemoryStore::named("memory-tests-other", options).unwrap(), "a")),
        ErrorKind::NotFound
    );
    let other_limit = MemoryOptions { max_bytes: Some(1) };
    assert_eq!(kind(MemoryStore::named("memory-tests-identity", other_limit)), ErrorKind::InvalidInput);
}

#[test]
fn one_of_many_writers_gets_the_lease() {
    let store = store();
    let barrier = Barrier::new(8);
    let won: Vec<bool> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    let handle = open_with(&store, "a", Mode::Write);
                    barrier.wait();
                    match handle {
                        Ok(handle) => {
                            handle.commit().unwrap();
                            true
                        }
                        Err(error) => {
                            assert_eq!(error.kind(), ErrorKind::WouldBlock);
                            false
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    open_with(&store, "a", Mode::Write).unwrap();
}

#[test]
fn no_increment_is_lost() {
    let store = store();
    put(&store, "n", "0");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    while !increment(&store) {}
                }
            });
        }
    });
    assert_eq!(get(&store, "n").unwrap(), "1000");
}

fn increment(store: &MemoryStore) -> bool {
    let handle = open_with(store, "n", OpenOptions::from(Mode::Update).lease(Lease::Off)).unwrap();
    let text = handle.read_bytes(0, 20).unwrap();
    let number: u32 = std::str::from_utf8(&text).unwrap().parse().unwrap();
    handle.write_at(0, &Data::from((number + 1).to_string())).unwrap();
    match handle.commit() {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            false
        }
    }
}

#[test]
fn a_lease_ends_with_its_handle() {
    let store = store();
    let ends: [fn(&dyn BlockingFile); 3] =
        [|file| drop(file.commit().unwrap()), |file| file.abort().unwrap(), |_| {}];
    for publish in [Publish::Staged, Publish::InPlace] {
        for end in ends {
            let options = OpenOptions::from(Mode::Append).publish(publish);
            let handle = open_with(&store, "a", &options).unwrap();
            assert_eq!(kind(open_with(&store, "a", &options)), ErrorKind::WouldBlock);
            open_with(&store, "a", options.clone().lease(Lease::Off)).unwrap();
            end(&*handle);
            drop(handle);
        }
    }
}

#[test]
fn a_handle_without_lease_does_not_end_that_of_another() {
    let store = store();
    let holder = open_with(&store, "a", Mode::Write).unwrap();
    drop(open_with(&store, "a", OpenOptions::from(Mode::Write).lease(Lease::Off)).unwrap());
    assert_eq!(kind(open_with(&store, "a", Mode::Write)), ErrorKind::WouldBlock);
    holder.commit().unwrap();
}

#[test]
fn a_file_written_in_place_is_followed_through_renames() {
    let store = store();
    let log = open_with(&store, "log", OpenOptions::from(Mode::Append).publish(Publish::InPlace)).unwrap();
    log.write_at(0, &Data::from("one\n")).unwrap();
    let reader = open_with(&store, "log", Mode::Read).unwrap();
    store.rename(&path("log"), &path("log.1"), &MoveOptions::default()).unwrap();
    log.write_at(0, &Data::from("two\n")).unwrap();
    assert_eq!(get(&store, "log.1").unwrap(), "one\ntwo\n");
    assert_eq!(reader.read_bytes(0, 100).unwrap(), "one\ntwo\n");
    assert_eq!(kind(get(&store, "log")), ErrorKind::NotFound);
    log.commit().unwrap();
    assert_eq!(get(&store, "log.1").unwrap(), "one\ntwo\n");
}

#[test]
fn writers_in_place_share_the_content() {
    let store = store();
    let options = OpenOptions::from(Mode::Append).publish(Publish::InPlace).lease(Lease::Off);
    let first = open_with(&store, "log", &options).unwrap();
    let second = open_with(&store, "log", &options).unwrap();
    first.write_at(0, &Data::from("a")).unwrap();
    second.write_at(0, &Data::from("b")).unwrap();
    drop(first);
    second.write_at(0, &Data::from("c")).unwrap();
    assert_eq!(get(&store, "log").unwrap(), "abc");
}

#[test]
fn expired_uploads_are_swept_unless_they_are_open() {
    let store = store();
    let short = StageOptions { keep: Duration::ZERO };
    let (swept, open) = (store.stage(&short).unwrap(), store.stage(&StageOptions::default()).unwrap());
    let handle = store.reopen(&open).unwrap();
    thread::sleep(Duration::from_millis(2));
    let held = store.stage(&StageOptions::default()).unwrap();
    let ids: Vec<StagedId> = store.list_staged().unwrap().into_iter().map(|staged| staged.id).collect();
    assert!(!ids.contains(&swept) && ids.contains(&open) && ids.contains(&held));
    handle.write_at(0, &Data::from("x")).unwrap();
    assert_eq!(handle.len().unwrap(), 1);
    store.stage(&StageOptions { keep: Duration::MAX }).unwrap();
}

#[test]
fn a_rename_that_would_make_a_path_too_long_changes_nothing() {
    let store = store();
    let deep = ["x".repeat(255), "y".repeat(255), "z".repeat(255)].join("/");
    put(&store, &format!("d/{deep}"), "1");
    put(&store, "d/a", "2");
    let long = vec!["w".repeat(255); 14].join("/");
    let result = store.rename(&path("d"), &path(&long), &MoveOptions::default());
    assert_eq!(kind(result), ErrorKind::InvalidPath);
    assert_eq!(get(&store, "d/a").unwrap(), "2");
    assert_eq!(get(&store, &format!("d/{deep}")).unwrap(), "1");
    assert_eq!(kind(store.stat(&path(&long), &StatOptions::default())), ErrorKind::NotFound);
}

#[test]
fn a_listing_survives_changes_between_its_pages() {
    let store = store();
    for name in ["d/a/x", "d/b", "d/c", "d/e"] {
        put(&store, name, "");
    }
    let mut lister = store.list(&path("d"), &ListOptions::default()).unwrap();
    assert_eq!(lister.next_page(1).unwrap()[0].path.as_str(), "d/a");
    store.remove(&path("d/b"), &RemoveOptions::default()).unwrap();
    put(&store, "d/d", "");
    put(&store, "d/0", "");
    let rest: Vec<String> = std::iter::from_fn(|| lister.next_page(1).unwrap().pop())
        .map(|entry| entry.path.to_string())
        .collect();
    assert_eq!(rest, ["d/c", "d/d", "d/e"]);
}

#[test]
fn a_page_does_not_hold_the_lock_for_long() {
    let store = store();
    for number in 0..3000 {
        put(&store, &format!("{number}"), "");
    }
    let options = ListOptions { depth: Depth::Recursive, ..ListOptions::default() };
    let mut lister = store.list(&FsPath::root(), &options).unwrap();
    let pages: Vec<usize> = std::iter::from_fn(|| Some(lister.next_page(usize::MAX).unwrap().len()))
        .take_while(|len| *len > 0)
        .collect();
    assert!(pages.len() > 1);
    assert_eq!(pages.iter().sum::<usize>(), 3000);
}

#[test]
fn a_commit_makes_missing_directories_and_an_abort_makes_none() {
    let store = store();
    open_with(&store, "a/b/c", Mode::Write).unwrap().abort().unwrap();
    assert_eq!(kind(store.stat(&path("a"), &StatOptions::default())), ErrorKind::NotFound);
    let required = OpenOptions::from(Mode::Write).parents(Parents::Require);
    assert_eq!(kind(open_with(&store, "a/b/c", required)), ErrorKind::NotFound);
    open_with(&store, "a/b/c", Mode::Write).unwrap().commit().unwrap();
    assert!(store.stat(&path("a/b"), &StatOptions::default()).unwrap().is_dir());
}

#[test]
fn a_condition_at_open_is_the_error_at_commit() {
    let store = store();
    let handle =
        open_with(&store, "a", OpenOptions::from(Mode::Write).condition(Condition::IfAbsent)).unwrap();
    put(&store, "a", "x");
    assert_eq!(kind(handle.commit()), ErrorKind::ConditionFailed);
}

#[test]
fn a_writer_whose_write_failed_publishes_nothing() {
    let store = limited(8);
    put(&store, "a", "old");
    for change in [
        |handle: &dyn BlockingFile| handle.write_at(0, &Data::from("much too long")),
        |handle: &dyn BlockingFile| handle.set_len(100),
    ] {
        let handle = open_with(&store, "a", Mode::Write).unwrap();
        handle.write_at(0, &Data::from("1")).unwrap();
        assert_eq!(kind(change(&*handle)), ErrorKind::NoSpace);
        assert_eq!(kind(handle.commit()), ErrorKind::Io, "what is incomplete is not published");
        drop(handle);
        assert_eq!(get(&store, "a").unwrap(), "old");
    }
    assert_eq!(store.used_bytes(), 3);
}
