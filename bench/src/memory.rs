//! 4 KiB out of memory.

use std::collections::HashMap;
use std::sync::RwLock;

use bytes::Bytes;

use crate::contest::{Contest, Outcome};

const FILES: usize = 10_000;

pub fn contest() -> Outcome {
    let names: Vec<String> = (0..FILES).map(|index| format!("file-{index:06}.bin")).collect();
    let content = Bytes::from(vec![7_u8; 4096]);
    let map: RwLock<HashMap<String, Bytes>> =
        RwLock::new(names.iter().map(|name| (name.clone(), content.clone())).collect());
    let fs = twinfs::blocking::Fs::memory();
    for name in &names {
        fs.write(name, content.clone())?;
    }
    Contest::new(FILES, (FILES * 4096) as u64)
        .enter("HashMap lookup and clone of Bytes", || {
            let mut total = 0;
            for name in &names {
                // Locked for each, as any map that others write to must be.
                let map = map.read().map_err(|error| error.to_string())?;
                total += map.get(name).cloned().map_or(0, |bytes| bytes.len() as u64);
            }
            Ok(total)
        })
        .enter("twinfs::blocking::Fs over memory", || {
            let mut total = 0;
            for name in &names {
                total += fs.read(name)?.len() as u64;
            }
            Ok(total)
        })
        .run(25)
}
