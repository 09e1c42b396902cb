//! Pipes that close, shells that complete.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use tempfile::tempdir;

use crate::run::{bytes, command, twinfs};

#[test]
fn a_closed_pipe_is_quiet() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("large"), bytes(8 * 1024 * 1024)).unwrap();
    let mut child = command(folder.path())
        .args(["cat", "large"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    // The pipe is closed here.
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_full_disk_at_the_other_end_is_told() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("file"), "x").unwrap();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command(folder.path()).args(["cat", "file"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "twinfs: cat '-': no space\n");
}

#[test]
fn shells_complete() {
    let folder = tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(twinfs(folder.path(), ["completions", shell]).text().contains("twinfs"), "{shell}");
    }
}
