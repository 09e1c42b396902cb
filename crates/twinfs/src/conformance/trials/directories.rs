//! Directories: making and removing.

use super::prelude::*;

fn options(parents: Parents, existing: Existing) -> CreateDirOptions {
    CreateDirOptions { parents, existing, ..CreateDirOptions::default() }
}

trials! {
    fn create_dir_makes_one(t) needs [Write, Directories] {
        go!(t.fs.create_dir(t.at("d")))?;
        let metadata = go!(t.fs.stat(t.at("d")))?;
        same!((metadata.kind, metadata.len), (EntryKind::Directory, 0));
        same!(go!(t.tree())?, ["d/"]);
        refused!(t, go!(t.fs.create_dir(t.at("d"))), AlreadyExists, "again");
        refused!(t, go!(t.fs.create_dir(t.at("x/y"))), NotFound, "without parent");
        same!(go!(t.tree())?, ["d/"]);
    }

    fn create_dir_all_makes_all(t) needs [Write, Directories] {
        for _ in 0..2 {
            go!(t.fs.create_dir_all(t.at("a/b/c")))?;
        }
        go!(t.fs.create_dir_all(t.at("a")))?;
        go!(t.fs.create_dir_all(""))?;
        same!(go!(t.tree())?, ["a/", "a/b/", "a/b/c/"]);
    }

    fn create_dir_does_what_the_options_say(t) needs [Write, Directories] {
        go!(t.put("file", b"x"))?;
        go!(t.make_dir("d"))?;
        use {Existing::{Keep, Refuse}, Parents::{Create, Require}};
        for (name, parents, existing, expected) in [
            ("d", Create, Refuse, Some(ErrorKind::AlreadyExists)),
            ("d", Require, Refuse, Some(ErrorKind::AlreadyExists)),
            ("d", Create, Keep, None),
            ("d", Require, Keep, None),
            ("file", Create, Refuse, Some(ErrorKind::AlreadyExists)),
            ("file", Require, Refuse, Some(ErrorKind::AlreadyExists)),
            ("file", Create, Keep, Some(ErrorKind::AlreadyExists)),
            ("file", Require, Keep, Some(ErrorKind::AlreadyExists)),
            ("file/x", Create, Refuse, Some(ErrorKind::NotADirectory)),
            ("file/x", Require, Keep, Some(ErrorKind::NotADirectory)),
            ("file/x/y", Create, Keep, Some(ErrorKind::NotADirectory)),
            ("n1/x", Require, Refuse, Some(ErrorKind::NotFound)),
            ("n1/x", Require, Keep, Some(ErrorKind::NotFound)),
            ("n1/x", Create, Refuse, None),
            ("n2/x/y", Create, Keep, None),
            ("d/x", Require, Refuse, None),
        ] {
            let found = go!(t.fs.create_dir_with(t.at(name), &options(parents, existing)));
            same!(found.err().map(|error| error.kind()), expected, "{name} {parents:?} {existing:?}");
        }
        same!(go!(t.tree())?, ["d/", "d/x/", "file", "n1/", "n1/x/", "n2/", "n2/x/", "n2/x/y/"]);
        refused!(t, go!(t.fs.create_dir("")), AlreadyExists, "the root");
    }

    fn remove_removes_a_file(t) needs [Write] {
        go!(t.put("d/file", b"x"))?;
        go!(t.put("d/other", b"x"))?;
        go!(t.fs.remove(t.at("d/file")))?;
        ensure!(!go!(t.exists("d/file"))?, "still there");
        refused!(t, go!(t.fs.remove(t.at("d/file"))), NotFound, "again");
        refused!(t, go!(t.fs.remove(t.at("d/nothing/x"))), NotFound);
        same!(go!(t.tree())?, ["d/", "d/other"]);
        go!(t.put("d/file", b"again"))?;
        same!(go!(t.get("d/file"))?, "again");
    }

    fn remove_removes_no_directory(t) needs [Write, Directories] {
        go!(t.put("full/file", b"x"))?;
        go!(t.make_dir("empty"))?;
        for path in [t.at("full"), t.at("empty"), String::new()] {
            refused!(t, go!(t.fs.remove(&path)), IsADirectory, "'{path}'");
        }
        refused!(t, go!(t.fs.remove(t.at("full/file/x"))), NotADirectory);
        same!(go!(t.tree())?, ["empty/", "full/", "full/file"]);
    }

    fn a_directory_outlives_its_last_file(t) needs [Write, Directories] {
        go!(t.put("a/b/file", b"x"))?;
        go!(t.fs.remove(t.at("a/b/file")))?;
        same!(go!(t.tree())?, ["a/", "a/b/"]);
    }

    fn remove_dir_removes_an_empty_one(t) needs [Write, Directories] {
        go!(t.make_dir("a/b"))?;
        go!(t.put("file", b"x"))?;
        refused!(t, go!(t.fs.remove_dir(t.at("a"))), NotEmpty);
        refused!(t, go!(t.fs.remove_dir(t.at("file"))), NotADirectory);
        refused!(t, go!(t.fs.remove_dir(t.at("file/x"))), NotADirectory);
        refused!(t, go!(t.fs.remove_dir(t.at("nothing"))), NotFound);
        refused!(t, go!(t.fs.remove_dir("")), InvalidInput, "the root");
        go!(t.fs.remove_dir(t.at("a/b")))?;
        go!(t.fs.remove_dir(t.at("a")))?;
        refused!(t, go!(t.fs.remove_dir(t.at("a"))), NotFound, "again");
        same!(go!(t.tree())?, ["file"]);
    }

    fn remove_dir_after_writers(t) needs [Write, WriteHandles, Directories] {
        go!(t.make_dir("d"))?;
        drop(go!(t.open("d/file", Mode::Write))?);
        let writer = go!(t.open("d/file", Mode::Write))?;
        go!(writer.write_at(0, "x"))?;
        go!(writer.abort())?;
        go!(t.put("d/file", b"x"))?;
        go!(t.fs.remove(t.at("d/file")))?;
        go!(t.fs.remove_dir(t.at("d")))?;
        same!(go!(t.tree())?, [""; 0]);
    }

    fn remove_all_removes_everything(t) needs [Write] {
        for name in ["d/a", "d/b/c", "d/b/e/f", "d-", "d0", "file"] {
            go!(t.put(name, b"x"))?;
        }
        go!(t.fs.remove_all(t.at("d")))?;
        same!(go!(t.tree())?, ["d-", "d0", "file"]);
        go!(t.fs.remove_all(t.at("file")))?;
        same!(go!(t.tree())?, ["d-", "d0"]);
        refused!(t, go!(t.fs.remove_all(t.at("d"))), NotFound, "again");
        refused!(t, go!(t.fs.remove_all(t.at("x/y"))), NotFound);
        go!(t.put("d/b/c", b"new"))?;
        same!(go!(t.tree())?, ["d-", "d/", "d/b/", "d/b/c", "d0"]);
    }

    fn remove_all_removes_directories(t) needs [Write, Directories] {
        go!(t.make_dir("a/b/c"))?;
        go!(t.make_dir("a/d"))?;
        go!(t.put("file", b"x"))?;
        refused!(t, go!(t.fs.remove_all(t.at("file/x"))), NotADirectory);
        go!(t.fs.remove_all(t.at("a")))?;
        same!(go!(t.tree())?, ["file"]);
    }

    fn remove_all_of_many(t) needs [Write] {
        let mut items = Vec::new();
        for number in 0..300 {
            items.push(WriteItem { path: t.path(&format!("d/{}/{}/{number}", number % 5, number % 11))?, data: "x".into() });
        }
        for result in go!(t.fs.write_many(&items, &super::trial::quick()))? {
            result?;
        }
        go!(t.fs.remove_all(t.at("d")))?;
        same!(go!(t.tree())?, [""; 0]);
    }
}
