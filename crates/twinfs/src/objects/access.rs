//! Objects in a file system, for both faces from one text: what all connectors are made of.

use std::ops::Range;

use crate::error::{Error, ErrorKind, Result};
use crate::store::Data;

/// Emits the face: `wait!` awaits a future or takes the value as it is.
macro_rules! access {
    (async [$($async:tt)?]) => {
        use std::fmt;

        use bytes::Bytes;

        use super::super::frame::{self, BLOCK, HEAD, Head, Sum};
        use super::super::key::{Names, is_folder, is_object, path_of, refused};
        use super::{LARGE, check_length, found, is_absent, leads_away, pages};
        use crate::error::{Error, ErrorKind, Result};
        use crate::path::FsPath;
        use crate::store::{AsyncStore, Condition, Data, Depth, Durability, Entry, Mode, WriteItem, WriteOptions};

        /// Objects in a file system: what all connectors are made of.
        pub(crate) struct Objects {
            pub(crate) fs: Fs,
            pub(crate) write: WriteOptions,
            pub(crate) names: Names,
            /// Whether the store is a directory of our own: then files are opened and not asked for twice, and
            /// new ones are made the short way.
            pub(crate) private: bool,
        }

        impl Objects {
            pub(crate) fn new(fs: Fs, durability: Durability) -> Self {
                let write = WriteOptions::default().durability(durability);
                Self { fs, write, names: Names::default(), private: false }
            }

            pub(crate) $($async)? fn set(&self, name: &str, object: Data<'_>) -> Result<()> {
                wait!(self.write_one(name, object, &self.write))
            }

            /// Puts an object under a name that has none.
            pub(crate) $($async)? fn put(&self, name: &str, object: Data<'_>) -> Result<()> {
                wait!(self.write_one(name, object, &self.fresh()))
            }

            /// How objects are written whose names have none yet.
            fn fresh(&self) -> WriteOptions {
                let condition = if self.private { Condition::IfAbsent } else { Condition::None };
                WriteOptions { condition, ..self.write.clone() }
            }

            $($async)? fn write_one(&self, name: &str, object: Data<'_>, write: &WriteOptions) -> Result<()> {
                let path = path_of(name)?;
                let head = frame::head(&object);
                match wait!(self.fs.write_parts(path, &[Data::Borrowed(&head), object], write)) {
                    Err(error) if leads_away(&error) => {
                        Err(refused(name, "a link stands in the way, and it leads away"))
                    }
                    written => written.map(drop),
                }
            }

            pub(crate) $($async)? fn put_batch(&self, objects: &[Data<'_>]) -> Result<Vec<String>> {
                let names = self.names.many(objects.len())?;
                let paths = names.iter().map(|name| path_of(name)).collect::<Result<Vec<FsPath>>>()?;
                if let Err(error) = wait!(self.write_all(&paths, objects)) {
                    // What cannot be removed now can be removed by nobody later: no one has its key.
                    let options = bulk::Options::default().on_error(bulk::OnError::Omit);
                    let _ = wait!(bulk::rm(&self.fs, &paths, Depth::Children, &options));
                    return Err(error);
                }
                Ok(names)
            }

            $($async)? fn write_all(&self, paths: &[FsPath], objects: &[Data<'_>]) -> Result<()> {
                // Not cancelled by the first error: what is known to be there can be removed.
                let (write, options) = (self.fresh(), bulk::Options::default().on_error(bulk::OnError::Return));
                for page in pages(objects) {
                    let (paths, objects) = (&paths[page.clone()], &objects[page]);
                    if let [object] = objects && object.len() > LARGE {
                        let head = frame::head(object);
                        let parts = [Data::Borrowed(&head), object.clone()];
                        wait!(self.fs.write_parts(paths[0].clone(), &parts, &write))?;
                        continue;
                    }
                    let item = |(path, object): (&FsPath, &Data<'_>)| WriteItem {
                        path: path.clone(),
                        data: frame::framed(object).into(),
                    };
                    let items: Vec<WriteItem<'_>> = paths.iter().zip(objects).map(item).collect();
                    for written in wait!(bulk::pipe(&self.fs, &items, &write, &options))? {
                        written.result?;
                    }
                }
                Ok(())
            }

            pub(crate) $($async)? fn get(&self, name: &str) -> Result<Option<Bytes>> {
                let Ok(path) = path_of(name) else { return Ok(None) };
                match found(wait!(self.fs.read(path.clone())))? {
                    Some(file) => self.open(&path, file).map(Some),
                    None => Ok(None),
                }
            }

            /// The object in the bytes of its file.
            fn open(&self, path: &FsPath, file: Bytes) -> Result<Bytes> {
                frame::open(file).map_err(|message| self.damaged(path, message))
            }

            fn damaged(&self, path: &FsPath, message: &'static str) -> Error {
                frame::damaged(path, AsyncStore::scheme(self.fs.store()), message)
            }

            pub(crate) $($async)? fn get_batch(&self, names: &[&str]) -> Result<Vec<Option<Bytes>>> {
                let mut objects = vec![None; names.len()];
                let places: Vec<(usize, FsPath)> = names
                    .iter()
                    .enumerate()
                    .filter_map(|(place, name)| Some((place, path_of(name).ok()?)))
                    .collect();
                let paths: Vec<FsPath> = places.iter().map(|(_, path)| path.clone()).collect();
                let options = bulk::Options::default().on_error(bulk::OnError::Return);
                let read = wait!(bulk::cat(&self.fs, &paths, &options))?;
                for ((place, path), item) in places.iter().zip(read) {
                    if let Some(file) = found(item.result)? {
                        objects[*place] = Some(self.open(path, file)?);
                    }
                }
                Ok(objects)
            }

            pub(crate) $($async)? fn find(&self, name: &str, whole: u64) -> Result<Option<Found>> {
                let Ok(path) = path_of(name) else { return Ok(None) };
                let whole = whole.saturating_add(HEAD as u64);
                if self.private {
                    return match found(wait!(self.fs.open(path, Mode::Read)))? {
                        Some(file) => wait!(self.find_in(file, whole)).map(Some),
                        None => Ok(None),
                    };
                }
                let start = wait!(self.fs.read_range(path.clone(), 0..whole.saturating_add(1)));
                match found(start)? {
                    Some(start) if start.len() as u64 <= whole => {
                        Ok(Some(Found::Whole(self.open(&path, start)?)))
                    }
                    Some(_) => match found(wait!(self.fs.open(path, Mode::Read)))? {
                        Some(file) => {
                            // What stands there now may be another object than a moment ago.
                            let start = wait!(file.read_at(0, HEAD))?;
                            Ok(Some(Found::Large(wait!(self.reader(file, start))?)))
                        }
                        None => Ok(None),
                    },
                    None => Ok(None),
                }
            }

            $($async)? fn find_in(&self, file: File, whole: u64) -> Result<Found> {
                let len = usize::try_from(whole.saturating_add(1)).unwrap_or(usize::MAX);
                let start = wait!(file.read_at(0, len))?;
                if start.len() as u64 <= whole {
                    return Ok(Found::Whole(self.open(file.path(), start)?));
                }
                Ok(Found::Large(wait!(self.reader(file, start))?))
            }

            /// A reader of an open file, whose first bytes are there already.
            $($async)? fn reader(&self, file: File, start: Bytes) -> Result<ObjectReader> {
                let len = wait!(file.len())?;
                let head = Head::read(&start, Some(len)).map_err(|message| self.damaged(file.path(), message))?;
                Ok(ObjectReader { file, head, at: 0, sum: Box::default(), start: start.slice(HEAD..) })
            }

            pub(crate) $($async)? fn exists(&self, name: &str) -> Result<bool> {
                let Ok(path) = path_of(name) else { return Ok(false) };
                Ok(found(wait!(self.fs.stat(path)))?.is_some_and(|metadata| metadata.is_file()))
            }

            /// Whether there was an object to remove.
            pub(crate) $($async)? fn evict(&self, name: &str) -> Result<bool> {
                let Ok(path) = path_of(name) else { return Ok(false) };
                Ok(found(wait!(self.fs.remove(path)))?.is_some())
            }

            /// Removes every object, and the folders that are empty then.
            pub(crate) $($async)? fn clear(&self) -> Result<()> {
                for folder in wait!(self.fs.list(FsPath::root()))? {
                    if !folder.is_dir() || !is_folder(folder.path.name().as_bytes()) {
                        continue;
                    }
                    let entries = wait!(self.fs.list(&folder.path))?;
                    let name = folder.path.name().as_bytes();
                    let ours = |entry: &Entry| is_object(name, entry.path.name().as_bytes());
                    let paths: Vec<FsPath> =
                        entries.into_iter().filter(ours).map(|entry| entry.path).collect();
                    let options = bulk::Options::default().on_error(bulk::OnError::Return);
                    for removed in wait!(bulk::rm(&self.fs, &paths, Depth::Children, &options))? {
                        match removed.result {
                            Err(error) if !is_absent(&error) => return Err(error),
                            _ => {}
                        }
                    }
                    match wait!(self.fs.remove_dir(&folder.path)) {
                        // Something else stands there, or the store has no folders of their own.
                        Err(error)
                            if !matches!(
                                error.kind(),
                                ErrorKind::NotEmpty | ErrorKind::NotFound | ErrorKind::Unsupported
                            ) =>
                        {
                            return Err(error);
                        }
                        _ => {}
                    }
                }
                Ok(())
            }
        }

        /// An object that was found, by the `find` of a connector.
        #[derive(Debug)]
        pub enum Found {
            /// All of its bytes.
            Whole(Bytes),
            /// It is larger than what was asked for whole.
            Large(ObjectReader),
        }

        /// An object that is read piece by piece.
        pub struct ObjectReader {
            file: File,
            head: Head,
            at: u64,
            /// Boxed for its size.
            sum: Box<Sum>,
            /// The first bytes of the object, which were read to look at its head.
            start: Bytes,
        }

        impl ObjectReader {
            /// The length of the object in bytes.
            #[must_use]
            pub fn len(&self) -> u64 {
                self.head.len
            }

            /// Whether the object has no bytes.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.head.len == 0
            }

            /// Reads the next bytes; gives how many: as many as `buf` has room for, fewer at the end, then
            /// 0. The bytes are the object's only once the last of them has been read: then they are held
            /// against the checksum.
            ///
            /// # Errors
            /// `Io` where bytes were cut or changed.
            pub $($async)? fn read_into(&mut self, buf: &mut [u8]) -> Result<usize> {
                let mut filled = 0;
                while filled < buf.len() && self.at < self.head.len {
                    let left = usize::try_from(self.head.len - self.at).unwrap_or(usize::MAX);
                    let end = filled + (buf.len() - filled).min(left).min(BLOCK);
                    let piece = &mut buf[filled..end];
                    let known = usize::try_from(self.at).ok().and_then(|at| self.start.get(at..));
                    let count = match known.filter(|known| !known.is_empty()) {
                        Some(known) => {
                            let count = known.len().min(piece.len());
                            piece[..count].copy_from_slice(&known[..count]);
                            count
                        }
                        None => wait!(self.file.read_into_at(HEAD as u64 + self.at, piece))?,
                    };
                    if count == 0 {
                        return Err(self.damaged(frame::CUT));
                    }
                    self.sum.add(&piece[..count]);
                    filled += count;
                    self.at += count as u64;
                }
                if self.at == self.head.len {
                    self.head.check(self.sum.finish()).map_err(|message| self.damaged(message))?;
                }
                Ok(filled)
            }

            fn damaged(&self, message: &'static str) -> Error {
                frame::damaged(self.file.path(), "objects", message)
            }
        }

        impl fmt::Debug for ObjectReader {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("ObjectReader").field("len", &self.head.len).finish_non_exhaustive()
            }
        }
    };
}

