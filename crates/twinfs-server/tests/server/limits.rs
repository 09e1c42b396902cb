//! What clients may use up, and what a full disk does.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Panel, eventually, local, server};

#[tokio::test]
async fn unfinished_uploads_of_a_user_are_counted_and_finished_ones_are_not() {
    let server = server(|config| config.limits.sessions_per_user = 2).await;
    let (ada, bob) = (Panel::of(&server, "ada"), Panel::of(&server, "bob"));
    let first = ada.init(1).await;
    let second = ada.init(1).await;
    let refused = ada.try_init(1).await.unwrap();
    assert_eq!(
        (&refused["status_code"], &refused["error"]),
        (&json!(429), &json!("TooManyRequestsException"))
    );
    bob.init(1).await;
    ada.chunk(&first, 0, *b"x").await;
    ada.complete(&first, "run", "f", 1).await;
    ada.init(1).await;
    assert_eq!(ada.try_init(1).await.unwrap()["status_code"], 429);
    let path = format!("/files/cancel/{second}");
    assert_eq!(ada.request(Method::DELETE, &path).send().await.unwrap().status().as_u16(), 204);
    ada.init(1).await;
}

#[tokio::test]
async fn bytes_of_a_user_are_counted_in_chunks_and_whole_files() {
    let server = server(|config| config.limits.bytes_per_user = 2000).await;
    let (ada, bob) = (Panel::of(&server, "ada"), Panel::of(&server, "bob"));
    let upload = ada.init(3).await;
    assert_eq!(ada.chunk(&upload, 0, vec![1; 900]).await.0.as_u16(), 201);
    assert_eq!(ada.chunk(&upload, 1, vec![2; 900]).await.0.as_u16(), 201);
    let (status, answer) = ada.chunk(&upload, 2, vec![3; 900]).await;
    assert_eq!((status.as_u16(), &answer["status_code"]), (507, &json!(507)), "{answer}");
    assert_eq!(ada.status(&upload).await, (true, vec![0, 1]));
    assert_eq!(ada.chunk(&upload, 2, vec![3; 200]).await.0.as_u16(), 201);
    assert_eq!(ada.put("run", "in/large", vec![0; 2001]).await.as_u16(), 507);
    assert_eq!(bob.put("run", "in/large", vec![0; 1500]).await.as_u16(), 201);
    assert_eq!(ada.complete(&upload, "run", "f", 3).await.1["status"], "upload complete");
    assert_eq!(ada.read("run", "in/f").await.unwrap().len(), 2000);
    let again = ada.init(2).await;
    assert_eq!(ada.chunk(&again, 0, vec![1; 2000]).await.0.as_u16(), 201, "finished uploads count no more");
}

#[tokio::test]
async fn a_whole_file_of_unknown_length_is_stopped_at_the_limit_and_leaves_nothing() {
    let server = server(|config| config.limits.bytes_per_user = 2 << 20).await;
    let panel = Panel::of(&server, "ada");
    let pieces = (0..64).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 64 * 1024]));
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    assert_eq!(panel.put("run", "in/f", body).await.as_u16(), 507);
    assert_eq!(panel.list("run", "in").await, []);
}

