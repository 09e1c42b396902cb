//! The trait of stores whose natural face is sync: local disk and memory.

use bytes::Bytes;

use super::{
    Capabilities, CreateDirOptions, Data, Entry, ListOptions, Metadata, MoveOptions, OpenOptions,
    PublishItem, ReadOptions, RemoveOptions, StageOptions, Staged, StagedId, StagedTarget, StatOptions,
    WriteItem, WriteOptions, join,
};
use crate::error::{Error, ErrorKind, Result};
use crate::path::FsPath;
use crate::pool::Lane;

/// A store whose natural face is sync. The adapters [`Ready`](crate::adapters::Ready) and
/// [`OffThread`](crate::adapters::OffThread) give it both faces.
///
/// The verbs are coarse: each is all the system calls of one operation, so that the async face
/// needs one thread hop for it. Errors need no path or operation: the faces add them.
///
/// Promises every implementation keeps: a write, publish, copy or rename shows readers the old or
/// the new file, never a part; missing parents are created unless [`Parents::Require`] is asked;
/// links inside the store are followed for read, stat and write, never out of it.
///
/// [`Parents::Require`]: super::Parents::Require
pub trait BlockingStore: Send + Sync + 'static {
    /// The scheme, for messages: `file`, `memory`.
    fn scheme(&self) -> &'static str;

    /// What this store can do.
    fn capabilities(&self) -> &Capabilities;

    /// Whether every verb returns without waiting for a device or another process, so that the
    /// async face needs no hop.
    fn is_instant(&self) -> bool {
        false
    }

    /// Says what stands at a path, following links.
    ///
    /// # Errors
    /// `NotFound`; `NotADirectory` if a component above is a file.
    fn stat(&self, path: &FsPath, options: &StatOptions) -> Result<Metadata>;

    /// Reads a file, or a range of it, in one piece. Ranges are clipped to the file.
    ///
    /// # Errors
    /// `NotFound`, `IsADirectory`, `ConditionFailed`.
    fn read(&self, path: &FsPath, options: &ReadOptions) -> Result<Bytes>;

    /// As [`stat`](Self::stat), if the answer is in memory and needs no waiting: not for a device, not for
    /// another process, not for a lock that is held for long. The async face asks this before it hops.
    ///
    /// `None` means that it would have to wait, or would fail: `stat` says which.
    fn try_stat(&self, path: &FsPath, options: &StatOptions) -> Option<Metadata> {
        if self.is_instant() { self.stat(path, options).ok() } else { None }
    }

    /// The lane of a `write` of so many bytes: writes of one lane would wait for each other anyway, since
    /// each makes a file in the same directory, say, and are done in turn by one worker of the async face.
    ///
    /// `None` where they gain from running side by side: if they are large, or wait for a device.
    fn write_lane(&self, path: &FsPath, len: usize, options: &WriteOptions) -> Option<Lane> {
        let _ = (path, len, options);
        None
    }

    /// As [`read`](Self::read), if the bytes are in memory, as [`try_stat`](Self::try_stat).
    ///
    /// `None` means that it would have to wait, would fail, or is long: more bytes than can be copied
    /// between two other operations without anybody noticing.
    fn try_read(&self, path: &FsPath, options: &ReadOptions) -> Option<Bytes> {
        if self.is_instant() { self.read(path, options).ok() } else { None }
    }

    /// Reads many files; results in the order of the paths.
    ///
    /// # Errors
    /// Each result has its own; the call as a whole fails only where no file could be tried.
    fn read_many(&self, paths: &[FsPath], options: &ReadOptions) -> Result<Vec<Result<Bytes>>> {
        Ok(paths.iter().map(|path| self.read(path, options)).collect())
    }

    /// Says what stands at many paths; results in the order of the paths.
    ///
    /// # Errors
    /// As [`read_many`](Self::read_many).
    fn stat_many(&self, paths: &[FsPath], options: &StatOptions) -> Result<Vec<Result<Metadata>>> {
        Ok(paths.iter().map(|path| self.stat(path, options)).collect())
    }

    /// Writes a whole file and gives its new metadata, with its version if the store keeps versions.
    ///
    /// # Errors
    /// `ConditionFailed`, `IsADirectory`, `NotADirectory`, `NoSpace`; `NotFound` for a missing parent with
    /// `Parents::Require`. Nothing is changed then.
    fn write(&self, path: &FsPath, data: &Data<'_>, options: &WriteOptions) -> Result<Metadata>;

    /// Writes a whole file from parts that follow each other; without this method they are joined in
    /// memory first.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    fn write_parts(&self, path: &FsPath, parts: &[Data<'_>], options: &WriteOptions) -> Result<Metadata> {
        self.write(path, &join(parts), options)
    }

    /// Writes many files, each whole by itself; results in the order of the items.
    ///
    /// # Errors
    /// As [`read_many`](Self::read_many).
    fn write_many(&self, items: &[WriteItem<'_>], options: &WriteOptions) -> Result<Vec<Result<Metadata>>> {
        Ok(items.iter().map(|item| self.write(&item.path, &item.data, options)).collect())
    }

    /// Opens a handle.
    ///
    /// # Errors
    /// By mode: `NotFound`, `AlreadyExists`, `IsADirectory`, `WouldBlock` where another writer holds
    /// the path, `ConditionFailed`.
    fn open(&self, path: &FsPath, options: &OpenOptions) -> Result<Box<dyn BlockingFile>>;

    /// Starts a listing of a directory. The listing of a file is that file itself.
    ///
    /// # Errors
    /// `NotFound`.
    fn list(&self, path: &FsPath, options: &ListOptions) -> Result<Box<dyn BlockingLister>>;

    /// Creates a directory.
    ///
    /// # Errors
    /// `AlreadyExists` (a file there: always), `NotADirectory`; `NotFound` for a missing parent with
    /// `Parents::Require`.
    fn create_dir(&self, path: &FsPath, options: &CreateDirOptions) -> Result<()>;

    /// Removes a file, or a link itself.
    ///
    /// # Errors
    /// `NotFound`, `IsADirectory`.
    fn remove(&self, path: &FsPath, options: &RemoveOptions) -> Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, `NotEmpty`; `InvalidInput` for the root.
    fn remove_dir(&self, path: &FsPath, options: &RemoveOptions) -> Result<()>;

    /// Removes a file, or a directory with everything in it. Of the root: everything in it.
    ///
    /// # Errors
    /// `NotFound`. What was removed before a failure stays removed.
    fn remove_all(&self, path: &FsPath, options: &RemoveOptions) -> Result<()>;

    /// Moves a file, link or directory. A file at the destination is replaced, an empty directory
    /// by a directory.
    ///
    /// # Errors
    /// `NotFound`, `ConditionFailed`, `NotEmpty`, `IsADirectory`, `NotADirectory`; `InvalidInput`
    /// for a directory into itself, or the root.
    fn rename(&self, from: &FsPath, to: &FsPath, options: &MoveOptions) -> Result<()>;

    /// Copies a file's content, whole.
    ///
    /// # Errors
    /// `NotFound`, `IsADirectory`, `ConditionFailed`, `NoSpace`.
    fn copy(&self, from: &FsPath, to: &FsPath, options: &MoveOptions) -> Result<Metadata>;

    /// Makes an empty staged upload, which outlives handle and process and shows in no listing.
    ///
    /// # Errors
    /// `NoSpace`, `PermissionDenied`.
    fn stage(&self, options: &StageOptions) -> Result<StagedId>;

    /// Writes all of the data at an offset of a staged upload, a new one or one that is there, in one call;
    /// gives its id. Nothing is left of a new one where it fails.
    ///
    /// # Errors
    /// `NotFound` for an id; `NoSpace`.
    fn write_staged(&self, target: &StagedTarget, offset: &u64, data: &Data<'_>) -> Result<StagedId> {
        match target {
            StagedTarget::Known(id) => {
                self.reopen(id)?.write_at(*offset, data)?;
                Ok(id.clone())
            }
            StagedTarget::New(options) => {
                let id = self.stage(options)?;
                let written = self.reopen(&id).and_then(|file| file.write_at(*offset, data));
                if let Err(error) = written {
                    // The first error says what happened; what is left is swept in the end.
                    let _ = self.discard(&id);
                    return Err(error);
                }
                Ok(id)
            }
        }
    }

    /// Opens a staged upload for reading and writing anywhere. Several handles may be open at once.
    /// Its `commit` is refused; dropping it keeps the upload.
    ///
    /// # Errors
    /// `NotFound`.
    fn reopen(&self, id: &StagedId) -> Result<Box<dyn BlockingFile>>;

    /// Publishes a staged upload at a path. Of several calls at once, one finds the upload.
    ///
    /// # Errors
    /// `NotFound` for the id, and as [`write`](Self::write); the upload is kept on an error.
    fn publish(&self, id: &StagedId, path: &FsPath, options: &WriteOptions) -> Result<Metadata>;

    /// Publishes many staged uploads, each whole by itself and durable as asked when this returns; results
    /// in the order of the items. Of items with one path the last that succeeds is there in the end. A store
    /// that syncs does so for many of them at a time.
    ///
    /// # Errors
    /// Each result has its own, as [`publish`](Self::publish).
    fn publish_many(&self, items: &[PublishItem], options: &WriteOptions) -> Result<Vec<Result<Metadata>>> {
        Ok(items.iter().map(|item| self.publish(&item.id, &item.path, options)).collect())
    }

    /// Removes a staged upload.
    ///
    /// # Errors
    /// `NotFound`.
    fn discard(&self, id: &StagedId) -> Result<()>;

    /// All staged uploads, by id.
    ///
    /// # Errors
    /// Those of the store.
    fn list_staged(&self) -> Result<Vec<Staged>>;
}

