//! Reading: whole files, ranges, handles, streams.

use std::io::SeekFrom;

use super::prelude::*;
use super::trial::{BIG, pattern};

/// Ranges of a file of 10 bytes and the part each means.
fn ranges() -> Vec<(ByteRange, std::ops::Range<usize>)> {
    use ByteRange::{Bounded, From, Full, Suffix};
    vec![
        (Full, 0..10),
        (From(0), 0..10),
        (From(3), 3..10),
        (From(9), 9..10),
        (From(10), 10..10),
        (From(11), 10..10),
        (From(u64::MAX), 10..10),
        (Bounded(0, 10), 0..10),
        (Bounded(0, 0), 0..0),
        (Bounded(0, 1), 0..1),
        (Bounded(2, 5), 2..5),
        (Bounded(5, 5), 5..5),
        (Bounded(7, 3), 7..7),
        (Bounded(9, 10), 9..10),
        (Bounded(5, 11), 5..10),
        (Bounded(5, u64::MAX), 5..10),
        (Bounded(10, 20), 10..10),
        (Bounded(20, 30), 10..10),
        (Bounded(u64::MAX, u64::MAX), 10..10),
        (Suffix(0), 10..10),
        (Suffix(1), 9..10),
        (Suffix(10), 0..10),
        (Suffix(11), 0..10),
        (Suffix(u64::MAX), 0..10),
    ]
}

