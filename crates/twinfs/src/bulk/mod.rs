//! Bulk transfers: many files in one call, many operations in flight, on both faces
//! ([`twinfs::bulk`](crate::bulk) and [`twinfs::blocking::bulk`](crate::blocking::bulk)).
//!
//! **Results** come in the order of the arguments. What one failure means for the rest says
//! [`OnError`]: it ends the call and cancels what is in flight, or the item is left out, or it
//! carries its error.
//!
//! **In flight** are as many operations as the nearest of four levels says, read at each call: the
//! call ([`Options::limit`]), the file system ([`Fs::with_bulk_limit`](crate::Fs::with_bulk_limit)),
//! the process ([`settings`](crate::settings)), the default ([`Limit::effective`]). Over a store whose own
//! bulk verbs do better ([`Capabilities::bulk`](crate::Capabilities::bulk): local disk, memory) the limit is how many files one of
//! its calls takes.
//!
//! **Transfers** between file systems ([`put`], [`get`]) and inside one ([`copy`]) take files and, with
//! [`Depth::Recursive`], directories. Each file is there whole or not at all; small ones travel in
//! one piece, long ones in blocks that are read ahead; memory does not grow with the length or the
//! number of files.
//!
//! **Cancelled**, or ended by an error, a call leaves done what was done, and nothing half done.
//!
//! On the sync face, operations of network stores overlap as they do on the async face.

mod collect;
mod expand;
mod options;
mod progress;
mod slice;
mod transfer;
mod verbs;

use bytes::Bytes;

pub use self::options::{
    Failed, Files, Item, Limit, OnError, Options, Pair, Report, Skipped, TransferOptions,
};
pub use self::progress::{Progress, ProgressItem};
pub use self::slice::{Slice, SliceOf};
use self::verbs::Side;
use crate::error::Result;
use crate::face::asynchronous::Fs;
use crate::logic::window::boxed;
use crate::path::{FsPath, IntoFsPath};
use crate::store::{AsyncStore, Depth, Metadata, WriteItem, WriteOptions};

