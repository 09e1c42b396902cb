//! Nothing outside the root is reached: not by links, not by races, not where the kernel cannot help.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tempfile::TempDir;
use twinfs::stores::local::{LocalOptions, LocalStore};
use twinfs::{
    BlockingStore, CreateDirOptions, Depth, EntryKind, ErrorKind, ListOptions, Mode, MoveOptions,
    OpenOptions, Publish, RemoveOptions, WriteOptions,
};

use crate::child::{Parent, Process};
use crate::support::{Tree, deny, disk_names, kind, list, listed, open, path, put, read, stat, tree, write};

/// What must hold however lookups are confined. `outside` is a directory beside the root.
fn links(store: &LocalStore, outside: &Path) {
    let root = store.root().to_owned();
    std::fs::create_dir_all(root.join("real/deep")).unwrap();
    std::fs::write(root.join("real/file"), "inside").unwrap();
    std::fs::write(outside.join("secret"), "secret").unwrap();
    let make = |target: &str, link: &str| symlink(target, root.join(link)).unwrap();

    // Inside, links are followed for reading, looking and writing, wherever they stand.
    make("real", "to-dir");
    make("../real/file", "real/up-and-down");
    make("to-dir/up-and-down", "chain");
    for name in ["to-dir/file", "real/up-and-down", "chain", "to-dir/up-and-down"] {
        assert_eq!(read(store, name).unwrap(), "inside", "{name}");
        assert_eq!(stat(store, name).unwrap().kind, EntryKind::File);
    }
    write(store, "chain", "written").unwrap();
    assert_eq!(std::fs::read_to_string(root.join("real/file")).unwrap(), "written");
    assert!(std::fs::symlink_metadata(root.join("chain")).unwrap().is_symlink());
    let file = open(store, "to-dir/up-and-down", Mode::Append).unwrap();
    assert_eq!(
        kind(open(store, "real/file", Mode::Write)),
        Some(ErrorKind::WouldBlock),
        "one lease by any name"
    );
    put(&*file, " twice");
    file.commit().unwrap();
    assert_eq!(std::fs::read_to_string(root.join("real/file")).unwrap(), "written twice");
    make("real/born", "dangling");
    assert_eq!(kind(read(store, "dangling")), Some(ErrorKind::NotFound));
    write(store, "dangling", "born").unwrap();
    assert_eq!(std::fs::read_to_string(root.join("real/born")).unwrap(), "born");
    write(store, "to-dir/new/dirs/file", "1").unwrap();
    assert_eq!(read(store, "real/new/dirs/file").unwrap(), "1");

    // Outside, nothing is.
    let absolute = outside.to_str().unwrap();
    let up = format!("../{}", outside.file_name().unwrap().to_str().unwrap());
    make(absolute, "absolute");
    make(&up, "up");
    make(&format!("../{up}"), "real/far-up");
    make(root.join("real").to_str().unwrap(), "absolute-inside");
    make("/proc/self/root", "magic");
    for dir in ["absolute", "up", "real/far-up", "absolute-inside", "magic"] {
        refused(store, dir);
        refused(store, &format!("{dir}/secret"));
        assert_eq!(
            kind(store.list(&path(dir), &ListOptions::default())),
            Some(ErrorKind::PermissionDenied),
            "{dir}"
        );
    }
    make(&format!("{up}/secret"), "file-up");
    refused(store, "file-up");
    make("loop-b", "loop-a");
    make("loop-a", "loop-b");
    assert_eq!(kind(read(store, "loop-a")), Some(ErrorKind::Io));
    assert_eq!(kind(write(store, "loop-a", "x")), Some(ErrorKind::Io));
    make("real/.", "to-dot");
    make("real/deep/..", "to-dot-dot");
    for name in ["to-dir", "to-dot", "to-dot-dot"] {
        assert_eq!(kind(write(store, name, "x")), Some(ErrorKind::IsADirectory), "{name}");
        assert_eq!(kind(read(store, name)), Some(ErrorKind::IsADirectory), "{name}");
        assert_eq!(stat(store, name).unwrap().kind, EntryKind::Directory);
    }
    assert_eq!(kind(stat(store, "real/file/below")), Some(ErrorKind::NotADirectory));
    assert_eq!(kind(write(store, "real/file/below", "x")), Some(ErrorKind::NotADirectory));

    // Removing and renaming act on the link.
    store.remove(&path("chain"), &RemoveOptions::default()).unwrap();
    store.rename(&path("up"), &path("moved"), &MoveOptions::default()).unwrap();
    assert!(std::fs::symlink_metadata(root.join("moved")).unwrap().is_symlink());
    assert_eq!(
        kind(store.remove_dir(&path("to-dir"), &RemoveOptions::default())),
        Some(ErrorKind::NotADirectory)
    );
    let entries =
        list(store, "", &ListOptions { depth: Depth::Recursive, metadata: true, ..Default::default() })
            .unwrap();
    let link = entries.iter().find(|entry| entry.path.as_str() == "moved").unwrap();
    assert_eq!((link.kind, link.metadata.as_ref().unwrap().kind), (EntryKind::Symlink, EntryKind::Symlink));
    assert!(
        !entries.iter().any(|entry| entry.path.as_str().starts_with("to-dir/")),
        "links are not descended into"
    );
    for link in ["absolute", "moved", "to-dir", "loop-a", "magic"] {
        store.remove_all(&path(link), &RemoveOptions::default()).unwrap();
    }
    store.remove_all(&path("real"), &RemoveOptions::default()).unwrap();
    assert_eq!(std::fs::read_to_string(outside.join("secret")).unwrap(), "secret");
    assert_eq!(disk_names(outside), ["secret"]);
}

