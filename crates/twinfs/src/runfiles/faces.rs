//! The two faces of [`RunFiles`], from one text.

/// Emits the face: `$wait!` awaits a future on the async face and parks on the sync one.
macro_rules! face {
    (
        async [$($async:tt)?] wait $wait:ident
        examples [$first:literal, $await:literal, $next:literal, $last:literal]
        twin $twin:literal
    ) => {
        use std::fmt;
        use std::path::{Path, PathBuf};
        use std::sync::Arc;

        use bytes::Bytes;

        use super::super::download::Downloader;
        use super::super::progress::ProgressCallback;
        use super::super::session::Session;
        use super::super::stream::Reader;
        use super::super::{FileInfo, Progress, upload};
        use crate::error::{ErrorContext, Operation, Result};
        use crate::net;

        #[doc = concat!("The files of one run, on this face; the other one is [`", $twin, "`]")]
        /// . Cloning is cheap, and clones share connections.
        ///
        /// Paths begin with `in` or `out`; slashes at their ends do not matter. A path with another root
        /// is refused at the call, with `InvalidInput`. What a server refuses has
        /// [`HttpStatus`](crate::HttpStatus) as its source; a server that does not answer is `Connection`.
        ///
        /// ```no_run
        #[doc = $first]
        /// let run = RunFiles::new("65f0a1", "http://127.0.0.1:3370", "eyJhbGciOi...")?;
        #[doc = concat!("for file in run.ls(\"in\")", $await, "? {")]
        ///     println!("{} has {} bytes", file.path, file.size);
        /// }
        #[doc = concat!("let report = run.open(\"in/report.csv\")?.read_all()", $await, "?;")]
        #[doc = concat!("run.upload(\"./results\")", $await, "?;")]
        #[doc = $last]
        /// ```
        #[derive(Clone)]
        pub struct RunFiles {
            session: Arc<Session>,
            progress: Option<ProgressCallback>,
        }

        impl RunFiles {
            /// The run `fid` at the server `url`, for the holder of `token`. Nothing is sent and no
            /// thread is started.
            ///
            /// # Errors
            /// `InvalidInput` for a URL that is not `http(s)://host...`, an id that is not one name, or a
            /// token with characters that no token has.
            pub fn new(fid: &str, url: &str, token: &str) -> Result<Self> {
                Ok(Self { session: Session::new(fid, url, token)?, progress: None })
            }

            /// The id of the run.
            #[must_use]
            pub fn fid(&self) -> &str {
                &self.session.fid
            }

            /// The server's URL, as it was given.
            #[must_use]
            pub fn url(&self) -> &str {
                &self.session.url
            }

            /// The credential, as it was given.
            #[must_use]
            pub fn token(&self) -> &str {
                &self.session.token
            }

            /// The size of the chunks of an upload, in bytes: what was set, at most 1 MiB until the server
            /// has named another limit, halved when it refuses one as too large.
            #[must_use]
            pub fn chunk_size(&self) -> u64 {
                self.session.chunk.get()
            }

            /// Sets the size of chunks, in bytes, of this client and its clones.
            pub fn set_chunk_size(&self, bytes: u64) {
                self.session.chunk.want(bytes);
            }

            /// The same client, whose downloads and uploads tell how far they are. The callback runs on
            /// a thread of twinfs's own: it must return soon, and must not call the sync face.
            #[must_use]
            pub fn with_progress(mut self, callback: impl Fn(Progress) + Send + Sync + 'static) -> Self {
                self.progress = Some(Arc::new(callback));
                self
            }

            /// All files at or below a path, with size and time, in order. A root without files is empty.
            ///
            /// # Errors
            /// `NotFound` where nothing is at or below a path other than a root.
            pub $($async)? fn ls(&self, path: &str) -> Result<Vec<FileInfo>> {
                let path = self.session.path(path).during(Operation::List)?;
                let session = Arc::clone(&self.session);
                $wait!(net::run(async move { session.ls(&path).await }))
            }

            /// Removes a file, or a folder with everything in it.
            ///
            /// # Errors
            /// `NotFound`.
            pub $($async)? fn remove(&self, path: &str) -> Result<()> {
                let path = self.session.path(path).during(Operation::Remove)?;
                let session = Arc::clone(&self.session);
                $wait!(net::run(async move { session.remove(&path).await }))
            }

            /// Downloads the file at a path, or all files below it, into a fresh folder in the system's
            /// temporary directory. Nothing is requested before the first [`Download::next`].
            ///
            /// Several files are on their way at once; their paths come in the order of the listing, each
            /// when its file is there, whole, and nothing else is ever in the folder. The folder is the
            /// caller's from the first path on. Dropped or closed early, the download keeps the
            /// files whose paths were handed out and no other; after an error it leaves nothing.
            ///
            /// # Errors
            /// Here those of the path; of the download: `NotFound` where no file is at or below the path,
            /// also where one was removed after the listing.
            pub fn download(&self, path: &str) -> Result<Download> {
                let path = self.session.path(path).during(Operation::Read)?;
                Ok(Download(Downloader::new(Arc::clone(&self.session), path, self.progress.clone())))
            }

            /// Uploads a local file, or a folder with all files below it, into the run's `out`; gives the
            /// id of the batch, or `None` for a folder without files. The files appear, each whole, when all
            /// have arrived; of a folder with more than 1000, thousand by thousand.
            ///
            /// Chunks go side by side; after a broken connection the upload goes on with those the server
            /// does not have. Failed or cancelled, it drops on the server what had not become a file.
            ///
            /// # Errors
            /// `NotFound` for the local path; `InvalidPath` for a name the run cannot hold, before anything is
            /// sent; `Connection`; `Io` and others for what the server refuses.
            pub $($async)? fn upload(&self, local: impl AsRef<Path> + Send) -> Result<Option<String>> {
                let local = local.as_ref();
                let shown = local.display().to_string();
                self.session.path("out").during(Operation::Write)?;
                let upload = upload::upload(Arc::clone(&self.session), local.to_owned(), self.progress.clone());
                $wait!(net::run(upload)).map_err(|error| error.with_operation(Operation::Write).with_raw_path(shown))
            }

            /// Opens a file for reading. Nothing is requested before the first read.
            ///
            /// # Errors
            /// Those of the path; a missing file is found out at the first read.
            pub fn open(&self, path: &str) -> Result<FileStream> {
                let path = self.session.path(path).during(Operation::Open)?;
                Ok(FileStream(Reader::new(Arc::clone(&self.session), path)))
            }

            /// Lets go of the connections. Every later call, of clones too, fails with `Closed`; what is
            /// under way goes on.
            pub fn close(&self) {
                self.session.wire.connections.close();
            }
        }

        impl fmt::Debug for RunFiles {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("RunFiles").field("fid", &self.session.fid).finish_non_exhaustive()
            }
        }

        /// A download under way; see [`RunFiles::download`].
        ///
        /// ```no_run
        #[doc = $first]
        /// # let run = RunFiles::new("65f0a1", "http://127.0.0.1:3370", "")?;
        /// let mut download = run.download("in")?;
        #[doc = concat!("while let Some(path) = download.next()", $next, " {")]
        ///     println!("{}", path?.display());
        /// }
        #[doc = $last]
        /// ```
        pub struct Download(Downloader);

        impl Download {
            /// Ends the download; when this returns, no file is left but those whose paths were handed out.
            pub $($async)? fn close(&mut self) {
                $wait!(infallible self.0.close());
            }

            /// Counts the path that was given last as not handed out, so that its file goes with the download:
            /// for a caller that passes paths on, and was interrupted with one in its hands.
            pub fn take_back(&mut self) {
                self.0.take_back();
            }
        }

        impl fmt::Debug for Download {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Download").finish_non_exhaustive()
            }
        }

        /// A file of a run, open for reading; see [`RunFiles::open`].
        ///
        /// ```no_run
        #[doc = $first]
        /// # let run = RunFiles::new("65f0a1", "http://127.0.0.1:3370", "")?;
        /// let mut file = run.open("in/large.bin")?;
        #[doc = concat!("while let Some(block) = file.next()", $next, " {")]
        ///     println!("{} bytes", block?.len());
        /// }
        #[doc = $last]
        /// ```
        pub struct FileStream(Reader);

        impl FileStream {
            /// The path in the run.
            #[must_use]
            pub fn path(&self) -> &str {
                self.0.path().as_str()
            }

            /// Asks for the file now, and not when it is first read: whether it is there is known then.
            /// Once it was asked for this does nothing.
            ///
            /// # Errors
            /// As [`read_all`](Self::read_all).
            pub $($async)? fn begin(&mut self) -> Result<()> {
                $wait!(self.0.begin())
            }

            /// All of the file, or what [`next`](Self::next) has not given yet.
            ///
            /// # Errors
            /// `NotFound`, `IsADirectory`, `Connection`; `Closed` after [`close`](Self::close).
            pub $($async)? fn read_all(&mut self) -> Result<Bytes> {
                $wait!(self.0.read_all())
            }

            /// Closes this and removes the file from the run.
            ///
            /// # Errors
            /// `NotFound`.
            pub $($async)? fn remove(&mut self) -> Result<()> {
                $wait!(self.0.remove())
            }

            /// Ends the transfer; any number of times.
            pub fn close(&mut self) {
                self.0.close();
            }
        }

        impl fmt::Debug for FileStream {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("FileStream").field("path", self.0.path()).finish_non_exhaustive()
            }
        }
    };
}

