//! Files by name, on the sync face: write and read, list and remove, and two writers of one file.

use std::io;

use twinfs::ErrorKind;
use twinfs::blocking::filelike::{FileLikeSystem, Mode, Template};

fn main() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let template = format!("{}/{{}}", folder.path().display());
    let on_disk = FileLikeSystem::on_disk(&template)?;
    let in_memory = FileLikeSystem::new(twinfs::blocking::Fs::memory());
    for mut system in [on_disk, in_memory] {
        use_it(&system)?;
        system.set_template(Template::new("reports/{}.csv")?);
        use_it(&system)?;
    }
    Ok(())
}

/// Knows nothing of where the files are.
fn use_it(system: &FileLikeSystem) -> twinfs::Result<()> {
    // `w`: a new content, which is there once the file is closed.
    let mut file = system.open("directory/path/filename.bin", Mode::Write)?;
    file.write("hello")?;
    file.close()?;

    // `r`: read.
    let mut file = system.open("directory/path/filename.bin", Mode::Read)?;
    assert_eq!(file.read_to_end()?, "hello");

    // `r+`: read, then write anew. Whoever else wants to write meanwhile is told.
    let mut file = system.open("directory/path/filename.bin", Mode::Update)?;
    let refused = system.open("directory/path/filename.bin", Mode::Write);
    assert_eq!(refused.map_err(|error| error.kind()).err(), Some(ErrorKind::WouldBlock));
    let content = file.read_to_end()?;
    file.write(content.to_ascii_uppercase())?;
    file.close()?;

    // A missing file is an error when it is read.
    let mut missing = system.open("missing", Mode::Read)?;
    assert_eq!(missing.read_to_end().map_err(|error| error.kind()), Err(ErrorKind::NotFound));

    system.cp("directory/path/filename.bin", "copy.bin")?;
    system.mv("copy.bin", "moved.bin")?;
    assert_eq!(system.ls("*.bin")?, ["directory/path/filename.bin", "moved.bin"]);
    system.rm("*.bin")?;
    assert!(system.ls("*")?.is_empty());
    Ok(())
}
