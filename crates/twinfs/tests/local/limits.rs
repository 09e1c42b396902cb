//! Full disks and too few descriptors: clear errors, nothing published, everything given back.

use std::path::Path;

use tempfile::TempDir;
use twinfs::stores::local::{LocalOptions, LocalStore};
use twinfs::{BlockingStore, Data, ErrorKind, Mode, MoveOptions, OpenOptions, Publish, WriteOptions};

use crate::child::{Parent, Process};
use crate::support::{deny, disk_names, is_root, kind, open, path, read, tree, write};

/// A small file system of its own, unmounted when dropped.
pub(crate) struct Mounted(TempDir);

impl Mounted {
    pub(crate) fn new(dir: TempDir, size: &str) -> Self {
        mount(dir.path(), size);
        Self(dir)
    }

    pub(crate) fn of_kind(dir: TempDir, kind: &str) -> Self {
        let status = std::process::Command::new("mount").args(["-t", kind, kind]).arg(dir.path()).status();
        assert!(status.unwrap().success(), "mount {kind}");
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(self.0.path());
    }
}

pub(crate) fn mount(at: &Path, size: &str) {
    let options = format!("size={size}");
    let status =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at).status();
    assert!(status.unwrap().success(), "mount a tmpfs");
}

pub(crate) fn unmount(at: &Path) {
    assert!(std::process::Command::new("umount").arg(at).status().unwrap().success());
}

#[test]
fn a_full_disk_publishes_nothing_and_gives_its_space_back() {
    if !is_root() {
        return;
    }
    let mounted = Mounted::new(TempDir::new().unwrap(), "1m");
    let store = LocalStore::open(mounted.path(), LocalOptions::default()).unwrap();
    write(&store, "a", "old").unwrap();
    let much = vec![b'x'; 2 << 20];
    let large = Data::from(much.as_slice());
    let full = Some(ErrorKind::NoSpace);
    assert_eq!(kind(store.write(&path("a"), &large, &WriteOptions::default())), full);
    assert_eq!(disk_names(store.root()), ["a"]);

    let file = open(&store, "a", Mode::Append).unwrap();
    assert_eq!(kind(file.write_at(0, &large)), full);
    assert_eq!(kind(file.commit()), Some(ErrorKind::Io), "what is incomplete is not published");
    drop(file);
    assert_eq!(disk_names(store.root()), ["a"]);

    let id = store.stage(&Default::default()).unwrap();
    let upload = store.reopen(&id).unwrap();
    assert_eq!(kind(upload.write_at(0, &large)), full);
    drop(upload);
    store.discard(&id).unwrap();

    let most = Data::from(&much[..700 << 10]);
    store.write(&path("most"), &most, &WriteOptions::default()).unwrap();
    assert_eq!(kind(store.copy(&path("most"), &path("copy"), &MoveOptions::default())), full);
    assert_eq!(disk_names(store.root()), ["a", "most"]);
    assert_eq!(read(&store, "a").unwrap(), "old");
    let in_place = OpenOptions::from(Mode::Append).publish(Publish::InPlace);
    let log = store.open(&path("log"), &in_place).unwrap();
    assert_eq!(kind(log.write_at(0, &large)), full);
}

/// Uses up all descriptors, then asks for one more.
pub(crate) fn few_descriptors(store: &LocalStore, _parent: &mut Parent) {
    write(store, "a", "1").unwrap();
    let limit = libc::rlimit { rlim_cur: 64, rlim_max: 64 };
    // SAFETY: the limit lives through the call, in a process made for this.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }, 0);
    let mut open_files = Vec::new();
    let error = loop {
        match open(store, "a", Mode::Read) {
            Ok(file) => open_files.push(file),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("too many open files"), "{error}");
    assert!(error.is_retryable());
    assert_eq!(kind(write(store, "a", "2")), Some(ErrorKind::Io));
    assert_eq!(kind(store.list(&path(""), &Default::default())), Some(ErrorKind::Io));
    open_files.clear();
    write(store, "a", "3").unwrap();
    assert_eq!(disk_names(store.root()), ["a"]);
}

#[test]
fn too_few_descriptors_are_a_clear_error() {
    let tree = tree();
    Process::start("few_descriptors", tree.dir.path()).finish();
    assert_eq!(read(&tree.store, "a").unwrap(), "3");
}

/// Starts one worker, and is refused any other thread.
pub(crate) fn few_threads(_store: &LocalStore, _parent: &mut Parent) {
    use std::sync::mpsc::channel;
    use twinfs::{adapters, pool};
    let (go_on, wait) = channel::<()>();
    let (begun, is_begun) = channel();
    pool::submit(move || {
        begun.send(()).unwrap();
        wait.recv().unwrap();
    })
    .unwrap();
    is_begun.recv().unwrap();
    deny(libc::SYS_clone3, libc::EAGAIN);
    let (done, is_done) = channel();
    pool::submit(move || done.send(()).unwrap()).expect("one worker is there, and will do it");
    go_on.send(()).unwrap();
    is_done.recv().unwrap();
    assert_eq!(adapters::park_on(pool::run(|| Ok(7))).unwrap(), 7);
}

#[test]
fn work_waits_for_the_workers_there_are() {
    let tree = tree();
    Process::start("few_threads", tree.dir.path()).finish();
}
