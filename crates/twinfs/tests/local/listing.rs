//! Listings: order, paging, resuming, names no path can hold, deep and large directories.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rstest::rstest;
use twinfs::stores::local::LocalStore;
use twinfs::{
    AnyStore, BlockingStore, Depth, Entry, EntryKind, ErrorKind, Fs, ListOptions, Mode, Operation, Order,
    RemoveOptions, blocking,
};

use crate::child::{Parent, Process};
use crate::support::{
    Tree, become_nobody, disk_names, kind, list, list_by, listed, open, open_to_all, path, tree, write,
};

const RECURSIVE: ListOptions =
    ListOptions { depth: Depth::Recursive, order: Order::Sorted, metadata: false, start_after: None };

/// A tree with neighbours around `/`, more sub-directories than are read ahead, and a large one.
fn wide() -> Tree {
    let tree = tree();
    for name in ["a-b", "a/x", "a/y/z", "a0", "b", "a/y-", "a/y0"] {
        write(&tree.store, name, name).unwrap();
    }
    for dir in 0..50 {
        for file in 0..3 {
            write(&tree.store, &format!("many/{dir}/{file}"), "1").unwrap();
        }
    }
    for file in 0..1500 {
        std::fs::create_dir_all(tree.at("many/large")).unwrap();
        std::fs::write(tree.at(&format!("many/large/{file}")), "12").unwrap();
    }
    std::fs::create_dir(tree.at("empty")).unwrap();
    tree
}

/// The names of a walk by other means, in listing order.
fn expected(tree: &Tree) -> Vec<String> {
    fn walk(tree: &Tree, at: &str, all: &mut Vec<String>) {
        for name in disk_names(&tree.at(at)) {
            let full = if at.is_empty() { name } else { format!("{at}/{name}") };
            if tree.at(&full).is_dir() {
                all.push(format!("{full}/"));
                walk(tree, &full, all);
            } else {
                all.push(full);
            }
        }
    }
    let mut all = Vec::new();
    walk(tree, "", &mut all);
    all.sort();
    all
}

fn keys(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| format!("{}{}", entry.path, if entry.is_dir() { "/" } else { "" })).collect()
}

#[rstest]
fn a_recursive_listing_is_in_the_order_of_full_paths(
    #[values(1, 7, 1000, 100_000)] page: usize,
    #[values(false, true)] metadata: bool,
) {
    let tree = wide();
    let entries = list_by(&tree.store, "", &ListOptions { metadata, ..RECURSIVE }, page).unwrap();
    assert_eq!(keys(&entries), expected(&tree));
    for entry in &entries {
        assert_eq!(entry.metadata.is_some(), metadata);
        if let Some(found) = &entry.metadata {
            let there = std::fs::metadata(tree.at(entry.path.as_str())).unwrap();
            assert_eq!(found.kind, entry.kind);
            assert_eq!(found.len, if there.is_file() { there.len() } else { 0 }, "{}", entry.path);
            assert_eq!(found.modified, there.modified().ok());
        }
    }
}

#[rstest]
fn an_unordered_listing_has_the_same_entries(
    #[values(1, 64)] page: usize,
    #[values(false, true)] metadata: bool,
) {
    let tree = wide();
    let options = ListOptions { order: Order::Unordered, metadata, ..RECURSIVE };
    let mut found = keys(&list_by(&tree.store, "", &options, page).unwrap());
    found.sort();
    assert_eq!(found, expected(&tree));
}

