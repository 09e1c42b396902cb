//! The two faces of [`PathIo`], from one text.

use super::contract::contract;
use super::file::{FIRST_AHEAD, MOST_AHEAD, file};
use super::nursery::nursery;
use super::over_fs::over_fs;

/// Emits a face, in a module that says what `Store`, `Fs`, `File`, `Entries`, `Face` and `Listing` are there.
macro_rules! face {
    ($($description:tt)*) => {
        use std::io::SeekFrom;
        use std::sync::Arc;

        use bytes::{Bytes, BytesMut};

        use super::super::{MkdirOptions, PathIoOptions, open_options};
        use super::{FIRST_AHEAD, MOST_AHEAD, contract, file, nursery, over_fs};
        use crate::error::{Error, ErrorContext, ErrorKind, Operation, Result};
        use crate::face::blocking::seek_to;
        use crate::opaque::opaque_debug;
        use crate::path::{FsPath, IntoFsPath};
        use crate::registry::{self, StoreOptions};
        use crate::store::{
            AnyStore, Capabilities, CreateDirOptions, Data, DynStore, EntryKind, ListOptions, Metadata,
            Mode, MoveOptions, Parents, Publish,
        };
        use crate::stores::local::{Create, LocalOptions, LocalStore, Versions};
        use crate::turn::MAX_BYTES;

        contract! { $($description)* }
        file! { $($description)* }
        over_fs! { $($description)* }
        nursery! { $($description)* }
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
