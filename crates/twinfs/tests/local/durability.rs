//! Which syncs a durable verb makes, in which order, as the kernel sees them; and what happens when
//! one fails.

use std::path::Path;

use tempfile::TempDir;
use twinfs::stores::local::LocalStore;
use twinfs::{
    BlockingStore, CreateDirOptions, Data, Durability, ErrorKind, Mode, MoveOptions, OpenOptions,
    PublishItem, RemoveOptions, StageOptions, StagedTarget, WriteOptions,
};

use crate::child::{Parent, command};
use crate::support::{disk_names, kind, open, path, put, write};

/// Runs the verbs, each after a mark that the trace shows.
pub(crate) fn durable_verbs(store: &LocalStore, _parent: &mut Parent) {
    let durability = Some(Durability::Full);
    let mark = |text: &str| {
        let _ = std::fs::metadata(format!("/mark/{text}"));
    };
    mark("write");
    let full = WriteOptions::default().durability(Durability::Full);
    store.write(&path("a/b/file"), &Data::from("1"), &full).unwrap();
    mark("file");
    let file_only = WriteOptions::default().durability(Durability::File);
    store.write(&path("a/b/file"), &Data::from("2"), &file_only).unwrap();
    mark("none");
    write(store, "a/b/file", "3").unwrap();
    mark("handle");
    let options = OpenOptions::from(Mode::Append).durability(Durability::Full);
    let file = store.open(&path("c/handle"), &options).unwrap();
    put(&*file, "x");
    file.commit().unwrap();
    mark("rename");
    let moved = MoveOptions { durability, ..Default::default() };
    store.rename(&path("a/b/file"), &path("c/moved"), &moved).unwrap();
    mark("copy");
    store.copy(&path("c/moved"), &path("c/copied"), &moved).unwrap();
    mark("mkdir");
    let created = CreateDirOptions { durability, ..Default::default() };
    store.create_dir(&path("d/e"), &created).unwrap();
    mark("publish");
    let id = store.stage(&Default::default()).unwrap();
    store.publish(&id, &path("c/published"), &full).unwrap();
    mark("publish_many");
    let target = StagedTarget::New(StageOptions::default());
    let item = |name: &str| {
        let id = store.write_staged(&target, &0, &Data::from("1")).unwrap();
        PublishItem { id, path: path(name) }
    };
    let items = ["c/one", "c/two", "n/three"].map(item);
    assert!(store.publish_many(&items, &full).unwrap().iter().all(Result::is_ok));
    mark("remove");
    store.remove(&path("c/copied"), &RemoveOptions { durability }).unwrap();
    mark("rmdir");
    store.remove_dir(&path("d/e"), &RemoveOptions { durability }).unwrap();
    mark("remove_all");
    store.remove_all(&path("c"), &RemoveOptions { durability }).unwrap();
    mark("end");
}

/// The steps of each marked verb, in order: `sync DIR-OR-FILE`, `rename`, `mkdir`, `unlink`.
fn trace(root: &Path) -> Vec<(String, Vec<String>)> {
    let output = root.with_file_name("trace");
    let calls = "trace=fsync,fdatasync,rename,renameat,renameat2,mkdirat,unlinkat,stat,statx,newfstatat";
    let strace = ["strace", "-f", "-y", "-e", calls, "-o", output.to_str().unwrap()];
    let result = command("durable", root, &strace).output().expect("strace, which this test needs");
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stdout));
    let mut verbs: Vec<(String, Vec<String>)> = Vec::new();
    for line in std::fs::read_to_string(&output).unwrap().lines() {
        if let Some((_, rest)) = line.split_once("\"/mark/") {
            verbs.push((rest.split('"').next().unwrap().to_owned(), Vec::new()));
        } else if let (Some((_, steps)), Some(step)) = (verbs.last_mut(), step(line, root)) {
            steps.push(step);
        }
    }
    assert_eq!(verbs.pop().unwrap().0, "end");
    verbs
}

fn step(line: &str, root: &Path) -> Option<String> {
    // One of several side by side ends in another line.
    if !line.contains(" = 0") && !line.contains("sync(") {
        return None;
    }
    let call = line.split_whitespace().nth(1)?.split('(').next()?;
    match call {
        "fsync" | "fdatasync" => {
            let file = line.split_once('<')?.1.split_once('>')?.0.trim_end_matches(" (deleted)");
            let name = Path::new(file).strip_prefix(root).ok()?.to_str()?;
            let staged = name.contains(".twinfs-") && !name.ends_with(".twinfs-staged");
            Some(if staged { "sync staged".into() } else { format!("sync /{name}") })
        }
        "rename" | "renameat" | "renameat2" => Some("rename".into()),
        "mkdirat" => Some("mkdir".into()),
        "unlinkat" => Some("unlink".into()),
        _ => None,
    }
}

