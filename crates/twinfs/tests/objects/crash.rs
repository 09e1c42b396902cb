//! `kill -9` while objects are put: what is there is whole, and nothing else is.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use twinfs::blocking::objects::{Connector as _, FileConnector, FileKey};

use crate::{bytes, scratch};

const STORE_DIR: &str = "TWINFS_KILLED_DIR";
const LEN: &str = "TWINFS_KILLED_LEN";

/// Not a test of its own: puts objects until it is killed. Each is told by its first byte.
#[test]
fn child_that_is_killed() {
    let (Ok(store_dir), Ok(len)) = (std::env::var(STORE_DIR), std::env::var(LEN)) else { return };
    let len: usize = len.parse().unwrap();
    let connector = FileConnector::open(store_dir).unwrap();
    let objects: Vec<Vec<u8>> = (0..8).map(|seed| bytes(len, seed)).collect();
    let batch: Vec<twinfs::Data<'_>> = objects.iter().map(Into::into).collect();
    loop {
        connector.put(&objects[0]).unwrap();
        connector.set(&FileKey::new("again"), &objects[1]).unwrap();
        connector.put_batch(&batch).unwrap();
    }
}

fn start(store_dir: &Path, len: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_that_is_killed", "--nocapture", "--test-threads=1"])
        .env(STORE_DIR, store_dir)
        .env(LEN, len.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn an_object_under_way_at_kill_9_is_there_whole_or_not_at_all() {
    let kills = if std::env::var_os("TWINFS_SOAK").is_some() { 200 } else { 12 };
    let mut whole = 0;
    for kill in 0..kills {
        let scratch = scratch();
        let len = [100, 100_000, 3_000_000][kill % 3];
        let mut child = start(&scratch.store_dir, len);
        // Wait for the first object, or for a part of one: then the moment is as good as any.
        while !scratch.names().iter().any(|name| name.contains('/')) {
            assert!(child.try_wait().unwrap().is_none(), "the child ended early");
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_micros(997 * (kill as u64 % 13)));
        child.kill().unwrap();
        child.wait().unwrap();

        let expected: Vec<Vec<u8>> = (0..8).map(|seed| bytes(len, seed)).collect();
        let connector = FileConnector::open(&scratch.store_dir).unwrap();
        let names = scratch.names();
        let litter: Vec<&String> =
            names.iter().filter(|name| name.contains(".twinfs-") && *name != ".twinfs-lock").collect();
        assert!(litter.is_empty(), "{litter:?} after the next opening");
        for file in scratch.files() {
            let key = FileKey::new(file.file_stem().unwrap().to_str().unwrap());
            let object = connector.get(&key).unwrap().unwrap();
            assert!(expected.iter().any(|one| *one == object), "{key:?} is another");
            whole += 1;
        }
        connector.close().unwrap();
        assert!(!scratch.store_dir.exists());
    }
    assert!(whole > 0, "no kill came after an object");
    println!("FIGURE: kill -9 while objects are put: {kills} kills, {whole} objects whole, nothing else");
}
