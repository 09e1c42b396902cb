//! `twinfs completions`: what makes a shell complete the commands.

use clap::CommandFactory;

use crate::args::{Args, Completions};
use crate::output::Result;
use crate::session::Session;

pub(crate) fn run(session: &mut Session, args: &Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "twinfs", &mut script);
    session.out.bytes(&script)
}
