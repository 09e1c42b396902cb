//! put, get and cp.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::{TempDir, tempdir};

use crate::run::{bytes, command, fed, finish, twinfs};

/// A folder of real files: many small ones, large ones, empty ones, odd names, empty folders.
pub(crate) fn tree() -> TempDir {
    let folder = tempdir().unwrap();
    let root = folder.path().join("tree");
    for (name, len) in [
        ("empty", 0),
        ("small", 10),
        ("bound", 256 * 1024),
        ("over", 256 * 1024 + 1),
        ("deep/er/large", 5 * 1024 * 1024 + 3),
        ("deep-er/x y%20?#", 1),
        ("ünï/日本", 7),
    ] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes(len)).unwrap();
    }
    fs::create_dir_all(root.join("many")).unwrap();
    for number in 0..500 {
        fs::write(root.join(format!("many/{number}")), bytes(number)).unwrap();
    }
    fs::create_dir_all(root.join("hollow/inside")).unwrap();
    folder
}

/// Everything below a folder; directories have no bytes.
pub(crate) fn read(folder: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    fn add(folder: &Path, prefix: &str, all: &mut BTreeMap<String, Option<Vec<u8>>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                add(&entry.path(), &format!("{name}/"), all);
                all.insert(name, None);
            } else {
                all.insert(name, Some(fs::read(entry.path()).unwrap()));
            }
        }
    }
    let mut all = BTreeMap::new();
    add(folder, "", &mut all);
    all
}

#[test]
fn folders_are_copied_whole() {
    let folder = tree();
    let at = folder.path();
    let original = read(&at.join("tree"));
    twinfs(at, ["-q", "cp", "-r", "tree", "copy"]).ok();
    assert!(read(&at.join("copy")) == original);
    twinfs(at, ["-q", "put", "tree", "put/"]).ok();
    assert!(read(&at.join("put/tree")) == original);
    twinfs(at, ["-q", "get", "-r", "tree", "put"]).ok();
    twinfs(at, ["-q", "get", "put/tree/many", "--jobs", "-1"]).ok();
    assert_eq!(read(&at.join("many")).len(), 500);
    twinfs(at, ["-q", "cp", "-r", "--jobs", "1", "tree", "."])
        .fails(2, "twinfs: cp 'tree': it cannot be copied onto or into itself");
    assert!(read(&at.join("tree")) == original);
}

#[test]
fn nothing_is_copied_into_itself() {
    let folder = tree();
    let at = folder.path();
    let original = read(&at.join("tree"));
    symlink("tree", at.join("link")).unwrap();
    for (source, target) in [
        ("tree", "tree/new"),
        ("tree", "tree/deep/er/new"),
        ("tree", "tree/deep/../new"),
        ("link", "tree/new"),
        ("tree", "link/new"),
        (".", "tree/new"),
        ("tree/small", "tree/deep/../small"),
    ] {
        for command in ["cp", "put"] {
            let run = twinfs(at, [command, "-r", "-q", source, target]);
            run.fails(2, &format!("twinfs: {command} '{source}': it cannot be copied onto or into itself"));
        }
        if source != "link" {
            // A link is moved as such, wherever it leads.
            let run = twinfs(at, ["mv", "-q", source, target]);
            assert_eq!(run.code, 2, "mv {source} {target}: {run:?}");
        }
    }
    assert!(read(&at.join("tree")) == original);
}

#[test]
fn the_target_is_a_folder_or_a_name() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("a"), "1").unwrap();
    fs::write(at.join("b"), "2").unwrap();
    twinfs(at, ["cp", "-q", "a", "c"]).ok();
    assert_eq!(fs::read(at.join("c")).unwrap(), b"1");
    twinfs(at, ["cp", "-q", "a", "b", "new/"]).ok();
    assert_eq!(fs::read(at.join("new/b")).unwrap(), b"2");
    twinfs(at, ["cp", "-q", "a", "new"]).ok();
    assert_eq!(fs::read(at.join("new/a")).unwrap(), b"1");
    let run = twinfs(at, ["cp", "-q", "a", "b", "c"]);
    assert_eq!(run.code, 5, "{run:?}");
    twinfs(at, ["cp", "-q", "a", "new/deep/x"]).ok();
    assert_eq!(fs::read(at.join("new/deep/x")).unwrap(), b"1");
    twinfs(at, ["cp", "-q", "-n", "b", "c"])
        .fails(5, "twinfs: cp 'b' to 'c': condition failed: something is there already");
    assert_eq!(fs::read(at.join("c")).unwrap(), b"1");
}

#[test]
fn a_folder_needs_recursive_in_cp() {
    let folder = tree();
    let run = twinfs(folder.path(), ["cp", "tree", "copy"]);
    run.fails(5, "twinfs: cp 'tree': is a directory: use -r to copy it with everything in it");
    assert!(!folder.path().join("copy").exists());
}

