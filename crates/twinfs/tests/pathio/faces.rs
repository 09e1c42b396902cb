//! What every path I/O does, over each store, on each face.

/// Emits the scenarios for one face, and a test of each over every store.
macro_rules! scenarios {
    ($wait:ident $run:ident) => {
        use std::io::SeekFrom;

        use twinfs::{ErrorKind, Existing, Mode, Parents, Publish};

        use crate::{Fresh, disk, kind, limited_disk, memory, plain_disk};

        macro_rules! scenario {
            ($name:ident |$nursery:ident| $body:block) => {
                mod $name {
                    use super::*;

                    fn over(fresh: Fresh) {
                        let $nursery = Nursery::new(fresh.store.clone());
                        $run!($body);
                    }

                    #[test]
                    fn over_memory() {
                        over(memory());
                    }

                    #[test]
                    fn over_local_disk() {
                        over(disk());
                    }

                    #[test]
                    fn over_local_disk_without_versions() {
                        over(plain_disk());
                    }

                    #[test]
                    fn over_a_store_with_a_timeout() {
                        over(limited_disk());
                    }
                }
            };
        }

        scenario!(
            a_question_about_nothing_is_answered_with_no | nursery | {
                let io = nursery.path_io(&PathIoOptions::default());
                assert!($wait!(io.exists("/"))? && $wait!(io.is_dir(""))? && !$wait!(io.is_file(""))?);
                $wait!(io.fs().write("file", "x"))?;
                assert!(
                    $wait!(io.exists("file"))? && $wait!(io.is_file("file"))? && !$wait!(io.is_dir("file"))?
                );
                // Below a file, and at what is no path, nothing is.
                for path in ["nothing", "file/below", "a/../b", "a\nb", ".twinfs-x", &"x".repeat(256)] {
                    assert!(!$wait!(io.exists(path))?, "{path:?}");
                    assert!(!$wait!(io.is_file(path))? && !$wait!(io.is_dir(path))?, "{path:?}");
                }
            }
        );

        scenario!(
            directories_are_made_and_removed_as_asked | nursery | {
                let io = nursery.path_io(&PathIoOptions::default());
                let plain = MkdirOptions::default();
                $wait!(io.mkdir("a", &plain))?;
                assert_eq!(kind($wait!(io.mkdir("a", &plain))), ErrorKind::AlreadyExists);
                assert_eq!(kind($wait!(io.mkdir("b/c", &plain))), ErrorKind::NotFound);
                $wait!(io.mkdir("b/c", &MkdirOptions::all()))?;
                $wait!(io.mkdir("b/c", &MkdirOptions::all()))?;
                let existing = MkdirOptions { parents: Parents::Require, existing: Existing::Keep };
                $wait!(io.mkdir("b", &existing))?;
                let parents = MkdirOptions { parents: Parents::Create, existing: Existing::Refuse };
                assert_eq!(kind($wait!(io.mkdir("b", &parents))), ErrorKind::AlreadyExists);

                $wait!(io.fs().write("file", ""))?;
                assert_eq!(kind($wait!(io.mkdir("file", &existing))), ErrorKind::AlreadyExists);
                assert_eq!(
                    kind($wait!(io.mkdir("file/below", &MkdirOptions::all()))),
                    ErrorKind::NotADirectory
                );

                assert_eq!(kind($wait!(io.rmdir("b"))), ErrorKind::NotEmpty);
                assert_eq!(kind($wait!(io.rmdir("/"))), ErrorKind::NotEmpty);
                assert_eq!(kind($wait!(io.rmdir("file"))), ErrorKind::NotADirectory);
                assert_eq!(kind($wait!(io.rmdir("nothing"))), ErrorKind::NotFound);
                assert_eq!(kind($wait!(io.unlink("b"))), ErrorKind::IsADirectory);
                assert_eq!(kind($wait!(io.unlink("nothing"))), ErrorKind::NotFound);
                $wait!(io.rmdir("b/c"))?;
                $wait!(io.rmdir("b"))?;
                $wait!(io.unlink("file"))?;
                assert_eq!(names(&$wait!(io.list("").collect_all())?), ["a"]);
            }
        );

        scenario!(
            a_listing_has_the_paths_of_a_directory_and_nothing_else | nursery | {
                let io = nursery.path_io(&PathIoOptions::default());
                for path in ["d/b", "d/a", "d/.hidden", "d/sub/below", "e"] {
                    $wait!(io.fs().write(path, ""))?;
                }
                assert_eq!(names(&$wait!(io.list("d").collect_all())?), ["d/.hidden", "d/a", "d/b", "d/sub"]);
                assert_eq!(names(&$wait!(io.list("/").collect_all())?), ["d", "e"]);
                for path in ["nothing", "e", "e/below", "a/../b"] {
                    assert!($wait!(io.list(path).collect_all())?.is_empty(), "{path}");
                }
            }
        );

        scenario!(
            what_is_written_in_place_is_seen_before_it_is_closed | nursery | {
                let io = nursery.path_io(&PathIoOptions::default());
                let mut file = $wait!(io.open("growing", Mode::Write))?;
                assert_eq!($wait!(io.stat("growing"))?.len, 0);
                assert_eq!($wait!(file.write("one"))?, 3);
                assert_eq!($wait!(io.stat("growing"))?.len, 3);
                // Who reads meanwhile sees it grow, and a second writer is not kept out.
                let mut reader = $wait!(io.open("growing", Mode::Read))?;
                assert_eq!($wait!(reader.read(10))?, "one");
                assert!($wait!(reader.read(10))?.is_empty());
                $wait!(file.write("two"))?;
                assert_eq!($wait!(reader.read(10))?, "two");
                let mut second = $wait!(io.open("growing", Mode::Append))?;
                $wait!(second.write("three"))?;
                assert_eq!($wait!(reader.read_to_end())?, "three");
                for open in [&mut file, &mut second, &mut reader] {
                    $wait!(open.close())?;
                    $wait!(open.close())?;
                }
                assert_eq!(kind($wait!(reader.read(1))), ErrorKind::Closed);
                assert_eq!($wait!(io.fs().read("growing"))?, "onetwothree");
            }
        );

        scenario!(
            a_transfer_that_broke_off_goes_on_where_it_ended | nursery | {
                let io = nursery.path_io(&PathIoOptions::default());
                let mut first = $wait!(io.open("upload", Mode::Write))?;
                $wait!(first.write("0123456"))?;
                drop(first);
                let end = $wait!(io.stat("upload"))?.len;
                assert_eq!(end, 7, "what came before it broke off is there");
                let mut rest = $wait!(io.open("upload", Mode::Update))?;
                assert_eq!($wait!(rest.seek(SeekFrom::Start(end)))?, 7);
                $wait!(rest.write("789"))?;
                // Past the end: what lies between is zeros.
                $wait!(rest.seek(SeekFrom::End(2)))?;
                $wait!(rest.write("x"))?;
                $wait!(rest.close())?;
                assert_eq!($wait!(io.fs().read("upload"))?, &b"0123456789\0\0x"[..]);
            }
        );

        scenario!(
            an_atomic_file_appears_whole_or_not_at_all | nursery | {
                let io = nursery.path_io(&PathIoOptions::default().publish(Publish::Staged));
                let mut file = $wait!(io.open("whole", Mode::Write))?;
                $wait!(file.write("all of it"))?;
                assert!(!$wait!(io.exists("whole"))?);
                assert_eq!(kind($wait!(io.open("whole", Mode::Write))), ErrorKind::WouldBlock);
                $wait!(file.close())?;
                assert_eq!($wait!(io.fs().read("whole"))?, "all of it");

                let mut dropped = $wait!(io.open("whole", Mode::Write))?;
                $wait!(dropped.write("a part"))?;
                drop(dropped);
                let mut aborted = $wait!(io.open_file("whole", Mode::Append))?;
                $wait!(io.write(&mut aborted, "a part"))?;
                $wait!(aborted.abort())?;
                $wait!(io.close(&mut aborted))?;
                assert_eq!($wait!(io.fs().read("whole"))?, "all of it");
                assert_eq!(names(&$wait!(io.list("").collect_all())?), ["whole"]);
            }
        );

        scenario!(
            each_mode_opens_as_it_says | nursery | {
                let io = nursery.path_io(&PathIoOptions::default());
                for mode in [Mode::Read, Mode::Update] {
                    assert_eq!(kind($wait!(io.open("file", mode))), ErrorKind::NotFound, "{mode:?}");
                }
                for mode in [Mode::Write, Mode::Append, Mode::Overwrite, Mode::Create] {
                    assert_eq!(kind($wait!(io.open("no/dir", mode))), ErrorKind::NotFound, "{mode:?}");
                    assert_eq!(kind($wait!(io.open("", mode))), directory(mode), "{mode:?}");
                }
                let mut file = $wait!(io.open("file", Mode::Create))?;
                $wait!(file.write("12345"))?;
                $wait!(file.close())?;
                assert_eq!(kind($wait!(io.open("file", Mode::Create))), ErrorKind::AlreadyExists);
                assert_eq!(kind($wait!(io.open("file/below", Mode::Write))), ErrorKind::NotADirectory);

                let mut file = $wait!(io.open("file", Mode::Append))?;
                assert_eq!(kind($wait!(file.read(1))), ErrorKind::Unsupported);
                $wait!(file.seek(SeekFrom::Start(0)))?;
                $wait!(file.write("67"))?;
                $wait!(file.close())?;
                let mut file = $wait!(io.open("file", Mode::Update))?;
                assert_eq!($wait!(file.read(1))?, "1");
                $wait!(file.write("un"))?;
                assert_eq!($wait!(file.read_to_end())?, "4567");
                $wait!(file.close())?;
                let mut file = $wait!(io.open("file", Mode::Read))?;
                assert_eq!(kind($wait!(file.write("x"))), ErrorKind::Unsupported);
                assert_eq!($wait!(file.read_to_end())?, "1un4567");
                let mut file = $wait!(io.open("file", Mode::Overwrite))?;
                $wait!(file.write("new"))?;
                $wait!(file.seek(SeekFrom::Start(1)))?;
                assert_eq!($wait!(file.read(10))?, "ew");
                $wait!(file.close())?;
                let mut file = $wait!(io.open("file", Mode::Write))?;
                $wait!(file.close())?;
                assert_eq!($wait!(io.stat("file"))?.len, 0);
            }
        );

        scenario!(
            a_reader_gives_the_bytes_in_order_whatever_the_sizes | nursery | {
                let io = nursery.path_io(&PathIoOptions::default());
                // Longer than the longest block read ahead, and no multiple of anything.
                let content: Vec<u8> = (0..700_001_u32).map(|n| (n % 251) as u8).collect();
                $wait!(io.fs().write("large", &content))?;
                for sizes in
                    [&[1_usize, 7, 8192, 3, 65_536, 1][..], &[300_000, 2, 100_000], &[8192], &[usize::MAX]]
                {
                    let mut file = $wait!(io.open("large", Mode::Read))?;
                    let (mut read, mut turn) = (Vec::new(), sizes.iter().cycle());
                    loop {
                        let size = *turn.next().unwrap();
                        let block = $wait!(file.read(size))?;
                        if block.is_empty() {
                            break;
                        }
                        let rest = content.len() - read.len();
                        assert_eq!(block.len(), size.min(rest), "a block is short only at the end");
                        read.extend_from_slice(&block);
                    }
                    assert!(read == content, "{sizes:?}");
                }
                let mut file = $wait!(io.open("large", Mode::Read))?;
                $wait!(file.read(10))?;
                assert_eq!($wait!(file.seek(SeekFrom::Current(90)))?, 100, "from where the caller is");
                assert_eq!($wait!(file.read(5))?, content[100..105]);
                assert_eq!($wait!(file.seek(SeekFrom::End(-1)))?, 700_000);
                assert_eq!($wait!(file.read(5))?, content[700_000..]);
                assert_eq!(kind($wait!(file.seek(SeekFrom::Current(-800_000)))), ErrorKind::InvalidInput);
                $wait!(file.seek(SeekFrom::Start(699_000)))?;
                let mut blocks = file.blocks(400);
                let mut lengths = Vec::new();
                while let Some(block) = $wait!(blocks.next()) {
                    lengths.push(block?.len());
                }
                assert_eq!(lengths, [400, 400, 201]);
            }
        );

        scenario!(
            a_rename_gives_the_destination_and_makes_no_directories | nursery | {
                let io = nursery.path_io(&PathIoOptions::default());
                $wait!(io.fs().write("dir/file", "1"))?;
                $wait!(io.fs().write("other", "2"))?;
                assert_eq!($wait!(io.rename("dir/file", "moved"))?.as_str(), "moved");
                assert_eq!($wait!(io.rename("moved", "other"))?.as_str(), "other");
                assert_eq!($wait!(io.fs().read("other"))?, "1");
                assert_eq!(kind($wait!(io.rename("other", "no/dir"))), ErrorKind::NotFound);
                assert_eq!(kind($wait!(io.rename("nothing", "x"))), ErrorKind::NotFound);
                assert_eq!(kind($wait!(io.rename("dir", "dir/sub"))), ErrorKind::InvalidInput);
                for source in ["dir", ""] {
                    assert_eq!(
                        kind($wait!(io.rename(source, "dir/no/sub"))),
                        ErrorKind::NotFound,
                        "{source}"
                    );
                }
                $wait!(io.mkdir("empty", &MkdirOptions::default()))?;
                $wait!(io.rename("dir", "empty"))?;
                assert_eq!(names(&$wait!(io.list("").collect_all())?), ["empty", "other"]);
            }
        );

        scenario!(
            those_of_one_nursery_see_each_other | nursery | {
                let (first, second) = (
                    nursery.path_io(&PathIoOptions::default()),
                    nursery.clone().path_io(&PathIoOptions::default().publish(Publish::Staged)),
                );
                $wait!(first.mkdir("shared", &MkdirOptions::default()))?;
                assert!($wait!(second.is_dir("shared"))?);
            }
        );
    };
}

