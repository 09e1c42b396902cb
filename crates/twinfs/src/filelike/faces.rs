//! The two faces of a system and its files, from one text.

/// Emits the face: `$wait!` awaits a future on the async face and polls it once on the sync one.
macro_rules! face {
    (
        async [$($async:tt)?] wait $wait:ident bound $bound:ident store [$dyn:ty]
        examples [$open:literal, $await:literal, $close:literal]
        twin $twin:literal
    ) => {
        use std::fmt;
        use std::io::SeekFrom;

        use bytes::Bytes;

        use super::super::content::{self, Content};
        use super::super::system::{self, Mode};
        use super::super::template::Template;
        use crate::error::Result;
        use crate::path::FsPath;
        use crate::store::{AsyncStore, Data, Depth, DynStore, Metadata};

        #[doc = concat!("Files by name, on this face; the other one is [`", $twin, "::FileLikeSystem`]")]
        #[doc = concat!("(", $twin, "::FileLikeSystem).")]
        ///
        /// Every name is one of the [template](Self::template); nothing outside it is reached. Cloning is
        /// cheap.
        ///
        /// ```
        #[doc = $open]
        #[doc = concat!("let mut file = system.open(\"a/b.bin\", Mode::Write)", $await, "?;")]
        #[doc = concat!("file.write(\"hello\")", $await, "?;")]
        #[doc = concat!("file.close()", $await, "?;")]
        ///
        #[doc = concat!("assert_eq!(system.ls(\"*.bin\")", $await, "?, [\"a/b.bin\"]);")]
        #[doc = concat!("system.rm(\"a*\")", $await, "?;")]
        #[doc = $close]
        /// ```
        pub struct FileLikeSystem<S = $dyn> {
            fs: Fs<S>,
            template: Template,
        }

        impl<S> Clone for FileLikeSystem<S> {
            fn clone(&self) -> Self {
                Self { fs: self.fs.clone(), template: self.template.clone() }
            }
        }

        impl<S: $bound> FileLikeSystem<S> {
            /// The files of a file system, each by its path.
            #[must_use]
            pub fn new(fs: Fs<S>) -> Self {
                Self { fs, template: Template::default() }
            }

            /// The same system with another template.
            #[must_use]
            pub fn with_template(mut self, template: Template) -> Self {
                self.template = template;
                self
            }

            /// How names become paths.
            #[must_use]
            pub fn template(&self) -> &Template {
                &self.template
            }

            /// Sets how names become paths, for the calls that follow.
            pub fn set_template(&mut self, template: Template) {
                self.template = template;
            }

            /// The file system below.
            #[must_use]
            pub fn fs(&self) -> &Fs<S> {
                &self.fs
            }

            /// Opens a file. It shows what stood there at this moment; what is written to it is stored, whole,
            /// by [`FileLike::close`].
            ///
            /// A missing file is found out at the first read; `r+` and `w` make it, when they are closed. From
            /// here on a file open for writing keeps out other writers, also where nothing is yet.
            ///
            /// # Errors
            /// `WouldBlock` where another writer has the file open and the store knows it; `IsADirectory`,
            /// `InvalidPath`, `PermissionDenied`.
            pub $($async)? fn open(&self, name: &str, mode: Mode) -> Result<FileLike<S>> {
                let path = self.template.path(name)?;
                let content = $wait!(content::open(self.fs.store(), path, mode))?;
                Ok(FileLike { fs: self.fs.clone(), content })
            }

            /// The names that match a pattern, in the order of their paths: `*` stands for any characters, `?`
            /// for one, `[abc]` and `[!abc]` for one of these or none of these. All of them match `/`, too.
            ///
            /// # Errors
            /// Those of listing. Where nothing is, there are no names.
            pub $($async)? fn ls(&self, pattern: &str) -> Result<Vec<String>> {
                let found = $wait!(system::find(self.fs.store(), &self.template, pattern))?;
                Ok(found.into_iter().map(|found| found.name).collect())
            }

            /// Removes the files whose names match a pattern (see [`ls`](Self::ls)); none is fine. Directories
            /// stay. Cancelled or failed half-way, what was removed stays removed.
            ///
            /// # Errors
            /// The first failure, when all have been tried.
            pub $($async)? fn rm(&self, pattern: &str) -> Result<()> {
                let found = $wait!(system::find(self.fs.store(), &self.template, pattern))?;
                let paths: Vec<FsPath> = found.into_iter().map(|found| found.path).collect();
                let options = bulk::Options::default().on_error(bulk::OnError::Return);
                let removed = $wait!(done bulk::rm(&self.fs, &paths, Depth::Children, &options))?;
                system::removed(removed)
            }

            /// Moves a file; one that stands at the destination is replaced.
            ///
            /// # Errors
            /// `NotFound`, `IsADirectory`, `InvalidPath`.
            pub $($async)? fn mv(&self, from: &str, to: &str) -> Result<()> {
                let (from, to) = (self.template.path(from)?, self.template.path(to)?);
                $wait!(system::mv(self.fs.store(), &from, &to))
            }

            /// Copies a file, whole; one that stands at the destination is replaced.
            ///
            /// # Errors
            /// `NotFound`, `IsADirectory`, `InvalidPath`, `NoSpace`.
            pub $($async)? fn cp(&self, from: &str, to: &str) -> Result<()> {
                let (from, to) = (self.template.path(from)?, self.template.path(to)?);
                $wait!(system::cp(self.fs.store(), &from, &to))
            }

            /// Whether there is a file of this name.
            ///
            /// # Errors
            /// `InvalidPath`, `PermissionDenied`; never `NotFound`.
            pub $($async)? fn exists(&self, name: &str) -> Result<bool> {
                let path = self.template.path(name)?;
                $wait!(system::exists(self.fs.store(), &path))
            }

            /// Length, times and the rest of a file.
            ///
            /// # Errors
            /// `NotFound`, `IsADirectory`, `InvalidPath`.
            pub $($async)? fn stat(&self, name: &str) -> Result<Metadata> {
                let path = self.template.path(name)?;
                $wait!(system::stat(self.fs.store(), &path))
            }
        }

        impl<S: $bound> fmt::Debug for FileLikeSystem<S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("FileLikeSystem").field("fs", &self.fs).field("template", &self.template).finish()
            }
        }

        /// A file of a [`FileLikeSystem`], open for reading, writing or both.
        ///
        /// Dropped without [`close`](Self::close) it stores nothing. Small writes are gathered in memory, up
        /// to 512 KiB; many of them take linear time.
        ///
        /// ```
        #[doc = $open]
        #[doc = concat!("let mut file = system.open(\"a\", Mode::Write)", $await, "?;")]
        #[doc = concat!("file.write(\"hello\")", $await, "?;")]
        #[doc = concat!("file.close()", $await, "?;")]
        ///
        #[doc = concat!("let mut file = system.open(\"a\", Mode::Update)", $await, "?;")]
        #[doc = concat!("assert_eq!(file.read(4)", $await, "?, \"hell\");")]
        /// // Without a seek, what is written is the whole new content.
        #[doc = concat!("file.write(\"goodbye\")", $await, "?;")]
        #[doc = concat!("file.close()", $await, "?;")]
        ///
        #[doc = concat!("let mut file = system.open(\"a\", Mode::Update)", $await, "?;")]
        /// file.seek(std::io::SeekFrom::Start(4))?;
        #[doc = concat!("file.write(\"BYE\")", $await, "?;")]
        #[doc = concat!("file.close()", $await, "?;")]
        ///
        #[doc = concat!("let mut file = system.open(\"a\", Mode::Read)", $await, "?;")]
        #[doc = concat!("assert_eq!(file.read_to_end()", $await, "?, \"goodBYE\");")]
        #[doc = $close]
        /// ```
        pub struct FileLike<S: $bound = $dyn> {
            fs: Fs<S>,
            content: Content<<S as AsyncStore>::File>,
        }

        impl<S: $bound> FileLike<S> {
            /// Its path inside the store.
            #[must_use]
            pub fn path(&self) -> &FsPath {
                self.content.path()
            }

            /// The mode it was opened in.
            #[must_use]
            pub fn mode(&self) -> Mode {
                self.content.mode()
            }

            /// The length in bytes of what reading sees; 0 if nothing is there.
            #[must_use]
            pub fn len(&self) -> u64 {
                self.content.len()
            }

            /// Whether reading sees no bytes.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// How many bytes lie between the position and the end, for reading.
            #[must_use]
            pub fn remaining(&self) -> u64 {
                self.content.remaining()
            }

            /// Reads up to `len` bytes at the position and moves it: all of them unless the file ends before;
            /// empty at the end. Cancelled, the position has not moved.
            ///
            /// In `r+` it reads what stood there, also after a write; once [`seek`](Self::seek) was called,
            /// what was written.
            ///
            /// # Errors
            /// `NotFound` where nothing was at opening, `Unsupported` in `w`.
            pub $($async)? fn read(&mut self, len: usize) -> Result<Bytes> {
                $wait!(self.content.read(len))
            }

            /// Reads from the position to the end.
            ///
            /// # Errors
            /// As [`read`](Self::read).
            pub $($async)? fn read_to_end(&mut self) -> Result<Bytes> {
                $wait!(self.content.read_to_end())
            }

            /// Reads into `buf` until it is full or the file ends; gives how many bytes.
            ///
            /// # Errors
            /// As [`read`](Self::read).
            pub $($async)? fn read_into(&mut self, buf: &mut [u8]) -> Result<usize> {
                $wait!(self.content.read_into(buf))
            }

            /// As [`read`](Self::read), if that takes no store: nothing is done otherwise.
            pub fn read_now(&mut self, len: usize) -> Option<Bytes> {
                self.content.read_now(len)
            }

            /// Writes all of the data: behind what was written before, or at the position once
            /// [`seek`](Self::seek) was called. Nobody sees it before [`close`](Self::close).
            ///
            /// Failed or cancelled, the file can only be closed with an error, and nothing of it is stored.
            ///
            /// # Errors
            /// `Unsupported` in `r`; `NoSpace` and others of the store.
            pub $($async)? fn write<'data>(&mut self, data: impl Into<Data<'data>> + Send) -> Result<()> {
                let data = data.into();
                $wait!(self.content.write(&data))
            }

            /// As [`write`](Self::write), if that takes no store; `false` and nothing is done otherwise.
            pub fn write_now(&mut self, data: &[u8]) -> bool {
                self.content.write_now(data)
            }

            /// Moves the position, in bytes; gives the new one from the start. From now on reading and writing
            /// share it. A gap before what is written there reads as zeros.
            ///
            /// # Errors
            /// `InvalidInput` for a position before the start; `NotFound` in `r` where nothing is.
            pub fn seek(&mut self, to: SeekFrom) -> Result<u64> {
                self.content.seek(to)
            }

            /// The position, in bytes from the start: that of reading, or once something was written that of
            /// writing.
            #[must_use]
            pub fn tell(&self) -> u64 {
                self.content.position()
            }

            /// Stores what was written, whole, and closes the file. In `w` that is an empty file if nothing was
            /// written; in `r+` nothing is changed then.
            ///
            /// Cancelled, the file is stored or it is not, never in part.
            ///
            /// # Errors
            /// `WouldBlock` if another writer was first: nothing is stored. `Io` after a write that failed or was
            /// cancelled; `NoSpace` and others of the store.
            pub $($async)? fn close(self) -> Result<()> {
                $wait!(self.content.close(self.fs.store()))
            }

            /// Closes the file and stores nothing; directories that were made for it go again.
            ///
            /// # Errors
            /// Those of the store while it removes what it had of the file; it is swept later then.
            pub $($async)? fn abort(self) -> Result<()> {
                $wait!(self.content.abort(self.fs.store()))
            }

            /// Whether it holds nothing of the store's, so that closing it takes no store.
            #[must_use]
            pub fn is_free(&self) -> bool {
                self.content.is_free()
            }
        }

        impl<S: $bound> fmt::Debug for FileLike<S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("FileLike")
                    .field("path", self.path())
                    .field("mode", &self.mode())
                    .field("position", &self.tell())
                    .finish_non_exhaustive()
            }
        }
    };
}

