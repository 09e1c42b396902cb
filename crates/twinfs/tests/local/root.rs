//! The root directory itself: missing, no directory, removed.

use tempfile::TempDir;
use twinfs::stores::local::{Create, LocalOptions, LocalStore};
use twinfs::{BlockingStore, Durability, ErrorKind, FsPath};

use crate::child::{DURABLE, command};
use crate::support::{kind, list, open, path, read, stat, tree, write};

#[test]
fn a_root_that_is_no_directory_is_refused_as_that() {
    let tree = tree();
    std::fs::write(tree.at("file"), "1").unwrap();
    std::os::unix::fs::symlink("nowhere", tree.at("dangling")).unwrap();
    for create in [Create::Missing, Create::Never] {
        let options = LocalOptions { create, ..LocalOptions::default() };
        let open = |name: &str| kind(LocalStore::open(tree.at(name), options));
        assert_eq!(open("file"), Some(ErrorKind::NotADirectory), "{create:?}");
        assert_eq!(open("file/below"), Some(ErrorKind::NotADirectory), "{create:?}");
        assert_eq!(open("dangling"), Some(ErrorKind::NotFound), "{create:?}");
    }
}

#[test]
fn a_root_that_was_removed_is_said_to_be_gone() {
    let tree = tree();
    let root = tree.at("root");
    let store = LocalStore::open(&root, LocalOptions::default()).unwrap();
    write(&store, "a", "1").unwrap();
    std::fs::remove_dir_all(&root).unwrap();
    // Another directory of the same name is not the root: nothing of it is mistaken for the store's.
    std::fs::create_dir(&root).unwrap();
    std::fs::write(root.join("a"), "another").unwrap();
    let errors = [
        write(&store, "b", "2").unwrap_err(),
        write(&store, "new/b", "2").unwrap_err(),
        read(&store, "a").unwrap_err(),
        stat(&store, "").unwrap_err(),
        stat(&store, "a").unwrap_err(),
        list(&store, "", &Default::default()).unwrap_err(),
        open(&store, "b", twinfs::Mode::Write).map(drop).unwrap_err(),
        store.create_dir(&path("d"), &Default::default()).unwrap_err(),
        store.stage(&Default::default()).map(drop).unwrap_err(),
        store.remove_all(&path("a"), &Default::default()).unwrap_err(),
        store.read_many(&[path("a")], &Default::default()).unwrap().remove(0).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.to_string().contains("open the store again"), "{error}");
    }
    let again = LocalStore::open(&root, LocalOptions::default()).unwrap();
    assert_eq!(read(&again, "a").unwrap(), "another");
    assert!(stat(&again, FsPath::root().as_str()).unwrap().is_dir());
}

#[test]
fn a_durable_root_has_its_names_on_the_disk() {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let root = dir.path().join("a/b/root");
    let output = dir.path().join("trace");
    let strace = ["strace", "-f", "-y", "-e", "trace=fsync,mkdir", "-o", output.to_str().unwrap()];
    let mut command = command("nothing", &root, &strace);
    let result = command.env(DURABLE, "1").output().expect("strace, which this test needs");
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stdout));
    let trace = std::fs::read_to_string(&output).unwrap();
    let synced: Vec<&str> = trace
        .lines()
        .filter_map(|line| {
            line.split_once("fsync(")?.1.split_once('<')?.1.split_once('>').map(|(name, _)| name)
        })
        .map(|name| name.strip_prefix(dir.path().to_str().unwrap()).unwrap())
        .collect();
    assert_eq!(synced, ["/a/b", "/a", ""]);
    let options = LocalOptions { durability: Durability::Full, ..LocalOptions::default() };
    LocalStore::open(&root, options).unwrap();
}
