//! ls, cat, stat, mkdir, rm, mv, du.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use tempfile::{TempDir, tempdir};

use crate::run::{bytes, fed, twinfs};

fn folder() -> TempDir {
    let folder = tempdir().unwrap();
    fs::create_dir_all(folder.path().join("dir/sub")).unwrap();
    fs::write(folder.path().join("dir/a-b"), "12345").unwrap();
    fs::write(folder.path().join("dir/a"), "1").unwrap();
    fs::write(folder.path().join("dir/sub/c"), "123").unwrap();
    folder
}

#[test]
fn ls_lists_in_order() {
    let folder = folder();
    let at = folder.path();
    assert_eq!(twinfs(at, ["ls", "dir"]).text(), "a\na-b\nsub/\n");
    assert_eq!(twinfs(at, ["ls"]).text(), "dir/\n");
    assert_eq!(twinfs(at, ["ls", "-r", "dir/"]).text(), "a\na-b\nsub/\nsub/c\n");
    assert_eq!(twinfs(at, ["ls", "dir/a-b"]).text(), "dir/a-b\n");
    assert_eq!(twinfs(at, ["ls", "dir/sub", "dir"]).text(), "dir/sub:\nc\n\ndir:\na\na-b\nsub/\n");
    let url = format!("file://{}/dir/sub", at.display());
    assert_eq!(twinfs(at, ["ls", &url]).text(), "c\n");
    let long = twinfs(at, ["ls", "-l", "dir/a-b"]);
    let columns: Vec<&str> = long.text().split_whitespace().collect();
    assert_eq!((columns[0], columns[2]), ("5", "dir/a-b"));
    assert!(columns[1].starts_with("20") && columns[1].ends_with('Z'), "{columns:?}");
}

#[test]
fn ls_tells_of_names_that_are_no_paths() {
    let folder = folder();
    fs::write(folder.path().join(OsStr::from_bytes(b"dir/\xff\n")), "").unwrap();
    let listed = twinfs(folder.path(), ["ls", "dir"]);
    assert!(listed.text().contains("\\xff\\n (no valid path)\n"), "{listed:?}");
    let json = twinfs(folder.path(), ["ls", "--json", "dir"]).json();
    assert!(json.iter().any(|entry| entry["type"] == "unrepresentable" && entry["raw_name"] == "\\xff\\n"));
}

#[test]
fn cat_gives_the_bytes() {
    let folder = folder();
    let at = folder.path();
    let large = bytes(3 * 1024 * 1024 + 17);
    fs::write(at.join("large"), &large).unwrap();
    let both = twinfs(at, ["cat", "large", "dir/a"]);
    both.ok();
    assert!(both.stdout[..large.len()] == large && both.stdout[large.len()..] == *b"1");
    assert_eq!(twinfs(at, ["cat", "--range", "1:3", "dir/a-b"]).text(), "23");
    assert_eq!(twinfs(at, ["cat", "--range", "-2:", "dir/a-b"]).text(), "45");
    assert_eq!(fed(at, b"in", ["cat", "dir/a", "-", "dir/a"]).text(), "1in1");
}

#[test]
fn errors_are_one_clear_line_and_a_code() {
    let folder = folder();
    let at = folder.path();
    twinfs(at, ["cat", "x"]).fails(3, "twinfs: cat 'x': not found");
    twinfs(at, ["ls", "none/x"]).fails(3, "twinfs: ls 'none/x': not found");
    assert!(!at.join("none").exists(), "looking must not create");
    twinfs(at, ["cat", "dir"]).fails(5, "twinfs: cat 'dir': is a directory");
    twinfs(at, ["mkdir", "dir"]).fails(5, "twinfs: mkdir 'dir': already exists");
    let many = twinfs(at, ["cat", "none", "dir/a", "dir"]);
    assert_eq!((many.code, many.stdout.as_slice()), (3, b"1".as_slice()));
    assert_eq!(many.stderr.lines().count(), 2);
    let json = twinfs(at, ["--json", "cat", "none"]);
    let error: serde_json::Value = serde_json::from_str(&json.stderr).unwrap();
    assert_eq!((json.code, &error["error"], &error["path"]), (3, &"not found".into(), &"none".into()));
}

#[test]
fn wrong_usage_is_code_2() {
    let folder = folder();
    for args in [
        vec!["frobnicate"],
        vec!["ls", "--frob"],
        vec!["cp", "one"],
        vec!["cat"],
        vec!["ls", "--jobs", "0"],
        vec!["ls", "--timeout", "0"],
        vec!["ls", "gopher://x"],
        vec!["ls", "memory://x/../y"],
        vec!["stat", "-"],
        vec!["cat", ""],
        vec!["rm", "-r", "."],
        vec!["rm", "-r", "/"],
        vec!["cat", "--range", "x", "dir/a"],
    ] {
        let run = twinfs(folder.path(), &args);
        assert_eq!(run.code, 2, "{args:?} {run:?}");
        assert!(!run.stderr.is_empty() && !run.stderr.contains("fault in twinfs"), "{run:?}");
    }
    assert!(folder.path().join("dir/a").exists());
    assert_eq!(twinfs(folder.path(), ["--help"]).code, 0);
    assert!(twinfs(folder.path(), ["--version"]).text().starts_with("twinfs 0."));
}

#[test]
fn names_that_are_not_utf8_are_refused() {
    let folder = folder();
    let name = OsStr::from_bytes(b"a\xff");
    fs::write(folder.path().join(name), "x").unwrap();
    let run = twinfs(folder.path(), [OsStr::new("cat"), name]);
    run.fails(2, "twinfs: cat 'a\u{fffd}': invalid path: a path must be UTF-8");
    let run = twinfs(folder.path(), [OsStr::new("--jobs"), name, OsStr::new("ls")]);
    assert_eq!(run.code, 2);
}

