//! A path I/O around another one: it counts calls, and changes nothing else.

use std::io::SeekFrom;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use twinfs::pathio::{Listing, MkdirOptions, PathIo};
use twinfs::{Data, FsPath, IntoFsPath, Metadata, Mode, Result};

/// How much went through a [`CountedPaths`]; clones share the numbers.
#[derive(Clone, Debug, Default)]
pub struct Traffic(Arc<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    calls: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
}

impl Traffic {
    /// The calls of any method so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// The bytes read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.0.bytes_read.load(Ordering::Relaxed)
    }

    /// The bytes written so far.
    #[must_use]
    pub fn bytes_written(&self) -> u64 {
        self.0.bytes_written.load(Ordering::Relaxed)
    }

    fn call(&self) {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
    }
}

/// Any path I/O, with what goes through it counted. Files opened with [`PathIo::open`] read and write
/// through it, too.
#[derive(Debug)]
pub struct CountedPaths<P> {
    inner: P,
    traffic: Traffic,
}

impl<P> CountedPaths<P> {
    /// Counts what goes through `inner`.
    #[must_use]
    pub fn new(inner: P, traffic: Traffic) -> Self {
        Self { inner, traffic }
    }
}

/// Passes methods on that need nothing but to be counted.
macro_rules! count {
    ($($name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {$(
        async fn $name(&self, $($arg: $ty),*) -> Result<$ret> {
            self.traffic.call();
            self.inner.$name($($arg),*).await
        }
    )*};
}

impl<P: PathIo> PathIo for CountedPaths<P> {
    type File = P::File;

    count! {
        exists(path: impl IntoFsPath) -> bool;
        is_file(path: impl IntoFsPath) -> bool;
        is_dir(path: impl IntoFsPath) -> bool;
        mkdir(path: impl IntoFsPath, options: &MkdirOptions) -> ();
        rmdir(path: impl IntoFsPath) -> ();
        unlink(path: impl IntoFsPath) -> ();
        stat(path: impl IntoFsPath) -> Metadata;
        open_file(path: impl IntoFsPath, mode: Mode) -> P::File;
        seek(file: &mut P::File, to: SeekFrom) -> u64;
        close(file: &mut P::File) -> ();
        rename(source: impl IntoFsPath, destination: impl IntoFsPath) -> FsPath;
    }

    fn list(&self, path: impl IntoFsPath) -> Listing {
        self.traffic.call();
        self.inner.list(path)
    }

    async fn read(&self, file: &mut P::File, len: usize) -> Result<Bytes> {
        self.traffic.call();
        let bytes = self.inner.read(file, len).await?;
        self.traffic.0.bytes_read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes)
    }

    async fn write<'data>(&self, file: &mut P::File, data: impl Into<Data<'data>> + Send) -> Result<usize> {
        self.traffic.call();
        let count = self.inner.write(file, data).await?;
        self.traffic.0.bytes_written.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
