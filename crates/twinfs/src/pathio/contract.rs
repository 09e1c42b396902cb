//! The trait, and the open file that works through it.

/// Emits the trait for one face, and the file that works through it. `$wait!` awaits a future on the
/// async face and is nothing on the sync one, `$answer!` is the type that a method of the trait gives, `$text!`
/// its body.
macro_rules! contract {
    (
        async [$($async:tt)?] wait $wait:ident answer $answer:ident text $text:ident into $into:ident
        examples [$first:literal, $await:literal, $next:literal, $last:literal]
        twin $twin:literal
    ) => {
        #[doc = concat!("A file system as an FTP server uses it; the other face is [`", $twin, "`]")]
        /// .
        ///
        /// Every [`Fs`] is one; where a method of its own has the same name, [`FsPathIo`] tells them apart. A
        /// type of your own that wraps another passes on what it does not change: all input and output
        /// goes through these methods, that of [`open`](Self::open) as well.
        ///
        /// ```
        #[doc = $first]
        /// let io = FsPathIo::new(Fs::memory());
        #[doc = concat!("io.mkdir(\"home\", &MkdirOptions::default())", $await, "?;")]
        #[doc = concat!("let mut file = io.open(\"home/a.txt\", Mode::Write)", $await, "?;")]
        #[doc = concat!("file.write(\"hello\")", $await, "?;")]
        /// // It is there, and grows, before it is closed.
        #[doc = concat!("assert_eq!(io.stat(\"home/a.txt\")", $await, "?.len, 5);")]
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
            /// # let io = FsPathIo::new(Fs::memory());
            #[doc = concat!("io.fs().write(\"a.bin\", \"0123456789\")", $await, "?;")]
            #[doc = concat!("let mut file = io.open(\"a.bin\", Mode::Read)", $await, "?;")]
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

        opaque_debug! {
            impl[P: PathIo] OpenFile<'_, P>, "OpenFile";
            impl[P: PathIo] Blocks<'_, P>, "Blocks";
            impl[] Listing, "Listing";
        }
    };
}

pub(super) use contract;
