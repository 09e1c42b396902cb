//! Which way an operation goes, which depends on the store alone.

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use pyo3::prelude::*;
use twinfs::pool::Lane;
use twinfs::registry::{self, StoreOptions};
use twinfs::{AnyStore, AsyncFace, BlockingStore, DynStore, Fs, FsPath, WriteOptions};

use crate::errors::Outcome;
use crate::executor::{self, run_in_place, run_waiting, work};
use crate::operation::Operation;
use crate::results::Deliver;

/// A file system and the way its operations go. Cloning is cheap.
///
/// | way | sync method | asyncio method |
/// |---|---|---|
/// | in place: memory | in the calling thread | where it is awaited |
/// | calling: local disk, if asked for | in the calling thread, the interpreter lock released | the same, where it is awaited |
/// | pool: local disk | in the calling thread, the interpreter lock released; long ones on workers | where it is awaited, if what it asks for is cached; else on a worker |
/// | woken: async stores | on a worker, while the calling thread waits | on a worker |
#[derive(Clone)]
pub(crate) struct Engine {
    fs: Fs,
    way: Way,
    /// The store itself, if its operations go to the pool.
    pooled: Option<Arc<dyn BlockingStore>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    InPlace,
    Calling,
    Pool,
    Woken,
}

/// How long a verb may take, where nothing is slow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// A few system calls.
    Short,
    /// As many as there are files, or bytes: workers share it, and the main thread stays open to
    /// Ctrl-C meanwhile.
    Long,
}

impl Engine {
    /// Opens the store at a URL.
    pub(crate) fn connect(url: &str, options: StoreOptions) -> twinfs::Result<Self> {
        let store = registry::open(url, options)?;
        let way = match &store {
            AnyStore::Memory(_) => Way::InPlace,
            AnyStore::Blocking(store) if store.is_instant() => Way::InPlace,
            AnyStore::Blocking(_) => Way::Pool,
            AnyStore::Async(_) => Way::Woken,
        };
        let pooled = match &store {
            AnyStore::Blocking(store) if way == Way::Pool => Some(Arc::clone(store)),
            _ => None,
        };
        let store: DynStore<AsyncFace> = match way {
            // A worker is the other thread already: its futures need no further hop.
            Way::InPlace | Way::Calling | Way::Pool => store.into_sync().into(),
            Way::Woken => store.into_async(),
        };
        Ok(Self { fs: Fs::new(store), way, pooled })
    }

    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// The lane of a write of so many bytes, as [`BlockingStore::write_lane`].
    pub(crate) fn write_lane(&self, path: &FsPath, len: usize, options: &WriteOptions) -> Option<Lane> {
        self.pooled.as_ref()?.write_lane(path, len, options)
    }

    /// The file system itself.
    pub(crate) fn fs(&self) -> &Fs {
        &self.fs
    }
}

impl Deref for Engine {
    type Target = Fs;

    fn deref(&self) -> &Fs {
        &self.fs
    }
}

impl Way {
    /// Does an operation for a sync method.
    pub(crate) fn call<T: Deliver>(
        self,
        py: Python<'_>,
        length: Length,
        future: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> PyResult<Py<PyAny>> {
        match self {
            // Such an operation is over sooner than the lock could be released and taken.
            Self::InPlace => run_in_place(py, length == Length::Long, future),
            Self::Calling => run_in_place(py, true, future),
            Self::Pool if length == Length::Short => run_in_place(py, true, future),
            Self::Pool | Self::Woken => run_waiting(py, work(future)),
        }
    }

    /// Makes an operation for an asyncio method.
    pub(crate) fn operation<T: Deliver>(
        self,
        name: &'static str,
        future: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> Operation {
        Operation::new(name, self, work(future))
    }

    /// Makes an operation for an asyncio method that can be attempted without waiting.
    pub(crate) fn attempted<A, T, F>(
        self,
        name: &'static str,
        arguments: A,
        attempt: impl FnMut(Python<'_>, &mut A) -> Option<T> + Send + 'static,
        begin: impl FnOnce(A) -> F + Send + 'static,
    ) -> Operation
    where
        A: Send + 'static,
        T: Deliver,
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        match self {
            Self::Pool => Operation::attempted(name, executor::attempt(arguments, attempt, begin)),
            Self::InPlace | Self::Calling | Self::Woken => self.operation(name, begin(arguments)),
        }
    }
}
