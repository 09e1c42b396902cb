//! What dead writers leave is never shown, is swept where it is met, and is in nobody's way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use twinfs::stores::local::{LocalOptions, LocalStore};
use twinfs::{
    BlockingStore, Depth, ErrorKind, ListOptions, Mode, MoveOptions, OpenOptions, Publish, RemoveOptions,
};

use crate::child::{Parent, Process};
use crate::support::{disk_names, kind, list, listed, open, path, put, read, tree, write};

/// Opens writers of all kinds and waits to be killed.
pub(crate) fn die_writing(store: &LocalStore, parent: &mut Parent) {
    let in_place = OpenOptions::from(Mode::Write).publish(Publish::InPlace);
    let without_lease = OpenOptions::from(Mode::Write).lease(twinfs::Lease::Off);
    let files = [
        open(store, "dir/staged", Mode::Write).unwrap(),
        store.open(&path("dir/random"), &without_lease).unwrap(),
        store.open(&path("in-place"), &in_place).unwrap(),
    ];
    files.iter().for_each(|file| put(&**file, "unfinished"));
    parent.say("open");
    parent.wait();
}

/// A tree in which a process was killed while it wrote.
fn tree_of_the_dead() -> crate::support::Tree {
    let tree = tree();
    let mut child = Process::start("die_writing", tree.dir.path());
    assert_eq!(child.hear(), "open");
    child.kill();
    assert_eq!(disk_names(&tree.at("dir")).len(), 2);
    assert_eq!(tree.disk_names().len(), 3);
    tree
}

#[test]
fn a_listing_sweeps_and_shows_nothing_of_it() {
    let tree = tree_of_the_dead();
    let entries =
        list(&tree.store, "", &ListOptions { depth: Depth::Recursive, ..Default::default() }).unwrap();
    let paths: Vec<_> = entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["dir", "in-place"]);
    assert!(disk_names(&tree.at("dir")).is_empty());
    assert_eq!(tree.disk_names(), ["dir", "in-place"]);
}

#[test]
fn opening_a_store_sweeps_its_root() {
    let tree = tree_of_the_dead();
    LocalStore::open(tree.dir.path(), LocalOptions::default()).unwrap();
    assert_eq!(tree.disk_names(), ["dir", "in-place"]);
}

#[test]
fn it_is_no_obstacle_to_removing_or_replacing_a_directory() {
    let tree = tree_of_the_dead();
    tree.store.remove_dir(&path("dir"), &RemoveOptions::default()).unwrap();
    let tree = tree_of_the_dead();
    write(&tree.store, "other/file", "1").unwrap();
    tree.store.rename(&path("other"), &path("dir"), &MoveOptions::default()).unwrap();
    assert_eq!(read(&tree.store, "dir/file").unwrap(), "1");
    assert_eq!(disk_names(&tree.at("dir")), ["file"]);
}

#[test]
fn what_a_living_writer_holds_stays() {
    let tree = tree();
    let file = open(&tree.store, "dir/a", Mode::Write).unwrap();
    put(&*file, "alive");
    assert!(listed(&tree.store, "dir").is_empty());
    assert_eq!(
        kind(tree.store.remove_dir(&path("dir"), &RemoveOptions::default())),
        Some(ErrorKind::NotEmpty)
    );
    let root_file = open(&tree.store, "b", Mode::Write).unwrap();
    write(&tree.store, "c/d", "1").unwrap();
    tree.store.remove_all(&twinfs::FsPath::root(), &RemoveOptions::default()).unwrap();
    root_file.commit().unwrap();
    assert_eq!(tree.disk_names(), ["b"]);
    file.commit().unwrap();
    assert_eq!(read(&tree.store, "dir/a").unwrap(), "alive");
}

/// Lists, and so sweeps, all the time until told to stop.
fn sweepers(store: &LocalStore, stop: &Arc<AtomicBool>) -> Vec<thread::JoinHandle<()>> {
    let sweeper = |_| {
        let (store, stop) = (store.clone(), Arc::clone(stop));
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                list(&store, "", &ListOptions::default()).unwrap();
            }
        })
    };
    (0..2).map(sweeper).collect()
}

#[test]
fn a_sweeper_is_never_taken_for_another_writer() {
    let tree = tree();
    let stop = Arc::new(AtomicBool::new(false));
    let sweepers = sweepers(&tree.store, &stop);
    for round in 0..1000 {
        let file = open(&tree.store, &format!("{}", round % 3), Mode::Write).unwrap();
        if round % 2 == 0 {
            file.commit().unwrap();
        }
    }
    stop.store(true, Ordering::Relaxed);
    sweepers.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn one_shot_writes_survive_sweepers() {
    let tree = tree();
    let stop = Arc::new(AtomicBool::new(false));
    let sweepers = sweepers(&tree.store, &stop);
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let store = tree.store.clone();
            thread::spawn(move || {
                for round in 0..500 {
                    write(&store, &format!("{writer}-{}", round % 10), "content").unwrap();
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|thread| thread.join().unwrap());
    stop.store(true, Ordering::Relaxed);
    sweepers.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(tree.disk_names().len(), 20);
    assert_eq!(listed(&tree.store, "").len(), 20);
}

#[test]
fn dropped_and_aborted_writers_leave_nothing() {
    let tree = tree();
    for mode in [Mode::Write, Mode::Create, Mode::Append, Mode::Overwrite] {
        put(&*open(&tree.store, "new", mode).unwrap(), "dropped");
        let file = open(&tree.store, "new", mode).unwrap();
        put(&*file, "aborted");
        file.abort().unwrap();
        file.abort().unwrap();
        assert_eq!(kind(file.commit()), Some(ErrorKind::Closed));
    }
    assert!(tree.disk_names().is_empty());
}
