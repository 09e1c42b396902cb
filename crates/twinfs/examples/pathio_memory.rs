//! A tree in memory, for tests: no disk is touched.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use twinfs::{Error, FsPath, Mode};

fn main() -> Result<(), Error> {
    smol::block_on(asynchronous())?;
    blocking()
}

async fn asynchronous() -> Result<(), Error> {
    use twinfs::pathio::{MkdirOptions, Nursery, PathIo, PathIoOptions};

    let io = Nursery::memory().path_io(&PathIoOptions::default());
    io.mkdir("/home", &MkdirOptions::default()).await?;
    io.mkdir("/home/user", &MkdirOptions::all()).await?;

    let file_path = "/home/user/test.txt";
    let mut file = io.open(file_path, Mode::Write).await?;
    file.write("Test content").await?;
    file.close().await?;

    assert!(io.exists(file_path).await?);
    assert!(io.is_file(file_path).await?);

    let mut file = io.open(file_path, Mode::Read).await?;
    assert_eq!(file.read(1024).await?, "Test content");
    file.close().await?;

    let items: Vec<FsPath> = io.list("/home/user").collect_all().await?;
    println!("Directory contains: {items:?}");
    assert_eq!(items[0].as_str(), "home/user/test.txt");
    Ok(())
}

fn blocking() -> Result<(), Error> {
    use twinfs::blocking::pathio::{MkdirOptions, Nursery, PathIo, PathIoOptions};

    let io = Nursery::memory().path_io(&PathIoOptions::default());
    io.mkdir("/home", &MkdirOptions::default())?;
    io.mkdir("/home/user", &MkdirOptions::all())?;

    let file_path = "/home/user/test.txt";
    let mut file = io.open(file_path, Mode::Write)?;
    file.write("Test content")?;
    file.close()?;

    assert!(io.exists(file_path)?);
    assert!(io.is_file(file_path)?);

    let mut file = io.open(file_path, Mode::Read)?;
    assert_eq!(file.read(1024)?, "Test content");
    file.close()?;

    let items: Vec<FsPath> = io.list("/home/user").collect_all()?;
    println!("Directory contains: {items:?}");
    assert_eq!(items[0].as_str(), "home/user/test.txt");
    Ok(())
}