#[test]
fn a_listing_resumes_after_any_place() {
    let tree = wide();
    let all = expected(&tree);
    let some = all.iter().enumerate().filter(|(index, _)| index % 13 == 0 || *index < 20);
    for (index, after) in some {
        let options = ListOptions { start_after: Some(after.clone()), ..RECURSIVE };
        let rest = keys(&list(&tree.store, "", &options).unwrap());
        assert_eq!(rest, all[index + 1..], "after {after}");
    }
    // Places where nothing stands, and places outside the directory that is listed.
    let after = |text: &str, at: &str| {
        let options = ListOptions { start_after: Some(text.into()), ..RECURSIVE };
        keys(&list(&tree.store, at, &options).unwrap())
    };
    assert_eq!(after("a/x5", "a"), ["a/y-", "a/y/", "a/y/z", "a/y0"]);
    assert_eq!(after("a/y", "a"), ["a/y-", "a/y/", "a/y/z", "a/y0"]);
    assert_eq!(after("a/y/zz", "a"), ["a/y0"]);
    assert_eq!(after("Z", "a"), ["a/x", "a/y-", "a/y/", "a/y/z", "a/y0"]);
    assert!(after("b", "a").is_empty());
    let children = ListOptions { start_after: Some("a/".into()), ..Default::default() };
    assert_eq!(keys(&list(&tree.store, "", &children).unwrap()), ["a0", "b", "empty/", "many/"]);
}

#[test]
fn names_that_no_path_can_hold_are_entries_of_their_own() {
    let tree = tree();
    let raw: [&[u8]; 5] = [b"\xff\xfe", b"tab\there", b"c1\xc2\x85", b".twinfs-mine", b".twinfs-0123"];
    std::fs::create_dir(tree.at("dir")).unwrap();
    for name in raw {
        std::fs::write(tree.at("dir").join(OsStr::from_bytes(name)), "1").unwrap();
    }
    let hidden_dir = tree.at("dir").join(OsStr::from_bytes(b"dir\xff"));
    std::fs::create_dir(&hidden_dir).unwrap();
    std::fs::write(hidden_dir.join("below"), "1").unwrap();
    write(&tree.store, "dir/plain", "1").unwrap();
    for metadata in [false, true] {
        let entries = list(&tree.store, "", &ListOptions { metadata, ..RECURSIVE }).unwrap();
        let odd: Vec<_> = entries.iter().filter(|entry| entry.kind == EntryKind::Unrepresentable).collect();
        assert_eq!(odd.len(), 6);
        assert!(odd.iter().all(|entry| entry.path.as_str() == "dir" && entry.metadata.is_some() == metadata));
        let names: Vec<&[u8]> = odd.iter().map(|entry| entry.raw_name.as_deref().unwrap()).collect();
        assert!(raw.iter().all(|name| names.contains(name)), "{names:?}");
        assert!(names.is_sorted());
        assert_eq!(entries.len(), 8, "and the two that are plain");
    }
    tree.store.remove_all(&path("dir"), &RemoveOptions::default()).unwrap();
    assert!(tree.disk_names().is_empty());
}

#[test]
fn the_listing_of_a_file_is_that_file() {
    let tree = tree();
    write(&tree.store, "dir/file", "123").unwrap();
    let options = ListOptions { metadata: true, ..Default::default() };
    let entries = list(&tree.store, "dir/file", &options).unwrap();
    assert_eq!((entries.len(), entries[0].path.as_str(), entries[0].len()), (1, "dir/file", Some(3)));
    let after = ListOptions { start_after: Some("dir/file".into()), ..Default::default() };
    assert!(list(&tree.store, "dir/file", &after).unwrap().is_empty());
    assert_eq!(kind(tree.store.list(&path("dir/file/below"), &options)), Some(ErrorKind::NotADirectory));
    assert_eq!(kind(tree.store.list(&path("dir/none"), &options)), Some(ErrorKind::NotFound));
}

#[rstest]
fn a_deep_tree_needs_few_descriptors(#[values(Order::Sorted, Order::Unordered)] order: Order) {
    let tree = tree();
    // Beside each directory a file after it, so that the listing comes back to every level.
    let mut at = String::new();
    let mut count = 0;
    for _ in 0..300 {
        std::fs::write(tree.at(&format!("{at}z")), "").unwrap();
        at.push_str("d/");
        std::fs::create_dir(tree.at(&at)).unwrap();
        count += 2;
    }
    let mut lister = tree.store.list(&path(""), &ListOptions { order, metadata: true, ..RECURSIVE }).unwrap();
    let (mut seen, mut most) = (0, 0);
    loop {
        let page = lister.next_page(1).unwrap();
        if page.is_empty() {
            break;
        }
        seen += 1;
        most = most.max(std::fs::read_dir("/proc/self/fd").unwrap().count());
    }
    assert_eq!(seen, count);
    assert!(most < 60, "{most} descriptors");
}