#[test]
fn durable_verbs_sync_content_then_names_then_ancestors() {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let root = dir.path().join("root");
    let verbs = trace(&root);
    let expected: &[(&str, &[&str])] = &[
        ("write", &["mkdir", "mkdir", "sync staged", "rename", "sync /a/b", "sync /a", "sync /"]),
        ("file", &["sync staged", "rename"]),
        ("none", &["rename"]),
        ("handle", &["mkdir", "sync staged", "rename", "sync /c", "sync /"]),
        ("rename", &["rename", "sync /c", "sync /a/b"]),
        ("copy", &["sync staged", "rename", "sync /c"]),
        ("mkdir", &["mkdir", "mkdir", "sync /d", "sync /"]),
        ("publish", &["mkdir", "sync staged", "rename", "sync /c", "sync /.twinfs-staged", "unlink"]),
        (
            "publish_many",
            &[
                "mkdir",
                "sync staged",
                "sync staged",
                "sync staged",
                "rename",
                "rename",
                "mkdir",
                "rename",
                "sync",
                "sync",
                "sync",
                "sync /.twinfs-staged",
                "unlink",
            ],
        ),
        ("remove", &["unlink", "sync /c"]),
        ("rmdir", &["unlink", "sync /d"]),
        ("remove_all", &["unlink", "unlink", "unlink", "unlink", "unlink", "unlink", "sync /"]),
    ];
    // Directories that several uploads share are synced once, side by side: in no order.
    let mut verbs = verbs;
    let (_, many) = verbs.iter_mut().find(|(verb, _)| verb == "publish_many").unwrap();
    let (first, last) = (many.len() - 5, many.len() - 2);
    let mut dirs: Vec<String> =
        many[first..last].iter_mut().map(|step| std::mem::replace(step, "sync".into())).collect();
    dirs.sort();
    assert_eq!(dirs, ["sync /", "sync /c", "sync /n"]);
    let found: Vec<(&str, Vec<&str>)> = verbs
        .iter()
        .map(|(verb, steps)| (verb.as_str(), steps.iter().map(String::as_str).collect()))
        .collect();
    let expected: Vec<(&str, Vec<&str>)> =
        expected.iter().map(|(verb, steps)| (*verb, steps.to_vec())).collect();
    assert_eq!(found, expected);
}

/// Meets a disk that fails the first sync of each verb.
pub(crate) fn failing_sync(store: &LocalStore, _parent: &mut Parent) {
    let full = WriteOptions::default().durability(Durability::Full);
    assert_eq!(kind(store.write(&path("a"), &Data::from("new"), &full)), Some(ErrorKind::Io));
    assert_eq!(
        kind(store.copy(
            &path("a"),
            &path("b"),
            &MoveOptions { durability: Some(Durability::Full), ..Default::default() }
        )),
        Some(ErrorKind::Io)
    );
    let options = OpenOptions::from(Mode::Append).durability(Durability::File);
    let file = store.open(&path("a"), &options).unwrap();
    put(&*file, "more");
    assert_eq!(kind(file.commit()), Some(ErrorKind::Io));
    assert_eq!(kind(file.commit()), Some(ErrorKind::Closed), "never tried again");
    let file = store.open(&path("a"), &options).unwrap();
    assert_eq!(kind(file.flush()), Some(ErrorKind::Io));
    assert_eq!(kind(file.commit()), Some(ErrorKind::Closed));
    open(store, "a", Mode::Append).unwrap().abort().unwrap();
    let target = StagedTarget::New(StageOptions::default());
    let id = store.write_staged(&target, &0, &Data::from("new")).unwrap();
    assert_eq!(kind(store.publish(&id, &path("a"), &full)), Some(ErrorKind::Io));
    assert_eq!(kind(store.publish(&id, &path("a"), &full)), Some(ErrorKind::NotFound), "never tried again");
    assert_eq!(store.list_staged().unwrap().len(), 0);
}

/// Meets a disk that fails each second sync: that of the names.
pub(crate) fn failing_name_sync(store: &LocalStore, _parent: &mut Parent) {
    let full = WriteOptions::default().durability(Durability::Full);
    let error = store.write(&path("a"), &Data::from("new"), &full).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("it is done, but may not survive a power cut"), "{error}");
}

#[test]
fn a_failed_sync_of_names_says_that_the_change_is_seen() {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::write(dir.path().join("a"), "old").unwrap();
    let strace = ["strace", "-f", "-o", "/dev/null", "-e", "inject=fsync:error=EIO:when=2"];
    let result =
        command("failing_name_sync", dir.path(), &strace).output().expect("strace, which this test needs");
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stdout));
    assert_eq!(std::fs::read_to_string(dir.path().join("a")).unwrap(), "new");
}

#[test]
fn a_failed_sync_publishes_nothing_and_leaves_nothing() {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::write(dir.path().join("a"), "old").unwrap();
    let strace = ["strace", "-f", "-o", "/dev/null", "-e", "inject=fsync:error=EIO"];
    let result =
        command("failing_sync", dir.path(), &strace).output().expect("strace, which this test needs");
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stdout));
    assert_eq!(disk_names(dir.path()), ["a"]);
    assert_eq!(std::fs::read_to_string(dir.path().join("a")).unwrap(), "old");
}
