//! Whole 4 KiB files, written over each other's last round.

use crate::contest::{Contest, Outcome};
use crate::tree::{folder, runtime};

const FILES: usize = 2000;

pub fn contest() -> Outcome {
    let content = vec![7_u8; 4096];
    let names: Vec<String> = (0..FILES).map(|index| format!("file-{index:06}.bin")).collect();
    let (plain, staged, ours, bare, other, tokios) =
        (folder()?, folder()?, folder()?, folder()?, folder()?, folder()?);
    let sync = twinfs::blocking::Fs::connect(&ours.path().to_string_lossy())?;
    let unversioned = twinfs::blocking::Fs::connect_with(
        &bare.path().to_string_lossy(),
        twinfs::StoreOptions::new().with("versions", "off"),
    )?;
    let runtime = runtime()?;
    let fs = runtime.block_on(twinfs::Fs::connect(&other.path().to_string_lossy()))?;
    let total = (FILES * 4096) as u64;
    Contest::new(FILES, total)
        .enter("std::fs::write (in place)", || {
            for name in &names {
                std::fs::write(plain.path().join(name), &content)?;
            }
            Ok(total)
        })
        .enter("std::fs::write and rename", || {
            for name in &names {
                let temporary = staged.path().join(format!(".{name}"));
                std::fs::write(&temporary, &content)?;
                std::fs::rename(&temporary, staged.path().join(name))?;
            }
            Ok(total)
        })
        .enter("twinfs::blocking::Fs", || {
            for name in &names {
                sync.write(name, &content)?;
            }
            Ok(total)
        })
        .enter("twinfs::blocking::Fs, versions=off", || {
            for name in &names {
                unversioned.write(name, &content)?;
            }
            Ok(total)
        })
        .enter("tokio::fs::write (in place)", || {
            runtime.block_on(async {
                for name in &names {
                    tokio::fs::write(tokios.path().join(name), &content).await?;
                }
                Ok(total)
            })
        })
        .enter("twinfs::Fs", || {
            runtime.block_on(async {
                for name in &names {
                    fs.write(name, &content).await?;
                }
                Ok(total)
            })
        })
        .run(7)
}
