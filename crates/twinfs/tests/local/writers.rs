//! Of several writers of one path exactly one commits, across threads and processes.

use std::sync::{Arc, Barrier};
use std::thread;

use rstest::rstest;
use twinfs::stores::local::{LocalOptions, LocalStore};
use twinfs::{BlockingStore, Condition, Data, ErrorKind, Lease, Mode, OpenOptions, Publish, WriteOptions};

use crate::child::{Parent, Process};
use crate::support::{On, held, kind, list, listed, open, path, put, read, stat, tree, tree_on, write};

#[rstest]
fn a_second_open_writer_is_refused_until_the_first_is_done(#[values(On::Disk, On::Tmpfs)] on: On) {
    let tree = tree_on(on, LocalOptions::default());
    for mode in [Mode::Write, Mode::Append, Mode::Overwrite, Mode::Create] {
        let first = open(&tree.store, "a", mode).unwrap();
        assert_eq!(kind(open(&tree.store, "a", Mode::Write)), Some(ErrorKind::WouldBlock), "{mode:?}");
        let in_place = OpenOptions::from(Mode::Append).publish(Publish::InPlace);
        assert_eq!(kind(tree.store.open(&path("a"), &in_place)), Some(ErrorKind::WouldBlock), "{mode:?}");
        first.abort().unwrap();
        open(&tree.store, "a", Mode::Write).unwrap().abort().unwrap();
    }
    assert!(tree.disk_names().is_empty());
}

#[test]
fn an_in_place_writer_holds_the_lease_unless_told_not_to() {
    let tree = tree();
    let in_place = OpenOptions::from(Mode::Append).publish(Publish::InPlace);
    let log = tree.store.open(&path("log"), &in_place).unwrap();
    put(&*log, "one\n");
    assert_eq!(read(&tree.store, "log").unwrap(), "one\n");
    assert_eq!(kind(open(&tree.store, "log", Mode::Write)), Some(ErrorKind::WouldBlock));
    let other = tree.store.open(&path("log"), &in_place.clone().lease(Lease::Off)).unwrap();
    put(&*other, "two\n");
    put(&*log, "three\n");
    assert_eq!(read(&tree.store, "log").unwrap(), "one\ntwo\nthree\n");
    log.commit().unwrap();
    assert_eq!(tree.disk_names(), ["log"]);
}

#[test]
fn of_many_writers_without_lease_one_commits_and_the_others_keep_their_bytes() {
    let tree = tree();
    write(&tree.store, "a", "old").unwrap();
    let barrier = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let (store, barrier) = (tree.store.clone(), Arc::clone(&barrier));
            thread::spawn(move || {
                let file = store.open(&path("a"), &OpenOptions::from(Mode::Write).lease(Lease::Off)).unwrap();
                let text = format!("writer {number}");
                put(&*file, &text);
                barrier.wait();
                match file.commit() {
                    Ok(_) => Some(text),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::WouldBlock);
                        assert_eq!(held(&*file), text);
                        None
                    }
                }
            })
        })
        .collect();
    let winners: Vec<String> = threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(read(&tree.store, "a").unwrap(), winners[0]);
    assert_eq!(tree.disk_names(), ["a"]);
}

#[test]
fn a_one_shot_write_makes_an_open_writer_lose() {
    let tree = tree();
    for before in [None, Some("old")] {
        if let Some(text) = before {
            write(&tree.store, "a", text).unwrap();
        } else {
            assert!(listed(&tree.store, "").is_empty());
        }
        let file = open(&tree.store, "a", Mode::Write).unwrap();
        put(&*file, "mine");
        write(&tree.store, "a", "theirs").unwrap();
        assert_eq!(kind(file.commit()), Some(ErrorKind::WouldBlock));
        assert_eq!(held(&*file), "mine");
        assert_eq!(kind(file.write_at(0, &Data::from("more"))), Some(ErrorKind::Closed));
        assert_eq!(kind(file.commit()), Some(ErrorKind::WouldBlock), "asked again");
        assert_eq!(read(&tree.store, "a").unwrap(), "theirs");
        assert_eq!(tree.disk_names(), ["a"], "the path is free for the next writer at once");
        open(&tree.store, "a", Mode::Write).unwrap().abort().unwrap();
        file.abort().unwrap();
        assert_eq!(kind(file.commit()), Some(ErrorKind::Closed));
    }
}

