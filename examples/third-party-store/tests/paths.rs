//! A path I/O of one's own, around those of twinfs.

use third_party_store::{CountedPaths, Greetings, Traffic};
use twinfs::adapters::OffThread;
use twinfs::pathio::{MkdirOptions, Nursery, PathIo, PathIoOptions};
use twinfs::{Error, Fs, Mode};

#[test]
fn a_wrapper_sees_what_goes_through_open_files() {
    let run = async {
        let traffic = Traffic::default();
        let io = CountedPaths::new(Nursery::memory().path_io(&PathIoOptions::default()), traffic.clone());
        io.mkdir("home", &MkdirOptions::default()).await?;
        let mut file = io.open("home/a.txt", Mode::Write).await?;
        file.write("hello").await?;
        file.close().await?;
        let mut file = io.open("home/a.txt", Mode::Read).await?;
        assert_eq!(file.read_to_end().await?, "hello");
        file.close().await?;
        assert_eq!((traffic.calls(), traffic.bytes_written(), traffic.bytes_read()), (7, 5, 5));
        Ok::<(), Error>(())
    };
    smol::block_on(run).expect("memory does it all");
}

#[test]
fn a_store_of_ones_own_is_one_too() {
    let run = async {
        let fs = Fs::new(OffThread::new(std::sync::Arc::new(Greetings::new(["en", "de"])?)));
        let io = CountedPaths::new(fs, Traffic::default());
        let names = io.list("").collect_all().await?;
        assert_eq!(names.iter().map(twinfs::FsPath::as_str).collect::<Vec<_>>(), ["de.txt", "en.txt"]);
        assert_eq!(io.open("en.txt", Mode::Read).await?.read(4).await?, "hell");
        assert!(io.open("en.txt", Mode::Write).await.is_err(), "it is read-only");
        Ok::<(), Error>(())
    };
    smol::block_on(run).expect("both languages are known");
}
