//! The local store.
use bytes::Bytes;
use crate::error::Result;
use crate::path::FsPath;
use crate::store::*;
/// Options.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalOptions { /// d
 pub durability: Durability, /// v
 pub versions: Versions, /// c
 pub create: Create, pub file_mode: Option<u32>, pub dir_mode: Option<u32> }
/// v
#[derive(Clone, Copy, Debug, Default)]
pub enum Versions { #[default] /// k
 Keep, /// o
 Off }
/// c
#[derive(Clone, Copy, Debug, Default)]
pub enum Create { #[default] /// k
 Missing, /// o
 Never }
impl std::str::FromStr for Versions { type Err = crate::Error; fn from_str(_: &str) -> Result<Self> { todo!() } }
impl std::str::FromStr for Create { type Err = crate::Error; fn from_str(_: &str) -> Result<Self> { todo!() } }
/// A tree of files.
pub struct LocalStore {}
impl LocalStore {
    /// open
    pub fn open(_: impl AsRef<std::path::Path>, _: LocalOptions) -> Result<Self> { Ok(Self {}) }
}
impl BlockingStore for LocalStore {
    fn scheme(&self) -> &'static str { "file" }
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
