//! Whole 4 KiB files, one at a time.

use object_store::ObjectStoreExt;

use crate::contest::{Contest, Outcome};
use crate::tree::{Tree, runtime};

const FILES: usize = 2000;
const SIZE: usize = 4096;

pub fn contest() -> Outcome {
    let tree = Tree::new(FILES, SIZE)?;
    let paths = tree.paths();
    let store = twinfs::stores::local::LocalStore::open(tree.path(), Default::default())?;
    let typed = twinfs::blocking::Fs::new(twinfs::adapters::Ready::new(std::sync::Arc::new(store)));
    let erased = twinfs::blocking::Fs::connect(&tree.path().to_string_lossy())?;
    Contest::new(FILES, tree.bytes())
        .enter("std::fs::read", || {
            let mut total = 0;
            for path in &paths {
                total += std::fs::read(path)?.len() as u64;
            }
            Ok(total)
        })
        .enter("twinfs::blocking::Fs (typed)", || {
            let mut total = 0;
            for name in &tree.names {
                total += typed.read(name)?.len() as u64;
            }
            Ok(total)
        })
        .enter("twinfs::blocking::Fs", || {
            let mut total = 0;
            for name in &tree.names {
                total += erased.read(name)?.len() as u64;
            }
            Ok(total)
        })
        .run(15)
}

pub fn contest_async() -> Outcome {
    let tree = Tree::new(FILES, SIZE)?;
    let paths = tree.paths();
    let runtime = runtime()?;
    let fs = runtime.block_on(twinfs::Fs::connect(&tree.path().to_string_lossy()))?;
    let objects = object_store::local::LocalFileSystem::new_with_prefix(tree.path())?;
    let locations: Vec<object_store::path::Path> =
        tree.names.iter().map(|name| object_store::path::Path::from(name.as_str())).collect();
    let builder = opendal::services::Fs::default().root(&tree.path().to_string_lossy());
    let operator = opendal::Operator::new(builder)?;
    // Each runs inside a task, where users' code runs, not on the thread of `block_on`.
    macro_rules! pass {
        (|$($clone:ident),*| $body:block) => {{
            $(let $clone = $clone.clone();)*
            runtime.block_on(runtime.spawn(async move { $body }))?.map_err(|error: std::io::Error| error.into())
        }};
    }
    Contest::new(FILES, tree.bytes())
        .enter("spawn_blocking hop around std::fs::read", || {
            pass!(|paths| {
                let mut total = 0;
                for path in paths {
                    total += tokio::task::spawn_blocking(|| std::fs::read(path)).await??.len() as u64;
                }
                Ok(total)
            })
        })
        .enter("tokio::fs::read", || {
            pass!(|paths| {
                let mut total = 0;
                for path in paths {
                    total += tokio::fs::read(path).await?.len() as u64;
                }
                Ok(total)
            })
        })
        .enter("twinfs::Fs", || {
            let names = tree.names.clone();
            pass!(|fs, names| {
                let mut total = 0;
                for name in names {
                    total += fs.read(name).await?.len() as u64;
                }
                Ok(total)
            })
        })
        .enter("object_store", || {
            let objects = std::sync::Arc::new(objects.clone());
            pass!(|objects, locations| {
                let mut total = 0;
                for location in locations {
                    total += objects.get(&location).await?.bytes().await?.len() as u64;
                }
                Ok(total)
            })
        })
        .enter("opendal", || {
            let names = tree.names.clone();
            pass!(|operator, names| {
                let mut total = 0;
                for name in names {
                    total += operator.read(&name).await.map_err(std::io::Error::other)?.len() as u64;
                }
                Ok(total)
            })
        })
        .run(9)
}
