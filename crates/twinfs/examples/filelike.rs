//! Files by name, on the async face: write and read, list and remove, and two writers of one file.

use std::io;

use twinfs::ErrorKind;
use twinfs::filelike::{FileLikeSystem, Mode, Template};

fn main() -> io::Result<()> {
    smol::block_on(async {
        let folder = tempfile::tempdir()?;
        let template = format!("{}/{{}}", folder.path().display());
        let on_disk = FileLikeSystem::on_disk(&template).await?;
        let in_memory = FileLikeSystem::new(twinfs::Fs::memory());
        for mut system in [on_disk, in_memory] {
            use_it(&system).await?;
            system.set_template(Template::new("reports/{}.csv")?);
            use_it(&system).await?;
        }
        Ok(())
    })
}

/// Knows nothing of where the files are.
async fn use_it(system: &FileLikeSystem) -> twinfs::Result<()> {
    // `w`: a new content, which is there once the file is closed.
    let mut file = system.open("directory/path/filename.bin", Mode::Write).await?;
    file.write("hello").await?;
    file.close().await?;

    // `r`: read.
    let mut file = system.open("directory/path/filename.bin", Mode::Read).await?;
    assert_eq!(file.read_to_end().await?, "hello");

    // `r+`: read, then write anew. Whoever else wants to write meanwhile is told.
    let mut file = system.open("directory/path/filename.bin", Mode::Update).await?;
    let refused = system.open("directory/path/filename.bin", Mode::Write).await;
    assert_eq!(refused.map_err(|error| error.kind()).err(), Some(ErrorKind::WouldBlock));
    let content = file.read_to_end().await?;
    file.write(content.to_ascii_uppercase()).await?;
    file.close().await?;

    // A missing file is an error when it is read.
    let mut missing = system.open("missing", Mode::Read).await?;
    assert_eq!(missing.read_to_end().await.map_err(|error| error.kind()), Err(ErrorKind::NotFound));

    system.cp("directory/path/filename.bin", "copy.bin").await?;
    system.mv("copy.bin", "moved.bin").await?;
    assert_eq!(system.ls("*.bin").await?, ["directory/path/filename.bin", "moved.bin"]);
    system.rm("*.bin").await?;
    assert!(system.ls("*").await?.is_empty());
    Ok(())
}
