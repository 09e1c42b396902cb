//! What an FTP server does with a path I/O: RETR reads blocks, STOR writes them as they come, and a STOR
//! after REST goes on with a file that broke off. Each session has a path I/O of the nursery.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::io::SeekFrom;
use std::time::Duration;

use twinfs::pathio::PathIoOptions;
use twinfs::{Error, Mode};

/// The block of a transfer, in bytes.
const BLOCK: usize = 8192;

fn main() -> Result<(), Error> {
    smol::block_on(asynchronous())?;
    blocking()
}

/// How a server opens a file that is uploaded: from its start, or after REST.
fn mode_of(restart_offset: u64) -> Mode {
    if restart_offset == 0 { Mode::Write } else { Mode::Update }
}

fn session() -> PathIoOptions {
    PathIoOptions::default().timeout(Duration::from_secs(30))
}

async fn asynchronous() -> Result<(), Error> {
    use twinfs::pathio::{Nursery, PathIo};

    async fn store(io: &impl PathIo, path: &str, restart_offset: u64, data: &[u8]) -> Result<(), Error> {
        let mut file = io.open(path, mode_of(restart_offset)).await?;
        file.seek(SeekFrom::Start(restart_offset)).await?;
        for block in data.chunks(BLOCK) {
            file.write(block).await?;
        }
        file.close().await
    }

    async fn retrieve(io: &impl PathIo, path: &str) -> Result<Vec<u8>, Error> {
        let mut file = io.open(path, Mode::Read).await?;
        let mut data = Vec::new();
        let mut blocks = file.blocks(BLOCK);
        while let Some(block) = blocks.next().await {
            data.extend_from_slice(&block?);
        }
        file.close().await?;
        Ok(data)
    }

    let dir = tempfile::tempdir().map_err(Error::from_io)?;
    let nursery = Nursery::connect(&dir.path().to_string_lossy()).await?;
    let (sender, receiver) = (nursery.path_io(&session()), nursery.path_io(&session()));
    let content = vec![7; 100_000];

    store(&sender, "upload.bin", 0, &content[..40_000]).await?;
    let there = receiver.stat("upload.bin").await?.len;
    store(&sender, "upload.bin", there, &content[40_000..]).await?;
    assert_eq!(retrieve(&receiver, "upload.bin").await?, content);
    println!("{there} bytes, and the rest after REST {there}");
    Ok(())
}

fn blocking() -> Result<(), Error> {
    use twinfs::blocking::pathio::{Nursery, PathIo};

    fn store(io: &impl PathIo, path: &str, restart_offset: u64, data: &[u8]) -> Result<(), Error> {
        let mut file = io.open(path, mode_of(restart_offset))?;
        file.seek(SeekFrom::Start(restart_offset))?;
        for block in data.chunks(BLOCK) {
            file.write(block)?;
        }
        file.close()
    }

    fn retrieve(io: &impl PathIo, path: &str) -> Result<Vec<u8>, Error> {
        let mut file = io.open(path, Mode::Read)?;
        let mut data = Vec::new();
        for block in file.blocks(BLOCK) {
            data.extend_from_slice(&block?);
        }
        file.close()?;
        Ok(data)
    }

    let dir = tempfile::tempdir().map_err(Error::from_io)?;
    let nursery = Nursery::connect(&dir.path().to_string_lossy())?;
    let (sender, receiver) = (nursery.path_io(&session()), nursery.path_io(&session()));
    let content = vec![7; 100_000];

    store(&sender, "upload.bin", 0, &content[..40_000])?;
    let there = receiver.stat("upload.bin")?.len;
    store(&sender, "upload.bin", there, &content[40_000..])?;
    assert_eq!(retrieve(&receiver, "upload.bin")?, content);
    println!("{there} bytes, and the rest after REST {there}");
    Ok(())
}