#[rstest]
fn what_vanishes_during_a_walk_is_passed_over(
    #[values(2, 3, 6)] dirs: usize,
    #[values(false, true)] metadata: bool,
    #[values(Order::Sorted, Order::Unordered)] order: Order,
) {
    let tree = tree();
    for dir in 0..dirs {
        write(&tree.store, &format!("{dir}/file"), "1").unwrap();
    }
    // The names of the root are known by now, and nothing below it.
    let mut lister = tree.store.list(&path(""), &ListOptions { metadata, order, ..RECURSIVE }).unwrap();
    std::fs::remove_dir_all(tree.at("0")).unwrap();
    std::fs::remove_dir_all(tree.at("1")).unwrap();
    std::fs::write(tree.at("1"), "a file now").unwrap();
    let mut found = Vec::new();
    loop {
        let page = lister.next_page(3).unwrap();
        if page.is_empty() {
            break;
        }
        found.extend(page.iter().map(|entry| entry.path.as_str().to_owned()));
    }
    for dir in 2..dirs {
        assert!(found.contains(&format!("{dir}/file")), "{found:?}");
    }
    assert!(!found.iter().any(|name| name.starts_with("0/") || name.starts_with("1/")), "{found:?}");
}

#[test]
fn nothing_of_ours_is_listed() {
    let tree = tree();
    let _id = tree.store.stage(&Default::default()).unwrap();
    let _file = open(&tree.store, "a", Mode::Write).unwrap();
    assert_eq!(tree.disk_names().len(), 2);
    assert!(listed(&tree.store, "").is_empty());
    assert!(list(&tree.store, "", &RECURSIVE).unwrap().is_empty());
}

/// Walks over a directory that may not be read: what comes before it, an error that names it, the end.
pub(crate) fn unreadable_directory(store: &LocalStore, _parent: &mut Parent) {
    become_nobody(store);
    let shut = |mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions("b/shut", std::fs::Permissions::from_mode(mode)).unwrap();
    };
    // Few directories, and enough to be read ahead.
    for others in [0, 8] {
        for name in ["a/x", "b/ajar/y", "b/shut/z", "c/w"] {
            write(store, name, "1").unwrap();
        }
        for other in 0..others {
            write(store, &format!("b/zz{other}/file"), "1").unwrap();
        }
        shut(0);
        let any = AnyStore::new_blocking(store.clone());
        let sync = blocking::Fs::new(any.clone().into_sync());
        let (mut found, mut errors) = (Vec::new(), Vec::new());
        for entry in sync.walk("").unwrap() {
            match entry {
                Ok(entry) => found.push(entry.path.to_string()),
                Err(error) => errors.push(error),
            }
        }
        assert_eq!(found, ["a", "a/x", "b", "b/ajar", "b/ajar/y", "b/shut"]);
        smol::block_on(async {
            let mut entries = Fs::new(any.into_async()).walk("").await.unwrap();
            for name in &found {
                assert_eq!(entries.next().await.unwrap().unwrap().path.as_str(), name);
            }
            errors.push(entries.next().await.unwrap_err());
            assert_eq!(entries.next().await.unwrap(), None);
        });
        errors.push(sync.disk_usage("").unwrap_err());
        assert_eq!(errors.len(), 3);
        for (error, operation) in errors.iter().zip([Operation::Walk, Operation::Walk, Operation::DiskUsage])
        {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            let said = (error.operation(), error.path(), error.store());
            assert_eq!(said, (Some(operation), Some("b/shut"), Some("file")));
        }
        shut(0o700);
    }
}

#[test]
fn a_walk_names_the_directory_that_it_may_not_read() {
    let tree = tree();
    open_to_all(tree.dir.path());
    Process::start("unreadable_directory", tree.dir.path()).finish();
}
