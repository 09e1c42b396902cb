//! The two faces of [`PathIo`], from one text.

/// The first block that a reader fetches ahead, in bytes; each further one is twice as long.
const FIRST_AHEAD: usize = 64 * 1024;
/// The longest block that a reader fetches ahead, in bytes: the most an open file holds.
const MOST_AHEAD: usize = 256 * 1024;

/// Emits a face. `$wait!` awaits a future on the async face and is nothing on the sync one, `$answer!` is
/// the type that a method of the trait gives, `$text!` its body.
macro_rules! face {
    (
        async [$($async:tt)?] wait $wait:ident answer $answer:ident text $text:ident into $into:ident
        examples [$first:literal, $await:literal, $next:literal, $last:literal]
        twin $twin:literal
    ) => {
        use std::io::SeekFrom;
        use std::sync::Arc;

        use bytes::{Bytes, BytesMut};

        use super::super::{MkdirOptions, PathIoOptions, open_options};
        use super::{FIRST_AHEAD, MOST_AHEAD};
        use crate::error::{ErrorContext, ErrorKind, Operation, Result};
        use crate::face::blocking::seek_to;
        use crate::opaque::opaque_debug;
        use crate::path::{FsPath, IntoFsPath};
        use crate::registry::{self, StoreOptions};
        use crate::store::{
            AnyStore, Capabilities, CreateDirOptions, Data, DynStore, EntryKind, ListOptions, Metadata,
            Mode, MoveOptions, Parents, Publish,
        };
        use crate::stores::local::{Create, LocalOptions, LocalStore, Versions};

        #[doc = concat!("A file system as an FTP server uses it; the other face is [`", $twin, "`]")]
        /// .
        ///
        /// Every [`Fs`] is one. A type of your own that wraps another passes on what it does not change: all
        /// input and output goes through these methods, that of [`open`](Self::open) as well.
        ///
        /// ```
        #[doc = $first]
        /// # let fs = Fs::memory();
        #[doc = concat!("fs.mkdir(\"home\", &MkdirOptions::default())", $await, "?;")]
        #[doc = concat!("let mut file = fs.open(\"home/a.txt\", Mode::Write)", $await, "?;")]
        #[doc = concat!("file.write(\"hello\")", $await, "?;")]
        /// // It is there, and grows, before it is closed.
        #[doc = concat!("assert_eq!(PathIo::stat(&fs, \"home/a.txt\")", $await, "?.len, 5);")]
        #[doc = concat!("file.close()", $await, "?;")]
        #[doc = $last]
        /// ```
        pub trait PathIo: Send + Sync {
            /// An open file, as the methods below take it.
            type File: Send;

            /// Whether anything is at a path. At what cannot be a path nothing is.
            ///
            /// # Errors
            /// `PermissionDenied`, `Connection` and others that leave it open; never `NotFound`.
            fn exists(&self, path: impl IntoFsPath) -> $answer!(bool);

            /// Whether a regular file is at a path.
            ///
            /// # Errors
            /// As [`exists`](Self::exists).
            fn is_file(&self, path: impl IntoFsPath) -> $answer!(bool);

            /// Whether a directory is at a path.
            ///
            /// # Errors
            /// As [`exists`](Self::exists).
            fn is_dir(&self, path: impl IntoFsPath) -> $answer!(bool);

            /// Makes a directory.
            ///
            /// # Errors
            /// `AlreadyExists`; `NotFound` for a missing parent, `NotADirectory` below a file.
            fn mkdir(&self, path: impl IntoFsPath, options: &MkdirOptions) -> $answer!(());

            /// Removes an empty directory.
            ///
            /// # Errors
            /// `NotFound`, `NotADirectory`, `NotEmpty`; `InvalidInput` for the root.
            fn rmdir(&self, path: impl IntoFsPath) -> $answer!(());

            /// Removes a file, or a link itself.
            ///
            /// # Errors
            /// `NotFound`, `IsADirectory`.
            fn unlink(&self, path: impl IntoFsPath) -> $answer!(());

            /// The paths in a directory, in order. There are none in what is missing or no directory.
            fn list(&self, path: impl IntoFsPath) -> Listing;

            /// Says what stands at a path: kind, length in bytes, times. Links are followed.
            ///
            /// # Errors
            /// `NotFound`, `NotADirectory` (a component above is a file), `InvalidPath`.
            fn stat(&self, path: impl IntoFsPath) -> $answer!(Metadata);

            /// Opens a file, for the methods below; [`open`](Self::open) gives one that has them itself.
            ///
            /// # Errors
            /// By mode: `NotFound`, also for the directory above, `AlreadyExists`, `IsADirectory`;
            /// `WouldBlock` where it is published on close and another writer holds it; `Unsupported` for
            /// what the store does not have.
            fn open_file(&self, path: impl IntoFsPath, mode: Mode) -> $answer!(Self::File);

            /// Moves the position of an open file, in bytes; gives the new one from the start.
            ///
            /// # Errors
            /// `InvalidInput` for a position before the start, `Closed`.
            fn seek(&self, file: &mut Self::File, to: SeekFrom) -> $answer!(u64);

            /// Reads up to `len` bytes at the position and moves it; fewer only where the file ends,
            /// `usize::MAX` for all there are.
            ///
            /// # Errors
            /// `Unsupported` for a mode that does not read, `Closed`.
            fn read(&self, file: &mut Self::File, len: usize) -> $answer!(Bytes);

            /// Writes all of the data at the position (mode `ab`: at the end) and moves it; gives how many
            /// bytes.
            ///
            /// # Errors
            /// `Unsupported` for a mode that does not write, `NoSpace`, `Closed`.
            fn write<'data>(
                &self,
                file: &mut Self::File,
                data: impl Into<Data<'data>> + Send,
            ) -> $answer!(usize);

            /// Closes a file; what is published on close is then. To close it again does nothing.
            ///
            /// # Errors
            /// `WouldBlock` if another writer published first, `NoSpace`.
            fn close(&self, file: &mut Self::File) -> $answer!(());

            /// Moves a file, link or directory, and gives the destination. A file there is replaced, an
            /// empty directory by a directory; the directory above must be there.
            ///
            /// # Errors
            /// `NotFound`, `IsADirectory`, `NotADirectory`, `NotEmpty`; `InvalidInput` for a directory
            /// into itself.
            fn rename(
                &self,
                source: impl IntoFsPath,
                destination: impl IntoFsPath,
            ) -> $answer!(FsPath);

            /// Opens a file that reads, writes, seeks and closes itself, through this.
            ///
            /// # Errors
            /// As [`open_file`](Self::open_file).
            fn open<'io>(&'io self, path: impl IntoFsPath, mode: Mode) -> $answer!(OpenFile<'io, Self>)
            where
                Self: Sized,
            {
                $text!({ Ok(OpenFile { io: self, file: $wait!(self.open_file(path, mode))? }) })
            }
        }

        /// A file that a [`PathIo`] opened. It is not closed by being dropped: what is published on close is
        /// not published then.
        pub struct OpenFile<'io, P: PathIo> {
            io: &'io P,
            file: P::File,
        }

        impl<P: PathIo> OpenFile<'_, P> {
            /// Reads up to `len` bytes; see [`PathIo::read`].
            ///
            /// # Errors
            /// As there.
            pub $($async)? fn read(&mut self, len: usize) -> Result<Bytes> {
                $wait!(self.io.read(&mut self.file, len))
            }

            /// Reads from the position to the end.
            ///
            /// # Errors
            /// As [`PathIo::read`].
            pub $($async)? fn read_to_end(&mut self) -> Result<Bytes> {
                $wait!(self.read(usize::MAX))
            }

            /// Writes all of the data; see [`PathIo::write`].
            ///
            /// # Errors
            /// As there.
            pub $($async)? fn write<'data>(&mut self, data: impl Into<Data<'data>> + Send) -> Result<usize> {
                $wait!(self.io.write(&mut self.file, data))
            }

            /// Moves the position; see [`PathIo::seek`].
            ///
            /// # Errors
            /// As there.
            pub $($async)? fn seek(&mut self, to: SeekFrom) -> Result<u64> {
                $wait!(self.io.seek(&mut self.file, to))
            }

            /// Closes the file; see [`PathIo::close`].
            ///
            /// # Errors
            /// As there.
            pub $($async)? fn close(&mut self) -> Result<()> {
                $wait!(self.io.close(&mut self.file))
            }

            /// The bytes from the position on, in blocks of at most `len` bytes.
            ///
            /// ```
            #[doc = $first]
            /// # let fs = Fs::memory();
            #[doc = concat!("fs.write(\"a.bin\", \"0123456789\")", $await, "?;")]
            #[doc = concat!("let mut file = fs.open(\"a.bin\", Mode::Read)", $await, "?;")]
            /// let mut blocks = file.blocks(4);
            /// let mut lengths = Vec::new();
            #[doc = concat!("while let Some(block) = blocks.next()", $next, " {")]
            ///     lengths.push(block?.len());
            /// }
            /// assert_eq!(lengths, [4, 4, 2]);
            #[doc = $last]
            /// ```
            pub fn blocks(&mut self, len: usize) -> Blocks<'_, P> {
                Blocks { io: self.io, file: &mut self.file, len: len.max(1) }
            }
        }

        /// The blocks of an open file; see [`OpenFile::blocks`].
        pub struct Blocks<'file, P: PathIo> {
            io: &'file P,
            file: &'file mut P::File,
            len: usize,
        }

        impl<P: PathIo> Blocks<'_, P> {
            $($async)? fn next_block(&mut self) -> Option<Result<Bytes>> {
                $wait!(self.io.read(self.file, self.len)).map(|block| (!block.is_empty()).then_some(block)).transpose()
            }
        }

        /// An open file of a [`FsPathIo`]: an [`Fs`]'s file, with bytes read ahead where it only reads.
        pub struct PathFile<S: Store = DynStore<Face>> {
            file: File<S>,
            /// Bytes before the position of `file` that nobody has asked for yet.
            ahead: Bytes,
            /// How many bytes the next block has.
            reach: usize,
            closed: bool,
        }

        impl<S: Store> PathFile<S> {
            fn new(file: File<S>) -> Self {
                Self { file, ahead: Bytes::new(), reach: FIRST_AHEAD, closed: false }
            }

            /// The file below.
            pub fn file(&self) -> &File<S> {
                &self.file
            }

            /// The position, in bytes from the start.
            pub fn position(&self) -> u64 {
                self.file.position() - self.ahead.len() as u64
            }

            /// The next `len` bytes, if they are here already: what [`PathIo::read`] gives without asking
            /// the store.
            pub fn read_ahead(&mut self, len: usize) -> Option<Bytes> {
                (len <= self.ahead.len() && !self.ahead.is_empty()).then(|| self.ahead.split_to(len))
            }

            /// Closes the file and drops what is not published yet.
            ///
            /// # Errors
            /// Those of the store.
            pub $($async)? fn abort(&mut self) -> Result<()> {
                self.ahead = Bytes::new();
                $wait!(self.file.abort())?;
                self.closed = true;
                Ok(())
            }

            $($async)? fn read(&mut self, len: usize) -> Result<Bytes> {
                if let Some(bytes) = self.read_ahead(len) {
                    return Ok(bytes);
                }
                let missing = len - self.ahead.len();
                let alone = self.file.mode() != Mode::Read || missing >= self.reach;
                let wanted = match alone {
                    true if missing > MOST_AHEAD => $wait!(self.rest(missing))?,
                    true => missing,
                    false => self.reach,
                };
                // Dropped before it is ready, it has changed nothing.
                let mut fetched = $wait!(self.file.read(wanted))?;
                if !alone && fetched.len() == wanted {
                    self.reach = (self.reach * 2).min(MOST_AHEAD);
                }
                let mut bytes = fetched.split_to(missing.min(fetched.len()));
                let before = std::mem::replace(&mut self.ahead, fetched);
                if !before.is_empty() {
                    let mut joined = BytesMut::with_capacity(before.len() + bytes.len());
                    joined.extend_from_slice(&before);
                    joined.extend_from_slice(&bytes);
                    bytes = joined.freeze();
                }
                Ok(bytes)
            }

            /// So many bytes, or what the file has left, so that no room is made for more.
            $($async)? fn rest(&self, len: usize) -> Result<usize> {
                let rest = $wait!(self.file.len())?.saturating_sub(self.file.position());
                Ok(usize::try_from(rest).map_or(len, |rest| rest.min(len)))
            }

            $($async)? fn seek(&mut self, to: SeekFrom) -> Result<u64> {
                let to = match to {
                    // From where the caller is, not from where was read ahead.
                    SeekFrom::Current(_) => SeekFrom::Start(seek_to(self.position(), 0, to)?),
                    other => other,
                };
                let position = $wait!(self.file.seek(to))?;
                self.ahead = Bytes::new();
                Ok(position)
            }

            $($async)? fn write(&mut self, data: Data<'_>) -> Result<usize> {
                let len = data.len();
                $wait!(self.file.write(data))?;
                Ok(len)
            }

            $($async)? fn close(&mut self) -> Result<()> {
                if self.closed {
                    return Ok(());
                }
                self.ahead = Bytes::new();
                $wait!(self.file.commit())?;
                self.closed = true;
                Ok(())
            }
        }

        /// A file system as [`PathIo`], with a way of publishing that is not its own.
        ///
        /// ```
        #[doc = $first]
        /// use twinfs::Publish;
        ///
        /// let io = FsPathIo::new(Fs::memory()).publish(Publish::Staged);
        #[doc = concat!("let mut file = io.open(\"a.txt\", Mode::Write)", $await, "?;")]
        #[doc = concat!("file.write(\"hello\")", $await, "?;")]
        #[doc = concat!("assert!(!io.exists(\"a.txt\")", $await, "?);")]
        #[doc = concat!("file.close()", $await, "?;")]
        #[doc = concat!("assert!(io.exists(\"a.txt\")", $await, "?);")]
        #[doc = $last]
        /// ```
        pub struct FsPathIo<S = DynStore<Face>> {
            fs: Fs<S>,
            publish: Option<Publish>,
        }

        impl<S> Clone for FsPathIo<S> {
            fn clone(&self) -> Self {
                Self { fs: self.fs.clone(), publish: self.publish }
            }
        }

        impl<S: Store> FsPathIo<S> {
            /// The file system, as it publishes by itself.
            #[must_use]
            pub fn new(fs: Fs<S>) -> Self {
                Self { fs, publish: None }
            }

            /// The same with this way of publishing.
            #[must_use]
            pub fn publish(mut self, publish: Publish) -> Self {
                self.publish = Some(publish);
                self
            }

            /// The file system below.
            #[must_use]
            pub fn fs(&self) -> &Fs<S> {
                &self.fs
            }
        }

        /// What an answer about a path means where the path cannot be: nothing is there.
        fn unless_no_path(answer: Result<bool>) -> Result<bool> {
            match answer {
                Err(error) if error.kind() == ErrorKind::InvalidPath => Ok(false),
                answer => answer,
            }
        }

        impl<S: Store> PathIo for FsPathIo<S> {
            type File = PathFile<S>;

            $($async)? fn exists(&self, path: impl IntoFsPath) -> Result<bool> {
                unless_no_path($wait!(self.fs.exists(path)))
            }

            $($async)? fn is_file(&self, path: impl IntoFsPath) -> Result<bool> {
                unless_no_path($wait!(self.fs.is_file(path)))
            }

            $($async)? fn is_dir(&self, path: impl IntoFsPath) -> Result<bool> {
                unless_no_path($wait!(self.fs.is_dir(path)))
            }

            $($async)? fn mkdir(&self, path: impl IntoFsPath, options: &MkdirOptions) -> Result<()> {
                $wait!(self.fs.create_dir_with(path, &CreateDirOptions::from(options)))
            }

            $($async)? fn rmdir(&self, path: impl IntoFsPath) -> Result<()> {
                $wait!(self.fs.remove_dir(path))
            }

            $($async)? fn unlink(&self, path: impl IntoFsPath) -> Result<()> {
                $wait!(self.fs.remove(path))
            }

            fn list(&self, path: impl IntoFsPath) -> Listing {
                match path.into_fs_path() {
                    Ok(path) => Names::New(self.fs.clone(), path).into_listing(),
                    Err(_) => Names::<S>::Ended.into_listing(),
                }
            }

            $($async)? fn stat(&self, path: impl IntoFsPath) -> Result<Metadata> {
                $wait!(self.fs.stat(path))
            }

            $($async)? fn open_file(&self, path: impl IntoFsPath, mode: Mode) -> Result<PathFile<S>> {
                let capabilities: &Capabilities = self.fs.store().capabilities();
                let options = open_options(mode, self.publish, capabilities);
                Ok(PathFile::new($wait!(self.fs.open(path, options))?))
            }

            $($async)? fn seek(&self, file: &mut PathFile<S>, to: SeekFrom) -> Result<u64> {
                $wait!(file.seek(to))
            }

            $($async)? fn read(&self, file: &mut PathFile<S>, len: usize) -> Result<Bytes> {
                $wait!(file.read(len))
            }

            $($async)? fn write<'data>(
                &self,
                file: &mut PathFile<S>,
                data: impl Into<Data<'data>> + Send,
            ) -> Result<usize> {
                $wait!(file.write(data.into()))
            }

            $($async)? fn close(&self, file: &mut PathFile<S>) -> Result<()> {
                $wait!(file.close())
            }

            $($async)? fn rename(
                &self,
                source: impl IntoFsPath,
                destination: impl IntoFsPath,
            ) -> Result<FsPath> {
                let destination = destination.into_fs_path().during(Operation::Rename)?;
                let options = MoveOptions { parents: Parents::Require, ..MoveOptions::default() };
                $wait!(self.fs.rename_with(source, &destination, &options))?;
                Ok(destination)
            }
        }

        impl<S: Store> Fs<S> {
            fn as_path_io(&self) -> FsPathIo<S> {
                FsPathIo::new(self.clone())
            }
        }

        impl<S: Store> PathIo for Fs<S> {
            type File = PathFile<S>;

            $($async)? fn exists(&self, path: impl IntoFsPath) -> Result<bool> {
                $wait!(self.as_path_io().exists(path))
            }

            $($async)? fn is_file(&self, path: impl IntoFsPath) -> Result<bool> {
                $wait!(self.as_path_io().is_file(path))
            }

            $($async)? fn is_dir(&self, path: impl IntoFsPath) -> Result<bool> {
                $wait!(self.as_path_io().is_dir(path))
            }

            $($async)? fn mkdir(&self, path: impl IntoFsPath, options: &MkdirOptions) -> Result<()> {
                $wait!(self.as_path_io().mkdir(path, options))
            }

            $($async)? fn rmdir(&self, path: impl IntoFsPath) -> Result<()> {
                $wait!(self.as_path_io().rmdir(path))
            }

            $($async)? fn unlink(&self, path: impl IntoFsPath) -> Result<()> {
                $wait!(self.as_path_io().unlink(path))
            }

            fn list(&self, path: impl IntoFsPath) -> Listing {
                self.as_path_io().list(path)
            }

            $($async)? fn stat(&self, path: impl IntoFsPath) -> Result<Metadata> {
                $wait!(self.as_path_io().stat(path))
            }

            $($async)? fn open_file(&self, path: impl IntoFsPath, mode: Mode) -> Result<PathFile<S>> {
                $wait!(self.as_path_io().open_file(path, mode))
            }

            $($async)? fn seek(&self, file: &mut PathFile<S>, to: SeekFrom) -> Result<u64> {
                $wait!(file.seek(to))
            }

            $($async)? fn read(&self, file: &mut PathFile<S>, len: usize) -> Result<Bytes> {
                $wait!(file.read(len))
            }

            $($async)? fn write<'data>(
                &self,
                file: &mut PathFile<S>,
                data: impl Into<Data<'data>> + Send,
            ) -> Result<usize> {
                $wait!(file.write(data.into()))
            }

            $($async)? fn close(&self, file: &mut PathFile<S>) -> Result<()> {
                $wait!(file.close())
            }

            $($async)? fn rename(
                &self,
                source: impl IntoFsPath,
                destination: impl IntoFsPath,
            ) -> Result<FsPath> {
                $wait!(self.as_path_io().rename(source, destination))
            }
        }

        /// The names in a directory, as they come.
        enum Names<S: Store> {
            New(Fs<S>, FsPath),
            Open(Entries<S>, FsPath),
            Ended,
        }

        impl<S: Store> Names<S> {
            /// The next path; after an error there is none.
            $($async)? fn next(&mut self) -> Result<Option<FsPath>> {
                let (mut entries, dir) = match std::mem::replace(self, Self::Ended) {
                    Self::Ended => return Ok(None),
                    Self::Open(entries, dir) => (entries, dir),
                    Self::New(fs, dir) => match $wait!(fs.entries(&dir, &ListOptions::default())) {
                        Ok(entries) => (entries, dir),
                        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                            return Ok(None);
                        }
                        Err(error) => return Err(error),
                    },
                };
                while let Some(entry) = $wait!(next_entry(&mut entries))? {
                    // A file is listed as itself, and some names on disk are no paths.
                    if entry.path != dir && entry.kind != EntryKind::Unrepresentable {
                        *self = Self::Open(entries, dir);
                        return Ok(Some(entry.path));
                    }
                }
                Ok(None)
            }
        }

        /// Path I/Os over one store: what one of them writes the others see. Each has its own options.
        ///
        /// ```
        #[doc = $first]
        /// use std::time::Duration;
        ///
        /// let nursery = Nursery::memory();
        /// let (ten, twenty) = (PathIoOptions::default().timeout(Duration::from_secs(10)), PathIoOptions::default().timeout(Duration::from_secs(20)));
        #[doc = concat!("nursery.path_io(&ten).mkdir(\"temp\", &MkdirOptions::default())", $await, "?;")]
        #[doc = concat!("assert!(nursery.path_io(&twenty).is_dir(\"temp\")", $await, "?);")]
        #[doc = $last]
        /// ```
        #[derive(Clone)]
        pub struct Nursery {
            store: AnyStore,
        }

        impl Nursery {
            /// Over a store of your own.
            #[must_use]
            pub fn new(store: AnyStore) -> Self {
                Self { store }
            }

            /// Over a fresh tree in memory; [`DynStore::memory`] gives a look at it.
            ///
            /// ```
            #[doc = $first]
            /// let io = Nursery::memory().path_io(&PathIoOptions::default());
            #[doc = concat!("io.mkdir(\"app\", &MkdirOptions::default())", $await, "?;")]
            /// let memory = io.fs().store().memory().unwrap();
            /// assert!(memory.node("app").is_some_and(|node| node.is_dir()));
            /// assert_eq!(memory.tree().children().len(), 1);
            #[doc = $last]
            /// ```
            #[must_use]
            pub fn memory() -> Self {
                Self::new(AnyStore::Memory(Arc::default()))
            }

            /// Over all local files; [`local_path`](super::super::local_path) gives their places in it.
            /// Links lead wherever they lead, and files get no versions: this is the system's own tree.
            ///
            /// # Errors
            /// Those of opening `/`.
            pub fn local() -> Result<Self> {
                let options =
                    LocalOptions { versions: Versions::Off, create: Create::Never, ..LocalOptions::default() };
                Ok(Self::new(AnyStore::new_blocking(LocalStore::open("/", options)?)))
            }

            /// Over the store at a URL or plain path, as [`Fs::connect`].
            ///
            /// # Errors
            /// As there.
            ///
            /// ```
            #[doc = $first]
            /// # let dir = tempfile::tempdir().unwrap();
            /// # let path = dir.path().to_str().unwrap();
            #[doc = concat!("let io = Nursery::connect(path)", $await, "?.path_io(&PathIoOptions::default());")]
            #[doc = concat!("assert!(io.is_dir(\"/\")", $await, "?);")]
            #[doc = $last]
            /// ```
            pub $($async)? fn connect(url: &str) -> Result<Self> {
                let url = url.to_owned();
                let open = move || registry::open(&url, StoreOptions::new());
                Ok(Self::new($wait!(elsewhere(open))?))
            }

            /// A path I/O with these options.
            #[must_use]
            pub fn path_io(&self, options: &PathIoOptions) -> FsPathIo<DynStore<Face>> {
                let store = match options.timeout {
                    None => self.store.clone(),
                    Some(limit) => self.store.clone().limited(limit),
                };
                FsPathIo { fs: Fs::new(store.$into()), publish: options.publish }
            }
        }

        opaque_debug! {
            impl[P: PathIo] OpenFile<'_, P>, "OpenFile";
            impl[P: PathIo] Blocks<'_, P>, "Blocks";
            impl[] Listing, "Listing";
            impl[] Nursery, "Nursery";
        }

        impl<S: Store> std::fmt::Debug for PathFile<S> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct("PathFile")
                    .field("path", self.file.path())
                    .field("mode", &self.file.mode())
                    .field("position", &self.position())
                    .finish_non_exhaustive()
            }
        }

        impl<S: Store> std::fmt::Debug for FsPathIo<S> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct("FsPathIo").field("fs", &self.fs).field("publish", &self.publish).finish()
            }
        }
    };
}