fn names(paths: &[twinfs::FsPath]) -> Vec<&str> {
    paths.iter().map(twinfs::FsPath::as_str).collect()
}

/// What opening a directory in a mode that writes comes to.
fn directory(mode: twinfs::Mode) -> twinfs::ErrorKind {
    match mode {
        twinfs::Mode::Create => twinfs::ErrorKind::AlreadyExists,
        _ => twinfs::ErrorKind::IsADirectory,
    }
}

mod asynchronous {
    use twinfs::pathio::{MkdirOptions, Nursery, PathIo, PathIoOptions};

    use super::{directory, names};

    macro_rules! awaited {
        ($future:expr) => {
            $future.await
        };
    }

    macro_rules! on_an_executor {
        ($body:block) => {
            smol::block_on(async {
                $body
                Ok::<(), twinfs::Error>(())
            })
            .unwrap()
        };
    }

    scenarios!(awaited on_an_executor);
}

mod blocking {
    use twinfs::blocking::pathio::{MkdirOptions, Nursery, PathIo, PathIoOptions};

    use super::{directory, names};

    macro_rules! plain {
        ($value:expr) => {
            $value
        };
    }

    macro_rules! in_place {
        ($body:block) => {
            (|| {
                $body
                Ok::<(), twinfs::Error>(())
            })()
            .unwrap()
        };
    }

    scenarios!(plain in_place);
}
