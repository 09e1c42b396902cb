//! Life after `fork(2)` with writers open.

use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use twinfs::{BlockingFile, BlockingStore, Data, ErrorKind, Mode, OpenOptions, Publish};

use crate::support::{kind, open, path, put, read, tree, write};

/// Runs `body` in a forked child; its answer, and the child still alive until the pipe is dropped.
fn in_child(body: impl FnOnce() -> bool) -> (bool, std::fs::File, i32) {
    let pipe = || {
        let mut ends = [0; 2];
        // SAFETY: `pipe2` fills in two descriptors that are ours alone.
        unsafe {
            assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
            (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
        }
    };
    let ((answer_in, answer_out), (leave_in, leave_out)) = (pipe(), pipe());
    // SAFETY: the child only runs `body`, writes one byte, reads until end of file, and leaves
    // without running destructors.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(false);
        // SAFETY: plain system calls on descriptors that are open here.
        unsafe {
            libc::close(leave_out.as_raw_fd());
            libc::write(answer_out.as_raw_fd(), [u8::from(good)].as_ptr().cast(), 1);
            let mut byte = 0_u8;
            libc::read(leave_in.as_raw_fd(), (&raw mut byte).cast(), 1);
            libc::_exit(0);
        }
    }
    let mut answer = [0];
    std::fs::File::from(answer_in).read_exact(&mut answer).unwrap();
    (answer[0] == 1, leave_out.into(), pid)
}

fn wait_for(pid: i32) {
    // SAFETY: waits for a child of this process.
    assert_eq!(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) }, pid);
}

#[test]
fn an_inherited_writer_is_dead_in_the_child_and_alive_in_the_parent() {
    let tree = tree();
    let in_place = OpenOptions::from(Mode::Overwrite).publish(Publish::InPlace);
    let files =
        [open(&tree.store, "a", Mode::Overwrite).unwrap(), tree.store.open(&path("b"), &in_place).unwrap()];
    files.iter().for_each(|file| put(&**file, "before"));
    let names = tree.disk_names();
    let [first, second] = files;
    let (first, second) = (std::cell::Cell::new(Some(first)), std::cell::Cell::new(Some(second)));
    let child = |file: Box<dyn BlockingFile>| {
        let answers = [
            kind(file.read_at(0, &mut [0; 4])),
            kind(file.write_at(0, &Data::from("x"))),
            kind(file.len()),
            kind(file.metadata()),
            kind(file.set_len(0)),
            kind(file.flush()),
            kind(file.commit()),
        ];
        let aborted = file.abort();
        drop(file);
        aborted.is_ok() && answers.iter().all(|&answer| answer == Some(ErrorKind::Closed))
    };
    let (good, leave, pid) = in_child(|| {
        let all = [first.take().unwrap(), second.take().unwrap()].into_iter().map(child).collect::<Vec<_>>();
        all == [true, true] && read(&tree.store, "b").unwrap() == "before"
    });
    assert!(good);
    assert_eq!(tree.disk_names(), names, "the child removed nothing");
    assert_eq!(
        kind(open(&tree.store, "a", Mode::Write)),
        Some(ErrorKind::WouldBlock),
        "the lease is still held"
    );
    let (first, second) = (first.take().unwrap(), second.take().unwrap());
    put(&*first, "after!");
    first.commit().unwrap();
    second.commit().unwrap();
    assert_eq!(read(&tree.store, "a").unwrap(), "after!");
    drop(leave);
    wait_for(pid);
}

#[test]
fn a_lease_is_free_when_the_parent_is_done_though_the_child_lives() {
    let tree = tree();
    write(&tree.store, "a", "old").unwrap();
    let committed = open(&tree.store, "a", Mode::Append).unwrap();
    let aborted = open(&tree.store, "b", Mode::Append).unwrap();
    // The child holds copies of both descriptors, and so of both locks, until it leaves.
    let (good, leave, pid) = in_child(|| true);
    assert!(good);
    committed.commit().unwrap();
    aborted.abort().unwrap();
    open(&tree.store, "a", Mode::Write).unwrap().commit().unwrap();
    open(&tree.store, "b", Mode::Write).unwrap().commit().unwrap();
    drop(leave);
    wait_for(pid);
}

#[test]
fn a_child_works_with_the_store_by_itself() {
    let tree = tree();
    let (good, leave, pid) = in_child(|| {
        write(&tree.store, "from/the/child", "1").is_ok()
            && open(&tree.store, "x", Mode::Write).is_ok_and(|file| file.commit().is_ok())
    });
    assert!(good);
    assert_eq!(read(&tree.store, "from/the/child").unwrap(), "1");
    drop(leave);
    wait_for(pid);
}
