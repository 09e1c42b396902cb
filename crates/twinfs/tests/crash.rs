//! `kill -9` at each system call of a write, a commit and a publish on local disk: afterwards the
//! old or the new file is there, whole, nothing else shows, litter is swept and the next call works.
//!
//! A child of this test binary waits until `strace` is attached, does the operation, and is killed
//! at the n-th system call of it, for every n.

#![cfg(test)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use twinfs::blocking::Fs;
use twinfs::{Durability, ErrorKind, Mode, OpenOptions, StagedId, WriteOptions};

/// The calls that change something, or that hold what was changed. Others change nothing on disk,
/// so a kill at one of them equals a kill at the next of these.
const CALLS: [&str; 24] = [
    "openat2",
    "openat",
    "write",
    "pwrite64",
    "pwritev",
    "writev",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "flock",
    "fsetxattr",
    "mkdirat",
    "linkat",
    "ftruncate",
    "fchmod",
    "ioctl",
    "copy_file_range",
    "sendfile",
    "fstat",
    "close",
];

const OLD: &str = "the old content";

/// Longer than a page, so that a part of it would show.
fn new_content() -> String {
    "the new content ".repeat(1000)
}

fn full() -> WriteOptions {
    WriteOptions::default().durability(Durability::Full)
}

fn open(root: &Path) -> Fs {
    Fs::connect(root.to_str().expect("a temporary folder has a plain name")).expect("the store opens")
}

/// One way of putting the new content at `folder/file`.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Write,
    Commit,
    Publish,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Commit => "commit",
            Self::Publish => "publish",
        }
    }

    fn run(self, fs: &Fs) -> twinfs::Result<()> {
        match self {
            Self::Write => fs.write_with("folder/file", new_content(), &full()).map(drop),
            Self::Commit => {
                let options = OpenOptions::from(Mode::Write).durability(Durability::Full);
                let mut file = fs.open("folder/file", options)?;
                file.write(new_content())?;
                file.commit().map(drop)
            }
            Self::Publish => {
                let id = only_staged(fs);
                fs.publish(&id, "folder/file", &full()).map(drop)
            }
        }
    }
}

fn only_staged(fs: &Fs) -> StagedId {
    let staged = fs.list_staged().expect("staged uploads can be listed");
    assert_eq!(staged.len(), 1, "{staged:?}");
    staged[0].id.clone()
}

/// Not a test of its own: the child that is killed. Without its environment it does nothing.
#[test]
fn child_that_is_killed() {
    let (Ok(root), Ok(way)) = (std::env::var("TWINFS_CRASH_ROOT"), std::env::var("TWINFS_CRASH_WAY")) else {
        return;
    };
    let ways = [Way::Write, Way::Commit, Way::Publish];
    let way = ways.into_iter().find(|one| one.name() == way).expect("a known way");
    let fs = open(Path::new(&root));
    // Waiting makes no call that is counted: it sleeps and looks.
    wait_for(&Path::new(&root).with_extension("go"));
    way.run(&fs).expect("nothing fails but by the kill");
}

fn wait_for(path: &Path) {
    let start = Instant::now();
    while !path.exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "{} never came", path.display());
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs the child and kills it at the `n`-th use of a call; `false` if it came to its end.
fn killed_at(root: &Path, way: Way, call: &str, n: usize) -> bool {
    let mut child = Command::new(std::env::current_exe().expect("this test binary"))
        .args(["--exact", "child_that_is_killed", "--nocapture", "--test-threads=1"])
        .env("TWINFS_CRASH_ROOT", root)
        .env("TWINFS_CRASH_WAY", way.name())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the child starts");
    let mut strace = attach(child.id(), call, n);
    std::fs::write(root.with_extension("go"), "").expect("the signal to go");
    let killed = !child.wait().expect("the child ends").success();
    strace.wait().expect("strace ends with it");
    killed
}

