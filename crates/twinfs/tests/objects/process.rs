//! Several processes on one directory: this test binary, started again, and forked children.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use twinfs::ErrorKind;
use twinfs::blocking::objects::{Connector as _, FileConnector, FileKey, StoreConfig, StoreConnector};

use crate::{kind, scratch};

const STORE_DIR: &str = "TWINFS_OBJECTS_DIR";

/// Not a test of its own: another process with the directory open, which does what it is told.
#[test]
fn another_process() {
    let Ok(store_dir) = std::env::var(STORE_DIR) else { return };
    let connector = FileConnector::open(store_dir).unwrap();
    println!("\n>open");
    for line in std::io::stdin().lock().lines().map(Result::unwrap) {
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("put", text) => println!("\n>{}", connector.put(text).unwrap().filename),
            ("get", key) => {
                let object = connector.get(&FileKey::new(key)).unwrap().unwrap_or_default();
                println!("\n>{}", String::from_utf8_lossy(&object));
            }
            ("close", _) => {
                connector.close().unwrap();
                println!("\n>closed");
            }
            _ => return,
        }
    }
}

/// The other process, from here.
pub(crate) struct Other {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Other {
    fn open(store_dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["process::another_process", "--exact", "--nocapture", "--test-threads=1"])
            .env(STORE_DIR, store_dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut other = Self { child, to, from };
        assert_eq!(other.hear(), "open");
        other
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.from.read_line(&mut line).unwrap(), 0, "the other process ended early");
            if let Some(said) = line.trim_end().strip_prefix('>') {
                return said.to_owned();
            }
        }
    }

    fn ask(&mut self, line: &str) -> String {
        writeln!(self.to, "{line}").unwrap();
        self.hear()
    }

    fn end(mut self) {
        let _ = writeln!(self.to, "end");
        self.child.wait().unwrap();
    }
}

#[test]
fn a_directory_that_another_process_holds_stays() {
    let scratch = scratch();
    let connector = FileConnector::open(&scratch.store_dir).unwrap();
    let mut other = Other::open(&scratch.store_dir);
    let key = connector.put("from here").unwrap();
    let there = FileKey::new(other.ask("put from there"));
    assert_eq!(other.ask(&format!("get {}", key.filename)), "from here");
    assert_eq!(connector.get(&there).unwrap().unwrap(), "from there");
    connector.close().unwrap();
    assert_eq!(other.ask(&format!("get {}", key.filename)), "from here");
    assert_eq!(other.ask("close"), "closed");
    assert!(!scratch.store_dir.exists());
    other.end();
}

#[test]
fn a_killed_process_holds_nothing() {
    let scratch = scratch();
    let connector = FileConnector::open(&scratch.store_dir).unwrap();
    let mut other = Other::open(&scratch.store_dir);
    other.ask("put from there");
    other.child.kill().unwrap();
    other.child.wait().unwrap();
    connector.close().unwrap();
    assert!(!scratch.store_dir.exists());
}

/// Runs `body` in a forked child; whether it held there.
fn in_child(body: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child only runs `body` and leaves without running destructors.
    match unsafe { libc::fork() } {
        0 => {
            let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(false);
            // SAFETY: ends the child.
            unsafe { libc::_exit(i32::from(!good)) }
        }
        pid => {
            let mut status = 0;
            // SAFETY: waits for the child just made.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
        }
    }
}

#[test]
fn a_forked_child_uses_what_it_inherited_and_does_not_end_its_parents_hold() {
    let scratch = scratch();
    let connector = FileConnector::open(&scratch.store_dir).unwrap();
    let key = connector.put("from the parent").unwrap();
    let own = FileKey::new("of the child");
    assert!(in_child(|| {
        let found = connector.get(&key).unwrap().unwrap() == "from the parent";
        connector.set(&own, "from the child").unwrap();
        // The parent holds it: this removes nothing.
        connector.close().unwrap();
        found
    }));
    assert_eq!(connector.get(&own).unwrap().unwrap(), "from the child");
    let mut other = Other::open(&scratch.store_dir);
    assert_eq!(other.ask("close"), "closed");
    assert_eq!(connector.get(&key).unwrap().unwrap(), "from the parent");
    connector.close().unwrap();
    assert!(!scratch.store_dir.exists());
    other.end();
}

#[test]
fn a_forked_child_holds_the_directory_from_its_first_use_on() {
    let scratch = scratch();
    let connector = FileConnector::open(&scratch.store_dir).unwrap();
    let key = connector.put("there").unwrap();
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    // SAFETY: the child uses the connector and its end of the pair, and leaves.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let body = || {
            use std::io::Read;
            let mut theirs = &theirs;
            connector.exists(&key).unwrap();
            theirs.write_all(b"1").unwrap();
            theirs.read_exact(&mut [0]).unwrap();
            let found = connector.get(&key).unwrap().is_some();
            connector.close().unwrap();
            found
        };
        let good = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(false);
        // SAFETY: ends the child.
        unsafe { libc::_exit(i32::from(!good)) }
    }
    std::io::Read::read_exact(&mut ours, &mut [0]).unwrap();
    connector.close().unwrap();
    assert!(scratch.store_dir.exists());
    ours.write_all(b"1").unwrap();
    let mut status = 0;
    // SAFETY: waits for the child just made.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0);
    assert!(!scratch.store_dir.exists(), "the child was the last to close");
}

#[test]
fn a_tree_in_the_memory_of_another_process_is_refused() {
    let connector = StoreConnector::connect("memory://here").unwrap();
    let config = connector.config().unwrap();
    assert!(StoreConnector::from_config(config.clone()).is_ok());
    let elsewhere = StoreConfig { process: Some("1-another".into()), ..config.clone() };
    let error = StoreConnector::from_config(elsewhere).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("memory://here is a tree of another process"), "{error}");
    assert!(in_child(|| kind(StoreConnector::from_config(config)) == Some(ErrorKind::InvalidInput)));
}

#[test]
fn secrets_do_not_show() {
    let config =
        StoreConfig::new("redis://me:hunter2@host/0?password=hunter2").with_option("token", "hunter2");
    assert!(!format!("{config:?}").contains("hunter2"), "{config:?}");
    assert!(serde_json::to_string(&config).unwrap().contains("hunter2"));
}
