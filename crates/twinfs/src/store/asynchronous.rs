//! The trait of stores whose natural face is async, which is also what all logic is written over.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;

use super::{
    Capabilities, CreateDirOptions, Data, Entry, ListOptions, Metadata, MoveOptions, OpenOptions,
    PublishItem, ReadOptions, RemoveOptions, StageOptions, Staged, StagedId, StagedTarget, StatOptions,
    WriteItem, WriteOptions, join,
};
use crate::error::Result;
use crate::path::FsPath;

/// A store whose natural face is async, and the trait over which all logic is written: the
/// adapters make one of every [`BlockingStore`](super::BlockingStore) too.
///
/// The verbs mean what they mean there. Dropping a future cancels its operation: a write that
/// had not published anything yet publishes nothing and leaves nothing behind.
///
/// An implementation writes `async fn`s; the signatures here say the same with `Send`.
pub trait AsyncStore: Send + Sync + 'static {
    /// An open file.
    type File: AsyncFile;
    /// A running listing.
    type Lister: AsyncLister;

    /// The scheme, for messages: `redis`, `run+http`.
    fn scheme(&self) -> &'static str;

    /// What this store can do.
    fn capabilities(&self) -> &Capabilities;

    /// See [`BlockingStore::stat`](super::BlockingStore::stat).
    fn stat(&self, path: &FsPath, options: &StatOptions) -> impl Future<Output = Result<Metadata>> + Send;

    /// See [`BlockingStore::read`](super::BlockingStore::read).
    fn read(&self, path: &FsPath, options: &ReadOptions) -> impl Future<Output = Result<Bytes>> + Send;

    /// See [`BlockingStore::try_stat`](super::BlockingStore::try_stat).
    fn try_stat(&self, path: &FsPath, options: &StatOptions) -> Option<Metadata> {
        let _ = (path, options);
        None
    }

    /// See [`BlockingStore::try_read`](super::BlockingStore::try_read).
    fn try_read(&self, path: &FsPath, options: &ReadOptions) -> Option<Bytes> {
        let _ = (path, options);
        None
    }

    /// See [`BlockingStore::read_many`](super::BlockingStore::read_many).
    fn read_many(
        &self,
        paths: &[FsPath],
        options: &ReadOptions,
    ) -> impl Future<Output = Result<Vec<Result<Bytes>>>> + Send;

    /// See [`BlockingStore::stat_many`](super::BlockingStore::stat_many).
    fn stat_many(
        &self,
        paths: &[FsPath],
        options: &StatOptions,
    ) -> impl Future<Output = Result<Vec<Result<Metadata>>>> + Send;

    /// See [`BlockingStore::write`](super::BlockingStore::write).
    fn write(
        &self,
        path: &FsPath,
        data: &Data<'_>,
        options: &WriteOptions,
    ) -> impl Future<Output = Result<Metadata>> + Send;

    /// See [`BlockingStore::write_parts`](super::BlockingStore::write_parts).
    fn write_parts(
        &self,
        path: &FsPath,
        parts: &[Data<'_>],
        options: &WriteOptions,
    ) -> impl Future<Output = Result<Metadata>> + Send {
        async move { self.write(path, &join(parts), options).await }
    }

    /// See [`BlockingStore::write_many`](super::BlockingStore::write_many).
    fn write_many(
        &self,
        items: &[WriteItem<'_>],
        options: &WriteOptions,
    ) -> impl Future<Output = Result<Vec<Result<Metadata>>>> + Send;

    /// See [`BlockingStore::open`](super::BlockingStore::open).
    fn open(&self, path: &FsPath, options: &OpenOptions) -> impl Future<Output = Result<Self::File>> + Send;

    /// See [`BlockingStore::list`](super::BlockingStore::list).
    fn list(&self, path: &FsPath, options: &ListOptions)
    -> impl Future<Output = Result<Self::Lister>> + Send;

    /// See [`BlockingStore::create_dir`](super::BlockingStore::create_dir).
    fn create_dir(
        &self,
        path: &FsPath,
        options: &CreateDirOptions,
    ) -> impl Future<Output = Result<()>> + Send;

    /// See [`BlockingStore::remove`](super::BlockingStore::remove).
    fn remove(&self, path: &FsPath, options: &RemoveOptions) -> impl Future<Output = Result<()>> + Send;

    /// See [`BlockingStore::remove_dir`](super::BlockingStore::remove_dir).
    fn remove_dir(&self, path: &FsPath, options: &RemoveOptions) -> impl Future<Output = Result<()>> + Send;

    /// See [`BlockingStore::remove_all`](super::BlockingStore::remove_all).
    fn remove_all(&self, path: &FsPath, options: &RemoveOptions) -> impl Future<Output = Result<()>> + Send;

    /// See [`BlockingStore::rename`](super::BlockingStore::rename).
    fn rename(
        &self,
        from: &FsPath,
        to: &FsPath,
        options: &MoveOptions,
    ) -> impl Future<Output = Result<()>> + Send;

    /// See [`BlockingStore::copy`](super::BlockingStore::copy).
    fn copy(
        &self,
        from: &FsPath,
        to: &FsPath,
        options: &MoveOptions,
    ) -> impl Future<Output = Result<Metadata>> + Send;

    /// See [`BlockingStore::stage`](super::BlockingStore::stage).
    fn stage(&self, options: &StageOptions) -> impl Future<Output = Result<StagedId>> + Send;

    /// See [`BlockingStore::write_staged`](super::BlockingStore::write_staged).
    fn write_staged(
        &self,
        target: &StagedTarget,
        offset: &u64,
        data: &Data<'_>,
    ) -> impl Future<Output = Result<StagedId>> + Send {
        async move {
            match target {
                StagedTarget::Known(id) => {
                    self.reopen(id).await?.write_at(*offset, data).await?;
                    Ok(id.clone())
                }
                StagedTarget::New(options) => {
                    let id = self.stage(options).await?;
                    let written = async { self.reopen(&id).await?.write_at(*offset, data).await };
                    if let Err(error) = written.await {
                        // The first error says what happened; what is left is swept in the end.
                        let _ = self.discard(&id).await;
                        return Err(error);
                    }
                    Ok(id)
                }
            }
        }
    }

    /// See [`BlockingStore::reopen`](super::BlockingStore::reopen).
    fn reopen(&self, id: &StagedId) -> impl Future<Output = Result<Self::File>> + Send;

    /// See [`BlockingStore::publish`](super::BlockingStore::publish).
    fn publish(
        &self,
        id: &StagedId,
        path: &FsPath,
        options: &WriteOptions,
    ) -> impl Future<Output = Result<Metadata>> + Send;

    /// See [`BlockingStore::publish_many`](super::BlockingStore::publish_many).
    fn publish_many(
        &self,
        items: &[PublishItem],
        options: &WriteOptions,
    ) -> impl Future<Output = Result<Vec<Result<Metadata>>>> + Send {
        async move {
            let mut results = Vec::with_capacity(items.len());
            for item in items {
                results.push(self.publish(&item.id, &item.path, options).await);
            }
            Ok(results)
        }
    }

    /// See [`BlockingStore::discard`](super::BlockingStore::discard).
    fn discard(&self, id: &StagedId) -> impl Future<Output = Result<()>> + Send;

    /// See [`BlockingStore::list_staged`](super::BlockingStore::list_staged).
    fn list_staged(&self) -> impl Future<Output = Result<Vec<Staged>>> + Send;
}

/// An open file of an [`AsyncStore`]; see [`BlockingFile`](super::BlockingFile) for each method.
#[expect(clippy::len_without_is_empty, reason = "the length is fallible; emptiness is a length of 0")]
pub trait AsyncFile: Send + Sync + 'static {
    /// Reads up to `len` bytes at an offset: all of them unless the file ends before.
    fn read_bytes(&self, offset: u64, len: usize) -> impl Future<Output = Result<Bytes>> + Send;

    /// Reads into `buf` at an offset; gives how many bytes, 0 at the end.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> impl Future<Output = Result<usize>> + Send {
        async move {
            let bytes = self.read_bytes(offset, buf.len()).await?;
            buf[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        }
    }

    /// See [`BlockingFile::try_read_at`](super::BlockingFile::try_read_at).
    fn try_read_at(&self, offset: u64, buf: &mut [u8]) -> Option<usize> {
        let _ = (offset, buf);
        None
    }

    /// Writes all of `data` at an offset.
    fn write_at(&self, offset: u64, data: &Data<'_>) -> impl Future<Output = Result<()>> + Send;

    /// The length in bytes, as this handle sees it.
    fn len(&self) -> impl Future<Output = Result<u64>> + Send;

    /// What this handle sees.
    fn metadata(&self) -> impl Future<Output = Result<Metadata>> + Send;

    /// Cuts, or extends with zeros, to this length.
    fn set_len(&self, len: u64) -> impl Future<Output = Result<()>> + Send;

    /// Brings what was written to the disk without publishing it.
    fn flush(&self) -> impl Future<Output = Result<()>> + Send;

    /// Publishes what was written and closes.
    fn commit(&self) -> impl Future<Output = Result<Metadata>> + Send;

    /// Drops what was written and closes.
    fn abort(&self) -> impl Future<Output = Result<()>> + Send;
}

/// A running listing of an [`AsyncStore`].
pub trait AsyncLister: Send + 'static {
    /// The next entries, at most `max` (at least 1); empty at the end.
    fn next_page(&mut self, max: usize) -> impl Future<Output = Result<Vec<Entry>>> + Send;
}

/// A promise of an [`AsyncStore`]: every future of it, of its files and of its listings is ready
/// at the first poll. The sync face takes only such stores, so it can run any logic to its end
/// by polling once, without a runtime.
///
/// [`Ready`](crate::adapters::Ready) and [`Park`](crate::adapters::Park) are immediate; a layer is
/// if the store below it is and the layer itself awaits nothing else.
///
/// A store of your own whose operations do not wait for anything else writes:
///
/// ```text
/// impl Immediate for MyStore {
///     type Concurrent = Self;
///     fn concurrent(self: &Arc<Self>) -> Arc<Self> {
///         Arc::clone(self)
///     }
/// }
/// ```
pub trait Immediate: AsyncStore {
    /// The same store with operations that may overlap.
    type Concurrent: AsyncStore;

    /// The same store with operations that may overlap. The bulk transfers of the sync face put many
    /// of these in flight and wait for all of them at once; where every operation runs in the
    /// calling thread anyway, it is the store itself.
    fn concurrent(self: &Arc<Self>) -> Arc<Self::Concurrent>;
}
