//! The store of `/`: the system's own tree, where nothing is outside.

use std::os::unix::fs::{PermissionsExt, symlink};

use tempfile::TempDir;
use twinfs::blocking::pathio::{MkdirOptions, Nursery, PathIo, PathIoOptions, local_path};
use twinfs::{ErrorKind, FsPath, Mode};

use crate::kind;

fn here(dir: &TempDir) -> impl Fn(&str) -> FsPath + '_ {
    |name| local_path(dir.path().join(name)).unwrap()
}

fn fresh() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

#[test]
fn links_lead_wherever_they_lead() {
    let (dir, elsewhere) = (fresh(), fresh());
    let io = Nursery::local().unwrap().path_io(&PathIoOptions::default());
    let at = here(&dir);
    std::fs::write(elsewhere.path().join("file"), "hello").unwrap();
    symlink(elsewhere.path(), dir.path().join("dir")).unwrap();
    symlink(elsewhere.path().join("file"), dir.path().join("file")).unwrap();
    symlink(elsewhere.path().join("born"), dir.path().join("dangling")).unwrap();

    assert_eq!(io.fs().read(at("file")).unwrap(), "hello");
    assert_eq!(io.stat(at("dir/file")).unwrap().len, 5);
    assert!(io.is_dir(at("dir")).unwrap() && !io.exists(at("dangling")).unwrap());
    for name in ["file", "dangling"] {
        let mut file = io.open(at(name), Mode::Append).unwrap();
        file.write("!").unwrap();
        file.close().unwrap();
    }
    assert_eq!(std::fs::read_to_string(elsewhere.path().join("file")).unwrap(), "hello!");
    assert_eq!(std::fs::read_to_string(elsewhere.path().join("born")).unwrap(), "!");
    let listed = io.list(at("dir")).collect_all().unwrap();
    assert_eq!(listed.iter().map(FsPath::name).collect::<Vec<_>>(), ["born", "file"]);
    // A link is removed itself.
    io.unlink(at("file")).unwrap();
    assert!(elsewhere.path().join("file").exists());
}

#[test]
fn it_opens_files_as_other_programs_do() {
    let dir = fresh();
    let io = Nursery::local().unwrap().path_io(&PathIoOptions::default());
    let at = here(&dir);
    let mut file = io.open(at("new"), Mode::Write).unwrap();
    file.write("1").unwrap();
    file.close().unwrap();
    std::fs::write(dir.path().join("plain"), "1").unwrap();
    let mode = |name: &str| dir.path().join(name).metadata().unwrap().permissions().mode();
    assert_eq!(mode("new"), mode("plain"), "what the umask leaves");
    let names: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "nothing of ours lies beside it: {names:?}");
}

#[test]
fn what_is_no_file_is_not_opened() {
    let dir = fresh();
    let io = Nursery::local().unwrap().path_io(&PathIoOptions::default());
    let at = here(&dir);
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe"), 0o600.into()).unwrap();
    for mode in [Mode::Read, Mode::Write, Mode::Append, Mode::Update] {
        assert_eq!(kind(io.open(at("pipe"), mode)), ErrorKind::PermissionDenied, "{mode:?}");
    }
    io.mkdir(at("dir"), &MkdirOptions::default()).unwrap();
    for mode in [Mode::Read, Mode::Write, Mode::Append, Mode::Update] {
        assert_eq!(kind(io.open(at("dir"), mode)), ErrorKind::IsADirectory, "{mode:?}");
    }
    symlink("loop", dir.path().join("loop")).unwrap();
    assert_eq!(kind(io.open(at("loop"), Mode::Write)), ErrorKind::Io);
}
