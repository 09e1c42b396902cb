//! What a server is told at its start.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use twinfs::{Durability, Fs};

use crate::network::Network;

/// Everything a server is told at its start. [`Config::new`] has sane defaults.
///
/// ```
/// use twinfs_server::Config;
///
/// let mut config = Config::new(twinfs::Fs::memory(), b"a secret of the server's own");
/// config.listen = "127.0.0.1:0".into();
/// config.users.push(("ada".into(), "correct horse".into()));
/// assert_eq!(config.limits.max_chunk, 1024 * 1024);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    /// Where the files are, as `{user}/{run}/{in,out}/...`. Any store with staged uploads.
    pub data: Fs,
    /// The SQLite file of sessions and users; `None` keeps both in memory. It belongs to one server at
    /// a time.
    pub database: Option<PathBuf>,
    /// `HOST:PORT` to listen on; port 0 takes any free one.
    pub listen: String,
    /// Names and passwords. A name keeps its id for good; a password that differs from the stored one
    /// replaces it. Users of earlier starts may go on logging in.
    pub users: Vec<(String, String)>,
    /// Signs and verifies the tokens (HS256). Never shown by `Debug`.
    pub secret: Vec<u8>,
    /// What an acknowledged completion, whole-file write or removal survives. Default: full, a power cut;
    /// stores that cannot promise it do what they can. A file that waits outside any run has the
    /// durability of the store itself.
    pub durability: Durability,
    /// How long a token from a login is good for. Default: one day.
    pub token_lifetime: Duration,
    /// Refuses what Kodosumi's server takes and a careful one should not: passwords in a URL.
    pub strict: bool,
    /// Whether clients reach the server by TLS, through a proxy say: cookies are marked `Secure` then.
    pub tls: bool,
    /// Proxies whose `X-Forwarded-For` is believed: failed logins slow down the client that it names, not
    /// the proxy and with it everybody. Default: none; a header that anybody can send is not believed.
    pub trusted_proxies: Vec<Network>,
    /// What clients may use up.
    pub limits: Limits,
    /// A path on the disk that must keep [`Limits::min_free_bytes`] free; `None` checks nothing.
    pub data_dir: Option<PathBuf>,
    /// How long requests may take to end when the server stops. Default: 30 seconds.
    pub drain: Duration,
}

impl Config {
    /// A server of these files, with these bytes to sign tokens, and defaults for the rest: 127.0.0.1:8370,
    /// no users, metadata in memory.
    #[must_use]
    pub fn new(data: Fs, secret: impl Into<Vec<u8>>) -> Self {
        Self {
            data,
            database: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8370)).to_string(),
            users: Vec::new(),
            secret: secret.into(),
            durability: Durability::Full,
            token_lifetime: Duration::from_secs(24 * 60 * 60),
            strict: false,
            tls: false,
            trusted_proxies: Vec::new(),
            limits: Limits::default(),
            data_dir: None,
            drain: Duration::from_secs(30),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users: Vec<&str> = self.users.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Config")
            .field("data", &self.data)
            .field("database", &self.database)
            .field("listen", &self.listen)
            .field("users", &users)
            .field("strict", &self.strict)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What clients may use up.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The largest chunk, in bytes. Default: 1 MiB, as Kodosumi's server.
    pub max_chunk: usize,
    /// Unfinished uploads of one user. Default: 50,000.
    pub sessions_per_user: usize,
    /// Unfinished uploads of all users; each takes about 300 bytes of memory. Default: 200,000.
    pub sessions: usize,
    /// Bytes in unfinished uploads of one user, and the size of the largest file. Default: 1 TiB.
    pub bytes_per_user: u64,
    /// How long an unfinished upload is kept without a new chunk; seven times as long in all. Default:
    /// one day.
    pub session_idle: Duration,
    /// Below so many free bytes of [`Config::data_dir`] no new data is taken. Default: 256 MiB.
    pub min_free_bytes: u64,
    /// Connections served at a time; more wait to be accepted. Default: 1024.
    pub connections: usize,
    /// Memory for chunks, whole files and completions being received, in bytes, of which one user may hold
    /// half; more wait, and are refused with 503 after `stall_timeout`. Default: 128 MiB.
    pub chunk_memory: usize,
    /// The largest JSON body, in bytes: 10,000 files in one completion take about 1.5 MB. Default: 32 MiB.
    pub max_json: usize,
    /// How long a connection may take for the head of a request, idle time included. Default: 60 seconds.
    pub head_timeout: Duration,
    /// How long a client may send or take nothing while a body is under way. Default: 30 seconds.
    pub stall_timeout: Duration,
    /// The least bytes per second of a body, on average after a start of one `stall_timeout`. Default: 1024.
    pub min_rate: u64,
}

impl Limits {
    /// How long an upload may last in all, however busy it is.
    pub(crate) fn longest_session(&self) -> Duration {
        self.session_idle.saturating_mul(7)
    }
}

impl Default for Limits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            max_chunk: MIB,
            sessions_per_user: 50_000,
            sessions: 200_000,
            bytes_per_user: 1 << 40,
            session_idle: Duration::from_secs(24 * 60 * 60),
            min_free_bytes: 256 * MIB as u64,
            connections: 1024,
            chunk_memory: 128 * MIB,
            max_json: 32 * MIB,
            head_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(30),
            min_rate: 1024,
        }
    }
}
