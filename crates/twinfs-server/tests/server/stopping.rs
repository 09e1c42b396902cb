//! Stopping in order, and clients that are too slow.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use twinfs_server::Server;

use crate::support::{Panel, eventually, server, token};

/// Sends the head of a chunk request, without its body, and waits until the server asks for that.
async fn begin_chunk(server: &Server, length: usize) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = format!(
        "POST /files/chunk HTTP/1.1\r\nHost: x\r\nKODOSUMI_API_KEY: {}\r\nContent-Length: {length}\r\n\
         Expect: 100-continue\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n",
        token("ada")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; CONTINUE.len()];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, CONTINUE);
    stream
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

fn chunk_form(upload: &str, data: &str) -> String {
    format!(
        "--b\r\nContent-Disposition: form-data; name=\"upload_id\"\r\n\r\n{upload}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"chunk_number\"\r\n\r\n0\r\n\
         --b\r\nContent-Disposition: form-data; name=\"chunk\"; filename=\"f\"\r\n\r\n{data}\r\n--b--\r\n"
    )
}

async fn rest(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is an end, too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_ends_and_no_new_one_begins() {
    let server = server(|_| {}).await;
    let address = server.address();
    let panel = Panel::of(&server, "ada");
    let upload = panel.init(1).await;
    let form = chunk_form(&upload, "data");
    let mut sending = begin_chunk(&server, form.len()).await;
    let (first, second) = form.split_at(100);
    sending.write_all(first.as_bytes()).await.unwrap();
    let stopping = tokio::spawn(server.stop());
    eventually("the server takes no more connections", async || TcpStream::connect(address).await.is_err())
        .await;
    assert!(!stopping.is_finished());
    sending.write_all(second.as_bytes()).await.unwrap();
    let answer = rest(sending).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(answer.contains("\"received_chunks\":1"), "{answer}");
    stopping.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_does_not_end_is_cut_off_at_the_deadline() {
    let server = server(|config| config.drain = Duration::from_millis(300)).await;
    let sending = begin_chunk(&server, 1000).await;
    server.stop().await;
    assert!(!rest(sending).await.starts_with("HTTP/1.1 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_server_cuts_its_connections_off() {
    let server = server(|_| {}).await;
    let mut kept = TcpStream::connect(server.address()).await.unwrap();
    let ask = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    kept.write_all(ask).await.unwrap();
    assert!(kept.read(&mut [0; 1024]).await.unwrap() > 0);
    let sending = begin_chunk(&server, 1000).await;
    drop(server);
    assert!(!rest(sending).await.starts_with("HTTP/1.1 2"));
    // The end of it, or an error; not one more answer.
    assert_eq!(rest(kept).await, "");
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_to_go_on_is_refused_at_once() {
    let server = server(|_| {}).await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = "PUT /files/run/in/f HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n";
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    let refused = rest(stream).await;
    assert!(refused.starts_with("HTTP/1.1 401"), "nothing was to be sent: {refused}");
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = format!("{head}KODOSUMI_API_KEY: {}\r\nConnection: close\r\n\r\n", token("ada"));
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"12345").await.unwrap();
    assert!(rest(stream).await.starts_with("HTTP/1.1 201"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_does_not_keep_the_server() {
    let server = server(|config| config.drain = Duration::from_secs(3600)).await;
    let panel = Panel::of(&server, "ada");
    panel.init(1).await;
    let silent = TcpStream::connect(server.address()).await.unwrap();
    // With a pooled and a silent connection open it stops nevertheless, long before an hour is over.
    server.stop().await;
    drop((panel, silent));
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let server = server(|config| config.limits.head_timeout = Duration::from_millis(300)).await;
    let silent = TcpStream::connect(server.address()).await.unwrap();
    let mut slow = TcpStream::connect(server.address()).await.unwrap();
    slow.write_all(b"GET /health HTTP/1.1\r\nHos").await.unwrap();
    assert!(!rest(silent).await.contains("200"));
    assert!(!rest(slow).await.contains("200"));
}

#[tokio::test]
async fn a_body_that_stalls_or_trickles_is_refused_and_nothing_of_it_kept() {
    let server = server(|config| {
        config.limits.stall_timeout = Duration::from_secs(2);
        config.limits.min_rate = 10_000;
    })
    .await;
    let panel = Panel::of(&server, "ada");
    let upload = panel.init(1).await;
    let form = chunk_form(&upload, &"x".repeat(5000));
    let mut stalled = begin_chunk(&server, form.len()).await;
    stalled.write_all(&form.as_bytes()[..3000]).await.unwrap();
    assert!(rest(stalled).await.starts_with("HTTP/1.1 408"));
    let mut trickling = begin_chunk(&server, form.len()).await;
    let trickle = async {
        let (mut reading, mut writing) = trickling.split();
        let write = async {
            for byte in form.as_bytes() {
                tokio::time::sleep(Duration::from_millis(20)).await;
                if writing.write_all(&[*byte]).await.is_err() {
                    break;
                }
            }
            std::future::pending::<()>().await;
        };
        let mut answer = Vec::new();
        tokio::select! {
            () = write => {}
            _ = reading.read_to_end(&mut answer) => {}
        }
        String::from_utf8_lossy(&answer).into_owned()
    };
    assert!(trickle.await.starts_with("HTTP/1.1 408"));
    assert_eq!(panel.status(&upload).await, (true, vec![]));
    let answer = panel.chunk(&upload, 0, *b"fast").await.1;
    assert_eq!(answer["received_chunks"], 1);
}

#[tokio::test]
async fn a_download_that_nobody_takes_is_given_up() {
    let fs = twinfs::Fs::memory();
    fs.write("ada/run/in/large", vec![1; 64 << 20]).await.unwrap();
    let server = server(|config| {
        config.data = fs;
        config.limits.stall_timeout = Duration::from_millis(400);
        config.limits.connections = 1;
    })
    .await;
    let mut greedy = TcpStream::connect(server.address()).await.unwrap();
    let head =
        format!("GET /files/run/in/large HTTP/1.1\r\nHost: x\r\nKODOSUMI_API_KEY: {}\r\n\r\n", token("ada"));
    greedy.write_all(head.as_bytes()).await.unwrap();
    // The only slot is free again once the server has lost patience.
    let health = Panel::of(&server, "ada").request(Method::GET, "/health").send().await.unwrap();
    assert_eq!(health.status().as_u16(), 200);
    drop(greedy);
}

#[tokio::test]
async fn an_answer_reaches_a_client_that_sends_all_of_its_body_first() {
    let server = server(|_| {}).await;
    let panel = Panel::of(&server, "ada");
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let body = vec![0; 3 << 20];
    let head = format!("POST /files/chunk HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&body).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let answers = rest(stream).await;
    assert!(answers.starts_with("HTTP/1.1 401"), "{answers}");
    assert!(answers.contains("HTTP/1.1 200"), "the connection goes on: {answers}");
    drop(panel);
}

#[tokio::test]
async fn request_ids_are_the_clients_or_the_servers_own() {
    let server = server(|_| {}).await;
    let panel = Panel::of(&server, "ada");
    let ask = async |id: Option<&str>| {
        let mut request = panel.request(Method::GET, "/files/run/other");
        if let Some(id) = id {
            request = request.header("X-Request-Id", id);
        }
        let response = request.send().await.unwrap();
        let header = response.headers()["x-request-id"].to_str().unwrap().to_owned();
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["request_id"], header);
        header
    };
    assert_eq!(ask(Some("my-id.7")).await, "my-id.7");
    assert_ne!(ask(Some("bad id\u{e9}")).await, "bad id\u{e9}");
    assert_ne!(ask(None).await, ask(None).await);
}