/// The async face.
pub(super) mod asynchronous {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use futures_core::Stream;

    macro_rules! awaited {
        (infallible $future:expr) => {
            $future.await
        };
        ($future:expr) => {
            $future.await
        };
    }

    face! {
        async [async] wait awaited
        examples [
            "# smol::block_on(async {\nuse twinfs::runfiles::RunFiles;\n",
            ".await", ".await",
            "# Ok::<(), twinfs::Error>(()) }).unwrap();"
        ]
        twin "blocking::RunFiles`](crate::runfiles::blocking::RunFiles)"
    }

    impl Download {
        /// The next local path, absolute; `None` at the end. Cancelled, no path is lost.
        pub async fn next(&mut self) -> Option<Result<PathBuf>> {
            self.0.next().await
        }
    }

    impl FileStream {
        /// The next block, at most 1 MiB; `None` at the end. Cancelled, no byte is lost.
        pub async fn next(&mut self) -> Option<Result<Bytes>> {
            self.0.next().await
        }
    }

    impl Stream for FileStream {
        type Item = Result<Bytes>;

        fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
            self.0.poll_next(context)
        }
    }
}

/// The sync face.
pub(super) mod blocking {
    use crate::adapters::park_on;

    macro_rules! parked {
        (infallible $future:expr) => {
            // On twinfs's own thread, the one place where parking fails, nothing is lost: the drop cleans up.
            let _ = park_on(async { Ok($future.await) });
        };
        ($future:expr) => {
            park_on($future)
        };
    }

    face! {
        async [] wait parked
        examples ["use twinfs::runfiles::blocking::RunFiles;\n", "", "", "# Ok::<(), twinfs::Error>(())"]
        twin "RunFiles`](crate::runfiles::RunFiles)"
    }

    /// Parks until the next item is there; an error of parking is the item.
    macro_rules! next {
        ($future:expr) => {
            park_on(async { Ok($future.await) }).unwrap_or_else(|error| Some(Err(error)))
        };
    }

    impl Iterator for Download {
        type Item = Result<PathBuf>;

        /// The next local path, absolute; `None` at the end.
        fn next(&mut self) -> Option<Result<PathBuf>> {
            next!(self.0.next())
        }
    }

    impl Iterator for FileStream {
        type Item = Result<Bytes>;

        /// The next block, at most 1 MiB; `None` at the end.
        fn next(&mut self) -> Option<Result<Bytes>> {
            next!(self.0.next())
        }
    }
}
