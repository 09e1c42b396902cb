//! `twinfs serve`: the run-files server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::json;
use tokio::runtime::Runtime;
use twinfs::stores::local::{LocalOptions, LocalStore};
use twinfs::{AnyStore, Error, ErrorKind, Fs};
use twinfs_server::{Config, Limits};

use crate::args::{Serve, ServeLimits};
use crate::output::{Failure, Output, Result};
use crate::secret;
use crate::session::Session;

/// The server's own folder in a data folder: the prefix keeps it out of every listing and path.
const STATE: &str = ".twinfs-server";
/// The first user of a server that makes its own.
const FIRST_USER: &str = "admin";

pub(crate) fn run(session: &mut Session, args: &Serve) -> Result<()> {
    let place = Place::of(args)?;
    let fresh = place.database.as_ref().is_none_or(|database| !database.exists());
    if args.init {
        secret::make(&place.secret)?;
    }
    let users = args.users.iter().map(|text| secret::credentials(text)).collect::<Result<Vec<_>>>()?;
    let mut login = Login::of(&users);
    let mut users: Vec<(String, String)> = users
        .into_iter()
        .map(|(name, password)| Some((name, password?)))
        .collect::<Option<_>>()
        .ok_or_else(|| Failure::usage("--user is NAME:PASSWORD, and the password is missing"))?;
    if args.init && fresh && users.is_empty() {
        let password = secret::password()?;
        login = Login { name: Some(FIRST_USER.into()), password: Some(password.clone()) };
        users.push((FIRST_USER.into(), password));
    }

    let secret = secret::read(&place.secret)?;
    let runtime = Runtime::new().map_err(|error| Failure::new("", Error::from_io(error)))?;
    runtime.block_on(async {
        let mut config = Config::new(place.open(args).await?, secret);
        config.database = place.database;
        config.durability = args.durability;
        config.data_dir = place.folder;
        config.listen.clone_from(&args.listen);
        config.users = users;
        config.strict = args.strict;
        config.tls = args.behind_tls;
        config.trusted_proxies.clone_from(&args.trusted_proxies);
        config.limits = limits(&args.limits);
        config.token_lifetime = args.token_lifetime.unwrap_or(config.token_lifetime);
        config.drain = args.drain.unwrap_or(config.drain);
        twinfs_server::start_log(args.log_format, &args.log)
            .map_err(|error| Failure::usage(format!("the log cannot be started: {error}")))?;
        let announce = |address| announce(&mut session.out, address, args.init.then_some(&login));
        twinfs_server::serve(config, announce).await.map_err(|error| failure(args, error).into())
    })
}

/// Where a server keeps what.
struct Place {
    /// The data folder, if it is one of this machine.
    folder: Option<PathBuf>,
    database: Option<PathBuf>,
    secret: PathBuf,
}

impl Place {
    fn of(args: &Serve) -> Result<Self> {
        let folder = (!args.data.contains("://")).then(|| PathBuf::from(&args.data));
        let state = args.state.clone().or_else(|| folder.as_deref().map(|folder| folder.join(STATE)));
        let secret = match (&args.secret_file, &state) {
            (Some(file), _) => file.clone(),
            (None, Some(state)) => state.join("secret"),
            (None, None) => {
                return Err(Failure::usage("--secret-file is needed where there is no --state").into());
            }
        };
        if !args.init && !secret.exists() {
            return Err(missing_secret(&secret).into());
        }
        // Not before: what cannot start leaves no folders behind.
        for folder in [&folder, &state].into_iter().flatten() {
            secret::private_folder(folder).map_err(|error| secret::failure(folder, error))?;
        }
        Ok(Self { folder, database: state.map(|state| state.join("metadata.sqlite")), secret })
    }

    async fn open(&self, args: &Serve) -> Result<Fs> {
        let failed = |error| Failure::new(&*args.data, error);
        let Some(folder) = &self.folder else {
            return Ok(Fs::connect(&args.data).await.map_err(failed)?);
        };
        let options = LocalOptions {
            durability: args.durability,
            file_mode: Some(0o600),
            dir_mode: Some(0o700),
            ..LocalOptions::default()
        };
        let store = LocalStore::open(folder, options).map_err(failed)?;
        Ok(Fs::new(AnyStore::new_blocking(store).into_async()))
    }
}

fn missing_secret(file: &Path) -> Failure {
    let error = Error::new(ErrorKind::NotFound).with_message(
        "there is no secret to sign tokens with; name one by --secret-file, or have one made by --init",
    );
    Failure::new(file.to_string_lossy(), error)
}