/// The async face.
pub(super) mod asynchronous {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_core::Stream;
    use futures_util::stream;

    use crate::face::asynchronous::{Entries, File, Fs};
    use crate::pool::run as elsewhere;
    use crate::store::{AsyncFace as Face, AsyncStore as Store, Entry};

    macro_rules! awaited {
        ($future:expr) => {
            $future.await
        };
    }

    macro_rules! future_of {
        ($ty:ty) => {
            impl Future<Output = Result<$ty>> + Send
        };
    }

    macro_rules! async_move {
        ($body:block) => {
            async move $body
        };
    }

    face! {
        async [async] wait awaited answer future_of text async_move into into_async
        examples [
            "use twinfs::pathio::{FsPathIo, MkdirOptions, Nursery, PathIo, PathIoOptions};\nuse twinfs::{Fs, Mode};\n\n# smol::block_on(async {",
            ".await", ".await",
            "# Ok::<(), twinfs::Error>(()) }).unwrap();"
        ]
        twin "blocking::PathIo`](crate::pathio::blocking::PathIo)"
    }

    async fn next_entry<S: Store>(entries: &mut Entries<S>) -> Result<Option<Entry>> {
        entries.next().await
    }

    /// A listing under way: the paths in a directory, in order.
    pub struct Listing(Pin<Box<dyn Stream<Item = Result<FsPath>> + Send>>);

