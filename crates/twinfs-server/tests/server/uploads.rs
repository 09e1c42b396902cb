//! Uploads over a store in memory and one on disk: races, odd chunks, resends, waiting outside a run.

use crate::support::{Panel, Random, local, server};
use reqwest::Method;
use serde_json::{Value, json};
use twinfs::Fs;

/// Both stores, with what keeps them alive.
async fn stores() -> [(Fs, Option<tempfile::TempDir>); 2] {
    let folder = tempfile::tempdir().unwrap();
    [(Fs::memory(), None), (local(&folder.path().join("data")).await, Some(folder))]
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_completions_and_cancellations_one_wins() {
    for (fs, _folder) in stores().await {
        let server = server(|config| config.data = fs.clone()).await;
        let panel = Panel::of(&server, "ada");
        for round in 0..40 {
            let chunks = round % 4;
            let upload = panel.init(chunks).await;
            for number in 0..chunks {
                panel.chunk(&upload, number, vec![number as u8; 1000]).await;
            }
            let completions = (0..6).map(|racer| {
                let (panel, upload) = (panel.clone(), upload.clone());
                tokio::spawn(async move {
                    panel.complete(&upload, "run", &format!("{round}-{racer}"), chunks).await.1
                })
            });
            let completions: Vec<_> = completions.collect();
            let cancelling = (round % 2 == 1).then(|| {
                let request = panel.request(Method::DELETE, &format!("/files/cancel/{upload}"));
                tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
            });
            let mut winners = Vec::new();
            for completion in completions {
                let answer = completion.await.unwrap();
                if answer["status"] == "upload complete" {
                    winners.push(answer["final_file"].as_str().unwrap().to_owned());
                } else {
                    assert_eq!(answer, json!({"error": "Invalid upload ID"}));
                }
            }
            let cancelled = match cancelling {
                Some(cancelling) => cancelling.await.unwrap() == 204,
                None => false,
            };
            assert_eq!(winners.len() + usize::from(cancelled), 1, "{winners:?}");
            let prefix = format!("in/{round}-");
            let listed: Vec<_> = panel.list("run", "in").await;
            let listed: Vec<_> = listed.iter().filter(|(path, _)| path.starts_with(&prefix)).collect();
            assert_eq!(listed.len(), winners.len());
            for winner in winners {
                let expected: Vec<u8> = (0..chunks).flat_map(|number| vec![number as u8; 1000]).collect();
                assert_eq!(panel.read("run", &format!("in/{winner}")).await.unwrap(), expected);
            }
        }
        server.stop().await;
        assert!(fs.list_staged().await.unwrap().is_empty(), "bytes of lost races are left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_of_any_length_in_any_order_all_at_once_become_the_file() {
    let mut random = Random::new(5);
    for (fs, _folder) in stores().await {
        let server = server(|config| config.data = fs.clone()).await;
        let panel = Panel::of(&server, "ada");
        for round in 0..30 {
            let total = 1 + random.below(12);
            let announced = if random.below(4) == 0 { random.below(15) } else { total };
            let even = random.below(2) == 0;
            let chunks: Vec<Vec<u8>> = (0..total)
                .map(|number| {
                    let len = if even && number + 1 < total { 700 } else { random.below(2000) };
                    (0..len).map(|index| (index as u8) ^ (number as u8) ^ round).collect()
                })
                .collect();
            let upload = panel.init(announced).await;
            let mut order: Vec<u64> = (0..total).collect();
            random.shuffle(&mut order);
            let sending = order.into_iter().map(|number| {
                let data = chunks[number as usize].clone();
                let (panel, upload) = (&panel, &upload);
                async move { panel.chunk(upload, number, data).await.1 }
            });
            for answer in futures_util::future::join_all(sending).await {
                assert_eq!(answer["status"], "chunk received", "{answer}");
            }
            let (_, answer) = panel.complete(&upload, "run", "d/f", total).await;
            assert_eq!(answer["status"], "upload complete", "{answer}");
            assert_eq!(panel.read("run", "in/d/f").await.unwrap(), chunks.concat());
        }
        server.stop().await;
        assert!(fs.list_staged().await.unwrap().is_empty(), "bytes of joined chunks are left");
    }
}

#[tokio::test]
async fn a_digest_finds_damage_and_a_resend_that_differs() {
    use base64::prelude::{BASE64_STANDARD, Engine};
    use sha2::{Digest, Sha256};

    let server = server(|_| {}).await;
    let panel = Panel::of(&server, "ada");
    let upload = panel.init(2).await;
    let send = async |number: u64, data: &'static [u8], announced: &[u8]| {
        let digest = format!("sha-256=:{}:", BASE64_STANDARD.encode(Sha256::digest(announced)));
        let form = reqwest::multipart::Form::new()
            .text("upload_id", upload.clone())
            .text("chunk_number", number.to_string())
            .part("chunk", reqwest::multipart::Part::bytes(data).file_name("blob"));
        let request = panel.request(Method::POST, "/files/chunk").header("Twinfs-Digest", digest);
        let response = request.multipart(form).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    assert_eq!(send(0, b"damaged", b"sent").await.0, 400);
    assert_eq!(panel.status(&upload).await, (true, vec![]));
    assert_eq!(send(0, b"first", b"first").await.0, 201);
    assert_eq!(send(0, b"first", b"first").await.1["received_chunks"], 1);
    assert_eq!(send(0, b"other", b"other").await.0, 409);
    assert_eq!(send(0, b"longer", b"longer").await.0, 409);
    assert_eq!(panel.chunk(&upload, 0, *b"other").await.0.as_u16(), 201, "without a digest the first stays");
    assert_eq!(send(1, b"last", b"last").await.0, 201);
    panel.complete(&upload, "run", "f", 2).await;
    assert_eq!(panel.read("run", "in/f").await.unwrap(), b"firstlast");
}

#[tokio::test]
async fn an_upload_waits_outside_any_run_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let fs = local(&folder.path().join("data")).await;
        let database = folder.path().join("metadata.sqlite");
        server(|config| {
            config.data = fs;
            config.database = Some(database);
        })
        .await
    };
    let first = start().await;
    let panel = Panel::of(&first, "ada");
    let (whole, joined) = (panel.init(2).await, panel.init(3).await);
    for upload in [&whole, &joined] {
        panel.chunk(upload, 1, *b"22").await;
        panel.chunk(upload, 0, if *upload == whole { *b"11" } else { *b"1 " }).await;
    }
    panel.chunk(&joined, 2, *b"3").await;
    panel.chunk(&joined, 1, *b"ignored").await;
    for (upload, total) in [(&whole, 2), (&joined, 3)] {
        let answer = panel.complete(upload, "", "f", total).await.1;
        assert_eq!(answer["status"], "upload complete");
        assert_eq!(panel.complete(upload, "", "f", total).await.1, json!({"error": "Invalid upload ID"}));
        let late = panel.chunk(upload, 2, *b"x").await.1;
        assert_eq!(late, json!({"error": "Invalid upload ID - upload not initialized"}));
    }
    first.stop().await;
    let second = start().await;
    let panel = Panel::of(&second, "ada");
    assert_eq!(panel.complete(&whole, "run", "whole", 2).await.1["status"], "upload complete");
    assert_eq!(panel.complete(&joined, "run", "joined", 3).await.1["status"], "upload complete");
    assert_eq!(panel.read("run", "in/whole").await.unwrap(), b"1122");
    assert_eq!(panel.read("run", "in/joined").await.unwrap(), b"1 223");
    second.stop().await;
    assert!(local(&folder.path().join("data")).await.list_staged().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_restart_forgets_neither_chunks_nor_owners_nor_users() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let fs = local(&folder.path().join("data")).await;
        let database = folder.path().join("metadata.sqlite");
        server(|config| {
            config.data = fs;
            config.database = Some(database);
            config.users = vec![("ada".into(), "one".into())];
        })
        .await
    };
    let log_in = async |server: &twinfs_server::Server| {
        let body = json!({"name": "ada", "password": "one"});
        let panel = Panel::of(server, "nobody");
        let request = panel.request(Method::POST, "/api/login").json(&body);
        request.send().await.unwrap().json::<Value>().await.unwrap()["id"].clone()
    };
    let first = start().await;
    let id = log_in(&first).await;
    let panel = Panel::of(&first, "ada");
    let upload = panel.init(5).await;
    for number in [4, 0, 2] {
        panel.chunk(&upload, number, vec![number as u8; 100]).await;
    }
    first.stop().await;

    let second = start().await;
    assert_eq!(log_in(&second).await, id);
    let panel = Panel::of(&second, "ada");
    assert_eq!(panel.status(&upload).await, (true, vec![0, 2, 4]));
    assert_eq!(Panel::of(&second, "eve").status(&upload).await, (false, vec![]));
    for number in [1, 3] {
        panel.chunk(&upload, number, vec![number as u8; 100]).await;
    }
    assert_eq!(panel.complete(&upload, "run", "f", 5).await.1["status"], "upload complete");
    let expected: Vec<u8> = (0..5).flat_map(|number| vec![number; 100]).collect();
    assert_eq!(panel.read("run", "in/f").await.unwrap(), expected);
    second.stop().await;
}

#[tokio::test]
async fn a_long_listing_comes_whole_and_sorted() {
    let fs = Fs::memory();
    for number in 0..7000 {
        fs.write(format!("ada/run/in/{:03}/{number:05}", number % 100).as_str(), vec![0; number % 10])
            .await
            .unwrap();
    }
    let server = server(|config| config.data = fs).await;
    let listed = Panel::of(&server, "ada").list("run", "in").await;
    assert_eq!(listed.len(), 7000);
    assert!(listed.is_sorted());
}

#[tokio::test]
async fn a_removal_of_a_file_leaves_a_folder_alone() {
    let server = server(|_| {}).await;
    let panel = Panel::of(&server, "ada");
    panel.put("run", "in/folder/kept", "x").await;
    panel.put("run", "in/file", "x").await;
    let remove = async |path: &str, only: &str| {
        let request =
            panel.request(Method::DELETE, &format!("/files/run/{path}")).header("Twinfs-Only", only);
        let answer = request.send().await.unwrap();
        let kind = answer.headers().get("twinfs-error").map(|kind| kind.to_str().unwrap().to_owned());
        (answer.status().as_u16(), kind)
    };
    let (status, kind) = remove("in/folder", "file").await;
    assert!((400..500).contains(&status), "{status}");
    assert_eq!(kind.as_deref(), Some("is a directory"));
    assert_eq!(remove("in/folder", "a file").await.0, 400);
    assert_eq!(remove("in/none", "file").await.0, 404);
    assert_eq!(remove("in/file", "file").await.0, 204);
    assert_eq!(panel.list("run", "in").await, [("in/folder/kept".to_owned(), 1)]);
}
