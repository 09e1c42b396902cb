//! 100,000 files in 100 folders, recursively, with sizes.

use std::path::Path;

use crate::contest::{Contest, Outcome};
use crate::tree::{folder, runtime};

const FOLDERS: usize = 100;
const FILES: usize = 1000;

fn walk(folder: &Path) -> std::io::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        total += if metadata.is_dir() { walk(&entry.path())? } else { metadata.len() };
    }
    Ok(total)
}

pub fn contest() -> Outcome {
    let tree = folder()?;
    for outer in 0..FOLDERS {
        let folder = tree.path().join(format!("folder-{outer:03}"));
        std::fs::create_dir(&folder)?;
        for inner in 0..FILES {
            std::fs::write(folder.join(format!("file-{inner:04}")), b"1234567")?;
        }
    }
    let sync = twinfs::blocking::Fs::connect(&tree.path().to_string_lossy())?;
    let runtime = runtime()?;
    let fs = runtime.block_on(twinfs::Fs::connect(&tree.path().to_string_lossy()))?;
    let sorted =
        twinfs::ListOptions { depth: twinfs::Depth::Recursive, metadata: true, ..Default::default() };
    let unordered = twinfs::ListOptions { order: twinfs::Order::Unordered, ..sorted.clone() };
    let sum = |options: &twinfs::ListOptions| {
        let mut total = 0;
        for entry in sync.entries("", options)? {
            total += entry?.len().unwrap_or(0);
        }
        Ok(total)
    };
    Contest::new(FOLDERS * FILES, (FOLDERS * FILES * 7) as u64)
        .enter("std::fs::read_dir with metadata", || Ok(walk(tree.path())?))
        .enter("twinfs::blocking::Fs, sorted", || sum(&sorted))
        .enter("twinfs::blocking::Fs, unordered", || sum(&unordered))
        .enter("twinfs::Fs, sorted", || {
            runtime.block_on(async {
                let mut entries = fs.entries("", &sorted).await?;
                let mut total = 0;
                loop {
                    let page = entries.next_page(1000).await?;
                    if page.is_empty() {
                        return Ok(total);
                    }
                    total += page.iter().filter_map(twinfs::Entry::len).sum::<u64>();
                }
            })
        })
        .run(5)
}
