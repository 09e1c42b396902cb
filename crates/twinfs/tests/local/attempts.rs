//! Answers without waiting: what is in the caches of the kernel, and nothing else.

use std::future::Future;
use std::os::fd::AsFd;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use rustix::fs::{Advice, CWD, FileType, Mode as Bits, fadvise, mknodat};
use twinfs::stores::local::{LocalOptions, LocalStore};
use twinfs::{BlockingStore, ByteRange, EntryKind, Mode, ReadOptions, StatOptions, Version, turn};

use crate::child::{Parent, Process};
use crate::support::{On, Tree, deny, open, path, read, tree, tree_on, write};

fn try_read(store: &LocalStore, at: &str) -> Option<String> {
    let bytes = store.try_read(&path(at), &ReadOptions::default())?;
    Some(String::from_utf8(bytes.into()).unwrap())
}

fn try_kind(store: &LocalStore, at: &str) -> Option<EntryKind> {
    store.try_stat(&path(at), &StatOptions::default()).map(|found| found.kind)
}

/// What an attempt gives where it must give something. It may take more than one: the kernel gives a
/// cached lookup up where somebody renames anything meanwhile, be it elsewhere. On a busy machine ten in
/// a row are not enough; after 32 the store hardly asks any more.
fn hit<T>(attempt: impl Fn() -> Option<T>) -> Option<T> {
    (0..32).find_map(|tries| {
        std::thread::sleep(Duration::from_millis(2 * tries));
        attempt()
    })
}

fn hit_read(store: &LocalStore, at: &str) -> Option<String> {
    hit(|| try_read(store, at))
}

fn hit_kind(store: &LocalStore, at: &str) -> Option<EntryKind> {
    hit(|| try_kind(store, at))
}

/// Asks the kernel to take a file's bytes out of the page cache. It leaves those that somebody holds for
/// the moment, be it another processor's list of new pages: see [`misses`].
fn drop_from_cache(file: &Path) {
    let file = std::fs::File::open(file).unwrap();
    file.sync_all().unwrap();
    fadvise(file.as_fd(), 0, None, Advice::DontNeed).unwrap();
}

/// Whether an attempt on a file is left to the verb once the file's bytes are on the disk alone. Where
/// the kernel keeps them, and where it reads them while the attempt is being made, there is another.
fn misses<T>(file: &Path, attempt: impl Fn() -> Option<T>) -> bool {
    (0..50).any(|tries| {
        std::thread::sleep(Duration::from_millis(tries));
        drop_from_cache(file);
        attempt().is_none()
    })
}

#[test]
fn what_was_just_written_is_read_without_waiting() {
    let tree = tree();
    write(&tree.store, "some/where/a", "hello").unwrap();
    assert_eq!(hit_read(&tree.store, "some/where/a").as_deref(), Some("hello"));
    assert_eq!(hit_kind(&tree.store, "some/where/a"), Some(EntryKind::File));
    assert_eq!(hit_kind(&tree.store, "some/where"), Some(EntryKind::Directory));
    assert_eq!(hit_kind(&tree.store, ""), Some(EntryKind::Directory));
    write(&tree.store, "empty", "").unwrap();
    assert_eq!(hit_read(&tree.store, "empty").as_deref(), Some(""));
}

#[test]
fn an_attempt_says_what_the_verb_says() {
    for on in [On::Disk, On::Tmpfs] {
        let tree = tree_on(on, LocalOptions::default());
        write(&tree.store, "a", "0123456789").unwrap();
        let ranges = [
            ByteRange::Full,
            ByteRange::From(4),
            ByteRange::Bounded(2, 5),
            ByteRange::Suffix(3),
            ByteRange::From(99),
        ];
        for range in ranges {
            let options = ReadOptions { range, if_version: None };
            let said = tree.store.read(&path("a"), &options).unwrap();
            match hit(|| tree.store.try_read(&path("a"), &options)) {
                Some(attempted) => assert_eq!(attempted, said, "{range:?} on {on:?}"),
                // Reading tmpfs without waiting is something not every kernel can.
                None => assert!(matches!(on, On::Tmpfs), "{range:?}"),
            }
        }
        let options = StatOptions::default();
        let attempted = hit(|| tree.store.try_stat(&path("a"), &options)).unwrap();
        assert_eq!(attempted, tree.store.stat(&path("a"), &options).unwrap());
        // A version is an attribute, which may have to be read from the disk.
        assert!(tree.store.try_stat(&path("a"), &StatOptions { version: true }).is_none());
        let if_version = Some(Version::new("no such version"));
        assert!(tree.store.try_read(&path("a"), &ReadOptions { if_version, ..Default::default() }).is_none());
    }
}

