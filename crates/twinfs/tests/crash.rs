//! `kill -9` at each system call of a write, a commit and a publish on local disk: afterwards the
//! old or the new file is there, whole, nothing else shows, litter is swept and the next call works.
//!
//! A child of this test binary does the operation under `strace`, which kills it at the n-th system
//! call, for every n (a sample of them unless `TWINFS_SOAK` is set).

use std::path::Path;
use std::process::{Command, Stdio};

use twinfs::blocking::Fs;
use twinfs::{Durability, ErrorKind, Mode, OpenOptions, StagedId, WriteOptions};

/// The calls that change something, or that hold what was changed. Others change nothing on disk,
/// so a kill at one of them equals a kill at the next of these.
const CALLS: &str = "openat2,openat,write,pwrite64,pwritev,writev,fsync,fdatasync,rename,renameat,renameat2,\
unlink,unlinkat,flock,fsetxattr,mkdirat,linkat,ftruncate,fchmod,ioctl,copy_file_range,sendfile,close";

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
    way.run(&open(Path::new(&root))).expect("nothing fails but by the kill");
}

/// Runs the child and kills it at the `n`-th call; `false` if it came to its end before.
fn killed_at(root: &Path, way: Way, n: usize) -> bool {
    let status = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null"])
        .args(["-e", &format!("trace={CALLS}"), "-e", &format!("inject={CALLS}:signal=KILL:when={n}")])
        .arg(std::env::current_exe().expect("this test binary"))
        .args(["--exact", "child_that_is_killed", "--nocapture", "--test-threads=1"])
        .env("TWINFS_CRASH_ROOT", root)
        .env("TWINFS_CRASH_WAY", way.name())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("strace runs; install the package strace");
    !status.success()
}

fn old_or_new_at_every_call(way: Way) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a scratch folder");
    let soak = std::env::var_os("TWINFS_SOAK").is_some();
    let (mut kills, mut old, mut new, mut n) = (0, 0, 0, 1);
    loop {
        let root = folder.path().join(n.to_string());
        std::fs::create_dir(&root).expect("a fresh root");
        let fs = open(&root);
        fs.write_with("folder/file", OLD, &full()).expect("the old file");
        if way == Way::Publish {
            let id = fs.stage(&Default::default()).expect("a staged upload");
            fs.reopen(&id).expect("it opens").write_at(0, new_content()).expect("it takes the bytes");
        }
        let killed = killed_at(&root, way, n);
        let content = fs.read("folder/file").expect("old or new, but there");
        let is_new = content == new_content();
        assert!(is_new || content == OLD, "a part of {} bytes after a kill at call {n}", content.len());
        let names: Vec<String> =
            fs.walk("").expect("a walk").map(|entry| entry.expect("an entry").path.to_string()).collect();
        assert_eq!(names, ["folder", "folder/file"], "after a kill at call {n}");
        let left = std::fs::read_dir(root.join("folder")).expect("the folder").count();
        assert_eq!(left, 1, "litter after a kill at call {n} and a listing");
        if way == Way::Publish && !is_new {
            let id = only_staged(&fs);
            fs.publish(&id, "folder/file", &full()).expect("an upload outlives its process");
            assert_eq!(fs.read("folder/file").expect("published"), new_content());
        }
        fs.write("folder/file", "the next").expect("the next call works");
        if !killed {
            assert!(is_new, "the child ended well and its write is there");
            break;
        }
        kills += 1;
        *(if is_new { &mut new } else { &mut old }) += 1;
        std::fs::remove_dir_all(&root).expect("scratch");
        n += if soak { 1 } else { 5 };
    }
    println!("{}: {kills} kills, {old} left the old file, {new} the new one", way.name());
    assert!(kills > 3, "strace killed {kills} children: is the list of calls still right?");
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
