//! serve and token.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::tempdir;

use crate::run::{Run, bytes, command, fed, twinfs};

/// A server of one test; killed if the test does not stop it.
pub(crate) struct Server {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    /// `HOST:PORT`.
    pub(crate) address: String,
}

impl Server {
    /// Starts `twinfs serve` with these options on a port of its own.
    pub(crate) fn start(folder: &Path, options: &[&str]) -> Self {
        let mut child = command(folder)
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "error"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line:?}"));
        Self { address: address.to_owned(), child, stdout }
    }

    /// A server over `data` with the user ada and the secret "secret".
    pub(crate) fn simple(folder: &Path) -> Self {
        fs::write(folder.join("secret"), "secret\n").unwrap();
        Self::start(folder, &["--data", "data", "--user", "ada:pass:word", "--secret-file", "secret"])
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// The exit code, and what else it said on standard output.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// One request with a connection of its own; gives status and body.
fn request(address: &str, head: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    send(&mut stream, head, body.len());
    stream.write_all(body).unwrap();
    answer(&mut stream)
}

fn send(stream: &mut TcpStream, head: &str, len: usize) {
    let (request, headers) = head.split_once('\n').unwrap_or((head, ""));
    let headers: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
    let fixed = format!("Host: x\r\nConnection: close\r\nContent-Length: {len}");
    write!(stream, "{request} HTTP/1.1\r\n{fixed}\r\n{headers}\r\n").unwrap();
}

fn answer(stream: &mut TcpStream) -> (u16, Vec<u8>) {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let status = std::str::from_utf8(&answer[9..12]).unwrap().parse().unwrap();
    (status, answer[end + 4..].to_vec())
}

#[track_caller]
fn token(run: &Run) -> String {
    let token = run.text().trim().to_owned();
    assert_eq!(token.split('.').count(), 3, "{token}");
    token
}

#[test]
fn a_server_serves_and_tokens_open_it() {
    let folder = tempdir().unwrap();
    let server = Server::simple(folder.path());
    let url = server.url();

    let by_login = token(&twinfs(folder.path(), ["token", "--server", &url, "--user", "ada:pass:word"]));
    let by_stdin = token(&fed(folder.path(), b"pass:word\n", ["token", "--server", &url, "--user", "ada"]));
    let signed = token(&twinfs(
        folder.path(),
        ["token", "--secret-file", "secret", "--sub", "user-1", "--lifetime", "60"],
    ));
    for token in [&by_login, &by_stdin, &signed] {
        let auth = format!("Authorization: Bearer {token}");
        let (status, _) = request(&server.address, &format!("PUT /files/run/in/dir/a\n{auth}"), b"hello");
        assert!((200..300).contains(&status), "{status}");
        let (status, body) = request(&server.address, &format!("GET /files/run/in/dir/a\n{auth}"), b"");
        assert_eq!((status, body.as_slice()), (200, b"hello".as_slice()));
    }
    assert_eq!(fs::read(folder.path().join("data/user-1/run/in/dir/a")).unwrap(), b"hello");
    let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data"), mode("data/user-1/run/in/dir/a")), (0o700, 0o600));

    let wrong = twinfs(folder.path(), ["token", "--server", &url, "--user", "ada:no"]);
    assert_eq!(wrong.code, 4, "{wrong:?}");
    assert!(!wrong.stderr.contains("ada:no"), "{wrong:?}");
    let (status, _) = request(&server.address, "GET /files/run/in\nAuthorization: Bearer x.y.z", b"");
    assert_eq!(status, 401);
    server.terminate();
    assert_eq!(server.end().0, Some(0));

    let gone = twinfs(folder.path(), ["token", "--server", &url, "--user", "ada:pass:word"]);
    assert_eq!(gone.code, 6, "{gone:?}");
}

#[test]
fn init_makes_everything_and_shows_the_password_once() {
    let folder = tempdir().unwrap();
    let options = ["--init", "--data", "a/b/data"];
    let server = Server::start(folder.path(), &options);
    let address = server.address.clone();
    server.terminate();
    let (code, greeting) = server.end();
    assert_eq!(code, Some(0));
    let field = |name: &str| {
        let line = greeting.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().to_owned()
    };
    assert_eq!((field("address"), field("login")), (format!("http://{address}"), "admin".into()));
    let password = field("password");
    assert!(password.len() >= 16 && greeting.contains(&format!(r#""password":"{password}""#)), "{greeting}");
    let secret = folder.path().join("a/b/data/.twinfs-server/secret");
    assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = fs::read(&secret).unwrap();

    // The same user logs in after another start, which shows no password and keeps the secret.
    let server = Server::start(folder.path(), &options);
    let user = format!("admin:{password}");
    token(&twinfs(folder.path(), ["token", "--server", &server.url(), "--user", &user]));
    server.terminate();
    let (_, greeting) = server.end();
    assert!(greeting.contains("curl") && !greeting.contains(&password), "{greeting}");
    assert_eq!(fs::read(&secret).unwrap(), kept);
}

#[test]
fn the_curl_lines_of_the_greeting_work() {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: there is no curl");
        return;
    }
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("README.md"), "read me").unwrap();
    let mut server = Server::start(folder.path(), &["--init", "--data", "data", "--user", "it's:qu'o\"te"]);
    let mut greeting = String::new();
    while !greeting.contains("-T README.md") {
        server.stdout.read_line(&mut greeting).unwrap();
    }
    let lines = greeting.split_once("TOKEN=").unwrap().1.replace("PASSWORD", "qu'\\''o\\\"te");
    let output = std::process::Command::new("sh")
        .current_dir(folder.path())
        .args(["-ec", &format!("TOKEN={lines}")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{greeting} {output:?}");
    let user =
        twinfs(folder.path(), ["token", "--json", "--server", &server.url(), "--user", "it's:qu'o\"te"]);
    let user = user.json()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(fs::read(folder.path().join(format!("data/{user}/first/in/README.md"))).unwrap(), b"read me");
}

#[test]
fn sigterm_lets_requests_end() {
    let folder = tempdir().unwrap();
    let server = Server::simple(folder.path());
    let token = token(&twinfs(folder.path(), ["token", "--secret-file", "secret", "--sub", "u"]));
    let body = bytes(600_000);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    send(&mut stream, &format!("PUT /files/run/in/slow\nAuthorization: Bearer {token}"), body.len());
    stream.write_all(&body[..300_000]).unwrap();
    // The request is known to be under way once its first bytes are staged.
    let staged = || {
        fs::read_dir(folder.path().join("data")).unwrap().flatten().any(|entry| {
            let name = entry.file_name();
            name.to_string_lossy().starts_with(".twinfs-") && name != ".twinfs-server"
        }) || folder.path().join("data/u").exists()
    };
    while !staged() {
        std::thread::yield_now();
    }
    server.terminate();
    // New connections are refused while the old one goes on.
    while TcpStream::connect(&server.address).is_ok() {
        std::thread::yield_now();
    }
    stream.write_all(&body[300_000..]).unwrap();
    let (status, _) = answer(&mut stream);
    assert!((200..300).contains(&status), "{status}");
    assert_eq!(server.end().0, Some(0));
    assert!(fs::read(folder.path().join("data/u/run/in/slow")).unwrap() == body);
}

#[test]
fn what_cannot_be_served_is_told() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("secret"), "s\n").unwrap();
    fs::write(at.join("empty"), "\n").unwrap();
    let serve = |options: &[&str]| twinfs(at, [&["serve", "--listen", "127.0.0.1:0"], options].concat());
    for (options, code) in [
        (vec!["--data", "d"], 3),
        (vec!["--data", "d", "--secret-file", "none"], 3),
        (vec!["--data", "d", "--secret-file", "empty"], 2),
        (vec!["--data", "d", "--secret-file", "secret", "--user", ":x"], 2),
        (vec!["--data", "d", "--secret-file", "secret", "--user", "name"], 2),
        (vec!["--data", "secret", "--secret-file", "secret"], 5),
        (vec!["--data", "nostore://x", "--secret-file", "secret"], 2),
        (vec!["--data", "d", "--secret-file", "secret", "--max-chunk", "0"], 2),
        (vec!["--data", "d", "--secret-file", "secret", "--min-free", "much"], 2),
        (vec!["--secret-file", "secret"], 2),
    ] {
        let run = serve(&options);
        assert_eq!((run.code, run.stdout.as_slice()), (code, b"".as_slice()), "{options:?} {run:?}");
        assert!(!run.stderr.contains("panicked"), "{run:?}");
    }
    let other = Server::simple(at);
    let taken = twinfs(at, ["serve", "--data", "e", "--secret-file", "secret", "--listen", &other.address]);
    assert_ne!(taken.code, 0);
    assert!(taken.stderr.contains(&other.address) && taken.stderr.contains("in use"), "{taken:?}");
}

#[test]
fn what_keeps_a_server_from_starting_is_told_with_what_to_do() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let running = Server::simple(at);
    fs::write(at.join("file"), "").unwrap();
    fs::create_dir_all(at.join("damaged/.twinfs-server")).unwrap();
    fs::write(at.join("damaged/.twinfs-server/metadata.sqlite"), bytes(100_000)).unwrap();
    let serve = |options: &[&str]| twinfs(at, [&["serve", "--secret-file", "secret"], options].concat());
    for (options, words) in [
        (vec!["--data", "e", "--listen", &*running.address], "--listen"),
        (vec!["--data", "e", "--listen", "8370"], "HOST:PORT"),
        (vec!["--data", "e", "--min-free", "much"], "1MiB"),
        (vec!["--data", "data", "--listen", "127.0.0.1:0"], "another server is using it"),
        (vec!["--data", "damaged", "--listen", "127.0.0.1:0"], "is damaged"),
        (vec!["--data", "file"], "not a directory"),
    ] {
        let run = serve(&options);
        assert!(run.code > 0 && run.stderr.contains(words), "{options:?} {run:?}");
    }
    let run = twinfs(at, ["serve", "--data", "new/data", "--secret-file", "none"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(!at.join("new").exists(), "what cannot start makes no folders");
}

#[test]
fn a_token_that_every_server_would_refuse_is_not_signed() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    for sub in ["", "..", "../x", "a/b", "/a", ".twinfs-x", "a\n"] {
        let run = twinfs(folder.path(), ["token", "--secret-file", "secret", "--sub", sub]);
        assert_eq!((run.code, run.stdout.len()), (2, 0), "{sub:?} {run:?}");
    }
}

#[test]
fn memory_can_be_served_too() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    let server = Server::start(folder.path(), &["--data", "memory://", "--secret-file", "secret"]);
    let token = token(&twinfs(folder.path(), ["token", "--secret-file", "secret", "--sub", "u"]));
    let auth = format!("Authorization: Bearer {token}");
    assert!(request(&server.address, &format!("PUT /files/run/in/a\n{auth}"), b"1").0 < 300);
    assert_eq!(request(&server.address, &format!("GET /files/run/in/a\n{auth}"), b"").1, b"1");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
