//! The command line as clap sees it. Every option can also stand in the environment.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::builder::{BoolishValueParser, TypedValueParser};
use clap::{Args as ClapArgs, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use twinfs::Durability;
use twinfs::bulk::Limit;
use twinfs_server::{LogFormat, Network};

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
    /// Serve run files over HTTP
    Serve(Box<Serve>),
    /// Print a token for a server: by login, or signed with its secret
    Token(Token),
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

/// Serves files as runs, as Kodosumi's server does. On a data folder of this machine what it
/// acknowledges survives a power cut. SIGTERM and SIGINT let requests under way end.
#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// The folder of the files, created if need be, as {user}/{run}/{in,out}/...; or the URL of another store
    #[arg(long, env = "TWINFS_DATA", value_name = "DIR")]
    pub(crate) data: String,
    /// Address and port to listen on; port 0 takes any free one
    #[arg(long, env = "TWINFS_LISTEN", value_name = "HOST:PORT", default_value = "127.0.0.1:8370")]
    pub(crate) listen: String,
    /// A user who may log in, again for more; all after the first ':' is the password. Users of earlier starts stay
    #[arg(long = "user", env = "TWINFS_USER", value_name = "NAME:PASSWORD", hide_env_values = true)]
    pub(crate) users: Vec<OsString>,
    /// The secret that signs tokens: this file's text without its last newline [default: STATE/secret]
    #[arg(long, env = "TWINFS_SECRET_FILE", value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Make what is missing: folders, a secret, at the first start a user; print how to log in
    #[arg(long, env = "TWINFS_INIT", value_parser = BoolishValueParser::new())]
    pub(crate) init: bool,
    /// Folder of the server's database of users and unfinished uploads [default: DATA/.twinfs-server; for a URL none: in memory]
    #[arg(long, env = "TWINFS_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// What an acknowledged completion survives: none (a kill), file or full (a power cut)
    #[arg(long, env = "TWINFS_DURABILITY", value_name = "LEVEL", default_value = "full")]
    pub(crate) durability: Durability,
    /// How long a token from a login is good for [default: 1day]
    #[arg(long, env = "TWINFS_TOKEN_LIFETIME", value_name = "TIME", value_parser = duration)]
    pub(crate) token_lifetime: Option<Duration>,
    /// Refuse what Kodosumi's server takes and a careful one should not: passwords in a URL
    #[arg(long, env = "TWINFS_STRICT", value_parser = BoolishValueParser::new())]
    pub(crate) strict: bool,
    /// Clients come by TLS, through a proxy: mark cookies as secure
    #[arg(long, env = "TWINFS_BEHIND_TLS", value_parser = BoolishValueParser::new())]
    pub(crate) behind_tls: bool,
    /// A proxy whose X-Forwarded-For is believed, again for more: its address, or a network like 10.0.0.0/8
    #[arg(
        long = "trusted-proxy",
        env = "TWINFS_TRUSTED_PROXY",
        value_name = "NETWORK",
        value_delimiter = ','
    )]
    pub(crate) trusted_proxies: Vec<Network>,
    /// How long requests may take to end when the server stops [default: 30s]
    #[arg(long, env = "TWINFS_DRAIN", value_name = "TIME", value_parser = duration)]
    pub(crate) drain: Option<Duration>,
    /// The log on standard error as text or json
    #[arg(long, env = "TWINFS_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or as in RUST_LOG
    #[arg(long, env = "TWINFS_LOG", value_name = "FILTER", default_value = "info")]
    pub(crate) log: String,
    #[command(flatten)]
    pub(crate) limits: ServeLimits,
}