/// Every bulk verb, for both faces; the pieces of `example` are joined as in `face`.
macro_rules! bulk_verbs {
    ($emit:ident) => {
        $emit! {
            one {
                /// Reads many files whole.
                ///
                /// # Errors
                /// Those of [`Fs::read`], as [`OnError`] says.
                example ["fs.write(\"a\", \"1\")", "?;\nlet paths = [FsPath::new(\"a\")?, FsPath::new(\"b\")?];\nlet options = bulk::Options::default().on_error(bulk::OnError::Omit);\nlet read = bulk::cat(&fs, &paths, &options)", "?;\nassert_eq!(read.len(), 1);\nassert_eq!(read[0].result.as_ref().unwrap(), \"1\");"]
                fn cat(paths: &[FsPath], options: &Options) -> Vec<Item<Bytes>> = verbs::cat;

                /// Writes many files, each whole by itself.
                ///
                /// # Errors
                /// Those of [`Fs::write_with`], as [`OnError`] says; `InvalidInput` for a path that stands there
                /// twice, before anything is written.
                example ["let items = [WriteItem { path: FsPath::new(\"a\")?, data: \"1\".into() }];\nbulk::pipe(&fs, &items, &Default::default(), &Default::default())", "?;\nassert_eq!(fs.read(\"a\")", "?, \"1\");"]
                fn pipe(items: &[WriteItem<'_>], write: &WriteOptions, options: &Options) -> Vec<Item<Metadata>> = verbs::pipe;

                /// Removes many files or, with [`Depth::Recursive`], files and directories with everything in
                /// them; the deepest paths first, so that a directory and what is in it can both be named.
                ///
                /// # Errors
                /// Those of [`Fs::remove`] or [`Fs::remove_all`], as [`OnError`] says; `InvalidInput` for a path
                /// that stands there twice, before anything is removed.
                example ["fs.write(\"a\", \"1\")", "?;\nbulk::rm(&fs, &[FsPath::new(\"a\")?], Depth::Children, &Default::default())", "?;\nassert!(!fs.exists(\"a\")", "?);"]
                fn rm(paths: &[FsPath], depth: Depth, options: &Options) -> Vec<Item<()>> = verbs::rm;

                /// The lengths of many files in bytes; 0 for a directory.
                ///
                /// # Errors
                /// Those of [`Fs::stat`], as [`OnError`] says.
                example ["fs.write(\"a\", \"123\")", "?;\nlet sizes = bulk::sizes(&fs, &[FsPath::new(\"a\")?], &Default::default())", "?;\nassert_eq!(*sizes[0].result.as_ref().unwrap(), 3);"]
                fn sizes(paths: &[FsPath], options: &Options) -> Vec<Item<u64>> = verbs::sizes;

                /// Reads slices of files; the same file may stand there many times.
                ///
                /// # Errors
                /// Those of [`Fs::read_range`], as [`OnError`] says.
                example ["fs.write(\"a\", \"hello\")", "?;\nlet slices = [bulk::SliceOf { path: FsPath::new(\"a\")?, slice: (-4..-1).into() }];\nlet read = bulk::cat_ranges(&fs, &slices, &Default::default())", "?;\nassert_eq!(read[0].result.as_ref().unwrap(), \"ell\");"]
                fn cat_ranges(slices: &[SliceOf], options: &Options) -> Vec<Item<Bytes>> = verbs::cat_ranges;

                /// Copies files and directories inside one file system, by the store's own copy where it has one.
                ///
                /// # Errors
                /// Those of [`Fs::copy_with`], as [`OnError`] says; `InvalidInput` for something onto or into itself,
                /// before anything is copied; `IsADirectory` for a directory without [`Depth::Recursive`].
                example ["fs.write(\"a/b\", \"1\")", "?;\nlet pairs = [bulk::Pair { from: FsPath::new(\"a\")?, to: FsPath::new(\"c\")? }];\nlet options = bulk::TransferOptions { depth: Depth::Recursive, ..Default::default() };\nbulk::copy(&fs, &pairs, &options)", "?;\nassert_eq!(fs.read(\"c/b\")", "?, \"1\");"]
                fn copy(pairs: &[Pair], options: &TransferOptions) -> Report = transfer::copy;
            }
            two {
                /// Copies files and directories from another file system (the local disk, say) into this one.
                ///
                /// # Errors
                /// Those of reading there and writing here, as [`OnError`] says; `IsADirectory` for a directory without
                /// [`Depth::Recursive`].
                example ["other.write(\"a/b\", \"1\")", "?;\nlet pairs = [bulk::Pair { from: FsPath::new(\"a/b\")?, to: FsPath::new(\"c\")? }];\nlet report = bulk::put(&fs, &other, &pairs, &Default::default())", "?;\nassert_eq!((report.files, report.bytes), (1, 1));\nassert_eq!(fs.read(\"c\")", "?, \"1\");"]
                fn put(pairs: &[Pair], options: &TransferOptions) -> Report = |this, other| transfer::transfer[other, this];

                /// Copies files and directories from this file system into another one.
                ///
                /// # Errors
                /// As [`put`].
                example ["fs.write(\"a/b\", \"1\")", "?;\nlet pairs = [bulk::Pair { from: FsPath::new(\"a\")?, to: FsPath::root() }];\nlet options = bulk::TransferOptions { depth: Depth::Recursive, ..Default::default() };\nbulk::get(&fs, &other, &pairs, &options)", "?;\nassert_eq!(other.read(\"b\")", "?, \"1\");"]
                fn get(pairs: &[Pair], options: &TransferOptions) -> Report = |this, other| transfer::transfer[this, other];
            }
        }
    };
}

macro_rules! emit_asynchronous {
    (one { $($(#[$doc:meta])* example [$first:literal $(, $more:literal)*]
        fn $name:ident ($($arg:ident: $ty:ty),*) -> $ret:ty = $text:path;)* }
     two { $($(#[$two_doc:meta])* example [$two_first:literal $(, $two_more:literal)*]
        fn $two_name:ident ($($two_arg:ident: $two_ty:ty),*) -> $two_ret:ty
            = |$this:ident, $other:ident| $two_text:path[$source:ident, $target:ident];)* }) => {
        $(
            $(#[$doc])*
            ///
            /// # Examples
            /// ```
            /// # use twinfs::{Depth, FsPath, WriteItem, bulk};
            /// # smol::block_on(async {
            /// let fs = twinfs::Fs::memory();
            #[doc = concat!($first $(, ".await", $more)*)]
            /// # Ok::<(), twinfs::Error>(()) }).unwrap();
            /// ```
            pub async fn $name<S: AsyncStore>(fs: &Fs<S>, $($arg: $ty),*) -> Result<$ret> {
                let side = Side { store: fs.store(), limit: fs.bulk_limit() };
                boxed($text(side, $($arg),*)).await
            }
        )*
        $(
            $(#[$two_doc])*
            ///
            /// # Examples
            /// ```
            /// # use twinfs::{Depth, FsPath, bulk};
            /// # smol::block_on(async {
            /// let (fs, other) = (twinfs::Fs::memory(), twinfs::Fs::memory());
            #[doc = concat!($two_first $(, ".await", $two_more)*)]
            /// # Ok::<(), twinfs::Error>(()) }).unwrap();
            /// ```
            pub async fn $two_name<S: AsyncStore, O: AsyncStore>(
                fs: &Fs<S>,
                other: &Fs<O>,
                $($two_arg: $two_ty),*
            ) -> Result<$two_ret> {
                let $this = Side { store: fs.store(), limit: fs.bulk_limit() };
                let $other = Side { store: other.store(), limit: other.bulk_limit() };
                boxed($two_text($source, $target, $($two_arg),*)).await
            }
        )*
    };
}

macro_rules! emit_blocking {
    (one { $($(#[$doc:meta])* example [$($piece:literal),*]
        fn $name:ident ($($arg:ident: $ty:ty),*) -> $ret:ty = $text:path;)* }
     two { $($(#[$two_doc:meta])* example [$($two_piece:literal),*]
        fn $two_name:ident ($($two_arg:ident: $two_ty:ty),*) -> $two_ret:ty
            = |$this:ident, $other:ident| $two_text:path[$source:ident, $target:ident];)* }) => {
        $(
            $(#[$doc])*
            ///
            /// # Examples
            /// ```
            /// # use twinfs::{Depth, FsPath, WriteItem};
            /// # use twinfs::blocking::bulk;
            /// let fs = twinfs::blocking::Fs::memory();
            #[doc = concat!($($piece),*)]
            /// # Ok::<(), twinfs::Error>(())
            /// ```
            pub fn $name<S: Immediate>(fs: &Fs<S>, $($arg: $ty),*) -> Result<$ret> {
                let store = fs.concurrent();
                let side = Side { store: &*store, limit: fs.bulk_limit() };
                wait_on($text(side, $($arg),*))
            }
        )*
        $(
            $(#[$two_doc])*
            ///
            /// # Examples
            /// ```
            /// # use twinfs::{Depth, FsPath};
            /// # use twinfs::blocking::bulk;
            /// let (fs, other) = (twinfs::blocking::Fs::memory(), twinfs::blocking::Fs::memory());
            #[doc = concat!($($two_piece),*)]
            /// # Ok::<(), twinfs::Error>(())
            /// ```
            pub fn $two_name<S: Immediate, O: Immediate>(
                fs: &Fs<S>,
                other: &Fs<O>,
                $($two_arg: $two_ty),*
            ) -> Result<$two_ret> {
                let (this_store, other_store) = (fs.concurrent(), other.concurrent());
                let $this = Side { store: &*this_store, limit: fs.bulk_limit() };
                let $other = Side { store: &*other_store, limit: other.bulk_limit() };
                wait_on($two_text($source, $target, $($two_arg),*))
            }
        )*
    };
}

bulk_verbs!(emit_asynchronous);

/// Where a source goes by the rules of `cp`: into the destination if that is a directory, which
/// `into_directory` says of one that is not there yet; else to the destination itself. The root of a
/// store has no name of its own: what is in it goes into the destination.
///
/// # Errors
/// Those of [`Fs::is_dir`]; `InvalidPath`.
///
/// ```
/// # use twinfs::bulk::place;
/// # smol::block_on(async {
/// let fs = twinfs::Fs::memory();
/// fs.create_dir("folder").await?;
/// assert_eq!(place(&fs, "a/file", "folder", false).await?.as_str(), "folder/file");
/// assert_eq!(place(&fs, "a/file", "other", false).await?.as_str(), "other");
/// # Ok::<(), twinfs::Error>(()) }).unwrap();
/// ```
pub async fn place<S: AsyncStore>(
    fs: &Fs<S>,
    from: impl IntoFsPath,
    to: impl IntoFsPath,
    into_directory: bool,
) -> Result<FsPath> {
    verbs::place(fs.store(), &from.into_fs_path()?, &to.into_fs_path()?, into_directory).await
}

/// The bulk transfers of the sync face; see [`twinfs::bulk`](crate::bulk).
pub mod blocking {
    use bytes::Bytes;

    pub use super::{
        Failed, Files, Item, Limit, OnError, Options, Pair, Progress, ProgressItem, Report, Skipped, Slice,
        SliceOf, TransferOptions,
    };
    use super::{Side, transfer, verbs};
    use crate::adapters::{park_on, ready};
    use crate::error::Result;
    use crate::face::blocking::Fs;
    use crate::path::{FsPath, IntoFsPath};
    use crate::seam;
    use crate::store::{Depth, Immediate, Metadata, WriteItem, WriteOptions};

    /// Runs a bulk transfer to its end: at once where every operation runs in this thread, else
    /// waiting for what runs elsewhere.
    fn wait_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
        if seam::on_own_runtime() { ready(future) } else { park_on(future) }
    }

    bulk_verbs!(emit_blocking);

    /// Where a source goes by the rules of `cp`; see [`twinfs::bulk::place`](crate::bulk::place).
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// let fs = twinfs::blocking::Fs::memory();
    /// fs.create_dir("folder")?;
    /// let to = twinfs::blocking::bulk::place(&fs, "a/file", "folder", false)?;
    /// assert_eq!(to.as_str(), "folder/file");
    /// # Ok::<(), twinfs::Error>(())
    /// ```
    pub fn place<S: Immediate>(
        fs: &Fs<S>,
        from: impl IntoFsPath,
        to: impl IntoFsPath,
        into_directory: bool,
    ) -> Result<FsPath> {
        ready(verbs::place(fs.store(), &from.into_fs_path()?, &to.into_fs_path()?, into_directory))
    }
}