/// Objects longer than this, in bytes, are not copied to stand behind their heads.
const LARGE: usize = 256 * 1024;
/// The most bytes of one page of a batch.
const PAGE_BYTES: usize = 16 * 1024 * 1024;
/// The most objects of one page of a batch.
const PAGE_OBJECTS: usize = 1024;
/// The pages of a batch: large objects alone, others together.
fn pages(objects: &[Data<'_>]) -> Vec<Range<usize>> {
    let mut pages = Vec::new();
    let (mut start, mut bytes) = (0, 0_usize);
    for (index, object) in objects.iter().enumerate() {
        let full = index - start == PAGE_OBJECTS || bytes.saturating_add(object.len()) > PAGE_BYTES;
        if start < index && (full || object.len() > LARGE) {
            pages.push(start..index);
            (start, bytes) = (index, 0);
        }
        bytes = bytes.saturating_add(object.len());
        if object.len() > LARGE {
            pages.push(index..index + 1);
            (start, bytes) = (index + 1, 0);
        }
    }
    if start < objects.len() {
        pages.push(start..objects.len());
    }
    pages
}

/// Whether a buffer has room for an object and for nothing else.
fn check_length(buf: &[u8], len: u64) -> Result<()> {
    if buf.len() as u64 == len {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidInput)
        .with_message(format!("the buffer has {} bytes and the object {len}", buf.len())))
}

