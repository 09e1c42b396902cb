//! A path I/O of one's own: it counts what is done to the tree in memory below it.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::SeekFrom;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use twinfs::{Data, Error, FsPath, IntoFsPath, Metadata, Mode, Result};

/// The paths of the scenario: directories, and files whose names have a dot.
const PATHS: [&str; 5] = ["app", "app/data", "app/logs", "app/data/file1.txt", "app/data/file2.txt"];

fn main() -> Result<(), Error> {
    smol::block_on(asynchronous::run())?;
    blocking::run()
}

/// Emits the wrapper and the scenario for one face.
macro_rules! testable {
    ($async:tt $wait:ident $module:path) => {
        use $module::{FsPathIo, Listing, MkdirOptions, Nursery, PathFile, PathIo, PathIoOptions};

        use super::*;

        /// Memory, with a count of the questions whether something is there.
        pub(super) struct Testable {
            io: FsPathIo,
            operations: AtomicU64,
        }

        impl Testable {
            fn new() -> Self {
                Self { io: Nursery::memory().path_io(&PathIoOptions::default()), operations: AtomicU64::new(0) }
            }
        }

        testable! { @impl $async $wait }

        testable! { @run $async $wait }
    };
    (@impl [$($async:tt)?] $wait:ident) => {
        impl PathIo for Testable {
            type File = PathFile;

            $($async)? fn exists(&self, path: impl IntoFsPath) -> Result<bool> {
                self.operations.fetch_add(1, Ordering::Relaxed);
                $wait!(self.io.exists(path))
            }

            $($async)? fn is_file(&self, path: impl IntoFsPath) -> Result<bool> {
                $wait!(self.io.is_file(path))
            }

            $($async)? fn is_dir(&self, path: impl IntoFsPath) -> Result<bool> {
                $wait!(self.io.is_dir(path))
            }

            $($async)? fn mkdir(&self, path: impl IntoFsPath, options: &MkdirOptions) -> Result<()> {
                $wait!(self.io.mkdir(path, options))
            }

            $($async)? fn rmdir(&self, path: impl IntoFsPath) -> Result<()> {
                $wait!(self.io.rmdir(path))
            }

            $($async)? fn unlink(&self, path: impl IntoFsPath) -> Result<()> {
                $wait!(self.io.unlink(path))
            }

            fn list(&self, path: impl IntoFsPath) -> Listing {
                self.io.list(path)
            }

            $($async)? fn stat(&self, path: impl IntoFsPath) -> Result<Metadata> {
                $wait!(self.io.stat(path))
            }

            $($async)? fn open_file(&self, path: impl IntoFsPath, mode: Mode) -> Result<PathFile> {
                $wait!(self.io.open_file(path, mode))
            }

            $($async)? fn seek(&self, file: &mut PathFile, to: SeekFrom) -> Result<u64> {
                $wait!(self.io.seek(file, to))
            }

            $($async)? fn read(&self, file: &mut PathFile, len: usize) -> Result<Bytes> {
                $wait!(self.io.read(file, len))
            }

            $($async)? fn write<'data>(
                &self,
                file: &mut PathFile,
                data: impl Into<Data<'data>> + Send,
            ) -> Result<usize> {
                $wait!(self.io.write(file, data))
            }

            $($async)? fn close(&self, file: &mut PathFile) -> Result<()> {
                $wait!(self.io.close(file))
            }

            $($async)? fn rename(
                &self,
                source: impl IntoFsPath,
                destination: impl IntoFsPath,
            ) -> Result<FsPath> {
                $wait!(self.io.rename(source, destination))
            }
        }
    };
    (@run [$($async:tt)?] $wait:ident) => {
        pub(super) $($async)? fn run() -> Result<()> {
            let io = Testable::new();
            for path in PATHS {
                if path.contains('.') {
                    let mut file = $wait!(io.open(path, Mode::Write))?;
                    $wait!(file.write(format!("Content for {path}")))?;
                    $wait!(file.close())?;
                } else {
                    $wait!(io.mkdir(path, &MkdirOptions::all()))?;
                }
            }
            for path in PATHS {
                assert!($wait!(io.exists(path))?);
                let right = if path.contains('.') { $wait!(io.is_file(path)) } else { $wait!(io.is_dir(path)) };
                assert!(right?);
            }

            // The whole tree at once, as a test wants to see it.
            let tree = io.io.fs().store().memory().map(|memory| memory.tree());
            let app = tree.as_ref().and_then(|root| root.children().first());
            let names = app.map(|app| app.children().iter().map(|node| node.name.as_str()).collect::<Vec<_>>());
            assert_eq!(names.unwrap_or_default(), ["data", "logs"]);
            let operations = io.operations.load(Ordering::Relaxed);
            assert_eq!(operations, PATHS.len() as u64);
            println!("Performed {operations} filesystem operations");
            Ok(())
        }
    };
}

mod asynchronous {
    macro_rules! awaited {
        ($future:expr) => {
            $future.await
        };
    }

    testable!([async] awaited twinfs::pathio);
}

mod blocking {
    macro_rules! plain {
        ($value:expr) => {
            $value
        };
    }

    testable!([] plain twinfs::blocking::pathio);
}
