//! Many files at once: operations of the async face overlap, on the sync face threads do.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use twinfs::pathio::PathIoOptions;
use twinfs::{Error, FsPath, Mode};

fn main() -> Result<(), Error> {
    smol::block_on(asynchronous())?;
    blocking()
}

async fn asynchronous() -> Result<(), Error> {
    use twinfs::pathio::{Nursery, PathIo};

    async fn create_file(io: &impl PathIo, path: String, content: String) -> Result<(), Error> {
        let mut file = io.open(path, Mode::Write).await?;
        file.write(content).await?;
        file.close().await
    }

    let dir = tempfile::tempdir().map_err(Error::from_io)?;
    let nursery = Nursery::connect(&dir.path().to_string_lossy()).await?;
    let io = nursery.path_io(&PathIoOptions::default().timeout(Duration::from_secs(30)));

    let files = (0..10).map(|i| create_file(&io, format!("file_{i}.txt"), format!("Content {i}")));
    futures_util::future::try_join_all(files).await?;

    let mut listing = io.list("");
    let mut found = 0;
    while let Some(path) = listing.next().await {
        let path: FsPath = path?;
        if io.is_file(&path).await? {
            println!("File: {path} ({} bytes)", io.stat(&path).await?.len);
            found += 1;
        }
    }
    assert_eq!(found, 10);
    Ok(())
}

fn blocking() -> Result<(), Error> {
    use twinfs::blocking::pathio::{Nursery, PathIo};

    fn create_file(io: &impl PathIo, path: String, content: String) -> Result<(), Error> {
        let mut file = io.open(path, Mode::Write)?;
        file.write(content)?;
        file.close()
    }

    let dir = tempfile::tempdir().map_err(Error::from_io)?;
    let nursery = Nursery::connect(&dir.path().to_string_lossy())?;
    let io = nursery.path_io(&PathIoOptions::default().timeout(Duration::from_secs(30)));

    let results: Vec<Result<(), Error>> = std::thread::scope(|scope| {
        let create = |i| create_file(&io, format!("file_{i}.txt"), format!("Content {i}"));
        let threads: Vec<_> = (0..10).map(|i| scope.spawn(move || create(i))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    results.into_iter().collect::<Result<(), Error>>()?;

    let mut found = 0;
    for path in io.list("") {
        let path: FsPath = path?;
        if io.is_file(&path)? {
            println!("File: {path} ({} bytes)", io.stat(&path)?.len);
            found += 1;
        }
    }
    assert_eq!(found, 10);
    Ok(())
}
