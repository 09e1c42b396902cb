//! Of two writers of one file, one stores it; nothing is lost.

use std::thread;

use twinfs::ErrorKind;
use twinfs::filelike::Mode;

use super::{everywhere, kind};

everywhere! {
    fn of_two_writers_one_is_told_to_wait(system, wait) {
        for exists in [false, true] {
            for (first, second) in
                [(Mode::Write, Mode::Write), (Mode::Write, Mode::Update), (Mode::Update, Mode::Write), (Mode::Update, Mode::Update)]
            {
                wait!(system.rm("*")).unwrap();
                if exists {
                    wait!(wait!(system.open("new/a", Mode::Write)).unwrap().close()).unwrap();
                }
                let mut holder = wait!(system.open("new/a", first)).unwrap();
                assert_eq!(kind(wait!(system.open("new/a", second))), Some(ErrorKind::WouldBlock));
                wait!(holder.write("the holder's")).unwrap();
                assert_eq!(kind(wait!(system.open("new/a", second))), Some(ErrorKind::WouldBlock));
                wait!(holder.close()).unwrap();
                assert_eq!(wait!(system.stat("new/a")).unwrap().len, 12);
                wait!(wait!(system.open("new/a", second)).unwrap().abort()).unwrap();
            }
        }
    }

    fn a_write_from_elsewhere_makes_the_open_writer_lose(system, wait) {
        for mode in [Mode::Write, Mode::Update] {
            let mut file = wait!(system.open("a", mode)).unwrap();
            wait!(file.write("mine")).unwrap();
            wait!(system.fs().write("a", "theirs")).unwrap();
            assert_eq!(kind(wait!(file.close())), Some(ErrorKind::WouldBlock));
            assert_eq!(wait!(system.fs().read("a")).unwrap(), "theirs");
            wait!(system.rm("a")).unwrap();
        }
    }

    fn a_file_moved_or_removed_under_a_writer_is_not_lost(system, wait) {
        wait!(system.fs().write("a", "old")).unwrap();
        let mut file = wait!(system.open("a", Mode::Update)).unwrap();
        wait!(file.write("new")).unwrap();
        wait!(system.mv("a", "b")).unwrap();
        assert_eq!(kind(wait!(file.close())), Some(ErrorKind::WouldBlock));
        assert_eq!(wait!(system.ls("*")).unwrap(), ["b"]);
    }

    fn a_directory_that_others_use_by_now_stays(system, wait) {
        let first = wait!(system.open("new/a", Mode::Write)).unwrap();
        let second = wait!(system.open("new/b", Mode::Write)).unwrap();
        wait!(first.abort()).unwrap();
        wait!(second.close()).unwrap();
        assert_eq!(wait!(system.ls("*")).unwrap(), ["new/b"]);
    }
}

/// Adds one to a number in a file, `times` times, and again where another was faster.
macro_rules! count {
    ($system:expr, $times:expr, |$future:ident| $wait:expr) => {
        for _ in 0..$times {
            loop {
                let attempt = async {
                    let mut file = $system.open("new/n", Mode::Update).await?;
                    let now: u32 = match file.read_to_end().await {
                        Ok(bytes) => std::str::from_utf8(&bytes).unwrap().parse().unwrap(),
                        Err(error) if error.kind() == ErrorKind::NotFound => 0,
                        Err(error) => return Err(error),
                    };
                    file.write((now + 1).to_string()).await?;
                    file.close().await
                };
                let $future = attempt;
                match $wait {
                    Ok(()) => break,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
                thread::yield_now();
            }
        }
    };
}

#[test]
fn increments_of_twenty_threads_are_all_there() {
    let folder = tempfile::tempdir().unwrap();
    let template = format!("{}/{{}}", folder.path().display());
    let systems = [
        smol::block_on(twinfs::filelike::FileLikeSystem::on_disk(&template)).unwrap(),
        twinfs::filelike::FileLikeSystem::new(twinfs::Fs::memory()),
    ];
    for system in systems {
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| count!(system, 3, |attempt| smol::block_on(attempt)));
            }
        });
        let number = smol::block_on(system.fs().read("new/n")).unwrap();
        assert_eq!(number, "60");
    }
    assert_eq!(crate::tree(folder.path()), ["new/", "new/n"], "nothing but the data");
}
