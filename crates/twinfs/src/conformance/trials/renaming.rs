//! Renames and copies.

use super::prelude::*;
use super::trial::{BIG, pattern, quick_move};

fn on(condition: Condition) -> MoveOptions {
    MoveOptions { condition, ..quick_move() }
}

fn required() -> MoveOptions {
    MoveOptions { parents: Parents::Require, ..quick_move() }
}

trials! {
    fn rename_moves_a_file(t) needs [Write] {
        let data = pattern(100_000);
        go!(t.put("a", &data))?;
        go!(t.fs.rename(t.at("a"), t.at("new/dir/b")))?;
        same!(go!(t.get("new/dir/b"))?, data);
        go!(t.put("c", b"old"))?;
        go!(t.fs.rename(t.at("new/dir/b"), t.at("c")))?;
        same!(go!(t.get("c"))?, data, "over a file");
        go!(t.fs.rename(t.at("c"), t.at("c")))?;
        same!(go!(t.get("c"))?, data, "onto itself");
        refused!(t, go!(t.fs.rename(t.at("a"), t.at("b"))), NotFound);
        refused!(t, go!(t.fs.rename(t.at("a"), t.at("a"))), NotFound, "nothing onto itself");
        same!(go!(t.get("c"))?, data);
    }

    fn rename_of_a_file_does_as_the_target_allows(t) needs [Write, Directories] {
        go!(t.put("file", b"x"))?;
        go!(t.put("full/inner", b"y"))?;
        go!(t.make_dir("empty"))?;
        let before = go!(t.tree())?;
        for (to, expected) in [
            ("full", ErrorKind::IsADirectory),
            ("empty", ErrorKind::IsADirectory),
            ("file/below", ErrorKind::NotADirectory),
            ("full/inner/below", ErrorKind::NotADirectory),
        ] {
            let found = go!(t.fs.rename(t.at("file"), t.at(to))).err().map(|error| error.kind());
            same!(found, Some(expected), "{to}");
        }
        refused!(t, go!(t.fs.rename_with(t.at("file"), t.at("n/o/file"), &required())), NotFound, "parents required");
        refused!(t, go!(t.fs.rename(t.at("file"), "")), InvalidInput, "to the root");
        refused!(t, go!(t.fs.rename("", t.at("x"))), InvalidInput, "of the root");
        refused!(t, go!(t.fs.rename(t.at("file/x"), t.at("y"))), NotADirectory, "from below a file");
        refused!(t, go!(t.fs.rename(t.at("nothing"), t.at("full"))), NotFound);
        same!(go!(t.tree())?, before);
        go!(t.fs.rename_with(t.at("file"), t.at("empty/file"), &required()))?;
        same!(go!(t.tree())?, ["empty/", "empty/file", "full/", "full/inner"]);
    }

    fn rename_moves_a_directory(t) needs [Write, Directories] {
        go!(t.put("d/a", b"1"))?;
        go!(t.put("d/e/b", b"2"))?;
        go!(t.make_dir("d/empty"))?;
        go!(t.put("d-", b"3"))?;
        go!(t.fs.rename(t.at("d"), t.at("new/x")))?;
        same!(go!(t.tree())?, ["d-", "new/", "new/x/", "new/x/a", "new/x/e/", "new/x/e/b", "new/x/empty/"]);
        same!(go!(t.get("new/x/e/b"))?, "2");
        refused!(t, go!(t.fs.stat(t.at("d/a"))), NotFound);
        go!(t.fs.rename(t.at("new/x"), t.at("new/x")))?;
        go!(t.make_dir("target"))?;
        go!(t.fs.rename(t.at("new/x/empty"), t.at("target")))?;
        go!(t.fs.rename(t.at("new/x"), t.at("target")))?;
        same!(go!(t.tree())?, ["d-", "new/", "target/", "target/a", "target/e/", "target/e/b"], "over an empty directory");
        go!(t.put("d/again", b"4"))?;
        same!(go!(t.get("d/again"))?, "4");
    }

    fn rename_of_a_directory_does_as_the_target_allows(t) needs [Write, Directories] {
        go!(t.put("file", b"x"))?;
        go!(t.put("full/inner", b"y"))?;
        go!(t.put("d/e/f", b"z"))?;
        let before = go!(t.tree())?;
        for (from, to, expected) in [
            ("d", "file", ErrorKind::NotADirectory),
            ("d", "full", ErrorKind::NotEmpty),
            ("d", "file/x", ErrorKind::NotADirectory),
            ("d", "d/x", ErrorKind::InvalidInput),
            ("d", "d/e", ErrorKind::InvalidInput),
            ("d", "d/e/f/g", ErrorKind::InvalidInput),
            ("d", "d/new/x", ErrorKind::InvalidInput),
            ("d/e", "d", ErrorKind::NotEmpty),
            ("d/e/f", "d", ErrorKind::IsADirectory),
            ("d/e/f", "d/e", ErrorKind::IsADirectory),
        ] {
            let found = go!(t.fs.rename(t.at(from), t.at(to))).err().map(|error| error.kind());
            same!(found, Some(expected), "{from} to {to}");
            same!(go!(t.tree())?, before, "{from} to {to}");
        }
        refused!(t, go!(t.fs.rename_with(t.at("d"), t.at("n/d"), &required())), NotFound);
        refused!(t, go!(t.fs.rename(t.at("d"), "")), InvalidInput);
        same!(go!(t.tree())?, before);
    }

    fn rename_takes_a_condition(t) needs [Write, IfAbsent, IfVersion] {
        go!(t.put("a", b"1"))?;
        go!(t.put("b", b"2"))?;
        let stale = go!(t.version("b"))?;
        go!(t.put("b", b"3"))?;
        let now = go!(t.version("b"))?;
        let rename = |to: &str| (t.at("a"), t.at(to));
        let (from, to) = rename("b");
        refused!(t, go!(t.fs.rename_with(&from, &to, &on(Condition::IfAbsent))), ConditionFailed);
        refused!(t, go!(t.fs.rename_with(&from, &to, &on(Condition::IfVersion(stale.clone())))), ConditionFailed);
        let (from, to) = rename("c");
        refused!(t, go!(t.fs.rename_with(&from, &to, &on(Condition::IfVersion(stale)))), ConditionFailed, "nothing there");
        same!(go!(t.tree())?, ["a", "b"]);
        same!(go!(t.get("b"))?, "3");
        let (from, to) = rename("b");
        go!(t.fs.rename_with(&from, &to, &on(Condition::IfVersion(now))))?;
        same!(go!(t.tree())?, ["b"]);
        same!(go!(t.get("b"))?, "1");
        go!(t.fs.rename_with(t.at("b"), t.at("c"), &on(Condition::IfAbsent)))?;
        same!(go!(t.tree())?, ["c"]);
    }

    fn rename_of_a_directory_takes_a_condition(t) needs [Write, IfAbsent, Directories] {
        go!(t.put("d/a", b"1"))?;
        go!(t.make_dir("empty"))?;
        go!(t.put("file", b"x"))?;
        for to in ["empty", "file"] {
            refused!(t, go!(t.fs.rename_with(t.at("d"), t.at(to), &on(Condition::IfAbsent))), ConditionFailed, "{to}");
        }
        go!(t.fs.rename_with(t.at("d"), t.at("e"), &on(Condition::IfAbsent)))?;
        same!(go!(t.tree())?, ["e/", "e/a", "empty/", "file"]);
    }

    fn an_open_reader_reads_on_after_rename_and_remove(t) needs [Write, Directories] {
        go!(t.put("a", b"content"))?;
        let file = go!(t.open("a", Mode::Read))?;
        go!(t.fs.rename(t.at("a"), t.at("b")))?;
        same!(go!(file.read_at(0, 100))?, "content");
        go!(t.fs.remove(t.at("b")))?;
        same!(go!(file.read_at(3, 100))?, "tent");
    }

    fn copy_copies_a_file(t) needs [Write] {
        let data = pattern(BIG);
        go!(t.put("a", &data))?;
        let metadata = go!(t.fs.copy(t.at("a"), t.at("new/dir/b")))?;
        same!((metadata.kind, metadata.len), (EntryKind::File, BIG as u64));
        if t.caps().if_version {
            same!(metadata.version, Some(go!(t.version("new/dir/b"))?));
        }
        same!(go!(t.get("new/dir/b"))?, data);
        go!(t.put("a", b"changed"))?;
        same!(go!(t.get("new/dir/b"))?, data, "the copy changed with its source");
        go!(t.fs.copy(t.at("a"), t.at("new/dir/b")))?;
        same!(go!(t.get("new/dir/b"))?, "changed", "over a file");
        go!(t.fs.copy(t.at("a"), t.at("a")))?;
        same!(go!(t.get("a"))?, "changed", "onto itself");
        go!(t.put("empty", b""))?;
        go!(t.fs.copy(t.at("empty"), t.at("a")))?;
        same!(go!(t.get("a"))?, "");
        refused!(t, go!(t.fs.copy(t.at("nothing"), t.at("a"))), NotFound);
        same!(go!(t.tree())?, ["a", "empty", "new/", "new/dir/", "new/dir/b"]);
    }

    fn a_copy_and_its_source_are_two_files(t) needs [Write, WriteHandles, UpdateHandles] {
        go!(t.put("a", b"content"))?;
        go!(t.fs.copy(t.at("a"), t.at("b")))?;
        let publish = if t.caps().in_place { Publish::InPlace } else { Publish::Staged };
        let file = go!(t.open("b", OpenOptions::from(Mode::Update).publish(publish)))?;
        go!(file.write_at(0, "CON"))?;
        go!(file.commit())?;
        same!(go!(t.get("a"))?, "content");
        same!(go!(t.get("b"))?, "CONtent");
    }

    fn copy_does_as_both_ends_allow(t) needs [Write, Directories] {
        go!(t.put("file", b"x"))?;
        go!(t.put("full/inner", b"y"))?;
        go!(t.make_dir("empty"))?;
        let before = go!(t.tree())?;
        for (from, to, expected) in [
            ("full", "new", ErrorKind::IsADirectory),
            ("empty", "new", ErrorKind::IsADirectory),
            ("file", "full", ErrorKind::IsADirectory),
            ("file", "empty", ErrorKind::IsADirectory),
            ("file", "file/x", ErrorKind::NotADirectory),
            ("file/x", "new", ErrorKind::NotADirectory),
            ("nothing", "new", ErrorKind::NotFound),
            ("no/thing", "new", ErrorKind::NotFound),
        ] {
            let found = go!(t.fs.copy(t.at(from), t.at(to))).err().map(|error| error.kind());
            same!(found, Some(expected), "{from} to {to}");
        }
        refused!(t, go!(t.fs.copy_with(t.at("file"), t.at("n/o/file"), &required())), NotFound);
        refused!(t, go!(t.fs.copy(t.at("file"), "")), IsADirectory, "to the root");
        refused!(t, go!(t.fs.copy("", t.at("new"))), IsADirectory, "of the root");
        same!(go!(t.tree())?, before);
        go!(t.fs.copy_with(t.at("file"), t.at("empty/file"), &required()))?;
        same!(go!(t.get("empty/file"))?, "x");
    }

    fn copy_takes_a_condition(t) needs [Write, IfAbsent, IfVersion] {
        go!(t.put("a", b"1"))?;
        go!(t.put("b", b"2"))?;
        let stale = go!(t.version("b"))?;
        go!(t.put("b", b"3"))?;
        let now = go!(t.version("b"))?;
        let (a, b, c) = (t.at("a"), t.at("b"), t.at("c"));
        refused!(t, go!(t.fs.copy_with(&a, &b, &on(Condition::IfAbsent))), ConditionFailed);
        refused!(t, go!(t.fs.copy_with(&a, &b, &on(Condition::IfVersion(stale.clone())))), ConditionFailed);
        refused!(t, go!(t.fs.copy_with(&a, &c, &on(Condition::IfVersion(stale)))), ConditionFailed, "nothing there");
        same!(go!(t.get("b"))?, "3");
        go!(t.fs.copy_with(&a, &b, &on(Condition::IfVersion(now))))?;
        same!(go!(t.get("b"))?, "1");
        go!(t.fs.copy_with(&a, &c, &on(Condition::IfAbsent)))?;
        same!(go!(t.tree())?, ["a", "b", "c"]);
    }
}
