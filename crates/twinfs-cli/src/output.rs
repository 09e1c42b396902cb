//! What a user sees: results on standard output, everything else on standard error.

use std::fmt;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::panic::PanicHookInfo;
use std::process::ExitCode;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::json;
use twinfs::{EntryKind, Error, ErrorKind, HttpStatus};

use crate::exit::{self, Code};

/// A command that cannot go on.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Whoever read the output went away; nothing is said about it.
    Unread,
    /// Standard output cannot be written.
    Unwritten(Failure),
    /// One part of the command failed; the others may go on.
    Failed(Failure),
}

/// The result of a command's step.
pub(crate) type Result<T, E = Stop> = std::result::Result<T, E>;

/// One thing that failed, in the words of the user.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The path or URL as the user knows it.
    pub(crate) what: String,
    /// Where it was to arrive, of a copy or a move that fails between two places.
    pub(crate) destination: Option<String>,
    /// Why.
    pub(crate) error: Error,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>, error: Error) -> Self {
        Self { what: what.into(), destination: None, error }
    }

    /// A usage error that no path is to blame for.
    pub(crate) fn usage(message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::new("", Error::new(ErrorKind::InvalidInput).with_message(message))
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Why something failed, without operation and path.
fn reason(error: &Error) -> String {
    let kind = error.kind();
    if let Some(message) = error.message() {
        return if kind == ErrorKind::InvalidInput {
            message.to_owned()
        } else {
            format!("{kind}: {message}")
        };
    }
    match std::error::Error::source(error) {
        Some(source) if matches!(kind, ErrorKind::Io | ErrorKind::Connection | ErrorKind::InvalidInput) => {
            format!("{kind}: {}", source.to_string().escape_debug())
        }
        _ => kind.to_string(),
    }
}

/// Whether a server refused the token, or the want of one.
fn wants_token(error: &Error) -> bool {
    let status = std::error::Error::source(error).and_then(|source| source.downcast_ref::<HttpStatus>());
    status.is_some_and(|refusal| refusal.status == 401)
}

/// Standard output and the failures so far.
pub(crate) struct Output {
    command: &'static str,
    json: bool,
    stdout: BufWriter<StdoutLock<'static>>,
    code: Code,
}

impl Output {
    pub(crate) fn new(command: &'static str, json: bool) -> Self {
        let stdout = BufWriter::with_capacity(64 * 1024, io::stdout().lock());
        Self { command, json, stdout, code: exit::SUCCESS }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Writes bytes to standard output.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.stdout.write_all(bytes).map_err(unwritten)
    }

    /// Writes one line to standard output.
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> Result<()> {
        writeln!(self.stdout, "{line}").map_err(unwritten)
    }

    /// Writes one JSON value on a line of its own to standard output.
    pub(crate) fn value(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.stdout, value).map_err(|error| unwritten(error.into()))?;
        self.bytes(b"\n")
    }

    /// Sends what is buffered on its way.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.stdout.flush().map_err(unwritten)
    }

    /// Reports a failure and goes on; the exit code is that of the first.
    pub(crate) fn fail(&mut self, failure: &Failure) {
        self.note(exit::code(failure.error.kind()));
        let (command, error) = (self.command, &failure.error);
        let mut reason = reason(error);
        // Where the login itself is refused, no other token is to blame.
        if command != "token" && wants_token(error) {
            reason.push_str("; a token goes into TWINFS_TOKEN, and 'twinfs token' gives one");
        }
        if self.json {
            warn(&json!({
                "error": error.kind().mapping().name,
                "command": command,
                "path": failure.what,
                "destination": failure.destination,
                "message": reason,
                "retryable": error.is_retryable(),
            }));
        } else if failure.what.is_empty() {
            warn(&format_args!("twinfs: {command}: {reason}"));
        } else {
            let destination = failure.destination.as_ref();
            let to = destination.map(|place| format!(" to '{}'", place.escape_debug())).unwrap_or_default();
            warn(&format_args!("twinfs: {command} '{}'{to}: {reason}", failure.what.escape_debug()));
        }
    }

    /// Says that something was passed over.
    pub(crate) fn skip(&mut self, what: &str, why: &str) {
        self.note(exit::INCOMPLETE);
        if self.json {
            return; // It is part of the result there.
        }
        warn(&format_args!("twinfs: {} '{}': passed over: {why}", self.command, what.escape_debug()));
    }

    fn note(&mut self, code: Code) {
        if self.code == exit::SUCCESS {
            self.code = code;
        }
    }

    /// The end of the command: what is buffered goes out, what happened becomes the exit code.
    pub(crate) fn finish(mut self, result: Result<()>) -> ExitCode {
        match result.and_then(|()| self.flush()) {
            Ok(()) | Err(Stop::Unread) => {}
            Err(Stop::Failed(failure)) => {
                // What was written so far comes before the message; where it cannot, there is one
                // failure to tell, and this one came first.
                _ = self.stdout.flush();
                self.fail(&failure);
            }
            Err(Stop::Unwritten(failure)) => self.fail(&failure),
        }
        self.code.into()
    }
}

fn unwritten(error: io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Stop::Unread,
        _ => Stop::Unwritten(Failure::new("-", Error::from_io(error))),
    }
}

/// Writes one line to standard error; a closed one is no reason to fail.
pub(crate) fn warn(line: &dyn fmt::Display) {
    _ = writeln!(io::stderr(), "{line}");
}

/// Says what clap has to say, and gives its exit code.
pub(crate) fn usage(error: &clap::Error, json: bool) -> ExitCode {
    if !error.use_stderr() {
        _ = error.print();
        return exit::SUCCESS.into();
    }
    if json {
        let text = error.render().to_string();
        // What is wrong stands before the hints and the usage.
        let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ").trim();
        warn(&json!({
            "error": ErrorKind::InvalidInput.mapping().name,
            "command": null,
            "path": "",
            "destination": null,
            "message": message,
            "retryable": false,
        }));
    } else {
        _ = error.print();
    }
    exit::USAGE.into()
}

/// One line for a panic.
pub(crate) fn fault(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("unknown");
    warn(&format_args!("twinfs: fault in twinfs itself at {place}, please report it: {message}"));
}

/// A time as RFC 3339 in UTC, to the second.
pub(crate) fn time(time: SystemTime) -> String {
    // Times before 1970 have no such form here; they are the epoch to every tool that reads this.
    let time = time.max(SystemTime::UNIX_EPOCH);
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The name of a kind of entry, in JSON and in `stat`.
pub(crate) fn kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::File => "file",
        EntryKind::Directory => "directory",
        EntryKind::Symlink => "symlink",
        EntryKind::Unrepresentable => "unrepresentable",
        _ => "other",
    }
}

/// Bytes as a person reads them: `1.5 MiB`.
pub(crate) fn human(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}