#[test]
fn a_change_by_others_makes_an_open_writer_lose() {
    let tree = tree();
    let changes: [fn(&std::path::Path); 4] = [
        |file| std::fs::write(file, "same size").unwrap(),
        |file| std::fs::remove_file(file).unwrap(),
        |file| {
            std::fs::write(file.with_extension("new"), "same-size").unwrap();
            std::fs::rename(file.with_extension("new"), file).unwrap();
        },
        |file| {
            std::fs::remove_file(file).unwrap();
            std::os::unix::fs::symlink("elsewhere", file).unwrap();
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        write(&tree.store, "a", "same_size").unwrap();
        let file = open(&tree.store, "a", Mode::Update).unwrap();
        put(&*file, "M");
        change(&tree.at("a"));
        assert_eq!(kind(file.commit()), Some(ErrorKind::WouldBlock), "change {number}");
        assert_eq!(held(&*file), "Mame_size");
        drop(file);
        std::fs::remove_file(tree.at("a")).ok();
    }
}

#[test]
fn exclusive_creation_is_refused_at_open_and_at_commit() {
    let tree = tree();
    let file = open(&tree.store, "a", Mode::Create).unwrap();
    std::fs::write(tree.at("a"), "theirs").unwrap();
    assert_eq!(kind(file.commit()), Some(ErrorKind::AlreadyExists));
    drop(file);
    assert_eq!(kind(open(&tree.store, "a", Mode::Create)), Some(ErrorKind::AlreadyExists));
    assert_eq!(read(&tree.store, "a").unwrap(), "theirs");
    assert_eq!(tree.disk_names(), ["a"]);
}

#[rstest]
fn of_many_if_absent_writes_one_happens(#[values(On::Disk, On::Tmpfs)] on: On) {
    let tree = tree_on(on, LocalOptions::default());
    for round in 0..20 {
        let name = format!("dir/{round}");
        let barrier = Arc::new(Barrier::new(4));
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let (store, barrier, name) = (tree.store.clone(), Arc::clone(&barrier), name.clone());
                thread::spawn(move || {
                    barrier.wait();
                    store.write(&path(&name), &Data::from(format!("{number}")), &WriteOptions::if_absent())
                })
            })
            .collect();
        let results: Vec<_> = threads.into_iter().map(|thread| kind(thread.join().unwrap())).collect();
        assert_eq!(results.iter().filter(|result| result.is_none()).count(), 1, "{results:?}");
        assert!(results.iter().flatten().all(|&kind| kind == ErrorKind::ConditionFailed));
    }
}

#[test]
fn updates_start_from_what_is_there() {
    let tree = tree();
    write(&tree.store, "a", "hello").unwrap();
    let file = open(&tree.store, "a", Mode::Append).unwrap();
    file.write_at(0, &Data::from(" world")).unwrap();
    assert_eq!(read(&tree.store, "a").unwrap(), "hello");
    file.commit().unwrap();
    let file = open(&tree.store, "a", Mode::Update).unwrap();
    put(&*file, "J");
    file.set_len(5).unwrap();
    assert_eq!(held(&*file), "Jello");
    let metadata = file.commit().unwrap();
    assert_eq!((metadata.len, metadata.version), (5, stat(&tree.store, "a").unwrap().version));
    assert_eq!(read(&tree.store, "a").unwrap(), "Jello");
    assert_eq!(kind(open(&tree.store, "missing/b", Mode::Update)), Some(ErrorKind::NotFound));
    assert_eq!(tree.disk_names(), ["a"]);
}