fn refused(store: &LocalStore, at: &str) {
    let denied = Some(ErrorKind::PermissionDenied);
    assert_eq!(kind(read(store, at)), denied, "read {at}");
    assert_eq!(kind(stat(store, at)), denied, "stat {at}");
    assert_eq!(kind(store.stat(&path(at), &Default::default())), denied, "plain stat {at}");
    assert_eq!(kind(write(store, at, "x")), denied, "write {at}");
    assert_eq!(kind(open(store, at, Mode::Append)), denied, "open {at}");
    let in_place = OpenOptions::from(Mode::Write).publish(Publish::InPlace);
    assert_eq!(kind(store.open(&path(at), &in_place)), denied, "open in place {at}");
    let id = store.stage(&Default::default()).unwrap();
    assert_eq!(kind(store.publish(&id, &path(at), &WriteOptions::default())), denied, "publish {at}");
    store.discard(&id).unwrap();
    let below = format!("{at}/below");
    assert_eq!(kind(store.create_dir(&path(&below), &CreateDirOptions::default())), denied, "create {below}");
    assert_eq!(kind(store.remove(&path(&below), &RemoveOptions::default())), denied, "remove {below}");
    assert_eq!(
        kind(store.rename(&path("real/file"), &path(&below), &MoveOptions::default())),
        denied,
        "rename to {below}"
    );
    assert_eq!(
        kind(store.copy(&path(&below), &path("stolen"), &MoveOptions::default())),
        denied,
        "copy {below}"
    );
}

/// A root and a directory beside it, in one directory.
fn beside() -> (TempDir, LocalStore, std::path::PathBuf) {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (root, outside) = (dir.path().join("root"), dir.path().join("outside"));
    std::fs::create_dir(&outside).unwrap();
    (dir, LocalStore::open(root, LocalOptions::default()).unwrap(), outside)
}

#[test]
fn links_stay_inside_by_the_kernel() {
    let (_dir, store, outside) = beside();
    assert!(store.is_confined_by_kernel());
    links(&store, &outside);
}

pub(crate) fn walk_eperm(store: &LocalStore, _parent: &mut Parent) {
    walk(store, libc::EPERM);
}

pub(crate) fn walk_enosys(store: &LocalStore, _parent: &mut Parent) {
    walk(store, libc::ENOSYS);
}

fn walk(store: &LocalStore, errno: i32) {
    deny(libc::SYS_openat2, errno);
    let store = LocalStore::open(store.root(), LocalOptions::default()).unwrap();
    assert!(!store.is_confined_by_kernel());
    links(&store, &store.root().with_file_name("outside"));
    write(&store, "some/where/deep", "1").unwrap();
    assert_eq!(listed(&store, "some/where"), ["some/where/deep"]);
}

#[test]
fn links_stay_inside_without_the_kernel() {
    for role in ["walk_eperm", "walk_enosys"] {
        let (dir, store, _outside) = beside();
        Process::start(role, store.root()).finish();
        drop(dir);
    }
}