/// An open file of a [`BlockingStore`]. All methods take `&self`: positions are the face's.
///
/// Dropping a writer without [`commit`](Self::commit) publishes nothing.
pub trait BlockingFile: Send + Sync + 'static {
    /// Reads into `buf` at an offset; gives how many bytes, 0 at the end.
    ///
    /// # Errors
    /// `Unsupported` for a mode that does not read, `Closed`.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize>;

    /// Reads up to `len` bytes at an offset: all of them unless the file ends before.
    ///
    /// # Errors
    /// As [`read_at`](Self::read_at).
    fn read_bytes(&self, offset: u64, len: usize) -> Result<Bytes> {
        let mut buf = vec![0; len];
        let mut filled = 0;
        while filled < len {
            match self.read_at(offset + filled as u64, &mut buf[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        buf.truncate(filled);
        Ok(buf.into())
    }

    /// Fills `buf` from an offset if all of it, up to the end of the file, is in memory and needs no
    /// waiting; gives how many bytes. See [`BlockingStore::try_read`].
    fn try_read_at(&self, offset: u64, buf: &mut [u8]) -> Option<usize> {
        let _ = (offset, buf);
        None
    }

    /// As [`metadata`](Self::metadata), if the answer is in memory and needs no waiting.
    fn try_metadata(&self) -> Option<Metadata> {
        None
    }

    /// Writes all of `data` at an offset; a gap before it reads as zeros. In mode `ab` the offset
    /// is not used: the bytes go to the end.
    ///
    /// # Errors
    /// `Unsupported` for a mode that does not write, `NoSpace`, `Closed`.
    fn write_at(&self, offset: u64, data: &Data<'_>) -> Result<()>;

    /// The length in bytes, as this handle sees it.
    ///
    /// # Errors
    /// `Closed`.
    fn len(&self) -> Result<u64>;

    /// Whether the file, as this handle sees it, has no bytes.
    ///
    /// # Errors
    /// `Closed`.
    fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// What this handle sees, with its version if it was opened from one.
    ///
    /// # Errors
    /// `Closed`.
    fn metadata(&self) -> Result<Metadata>;

    /// Cuts, or extends with zeros, to this length.
    ///
    /// # Errors
    /// `Unsupported` for a mode that does not write, `NoSpace`, `Closed`.
    fn set_len(&self, len: u64) -> Result<()>;

    /// Brings what was written to the disk, as the handle's durability says, without publishing it.
    ///
    /// # Errors
    /// `Io`: the writer is dead then and publishes nothing.
    fn flush(&self) -> Result<()>;

    /// Publishes what was written and closes. For readers: closes.
    ///
    /// # Errors
    /// `WouldBlock` if another writer committed first: nothing is written, and the bytes stay
    /// readable in this handle. `ConditionFailed`, `AlreadyExists` (mode `xb`), `NoSpace`, `Closed`.
    fn commit(&self) -> Result<Metadata>;

    /// Drops what was written and closes; on a closed handle it does nothing.
    ///
    /// # Errors
    /// Those of the store, while removing the staged file.
    fn abort(&self) -> Result<()>;
}

/// A running listing.
pub trait BlockingLister: Send + 'static {
    /// The next entries, at most `max` (at least 1); empty at the end.
    ///
    /// # Errors
    /// Those of the store. A directory that vanished meanwhile is passed over.
    fn next_page(&mut self, max: usize) -> Result<Vec<Entry>>;
}

/// What a staged writer's commit answers after a write that failed: its content is not what its writer
/// means it to be.
pub(crate) fn after_failed_write() -> Error {
    Error::new(ErrorKind::Io).with_message("a write before this failed; nothing is published")
}
