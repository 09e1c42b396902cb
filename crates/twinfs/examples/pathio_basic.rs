//! Basic file operations over a directory, on the async face and on the sync one.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use twinfs::{Error, Mode};

fn main() -> Result<(), Error> {
    smol::block_on(asynchronous())?;
    blocking()
}

async fn asynchronous() -> Result<(), Error> {
    use twinfs::pathio::{Nursery, PathIo, PathIoOptions};

    let dir = tempfile::tempdir().map_err(Error::from_io)?;
    let io = Nursery::connect(&dir.path().to_string_lossy()).await?.path_io(&PathIoOptions::default());

    let mut file = io.open("new_file.txt", Mode::Write).await?;
    file.write("Hello, World!").await?;
    file.close().await?;

    if io.exists("new_file.txt").await? {
        println!("File size: {} bytes", io.stat("new_file.txt").await?.len);
        let mut file = io.open("new_file.txt", Mode::Read).await?;
        let content = file.read(1024).await?;
        println!("Content: {}", String::from_utf8_lossy(&content));
        file.close().await?;
        assert_eq!(content, "Hello, World!");
    }
    Ok(())
}

fn blocking() -> Result<(), Error> {
    use twinfs::blocking::pathio::{Nursery, PathIo, PathIoOptions};

    let dir = tempfile::tempdir().map_err(Error::from_io)?;
    let io = Nursery::connect(&dir.path().to_string_lossy())?.path_io(&PathIoOptions::default());

    let mut file = io.open("new_file.txt", Mode::Write)?;
    file.write("Hello, World!")?;
    file.close()?;

    if io.exists("new_file.txt")? {
        println!("File size: {} bytes", io.stat("new_file.txt")?.len);
        let mut file = io.open("new_file.txt", Mode::Read)?;
        let content = file.read(1024)?;
        println!("Content: {}", String::from_utf8_lossy(&content));
        file.close()?;
        assert_eq!(content, "Hello, World!");
    }
    Ok(())
}