    impl Listing {
        /// A listing of your own.
        #[must_use]
        pub fn new(paths: impl Stream<Item = Result<FsPath>> + Send + 'static) -> Self {
            Self(Box::pin(paths))
        }

        /// The next path; `None` at the end.
        ///
        /// # Errors
        /// Those of the store; the listing has ended then.
        pub async fn next(&mut self) -> Option<Result<FsPath>> {
            std::future::poll_fn(|context| self.0.as_mut().poll_next(context)).await
        }

        /// All that is left, in memory.
        ///
        /// # Errors
        /// Those of the store.
        pub async fn collect_all(mut self) -> Result<Vec<FsPath>> {
            let mut paths = Vec::new();
            while let Some(path) = self.next().await {
                paths.push(path?);
            }
            Ok(paths)
        }
    }

    impl Stream for Listing {
        type Item = Result<FsPath>;

        fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.0.as_mut().poll_next(context)
        }
    }

    impl<S: Store> Names<S> {
        fn into_listing(self) -> Listing {
            Listing::new(stream::unfold(self, |mut names| async move {
                let next = names.next().await.transpose()?;
                Some((next, names))
            }))
        }
    }

    impl<P: PathIo> Blocks<'_, P> {
        /// The next block; `None` at the end.
        pub async fn next(&mut self) -> Option<Result<Bytes>> {
            self.next_block().await
        }
    }
}