trials! {
    fn read_gives_what_was_put(t) needs [Files] {
        for len in [0, 1, 255, 256, 4095, 4096, 65_537, 1_000_003] {
            let data = pattern(len);
            go!(t.put("file", &data))?;
            same!(go!(t.get("file"))?, data, "{len} bytes");
            let metadata = go!(t.fs.stat(t.at("file")))?;
            same!((metadata.kind, metadata.len), (EntryKind::File, len as u64));
        }
        let all: Vec<u8> = (0..=255).collect();
        go!(t.put("all bytes", &all))?;
        same!(go!(t.get("all bytes"))?, all);
    }

    fn read_range_clips(t) needs [Files] {
        go!(t.put("ten", b"0123456789"))?;
        go!(t.put("empty", b""))?;
        for (range, expected) in ranges() {
            same!(go!(t.fs.read_range(t.at("ten"), range))?, &b"0123456789"[expected], "{range:?}");
            same!(go!(t.fs.read_range(t.at("empty"), range))?, b""[..], "{range:?} of an empty file");
        }
    }

    fn an_attempt_answers_what_the_verb_answers_or_not(t) needs [Files] {
        go!(t.put("ten", b"0123456789"))?;
        for (range, expected) in ranges() {
            let attempted = t.fs.try_read(t.at("ten"), range);
            ensure!(attempted.is_none_or(|bytes| bytes == b"0123456789"[expected]), "{range:?}");
        }
        let found = go!(t.fs.stat(t.at("ten")))?;
        ensure!(t.fs.try_stat(t.at("ten")).is_none_or(|attempted| attempted.len == found.len), "another length");
        let file = go!(t.open("ten", Mode::Read))?;
        for (offset, len) in [(0, 10), (3, 4), (8, 10), (10, 1), (11, 1)] {
            let mut buf = [0; 10];
            let attempted = file.try_read_into_at(offset as u64, &mut buf[..len]);
            let expected = &b"0123456789"[offset.min(10)..(offset + len).min(10)];
            ensure!(attempted.is_none_or(|count| &buf[..count] == expected), "{len} bytes at {offset}");
        }
        ensure!(t.fs.try_read(t.at("nothing"), ..).is_none() && t.fs.try_stat(t.at("nothing")).is_none(), "nothing is there");
    }

    fn read_range_of_nothing_is_not_found(t) needs [Files] {
        go!(t.put("file", b"x"))?;
        for (range, _) in ranges() {
            refused!(t, go!(t.fs.read_range(t.at("nothing"), range)), NotFound);
        }
    }

    fn big_file_reads_the_same_every_way(t) needs [Files] {
        let data = pattern(BIG);
        go!(t.put("big", &data))?;
        same!(go!(t.get("big"))?, data);
        let mib = 1024 * 1024;
        for range in [mib - 1..mib + 1, 4 * mib..5 * mib + 3, BIG - 1..BIG, BIG - mib..BIG] {
            let bounds = range.start as u64..range.end as u64;
            same!(go!(t.fs.read_range(t.at("big"), bounds))?, &data[range.clone()], "{range:?}");
        }
        let file = go!(t.open("big", Mode::Read))?;
        same!(go!(file.read_at(mib as u64 - 3, 7))?, &data[mib - 3..mib + 4]);
        same!(go!(file.read_at(0, BIG + 10))?, data);
        for block in [64 * 1024, mib, BIG] {
            let mut chunks = go!(file.chunks(.., block))?;
            let mut at = 0;
            while let Some(chunk) = go!(chunks.next()) {
                let chunk = chunk?;
                ensure!(chunk.len() <= block && !chunk.is_empty(), "a chunk of {} bytes, asked for {block}", chunk.len());
                ensure!(data[at..].starts_with(&chunk), "blocks of {block}: other bytes at {at}");
                at += chunk.len();
            }
            same!(at, BIG, "blocks of {block}");
        }
    }

    fn chunks_take_ranges(t) needs [Files] {
        go!(t.put("ten", b"0123456789"))?;
        let file = go!(t.open("ten", Mode::Read))?;
        for (range, expected) in ranges() {
            let mut chunks = go!(file.chunks(range, 3))?;
            let mut found = Vec::new();
            while let Some(chunk) = go!(chunks.next()) {
                found.extend_from_slice(&chunk?);
            }
            same!(found, &b"0123456789"[expected], "{range:?}");
        }
    }

    fn nothing_is_not_found(t) needs [Files] {
        go!(t.put("d/file", b"x"))?;
        for name in ["nothing", "d/nothing", "nothing/below", "nothing/far/below", "fil", "d/fil", "d/file2"] {
            let path = t.at(name);
            refused!(t, go!(t.fs.stat(&path)), NotFound, "stat {name}");
            refused!(t, go!(t.fs.read(&path)), NotFound, "read {name}");
            refused!(t, go!(t.fs.open(&path, Mode::Read)), NotFound, "open {name}");
            refused!(t, go!(t.fs.list(&path)), NotFound, "list {name}");
            refused!(t, go!(t.fs.walk(&path)), NotFound, "walk {name}");
            refused!(t, go!(t.fs.disk_usage(&path)), NotFound, "disk_usage {name}");
            ensure!(!go!(t.fs.exists(&path))?, "exists {name}");
            ensure!(!go!(t.fs.is_file(&path))?, "is_file {name}");
            ensure!(!go!(t.fs.is_dir(&path))?, "is_dir {name}");
        }
    }

    fn below_a_file_is_not_a_directory(t) needs [Files, Directories] {
        go!(t.put("file", b"x"))?;
        for name in ["file/x", "file/x/y"] {
            let path = t.at(name);
            refused!(t, go!(t.fs.stat(&path)), NotADirectory, "stat {name}");
            refused!(t, go!(t.fs.read(&path)), NotADirectory, "read {name}");
            refused!(t, go!(t.fs.open(&path, Mode::Read)), NotADirectory, "open {name}");
            refused!(t, go!(t.fs.list(&path)), NotADirectory, "list {name}");
            ensure!(!go!(t.fs.exists(&path))?, "exists {name}");
            ensure!(!go!(t.fs.is_file(&path))?, "is_file {name}");
            ensure!(!go!(t.fs.is_dir(&path))?, "is_dir {name}");
        }
    }

    fn a_directory_is_no_file(t) needs [Files, Directories] {
        go!(t.put("d/file", b"x"))?;
        for path in [t.at("d"), t.dir().to_owned(), String::new()] {
            refused!(t, go!(t.fs.read(&path)), IsADirectory, "read '{path}'");
            refused!(t, go!(t.fs.read_range(&path, 0..1)), IsADirectory, "read_range '{path}'");
            refused!(t, go!(t.fs.open(&path, Mode::Read)), IsADirectory, "open '{path}'");
            let metadata = go!(t.fs.stat(&path))?;
            same!((metadata.kind, metadata.len), (EntryKind::Directory, 0), "'{path}'");
            ensure!(go!(t.fs.is_dir(&path))?, "is_dir '{path}'");
            ensure!(!go!(t.fs.is_file(&path))?, "is_file '{path}'");
            ensure!(go!(t.fs.exists(&path))?, "exists '{path}'");
        }
        ensure!(go!(t.fs.is_file(t.at("d/file")))?, "is_file");
        ensure!(!go!(t.fs.is_dir(t.at("d/file")))?, "is_dir of a file");
    }

    fn slashes_at_the_ends_do_not_matter(t) needs [Files] {
        go!(t.put("d/file", b"x"))?;
        for path in [format!("/{}", t.at("d/file")), format!("{}/", t.at("d/file")), format!("//{}//", t.at("d/file"))] {
            same!(go!(t.fs.read(&path))?, "x", "{path}");
        }
        same!(go!(t.fs.list(format!("/{}/", t.at("d"))))?.len(), 1);
    }

    fn a_reader_reads_anywhere(t) needs [Files] {
        go!(t.put("ten", b"0123456789"))?;
        let file = go!(t.open("ten", Mode::Read))?;
        same!(go!(file.len())?, 10);
        same!(go!(file.metadata())?.kind, EntryKind::File);
        for (offset, len, expected) in [
            (0, 10, "0123456789"), (0, 0, ""), (0, 3, "012"), (7, 3, "789"), (7, 4, "789"), (9, 100, "9"),
            (10, 1, ""), (11, 1, ""), (1 << 40, 5, ""),
        ] {
            same!(go!(file.read_at(offset, len))?, expected, "read_at {offset} {len}");
            let mut buf = vec![b'-'; len];
            let count = go!(file.read_into_at(offset, &mut buf))?;
            ensure!(count <= len && (count > 0 || expected.is_empty()), "read_into_at gave {count} of {len}");
            same!(&buf[..count], &expected.as_bytes()[..count], "read_into_at {offset} {len}");
        }
    }

    fn a_position_moves_with_reads_and_seeks(t) needs [Files] {
        go!(t.put("ten", b"0123456789"))?;
        let mut file = go!(t.open("ten", Mode::Read))?;
        same!(go!(file.read(3))?, "012");
        same!(file.position(), 3);
        same!(go!(file.read_at(8, 1))?, "8");
        same!(file.position(), 3, "a positional read moved it");
        same!(go!(file.read_to_end())?, "3456789");
        same!(go!(file.read(5))?, "");
        same!(file.position(), 10);
        for (to, expected, next) in [
            (SeekFrom::Start(4), 4, "4"), (SeekFrom::Current(2), 7, "7"), (SeekFrom::Current(-1), 7, "7"),
            (SeekFrom::End(-1), 9, "9"), (SeekFrom::End(-10), 0, "0"), (SeekFrom::End(0), 10, ""),
            (SeekFrom::End(5), 15, ""), (SeekFrom::Start(1 << 40), 1 << 40, ""),
        ] {
            same!(go!(file.seek(to))?, expected, "{to:?}");
            same!(go!(file.read(1))?, next, "after {to:?}");
        }
        go!(file.seek(SeekFrom::Start(2)))?;
        for to in [SeekFrom::Current(-3), SeekFrom::End(-11), SeekFrom::Current(i64::MIN)] {
            refused!(t, go!(file.seek(to)), InvalidInput, "{to:?}");
        }
        same!(go!(file.read(1))?, "2", "a refused seek moved the position");
        go!(file.seek(SeekFrom::Start(100)))?;
        same!(go!(file.read_to_end())?, "");
    }

    fn a_reader_does_not_write(t) needs [Files] {
        go!(t.put("file", b"old"))?;
        let mut file = go!(t.open("file", Mode::Read))?;
        refused!(t, go!(file.write_at(0, "x")), Unsupported, "write_at");
        refused!(t, go!(file.write("x")), Unsupported, "write");
        refused!(t, go!(file.set_len(0)), Unsupported, "set_len");
        same!(go!(t.get("file"))?, "old");
        same!(go!(file.read(3))?, "old");
    }

    fn a_closed_reader_is_closed(t) needs [Files] {
        go!(t.put("file", b"old"))?;
        for by_commit in [true, false] {
            let mut file = go!(t.open("file", Mode::Read))?;
            if by_commit {
                same!(go!(file.commit())?.len, 3);
            } else {
                go!(file.abort())?;
            }
            refused!(t, go!(file.read(1)), Closed, "read");
            refused!(t, go!(file.read_at(0, 1)), Closed, "read_at");
            refused!(t, go!(file.len()), Closed, "len");
            refused!(t, go!(file.metadata()), Closed, "metadata");
            refused!(t, go!(file.commit()), Closed, "commit");
            refused!(t, go!(file.chunks(.., 1)), Closed, "chunks");
            go!(file.abort())?;
        }
        same!(go!(t.get("file"))?, "old");
    }

    fn reading_takes_a_condition(t) needs [Write, IfVersion] {
        go!(t.put("file", b"old"))?;
        let version = go!(t.version("file"))?;
        let options = |version: &Version, range| ReadOptions { range, if_version: Some(version.clone()) };
        same!(go!(t.fs.read_with(t.at("file"), &options(&version, ByteRange::Full)))?, "old");
        same!(go!(t.fs.read_with(t.at("file"), &options(&version, ByteRange::Suffix(1))))?, "d");
        let open = OpenOptions::from(Mode::Read).condition(Condition::IfVersion(version.clone()));
        same!(go!(go!(t.open("file", open.clone()))?.read_at(0, 9))?, "old");
        go!(t.put("file", b"new"))?;
        refused!(t, go!(t.fs.read_with(t.at("file"), &options(&version, ByteRange::Full))), ConditionFailed);
        refused!(t, go!(t.open("file", open)), ConditionFailed);
        let nonsense = Version::new("no version of this store");
        refused!(t, go!(t.fs.read_with(t.at("file"), &options(&nonsense, ByteRange::Full))), ConditionFailed);
        refused!(t, go!(t.fs.read_with(t.at("nothing"), &options(&version, ByteRange::Full))), NotFound);
    }

    fn a_reader_sees_one_content(t) needs [Write] {
        let (old, new) = (pattern(100_000), vec![7; 50_000]);
        go!(t.put("file", &old))?;
        let file = go!(t.open("file", Mode::Read))?;
        same!(go!(file.read_at(0, 10))?, &old[..10]);
        go!(t.put("file", &new))?;
        // A store that cannot hold on to the old content must say so.
        match go!(file.read_at(0, 200_000)) {
            Ok(bytes) => same!(bytes, old),
            Err(error) => ensure!(
                matches!(error.kind(), ErrorKind::ConditionFailed | ErrorKind::WouldBlock | ErrorKind::NotFound),
                "{error}"
            ),
        }
        same!(go!(t.get("file"))?, new);
    }

    fn errors_say_where(t) needs [Files] {
        go!(t.put("file", b"x"))?;
        let path = t.at("nothing");
        let errors = [
            (go!(t.fs.stat(&path)).err(), crate::Operation::Stat),
            (go!(t.fs.read(&path)).err(), crate::Operation::Read),
            (go!(t.fs.open(&path, Mode::Read)).err(), crate::Operation::Open),
            (go!(t.fs.list(&path)).err(), crate::Operation::List),
        ];
        for (error, operation) in errors {
            let Some(error) = error else { return Err(Failure::wrong(format!("{operation} went through"))) };
            same!(error.operation(), Some(operation));
            same!(error.path(), Some(&*path), "{operation}");
            ensure!(error.store().is_some(), "{operation}: no store in {error:?}");
            ensure!(!error.is_retryable(), "{operation}: NotFound is no passing fault");
        }
    }
}