/// Attaches `strace` to all threads of the child; it says so when it has them.
fn attach(pid: u32, call: &str, n: usize) -> Child {
    let threads = || std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    let start = Instant::now();
    // The test runs in a thread of its own, whose calls are the ones to count.
    while threads() < 2 {
        assert!(start.elapsed() < Duration::from_secs(60), "the child never started its test");
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut strace = Command::new("strace")
        .args(["-f", "-p", &pid.to_string(), "-o", "/dev/null"])
        .args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:signal=KILL:when={n}")])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace runs; install the package strace");
    let said = BufReader::new(strace.stderr.take().expect("it is piped"));
    let mut said = said.lines().map_while(Result::ok);
    assert!(said.any(|line| line.contains("attached")), "strace could not attach");
    // It says when it attaches to threads that begin now, and ends where nobody listens.
    std::thread::spawn(move || said.for_each(drop));
    strace
}

fn old_or_new_at_every_call(way: Way) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a scratch folder");
    let (mut old, mut new) = (0, 0);
    for call in CALLS {
        // strace counts each call by itself, so the n-th use of each is one moment of the operation.
        for n in 1.. {
            let root = folder.path().join(format!("{call}-{n}"));
            match killed_leaves(&root, way, call, n) {
                None => break,
                Some(Left::Old) => old += 1,
                Some(Left::New) => new += 1,
            }
        }
    }
    println!("FIGURE: kills in a {}: {}, {old} left the old file, {new} the new one", way.name(), old + new);
    assert!(
        old > 3 && new > 1,
        "{old} left the old file, {new} the new one: is the list of calls still right?"
    );
}

/// What a kill left.
enum Left {
    Old,
    New,
}

/// Kills one child, checks what it left, and says which; `None` if the child came to its end.
fn killed_leaves(root: &Path, way: Way, call: &str, n: usize) -> Option<Left> {
    let fs = open(root);
    fs.write_with("folder/file", OLD, &full()).expect("the old file");
    if way == Way::Publish {
        let id = fs.stage(&Default::default()).expect("a staged upload");
        fs.reopen(&id).expect("it opens").write_at(0, new_content()).expect("it takes the bytes");
    }
    let killed = killed_at(root, way, call, n);
    let content = fs.read("folder/file").expect("old or new, but there");
    let is_new = content == new_content();
    assert!(is_new || content == OLD, "a part of {} bytes after a kill at {call} {n}", content.len());
    let names: Vec<String> =
        fs.walk("").expect("a walk").map(|entry| entry.expect("an entry").path.to_string()).collect();
    assert_eq!(names, ["folder", "folder/file"], "after a kill at {call} {n}");
    let left = std::fs::read_dir(root.join("folder")).expect("the folder").count();
    assert_eq!(left, 1, "litter after a kill at {call} {n} and a listing");
    if way == Way::Publish && !is_new {
        let id = only_staged(&fs);
        fs.publish(&id, "folder/file", &full()).expect("an upload outlives its process");
        assert_eq!(fs.read("folder/file").expect("published"), new_content());
    }
    fs.write("folder/file", "the next").expect("the next call works");
    std::fs::remove_dir_all(root).expect("scratch");
    if !killed {
        assert!(is_new, "the child ended well and its write is there");
        return None;
    }
    Some(if is_new { Left::New } else { Left::Old })
}

#[test]
fn a_write_killed_at_each_call_leaves_old_or_new() {
    old_or_new_at_every_call(Way::Write);
}

#[test]
fn a_commit_killed_at_each_call_leaves_old_or_new() {
    old_or_new_at_every_call(Way::Commit);
}

#[test]
fn a_publish_killed_at_each_call_leaves_old_or_new() {
    old_or_new_at_every_call(Way::Publish);
}

#[test]
fn a_condition_that_fails_leaves_no_litter() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a scratch folder");
    let fs = open(folder.path());
    fs.write("file", OLD).expect("the old file");
    let error = fs.write_with("file", "x", &WriteOptions::if_absent()).expect_err("it is there");
    assert_eq!(error.kind(), ErrorKind::ConditionFailed);
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1);
}