/// Holds a path open, and commits or dies when told.
pub(crate) fn hold(store: &LocalStore, parent: &mut Parent) {
    let file = open(store, "a", Mode::Write).unwrap();
    put(&*file, "the child's");
    parent.say("open");
    assert_eq!(parent.wait(), "commit");
    parent.say(&format!("{:?}", kind(file.commit())));
    assert_eq!(held_or_nothing(&*file), "the child's");
    parent.wait();
}

fn held_or_nothing(file: &dyn twinfs::BlockingFile) -> String {
    match file.read_bytes(0, 100) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == ErrorKind::Closed => "the child's".into(),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_writer_in_another_process_is_seen_at_open() {
    let tree = tree();
    let mut child = Process::start("hold", tree.dir.path());
    assert_eq!(child.hear(), "open");
    assert_eq!(kind(open(&tree.store, "a", Mode::Write)), Some(ErrorKind::WouldBlock));
    child.tell("commit");
    assert_eq!(child.hear(), "None");
    assert_eq!(read(&tree.store, "a").unwrap(), "the child's");
    open(&tree.store, "a", Mode::Append).unwrap().commit().unwrap();
    child.finish();
}

#[test]
fn a_paused_holder_loses_to_a_write_that_came_meanwhile() {
    let tree = tree();
    let mut child = Process::start("hold", tree.dir.path());
    assert_eq!(child.hear(), "open");
    child.signal(libc::SIGSTOP);
    assert_eq!(kind(open(&tree.store, "a", Mode::Write)), Some(ErrorKind::WouldBlock));
    write(&tree.store, "a", "the parent's").unwrap();
    child.signal(libc::SIGCONT);
    child.tell("commit");
    assert_eq!(child.hear(), "Some(WouldBlock)");
    assert_eq!(read(&tree.store, "a").unwrap(), "the parent's");
    child.finish();
    assert_eq!(tree.disk_names(), ["a"]);
}

#[test]
fn a_killed_holder_leaves_the_path_to_the_next() {
    let tree = tree();
    let mut child = Process::start("hold", tree.dir.path());
    assert_eq!(child.hear(), "open");
    child.kill();
    assert_eq!(tree.disk_names().len(), 1);
    let file = open(&tree.store, "a", Mode::Overwrite).unwrap();
    assert!(file.is_empty().unwrap(), "nothing of the dead writer's bytes");
    put(&*file, "mine");
    file.commit().unwrap();
    assert_eq!(tree.disk_names(), ["a"]);
}

const INCREMENTS: u32 = 40;

/// Adds one, many times, by comparing versions.
pub(crate) fn count(store: &LocalStore, _parent: &mut Parent) {
    let mut left = INCREMENTS;
    while left > 0 {
        let version = stat(store, "n").unwrap().version.unwrap();
        let now: u32 = match store.read(
            &path("n"),
            &twinfs::ReadOptions { if_version: Some(version.clone()), ..Default::default() },
        ) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).parse().unwrap(),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::ConditionFailed);
                continue;
            }
        };
        let next = Data::from((now + 1).to_string());
        match store.write(&path("n"), &next, &WriteOptions::if_version(version)) {
            Ok(_) => left -= 1,
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConditionFailed),
        }
    }
}

/// Adds one, many times, through open writers.
pub(crate) fn count_by_handle(store: &LocalStore, _parent: &mut Parent) {
    let mut left = INCREMENTS;
    while left > 0 {
        let file = match open(store, "n", Mode::Update) {
            Ok(file) => file,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                thread::yield_now();
                continue;
            }
        };
        let now: u32 = held(&*file).parse().unwrap();
        put(&*file, &(now + 1).to_string());
        // Only open writers are at work, and this one holds the lease: nobody can have been faster.
        file.commit().unwrap();
        left -= 1;
    }
}