/// What clients may use up.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Limits")]
pub(crate) struct ServeLimits {
    /// The largest chunk of an upload [default: 1MiB]
    #[arg(long, env = "TWINFS_MAX_CHUNK", value_name = "SIZE", value_parser = size)]
    pub(crate) max_chunk: Option<ByteSize>,
    /// Unfinished uploads of one user [default: 50000]
    #[arg(long, env = "TWINFS_SESSIONS_PER_USER", value_name = "N")]
    pub(crate) sessions_per_user: Option<usize>,
    /// Unfinished uploads of all users [default: 200000]
    #[arg(long, env = "TWINFS_SESSIONS", value_name = "N")]
    pub(crate) sessions: Option<usize>,
    /// Bytes in unfinished uploads of one user, and the largest file [default: 1TiB]
    #[arg(long, env = "TWINFS_BYTES_PER_USER", value_name = "SIZE", value_parser = size)]
    pub(crate) bytes_per_user: Option<ByteSize>,
    /// How long an unfinished upload is kept without a new chunk [default: 1day]
    #[arg(long, env = "TWINFS_SESSION_IDLE", value_name = "TIME", value_parser = duration)]
    pub(crate) session_idle: Option<Duration>,
    /// Free space below which nothing new is taken [default: 256MiB]
    #[arg(long, env = "TWINFS_MIN_FREE", value_name = "SIZE", value_parser = size)]
    pub(crate) min_free: Option<ByteSize>,
    /// Connections served at a time [default: 1024]
    #[arg(long, env = "TWINFS_CONNECTIONS", value_name = "N")]
    pub(crate) connections: Option<usize>,
    /// Memory for chunks, whole files and completions being received, half of it for one user [default: 128MiB]
    #[arg(long, env = "TWINFS_CHUNK_MEMORY", value_name = "SIZE", value_parser = size)]
    pub(crate) chunk_memory: Option<ByteSize>,
    /// The largest JSON body [default: 32MiB]
    #[arg(long, env = "TWINFS_MAX_JSON", value_name = "SIZE", value_parser = size)]
    pub(crate) max_json: Option<ByteSize>,
    /// How long a connection may take for the head of a request [default: 1min]
    #[arg(long, env = "TWINFS_HEAD_TIMEOUT", value_name = "TIME", value_parser = duration)]
    pub(crate) head_timeout: Option<Duration>,
    /// How long a client may send or take nothing [default: 30s]
    #[arg(long, env = "TWINFS_STALL_TIMEOUT", value_name = "TIME", value_parser = duration)]
    pub(crate) stall_timeout: Option<Duration>,
    /// The least bytes per second of a body [default: 1KiB]
    #[arg(long, env = "TWINFS_MIN_RATE", value_name = "SIZE", value_parser = size)]
    pub(crate) min_rate: Option<ByteSize>,
}

/// Prints a token on standard output. With --server it logs in there; else it signs one itself, with
/// the server's secret.
#[derive(Debug, ClapArgs)]
pub(crate) struct Token {
    /// The server to log in at, as http(s)://HOST:PORT
    #[arg(long, env = "TWINFS_SERVER", value_name = "URL", requires = "user")]
    pub(crate) server: Option<String>,
    /// Who logs in; without ':' the password is asked for, or read from standard input
    #[arg(long, env = "TWINFS_USER", value_name = "NAME:PASSWORD", hide_env_values = true)]
    pub(crate) user: Option<OsString>,
    /// The id of the user the token is for
    #[arg(
        long,
        env = "TWINFS_SUB",
        value_name = "ID",
        conflicts_with = "server",
        required_unless_present = "server"
    )]
    pub(crate) sub: Option<String>,
    /// The server's secret: this file's text without its last newline
    #[arg(long, env = "TWINFS_SECRET_FILE", value_name = "FILE", required_unless_present = "server")]
    pub(crate) secret_file: Option<PathBuf>,
    /// How long it is good for
    #[arg(long, env = "TWINFS_LIFETIME", value_name = "TIME", value_parser = duration, default_value = "1day")]
    pub(crate) lifetime: Duration,
}

/// Whether results are wanted as JSON, of a command line that cannot be understood otherwise.
pub(crate) fn is_json() -> bool {
    let is_set = |value: OsString| {
        let value = BoolishValueParser::new().parse_ref(&Args::command(), None, &value);
        value.is_ok_and(|set| set)
    };
    std::env::args_os().take_while(|argument| argument != "--").any(|argument| argument == "--json")
        || std::env::var_os("TWINFS_JSON").is_some_and(is_set)
}

fn duration(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let duration = match seconds {
        Some(duration) => duration,
        None => humantime::parse_duration(text).map_err(|error| error.to_string())?,
    };
    if duration.is_zero() { Err("it must be longer than nothing".into()) } else { Ok(duration) }
}

fn size(text: &str) -> Result<ByteSize, String> {
    text.parse().map_err(|_| format!("a size is like 512KiB, 1MiB or 1048576, not '{}'", text.escape_debug()))
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