/// The async face.
pub(super) mod asynchronous {
    use crate::bulk;
    use crate::face::asynchronous::Fs;

    macro_rules! awaited {
        (done $future:expr) => {
            $future.await
        };
        ($future:expr) => {
            $future.await
        };
    }

    face! {
        async [async] wait awaited bound AsyncStore store [DynStore]
        examples [
            "# smol::block_on(async {\nuse twinfs::filelike::{FileLikeSystem, Mode};\n\nlet system = FileLikeSystem::new(twinfs::Fs::memory());",
            ".await",
            "# Ok::<(), twinfs::Error>(()) }).unwrap();"
        ]
        twin "crate::filelike::blocking"
    }

    impl FileLikeSystem {
        /// Files on the local disk, named by a template such as `/data/{}.csv`; see [`Template::on_disk`].
        ///
        /// # Errors
        /// As there, and those of [`Fs::connect`].
        pub async fn on_disk(template: &str) -> Result<Self> {
            let template = template.to_owned();
            let (store, template) = crate::pool::run(move || super::super::local_store(&template)).await?;
            Ok(Self::new(Fs::new(store.into_async())).with_template(template))
        }
    }
}

/// The sync face.
pub(super) mod blocking {
    use crate::adapters::ready;
    use crate::bulk::blocking as bulk;
    use crate::face::blocking::Fs;
    use crate::store::{Immediate, SyncFace};

    macro_rules! polled {
        (done $result:expr) => {
            $result
        };
        ($future:expr) => {
            ready($future)
        };
    }

    face! {
        async [] wait polled bound Immediate store [DynStore<SyncFace>]
        examples [
            "use twinfs::blocking::filelike::{FileLikeSystem, Mode};\n\nlet system = FileLikeSystem::new(twinfs::blocking::Fs::memory());",
            "",
            "# Ok::<(), twinfs::Error>(())"
        ]
        twin "crate::filelike"
    }

    impl FileLikeSystem {
        /// Files on the local disk, named by a template such as `/data/{}.csv`; see [`Template::on_disk`].
        ///
        /// # Errors
        /// As there, and those of [`Fs::connect`].
        pub fn on_disk(template: &str) -> Result<Self> {
            let (store, template) = super::super::local_store(template)?;
            Ok(Self::new(Fs::new(store.into_sync())).with_template(template))
        }
    }
}
