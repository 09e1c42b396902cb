//! Path I/O: the methods of aioftp's `AbstractPathIO`, over local disk and memory, on both faces.
//!
//! Each scenario is written once, and [`on_both_faces!`] makes the tests of it: `wait!` awaits on the
//! async face and is nothing on the sync one.
#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test says what must hold by unwrapping")]

use std::time::Duration;

use tempfile::TempDir;
use twinfs::registry::{self, StoreOptions};
use twinfs::{AnyStore, ErrorKind};

mod faces;
mod hanging;
mod local;

/// A store of its own for one test, and the directory it needs.
struct Fresh {
    store: AnyStore,
    _dir: Option<TempDir>,
}

fn memory() -> Fresh {
    Fresh { store: AnyStore::Memory(std::sync::Arc::default()), _dir: None }
}

fn disk() -> Fresh {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let store = registry::open(dir.path().to_str().unwrap(), StoreOptions::new()).unwrap();
    Fresh { store, _dir: Some(dir) }
}

/// As the system's own programs see it: without versions, files are opened in one step.
fn plain_disk() -> Fresh {
    let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let options = StoreOptions::new().with("versions", "off");
    let store = registry::open(dir.path().to_str().unwrap(), options).unwrap();
    Fresh { store, _dir: Some(dir) }
}

/// With a limit on every operation: somebody else does the work then, on the sync face too.
fn limited_disk() -> Fresh {
    let Fresh { store, _dir } = disk();
    Fresh { store: store.limited(Duration::from_secs(60)), _dir }
}

fn kind<T>(result: twinfs::Result<T>) -> ErrorKind {
    result.err().expect("it fails").kind()
}
