//! Handles that write: modes, what shows when, and what stays.

use std::io::SeekFrom;

use super::prelude::*;
use super::trial::{BIG, WRITING, pattern};

const BOTH: [Publish; 2] = [Publish::Staged, Publish::InPlace];

fn publishes(caps: &Capabilities) -> &'static [Publish] {
    if caps.in_place { &BOTH } else { &BOTH[..1] }
}

trials! {
    fn a_mode_writes_what_its_name_says(t) needs [Write, WriteHandles, UpdateHandles, IfAbsent] {
        for publish in publishes(t.caps()) {
            // Of a file with "old": writing "NEW" at 0 gives this, or is refused.
            for (mode, over_old, over_nothing) in [
                (Mode::Write, Some("NE"), Some("NE")),
                (Mode::Create, None, Some("NE")),
                (Mode::Append, Some("oldNE"), Some("NE")),
                (Mode::Update, Some("NEd"), None),
                (Mode::Overwrite, Some("NE"), Some("NE")),
            ] {
                let options = OpenOptions::from(mode).publish(*publish);
                for (name, expected) in [("there", over_old), ("nothing", over_nothing)] {
                    go!(t.put("there", b"old"))?;
                    match expected {
                        None if mode == Mode::Create => refused!(t, go!(t.open(name, &options)), AlreadyExists),
                        None => refused!(t, go!(t.open(name, &options)), NotFound),
                        Some(expected) => {
                            let file = go!(t.open(name, &options))?;
                            go!(file.write_at(0, "NE"))?;
                            same!(go!(file.len())?, expected.len() as u64, "{mode:?} {publish:?} {name}");
                            same!(go!(file.commit())?.len, expected.len() as u64, "{mode:?} {publish:?} {name}");
                            same!(go!(t.get(name))?, expected, "{mode:?} {publish:?} {name}");
                        }
                    }
                    if go!(t.exists("nothing"))? {
                        go!(t.fs.remove(t.at("nothing")))?;
                    }
                }
            }
        }
    }

    fn nothing_shows_before_commit(t) needs [Write, WriteHandles, UpdateHandles, IfAbsent] {
        for mode in WRITING {
            if mode != Mode::Create {
                go!(t.put("old", b"old"))?;
                let file = go!(t.open("old", mode))?;
                go!(file.write_at(0, "new content"))?;
                go!(file.set_len(5))?;
                go!(file.flush_to_disk())?;
                same!(go!(t.get("old"))?, "old", "{mode:?}");
                same!(go!(t.fs.stat(t.at("old")))?.len, 3, "{mode:?}");
                same!(go!(t.tree())?, ["old"], "{mode:?}");
                go!(file.commit())?;
                same!(go!(t.fs.stat(t.at("old")))?.len, 5, "{mode:?}");
            }
            if mode != Mode::Update {
                let file = go!(t.open("new", mode))?;
                go!(file.write_at(0, "new content"))?;
                ensure!(!go!(t.exists("new"))?, "{mode:?}: there before commit");
                go!(file.commit())?;
                same!(go!(t.get("new"))?, "new content", "{mode:?}");
                go!(t.fs.remove(t.at("new")))?;
            }
        }
    }

    fn a_dropped_or_aborted_writer_publishes_nothing(t) needs [Write, WriteHandles, UpdateHandles, IfAbsent] {
        go!(t.put("old", b"old"))?;
        for mode in WRITING {
            for abort in [true, false] {
                if mode != Mode::Update {
                    let file = go!(t.open("new", mode))?;
                    go!(file.write_at(0, "x"))?;
                    if abort {
                        go!(file.abort())?;
                    }
                    drop(file);
                    ensure!(!go!(t.exists("new"))?, "{mode:?}, abort {abort}");
                }
                if mode != Mode::Create {
                    let file = go!(t.open("old", mode))?;
                    go!(file.write_at(0, "x"))?;
                    if abort {
                        go!(file.abort())?;
                    }
                    drop(file);
                    same!(go!(t.get("old"))?, "old", "{mode:?}, abort {abort}");
                }
                same!(go!(t.tree())?, ["old"], "{mode:?}, abort {abort}: litter");
            }
        }
    }

    fn an_unwritten_handle_publishes_what_its_mode_says(t) needs [Write, WriteHandles, UpdateHandles, IfAbsent] {
        for publish in publishes(t.caps()) {
            for (mode, expected) in
                [(Mode::Write, ""), (Mode::Append, "old"), (Mode::Update, "old"), (Mode::Overwrite, "")]
            {
                go!(t.put("file", b"old"))?;
                go!(go!(t.open("file", OpenOptions::from(mode).publish(*publish)))?.commit())?;
                same!(go!(t.get("file"))?, expected, "{mode:?} {publish:?}");
            }
            for mode in [Mode::Write, Mode::Create, Mode::Append, Mode::Overwrite] {
                go!(t.fs.remove(t.at("file")))?;
                go!(go!(t.open("file", OpenOptions::from(mode).publish(*publish)))?.commit())?;
                same!(go!(t.get("file"))?, "", "{mode:?} {publish:?}");
            }
        }
    }

    fn a_closed_writer_is_closed(t) needs [Write, WriteHandles, UpdateHandles] {
        for publish in publishes(t.caps()) {
            for commit in [true, false] {
                let mut file = go!(t.open("file", OpenOptions::from(Mode::Overwrite).publish(*publish)))?;
                go!(file.write("content"))?;
                if commit {
                    go!(file.commit())?;
                } else {
                    go!(file.abort())?;
                }
                let note = format!("{publish:?}, commit {commit}");
                refused!(t, go!(file.write_at(0, "x")), Closed, "write_at, {note}");
                refused!(t, go!(file.write("x")), Closed, "write, {note}");
                refused!(t, go!(file.read_at(0, 1)), Closed, "read_at, {note}");
                refused!(t, go!(file.set_len(0)), Closed, "set_len, {note}");
                refused!(t, go!(file.len()), Closed, "len, {note}");
                refused!(t, go!(file.metadata()), Closed, "metadata, {note}");
                refused!(t, go!(file.flush_to_disk()), Closed, "flush, {note}");
                refused!(t, go!(file.commit()), Closed, "commit, {note}");
                go!(file.abort())?;
                if commit {
                    same!(go!(t.get("file"))?, "content", "{note}");
                }
            }
        }
    }

    fn write_only_handles_do_not_read(t) needs [Write, WriteHandles, UpdateHandles, IfAbsent] {
        for publish in publishes(t.caps()) {
            for mode in [Mode::Write, Mode::Create, Mode::Append] {
                let mut file = go!(t.open("file", OpenOptions::from(mode).publish(*publish)))?;
                go!(file.write("content"))?;
                refused!(t, go!(file.read_at(0, 1)), Unsupported, "{mode:?}");
                refused!(t, go!(file.read(1)), Unsupported, "{mode:?}");
                let mut buf = [0];
                refused!(t, go!(file.read_into_at(0, &mut buf)), Unsupported, "{mode:?}");
                same!(go!(file.len())?, 7);
                go!(file.commit())?;
                go!(t.fs.remove(t.at("file")))?;
            }
        }
    }

    fn commit_gives_the_new_metadata(t) needs [Write, WriteHandles] {
        let file = go!(t.open("file", Mode::Write))?;
        go!(file.write_at(0, "hello"))?;
        same!(go!(file.metadata())?.len, 5);
        let metadata = go!(file.commit())?;
        same!((metadata.kind, metadata.len), (EntryKind::File, 5));
        if t.caps().if_version {
            same!(metadata.version, Some(go!(t.version("file"))?));
        }
    }

    fn a_writer_reads_its_own_writes(t) needs [Write, WriteHandles, UpdateHandles] {
        for publish in publishes(t.caps()) {
            go!(t.put("file", b"0123456789"))?;
            let file = go!(t.open("file", OpenOptions::from(Mode::Update).publish(*publish)))?;
            go!(file.write_at(3, "abc"))?;
            same!(go!(file.read_at(0, 100))?, "012abc6789", "{publish:?}");
            go!(file.write_at(8, "xyz"))?;
            same!(go!(file.read_at(5, 100))?, "c67xyz", "{publish:?}");
            same!(go!(file.len())?, 11);
            go!(file.commit())?;
            same!(go!(t.get("file"))?, "012abc67xyz", "{publish:?}");
        }
    }

    fn set_len_cuts_and_extends_with_zeros(t) needs [Write, WriteHandles, UpdateHandles] {
        for publish in publishes(t.caps()) {
            for mode in [Mode::Update, Mode::Append] {
                go!(t.put("file", b"0123456789"))?;
                let file = go!(t.open("file", OpenOptions::from(mode).publish(*publish)))?;
                go!(file.set_len(4))?;
                same!(go!(file.len())?, 4);
                go!(file.set_len(8))?;
                go!(file.set_len(6))?;
                go!(file.commit())?;
                same!(go!(t.get("file"))?, b"0123\0\0"[..], "{mode:?} {publish:?}");
            }
            let file = go!(t.open("file", OpenOptions::from(Mode::Overwrite).publish(*publish)))?;
            go!(file.set_len(100_000))?;
            go!(file.set_len(0))?;
            go!(file.write_at(0, "x"))?;
            go!(file.commit())?;
            same!(go!(t.get("file"))?, "x", "{publish:?}");
        }
    }

    fn a_gap_reads_as_zeros(t) needs [Write, WriteHandles, UpdateHandles] {
        for publish in publishes(t.caps()) {
            let file = go!(t.open("file", OpenOptions::from(Mode::Overwrite).publish(*publish)))?;
            go!(file.write_at(100_000, "end"))?;
            go!(file.write_at(10, "in"))?;
            same!(go!(file.read_at(8, 6))?, b"\0\0in\0\0"[..]);
            go!(file.commit())?;
            let mut expected = vec![0; 100_003];
            expected[10..12].copy_from_slice(b"in");
            expected[100_000..].copy_from_slice(b"end");
            same!(go!(t.get("file"))?, expected, "{publish:?}");
        }
    }

    fn no_file_goes_beyond_the_last_offset(t) needs [Write, WriteHandles, UpdateHandles] {
        go!(t.put("file", b"0123456789"))?;
        let last = i64::MAX.unsigned_abs();
        let reader = go!(t.open("file", Mode::Read))?;
        for offset in [last - 1, last, last + 1, u64::MAX] {
            same!(go!(reader.read_at(offset, 10))?, "", "at {offset}");
            let mut buf = [0; 10];
            same!(go!(reader.read_into_at(offset, &mut buf))?, 0, "at {offset}");
            same!(go!(t.fs.read_range(t.at("file"), offset..))?, "", "at {offset}");
        }
        for publish in publishes(t.caps()) {
            let file = go!(t.open("file", OpenOptions::from(Mode::Update).publish(*publish)))?;
            for offset in [last, last + 1, u64::MAX] {
                same!(go!(file.read_at(offset, 10))?, "", "at {offset}, {publish:?}");
                refused!(t, go!(file.write_at(offset, "xyz")), TooLarge, "at {offset}, {publish:?}");
            }
            refused!(t, go!(file.set_len(u64::MAX)), TooLarge, "{publish:?}");
            go!(file.abort())?;
            go!(t.put("log", b"one "))?;
            let log = go!(t.open("log", OpenOptions::from(Mode::Append).publish(*publish)))?;
            go!(log.write_at(u64::MAX, "two"))?;
            go!(log.commit())?;
            same!(go!(t.get("log"))?, "one two", "{publish:?}: at the end, whatever the offset");
        }
        same!(go!(t.get("file"))?, "0123456789");
    }

    fn an_empty_write_changes_nothing(t) needs [Write, WriteHandles, UpdateHandles] {
        for publish in publishes(t.caps()) {
            let mut file = go!(t.open("file", OpenOptions::from(Mode::Overwrite).publish(*publish)))?;
            go!(file.write_at(100, ""))?;
            go!(file.write(""))?;
            same!(go!(file.len())?, 0);
            go!(file.commit())?;
            same!(go!(t.get("file"))?, "", "{publish:?}");
        }
    }

    fn append_goes_to_the_end(t) needs [Write, WriteHandles, UpdateHandles] {
        for publish in publishes(t.caps()) {
            go!(t.put("log", b"one "))?;
            let mut file = go!(t.open("log", OpenOptions::from(Mode::Append).publish(*publish)))?;
            go!(file.write("two "))?;
            same!(file.position(), 8, "{publish:?}");
            go!(file.seek(SeekFrom::Start(0)))?;
            go!(file.write("three "))?;
            go!(file.write_at(1, "four"))?;
            go!(file.commit())?;
            same!(go!(t.get("log"))?, "one two three four", "{publish:?}");
            go!(t.fs.remove(t.at("log")))?;
            for text in ["a", "b", "c"] {
                let mut file = go!(t.open("log", OpenOptions::from(Mode::Append).publish(*publish)))?;
                go!(file.write(text))?;
                go!(file.commit())?;
            }
            same!(go!(t.get("log"))?, "abc", "{publish:?}");
        }
    }

    fn a_position_moves_with_writes(t) needs [Write, WriteHandles, UpdateHandles] {
        let mut file = go!(t.open("file", Mode::Overwrite))?;
        go!(file.write("0123456789"))?;
        same!(file.position(), 10);
        go!(file.seek(SeekFrom::Current(-4)))?;
        go!(file.write("ab"))?;
        same!(go!(file.read(2))?, "89");
        go!(file.seek(SeekFrom::End(2)))?;
        go!(file.write("!"))?;
        go!(file.seek(SeekFrom::Start(0)))?;
        same!(go!(file.read_to_end())?, b"012345ab89\0\0!"[..]);
        go!(file.commit())?;
        same!(go!(t.get("file"))?, b"012345ab89\0\0!"[..]);
    }

    fn a_big_file_is_written_in_pieces(t) needs [Write, WriteHandles] {
        let data = pattern(BIG);
        let mut file = go!(t.open("big", Mode::Write))?;
        for piece in data.chunks(1_000_003) {
            go!(file.write(piece))?;
        }
        go!(file.commit())?;
        same!(go!(t.get("big"))?, data);
    }

    fn a_big_file_is_changed_in_the_middle(t) needs [Write, WriteHandles, UpdateHandles] {
        for publish in publishes(t.caps()) {
            let mut data = pattern(BIG);
            go!(t.put("big", &data))?;
            let file = go!(t.open("big", OpenOptions::from(Mode::Update).publish(*publish)))?;
            go!(file.write_at(4_000_000, "middle"))?;
            go!(file.write_at(BIG as u64 - 2, "end"))?;
            go!(file.commit())?;
            data[4_000_000..4_000_006].copy_from_slice(b"middle");
            data.truncate(BIG - 2);
            data.extend_from_slice(b"end");
            same!(go!(t.get("big"))?, data, "{publish:?}");
        }
    }

    fn open_makes_what_is_missing_above(t) needs [Write, WriteHandles] {
        for publish in publishes(t.caps()) {
            let path = format!("{publish:?}/a/b/file");
            let file = go!(t.open(&path, OpenOptions::from(Mode::Write).publish(*publish)))?;
            go!(file.write_at(0, "x"))?;
            go!(file.commit())?;
            same!(go!(t.get(&path))?, "x");
        }
    }

    fn open_can_require_the_parent(t) needs [Write, WriteHandles, UpdateHandles, IfAbsent, Directories] {
        for publish in publishes(t.caps()) {
            for mode in WRITING {
                let options = OpenOptions::from(mode).publish(*publish).parents(Parents::Require);
                refused!(t, go!(t.open("a/b/file", &options)), NotFound, "{mode:?} {publish:?}");
            }
        }
        same!(go!(t.tree())?, [""; 0]);
    }

    fn a_directory_is_not_opened(t) needs [Write, WriteHandles, UpdateHandles, IfAbsent, Directories] {
        go!(t.put("d/file", b"x"))?;
        for publish in publishes(t.caps()) {
            for mode in WRITING {
                for path in [t.at("d"), String::new()] {
                    let result = go!(t.fs.open(&path, OpenOptions::from(mode).publish(*publish)));
                    if mode == Mode::Create {
                        refused!(t, result, AlreadyExists, "{mode:?} {publish:?} '{path}'");
                    } else {
                        refused!(t, result, IsADirectory, "{mode:?} {publish:?} '{path}'");
                    }
                }
            }
        }
        same!(go!(t.tree())?, ["d/", "d/file"]);
    }

    fn nothing_is_opened_below_a_file(t) needs [Write, WriteHandles, UpdateHandles, IfAbsent, Directories] {
        go!(t.put("file", b"x"))?;
        for publish in publishes(t.caps()) {
            for mode in WRITING {
                let result = go!(t.open("file/below", OpenOptions::from(mode).publish(*publish)));
                refused!(t, result, NotADirectory, "{mode:?} {publish:?}");
            }
        }
        same!(go!(t.tree())?, ["file"]);
    }

    fn in_place_shows_at_once(t) needs [Write, WriteHandles, UpdateHandles, IfAbsent, InPlace] {
        go!(t.put("file", b"old"))?;
        let in_place = |mode| OpenOptions::from(mode).publish(Publish::InPlace);
        let file = go!(t.open("file", in_place(Mode::Append)))?;
        go!(file.write_at(0, " one"))?;
        same!(go!(t.get("file"))?, "old one");
        go!(file.write_at(0, " two"))?;
        same!(go!(t.get("file"))?, "old one two");
        same!(go!(t.fs.stat(t.at("file")))?.len, 11);
        drop(file);
        same!(go!(t.get("file"))?, "old one two", "after a drop");
        let file = go!(t.open("file", in_place(Mode::Write)))?;
        same!(go!(t.get("file"))?, "", "wb empties the file at open");
        go!(file.write_at(2, "x"))?;
        same!(go!(t.get("file"))?, b"\0\0x"[..]);
        go!(file.abort())?;
        same!(go!(t.get("file"))?, b"\0\0x"[..], "after abort");
        let file = go!(t.open("file", in_place(Mode::Update)))?;
        go!(file.set_len(1))?;
        same!(go!(t.get("file"))?, b"\0"[..]);
        go!(file.commit())?;
        let file = go!(t.open("new", in_place(Mode::Create)))?;
        ensure!(go!(t.exists("new"))?, "xb in place makes the file at open");
        go!(file.commit())?;
        same!(go!(t.tree())?, ["file", "new"]);
    }

    fn in_place_changes_the_version(t) needs [Write, WriteHandles, UpdateHandles, InPlace, IfVersion] {
        go!(t.put("file", b"old"))?;
        let before = go!(t.version("file"))?;
        let file = go!(t.open("file", OpenOptions::from(Mode::Update).publish(Publish::InPlace)))?;
        go!(file.write_at(0, "new"))?;
        go!(file.commit())?;
        ensure!(go!(t.version("file"))? != before, "the version is that of the old content");
    }
}
