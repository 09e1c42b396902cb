//! The command line as clap sees it. Every option can also stand in the environment.

use std::ffi::OsString;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args as ClapArgs, Parser, Subcommand};
use clap_complete::Shell;
use twinfs::Durability;
use twinfs::bulk::Limit;

use crate::exit;

/// Work with files anywhere: on this disk, in memory, on a twinfs server.
///
/// A LOCATION is a path, a URL (file:///dir/file, memory://NAME/path,
/// run+http://HOST:PORT/FID/in/path) or, where it is read or written as a whole, - for standard
/// input or output.
#[derive(Debug, Parser)]
#[command(name = "twinfs", version, after_help = exit::HELP, max_term_width = 100, propagate_version = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "General options")]
pub(crate) struct Global {
    /// Results as JSON, one object a line; errors too
    #[arg(long, global = true, env = "TWINFS_JSON", value_parser = BoolishValueParser::new())]
    pub(crate) json: bool,
    /// No progress, only results and errors
    #[arg(short, long, global = true, env = "TWINFS_QUIET", value_parser = BoolishValueParser::new())]
    pub(crate) quiet: bool,
    /// Operations in flight, -1 for all at once
    #[arg(short, long, global = true, env = "TWINFS_JOBS", value_name = "N", allow_negative_numbers = true)]
    pub(crate) jobs: Option<Limit>,
    /// The longest an operation may take, as in 30s or 2min
    #[arg(long, global = true, env = "TWINFS_TIMEOUT", value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Token of a run server
    #[arg(long, global = true, env = "TWINFS_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List a directory
    Ls(Ls),
    /// Write files to standard output
    Cat(Cat),
    /// Copy files and folders to a server or any other place
    Put(Put),
    /// Copy files and folders from a server or any other place
    Get(Get),
    /// Copy files, with -r folders
    Cp(Cp),
    /// Move or rename files and folders
    Mv(Mv),
    /// Remove files, with -r folders
    Rm(Rm),
    /// Say what is at a place
    Stat(Stat),
    /// Create directories
    Mkdir(Mkdir),
    /// Count bytes and files
    Du(Du),
    /// Print what makes a shell complete twinfs commands
    Completions(Completions),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Ls {
    /// What to list
    #[arg(value_name = "LOCATION", default_value = ".")]
    pub(crate) locations: Vec<OsString>,
    /// Everything below, too
    #[arg(short, long, env = "TWINFS_RECURSIVE", value_parser = BoolishValueParser::new())]
    pub(crate) recursive: bool,
    /// With length and time
    #[arg(short, long, env = "TWINFS_LONG", value_parser = BoolishValueParser::new())]
    pub(crate) long: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Cat {
    /// What to write out, one after the other
    #[arg(value_name = "LOCATION", required = true)]
    pub(crate) locations: Vec<OsString>,
    /// Only these bytes of each, as START:END; either may be missing or count from the end with -
    #[arg(long, env = "TWINFS_RANGE", value_name = "START:END", value_parser = slice, allow_hyphen_values = true)]
    pub(crate) range: Option<twinfs::bulk::Slice>,
}

/// Options of the commands that write files.
#[derive(Debug, ClapArgs)]
pub(crate) struct Writing {
    /// Leave files alone that are there already; they count as failures
    #[arg(short, long, env = "TWINFS_NO_CLOBBER", value_parser = BoolishValueParser::new())]
    pub(crate) no_clobber: bool,
    /// What a finished write survives: none (a kill), file or full (a power cut)
    #[arg(long, env = "TWINFS_DURABILITY", value_name = "LEVEL")]
    pub(crate) durability: Option<Durability>,
}

#[derive(Debug, ClapArgs)]
#[command(override_usage = "twinfs put [OPTIONS] SOURCE... TARGET")]
pub(crate) struct Put {
    /// Files and folders, then where to; into it if it is a folder or ends in /
    #[arg(value_name = "LOCATION", num_args = 2.., required = true)]
    pub(crate) locations: Vec<OsString>,
    /// Folders, too; put does that anyway
    #[arg(short, long, env = "TWINFS_RECURSIVE", value_parser = BoolishValueParser::new())]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

#[derive(Debug, ClapArgs)]
#[command(override_usage = "twinfs get [OPTIONS] SOURCE... [TARGET]")]
pub(crate) struct Get {
    /// Files and folders, then where to (here, if there is only one); into it if it is a folder or ends in /
    #[arg(value_name = "LOCATION", num_args = 1.., required = true)]
    pub(crate) locations: Vec<OsString>,
    /// Folders, too; get does that anyway
    #[arg(short, long, env = "TWINFS_RECURSIVE", value_parser = BoolishValueParser::new())]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

#[derive(Debug, ClapArgs)]
#[command(override_usage = "twinfs cp [OPTIONS] SOURCE... TARGET")]
pub(crate) struct Cp {
    /// Files, then where to; into it if it is a folder or ends in /
    #[arg(value_name = "LOCATION", num_args = 2.., required = true)]
    pub(crate) locations: Vec<OsString>,
    /// Folders, too
    #[arg(short, long, env = "TWINFS_RECURSIVE", value_parser = BoolishValueParser::new())]
    pub(crate) recursive: bool,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

#[derive(Debug, ClapArgs)]
#[command(override_usage = "twinfs mv [OPTIONS] SOURCE... TARGET")]
pub(crate) struct Mv {
    /// Files and folders, then where to; into it if it is a folder or ends in /
    #[arg(value_name = "LOCATION", num_args = 2.., required = true)]
    pub(crate) locations: Vec<OsString>,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Rm {
    /// What to remove
    #[arg(value_name = "LOCATION", required = true)]
    pub(crate) locations: Vec<OsString>,
    /// Folders with everything in them, too
    #[arg(short, long, env = "TWINFS_RECURSIVE", value_parser = BoolishValueParser::new())]
    pub(crate) recursive: bool,
    /// What is not there is fine
    #[arg(short, long, env = "TWINFS_FORCE", value_parser = BoolishValueParser::new())]
    pub(crate) force: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Stat {
    /// What to look at; links are followed
    #[arg(value_name = "LOCATION", required = true)]
    pub(crate) locations: Vec<OsString>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Mkdir {
    /// What to create
    #[arg(value_name = "LOCATION", required = true)]
    pub(crate) locations: Vec<OsString>,
    /// Those above, too; one that is there already is fine
    #[arg(short, long, env = "TWINFS_PARENTS", value_parser = BoolishValueParser::new())]
    pub(crate) parents: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Du {
    /// What to count
    #[arg(value_name = "LOCATION", default_value = ".")]
    pub(crate) locations: Vec<OsString>,
    /// Bytes as KiB, MiB, GiB
    #[arg(short = 'H', long, env = "TWINFS_HUMAN", value_parser = BoolishValueParser::new())]
    pub(crate) human: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Completions {
    /// Which shell
    pub(crate) shell: Shell,
}

fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let duration = match seconds {
        Some(duration) => duration,
        None => humantime::parse_duration(text).map_err(|error| error.to_string())?,
    };
    if duration.is_zero() { Err("it must be longer than nothing".into()) } else { Ok(duration) }
}

fn slice(text: &str) -> Result<twinfs::bulk::Slice, String> {
    let (start, end) = text.split_once(':').ok_or("a range is START:END")?;
    let offset = |text: &str| match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| format!("'{}' is no offset", text.escape_debug())),
    };
    Ok(twinfs::bulk::Slice { start: offset(start)?, end: offset(end)? })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_option_stands_in_the_environment_too() {
        fn check(command: &clap::Command) {
            for option in command.get_arguments().filter(|option| !option.is_positional()) {
                if matches!(option.get_id().as_str(), "help" | "version") {
                    continue;
                }
                let long = option.get_long().unwrap();
                let expected = format!("TWINFS_{}", long.replace('-', "_").to_uppercase());
                let found = option.get_env().map(|name| name.to_str().unwrap().to_owned());
                assert_eq!(found, Some(expected), "{} --{long}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Args::command());
    }
}
