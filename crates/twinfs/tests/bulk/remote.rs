//! A store that is slow, fails where it is told to, and gains nothing from bulk verbs: what a
//! network store looks like to the bulk transfers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use twinfs::adapters::{OffThread, Park, Ready};
use twinfs::layers::{Around, Call, Layered};
use twinfs::stores::memory::MemoryStore;
use twinfs::{
    BlockingFile, BlockingLister, BlockingStore, Capabilities, CreateDirOptions, Data, ErrorKind, Fs, FsPath,
    ListOptions, Metadata, MoveOptions, OpenOptions, Operation, ReadOptions, RemoveOptions, Result,
    StageOptions, Staged, StagedId, StatOptions, WriteItem, WriteOptions, blocking,
};

/// A memory store without its fast bulk verbs and without a copy of its own.
pub(crate) struct Plain {
    memory: MemoryStore,
    capabilities: Capabilities,
}

impl Plain {
    pub(crate) fn new(memory: MemoryStore) -> Self {
        Self { memory, capabilities: Capabilities { bulk: false, ..Capabilities::all() } }
    }
}

impl BlockingStore for Plain {
    fn scheme(&self) -> &'static str {
        "plain"
    }
    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }
    fn stat(&self, path: &FsPath, options: &StatOptions) -> Result<Metadata> {
        self.memory.stat(path, options)
    }
    fn read(&self, path: &FsPath, options: &ReadOptions) -> Result<Bytes> {
        self.memory.read(path, options)
    }
    fn read_many(&self, _: &[FsPath], _: &ReadOptions) -> Result<Vec<Result<Bytes>>> {
        panic!("read_many of a store that does not declare it as fast")
    }
    fn write(&self, path: &FsPath, data: &Data<'_>, options: &WriteOptions) -> Result<Metadata> {
        self.memory.write(path, data, options)
    }
    fn write_many(&self, _: &[WriteItem<'_>], _: &WriteOptions) -> Result<Vec<Result<Metadata>>> {
        panic!("write_many of a store that does not declare it as fast")
    }
    fn open(&self, path: &FsPath, options: &OpenOptions) -> Result<Box<dyn BlockingFile>> {
        self.memory.open(path, options)
    }
    fn list(&self, path: &FsPath, options: &ListOptions) -> Result<Box<dyn BlockingLister>> {
        self.memory.list(path, options)
    }
    fn create_dir(&self, path: &FsPath, options: &CreateDirOptions) -> Result<()> {
        self.memory.create_dir(path, options)
    }
    fn remove(&self, path: &FsPath, options: &RemoveOptions) -> Result<()> {
        self.memory.remove(path, options)
    }
    fn remove_dir(&self, path: &FsPath, options: &RemoveOptions) -> Result<()> {
        self.memory.remove_dir(path, options)
    }
    fn remove_all(&self, path: &FsPath, options: &RemoveOptions) -> Result<()> {
        self.memory.remove_all(path, options)
    }
    fn rename(&self, from: &FsPath, to: &FsPath, options: &MoveOptions) -> Result<()> {
        self.memory.rename(from, to, options)
    }
    fn copy(&self, _: &FsPath, _: &FsPath, _: &MoveOptions) -> Result<Metadata> {
        Err(ErrorKind::Unsupported.into())
    }
    fn stage(&self, options: &StageOptions) -> Result<StagedId> {
        self.memory.stage(options)
    }
    fn reopen(&self, id: &StagedId) -> Result<Box<dyn BlockingFile>> {
        self.memory.reopen(id)
    }
    fn publish(&self, id: &StagedId, path: &FsPath, options: &WriteOptions) -> Result<Metadata> {
        self.memory.publish(id, path, options)
    }
    fn discard(&self, id: &StagedId) -> Result<()> {
        self.memory.discard(id)
    }
    fn list_staged(&self) -> Result<Vec<Staged>> {
        self.memory.list_staged()
    }
}

/// Holds every operation for a moment and counts how many are held at once.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<Counts>);

#[derive(Default)]
struct Counts {
    now: AtomicUsize,
    most: AtomicUsize,
    finished: AtomicUsize,
    fail: Mutex<Option<(Operation, ErrorKind)>>,
}

impl Gate {
    /// The most operations that were in flight at once since the last call of this.
    pub(crate) fn most(&self) -> usize {
        self.0.most.swap(0, Ordering::SeqCst)
    }

    /// Operations that were not cancelled.
    pub(crate) fn finished(&self) -> usize {
        self.0.finished.load(Ordering::SeqCst)
    }

    /// Operations in flight now.
    pub(crate) fn now(&self) -> usize {
        self.0.now.load(Ordering::SeqCst)
    }

    /// From now on this verb fails.
    pub(crate) fn fail(&self, operation: Operation, kind: ErrorKind) {
        *self.0.fail.lock().unwrap() = Some((operation, kind));
    }
}

struct Inside<'a>(&'a Counts);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Around for Gate {
    async fn around<T: Send>(
        &self,
        call: Call,
        operation: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        let counts = &*self.0;
        let now = counts.now.fetch_add(1, Ordering::SeqCst) + 1;
        let _inside = Inside(counts);
        counts.most.fetch_max(now, Ordering::SeqCst);
        twinfs::seam::sleep(Duration::from_millis(2)).await?;
        let fail = *counts.fail.lock().unwrap();
        if let Some((verb, kind)) = fail
            && verb == call.operation
        {
            return Err(kind.into());
        }
        let result = operation.await;
        counts.finished.fetch_add(1, Ordering::SeqCst);
        result
    }
}

/// The slow store on the async face.
pub(crate) type Remote = Layered<OffThread<Plain>, Gate>;

/// A slow store over this memory, on both faces, and its gate.
pub(crate) fn remote(memory: &MemoryStore) -> (Fs<Remote>, blocking::Fs<Park<Remote>>, Gate) {
    let gate = Gate::default();
    let make = || Layered::new(OffThread::new(Arc::new(Plain::new(memory.clone()))), gate.clone());
    (Fs::new(make()), blocking::Fs::new(Park::new(Arc::new(make()))), gate.clone())
}

/// The memory itself, on both faces.
pub(crate) fn near(memory: &MemoryStore) -> (Fs<Ready<MemoryStore>>, blocking::Fs<Ready<MemoryStore>>) {
    let make = || Ready::new(Arc::new(memory.clone()));
    (Fs::new(make()), blocking::Fs::new(make()))
}