#[test]
fn what_is_on_the_disk_alone_is_not_waited_for() {
    let tree = tree();
    for name in ["cold", "warm"] {
        write(&tree.store, name, &"x".repeat(5000)).unwrap();
    }
    assert!(misses(&tree.at("cold"), || try_read(&tree.store, "cold")));
    assert!(hit_read(&tree.store, "warm").is_some());
    // Its name and size are cached all the same.
    assert_eq!(hit_kind(&tree.store, "cold"), Some(EntryKind::File));
    assert_eq!(read(&tree.store, "cold").unwrap().len(), 5000);
    assert_eq!(hit_read(&tree.store, "cold").map(|text| text.len()), Some(5000));
}

#[test]
fn a_file_of_which_only_a_part_is_cached_is_not_cut_short() {
    let tree = tree();
    let len = 16 * 4096;
    write(&tree.store, "a", &"x".repeat(len)).unwrap();
    // An attempt that misses has the system read the rest, which may be there for the next one, on a
    // busy machine even for the same one: then it is all there.
    let whole_or_nothing = |name: &str, attempt: &dyn Fn() -> Option<usize>, whole: usize| {
        drop_from_cache(&tree.at("a"));
        let file = std::fs::File::open(tree.at("a")).unwrap();
        // So that reading the first page brings no more than that.
        fadvise(file.as_fd(), 0, None, Advice::Random).unwrap();
        rustix::io::pread(&file, &mut [0; 10], 0).unwrap();
        let answer = attempt();
        assert!(answer.is_none_or(|len| len == whole), "{name}: {answer:?}");
        answer.is_none()
    };
    let handle = open(&tree.store, "a", Mode::Read).unwrap();
    let in_whole = || try_read(&tree.store, "a").map(|text| text.len());
    let across_pages = || handle.try_read_at(4090, &mut [0; 10]);
    let all_pages = || handle.try_read_at(0, &mut vec![0; len]);
    let mut left_to_the_verb = [0; 3];
    for _ in 0..20 {
        left_to_the_verb[0] += usize::from(whole_or_nothing("in whole", &in_whole, len));
        left_to_the_verb[1] += usize::from(whole_or_nothing("across pages", &across_pages, 10));
        left_to_the_verb[2] += usize::from(whole_or_nothing("all pages", &all_pages, len));
        assert!(!whole_or_nothing("first page", &|| handle.try_read_at(0, &mut [0; 10]), 10));
    }
    assert!(left_to_the_verb.iter().all(|&count| count > 0), "{left_to_the_verb:?}");
}

#[test]
fn what_is_missing_or_no_file_is_left_to_the_verb() {
    let tree = tree();
    write(&tree.store, "dir/file", "x").unwrap();
    for name in ["missing", "dir/missing", "missing/file", "dir/file/below"] {
        assert_eq!(try_read(&tree.store, name), None, "{name}");
        assert_eq!(try_kind(&tree.store, name), None, "{name}");
    }
    assert_eq!(try_read(&tree.store, "dir"), None);
    assert_eq!(try_read(&tree.store, ""), None);
    mknodat(CWD, tree.at("pipe"), FileType::Fifo, Bits::RUSR | Bits::WUSR, 0).unwrap();
    assert_eq!(try_read(&tree.store, "pipe"), None);
    assert_eq!(hit_kind(&tree.store, "pipe"), Some(EntryKind::Other));
    // Nor is anything taken out of a pipe that has something.
    let mut both = std::fs::File::options().read(true).write(true).open(tree.at("pipe")).unwrap();
    std::io::Write::write_all(&mut both, b"kept").unwrap();
    assert_eq!(try_read(&tree.store, "pipe"), None);
    let mut kept = [0; 4];
    std::io::Read::read_exact(&mut both, &mut kept).unwrap();
    assert_eq!(&kept, b"kept");
}

