//! One file: what reading sees, what closing stores.

use std::io::SeekFrom;

use twinfs::ErrorKind;
use twinfs::filelike::Mode;

use super::{everywhere, kind};

everywhere! {
    fn what_was_written_is_stored_on_close(system, wait) {
        let mut file = wait!(system.open("a/b.bin", Mode::Write)).unwrap();
        wait!(file.write("hel")).unwrap();
        wait!(file.write("lo")).unwrap();
        assert!(!wait!(system.exists("a/b.bin")).unwrap());
        wait!(file.close()).unwrap();
        let mut file = wait!(system.open("a/b.bin", Mode::Read)).unwrap();
        assert_eq!(wait!(file.read_to_end()).unwrap(), "hello");
        assert_eq!(wait!(file.read(10)).unwrap(), "", "the end");
    }

    fn a_dropped_or_aborted_writer_stores_nothing(system, wait) {
        wait!(wait!(system.open("a", Mode::Write)).unwrap().close()).unwrap();
        for mode in [Mode::Write, Mode::Update] {
            let mut file = wait!(system.open("a", mode)).unwrap();
            wait!(file.write("new")).unwrap();
            drop(file);
            let mut file = wait!(system.open("a", mode)).unwrap();
            wait!(file.write("new")).unwrap();
            wait!(file.abort()).unwrap();
        }
        assert_eq!(wait!(system.stat("a")).unwrap().len, 0);
    }

    fn reading_honours_length_and_position(system, wait) {
        let content: Vec<u8> = (0..300_000_u32).map(|number| number.to_le_bytes()[0]).collect();
        for len in [10, 65_536, 65_537, 300_000] {
            let mut file = wait!(system.open("a", Mode::Write)).unwrap();
            wait!(file.write(&content[..len])).unwrap();
            wait!(file.close()).unwrap();
            let mut file = wait!(system.open("a", Mode::Read)).unwrap();
            assert_eq!((file.len(), file.remaining()), (len as u64, len as u64));
            assert_eq!(wait!(file.read(4)).unwrap(), &content[..4]);
            assert_eq!(file.seek(SeekFrom::End(-2)).unwrap(), len as u64 - 2);
            assert_eq!(wait!(file.read(usize::MAX)).unwrap(), &content[len - 2..len]);
            assert_eq!(file.seek(SeekFrom::Start(1)).unwrap(), 1);
            let mut buffer = vec![0; len];
            assert_eq!(wait!(file.read_into(&mut buffer)).unwrap(), len - 1);
            assert_eq!(buffer[..len - 1], content[1..len]);
            assert_eq!(file.tell(), len as u64);
            assert_eq!(kind(file.seek(SeekFrom::Current(-1_000_000))), Some(ErrorKind::InvalidInput));
        }
    }

    fn a_reader_keeps_what_it_was_opened_on(system, wait) {
        for len in [10, 100_000] {
            let old = "o".repeat(len);
            let mut file = wait!(system.open("a", Mode::Write)).unwrap();
            wait!(file.write(&*old)).unwrap();
            wait!(file.close()).unwrap();
            let mut reader = wait!(system.open("a", Mode::Read)).unwrap();
            let mut file = wait!(system.open("a", Mode::Write)).unwrap();
            wait!(file.write("new")).unwrap();
            wait!(file.close()).unwrap();
            assert_eq!(wait!(reader.read_to_end()).unwrap(), old);
        }
    }

    fn a_missing_file_is_found_out_at_the_first_read(system, wait) {
        for name in ["missing", "no/such/file"] {
            let mut file = wait!(system.open(name, Mode::Read)).unwrap();
            assert_eq!(kind(wait!(file.read(1))), Some(ErrorKind::NotFound));
            assert_eq!(kind(wait!(file.read_to_end())), Some(ErrorKind::NotFound));
            assert_eq!(kind(file.seek(SeekFrom::Start(0))), Some(ErrorKind::NotFound));
            wait!(file.close()).unwrap();
        }
        assert!(!wait!(system.fs().exists("no")).unwrap(), "nothing was made");
    }

    fn an_update_of_a_missing_file_makes_it_if_something_is_written(system, wait) {
        let mut file = wait!(system.open("deep/down/a", Mode::Update)).unwrap();
        assert_eq!(kind(wait!(file.read(1))), Some(ErrorKind::NotFound));
        wait!(file.close()).unwrap();
        assert!(!wait!(system.fs().exists("deep")).unwrap(), "not even a directory is left");
        let mut file = wait!(system.open("deep/down/a", Mode::Update)).unwrap();
        wait!(file.write("1")).unwrap();
        wait!(file.close()).unwrap();
        assert_eq!(wait!(system.stat("deep/down/a")).unwrap().len, 1);
    }

    fn an_update_without_seek_replaces_the_whole_content(system, wait) {
        for len in [20, 200_000] {
            let old = "o".repeat(len);
            let mut file = wait!(system.open("a", Mode::Write)).unwrap();
            wait!(file.write(&*old)).unwrap();
            wait!(file.close()).unwrap();
            let mut file = wait!(system.open("a", Mode::Update)).unwrap();
            assert_eq!(wait!(file.read(2)).unwrap(), "oo");
            wait!(file.write("head:")).unwrap();
            assert_eq!(file.tell(), 5);
            // Reading goes on in what stood there.
            let rest = wait!(file.read_to_end()).unwrap();
            assert_eq!(rest.len(), len - 2);
            wait!(file.write(rest)).unwrap();
            wait!(file.close()).unwrap();
            let mut file = wait!(system.open("a", Mode::Read)).unwrap();
            assert_eq!(wait!(file.read_to_end()).unwrap(), format!("head:{}", "o".repeat(len - 2)));
        }
    }

    fn an_update_without_a_write_keeps_the_content(system, wait) {
        let mut file = wait!(system.open("a", Mode::Write)).unwrap();
        wait!(file.write("old")).unwrap();
        wait!(file.close()).unwrap();
        let mut file = wait!(system.open("a", Mode::Update)).unwrap();
        wait!(file.write("")).unwrap();
        file.seek(SeekFrom::Start(1)).unwrap();
        wait!(file.close()).unwrap();
        let mut file = wait!(system.open("a", Mode::Read)).unwrap();
        assert_eq!(wait!(file.read_to_end()).unwrap(), "old");
    }

    fn after_a_seek_an_update_changes_the_content_in_place(system, wait) {
        for len in [20, 700_000] {
            let mut expected = vec![b'o'; len];
            let mut file = wait!(system.open("a", Mode::Write)).unwrap();
            wait!(file.write(&expected)).unwrap();
            wait!(file.close()).unwrap();
            let mut file = wait!(system.open("a", Mode::Update)).unwrap();
            assert_eq!(file.seek(SeekFrom::Start(5)).unwrap(), 5);
            wait!(file.write("12345")).unwrap();
            assert_eq!(wait!(file.read(2)).unwrap(), "oo", "one position");
            assert_eq!(file.tell(), 12);
            file.seek(SeekFrom::Start(4)).unwrap();
            assert_eq!(wait!(file.read(3)).unwrap(), "o12", "what was written is read");
            file.seek(SeekFrom::End(2)).unwrap();
            wait!(file.write("end")).unwrap();
            assert_eq!(file.len(), len as u64 + 5);
            wait!(file.close()).unwrap();
            expected[5..10].copy_from_slice(b"12345");
            expected.extend_from_slice(b"\0\0end");
            let mut file = wait!(system.open("a", Mode::Read)).unwrap();
            assert_eq!(wait!(file.read_to_end()).unwrap(), expected);
        }
    }

    fn a_seek_after_a_write_is_one_in_the_new_content(system, wait) {
        for mode in [Mode::Write, Mode::Update] {
            let mut file = wait!(system.open("a", Mode::Write)).unwrap();
            wait!(file.write("the old content")).unwrap();
            wait!(file.close()).unwrap();
            let mut file = wait!(system.open("a", mode)).unwrap();
            wait!(file.write("hello world")).unwrap();
            assert_eq!(file.seek(SeekFrom::Current(-5)).unwrap(), 6);
            wait!(file.write("W")).unwrap();
            assert_eq!((file.tell(), file.len()), (7, 11));
            if mode == Mode::Update {
                assert_eq!(wait!(file.read_to_end()).unwrap(), "orld");
            }
            wait!(file.close()).unwrap();
            let mut file = wait!(system.open("a", Mode::Read)).unwrap();
            assert_eq!(wait!(file.read_to_end()).unwrap(), "hello World");
        }
    }

    fn modes_are_kept(system, wait) {
        wait!(wait!(system.open("a", Mode::Write)).unwrap().close()).unwrap();
        let mut file = wait!(system.open("a", Mode::Read)).unwrap();
        assert_eq!(kind(wait!(file.write("x"))), Some(ErrorKind::Unsupported));
        let mut file = wait!(system.open("a", Mode::Write)).unwrap();
        assert_eq!(kind(wait!(file.read(1))), Some(ErrorKind::Unsupported));
    }

    fn a_directory_is_no_file(system, wait) {
        wait!(wait!(system.open("a/b", Mode::Write)).unwrap().close()).unwrap();
        for mode in [Mode::Read, Mode::Update, Mode::Write] {
            assert_eq!(kind(wait!(system.open("a", mode))), Some(ErrorKind::IsADirectory), "{mode}");
        }
    }

    fn many_small_writes_take_the_place_of_one_large(system, wait) {
        let mut file = wait!(system.open("a", Mode::Write)).unwrap();
        for number in 0..200_000_u32 {
            wait!(file.write(&number.to_be_bytes())).unwrap();
        }
        wait!(file.write(vec![7; 600_000])).unwrap();
        wait!(file.write("end")).unwrap();
        wait!(file.close()).unwrap();
        let mut file = wait!(system.open("a", Mode::Read)).unwrap();
        let content = wait!(file.read_to_end()).unwrap();
        assert_eq!(content.len(), 800_000 + 600_000 + 3);
        let numbers = content[..800_000].chunks_exact(4);
        assert!(numbers.enumerate().all(|(number, bytes)| bytes == (number as u32).to_be_bytes()));
        assert_eq!(content[1_399_999..], b"\x07end"[..]);
    }
}
