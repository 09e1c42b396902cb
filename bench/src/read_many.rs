//! 10,000 whole 4 KiB files in one call.

use crate::contest::{Contest, Outcome};
use crate::tree::{Tree, runtime};

const FILES: usize = 10_000;

pub fn contest() -> Outcome {
    let tree = Tree::new(FILES, 4096)?;
    let paths = tree.paths();
    let names = tree.names.iter().map(|name| twinfs::FsPath::new(name)).collect::<Result<Vec<_>, _>>()?;
    let sync = twinfs::blocking::Fs::connect(&tree.path().to_string_lossy())?;
    let runtime = runtime()?;
    let fs = runtime.block_on(twinfs::Fs::connect(&tree.path().to_string_lossy()))?;
    let sum = |results: Vec<twinfs::Result<bytes::Bytes>>| -> twinfs::Result<u64> {
        results.into_iter().map(|result| Ok(result?.len() as u64)).sum()
    };
    Contest::new(FILES, tree.bytes())
        .enter("std::fs::read in a loop", || {
            // Kept, as read_many keeps them.
            let all = paths.iter().map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
            Ok(all.iter().map(|one| one.len() as u64).sum())
        })
        .enter("twinfs::blocking::Fs::read_many", || Ok(sum(sync.read_many(&names)?)?))
        .enter("twinfs::Fs::read_many", || Ok(sum(runtime.block_on(fs.read_many(&names))?)?))
        .run(9)
}
