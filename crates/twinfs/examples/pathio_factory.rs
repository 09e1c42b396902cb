//! A nursery: several path I/Os over one store, each with a timeout of its own.

use std::time::Duration;

use twinfs::pathio::PathIoOptions;
use twinfs::{Error, Mode};

fn main() -> Result<(), Error> {
    smol::block_on(asynchronous())?;
    blocking()
}

fn within(seconds: u64) -> PathIoOptions {
    PathIoOptions::default().timeout(Duration::from_secs(seconds))
}

async fn asynchronous() -> Result<(), Error> {
    use twinfs::pathio::{MkdirOptions, Nursery, PathIo};

    let dir = tempfile::tempdir().map_err(Error::from_io)?;
    let nursery = Nursery::connect(&dir.path().to_string_lossy()).await?;
    let (io1, io2) = (nursery.path_io(&within(10)), nursery.path_io(&within(20)));

    io1.mkdir("temp1", &MkdirOptions::all()).await?;
    io2.mkdir("temp2", &MkdirOptions::all()).await?;

    let mut file = io1.open("temp1/file1.txt", Mode::Write).await?;
    file.write("File 1 content").await?;
    file.close().await?;
    let mut file = io2.open("temp2/file2.txt", Mode::Write).await?;
    file.write("File 2 content").await?;
    file.close().await?;

    // Each sees what the other one made.
    assert!(io2.is_file("temp1/file1.txt").await? && io1.is_file("temp2/file2.txt").await?);
    Ok(())
}

fn blocking() -> Result<(), Error> {
    use twinfs::blocking::pathio::{MkdirOptions, Nursery, PathIo};

    let dir = tempfile::tempdir().map_err(Error::from_io)?;
    let nursery = Nursery::connect(&dir.path().to_string_lossy())?;
    let (io1, io2) = (nursery.path_io(&within(10)), nursery.path_io(&within(20)));

    io1.mkdir("temp1", &MkdirOptions::all())?;
    io2.mkdir("temp2", &MkdirOptions::all())?;

    let mut file = io1.open("temp1/file1.txt", Mode::Write)?;
    file.write("File 1 content")?;
    file.close()?;
    let mut file = io2.open("temp2/file2.txt", Mode::Write)?;
    file.write("File 2 content")?;
    file.close()?;

    // Each sees what the other one made.
    assert!(io2.is_file("temp1/file1.txt")? && io1.is_file("temp2/file2.txt")?);
    Ok(())
}
