//! Removing trees, and renaming around corners.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{Mode, OFlags};
use twinfs::{BlockingStore, ErrorKind, FsPath, MoveOptions, RemoveOptions};

use crate::support::{kind, path, read, stat, tree, write};

#[test]
fn a_tree_deeper_than_any_path_is_removed() {
    let tree = tree();
    std::fs::create_dir(tree.at("top")).unwrap();
    let flags = OFlags::DIRECTORY | OFlags::RDONLY;
    let mut dir = rustix::fs::open(tree.at("top"), flags, Mode::empty()).unwrap();
    for _ in 0..3000 {
        rustix::fs::mkdirat(&dir, "deeper", 0o755.into()).unwrap();
        rustix::fs::openat(&dir, "file", OFlags::CREATE | OFlags::WRONLY, 0o644.into()).unwrap();
        dir = rustix::fs::openat(&dir, "deeper", flags, Mode::empty()).unwrap();
    }
    drop(dir);
    tree.store.remove_all(&path("top"), &RemoveOptions::default()).unwrap();
    assert!(tree.disk_names().is_empty());
}

#[test]
fn removing_the_root_empties_it_and_keeps_uploads() {
    let tree = tree();
    for name in ["a", "b/c/d", "b/e"] {
        write(&tree.store, name, "1").unwrap();
    }
    symlink("/", tree.at("link")).unwrap();
    let id = tree.store.stage(&Default::default()).unwrap();
    tree.store.remove_all(&FsPath::root(), &RemoveOptions::default()).unwrap();
    assert_eq!(tree.disk_names(), [".twinfs-staged"]);
    tree.store.publish(&id, &path("kept"), &Default::default()).unwrap();
    assert_eq!(tree.disk_names(), ["kept"]);
    for result in [
        tree.store.remove_dir(&FsPath::root(), &RemoveOptions::default()),
        tree.store.rename(&FsPath::root(), &path("x"), &MoveOptions::default()),
        tree.store.rename(&path("kept"), &FsPath::root(), &MoveOptions::default()),
    ] {
        assert_eq!(kind(result), Some(ErrorKind::InvalidInput));
    }
    assert_eq!(
        kind(tree.store.remove(&FsPath::root(), &RemoveOptions::default())),
        Some(ErrorKind::IsADirectory)
    );
}

#[test]
fn a_tree_that_others_fill_meanwhile_is_removed_in_the_end() {
    let tree = tree();
    let stop = Arc::new(AtomicBool::new(false));
    let filler = {
        let (store, stop) = (tree.store.clone(), Arc::clone(&stop));
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = write(&store, "busy/a/b", "1");
            }
        })
    };
    for _ in 0..200 {
        match kind(tree.store.remove_all(&path("busy"), &RemoveOptions::default())) {
            None | Some(ErrorKind::NotFound | ErrorKind::NotEmpty) => {}
            other => panic!("{other:?}"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    filler.join().unwrap();
    let _ = tree.store.remove_all(&path("busy"), &RemoveOptions::default());
    assert!(tree.disk_names().is_empty());
}

#[test]
fn renaming_says_what_stands_in_the_way() {
    let tree = tree();
    write(&tree.store, "dir/file", "1").unwrap();
    write(&tree.store, "full/file", "2").unwrap();
    std::fs::create_dir(tree.at("empty")).unwrap();
    let rename =
        |from: &str, to: &str| kind(tree.store.rename(&path(from), &path(to), &MoveOptions::default()));
    assert_eq!(rename("dir/file", "full"), Some(ErrorKind::IsADirectory));
    assert_eq!(rename("dir", "full/file"), Some(ErrorKind::NotADirectory));
    assert_eq!(rename("dir", "full"), Some(ErrorKind::NotEmpty));
    assert_eq!(rename("dir", "dir/below/deep"), Some(ErrorKind::InvalidInput));
    assert_eq!(rename("none", "x"), Some(ErrorKind::NotFound));
    assert_eq!(rename("dir/file/below", "x"), Some(ErrorKind::NotADirectory));
    assert_eq!(rename("dir/file", "dir/file"), None);
    assert_eq!(rename("dir", "empty"), None);
    assert_eq!(rename("empty", "new/parents/dir"), None);
    assert_eq!(read(&tree.store, "new/parents/dir/file").unwrap(), "1");
}

#[test]
fn renaming_one_name_of_a_file_onto_another_leaves_one() {
    let tree = tree();
    write(&tree.store, "a", "1").unwrap();
    std::fs::hard_link(tree.at("a"), tree.at("b")).unwrap();
    tree.store.rename(&path("a"), &path("b"), &MoveOptions::default()).unwrap();
    assert_eq!(tree.disk_names(), ["b"]);
    assert_eq!(stat(&tree.store, "b").unwrap().links, Some(1));
}

#[test]
fn renames_in_both_directions_do_not_wait_for_each_other() {
    let tree = tree();
    for dir in ["a", "b"] {
        for name in 0..50 {
            write(&tree.store, &format!("{dir}/{dir}{name}"), "1").unwrap();
        }
    }
    let threads: Vec<_> = [("a", "b"), ("b", "a")]
        .map(|(from, to)| {
            let store = tree.store.clone();
            thread::spawn(move || {
                for round in 0..200 {
                    let name = format!("{from}{}", round % 50);
                    let version = stat(&store, &format!("{from}/{name}")).unwrap().version.unwrap();
                    let back = store
                        .rename(
                            &path(&format!("{from}/{name}")),
                            &path(&format!("{to}/{name}")),
                            &MoveOptions::default(),
                        )
                        .and_then(|()| {
                            store.rename(
                                &path(&format!("{to}/{name}")),
                                &path(&format!("{from}/{name}")),
                                &MoveOptions { condition: twinfs::Condition::IfAbsent, ..Default::default() },
                            )
                        });
                    back.unwrap();
                    assert_ne!(stat(&store, &format!("{from}/{name}")).unwrap().version.unwrap(), version);
                }
            })
        })
        .into_iter()
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
