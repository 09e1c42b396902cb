//! A password from standard input; from a terminal, asked for and unseen.

use std::io::{self, Stdin, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, isatty, tcgetattr, tcsetattr};
use twinfs::Error;

use crate::interrupt;
use crate::output::{Failure, Result};

/// The first line of standard input.
pub(crate) fn read(name: &str) -> Result<String> {
    let failed = |error| Failure::new("-", Error::from_io(error));
    let stdin = io::stdin();
    let unseen = if isatty(&stdin) {
        // A signal has to unwind through this, or the terminal would stay as it is made here.
        interrupt::watch();
        let unseen = Unseen::begin(&stdin).map_err(failed)?;
        // The prompt is no result: standard output may go into a file. A closed one shows none.
        _ = write!(io::stderr(), "Password for {}: ", name.escape_debug());
        interrupt::wait_for_input();
        Some(unseen)
    } else {
        None
    };
    let mut line = String::new();
    stdin.read_line(&mut line).map_err(failed)?;
    drop(unseen);
    Ok(line.strip_suffix('\n').map(str::to_owned).unwrap_or(line))
}

/// A terminal that does not show what is typed, until this is dropped.
struct Unseen<'a> {
    terminal: &'a Stdin,
    before: Termios,
}

impl<'a> Unseen<'a> {
    fn begin(terminal: &'a Stdin) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut unseen = before.clone();
        unseen.local_modes.remove(LocalModes::ECHO);
        // The end of the line is shown: what comes next starts on a new one.
        unseen.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(terminal, OptionalActions::Flush, &unseen)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Unseen<'_> {
    fn drop(&mut self) {
        // A terminal that went away shows nothing.
        _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}