#[tokio::test]
async fn an_upload_that_nobody_goes_on_with_expires_and_a_busy_one_does_not() {
    let fs = twinfs::Fs::memory();
    let server = server(|config| {
        config.data = fs.clone();
        config.limits.session_idle = Duration::from_millis(1500);
    })
    .await;
    let panel = Panel::of(&server, "ada");
    let (idle, busy, waiting) = (panel.init(9).await, panel.init(9999).await, panel.init(1).await);
    for upload in [&idle, &busy, &waiting] {
        panel.chunk(upload, 0, *b"x").await;
    }
    panel.complete(&waiting, "", "f", 1).await;
    let mut number = 0;
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    eventually("the idle upload expires", async || {
        number += 1;
        panel.chunk(&busy, number, *b"x").await;
        longest = longest.max(last.elapsed());
        last = Instant::now();
        !panel.status(&idle).await.0 && !panel.status(&waiting).await.0
    })
    .await;
    let is_there = panel.status(&busy).await.0;
    longest = longest.max(last.elapsed());
    // Where the machine kept it waiting it was not busy.
    assert!(is_there || longest > Duration::from_millis(700), "it is gone, although busy");
    assert_eq!(
        panel.chunk(&idle, 1, *b"x").await.1,
        json!({"error": "Invalid upload ID - upload not initialized"})
    );
    assert_eq!(panel.complete(&waiting, "run", "f", 1).await.1, json!({"error": "Invalid upload ID"}));
    eventually("the busy upload expires too", async || fs.list_staged().await.unwrap().is_empty()).await;
}

#[tokio::test]
async fn below_the_floor_of_free_space_no_new_data_is_taken() {
    let server = server(|config| {
        config.data_dir = Some("/".into());
        config.limits.min_free_bytes = u64::MAX;
    })
    .await;
    let panel = Panel::of(&server, "ada");
    assert_eq!(panel.try_init(1).await.unwrap()["status_code"], 507);
    assert_eq!(panel.put("run", "in/f", "x").await.as_u16(), 507);
    assert_eq!(panel.list("run", "in").await, []);
    let ready = panel.request(Method::GET, "/ready").send().await.unwrap();
    assert_eq!(ready.status().as_u16(), 503);
    assert_eq!(ready.json::<Value>().await.unwrap()["space"], "failing");
    assert_eq!(panel.request(Method::GET, "/health").send().await.unwrap().status().as_u16(), 200);
}