/// The limits that were given, over the server's own.
fn limits(args: &ServeLimits) -> Limits {
    let mut limits = Limits::default();
    let size = |size: bytesize::ByteSize| usize::try_from(size.as_u64()).unwrap_or(usize::MAX);
    macro_rules! given {
        ($($limit:ident = $value:expr;)*) => {
            $(if let Some(value) = $value {
                limits.$limit = value;
            })*
        };
    }
    given! {
        max_chunk = args.max_chunk.map(size);
        sessions_per_user = args.sessions_per_user;
        sessions = args.sessions;
        bytes_per_user = args.bytes_per_user.map(|size| size.as_u64());
        session_idle = args.session_idle;
        min_free_bytes = args.min_free.map(|size| size.as_u64());
        connections = args.connections;
        chunk_memory = args.chunk_memory.map(size);
        max_json = args.max_json.map(size);
        head_timeout = args.head_timeout;
        stall_timeout = args.stall_timeout;
        min_rate = args.min_rate.map(|size| size.as_u64());
    }
    limits
}

fn failure(args: &Serve, error: twinfs_server::Error) -> Failure {
    match error {
        twinfs_server::Error::Listen { address, source } => unlistenable(address, source),
        twinfs_server::Error::Store(error) => Failure::new(&*args.data, error),
        twinfs_server::Error::Config(reason) => Failure::usage(reason),
        error => {
            let text = error.to_string();
            Failure::new(&*args.data, Error::new(ErrorKind::Io).with_message(text))
        }
    }
}

/// Why the server cannot listen, and what to do about it.
fn unlistenable(address: String, source: std::io::Error) -> Failure {
    let advice = match source.kind() {
        std::io::ErrorKind::AddrInUse => {
            "the address is in use; stop the other server, or take another address by --listen"
        }
        std::io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        std::io::ErrorKind::InvalidInput => "an address to listen on is HOST:PORT, as 127.0.0.1:8370",
        _ => return Failure::new(address, Error::from_io(source)),
    };
    Failure::new(address, Error::from_io(source).with_message(advice))
}

/// Who may log in, as the greeting says it.
struct Login {
    name: Option<String>,
    /// The password, where it was made here and is shown this once.
    password: Option<String>,
}

impl Login {
    fn of(users: &[(String, Option<String>)]) -> Self {
        Self { name: users.first().map(|(name, _)| name.clone()), password: None }
    }
}

/// Says that the server listens and, with `--init`, how to log in. That the reader has gone is no
/// reason to stop serving.
fn announce(out: &mut Output, address: SocketAddr, login: Option<&Login>) {
    let url = format!("http://{address}");
    let said = if out.is_json() {
        let (name, password) =
            login.map_or((None, None), |login| (login.name.as_ref(), login.password.as_ref()));
        out.value(&json!({ "listening": url, "name": name, "password": password }))
    } else {
        out.line(format_args!("listening on {url}")).and_then(|()| match login {
            Some(login) => greet(out, &url, login),
            None => Ok(()),
        })
    };
    _ = said.and_then(|()| out.flush());
}

fn greet(out: &mut Output, url: &str, login: &Login) -> Result<()> {
    let name = login.name.as_deref().unwrap_or(FIRST_USER);
    out.line("")?;
    out.line(format_args!("  address   {url}"))?;
    out.line(format_args!("  login     {name}"))?;
    let password = match (&login.password, &login.name) {
        (Some(password), _) => {
            out.line(format_args!("  password  {password}   (shown only this once)"))?;
            password.as_str()
        }
        (None, Some(_)) => {
            out.line("  password  as given")?;
            "PASSWORD"
        }
        (None, None) => {
            out.line("  password  as shown at the first start; --user NAME:PASSWORD gives a new one")?;
            "PASSWORD"
        }
    };
    let body = json!({ "name": name, "password": password }).to_string().replace('\'', "'\\''");
    out.line("\nA token, and with it a file up into the run 'first':\n")?;
    out.line(format_args!(
        "  TOKEN=$(curl -s {url}/api/login -H 'Content-Type: application/json' -d '{body}' \\\n    \
         | sed -n 's/.*\"KODOSUMI_API_KEY\": *\"\\([^\"]*\\)\".*/\\1/p')"
    ))?;
    out.line(format_args!(
        "  curl -H \"Authorization: Bearer $TOKEN\" -T README.md {url}/files/first/in/README.md\n"
    ))
}