#[rstest]
fn no_increment_is_lost_between_processes(#[values("count", "count_by_handle")] role: &str) {
    let tree = tree();
    write(&tree.store, "n", "0").unwrap();
    let children: Vec<_> = (0..4).map(|_| Process::start(role, tree.dir.path())).collect();
    for child in children {
        child.finish();
    }
    assert_eq!(read(&tree.store, "n").unwrap(), (4 * INCREMENTS).to_string());
    assert_eq!(tree.disk_names(), ["n"]);
}

#[test]
fn writers_that_hold_the_lease_never_lose_while_others_list_and_sweep() {
    let tree = tree();
    write(&tree.store, "n", "0").unwrap();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let sweeper = {
        let (store, stop) = (tree.store.clone(), Arc::clone(&stop));
        thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                list(&store, "", &Default::default()).unwrap();
            }
        })
    };
    let counters: Vec<_> = (0..3)
        .map(|_| {
            let store = tree.store.clone();
            thread::spawn(move || count_by_handle(&store, &mut Parent))
        })
        .collect();
    counters.into_iter().for_each(|thread| thread.join().unwrap());
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    sweeper.join().unwrap();
    assert_eq!(read(&tree.store, "n").unwrap(), (3 * INCREMENTS).to_string());
    assert_eq!(tree.disk_names(), ["n"]);
}

#[test]
fn a_condition_of_a_handle_holds_at_open_and_at_commit() {
    let tree = tree();
    let version = write(&tree.store, "a", "1").unwrap().version.unwrap();
    let options = OpenOptions::from(Mode::Write).condition(Condition::IfVersion(version));
    let file = tree.store.open(&path("a"), &options).unwrap();
    write(&tree.store, "a", "2").unwrap();
    assert_eq!(kind(file.commit()), Some(ErrorKind::ConditionFailed));
    drop(file);
    assert_eq!(kind(tree.store.open(&path("a"), &options)), Some(ErrorKind::ConditionFailed));
    assert_eq!(tree.disk_names(), ["a"]);
}

#[test]
fn a_new_file_is_published_though_its_directory_was_removed_meanwhile() {
    let tree = tree();
    let file = open(&tree.store, "dir/a", Mode::Write).unwrap();
    put(&*file, "content");
    std::fs::remove_dir_all(tree.at("dir")).unwrap();
    file.commit().unwrap();
    assert_eq!(read(&tree.store, "dir/a").unwrap(), "content");
    write(&tree.store, "dir/b", "old").unwrap();
    let file = open(&tree.store, "dir/b", Mode::Write).unwrap();
    std::fs::remove_dir_all(tree.at("dir")).unwrap();
    assert_eq!(kind(file.commit()), Some(ErrorKind::WouldBlock));
    assert!(tree.disk_names().is_empty());
}

#[test]
fn commits_get_their_turn_among_many_one_shot_writes() {
    const COMMITS: usize = 20;
    /// Some hundred for each commit: whoever waits for longer waits for ever.
    const PATIENCE: usize = 40_000;
    let tree = tree_on(On::Tmpfs, LocalOptions::default());
    let writes = std::sync::atomic::AtomicUsize::new(0);
    let committed = std::sync::atomic::AtomicUsize::new(0);
    let order = std::sync::atomic::Ordering::SeqCst;
    thread::scope(|scope| {
        for writer in 0..8 {
            let (store, writes, committed) = (&tree.store, &writes, &committed);
            scope.spawn(move || {
                while committed.load(order) < COMMITS && writes.fetch_add(1, order) < PATIENCE {
                    write(store, &format!("{writer}"), "1").unwrap();
                }
            });
        }
        for _ in 0..COMMITS {
            let file = open(&tree.store, "log", Mode::Append).unwrap();
            file.write_at(0, &Data::from("x")).unwrap();
            file.commit().unwrap();
            committed.fetch_add(1, order);
        }
    });
    assert!(writes.into_inner() < PATIENCE, "the commits came last");
}
