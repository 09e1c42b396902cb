//! A password typed at a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};
use tempfile::tempdir;

use crate::run::command;
use crate::serve::Server;

/// `twinfs token` with a terminal as standard input and standard error.
struct Typed {
    child: Child,
    /// The side of the person: keys go in, what is shown comes out.
    person: File,
    /// Keeps the terminal there when the child has ended.
    terminal: OwnedFd,
}

impl Typed {
    fn start(folder: &Path, server: &str) -> Self {
        let (mut person, mut terminal) = (-1, -1);
        let (none, unsized_) = (std::ptr::null_mut(), std::ptr::null());
        // SAFETY: both descriptors are written to; no name, no modes and no size are asked for.
        let opened =
            unsafe { libc::openpty(&raw mut person, &raw mut terminal, none, std::ptr::null(), unsized_) };
        assert_eq!(opened, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: opened above, and owned by nobody else.
        let (person, terminal) = unsafe { (File::from_raw_fd(person), OwnedFd::from_raw_fd(terminal)) };
        let child = command(folder)
            .args(["token", "--server", server, "--user", "ada"])
            .stdin(terminal.try_clone().unwrap())
            .stderr(terminal.try_clone().unwrap())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, person, terminal }
    }

    /// Reads what is shown, up to the end of the prompt.
    fn prompt(&mut self) -> String {
        let mut shown = Vec::new();
        while !shown.ends_with(b": ") {
            let mut byte = [0];
            self.person.read_exact(&mut byte).unwrap();
            shown.extend(byte);
        }
        String::from_utf8(shown).unwrap()
    }

    fn is_seen(&self) -> bool {
        tcgetattr(&self.terminal).unwrap().local_modes.contains(LocalModes::ECHO)
    }
}

#[test]
fn a_password_typed_at_a_terminal_is_asked_for_and_not_shown() {
    let folder = tempdir().unwrap();
    let server = Server::simple(folder.path());
    let mut typed = Typed::start(folder.path(), &server.url());
    assert_eq!(typed.prompt(), "Password for ada: ");
    assert!(!typed.is_seen());
    typed.person.write_all(b"pass:word\n").unwrap();
    let mut token = String::new();
    typed.child.stdout.take().unwrap().read_to_string(&mut token).unwrap();
    assert!(typed.child.wait().unwrap().success());
    assert_eq!(token.split('.').count(), 3, "{token}");
    let mut shown = [0; 64];
    let len = typed.person.read(&mut shown).unwrap();
    assert_eq!(&shown[..len], b"\r\n");
    assert!(typed.is_seen());
}

#[test]
fn an_interrupted_prompt_leaves_the_terminal_as_it_was() {
    let folder = tempdir().unwrap();
    let mut typed = Typed::start(folder.path(), "http://127.0.0.1:9");
    typed.prompt();
    assert!(!typed.is_seen());
    kill_process(Pid::from_child(&typed.child), Signal::INT).unwrap();
    assert_eq!(typed.child.wait().unwrap().code(), Some(130));
    assert!(typed.is_seen());
}