#[test]
fn standard_input_and_output_are_ends() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    for len in [0, 1, 512 * 1024, 512 * 1024 + 1, 3_000_000] {
        let content = bytes(len);
        fed(at, &content, ["put", "-", "x"]).ok();
        assert!(fs::read(at.join("x")).unwrap() == content, "{len}");
        let out = twinfs(at, ["get", "x", "-"]);
        out.ok();
        assert!(out.stdout == content, "{len}");
        let through = fed(at, &content, ["cp", "-", "-"]);
        assert!(through.stdout == content, "{len}");
    }
    let run = fed(at, b"other", ["put", "-n", "-", "x"]);
    assert_eq!(run.code, 5, "{run:?}");
    let run = fed(at, &bytes(2_000_000), ["put", "-n", "-", "x"]);
    assert_eq!(run.code, 5, "{run:?}");
    assert_eq!(fs::read(at.join("x")).unwrap().len(), 3_000_000);
    assert_eq!(fs::read_dir(at).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn json_sums_up() {
    let folder = tree();
    let run = twinfs(folder.path(), ["cp", "--json", "-r", "tree", "copy"]);
    run.ok();
    let sums = &run.json()[0];
    assert_eq!((&sums["files"], &sums["failed"]), (&507.into(), &0.into()), "{sums}");
    assert_eq!(sums["directories"], 1);
    let bytes: u64 =
        read(&folder.path().join("tree")).values().flatten().map(|bytes| bytes.len() as u64).sum();
    assert_eq!(sums["bytes"], bytes);
    assert_eq!(run.stderr, "");
}

#[test]
fn plain_lines_tell_of_each_file() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("d")).unwrap();
    fs::write(at.join("d/a"), "1").unwrap();
    let run = twinfs(at, ["put", "d", "e"]);
    assert_eq!((run.text(), run.stderr.as_str()), ("", "d/a -> e/a\n"));
    assert_eq!(twinfs(at, ["put", "-q", "d", "f"]).stderr, "");
}

#[test]
fn what_cannot_be_copied_is_told() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    fs::create_dir_all(at.join("d/sub")).unwrap();
    fs::write(at.join("d/a"), "1").unwrap();
    symlink("a", at.join("d/file-link")).unwrap();
    symlink("sub", at.join("d/folder-link")).unwrap();
    symlink("/etc/passwd", at.join("d/out")).unwrap();
    let run = twinfs(at, ["-q", "cp", "-r", "d", "e"]);
    assert_eq!(run.code, 9, "{run:?}");
    assert_eq!(
        run.stderr,
        "twinfs: cp 'd/folder-link': passed over: a link to a directory\n\
         twinfs: cp 'd/out': passed over: a link that leads nowhere or out of the root\n"
    );
    assert_eq!(read(&at.join("e")).keys().map(String::as_str).collect::<Vec<_>>(), ["a", "file-link", "sub"]);
    // What fails does not stop the rest.
    let run = twinfs(at, ["-q", "cp", "none", "d/a", "e/"]);
    run.fails(3, "twinfs: cp 'none': not found");
    assert!(at.join("e/a").exists());
}

#[test]
fn options_stand_in_the_environment() {
    let folder = tree();
    let mut copy = command(folder.path());
    copy.args(["cp", "tree", "copy"]).env("TWINFS_RECURSIVE", "1").env("TWINFS_JSON", "true");
    let run = finish(&mut copy);
    run.ok();
    assert_eq!(run.json()[0]["files"], 507);
    let mut wrong = command(folder.path());
    let run = finish(wrong.args(["ls"]).env("TWINFS_JOBS", "none"));
    assert_eq!(run.code, 2, "{run:?}");
}

/// Interrupts a command once it has staged something in `out`; gives its exit code.
fn interrupt(at: &Path, mut command: std::process::Command) -> Option<i32> {
    let mut child = command.spawn().unwrap();
    while fs::read_dir(at.join("out")).unwrap().next().is_none() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    // Runners that were started in the background may have Ctrl-C ignored, and with them the command.
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    child.wait().unwrap().code()
}

#[test]
fn an_interrupted_copy_leaves_nothing_behind() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    fs::create_dir(at.join("out")).unwrap();
    fs::create_dir(at.join("from")).unwrap();
    // Nothing but holes: it takes long to copy, and no room where it is.
    fs::File::create(at.join("from/large")).unwrap().set_len(1 << 40).unwrap();
    for arguments in [vec!["put", "from/large", "out/"], vec!["-q", "put", "from/large", "out/copy"]] {
        let mut put = command(at);
        put.args(&arguments);
        assert_eq!(interrupt(at, put), Some(143), "{arguments:?}");
        assert_eq!(fs::read_dir(at.join("out")).unwrap().count(), 0, "{arguments:?}");
    }
    // From a pipe that stays open, and says no more.
    let (input, mut feeding) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut feeding, &bytes(10)).unwrap();
    let feeder = std::thread::spawn(move || {
        let written = std::io::Write::write_all(&mut feeding, &bytes(3_000_000));
        (written, feeding)
    });
    let mut put = command(at);
    put.args(["put", "-", "out/piped"]).stdin(input);
    assert_eq!(interrupt(at, put), Some(143));
    assert_eq!(fs::read_dir(at.join("out")).unwrap().count(), 0);
    drop(feeder.join());
}

#[test]
fn a_signal_that_is_to_be_ignored_ends_nothing() {
    let folder = tempdir().unwrap();
    let mut put = std::process::Command::new("sh");
    put.current_dir(folder.path()).args(["-c", "trap '' HUP; exec \"$0\" put - copy"]);
    put.arg(env!("CARGO_BIN_EXE_twinfs")).stdin(std::process::Stdio::piped());
    let mut child = put.spawn().unwrap();
    let mut feeding = child.stdin.take().unwrap();
    // It has begun to read, and looks for signals, once all of this has gone through the pipe.
    std::io::Write::write_all(&mut feeding, &bytes(3_000_000)).unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    std::io::Write::write_all(&mut feeding, &bytes(3_000_000)).unwrap();
    drop(feeding);
    assert!(child.wait().unwrap().success());
    assert_eq!(fs::read(folder.path().join("copy")).unwrap().len(), 6_000_000);
}
