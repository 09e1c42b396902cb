//! `kill -9` of the server at each system call of a completion: an acknowledged file is there, whole;
//! nothing else is listed; what was not acknowledged is complete or can be completed again.
//!
//! `strace` attaches to the running server just before the request and kills it at the n-th use of a
//! system call. Every use with `TWINFS_SOAK`, the first few of the telling ones otherwise. The same with a
//! disk that fails to sync.

#![cfg(test)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

const CALLS: [&str; 20] = [
    "fsync",
    "fdatasync",
    "renameat2",
    "renameat",
    "pwrite64",
    "write",
    "writev",
    "sendto",
    "unlinkat",
    "flock",
    "openat2",
    "openat",
    "close",
    "read",
    "pread64",
    "recvfrom",
    "statx",
    "fstat",
    "ftruncate",
    "epoll_wait",
];
/// Those between which the states on disk differ.
const TELLING: usize = 9;

/// Two chunks and a shorter last one.
const CHUNKS: [&[u8]; 3] = [&[b'a'; 5000], &[b'b'; 5000], &[b'c'; 123]];
const SECRET: &str = "a secret of thirty-two characters";

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let secret = folder.join("secret");
        std::fs::write(&secret, SECRET).unwrap();
        let mut child = Command::new(server_binary())
            .args(["--listen", "127.0.0.1:0"])
            .arg("--data")
            .arg(folder.join("data"))
            .arg("--database")
            .arg(folder.join("twinfs.sqlite"))
            .arg("--secret-file")
            .arg(&secret)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = said
            .filter_map(|line| line.strip_prefix("listening on ").map(str::to_owned))
            .next()
            .expect("the server starts");
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The example server, which cargo builds with these tests.
fn server_binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples/serve")
}

fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({ "sub": "ada", "iat": now, "exp": now + 3600 });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
}

/// Requests with the credential; an error is a broken connection.
struct Client {
    http: reqwest::Client,
    token: String,
}

impl Client {
    async fn post(&self, server: &Server, path: &str, body: &Value) -> reqwest::Result<Value> {
        let request = self.http.post(format!("{}{path}", server.url)).bearer_auth(&self.token);
        request.json(body).send().await?.error_for_status()?.json().await
    }

    async fn get(&self, server: &Server, path: &str) -> reqwest::Result<reqwest::Response> {
        let request = self.http.get(format!("{}{path}", server.url)).bearer_auth(&self.token);
        request.send().await?.error_for_status()
    }

    async fn upload(&self, server: &Server) -> String {
        let init = json!({ "filename": "file.bin", "total_chunks": CHUNKS.len() });
        let id =
            self.post(server, "/files/init", &init).await.unwrap()["upload_id"].as_str().unwrap().to_owned();
        for (number, chunk) in CHUNKS.iter().enumerate() {
            let form = reqwest::multipart::Form::new()
                .text("upload_id", id.clone())
                .text("chunk_number", number.to_string())
                .part("chunk", reqwest::multipart::Part::bytes(*chunk).file_name("chunk"));
            let request = self.http.post(format!("{}/files/chunk", server.url)).bearer_auth(&self.token);
            request.multipart(form).send().await.unwrap().error_for_status().unwrap();
        }
        id
    }

    async fn complete(&self, server: &Server, id: &str) -> reqwest::Result<Value> {
        let body = json!({ id: { "filename": "file.bin", "totalChunks": CHUNKS.len() } });
        self.post(server, "/files/complete/run/batch/in", &body).await
    }

    /// The paths of the run.
    async fn listing(&self, server: &Server) -> Vec<Value> {
        self.get(server, "/files/run/in").await.unwrap().json().await.unwrap()
    }

    async fn is_whole(&self, server: &Server) -> bool {
        match self.get(server, "/files/run/in/file.bin").await {
            Ok(response) => {
                assert_eq!(response.bytes().await.unwrap(), CHUNKS.concat(), "a part, or other bytes");
                true
            }
            Err(error) => {
                assert_eq!(error.status(), Some(reqwest::StatusCode::NOT_FOUND), "{error}");
                false
            }
        }
    }
}

/// Attaches `strace` to the server: the `n`-th use of `call` by one of its threads meets the fault.
fn attach(server: &Server, call: &str, n: usize, fault: &str) -> Child {
    let mut strace = Command::new("strace")
        .args(["-f", "-p", &server.child.id().to_string(), "-o", "/dev/null"])
        .args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:{fault}:when={n}")])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("strace runs; install the package strace");
    let mut said = BufReader::new(strace.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(said.any(|line| line.contains("attached")), "strace could not attach");
    // It says when it attaches to threads that begin now, and ends where nobody listens.
    std::thread::spawn(move || said.for_each(drop));
    strace
}

/// One completion with a kill in it; whether the server died.
async fn round(client: &Client, folder: &Path, call: &str, n: usize) -> bool {
    let moment = format!("{call} {n}");
    let mut server = Server::start(folder);
    let id = client.upload(&server).await;
    let mut strace = attach(&server, call, n, "signal=KILL");
    let answer = client.complete(&server, &id).await;
    let acknowledged = answer.as_ref().is_ok_and(|items| items[0]["status"] == "upload complete");
    // The call may come right after the answer.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let died = server.child.try_wait().unwrap().is_some() || answer.is_err();
    let _ = server.child.kill();
    let _ = server.child.wait();
    let _ = strace.wait();

    let server = Server::start(folder);
    let listed = client.listing(&server).await;
    let whole = client.is_whole(&server).await;
    assert_eq!(listed.len(), usize::from(whole), "{moment}: {listed:?}");
    assert!(whole || !acknowledged, "{moment}: an acknowledged file is gone");
    if !whole {
        let again = client.complete(&server, &id).await.unwrap();
        assert_eq!(again[0]["status"], "upload complete", "{moment}: {again}");
        assert!(client.is_whole(&server).await, "{moment}: completed again");
    }
    died
}

fn client() -> Client {
    // Two tests in one process would find it installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client { http: reqwest::Client::new(), token: token() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_could_not_be_synced_is_over() {
    let client = client();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let server = Server::start(folder.path());
    let id = client.upload(&server).await;
    let mut strace = attach(&server, "fsync", 1, "error=EIO");
    let failed = client.complete(&server, &id).await.unwrap_err();
    assert_eq!(failed.status(), Some(reqwest::StatusCode::INTERNAL_SERVER_ERROR));
    strace.kill().unwrap();
    strace.wait().unwrap();
    // A second sync would succeed, whatever became of the bytes.
    let again = client.complete(&server, &id).await.unwrap();
    assert_eq!(again[0]["error"], "Invalid upload ID", "{again}");
    assert!(client.listing(&server).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_acknowledged_completion_survives_a_kill_at_each_call() {
    let soak = std::env::var_os("TWINFS_SOAK").is_some();
    let (calls, uses) = if soak { (&CALLS[..], usize::MAX) } else { (&CALLS[..TELLING], 3) };
    let client = client();
    let mut kills = 0;
    for call in calls {
        for n in 1..=uses {
            let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            if !round(&client, folder.path(), call, n).await {
                break;
            }
            kills += 1;
        }
    }
    println!("FIGURE: servers killed in a completion: {kills}");
    assert!(kills >= 6, "only {kills} kills: is the list of calls still right?");
}
