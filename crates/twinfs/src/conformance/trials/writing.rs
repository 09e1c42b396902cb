//! Whole writes: content, conditions, versions, parents.

use super::prelude::*;
use super::trial::{BIG, pattern, quick};

trials! {
    fn write_gives_the_new_metadata(t) needs [Write] {
        for len in [0, 1, 4096, 100_001] {
            let data = pattern(len);
            let metadata = go!(t.fs.write(t.at("file"), &data))?;
            same!((metadata.kind, metadata.len), (EntryKind::File, len as u64));
            same!(go!(t.get("file"))?, data);
            if t.caps().if_version {
                same!(metadata.version, Some(go!(t.version("file"))?));
            }
        }
    }

    fn write_replaces_all(t) needs [Write] {
        go!(t.fs.write(t.at("file"), "a long content"))?;
        go!(t.fs.write(t.at("file"), "short"))?;
        same!(go!(t.get("file"))?, "short");
        go!(t.fs.write(t.at("file"), ""))?;
        same!(go!(t.get("file"))?, "");
        same!(go!(t.fs.stat(t.at("file")))?.len, 0);
    }

    fn write_takes_every_kind_of_bytes(t) needs [Write] {
        let vec = b"bytes".to_vec();
        go!(t.fs.write(t.at("a"), &vec))?;
        go!(t.fs.write(t.at("b"), vec.clone()))?;
        go!(t.fs.write(t.at("c"), bytes::Bytes::from(vec.clone())))?;
        go!(t.fs.write(t.at("d"), "bytes"))?;
        go!(t.fs.write(t.at("e"), "bytes".to_owned()))?;
        go!(t.fs.write(t.at("f"), b"bytes"))?;
        for name in ["a", "b", "c", "d", "e", "f"] {
            same!(go!(t.get(name))?, vec, "{name}");
        }
    }

    fn parts_are_written_one_after_the_other(t) needs [Write] {
        let many: Vec<Vec<u8>> = (0..2000).map(|number| pattern(number % 7)).collect();
        let big = [vec![7; 3], pattern(BIG), Vec::new(), vec![9; 5]];
        for parts in [&many[..], &big[..], &big[..1], &[]] {
            let whole = parts.concat();
            let parts: Vec<Data<'_>> = parts.iter().map(Data::from).collect();
            same!(go!(t.fs.write_parts(t.at("file"), &parts, &quick()))?.len, whole.len() as u64);
            same!(go!(t.get("file"))?, whole);
        }
        let if_absent = WriteOptions { condition: Condition::IfAbsent, ..quick() };
        refused!(t, go!(t.fs.write_parts(t.at("file"), &["x".into()], &if_absent)), ConditionFailed | Unsupported);
        same!(go!(t.tree())?, ["file"]);
    }

    fn a_big_write_is_whole(t) needs [Write] {
        let data = pattern(BIG);
        same!(go!(t.fs.write(t.at("big"), &data))?.len, BIG as u64);
        same!(go!(t.get("big"))?, data);
    }

    fn write_leaves_nothing_else(t) needs [Write] {
        go!(t.fs.write(t.at("file"), "1"))?;
        go!(t.fs.write(t.at("file"), "2"))?;
        let _ = go!(t.fs.write_with(t.at("file"), "3", &WriteOptions::if_absent()));
        same!(go!(t.tree())?, ["file"]);
    }

    fn if_absent_writes_only_where_nothing_is(t) needs [Write, IfAbsent] {
        let if_absent = WriteOptions::if_absent();
        go!(t.fs.write_with(t.at("d/file"), "first", &if_absent))?;
        refused!(t, go!(t.fs.write_with(t.at("d/file"), "second", &if_absent)), ConditionFailed);
        same!(go!(t.get("d/file"))?, "first");
        go!(t.fs.remove(t.at("d/file")))?;
        go!(t.fs.write_with(t.at("d/file"), "third", &if_absent))?;
        same!(go!(t.get("d/file"))?, "third");
    }

    fn if_absent_counts_directories(t) needs [Write, IfAbsent, Directories] {
        go!(t.make_dir("d"))?;
        refused!(t, go!(t.fs.write_with(t.at("d"), "x", &WriteOptions::if_absent())), ConditionFailed | IsADirectory);
        ensure!(go!(t.fs.is_dir(t.at("d")))?, "the directory is gone");
    }

    fn if_version_writes_only_over_that_version(t) needs [Write, IfVersion] {
        let first = go!(t.fs.write(t.at("file"), "1"))?.version;
        let Some(first) = first else { return Err(Failure::wrong("write gave no version")) };
        let if_first = WriteOptions::if_version(first);
        let second = go!(t.fs.write_with(t.at("file"), "2", &if_first))?.version;
        same!(second, Some(go!(t.version("file"))?));
        refused!(t, go!(t.fs.write_with(t.at("file"), "3", &if_first)), ConditionFailed, "an older version");
        same!(go!(t.get("file"))?, "2");
        let nonsense = WriteOptions::if_version(Version::new("no version of this store"));
        refused!(t, go!(t.fs.write_with(t.at("file"), "3", &nonsense)), ConditionFailed, "a foreign version");
        refused!(t, go!(t.fs.write_with(t.at("file"), "3", &WriteOptions::if_version(Version::new("")))), ConditionFailed);
        refused!(t, go!(t.fs.write_with(t.at("nothing"), "3", &if_first)), ConditionFailed, "nothing there");
        go!(t.fs.remove(t.at("file")))?;
        refused!(t, go!(t.fs.write_with(t.at("file"), "3", &if_first)), ConditionFailed, "removed");
        same!(go!(t.tree())?, [""; 0]);
    }

    fn every_write_changes_the_version(t) needs [Write, IfVersion] {
        let mut seen = Vec::new();
        for content in ["same", "same", "same", "other", "same", ""] {
            go!(t.put("file", content.as_bytes()))?;
            let version = go!(t.version("file"))?;
            ensure!(!version.as_str().is_empty(), "an empty version");
            same!(go!(t.version("file"))?, version, "the version of an untouched file");
            ensure!(!seen.contains(&version), "the version of an older content came again");
            seen.push(version);
        }
        go!(t.put("other", b"same"))?;
        for by_copy in [true, false] {
            if by_copy {
                go!(t.fs.copy(t.at("other"), t.at("file")))?;
            } else {
                go!(t.fs.rename(t.at("other"), t.at("file")))?;
            }
            let version = go!(t.version("file"))?;
            ensure!(!seen.contains(&version), "by copy {by_copy}: the version of an older content came again");
            seen.push(version);
        }
    }

    fn a_version_is_only_given_when_asked_for(t) needs [Write, IfVersion] {
        go!(t.put("file", b"x"))?;
        same!(go!(t.fs.stat(t.at("file")))?.version, None);
        ensure!(go!(t.fs.stat_with(t.at("file"), &StatOptions { version: true }))?.version.is_some(), "no version");
        let versions = go!(t.fs.stat_many(&[t.path("file")?], &StatOptions { version: true }))?;
        same!(versions[0].as_ref().ok().and_then(|metadata| metadata.version.clone()), Some(go!(t.version("file"))?));
    }

    fn write_makes_what_is_missing_above(t) needs [Write] {
        go!(t.fs.write(t.at("a/b/c/file"), "x"))?;
        same!(go!(t.get("a/b/c/file"))?, "x");
        ensure!(go!(t.fs.is_dir(t.at("a/b")))?, "no directory above the file");
    }

    fn write_can_require_the_parent(t) needs [Write, Directories] {
        let required = quick().parents(Parents::Require);
        refused!(t, go!(t.fs.write_with(t.at("a/file"), "x", &required)), NotFound);
        refused!(t, go!(t.fs.write_with(t.at("a/b/file"), "x", &required)), NotFound);
        same!(go!(t.tree())?, [""; 0]);
        go!(t.make_dir("a"))?;
        go!(t.fs.write_with(t.at("a/file"), "x", &required))?;
        refused!(t, go!(t.fs.write_with(t.at("a/b/file"), "x", &required)), NotFound);
        same!(go!(t.tree())?, ["a/", "a/file"]);
    }

    fn a_directory_is_not_written_over(t) needs [Write, Directories] {
        go!(t.put("full/file", b"x"))?;
        go!(t.make_dir("empty"))?;
        for path in [t.at("full"), t.at("empty"), String::new()] {
            refused!(t, go!(t.fs.write(&path, "x")), IsADirectory, "'{path}'");
        }
        same!(go!(t.tree())?, ["empty/", "full/", "full/file"]);
    }

    fn nothing_is_written_below_a_file(t) needs [Write, Directories] {
        go!(t.put("file", b"x"))?;
        for name in ["file/a", "file/a/b"] {
            refused!(t, go!(t.fs.write(t.at(name), "y")), NotADirectory, "{name}");
            let required = quick().parents(Parents::Require);
            refused!(t, go!(t.fs.write_with(t.at(name), "y", &required)), NotADirectory, "{name}, parents required");
        }
        same!(go!(t.get("file"))?, "x");
        same!(go!(t.tree())?, ["file"]);
    }

    fn every_durability_writes_the_same(t) needs [Write, Durable] {
        for durability in [Durability::None, Durability::File, Durability::Full] {
            let write = WriteOptions::default().durability(durability);
            let removal = RemoveOptions { durability: Some(durability) };
            let moving = MoveOptions { durability: Some(durability), ..MoveOptions::default() };
            let dir = CreateDirOptions { durability: Some(durability), ..CreateDirOptions::default() };
            let open = OpenOptions::from(Mode::Write).durability(durability);
            go!(t.fs.write_with(t.at("new/dir/file"), "1", &write))?;
            go!(t.fs.write_with(t.at("new/dir/file"), "2", &write))?;
            go!(t.fs.rename_with(t.at("new/dir/file"), t.at("other/dir/moved"), &moving))?;
            go!(t.fs.copy_with(t.at("other/dir/moved"), t.at("third/copy"), &moving))?;
            go!(t.fs.create_dir_with(t.at("made/deep"), &dir))?;
            let file = go!(t.open("fourth/handle", open))?;
            go!(file.write_at(0, "4"))?;
            go!(file.flush_to_disk())?;
            go!(file.commit())?;
            same!(go!(t.get("other/dir/moved"))?, "2", "{durability:?}");
            same!(go!(t.get("third/copy"))?, "2", "{durability:?}");
            same!(go!(t.get("fourth/handle"))?, "4", "{durability:?}");
            go!(t.fs.remove_with(t.at("third/copy"), &removal))?;
            go!(t.fs.remove_dir_with(t.at("third"), &removal))?;
            for name in ["new", "other", "made", "fourth"] {
                go!(t.fs.remove_all_with(t.at(name), &removal))?;
            }
            same!(go!(t.tree())?, [""; 0], "{durability:?}");
        }
    }

    fn too_large_is_said(t) needs [Write, SizeLimit] {
        let max = t.caps().max_file_bytes.and_then(|max| usize::try_from(max).ok()).unwrap_or_default();
        let data = pattern(max + 1);
        refused!(t, go!(t.fs.write(t.at("file"), &data)), TooLarge);
        ensure!(!go!(t.exists("file"))?, "written all the same");
        go!(t.fs.write(t.at("file"), &data[1..]))?;
    }
}