#[tokio::test]
async fn a_json_body_over_the_limit_is_refused() {
    let server = server(|config| config.limits.max_json = 1000).await;
    let panel = Panel::of(&server, "ada");
    let request = panel.request(Method::POST, "/files/complete/run/batch/in").body(vec![b' '; 1001]);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_wait_for_memory_and_all_arrive() {
    let server = server(|config| {
        config.limits.max_chunk = 64 * 1024;
        config.limits.chunk_memory = 128 * 1024;
    })
    .await;
    let panel = Panel::of(&server, "ada");
    let upload = panel.init(40).await;
    let sending = (0..40).map(|number| panel.chunk(&upload, number, vec![number as u8; 64 * 1024]));
    for (status, answer) in futures_util::future::join_all(sending).await {
        assert_eq!(status.as_u16(), 201, "{answer}");
    }
    assert_eq!(panel.complete(&upload, "run", "f", 40).await.1["status"], "upload complete");
    assert_eq!(panel.read("run", "in/f").await.unwrap().len(), 40 * 64 * 1024);
}

/// Sends the head of a chunk and goes on sending its body, a byte at a time: it holds its memory, or waits
/// for it where there is none left.
async fn hold_memory(panel: &Panel, length: usize, is_there: bool) -> tokio::task::JoinHandle<()> {
    let address = panel.url.strip_prefix("http://").unwrap().to_owned();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /files/chunk HTTP/1.1\r\nHost: x\r\nKODOSUMI_API_KEY: {}\r\nContent-Length: {length}\r\n\
         Expect: 100-continue\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n",
        panel.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    if is_there {
        // The server asks for the body once it has the memory for it.
        let mut told = [0; 25];
        stream.read_exact(&mut told).await.unwrap();
        assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    } else {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    stream.write_all(b"--b\r\n").await.unwrap();
    tokio::spawn(async move {
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_of_one_user_keep_no_other_out() {
    const CHUNK: usize = 1 << 20;
    let server = server(|config| {
        config.limits.chunk_memory = 4 * CHUNK;
        config.limits.stall_timeout = Duration::from_secs(2);
        config.limits.min_rate = 1;
    })
    .await;
    let (ada, bob) = (Panel::of(&server, "ada"), Panel::of(&server, "bob"));
    let mut holding = Vec::new();
    // Half of it is the share of one user.
    for number in 0..4 {
        holding.push(hold_memory(&ada, CHUNK, number < 2).await);
    }
    assert_eq!(bob.put("run", "in/f", vec![1; CHUNK]).await.as_u16(), 201);
    bob.store("run", "g", &[&[2; CHUNK]]).await;
    assert_eq!(ada.put("run", "in/f", vec![1; CHUNK]).await.as_u16(), 503, "ada holds ada's share");
    holding.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_of_a_chunks_part_has_a_limit() {
    let server = server(|config| config.limits.stall_timeout = Duration::from_secs(2)).await;
    let panel = Panel::of(&server, "ada");
    for begin in ["", "--b\r\nX: ", "--b\r\nContent-Disposition: form-data; name=\"x\"\r\nX: "] {
        let mut body = begin.as_bytes().to_vec();
        body.resize(4 << 20, b'x');
        // More may come: it is no end that makes the server answer.
        let more = futures_util::stream::iter([Ok::<_, std::io::Error>(body)]);
        let endless = more.chain(futures_util::stream::pending());
        let request = panel.request(Method::POST, "/files/chunk");
        let request = request.header("Content-Type", "multipart/form-data; boundary=b");
        let response = request.body(reqwest::Body::wrap_stream(endless)).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 400, "{begin:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_files_and_completions_wait_for_memory_as_chunks_do() {
    const ALL: usize = 1 << 20;
    let server = server(|config| {
        config.limits.max_chunk = ALL;
        config.limits.chunk_memory = ALL;
        config.limits.stall_timeout = Duration::from_secs(2);
        config.limits.min_rate = 1;
    })
    .await;
    let panel = Panel::of(&server, "ada");
    assert_eq!(panel.put("run", "in/small", vec![1; 1000]).await.as_u16(), 201);
    let holding = hold_memory(&panel, ALL, true).await;
    let pieces = || (0..16).map(|_| Ok::<_, std::io::Error>(vec![0_u8; 64 * 1024]));
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces()));
    assert_eq!(panel.put("run", "in/small", vec![2; 1000]).await.as_u16(), 503);
    assert_eq!(panel.put("run", "in/streamed", stream).await.as_u16(), 503);
    let batch = panel.request(Method::POST, "/files/complete/run/batch/in").body("{}");
    let refused = batch.send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 503);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(panel.read("run", "in/small").await.unwrap(), vec![1; 1000], "reading needs none");
    holding.abort();
    eventually("the memory is there again", async || panel.put("run", "in/small", "x").await.is_success())
        .await;
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces()));
    assert_eq!(panel.put("run", "in/streamed", stream).await.as_u16(), 201);
    assert_eq!(panel.list("run", "in").await, [("in/small".into(), 1), ("in/streamed".into(), 1 << 20)]);
}

/// A small file system, unmounted at the end.
struct Mount<'a>(&'a Path);

impl<'a> Mount<'a> {
    fn new(at: &'a Path, size: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(at);
        mount.status().is_ok_and(|status| status.success()).then_some(Self(at))
    }
}

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_said_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::new(folder.path(), "4m") else {
        println!("skipped: no tmpfs can be mounted here (not root)");
        return;
    };
    let fs = local(&folder.path().join("data")).await;
    let server = server(|config| {
        config.data = fs.clone();
        config.limits.min_free_bytes = 0;
        config.data_dir = Some(folder.path().into());
    })
    .await;
    let panel = Panel::of(&server, "ada");
    panel.store("run", "kept", &[b"kept"]).await;
    assert_eq!(panel.put("run", "in/ballast", vec![7; 1 << 20]).await.as_u16(), 201);
    let upload = panel.init(4).await;
    let mut refused = None;
    for number in 0..4 {
        let (status, answer) = panel.chunk(&upload, number, vec![number as u8; 1 << 20]).await;
        if status.as_u16() != 201 {
            assert_eq!(status.as_u16(), 507, "{answer}");
            refused.get_or_insert(number);
        }
    }
    let refused = refused.expect("4 MiB held more than that");
    assert_eq!(panel.put("run", "in/kept", vec![1; 2 << 20]).await.as_u16(), 507);
    assert_eq!(panel.read("run", "in/kept").await.unwrap(), b"kept");
    assert_eq!(panel.status(&upload).await.1, (0..refused).collect::<Vec<_>>());
    assert_eq!(panel.complete(&upload, "run", "f", 4).await.1, json!({"error": "Not all chunks uploaded"}));
    let removal = panel.request(Method::DELETE, "/files/run/in/ballast").send().await.unwrap();
    assert_eq!(removal.status().as_u16(), 204);
    // What a failed write had taken is given back, too: there is just enough for the rest.
    let cancel = panel.request(Method::DELETE, &format!("/files/cancel/{upload}")).send().await.unwrap();
    assert_eq!(cancel.status().as_u16(), 204);
    assert!(fs.list_staged().await.unwrap().is_empty());
    let chunk = vec![9; 1 << 20];
    panel.store("run", "f", &[&chunk, &chunk, &chunk]).await;
    assert_eq!(panel.read("run", "in/f").await.unwrap().len(), 3 << 20);
    server.stop().await;
    drop(mount);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_the_database_is_said_and_what_has_expired_goes_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::new(folder.path(), "1m") else {
        println!("skipped: no tmpfs can be mounted here (not root)");
        return;
    };
    let fs = twinfs::Fs::memory();
    let server = server(|config| {
        config.data = fs.clone();
        config.database = Some(folder.path().join("metadata.sqlite"));
        config.limits.session_idle = Duration::from_secs(5);
    })
    .await;
    let panel = Panel::of(&server, "ada");
    let upload = panel.init(2).await;
    assert_eq!(panel.chunk(&upload, 0, *b"x").await.0.as_u16(), 201);
    let ballast = folder.path().join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    while std::io::Write::write(&mut file, &[7; 512]).is_ok() {}
    drop(file);
    let mut refused = None;
    for _ in 0..1000 {
        let answer = panel.try_init(1).await.unwrap();
        if answer.get("upload_id").is_none() {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a full disk refuses nothing");
    assert_eq!(
        (&refused["status_code"], &refused["error"]),
        (&json!(507), &json!("HTTPException")),
        "{refused}"
    );
    assert!(!refused["detail"].as_str().unwrap().contains("database"), "{refused}");
    eventually("the bytes of an expired upload go", async || fs.list_staged().await.unwrap().is_empty())
        .await;
    std::fs::remove_file(&ballast).unwrap();
    panel.store("run", "f", &[b"after"]).await;
    assert_eq!(panel.read("run", "in/f").await.unwrap(), b"after");
    server.stop().await;
    drop(mount);
}

#[tokio::test]
async fn strays_of_a_crash_are_swept_and_the_staged_uploads_of_others_are_not() {
    let fs = twinfs::Fs::memory();
    let idle = Duration::from_millis(300);
    // As the server stages: kept seven times as long, and a day.
    let keep = idle * 7 + Duration::from_secs(24 * 60 * 60);
    fs.stage(&twinfs::StageOptions { keep }).await.unwrap();
    let foreign = fs.stage(&twinfs::StageOptions { keep: keep * 2 }).await.unwrap();
    let server = server(|config| {
        config.data = fs.clone();
        config.limits.session_idle = idle;
    })
    .await;
    eventually("the stray is swept", async || fs.list_staged().await.unwrap().len() == 1).await;
    tokio::time::sleep(idle * 2).await;
    assert_eq!(fs.list_staged().await.unwrap()[0].id, foreign);
    server.stop().await;
}
