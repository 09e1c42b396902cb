//! The command line of twinfs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line prints")]

mod args;
mod commands;
mod exit;
mod interrupt;
mod output;
mod password;
mod progress;
mod secret;
mod session;
mod target;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::interrupt::Interrupted;

fn main() -> ExitCode {
    // A panic is a fault of twinfs; the user gets one line to report, not a backtrace.
    std::panic::set_hook(Box::new(output::fault));
    let run = std::panic::catch_unwind(|| match Args::try_parse() {
        Ok(args) => commands::run(args),
        Err(error) => output::usage(&error, args::is_json()),
    });
    run.unwrap_or_else(|panic| {
        let code = if panic.is::<Interrupted>() { Interrupted::code() } else { exit::FAILURE };
        code.into()
    })
}