/// What an operation on an object gave, with `None` where there is no object.
fn found<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an error says that no object stands there: nothing, a directory, or a link that others put
/// there and that leads out of the store or nowhere.
fn is_absent(error: &Error) -> bool {
    use ErrorKind::{IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | IsADirectory) || leads_away(error)
}

/// Whether an error says that a link leads out of the store, or round in circles.
fn leads_away(error: &Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error();
    errno.is_some() && [Errno::XDEV, Errno::LOOP].into_iter().any(|away| errno == Some(away.raw_os_error()))
}

/// The async face.
pub(super) mod asynchronous {
    use crate::bulk;
    use crate::face::asynchronous::{File, Fs};

    macro_rules! wait {
        ($future:expr) => {
            $future.await
        };
    }

    access!(async [async]);

    impl ObjectReader {
        /// Reads the whole object into `buf`, which has its length.
        ///
        /// # Errors
        /// As [`read_into`](Self::read_into); `InvalidInput` for a buffer of another length.
        pub async fn read_whole(mut self, buf: &mut [u8]) -> Result<()> {
            check_length(buf, self.head.len)?;
            self.read_into(buf).await.map(drop)
        }
    }
}

/// The sync face.
pub(super) mod blocking {
    use std::sync::{Mutex, PoisonError};

