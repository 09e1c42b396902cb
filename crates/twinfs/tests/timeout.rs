//! The operation timeout, on both faces, over a store that hangs until it is let go: a FIFO-like
//! wait inside a blocking store of the test's own, as a hung mount would.

#![cfg(test)]

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use twinfs::adapters::{OffThread, Park};
use twinfs::layers::Timeout;
use twinfs::stores::memory::MemoryStore;
use twinfs::{
    BlockingFile, BlockingLister, BlockingStore, Capabilities, CreateDirOptions, Data, ErrorKind, Fs, FsPath,
    ListOptions, Metadata, MoveOptions, OpenOptions, ReadOptions, RemoveOptions, Result, StageOptions,
    Staged, StagedId, StatOptions, WriteOptions,
};

/// Memory, but reading `stuck` waits until the gate opens.
struct Hanging {
    memory: MemoryStore,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

macro_rules! pass_on {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {$(
        fn $name(&self, $($arg: $ty),*) -> Result<$ret> {
            self.memory.$name($($arg),*)
        }
    )*};
}

impl BlockingStore for Hanging {
    fn scheme(&self) -> &'static str {
        "hanging"
    }

    fn capabilities(&self) -> &Capabilities {
        self.memory.capabilities()
    }

    fn read(&self, path: &FsPath, options: &ReadOptions) -> Result<Bytes> {
        if path.as_str() == "stuck" {
            let (open, opened) = &*self.gate;
            let _open = opened.wait_while(open.lock().unwrap(), |open| !*open).unwrap();
        }
        self.memory.read(path, options)
    }

    pass_on! {
        stat(path: &FsPath, options: &StatOptions) -> Metadata;
        write(path: &FsPath, data: &Data<'_>, options: &WriteOptions) -> Metadata;
        open(path: &FsPath, options: &OpenOptions) -> Box<dyn BlockingFile>;
        list(path: &FsPath, options: &ListOptions) -> Box<dyn BlockingLister>;
        create_dir(path: &FsPath, options: &CreateDirOptions) -> ();
        remove(path: &FsPath, options: &RemoveOptions) -> ();
        remove_dir(path: &FsPath, options: &RemoveOptions) -> ();
        remove_all(path: &FsPath, options: &RemoveOptions) -> ();
        rename(from: &FsPath, to: &FsPath, options: &MoveOptions) -> ();
        copy(from: &FsPath, to: &FsPath, options: &MoveOptions) -> Metadata;
        stage(options: &StageOptions) -> StagedId;
        reopen(id: &StagedId) -> Box<dyn BlockingFile>;
        publish(id: &StagedId, path: &FsPath, options: &WriteOptions) -> Metadata;
        discard(id: &StagedId) -> ();
        list_staged() -> Vec<Staged>;
    }
}

const LIMIT: Duration = Duration::from_millis(50);
/// What does not hang comes in time on the busiest machine, too.
const PATIENCE: Duration = Duration::from_secs(20);
/// More stuck calls than the pool has workers to begin with.
const STUCK: usize = 12;

type Limited = Timeout<OffThread<Hanging>>;

/// One store, once with the limit and once with patience.
fn hanging() -> (Limited, Limited, Arc<(Mutex<bool>, Condvar)>) {
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let store = Arc::new(Hanging { memory: MemoryStore::default(), gate: Arc::clone(&gate) });
    let limited = |limit| Timeout::limited(OffThread::new(Arc::clone(&store)), limit);
    (limited(LIMIT), limited(PATIENCE), gate)
}

fn let_go(gate: &(Mutex<bool>, Condvar)) {
    *gate.0.lock().unwrap() = true;
    gate.1.notify_all();
}

#[test]
fn the_async_face_gives_up_and_works_on() {
    let (hasty, patient, gate) = hanging();
    let (fs, patient) = (Fs::new(hasty), Fs::new(patient));
    smol::block_on(async {
        patient.write("fine", "1").await.unwrap();
        for _ in 0..STUCK {
            let error = fs.read("stuck").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
            assert!(error.is_retryable());
            assert!(error.to_string().contains("50ms"), "{error}");
            assert_eq!(patient.read("fine").await.unwrap(), "1");
        }
    });
    let_go(&gate);
}

#[test]
fn the_sync_face_gives_up_and_works_on() {
    let (hasty, patient, gate) = hanging();
    let [fs, patient] = [hasty, patient].map(|store| twinfs::blocking::Fs::new(Park::new(Arc::new(store))));
    patient.write("fine", "1").unwrap();
    for _ in 0..STUCK {
        assert_eq!(fs.read("stuck").unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(patient.read("fine").unwrap(), "1");
    }
    let_go(&gate);
}

#[test]
fn a_url_takes_a_timeout_and_refuses_nonsense() {
    let fs = twinfs::blocking::Fs::connect("memory://?timeout=2.5").unwrap();
    fs.write("a", "1").unwrap();
    assert_eq!(fs.read("a").unwrap(), "1");
    for bad in ["0", "-1", "soon", "nan", "1e99"] {
        let error = twinfs::blocking::Fs::connect(&format!("memory://?timeout={bad}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
        assert!(error.to_string().contains("timeout") && !error.to_string().contains(bad), "{error}");
    }
}
