//! A store in a fresh directory, and short names for what every test does.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use twinfs::stores::local::{LocalOptions, LocalStore};
use twinfs::{
    BlockingFile, BlockingStore, Data, Entry, ErrorKind, FsPath, ListOptions, Metadata, Mode, OpenOptions,
    ReadOptions, Result, StatOptions, WriteOptions,
};

/// The kinds of file systems every machine has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum On {
    Disk,
    Tmpfs,
}

pub(crate) struct Tree {
    pub(crate) store: LocalStore,
    pub(crate) dir: TempDir,
}

pub(crate) fn tree() -> Tree {
    tree_on(On::Disk, LocalOptions::default())
}

pub(crate) fn tree_on(on: On, options: LocalOptions) -> Tree {
    let dir = match on {
        On::Disk => TempDir::new_in(env!("CARGO_TARGET_TMPDIR")),
        On::Tmpfs => TempDir::new_in("/dev/shm"),
    }
    .unwrap();
    Tree { store: LocalStore::open(dir.path(), options).unwrap(), dir }
}

impl Tree {
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn disk_names(&self) -> Vec<String> {
        disk_names(self.dir.path())
    }
}

/// All names in a directory, hidden ones too.
pub(crate) fn disk_names(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

pub(crate) fn path(text: &str) -> FsPath {
    FsPath::new(text).unwrap()
}

pub(crate) fn write(store: &LocalStore, at: &str, data: &str) -> Result<Metadata> {
    store.write(&path(at), &Data::from(data), &WriteOptions::default())
}

pub(crate) fn read(store: &LocalStore, at: &str) -> Result<String> {
    let bytes = store.read(&path(at), &ReadOptions::default())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

pub(crate) fn stat(store: &LocalStore, at: &str) -> Result<Metadata> {
    store.stat(&path(at), &StatOptions { version: true })
}

pub(crate) fn open(store: &LocalStore, at: &str, mode: Mode) -> Result<Box<dyn BlockingFile>> {
    store.open(&path(at), &OpenOptions::from(mode))
}

pub(crate) fn put(file: &dyn BlockingFile, data: &str) {
    file.write_at(0, &Data::from(data)).unwrap();
}

pub(crate) fn held(file: &dyn BlockingFile) -> String {
    let bytes = file.read_bytes(0, 1 << 20).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The kind of an error; a success has none.
pub(crate) fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

pub(crate) fn list(store: &LocalStore, at: &str, options: &ListOptions) -> Result<Vec<Entry>> {
    list_by(store, at, options, 100)
}

pub(crate) fn list_by(
    store: &LocalStore,
    at: &str,
    options: &ListOptions,
    page: usize,
) -> Result<Vec<Entry>> {
    let mut lister = store.list(&path(at), options)?;
    let mut all = Vec::new();
    loop {
        let entries = lister.next_page(page)?;
        if entries.is_empty() {
            return Ok(all);
        }
        assert!(entries.len() <= page);
        all.extend(entries);
    }
}

pub(crate) fn listed(store: &LocalStore, at: &str) -> Vec<String> {
    let entries = list(store, at, &ListOptions::default()).unwrap();
    entries.iter().map(|entry| entry.path.as_str().to_owned()).collect()
}

/// Whether this process may mount and the like. Without it such a test says so and passes over it.
pub(crate) fn is_root() -> bool {
    // SAFETY: `geteuid` takes nothing and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        eprintln!("not root: this test cannot mount a file system and does nothing");
    }
    root
}

/// Gives up all privileges, where this process has them: what is forbidden is forbidden then. The
/// store's root is the current directory afterwards: what is above may be closed.
pub(crate) fn become_nobody(store: &LocalStore) {
    const NOBODY: u32 = 65534;
    std::env::set_current_dir(store.root()).unwrap();
    // SAFETY: plain system calls, in a process made for this.
    unsafe {
        if libc::geteuid() == 0 {
            assert_eq!(libc::setresgid(NOBODY, NOBODY, NOBODY), 0);
            assert_eq!(libc::setresuid(NOBODY, NOBODY, NOBODY), 0);
        }
    }
}

/// Lets everybody write to a directory.
pub(crate) fn open_to_all(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o777)).unwrap();
}

/// Makes a system call fail with this error number from now on, in this process.
pub(crate) fn deny(call: i64, errno: i32) {
    let statement = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call as u32),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | errno as u32),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: the filter lives through the call, which copies it; it only affects this thread and
    // those it starts, in a process made for this.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}
