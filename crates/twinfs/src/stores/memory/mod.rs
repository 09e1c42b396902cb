//! The memory store.
use bytes::Bytes;
use crate::error::Result;
use crate::path::FsPath;
use crate::store::*;
/// Options.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryOptions { /// limit
    pub max_bytes: Option<u64> }
/// A tree of files.
#[derive(Default)]
pub struct MemoryStore {}
impl MemoryStore {
    /// new
    pub fn new(_: MemoryOptions) -> Self { Self {} }
    /// named
    pub fn named(_: &str, _: MemoryOptions) -> Result<std::sync::Arc<Self>> { Ok(std::sync::Arc::new(Self {})) }
}
impl BlockingStore for MemoryStore {
    fn scheme(&self) -> &'static str { "memory" }
    fn capabilities(&self) -> &Capabilities { const ALL: Capabilities = Capabilities::all(); &ALL }
    fn stat(&self, path: &FsPath, options: &StatOptions) -> Result<Metadata> { todo!() }
    fn read(&self, path: &FsPath, options: &ReadOptions) -> Result<Bytes> { todo!() }
    fn write(&self, path: &FsPath, data: &Data<'_>, options: &WriteOptions) -> Result<Metadata> { todo!() }
    fn open(&self, path: &FsPath, options: &OpenOptions) -> Result<Box<dyn BlockingFile>> { todo!() }
    fn list(&self, path: &FsPath, options: &ListOptions) -> Result<Box<dyn BlockingLister>> { todo!() }
    fn create_dir(&self, path: &FsPath, options: &CreateDirOptions) -> Result<()> { todo!() }
    fn remove(&self, path: &FsPath, options: &RemoveOptions) -> Result<()> { todo!() }
    fn remove_dir(&self, path: &FsPath, options: &RemoveOptions) -> Result<()> { todo!() }
    fn remove_all(&self, path: &FsPath, options: &RemoveOptions) -> Result<()> { todo!() }
    fn rename(&self, from: &FsPath, to: &FsPath, options: &MoveOptions) -> Result<()> { todo!() }
    fn copy(&self, from: &FsPath, to: &FsPath, options: &MoveOptions) -> Result<Metadata> { todo!() }
    fn stage(&self, options: &StageOptions) -> Result<StagedId> { todo!() }
    fn reopen(&self, id: &StagedId) -> Result<Box<dyn BlockingFile>> { todo!() }
    fn publish(&self, id: &StagedId, path: &FsPath, options: &WriteOptions) -> Result<Metadata> { todo!() }
    fn discard(&self, id: &StagedId) -> Result<()> { todo!() }
    fn list_staged(&self) -> Result<Vec<Staged>> { todo!() }
}
