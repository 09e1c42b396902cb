//! What is particular to the local disk.

use std::os::unix::fs::symlink;

use rstest::rstest;
use twinfs::ErrorKind;
use twinfs::blocking::filelike::FileLikeSystem;
use twinfs::filelike::Mode;

use super::{kind, tree};

fn system(folder: &std::path::Path, rest: &str) -> FileLikeSystem {
    FileLikeSystem::on_disk(&format!("{}/{rest}", folder.display())).unwrap()
}

#[test]
fn nothing_is_made_before_a_file_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let system = system(folder.path(), "not/yet/pre-{}.csv");
    assert!(system.ls("*").unwrap().is_empty());
    assert!(!system.exists("a").unwrap());
    system.rm("*").unwrap();
    assert_eq!(kind(system.open("a", Mode::Read).unwrap().read(1)), Some(ErrorKind::NotFound));
    assert!(tree(folder.path()).is_empty());
    let mut file = system.open("a", Mode::Write).unwrap();
    file.write("x").unwrap();
    file.close().unwrap();
    assert_eq!(tree(folder.path()), ["not/", "not/yet/", "not/yet/pre-a.csv"]);
    assert_eq!(system.ls("*").unwrap(), ["a"]);
}

#[rstest]
fn a_writer_that_stores_nothing_leaves_nothing(
    #[values(Mode::Write, Mode::Update)] mode: Mode,
    #[values(false, true)] written: bool,
) {
    let folder = tempfile::tempdir().unwrap();
    let system = system(folder.path(), "{}");
    let mut file = system.open("a/b/c", mode).unwrap();
    if written {
        file.write(vec![1; 1_000_000]).unwrap();
    }
    file.abort().unwrap();
    assert!(tree(folder.path()).is_empty());
}

#[test]
fn links_to_files_are_names_and_links_out_of_the_folder_are_none() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("inside")).unwrap();
    std::fs::write(folder.path().join("inside/a"), "x").unwrap();
    symlink("a", folder.path().join("inside/link")).unwrap();
    symlink(".", folder.path().join("inside/loop")).unwrap();
    symlink("nowhere", folder.path().join("inside/dead")).unwrap();
    symlink("/etc/passwd", folder.path().join("inside/out")).unwrap();
    let system = system(folder.path(), "inside/{}");
    assert_eq!(system.ls("*").unwrap(), ["a", "link"]);
    assert!(system.ls("out").unwrap().is_empty());
    assert_eq!(kind(system.open("out", Mode::Read)), Some(ErrorKind::PermissionDenied));
    system.rm("link").unwrap();
    assert_eq!(system.ls("*").unwrap(), ["a"]);
}

#[test]
fn a_small_file_that_is_read_holds_no_descriptor() {
    let folder = tempfile::tempdir().unwrap();
    let system = system(folder.path(), "{}");
    system.fs().write("small", vec![0; 65_536]).unwrap();
    system.fs().write("large", vec![0; 65_537]).unwrap();
    let open = |name| system.open(name, Mode::Read).unwrap();
    assert!(open("small").is_free() && !open("large").is_free());
    assert!(open("missing").is_free());
}
