//! Random 4 KiB reads from one open file of 64 MiB.

use std::os::unix::fs::FileExt;

use tokio::io::{AsyncReadExt, AsyncSeekExt};

use crate::contest::{Contest, Outcome};
use crate::tree::{Tree, runtime};

const READS: usize = 5000;
const SIZE: usize = 64 * 1024 * 1024;

pub fn contest() -> Outcome {
    let tree = Tree::new(1, SIZE)?;
    let path = tree.path().join(&tree.names[0]);
    // A linear congruential generator (Numerical Recipes) spreads the offsets the same way each time.
    let mut state = 1_u32;
    let offsets: Vec<u64> = (0..READS)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u64::from(state) % (SIZE as u64 - 4096)
        })
        .collect();
    let plain = std::fs::File::open(&path)?;
    let sync = twinfs::blocking::Fs::connect(&tree.path().to_string_lossy())?;
    let file = sync.open(&tree.names[0], twinfs::Mode::Read)?;
    let runtime = runtime()?;
    let (fs, mut tokios) = runtime.block_on(async {
        let fs = twinfs::Fs::connect(&tree.path().to_string_lossy()).await?;
        Ok::<_, Box<dyn std::error::Error>>((fs, tokio::fs::File::open(&path).await?))
    })?;
    let handle = runtime.block_on(fs.open(&tree.names[0], twinfs::Mode::Read))?;
    let mut buf = vec![0_u8; 4096];
    let mut other = vec![0_u8; 4096];
    Contest::new(READS, (READS * 4096) as u64)
        .enter("pread", || {
            let mut total = 0;
            for offset in &offsets {
                plain.read_exact_at(&mut buf, *offset)?;
                total += buf.len() as u64;
            }
            Ok(total)
        })
        .enter("twinfs::blocking::File::read_into_at", || {
            let mut total = 0;
            for offset in &offsets {
                total += file.read_into_at(*offset, &mut other)? as u64;
            }
            Ok(total)
        })
        .enter("tokio::fs seek and read", || {
            runtime.block_on(async {
                let mut total = 0;
                let mut buf = vec![0_u8; 4096];
                for offset in &offsets {
                    tokios.seek(std::io::SeekFrom::Start(*offset)).await?;
                    total += tokios.read_exact(&mut buf).await? as u64;
                }
                Ok(total)
            })
        })
        .enter("twinfs::File::read_at", || {
            runtime.block_on(async {
                let mut total = 0;
                for offset in &offsets {
                    total += handle.read_at(*offset, 4096).await?.len() as u64;
                }
                Ok(total)
            })
        })
        .run(9)
}
