//! 1 GiB in blocks of 1 MiB.

use std::io::Read;

use crate::contest::{Contest, Outcome};
use crate::tree::{Tree, runtime};

const SIZE: usize = 1024 * 1024 * 1024;
const BLOCK: usize = 1024 * 1024;

pub fn contest() -> Outcome {
    let tree = Tree::new(1, SIZE)?;
    let path = tree.path().join(&tree.names[0]);
    let sync = twinfs::blocking::Fs::connect(&tree.path().to_string_lossy())?;
    let runtime = runtime()?;
    let fs = runtime.block_on(twinfs::Fs::connect(&tree.path().to_string_lossy()))?;
    Contest::new(SIZE / BLOCK, SIZE as u64)
        .enter("std::fs::File::read", || {
            let mut file = std::fs::File::open(&path)?;
            let mut buf = vec![0_u8; BLOCK];
            let mut total = 0;
            loop {
                match file.read(&mut buf)? {
                    0 => return Ok(total),
                    count => total += count as u64,
                }
            }
        })
        .enter("twinfs::blocking::File::read", || {
            let mut file = sync.open(&tree.names[0], twinfs::Mode::Read)?;
            let mut buf = vec![0_u8; BLOCK];
            let mut total = 0;
            loop {
                match Read::read(&mut file, &mut buf)? {
                    0 => return Ok(total),
                    count => total += count as u64,
                }
            }
        })
        .enter("twinfs::File::chunks", || {
            runtime.block_on(async {
                let file = fs.open(&tree.names[0], twinfs::Mode::Read).await?;
                let mut chunks = file.chunks(.., BLOCK).await?;
                let mut total = 0;
                while let Some(block) = chunks.next().await {
                    total += block?.len() as u64;
                }
                Ok(total)
            })
        })
        .run(5)
}
