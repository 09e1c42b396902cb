//! File-like systems: the same on both faces, over local disk and memory.

#![cfg(test)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod disk;
mod files;
mod systems;
mod writers;

use std::path::Path;

use twinfs::{ErrorKind, Result};

/// The kind of an error; a success has none.
fn kind<T>(result: Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

/// Everything below a folder, directories with a slash behind them.
fn tree(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                found.push(format!("{name}/"));
                walk(&path, root, found);
            } else {
                found.push(name);
            }
        }
    }
    use std::result::Result;
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// Emits each test four times: on the async and the sync face, over local disk and memory. In the
/// text, `$system` is an empty system and `$wait!` awaits where there is something to await.
macro_rules! everywhere {
    ($(fn $name:ident($system:ident, $wait:ident) $body:block)*) => {
        mod asynchronous {
            use super::*;
            use twinfs::filelike::FileLikeSystem;
            mod on_disk {
                use super::*;
                $(#[test]
                fn $name() {
                    macro_rules! $wait { ($future:expr) => { $future.await } }
                    let folder = tempfile::tempdir().unwrap();
                    smol::block_on(async {
                        let template = format!("{}/{{}}", folder.path().display());
                        #[allow(unused_mut, reason = "some tests change the system")]
                        let mut $system = FileLikeSystem::on_disk(&template).await.unwrap();
                        $body
                    });
                })*
            }
            mod in_memory {
                use super::*;
                $(#[test]
                fn $name() {
                    macro_rules! $wait { ($future:expr) => { $future.await } }
                    smol::block_on(async {
                        #[allow(unused_mut, reason = "some tests change the system")]
                        let mut $system = FileLikeSystem::new(twinfs::Fs::memory());
                        $body
                    });
                })*
            }
        }
        mod blocking {
            use super::*;
            use twinfs::blocking::filelike::FileLikeSystem;
            mod on_disk {
                use super::*;
                $(#[test]
                fn $name() {
                    macro_rules! $wait { ($result:expr) => { $result } }
                    let folder = tempfile::tempdir().unwrap();
                    let template = format!("{}/{{}}", folder.path().display());
                    #[allow(unused_mut, reason = "some tests change the system")]
                    let mut $system = FileLikeSystem::on_disk(&template).unwrap();
                    $body
                })*
            }
            mod in_memory {
                use super::*;
                $(#[test]
                fn $name() {
                    macro_rules! $wait { ($result:expr) => { $result } }
                    #[allow(unused_mut, reason = "some tests change the system")]
                    let mut $system = FileLikeSystem::new(twinfs::blocking::Fs::memory());
                    $body
                })*
            }
        }
    };
}

use everywhere;

#[test]
fn futures_of_the_async_face_can_be_spawned() {
    fn spawnable<T: Send>(_: T) {}
    let system = twinfs::filelike::FileLikeSystem::new(twinfs::Fs::memory());
    spawnable(async move {
        let mut file = system.open("a", twinfs::filelike::Mode::Write).await?;
        file.write("x").await?;
        file.close().await?;
        system.ls("*").await?;
        system.rm("*").await?;
        system.mv("a", "b").await?;
        system.cp("a", "b").await?;
        system.stat("a").await
    });
}
