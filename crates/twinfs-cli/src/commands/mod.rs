//! The commands, one module each.

mod cat;
mod completions;
mod du;
mod ls;
mod mkdir;
mod mv;
mod rm;
mod serve;
mod stat;
mod stream;
mod token;
mod transfer;

use std::process::ExitCode;

use crate::args::{Args, Command};
use crate::session::Session;

/// Runs a command to its end.
pub(crate) fn run(args: Args) -> ExitCode {
    let name = match &args.command {
        Command::Serve(_) => "serve",
        Command::Token(_) => "token",
        Command::Ls(_) => "ls",
        Command::Cat(_) => "cat",
        Command::Put(_) => "put",
        Command::Get(_) => "get",
        Command::Cp(_) => "cp",
        Command::Mv(_) => "mv",
        Command::Rm(_) => "rm",
        Command::Stat(_) => "stat",
        Command::Mkdir(_) => "mkdir",
        Command::Du(_) => "du",
        Command::Completions(_) => "completions",
    };
    let mut session = Session::new(name, args.global);
    let result = match args.command {
        Command::Serve(args) => serve::run(&mut session, &args),
        Command::Token(args) => token::run(&mut session, &args),
        Command::Ls(args) => ls::run(&mut session, &args),
        Command::Cat(args) => cat::run(&mut session, &args),
        Command::Put(args) => transfer::put(&mut session, &args),
        Command::Get(args) => transfer::get(&mut session, &args),
        Command::Cp(args) => transfer::cp(&mut session, &args),
        Command::Mv(args) => mv::run(&mut session, &args),
        Command::Rm(args) => rm::run(&mut session, &args),
        Command::Stat(args) => stat::run(&mut session, &args),
        Command::Mkdir(args) => mkdir::run(&mut session, &args),
        Command::Du(args) => du::run(&mut session, &args),
        Command::Completions(args) => completions::run(&mut session, &args),
    };
    session.out.finish(result)
}
