//! Telling a caller how far a bulk transfer is.

use crate::error::Error;
use crate::path::FsPath;

/// One item of a bulk transfer, as progress sees it.
#[derive(Clone, Copy, Debug)]
pub struct ProgressItem<'a> {
    /// Its place: in the call's arguments, or in a recursive transfer in the order of discovery.
    pub index: usize,
    /// Its path; of a transfer between file systems, the source.
    pub path: &'a FsPath,
    /// Its destination, in a transfer between file systems.
    pub to: Option<&'a FsPath>,
    /// Its length in bytes, where it is known beforehand.
    pub len: Option<u64>,
}

/// Who is told how far a bulk transfer is.
///
/// The methods are called from the thread that drives the transfer, in between the operations: they
/// should return at once. Of every item that is not cancelled come, in this order, `discovered`,
/// `started`, any number of `advanced` and `finished`; those of different items interleave.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use twinfs::FsPath;
/// use twinfs::bulk::{Options, Progress, ProgressItem};
///
/// #[derive(Default)]
/// struct Bytes(AtomicU64);
///
/// impl Progress for Bytes {
///     fn advanced(&self, _item: &ProgressItem<'_>, bytes: u64) {
///         self.0.fetch_add(bytes, Ordering::Relaxed);
///     }
/// }
///
/// let fs = twinfs::blocking::Fs::memory();
/// fs.write("a", "hello")?;
/// let bytes = Arc::new(Bytes::default());
/// let options = Options::default().progress(bytes.clone());
/// twinfs::blocking::bulk::cat(&fs, &[FsPath::new("a")?], &options)?;
/// assert_eq!(bytes.0.load(Ordering::Relaxed), 5);
/// # Ok::<(), twinfs::Error>(())
/// ```
pub trait Progress: Send + Sync {
    /// The transfer knows now that there is this item to do.
    fn discovered(&self, item: &ProgressItem<'_>) {
        _ = item;
    }

    /// The item is in flight.
    fn started(&self, item: &ProgressItem<'_>) {
        _ = item;
    }

    /// So many more bytes of the item are through.
    fn advanced(&self, item: &ProgressItem<'_>, bytes: u64) {
        _ = (item, bytes);
    }

    /// The item is done, or failed.
    fn finished(&self, item: &ProgressItem<'_>, result: Result<(), &Error>) {
        _ = (item, result);
    }
}
