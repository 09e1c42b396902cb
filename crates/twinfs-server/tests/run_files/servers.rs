//! The servers that the client is tested against, and connections that break on purpose.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// A running server, and a user's token for it.
pub(crate) struct Server {
    pub url: String,
    pub token: String,
    _running: Running,
}

/// What ends with the server.
#[expect(dead_code, reason = "held until the end")]
enum Running {
    Kodosumi(Kill, tempfile::TempDir),
    Twinfs(twinfs_server::Server, tokio::runtime::Runtime, tempfile::TempDir),
}

/// A twinfs server in this process, over a local folder.
pub(crate) fn twinfs() -> Server {
    let data = tempfile::tempdir().unwrap();
    let fs = smol::block_on(twinfs::Fs::connect(data.path().to_str().unwrap())).unwrap();
    start(fs, data, |_| ())
}

/// A twinfs server in this process, over this file system.
pub(crate) fn start(
    fs: twinfs::Fs,
    data: tempfile::TempDir,
    configure: impl FnOnce(&mut twinfs_server::Config),
) -> Server {
    let secret = b"a secret of the tests";
    let mut config = twinfs_server::Config::new(fs, secret);
    config.listen = "127.0.0.1:0".into();
    configure(&mut config);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(twinfs_server::Server::start(config)).unwrap();
    let url = format!("http://{}", server.address());
    let token = twinfs_server::token::Tokens::new(secret).issue("user", std::time::Duration::from_secs(3600));
    Server { url, token, _running: Running::Twinfs(server, runtime, data) }
}

struct Kill(Child);

impl Drop for Kill {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Kodosumi's own server, where `TWINFS_KODOSUMI_PYTHON` names a Python that has it; `None`, with the
/// reason printed, otherwise.
pub(crate) fn kodosumi() -> Option<Server> {
    let Some(python) = std::env::var_os("TWINFS_KODOSUMI_PYTHON").filter(|python| Path::new(python).exists())
    else {
        println!("SKIP: TWINFS_KODOSUMI_PYTHON does not name a Python that has kodosumi");
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/kodosumi/real_server.py");
    let data = tempfile::tempdir().unwrap();
    let child = Command::new(python)
        .arg(script)
        .args(["--listen", "127.0.0.1:0", "--user", "admin:admin", "--data"])
        .arg(data.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Kill(child);
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.trim().strip_prefix("listening on ").expect("the server says where it listens").to_owned();
    let token = log_in(&url);
    Some(Server { url, token, _running: Running::Kodosumi(child, data) })
}

/// Logs in over a plain socket, for the client under test has no login.
fn log_in(url: &str) -> String {
    let host = url.strip_prefix("http://").unwrap();
    let body = r#"{"name":"admin","password":"admin"}"#;
    let mut socket = TcpStream::connect(host).unwrap();
    write!(
        socket,
        "POST /api/login HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let after = answer.split("\"KODOSUMI_API_KEY\":\"").nth(1).expect("a token in the answer");
    after.split('"').next().unwrap().to_owned()
}

/// In which direction a connection carries the bytes that are counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Towards {
    Server,
    Client,
}

/// A proxy that cuts connections after so many bytes in one direction.
pub(crate) struct Cutter {
    pub url: String,
    cuts: Arc<AtomicU64>,
    stopped: Arc<AtomicBool>,
    address: SocketAddr,
}

impl Cutter {
    /// Cuts every connection.
    pub(crate) fn before(server: &Server, towards: Towards, after_bytes: u64) -> Self {
        Self::start(server, towards, after_bytes, u64::MAX, None)
    }

    /// Cuts the first few connections, in what the server answers.
    pub(crate) fn first(count: u64, server: &Server, after_bytes: u64) -> Self {
        Self::start(server, Towards::Client, after_bytes, count, None)
    }

    /// A proxy that cuts nothing, and gives this header of the server another name.
    pub(crate) fn hiding(server: &Server, header: &'static str) -> Self {
        Self::start(server, Towards::Client, u64::MAX, 0, Some(header))
    }

    fn start(
        server: &Server,
        towards: Towards,
        after_bytes: u64,
        mut to_cut: u64,
        hidden: Option<&'static str>,
    ) -> Self {
        let upstream = server.url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (cuts, stopped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, stop) = (Arc::clone(&cuts), Arc::clone(&stopped));
        thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(server) = TcpStream::connect(&upstream) else { continue };
                let allowed = if to_cut > 0 { after_bytes } else { u64::MAX };
                to_cut = to_cut.saturating_sub(1);
                for (from, to, counted) in [
                    (&client, &server, towards == Towards::Server),
                    (&server, &client, towards == Towards::Client),
                ] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let (budget, counter) = (if counted { allowed } else { u64::MAX }, Arc::clone(&counter));
                    thread::spawn(move || forward(from, to, budget, &counter, hidden));
                }
            }
        });
        Self { url: format!("http://{address}"), cuts, stopped, address }
    }

    /// How many connections have been cut.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, mut budget: u64, cuts: &AtomicU64, hidden: Option<&str>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        if let Some(hidden) = hidden.map(str::as_bytes)
            && let Some(start) = buffer[..count].windows(hidden.len()).position(|window| window == hidden)
        {
            buffer[start] = b'x';
        }
        let allowed = usize::try_from(budget).map_or(count, |budget| count.min(budget));
        if to.write_all(&buffer[..allowed]).is_err() {
            break;
        }
        budget -= allowed as u64;
        if allowed < count {
            cuts.fetch_add(1, Ordering::Relaxed);
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