/// The sync face.
pub(super) mod blocking {
    use crate::face::blocking::{Entries, File, Fs};
    use crate::store::{Entry, Immediate as Store, SyncFace as Face};

    macro_rules! plain {
        ($value:expr) => {
            $value
        };
    }

    macro_rules! result_of {
        ($ty:ty) => {
            Result<$ty>
        };
    }

    macro_rules! body {
        ($body:block) => {
            $body
        };
    }

    face! {
        async [] wait plain answer result_of text body into into_sync
        examples [
            "use twinfs::pathio::blocking::{FsPathIo, MkdirOptions, Nursery, PathIo, PathIoOptions};\nuse twinfs::Mode;\nuse twinfs::blocking::Fs;\n",
            "", "",
            "# Ok::<(), twinfs::Error>(())"
        ]
        twin "PathIo`](crate::pathio::PathIo)"
    }

    fn elsewhere<T>(here: impl FnOnce() -> Result<T>) -> Result<T> {
        here()
    }

    fn next_entry<S: Store>(entries: &mut Entries<S>) -> Result<Option<Entry>> {
        entries.next().transpose()
    }

    /// A listing under way: the paths in a directory, in order. It is an iterator.
    pub struct Listing(Box<dyn Iterator<Item = Result<FsPath>> + Send>);

    impl Listing {
        /// A listing of your own.
        #[must_use]
        pub fn new(paths: impl Iterator<Item = Result<FsPath>> + Send + 'static) -> Self {
            Self(Box::new(paths))
        }

        /// All that is left, in memory.
        ///
        /// # Errors
        /// Those of the store.
        pub fn collect_all(self) -> Result<Vec<FsPath>> {
            self.0.collect()
        }
    }

    impl Iterator for Listing {
        type Item = Result<FsPath>;

        /// The next path; after an error there is none.
        fn next(&mut self) -> Option<Self::Item> {
            self.0.next()
        }
    }

    impl<S: Store> Names<S> {
        fn into_listing(mut self) -> Listing {
            Listing::new(std::iter::from_fn(move || self.next().transpose()))
        }
    }

    impl<P: PathIo> Iterator for Blocks<'_, P> {
        type Item = Result<Bytes>;

        /// The next block; after an error there is none that makes sense.
        fn next(&mut self) -> Option<Self::Item> {
            self.next_block()
        }
    }
}
