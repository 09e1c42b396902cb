//! `twinfs._twinfs`: the compiled half of the Python package. The other half is `python/twinfs`.
//!
//! | module | what it owns |
//! |---|---|
//! | `arguments` | Python arguments as owned Rust values: paths, buffers, option names |
//! | `completion` | how a finished operation gets back to its event loop, in batches |
//! | `embedded` | a run-files server in this process |
//! | `engine` | which way an operation goes: in place, on the pool, or as a future |
//! | `errors` | errors as exceptions of `twinfs.errors` |
//! | `executor` | runs operations on twinfs's workers, which never hold the interpreter lock |
//! | `filelike` | files by name, under `twinfs.aiofs` |
//! | `filesystem` | `SyncFileSystem`, `AsyncFileSystem`: connecting, closing, pickling |
//! | `handle`, `listing` | open files and listings under way |
//! | `objects` | the connectors under `twinfs.proxystore` |
//! | `operation` | the awaitable that every asyncio method returns |
//! | `pathio` | files as an FTP server uses them, under `twinfs.aioftp` |
//! | `reading` | what was read, on its way into `bytes` |
//! | `records` | `Metadata`, `Entry` and the like |
//! | `results` | results as Python objects |
//! | `runfiles` | the client of a run's files, under `twinfs.kodosumi` |
//! | `turns` | what one call at a time works with |
//! | `verbs` | the verbs of a file system, each once for both faces |

#![allow(clippy::too_many_arguments, reason = "a Python method has as many parameters as it has keywords")]

mod arguments;
mod completion;
mod embedded;
mod engine;
mod errors;
mod executor;
mod filelike;
mod filesystem;
mod handle;
mod listing;
mod objects;
mod operation;
mod pathio;
mod reading;
mod records;
mod results;
mod runfiles;
mod turns;
mod verbs;

use pyo3::prelude::*;

/// The compiled half of the package.
#[pymodule(gil_used = false)]
mod _twinfs {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::completion::stop_notifier;
    #[pymodule_export]
    use crate::errors::mapping_table;
    #[pymodule_export]
    use crate::filesystem::{AsyncFileSystem, SyncFileSystem};
    #[pymodule_export]
    use crate::handle::{AsyncHandle, Handle};
    #[pymodule_export]
    use crate::listing::{AsyncListing, Listing};
    #[pymodule_export]
    use crate::objects::Objects;
    #[pymodule_export]
    use crate::operation::Operation;
    #[pymodule_export]
    use crate::pathio::{PathFile, PathIo, PathListing};
    #[pymodule_export]
    use crate::records::{DiskUsage, Entry, Metadata, Staged};

    #[pymodule_export]
    use crate::embedded::EmbeddedServer;
    #[pymodule_export]
    use crate::filelike::{AsyncFileLike, AsyncFileLikeSystem, FileLike, FileLikeSystem};
    #[pymodule_export]
    use crate::runfiles::{
        AsyncRunClient, AsyncRunDownload, AsyncRunStream, RunClient, RunDownload, RunStream,
    };

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
