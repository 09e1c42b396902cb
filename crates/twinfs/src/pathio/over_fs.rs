//! Every file system as a path I/O.

/// Emits the trait's methods over a file system, for one face.
macro_rules! over_fs {
    (
        async [$($async:tt)?] wait $wait:ident answer $answer:ident text $text:ident into $into:ident
        examples [$first:literal, $await:literal, $next:literal, $last:literal]
        twin $twin:literal
    ) => {
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
                let path = path.into_fs_path().during(Operation::RemoveDir)?;
                let result = $wait!(self.fs.remove_dir(&path));
                // The root cannot be removed at all; where it holds something, that says more.
                if path.is_root() && result.is_err() && !$wait!(self.fs.list(&path))?.is_empty() {
                    return Err(Error::new(ErrorKind::NotEmpty)).at(Operation::RemoveDir, &path);
                }
                result
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
                let source = source.into_fs_path().during(Operation::Rename)?;
                let destination = destination.into_fs_path().during(Operation::Rename)?;
                let options = MoveOptions { parents: Parents::Require, ..MoveOptions::default() };
                let result = $wait!(self.fs.rename_with(&source, &destination, &options));
                // Into itself, or the root anywhere, nothing can move; that the place is missing says more.
                if result.as_ref().is_err_and(|error| error.kind() == ErrorKind::InvalidInput)
                    && let Some(above) = destination.parent()
                    && !$wait!(self.fs.exists(&above))?
                {
                    return Err(Error::new(ErrorKind::NotFound)).at(Operation::Rename, &above);
                }
                result.map(|()| destination)
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

        impl<S: Store> std::fmt::Debug for FsPathIo<S> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct("FsPathIo").field("fs", &self.fs).field("publish", &self.publish).finish()
            }
        }
    };
}

pub(super) use over_fs;