#[test]
fn what_is_long_is_left_to_the_pool() {
    let tree = tree();
    write(&tree.store, "longest", &"x".repeat(turn::MAX_BYTES)).unwrap();
    write(&tree.store, "longer", &"x".repeat(turn::MAX_BYTES + 1)).unwrap();
    assert_eq!(hit_read(&tree.store, "longest").map(|text| text.len()), Some(turn::MAX_BYTES));
    assert_eq!(try_read(&tree.store, "longer"), None);
    let part = ReadOptions { range: ByteRange::Bounded(1, 3), if_version: None };
    assert_eq!(hit(|| tree.store.try_read(&path("longer"), &part)).unwrap(), "xx");
}

#[test]
fn links_lead_where_they_lead_every_verb() {
    let tree = tree();
    write(&tree.store, "real/file", "inside").unwrap();
    let outside = tree.dir.path().with_extension("outside");
    std::fs::write(&outside, "secret").unwrap();
    let up = format!("../{}", outside.file_name().unwrap().to_str().unwrap());
    for (target, link) in [
        ("real", "to-dir"),
        ("real/file", "to-file"),
        (up.as_str(), "up"),
        (outside.to_str().unwrap(), "absolute"),
        (tree.at("real/file").to_str().unwrap(), "absolute-inside"),
        ("/proc/self/root", "magic"),
        ("loop", "loop"),
        ("nowhere", "dangling"),
    ] {
        symlink(target, tree.at(link)).unwrap();
    }
    for name in ["to-dir/file", "to-file"] {
        assert_eq!(read(&tree.store, name).unwrap(), "inside");
        assert_eq!(hit_read(&tree.store, name).as_deref(), Some("inside"), "{name}");
        assert_eq!(hit_kind(&tree.store, name), Some(EntryKind::File), "{name}");
    }
    for name in ["up", "absolute", "absolute-inside", "magic", "magic/etc/passwd", "loop", "dangling"] {
        assert_eq!(try_read(&tree.store, name), None, "{name}");
        assert_eq!(try_kind(&tree.store, name), None, "{name}");
    }
    std::fs::remove_file(outside).unwrap();
}

#[test]
fn other_mounts_and_file_systems_are_left_to_the_pool() {
    let options = || LocalOptions { create: twinfs::stores::local::Create::Never, ..Default::default() };
    // devtmpfs with a tmpfs mounted in it, and a file system that asks other code about each read.
    let dev = LocalStore::open("/dev", options()).unwrap();
    assert_eq!(hit_kind(&dev, "null"), Some(EntryKind::Other));
    assert_eq!(try_read(&dev, "null"), None);
    assert_eq!(dev.stat(&path("shm"), &StatOptions::default()).unwrap().kind, EntryKind::Directory);
    assert_eq!(try_kind(&dev, "shm"), None);
    let proc = LocalStore::open("/proc", options()).unwrap();
    assert_eq!(try_kind(&proc, "version"), None);
    assert_eq!(try_read(&proc, "version"), None);
    assert!(read(&proc, "version").is_ok());
}

#[test]
fn an_open_file_answers_what_is_cached() {
    let tree = tree();
    let content: String = (0..3000).map(|number| format!("{number:05}")).collect();
    write(&tree.store, "a", &content).unwrap();
    let file = open(&tree.store, "a", Mode::Read).unwrap();
    let attempt = |offset: usize, len: usize| {
        let mut buf = vec![0; len];
        let count = file.try_read_at(offset as u64, &mut buf)?;
        buf.truncate(count);
        Some(buf)
    };
    let end = content.len();
    for (offset, len) in
        [(0, 10), (4090, 100), (7, 0), (end - 10, 10), (end - 10, 100), (end, 10), (end + 10, 10)]
    {
        let expected = &content.as_bytes()[offset.min(end)..(offset + len).min(end)];
        let read = hit(|| attempt(offset, len));
        assert_eq!(read.as_deref(), Some(expected), "{len} bytes at {offset}");
    }
    assert_eq!(hit(|| attempt(0, turn::MAX_BLOCK)).as_deref(), Some(content.as_bytes()));
    assert_eq!(attempt(0, turn::MAX_BLOCK + 1), None);
    assert_eq!(file.try_read_at(u64::MAX, &mut [0; 10]), None);
    assert_eq!(file.try_read_at(i64::MAX as u64 - 1, &mut [0; 10]), None);
    assert_eq!(hit(|| attempt(0, 5)).as_deref(), Some(&b"00000"[..]), "a wrong offset spoils nothing");
    assert!(misses(&tree.at("a"), || attempt(0, 10)));
    assert_eq!(file.read_bytes(0, 10).unwrap(), content.as_bytes()[..10]);
    assert!(hit(|| attempt(0, 10)).is_some());
    file.abort().unwrap();
    assert_eq!(attempt(0, 10), None, "closed");
}

