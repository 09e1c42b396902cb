//! Lists the built web page, if there is one, for `src/page/assets.rs` to embed. Without it the server
//! is built all the same: its page then lists and downloads, and does not upload.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = env::var("CARGO_MANIFEST_DIR")?;
    let web = Path::new(&manifest).join("../../web");
    let built = web.join("dist");
    // Cargo takes a missing path for changed at every build, so it is told of the nearest one that is there.
    let watched = [&built, &web].into_iter().find(|path| path.is_dir());
    let watched = watched.map_or_else(|| Path::new("build.rs"), |path| path.as_path());
    println!("cargo::rerun-if-changed={}", watched.display());

    let mut files = Vec::new();
    if built.join("main.js").is_file() {
        for entry in fs::read_dir(&built)? {
            let path = entry?.path();
            if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    fs::write(Path::new(&env::var("OUT_DIR")?).join("web.rs"), list(&files)?)?;
    Ok(())
}

/// An expression: the names of the files with their contents.
fn list(files: &[PathBuf]) -> Result<String, Box<dyn Error>> {
    let mut text = String::from("&[\n");
    for file in files {
        let name = file.file_name().and_then(|name| name.to_str()).ok_or("a file name that is not UTF-8")?;
        let path = fs::canonicalize(file)?;
        let path = path.to_str().ok_or("a path that is not UTF-8")?;
        writeln!(text, "    ({name:?}, include_bytes!({path:?}).as_slice()),")?;
    }
    text.push_str("]\n");
    Ok(text)
}
