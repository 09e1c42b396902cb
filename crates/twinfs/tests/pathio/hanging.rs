//! A timeout ends what hangs. What hangs here is the kernel: to make a file, the store waits for the
//! lock of its directory, and somebody else holds that.

use std::fs::File;
use std::time::Duration;

use tempfile::TempDir;
use twinfs::pathio::{Nursery, PathIo, PathIoOptions};
use twinfs::{ErrorKind, Mode, blocking};

use crate::kind;

const LIMIT: Duration = Duration::from_millis(50);
/// More than the pool has workers to begin with.
const STUCK: usize = 8;

fn locked() -> (TempDir, File) {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::write(dir.path().join("there"), "x").unwrap();
    let lock = File::open(dir.path()).unwrap();
    lock.lock().unwrap();
    (dir, lock)
}

#[test]
fn a_hung_directory_fails_in_time_and_the_others_go_on() {
    let (dir, lock) = locked();
    smol::block_on(async {
        let nursery = Nursery::connect(dir.path().to_str().unwrap()).await?;
        let io = nursery.path_io(&PathIoOptions::default().timeout(LIMIT));
        for number in 0..STUCK {
            // Each a file of its own: what was given up is made after all once the lock is gone.
            let error = io.open(format!("stuck-{number}"), Mode::Write).await.expect_err("it hangs");
            assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        }
        let patient = nursery.path_io(&PathIoOptions::default());
        assert!(patient.is_file("there").await?);
        drop(lock);
        let mut file = patient.open("new", Mode::Write).await?;
        file.write("now").await?;
        file.close().await?;
        assert_eq!(patient.stat("new").await?.len, 3);
        Ok::<(), twinfs::Error>(())
    })
    .unwrap();
}

#[test]
fn a_hung_directory_fails_in_time_on_the_sync_face() {
    use twinfs::blocking::pathio::PathIo as _;
    let (dir, lock) = locked();
    let nursery = blocking::pathio::Nursery::connect(dir.path().to_str().unwrap()).unwrap();
    let io = nursery.path_io(&PathIoOptions::default().timeout(LIMIT));
    for number in 0..STUCK {
        assert_eq!(kind(io.open(format!("stuck-{number}"), Mode::Write)), ErrorKind::Timeout);
    }
    let patient = nursery.path_io(&PathIoOptions::default());
    assert!(patient.is_file("there").unwrap());
    drop(lock);
}