/// Swaps a directory of the root for a link to the outside and back, all the time, while everything
/// is tried through that name.
#[test]
fn a_directory_that_becomes_a_link_leads_nobody_out() {
    let (_dir, store, outside) = beside();
    let root = store.root().to_owned();
    std::fs::create_dir_all(outside.join("sub")).unwrap();
    for name in ["file", "sub/file", "victim"] {
        std::fs::write(outside.join(name), "secret").unwrap();
    }
    let before = snapshot(&outside);
    std::fs::create_dir_all(root.join("dir/sub")).unwrap();
    symlink(&outside, root.join("link")).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            let (dir, link) = (root.join("dir"), root.join("link"));
            let flags = rustix::fs::RenameFlags::EXCHANGE;
            let mut swaps = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                rustix::fs::renameat_with(rustix::fs::CWD, &dir, rustix::fs::CWD, &link, flags).unwrap();
                swaps += 1;
            }
            swaps
        })
    };
    for round in 0..400 {
        attack(&store, round);
    }
    stop.store(true, Ordering::Relaxed);
    assert!(swapper.join().unwrap() > 400);
    assert_eq!(snapshot(&outside), before);
}

/// One round of every verb; each may fail, none may reach the outside.
fn attack(store: &LocalStore, round: usize) {
    for name in ["dir/file", "dir/sub/file", "dir/victim"] {
        if let Ok(text) = read(store, name) {
            assert_eq!(text, "ours", "{name} was read outside");
        }
        if let Ok(metadata) = stat(store, name) {
            assert_eq!(metadata.len, 4, "{name} was looked at outside");
        }
        let _ = write(store, name, "ours");
        if let Ok(file) = open(store, name, Mode::Append) {
            assert!(file.len().unwrap() <= 4, "{name} was opened outside");
        }
        let in_place = OpenOptions::from(Mode::Overwrite).publish(Publish::InPlace);
        if let Ok(file) = store.open(&path(name), &in_place) {
            let _ = file.write_at(0, &"ours".into());
        }
        let _ = store.copy(&path(name), &path("dir/sub/copy"), &MoveOptions::default());
        let _ = store.rename(&path("dir/sub/copy"), &path("dir/moved"), &MoveOptions::default());
        let _ = store.create_dir(&path(&format!("dir/made-{}", round % 3)), &CreateDirOptions::default());
        if let Ok(id) = store.stage(&Default::default()) {
            if let Ok(upload) = store.reopen(&id) {
                put(&*upload, "ours");
            }
            let _ = store.publish(&id, &path(name), &WriteOptions::default());
            let _ = store.discard(&id);
        }
    }
    for depth in [Depth::Children, Depth::Recursive] {
        let options = ListOptions { depth, metadata: true, ..Default::default() };
        for entry in list(store, "", &options).unwrap_or_default() {
            let len = entry.len().unwrap_or(0);
            assert!(entry.kind != EntryKind::File || len <= 4, "{} was listed outside", entry.path);
        }
    }
    let _ = store.remove(&path("dir/victim"), &RemoveOptions::default());
    let _ = store.remove_dir(&path("dir/sub"), &RemoveOptions::default());
    let _ = store.remove_all(&path("dir/sub"), &RemoveOptions::default());
    let _ = store.remove_all(&path(&format!("dir/made-{}", round % 3)), &RemoveOptions::default());
}

fn snapshot(dir: &Path) -> Vec<(String, Option<String>)> {
    let mut all = Vec::new();
    for name in disk_names(dir) {
        let at = dir.join(&name);
        if at.is_dir() {
            all.push((name.clone(), None));
            all.extend(snapshot(&at).into_iter().map(|(inner, text)| (format!("{name}/{inner}"), text)));
        } else {
            all.push((name, Some(std::fs::read_to_string(at).unwrap())));
        }
    }
    all
}

#[test]
fn what_is_no_file_is_refused_without_hanging() {
    let tree: Tree = tree();
    let fifo = tree.at("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o666.into(), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(tree.at("socket")).unwrap();
    for name in ["fifo", "socket"] {
        let denied = Some(ErrorKind::PermissionDenied);
        assert_eq!(kind(read(&tree.store, name)), denied, "{name}");
        assert_eq!(kind(write(&tree.store, name, "x")), denied, "{name}");
        assert_eq!(kind(tree.store.copy(&path(name), &path("b"), &MoveOptions::default())), denied, "{name}");
        for mode in [Mode::Read, Mode::Write, Mode::Append, Mode::Update] {
            assert_eq!(kind(open(&tree.store, name, mode)), denied, "{name} {mode:?}");
            let in_place = OpenOptions::from(mode).publish(Publish::InPlace);
            assert_eq!(kind(tree.store.open(&path(name), &in_place)), denied, "{name} {mode:?} in place");
        }
        assert_eq!(stat(&tree.store, name).unwrap().kind, EntryKind::Other);
        tree.store.rename(&path(name), &path("moved"), &MoveOptions::default()).unwrap();
        tree.store.remove(&path("moved"), &RemoveOptions::default()).unwrap();
    }
}
