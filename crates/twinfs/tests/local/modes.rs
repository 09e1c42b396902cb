//! Permission bits of what is made and of what is replaced.

use std::os::unix::fs::PermissionsExt;

use twinfs::stores::local::{LocalOptions, LocalStore};
use twinfs::{BlockingStore, CreateDirOptions, Mode, OpenOptions, Publish, WriteOptions};

use crate::child::{Parent, Process};
use crate::support::{On, become_nobody, open, open_to_all, path, put, read, tree, tree_on, write};

fn mode(store: &LocalStore, at: &str) -> u32 {
    std::fs::metadata(store.root().join(at)).unwrap().permissions().mode() & 0o7777
}

/// Every way a file comes to be, each at its own name.
fn make_all(store: &LocalStore) -> [&'static str; 5] {
    write(store, "dir/shot", "1").unwrap();
    open(store, "dir/handle", Mode::Write).unwrap().commit().unwrap();
    let in_place = OpenOptions::from(Mode::Write).publish(Publish::InPlace);
    store.open(&path("dir/in-place"), &in_place).unwrap().commit().unwrap();
    store.copy(&path("dir/shot"), &path("dir/copy"), &Default::default()).unwrap();
    let id = store.stage(&Default::default()).unwrap();
    store.publish(&id, &path("dir/published"), &WriteOptions::default()).unwrap();
    store.create_dir(&path("made/deep"), &CreateDirOptions::default()).unwrap();
    ["dir/shot", "dir/handle", "dir/in-place", "dir/copy", "dir/published"]
}

pub(crate) fn under_umask(store: &LocalStore, _parent: &mut Parent) {
    // SAFETY: sets this process's umask; nothing else runs in it.
    unsafe { libc::umask(0o027) };
    let names = make_all(store);
    for name in names {
        assert_eq!(mode(store, name), 0o640, "{name}");
    }
    for name in ["dir", "made", "made/deep"] {
        assert_eq!(mode(store, name), 0o750, "{name}");
    }
    for name in names {
        std::fs::set_permissions(store.root().join(name), std::fs::Permissions::from_mode(0o604)).unwrap();
    }
    std::fs::remove_dir_all(store.root().join("made")).unwrap();
    for name in make_all(store) {
        assert_eq!(mode(store, name), 0o604, "{name}, replaced");
    }
    let wide = LocalOptions { file_mode: Some(0o666), dir_mode: Some(0o777), ..LocalOptions::default() };
    let store = LocalStore::open(store.root().join("wide"), wide).unwrap();
    for name in make_all(&store) {
        assert_eq!(mode(&store, name), 0o666, "{name}, as configured");
    }
    assert_eq!(mode(&store, "made/deep"), 0o777);
}

#[test]
fn new_files_get_what_the_umask_leaves_and_replaced_ones_keep_theirs() {
    let tree = tree();
    Process::start("umask", tree.dir.path()).finish();
}

#[test]
fn a_configured_mode_holds_for_new_and_replaced_files() {
    let private = LocalOptions { file_mode: Some(0o600), dir_mode: Some(0o700), ..LocalOptions::default() };
    let tree = tree_on(On::Disk, private);
    for name in make_all(&tree.store) {
        assert_eq!(mode(&tree.store, name), 0o600, "{name}");
    }
    for name in ["dir", "made", "made/deep"] {
        assert_eq!(mode(&tree.store, name), 0o700, "{name}");
    }
    std::fs::set_permissions(tree.at("dir/shot"), std::fs::Permissions::from_mode(0o644)).unwrap();
    write(&tree.store, "dir/shot", "2").unwrap();
    assert_eq!(mode(&tree.store, "dir/shot"), 0o600);
}

#[test]
fn what_is_staged_is_never_wider_than_what_it_replaces() {
    let tree = tree();
    write(&tree.store, "secret", "1").unwrap();
    std::fs::set_permissions(tree.at("secret"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let file = open(&tree.store, "secret", Mode::Append).unwrap();
    for name in tree.disk_names() {
        assert_eq!(mode(&tree.store, &name), 0o600, "{name}");
    }
    file.commit().unwrap();
    assert_eq!(mode(&tree.store, "secret"), 0o600);
}

/// Replaces a file that nobody may write to, in every way that replaces a file.
pub(crate) fn read_only_files(store: &LocalStore, _parent: &mut Parent) {
    become_nobody(store);
    let lock = |name: &str, mode: u32| {
        std::fs::set_permissions(name, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let mode = |name: &str| std::fs::metadata(name).unwrap().permissions().mode() & 0o7777;
    for bits in [0o444, 0o044, 0o000] {
        write(store, "file", "old").unwrap();
        lock("file", bits);
        write(store, "file", "shot").unwrap();
        assert_eq!(mode("file"), bits);
        let file = open(store, "file", Mode::Write).unwrap();
        put(&*file, "handle");
        file.commit().unwrap();
        assert_eq!(mode("file"), bits);
        let id = store.stage(&Default::default()).unwrap();
        let refused = store.publish(&id, &path("file"), &WriteOptions::if_absent());
        assert_eq!(refused.err().map(|error| error.kind()), Some(twinfs::ErrorKind::ConditionFailed));
        store.reopen(&id).unwrap().write_at(0, &"staged".into()).unwrap();
        store.publish(&id, &path("file"), &WriteOptions::default()).unwrap();
        assert_eq!(mode("file"), bits);
        lock("file", 0o600);
        assert_eq!(read(store, "file").unwrap(), "staged");
    }
    assert_eq!(crate::support::disk_names(".".as_ref()), ["file"]);
}

#[test]
fn a_read_only_file_is_replaced_and_stays_read_only() {
    let tree = tree();
    open_to_all(tree.dir.path());
    Process::start("read_only_files", tree.dir.path()).finish();
}
