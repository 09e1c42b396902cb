//! The memory store after `fork(2)`: the child has a copy that works, whatever other threads did at
//! that moment, and no writer of its parent's.

#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test says what must hold by unwrapping")]

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use twinfs::stores::memory::{MemoryOptions, MemoryStore};
use twinfs::{AnyStore, ErrorKind, Mode, OpenOptions, Publish, Result, blocking};

/// Runs `body` in a forked child; whether it said yes within 20 s.
fn in_child(body: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs `body`, which needs no other thread, and leaves without destructors.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        // SAFETY: a child that hangs is ended by the signal; `_exit` runs nothing else.
        unsafe {
            libc::alarm(20);
            let good = std::panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or(false);
            libc::_exit(if good { 7 } else { 1 });
        }
    }
    let mut status = 0;
    // SAFETY: waits for a child of this process.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 7
}

fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

fn named(name: &str) -> blocking::Fs {
    let store = MemoryStore::named(name, MemoryOptions::default()).unwrap();
    blocking::Fs::new(AnyStore::Memory(store).into_sync())
}

#[test]
fn an_inherited_writer_is_closed_in_the_child_and_open_in_the_parent() {
    let fs = named("fork-writers");
    fs.write("file", "old").unwrap();
    let id = fs.stage(&Default::default()).unwrap();
    let in_place = OpenOptions::from(Mode::Append).publish(Publish::InPlace);
    let writers = [
        fs.open("file", Mode::Overwrite).unwrap(),
        fs.open("log", in_place).unwrap(),
        fs.reopen(&id).unwrap(),
    ];
    let reader = fs.open("file", Mode::Read).unwrap();
    let closed = Some(ErrorKind::Closed);
    assert!(in_child(|| {
        let all_closed = writers.iter().all(|writer| {
            let answers = [kind(writer.write_at(0, "child")), kind(writer.commit()), kind(writer.len())];
            answers == [closed; 3] && writer.abort().is_ok()
        });
        all_closed && reader.read_at(0, 9).unwrap() == "old" && fs.read("file").unwrap() == "old"
    }));
    let [file, log, upload] = &writers;
    file.write_at(0, "new").unwrap();
    file.commit().unwrap();
    log.write_at(0, "line").unwrap();
    upload.write_at(0, "upload").unwrap();
    fs.publish(&id, "published", &Default::default()).unwrap();
    for (path, content) in [("file", "new"), ("log", "line"), ("published", "upload")] {
        assert_eq!(fs.read(path).unwrap(), content);
    }
}

#[test]
fn the_child_has_a_copy_of_its_own() {
    let fs = named("fork-copy");
    fs.write("file", "parent").unwrap();
    assert!(in_child(|| {
        fs.write("file", "child").unwrap();
        named("fork-copy").read("file").unwrap() == "child" && fs.open("file", Mode::Append).is_ok()
    }));
    assert_eq!(fs.read("file").unwrap(), "parent");
}

#[test]
fn no_lock_is_held_across_a_fork() {
    let fs = named("fork-locks");
    fs.write("shared", "0").unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let busy: Vec<_> = (0..3)
        .map(|number| {
            let (fs, done) = (fs.clone(), Arc::clone(&done));
            thread::spawn(move || {
                let log = fs
                    .open(format!("log{number}"), OpenOptions::from(Mode::Append).publish(Publish::InPlace));
                let log = log.unwrap();
                while !done.load(Ordering::Relaxed) {
                    fs.write("shared", "1").unwrap();
                    fs.read("shared").unwrap();
                    log.write_at(0, "x").unwrap();
                    fs.open(format!("file{number}"), Mode::Write).unwrap().commit().unwrap();
                    fs.list("").unwrap();
                    named("fork-locks").exists("shared").unwrap();
                }
            })
        })
        .collect();
    let all_work = (0..100).all(|_| {
        in_child(|| {
            fs.write("shared", "child").unwrap();
            fs.list("").unwrap();
            named("fork-locks").read("shared").unwrap() == "child"
        })
    });
    done.store(true, Ordering::Relaxed);
    busy.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(all_work);
}