#[test]
fn hostile_names_are_refused() {
    let folder = folder();
    for name in ["dir/\u{1}", "dir/a\nb", ".twinfs-x", "memory://m/a/../b", "dir/\u{85}"] {
        let run = twinfs(folder.path(), ["cat", name]);
        assert_eq!(run.code, 2, "{run:?}");
        assert_eq!(run.stderr.lines().count(), 1, "{run:?}");
        assert!(!run.stderr.contains('\u{1}'));
    }
    symlink("/etc", folder.path().join("dir/out")).unwrap();
    let run = twinfs(folder.path(), ["cat", "dir/out/passwd"]);
    // The folder that is named is the root, whatever it is: the user went there.
    assert_eq!(run.code, 0, "{run:?}");
    symlink("/etc/passwd", folder.path().join("dir/passwd")).unwrap();
    let run = twinfs(folder.path(), ["cat", "dir/passwd"]);
    assert_eq!(run.code, 4, "a link out of the folder: {run:?}");
}

#[test]
fn odd_names_work() {
    let folder = folder();
    let at = folder.path();
    for name in ["a b", "100%", "q?x=1#y", "-", "ünï", "'quote'", "$(x)", "--json"] {
        let location = format!("./{name}");
        assert_eq!(fed(at, name.as_bytes(), ["put", "-", &location]).code, 0, "{name}");
        assert_eq!(fs::read_to_string(at.join(name)).unwrap(), name);
        assert_eq!(twinfs(at, ["cat", &location]).text(), name);
        twinfs(at, ["rm", &location]).ok();
    }
}

#[test]
fn stat_and_du_say_what_is_there() {
    let folder = folder();
    let at = folder.path();
    let text = twinfs(at, ["stat", "dir/a-b"]);
    assert!(text.text().contains("path: dir/a-b\n") && text.text().contains("size: 5\n"));
    let json = &twinfs(at, ["stat", "--json", "dir/a-b", "dir"]).json();
    assert_eq!((&json[0]["type"], &json[0]["size"]), (&"file".into(), &5.into()));
    assert_eq!(json[1]["type"], "directory");
    assert_eq!(twinfs(at, ["du", "dir"]).text(), "9\t3 files\tdir\n");
    let json = &twinfs(at, ["du", "--json"]).json()[0];
    assert_eq!((&json["bytes"], &json["files"], &json["directories"]), (&9.into(), &3.into(), &2.into()));
}

#[test]
fn mkdir_makes_directories() {
    let folder = folder();
    let at = folder.path();
    twinfs(at, ["mkdir", "new"]).ok();
    twinfs(at, ["mkdir", "new/a/b"]).fails(3, "twinfs: mkdir 'new/a/b': not found");
    twinfs(at, ["mkdir", "-p", "new/a/b", "new"]).ok();
    assert!(at.join("new/a/b").is_dir());
}

#[test]
fn rm_removes_what_is_named() {
    let folder = folder();
    let at = folder.path();
    let run = twinfs(at, ["rm", "dir/sub", "dir/a"]);
    run.fails(5, "twinfs: rm 'dir/sub': is a directory: use -r to remove it with everything in it");
    assert!(!at.join("dir/a").exists() && at.join("dir/sub/c").exists());
    twinfs(at, ["rm", "none"]).fails(3, "twinfs: rm 'none': not found");
    twinfs(at, ["rm", "-f", "none"]).ok();
    symlink("sub", at.join("dir/link")).unwrap();
    twinfs(at, ["rm", "dir/link"]).ok();
    assert!(at.join("dir/sub/c").exists());
    twinfs(at, ["rm", "-r", "dir"]).ok();
    assert!(!at.join("dir").exists());
}

#[test]
fn mv_renames_and_moves() {
    let folder = folder();
    let at = folder.path();
    fs::create_dir(at.join("other")).unwrap();
    twinfs(at, ["mv", "dir/a", "other/new"]).ok();
    assert_eq!(fs::read(at.join("other/new")).unwrap(), b"1");
    twinfs(at, ["mv", "dir", "other"]).ok();
    assert_eq!(fs::read(at.join("other/dir/sub/c")).unwrap(), b"123");
    assert!(!at.join("dir").exists());
    twinfs(at, ["mv", "other/dir", "deep/er/"]).ok();
    assert_eq!(fs::read(at.join("deep/er/dir/a-b")).unwrap(), b"12345");
    twinfs(at, ["mv", "none", "x"]).fails(3, "twinfs: mv 'none' to 'x': not found");
    fs::write(at.join("one"), "1").unwrap();
    fs::write(at.join("two"), "2").unwrap();
    let run = twinfs(at, ["mv", "-n", "one", "two"]);
    run.fails(5, "twinfs: mv 'one' to 'two': condition failed: something is there already");
    let run = twinfs(at, ["mv", "--json", "-n", "one", "two"]);
    let told: serde_json::Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!((&told["path"], &told["destination"]), (&"one".into(), &"two".into()), "{run:?}");
    assert_eq!(fs::read(at.join("two")).unwrap(), b"2");
    assert_eq!(twinfs(at, ["mv", "deep", "deep/er/inside"]).code, 2);
    assert_eq!(twinfs(at, ["mv", "one", "./one"]).code, 2);
    // Into another store it is a copy and a removal.
    assert_eq!(twinfs(at, ["mv", "one", "memory://m/one"]).code, 0);
    assert!(!at.join("one").exists());
}
