//! What signs tokens and opens doors: the server's secret, passwords, `NAME:PASSWORD`.

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use twinfs::Error;

use crate::output::{Failure, Result};

/// The secret in a file: its text without its last newline.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    let mut secret = fs::read(file).map_err(|error| failure(file, error))?;
    if secret.ends_with(b"\n") {
        secret.pop();
    }
    if secret.is_empty() {
        let error = Error::new(twinfs::ErrorKind::InvalidInput)
            .with_message("the secret is empty: anybody could sign tokens");
        return Err(Failure::new(file.to_string_lossy(), error).into());
    }
    Ok(secret)
}

/// Makes a secret that only its owner reads, unless there is one.
pub(crate) fn make(file: &Path) -> Result<()> {
    let secret = random::<32>()?.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    let create = || -> std::io::Result<()> {
        if let Some(folder) = file.parent() {
            private_folder(folder)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
        file.write_all(secret.as_bytes())?;
        file.sync_all()
    };
    match create() {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failure(file, error)),
        _ => Ok(()),
    }
}

/// Makes a folder that only its owner enters, and those above it.
pub(crate) fn private_folder(folder: &Path) -> std::io::Result<()> {
    match fs::DirBuilder::new().recursive(true).mode(0o700).create(folder) {
        // What is there is a file.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(ErrorKind::NotADirectory.into()),
        created => created,
    }
}

/// A password that nobody guesses: 100 bits, in characters that are not mistaken for others.
pub(crate) fn password() -> Result<String> {
    const CHARACTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let character = |byte: &u8| char::from(CHARACTERS[usize::from(byte % 32)]);
    Ok(random::<20>()?.iter().map(character).collect())
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new("", Error::from_io(error.into())))?;
    Ok(bytes)
}

/// Name and password, cut at the first ':'; the text is never repeated in an error.
pub(crate) fn credentials(text: &OsStr) -> Result<(String, Option<String>)> {
    let text = text.to_str().ok_or_else(|| Failure::usage("--user must be UTF-8"))?;
    let (name, password) = match text.split_once(':') {
        Some((name, password)) => (name, Some(password.to_owned())),
        None => (text, None),
    };
    if name.is_empty() {
        return Err(Failure::usage("--user is NAME:PASSWORD, and the name is empty").into());
    }
    Ok((name.to_owned(), password))
}

/// The failure of a file of this machine that is no LOCATION.
pub(crate) fn failure(file: &Path, error: std::io::Error) -> crate::output::Stop {
    Failure::new(file.to_string_lossy(), Error::from_io(error)).into()
}
