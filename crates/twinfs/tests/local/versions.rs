//! Versions: new with every change, the same until then, refused where they are not kept.

use std::collections::HashSet;

use rstest::rstest;
use twinfs::stores::local::{LocalOptions, LocalStore, Versions};
use twinfs::{
    BlockingStore, Condition, Data, ErrorKind, Mode, MoveOptions, OpenOptions, Publish, ReadOptions,
    WriteOptions,
};

use crate::limits::Mounted;
use crate::support::{On, is_root, kind, open, path, put, read, stat, tree, tree_on, write};

#[rstest]
fn every_change_gives_a_new_version(#[values(On::Disk, On::Tmpfs)] on: On) {
    let tree = tree_on(on, LocalOptions::default());
    let store = &tree.store;
    let mut seen = HashSet::new();
    let mut check = |answered: Option<twinfs::Version>| {
        let version = stat(store, "a").unwrap().version.unwrap();
        assert_eq!(
            stat(store, "a").unwrap().version.as_ref(),
            Some(&version),
            "the same until something changes"
        );
        assert!(answered.is_none_or(|answered| answered == version), "the answer's version is the file's");
        assert!(seen.insert(version), "a version came twice");
    };
    for _ in 0..50 {
        check(write(store, "a", "same").unwrap().version);
    }
    let file = open(store, "a", Mode::Append).unwrap();
    check(file.commit().unwrap().version);
    let in_place =
        store.open(&path("a"), &OpenOptions::from(Mode::Update).publish(Publish::InPlace)).unwrap();
    check(None);
    put(&*in_place, "SAME");
    check(in_place.commit().unwrap().version);
    store.rename(&path("a"), &path("b"), &MoveOptions::default()).unwrap();
    check(store.copy(&path("b"), &path("a"), &MoveOptions::default()).unwrap().version);
    store.rename(&path("b"), &path("a"), &MoveOptions::default()).unwrap();
    check(None);
    std::fs::write(tree.at("a"), "made by others").unwrap();
    check(None);
    std::fs::remove_file(tree.at("a")).unwrap();
    std::fs::write(tree.at("a"), "made by others").unwrap();
    check(None);
}

#[test]
fn a_condition_holds_for_reads_and_writes_of_files_made_by_others_too() {
    let tree = tree();
    std::fs::write(tree.at("a"), "theirs").unwrap();
    let version = stat(&tree.store, "a").unwrap().version.unwrap();
    let options = ReadOptions { if_version: Some(version.clone()), ..Default::default() };
    assert_eq!(tree.store.read(&path("a"), &options).unwrap(), "theirs");
    let replace = WriteOptions::if_version(version);
    tree.store.write(&path("a"), &Data::from("ours"), &replace).unwrap();
    assert_eq!(kind(tree.store.read(&path("a"), &options)), Some(ErrorKind::ConditionFailed));
    assert_eq!(
        kind(tree.store.write(&path("a"), &Data::from("x"), &replace)),
        Some(ErrorKind::ConditionFailed)
    );
    assert_eq!(
        kind(tree.store.write(&path("none/b"), &Data::from("x"), &replace)),
        Some(ErrorKind::ConditionFailed)
    );
    assert_eq!(tree.disk_names(), ["a"], "nothing was made for a condition that cannot hold");
}

#[test]
fn a_store_without_versions_refuses_them_and_keeps_the_rest() {
    let tree = tree_on(On::Disk, LocalOptions { versions: Versions::Off, ..LocalOptions::default() });
    let store = &tree.store;
    assert!(!store.capabilities().if_version && store.capabilities().if_absent);
    assert_eq!(write(store, "a", "1").unwrap().version, None);
    assert_eq!(stat(store, "a").unwrap().version, None);
    let version = Condition::IfVersion(twinfs::Version::new("0-1-2"));
    let options = WriteOptions { condition: version.clone(), ..Default::default() };
    assert_eq!(kind(store.write(&path("a"), &Data::from("2"), &options)), Some(ErrorKind::Unsupported));
    let moved = MoveOptions { condition: version, ..Default::default() };
    assert_eq!(kind(store.rename(&path("a"), &path("b"), &moved)), Some(ErrorKind::Unsupported));
    assert_eq!(
        kind(store.write(&path("a"), &Data::from("2"), &WriteOptions::if_absent())),
        Some(ErrorKind::ConditionFailed)
    );
    let first = open(store, "a", Mode::Append).unwrap();
    assert_eq!(kind(open(store, "a", Mode::Append)), Some(ErrorKind::WouldBlock));
    put(&*first, "2");
    first.commit().unwrap();
    assert_eq!(read(store, "a").unwrap(), "12");
    assert_eq!(
        rustix::fs::getxattr(tree.at("a"), "user.twinfs.v", &mut [0_u8; 16][..]),
        Err(rustix::io::Errno::NODATA)
    );
}

#[test]
fn a_file_system_without_attributes_keeps_no_versions_but_all_else() {
    if !is_root() {
        return;
    }
    let mounted = Mounted::of_kind(tempfile::TempDir::new().unwrap(), "ramfs");
    let store = LocalStore::open(mounted.path(), LocalOptions::default()).unwrap();
    assert!(!store.capabilities().if_version);
    write(&store, "dir/a", "1").unwrap();
    let version = WriteOptions::if_version(twinfs::Version::new("0-1-2"));
    assert_eq!(kind(store.write(&path("dir/a"), &Data::from("x"), &version)), Some(ErrorKind::Unsupported));
    assert_eq!(
        kind(store.write(&path("dir/a"), &Data::from("x"), &WriteOptions::if_absent())),
        Some(ErrorKind::ConditionFailed)
    );
    // What an open handle saw it compares without a token.
    let file = open(&store, "dir/a", Mode::Append).unwrap();
    assert_eq!(kind(open(&store, "dir/a", Mode::Append)), Some(ErrorKind::WouldBlock));
    write(&store, "dir/a", "2").unwrap();
    assert_eq!(kind(file.commit()), Some(ErrorKind::WouldBlock));
    let file = open(&store, "dir/a", Mode::Append).unwrap();
    put(&*file, "3");
    file.commit().unwrap();
    assert_eq!(read(&store, "dir/a").unwrap(), "23");
    let id = store.stage(&Default::default()).unwrap();
    store.publish(&id, &path("dir/b"), &WriteOptions::default()).unwrap();
    assert_eq!(crate::support::listed(&store, "dir"), ["dir/a", "dir/b"]);
    drop(store);
}
