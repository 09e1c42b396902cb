//! Connectors of objects: the same on both faces, over a directory, a store on disk and memory.

#![cfg(all(test, feature = "objects"))]
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

use std::path::PathBuf;

use tempfile::TempDir;
use twinfs::{Error, ErrorKind};

/// Emits a module of tests for each face. In the texts `objects` is the module of the face, and `go!`
/// waits where that is needed.
macro_rules! faces {
    ($($text:item)*) => {
        mod asynchronous {
            #[allow(unused_imports, reason = "not every text has every name")]
            use {super::*, twinfs::objects::{self, Connector as _}, crate::same_kind::asynchronous as from_config};
            #[allow(unused_macros, reason = "not every text waits")]
            macro_rules! go { ($future:expr) => { $future.await } }
            macro_rules! on_face { ($body:block) => { smol::block_on(async $body) } }
            #[allow(unused_macros, reason = "one text has it")]
            macro_rules! memory_fs { () => { twinfs::Fs::memory() } }
            $($text)*
        }
        mod sync {
            #[allow(unused_imports, reason = "not every text has every name")]
            use {super::*, twinfs::blocking::objects::{self, Connector as _}, crate::same_kind::sync as from_config};
            #[allow(unused_macros, reason = "not every text waits")]
            macro_rules! go { ($value:expr) => { $value } }
            macro_rules! on_face { ($body:block) => { $body } }
            #[allow(unused_macros, reason = "one text has it")]
            macro_rules! memory_fs { () => { twinfs::blocking::Fs::memory() } }
            $($text)*
        }
    };
}

/// As [`faces!`], once for each connector: `connector` is the one under test, `key!` makes a key of text.
macro_rules! connectors {
    ($(fn $name:ident($connector:ident) $body:block)*) => {
        faces! {
            mod file {
                use super::*;
                $(#[test] fn $name() {
                    on_face!({
                        let scratch = scratch();
                        let $connector = &go!(objects::FileConnector::open(&scratch.store_dir)).unwrap();
                        macro_rules! key { ($text:expr) => { objects::FileKey::new($text) } }
                        let _ = key!("");
                        $body
                    })
                })*
            }
            mod store_on_disk {
                use super::*;
                $(#[test] fn $name() {
                    on_face!({
                        let scratch = scratch();
                        let url = scratch.store_dir.to_str().unwrap();
                        let $connector = &go!(objects::StoreConnector::connect(url)).unwrap();
                        macro_rules! key { ($text:expr) => { objects::StoreKey::new($text) } }
                        let _ = key!("");
                        $body
                    })
                })*
            }
            mod memory {
                use super::*;
                $(#[test] fn $name() {
                    on_face!({
                        let $connector = &go!(objects::StoreConnector::connect("memory://")).unwrap();
                        macro_rules! key { ($text:expr) => { objects::StoreKey::new($text) } }
                        let _ = key!("");
                        $body
                    })
                })*
            }
        }
    };
}

mod closing;
mod contract;
mod crash;
mod disk;
mod process;

/// A fresh folder, and the place of a store in it.
struct Scratch {
    _folder: TempDir,
    store_dir: PathBuf,
}

fn scratch() -> Scratch {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    Scratch { store_dir: folder.path().join("deep/store"), _folder: folder }
}

impl Scratch {
    /// The files and folders of the store, without what is twinfs's own.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut folders = vec![self.store_dir.clone()];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            for entry in entries.map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                }
                let path = entry.path();
                names.push(path.strip_prefix(&self.store_dir).unwrap().to_str().unwrap().to_owned());
            }
        }
        names.sort();
        names
    }

    /// The files of objects.
    fn files(&self) -> Vec<PathBuf> {
        let objects = self.names().into_iter().filter(|name| name.ends_with(".obj"));
        objects.map(|name| self.store_dir.join(name)).collect()
    }
}

/// The connector of a configuration, of the type that another one has.
mod same_kind {
    use twinfs::blocking::objects::Connector as Sync;
    use twinfs::objects::Connector as Async;

    pub(crate) async fn asynchronous<C: Async>(_: &C, config: C::Config) -> twinfs::Result<C> {
        C::from_config(config).await
    }

    pub(crate) fn sync<C: Sync>(_: &C, config: C::Config) -> twinfs::Result<C> {
        C::from_config(config)
    }
}

/// The kind of an error; a success has none.
fn kind<T>(result: Result<T, Error>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

/// A file system of 4 MiB, in memory; needs the right to mount.
struct SmallDisk {
    folder: TempDir,
    path: PathBuf,
}

impl SmallDisk {
    fn mount() -> Option<Self> {
        // SAFETY: `geteuid` takes nothing and cannot fail.
        if unsafe { libc::geteuid() } != 0 {
            eprintln!("SKIP: needs root: it mounts a file system");
            return None;
        }
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let path = folder.path().to_owned();
        let target = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: all strings are valid and end in zero.
        let status = unsafe {
            libc::mount(c"none".as_ptr(), target.as_ptr(), c"tmpfs".as_ptr(), 0, c"size=4m".as_ptr().cast())
        };
        assert_eq!(status, 0, "{}", std::io::Error::last_os_error());
        Some(Self { folder, path })
    }

    /// Free blocks of 4 KiB.
    fn free(&self) -> u64 {
        rustix::fs::statvfs(&self.path).unwrap().f_bfree
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let target = std::ffi::CString::new(self.folder.path().to_str().unwrap()).unwrap();
        // SAFETY: the string is valid and ends in zero.
        unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
    }
}

/// Bytes without a pattern that a cut or a shift could hide in.
fn bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| next().to_le_bytes()).collect();
    bytes.truncate(len);
    bytes
}
