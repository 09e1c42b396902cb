//! Pipes that close, shells that complete.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use tempfile::tempdir;

use crate::run::{bytes, command, finish, twinfs};

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

#[test]
fn wrong_usage_is_told_as_json_where_that_is_wanted() {
    let folder = tempdir().unwrap();
    let told = |run: &crate::run::Run| -> serde_json::Value {
        assert_eq!((run.code, run.stdout.as_slice()), (2, b"".as_slice()), "{run:?}");
        serde_json::from_str(&run.stderr).unwrap()
    };
    let by_option = told(&twinfs(folder.path(), ["ls", "--json", "--no-such-option"]));
    assert_eq!(by_option["error"], "invalid input");
    assert_eq!(by_option["message"], "unexpected argument '--no-such-option' found");
    let by_environment = told(&finish(command(folder.path()).env("TWINFS_JSON", "1").args(["put", "a"])));
    assert_eq!(by_environment["retryable"], false);
    let plain = finish(command(folder.path()).env("TWINFS_JSON", "0").arg("--no-such-option"));
    assert!(plain.code == 2 && plain.stderr.starts_with("error: "), "{plain:?}");
    assert!(twinfs(folder.path(), ["--json", "--help"]).text().contains("Exit codes"));
}