/// Without `openat2`, or without `preadv2`, everything is as it was but slower.
pub(crate) fn attempts_denied(store: &LocalStore, _parent: &mut Parent) {
    deny(libc::SYS_preadv2, libc::ENOSYS);
    assert_eq!(try_read(store, "a"), None);
    assert_eq!(hit_kind(store, "a"), Some(EntryKind::File));
    assert_eq!(read(store, "a").unwrap(), "hello");
    let file = open(store, "a", Mode::Read).unwrap();
    assert_eq!(file.try_read_at(0, &mut [0; 5]), None);
    assert_eq!(file.read_bytes(0, 5).unwrap(), "hello");

    deny(libc::SYS_openat2, libc::EPERM);
    assert_eq!(try_kind(store, "a"), None, "forbidden while the store was open");
    let walking = LocalStore::open(store.root(), LocalOptions::default()).unwrap();
    assert!(!walking.is_confined_by_kernel());
    assert_eq!(try_kind(&walking, "a"), None);
    assert_eq!(try_read(&walking, "a"), None);
    assert_eq!(read(&walking, "a").unwrap(), "hello");
}

#[test]
fn a_sandbox_that_forbids_the_attempts_changes_no_answer() {
    let tree = tree();
    write(&tree.store, "a", "hello").unwrap();
    Process::start("attempts_denied", tree.store.root()).finish();
}

// The async face

/// Polls a future once, at the beginning of a turn.
fn first_poll<T>(future: impl Future<Output = T>) -> Option<T> {
    if let Some(over) = turn::over() {
        over.passed();
    }
    match pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

/// What a future gives that needs no second poll.
fn at_a_first_poll<T, F: Future<Output = T>>(begin: impl Fn() -> F) -> T {
    hit(|| first_poll(begin())).expect("none was ready at its first poll")
}

fn fs(tree: &Tree) -> twinfs::Fs {
    smol::block_on(twinfs::Fs::connect(tree.dir.path().to_str().unwrap())).unwrap()
}

#[test]
fn the_async_face_needs_no_hop_for_what_is_cached() {
    let tree = tree();
    for name in ["cold", "warm", "other"] {
        write(&tree.store, name, &"x".repeat(100)).unwrap();
    }
    let fs = fs(&tree);
    assert_eq!(at_a_first_poll(|| fs.read("warm")).unwrap().len(), 100);
    assert_eq!(at_a_first_poll(|| fs.stat("cold")).unwrap().len, 100);
    assert!(at_a_first_poll(|| fs.exists("warm")).unwrap());
    let pending = misses(&tree.at("cold"), || first_poll(fs.read("cold")));
    assert!(pending, "that waits for the disk, elsewhere");
    assert_eq!(smol::block_on(fs.read("cold")).unwrap().len(), 100);

    // Another file: a read that was dropped may still be under way on its worker.
    let handle = |name| smol::block_on(fs.open(name, Mode::Read)).unwrap();
    let (warm, cold) = (handle("warm"), handle("other"));
    assert_eq!(at_a_first_poll(|| warm.read_at(10, 20)).unwrap().len(), 20);
    assert_eq!(at_a_first_poll(async || warm.read_into_at(90, &mut [0; 20]).await).unwrap(), 10);
    assert!(misses(&tree.at("other"), || first_poll(cold.read_at(10, 20))));
    assert_eq!(smol::block_on(cold.read_into_at(90, &mut [0; 20])).unwrap(), 10);
}

/// Reads a cached file until a read is pending at its first poll, and finishes that one.
fn until_pending(fs: &twinfs::Fs) {
    for _ in 0..1_000_000 {
        let used_up = turn::over().is_some();
        let mut reading = pin!(fs.read("a"));
        if reading.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            assert_eq!(smol::block_on(reading).unwrap(), "hello");
            // Else the kernel gave a lookup up, and the turn goes on.
            if used_up {
                return;
            }
        }
    }
    panic!("a million reads in a row, and the executor never had its turn");
}

#[test]
fn cached_reads_in_a_row_let_the_executor_have_its_turn() {
    let tree = tree();
    write(&tree.store, "a", "hello").unwrap();
    let fs = fs(&tree);
    until_pending(&fs);
    assert!(turn::over().is_none(), "the next turn has begun");
    until_pending(&fs);
}