    use crate::bulk::blocking as bulk;
    use crate::face::blocking::{File, Fs};

    macro_rules! wait {
        ($value:expr) => {
            $value
        };
    }

    access!(async []);

    impl ObjectReader {
        /// Reads the whole object into `buf`, which has its length, on several threads if it is long.
        ///
        /// # Errors
        /// As [`read_into`](Self::read_into); `InvalidInput` for a buffer of another length.
        pub fn read_whole(mut self, buf: &mut [u8]) -> Result<()> {
            check_length(buf, self.head.len)?;
            if buf.len() < SPREAD_FROM {
                return self.read_into(buf).map(drop);
            }
            let blocks: Vec<Mutex<Block<'_>>> =
                buf.chunks_mut(BLOCK).map(|bytes| Mutex::new(Block { bytes, sum: Ok(0) })).collect();
            let read = |index: usize| {
                let mut block = blocks[index].lock().unwrap_or_else(PoisonError::into_inner);
                block.sum = self.read_block(index as u64, block.bytes);
            };
            let done = crate::pool::for_each_borrowed(blocks.len(), 2, &read);
            let sums = blocks
                .into_iter()
                .map(|block| block.into_inner().unwrap_or_else(PoisonError::into_inner).sum);
            let sums = sums.collect::<Result<Vec<u64>>>()?;
            if !done {
                return Err(self.damaged("a worker panicked; this is a fault of twinfs, please report it"));
            }
            self.head.check(frame::joined(sums.into_iter())).map_err(|message| self.damaged(message))
        }

        /// Reads one block; gives its checksum.
        fn read_block(&self, index: u64, block: &mut [u8]) -> Result<u64> {
            let start = HEAD as u64 + index * BLOCK as u64;
            let mut filled = 0;
            while filled < block.len() {
                match self.file.read_into_at(start + filled as u64, &mut block[filled..])? {
                    0 => return Err(self.damaged(frame::CUT)),
                    count => filled += count,
                }
            }
            Ok(frame::checksum(block))
        }
    }

    /// A block of an object under way, and its checksum once it is read.
    struct Block<'buf> {
        bytes: &'buf mut [u8],
        sum: Result<u64>,
    }

    /// From how many bytes on a second thread is worth waking.
    const SPREAD_FROM: usize = 4 * 1024 * 1024;
}
