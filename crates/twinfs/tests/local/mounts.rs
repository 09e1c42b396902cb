//! Other file systems below the root.

use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;
use std::thread;

use twinfs::{BlockingStore, ErrorKind, MoveOptions, RemoveOptions};

use crate::limits::{mount, unmount};
use crate::support::{is_root, kind, path, read, stat, tree, write};

#[test]
fn a_file_keeps_what_belongs_to_it_across_file_systems() {
    if !is_root() {
        return;
    }
    let tree = tree();
    std::fs::create_dir(tree.at("mnt")).unwrap();
    mount(&tree.at("mnt"), "1m");
    write(&tree.store, "secret", "1").unwrap();
    std::fs::set_permissions(tree.at("secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::chown(tree.at("secret"), Some(65534), Some(65534)).unwrap();
    let before = stat(&tree.store, "secret").unwrap();
    let moved = tree.store.rename(&path("secret"), &path("mnt/secret"), &MoveOptions::default());
    let after = moved.and_then(|()| stat(&tree.store, "mnt/secret"));
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(tree.at("mnt/secret")).unwrap());
    let busy = tree.store.remove_all(&path("mnt"), &RemoveOptions::default());
    unmount(&tree.at("mnt"));
    let after = after.unwrap();
    assert_eq!((after.mode, after.modified, owner), (Some(0o600), before.modified, 65534));
    assert!(!tree.at("secret").exists());
    let busy = busy.unwrap_err();
    assert_eq!(busy.kind(), ErrorKind::WouldBlock);
    assert!(busy.to_string().contains("mount point"), "{busy}");
}

#[test]
fn what_comes_to_a_name_while_it_is_moved_away_is_not_lost() {
    if !is_root() {
        return;
    }
    let tree = tree();
    std::fs::create_dir(tree.at("mnt")).unwrap();
    mount(&tree.at("mnt"), "64m");
    let old = "old".repeat(2 << 20);
    let mut lost = 0;
    for _ in 0..40 {
        write(&tree.store, "file", &old).unwrap();
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                barrier.wait();
                tree.store.rename(&path("file"), &path("mnt/file"), &MoveOptions::default()).unwrap();
            });
            barrier.wait();
            write(&tree.store, "file", "new").unwrap();
        });
        let newest =
            ["file", "mnt/file"].iter().any(|name| read(&tree.store, name).is_ok_and(|text| text == "new"));
        lost += usize::from(!newest);
    }
    let gone = kind(tree.store.remove(&path("mnt/file"), &RemoveOptions::default()));
    unmount(&tree.at("mnt"));
    assert_eq!((lost, gone), (0, None));
}
