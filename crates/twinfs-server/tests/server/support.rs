//! A running server and a client that hides nothing.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use twinfs::{Fs, StoreOptions};
use twinfs_server::token::Tokens;
use twinfs_server::{Config, Server};

pub(crate) const SECRET: &[u8] = b"a secret for tests";

/// A server over a store in memory, changed as the test needs it.
pub(crate) async fn server(change: impl FnOnce(&mut Config)) -> Server {
    let mut config = Config::new(Fs::memory(), SECRET);
    config.listen = "127.0.0.1:0".into();
    change(&mut config);
    Server::start(config).await.unwrap()
}

/// A local store in a folder.
pub(crate) async fn local(folder: &std::path::Path) -> Fs {
    let options = StoreOptions::new().with("create", "true");
    Fs::connect_with(folder.to_str().unwrap(), options).await.unwrap()
}

/// One user's way to a server.
#[derive(Clone)]
pub(crate) struct Panel {
    pub(crate) url: Arc<str>,
    pub(crate) token: Arc<str>,
    pub(crate) http: Client,
}

pub(crate) fn token(user: &str) -> String {
    Tokens::new(SECRET).issue(user, Duration::from_secs(3600))
}

impl Panel {
    pub(crate) fn new(address: impl std::fmt::Display, user: &str) -> Self {
        // Plain HTTP needs none of it, but the client wants to have it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().tcp_nodelay(true).build().unwrap();
        Self { url: format!("http://{address}").into(), token: token(user).into(), http }
    }

    pub(crate) fn of(server: &Server, user: &str) -> Self {
        Self::new(server.address(), user)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).header("KODOSUMI_API_KEY", &*self.token)
    }

    pub(crate) async fn try_init(&self, total_chunks: u64) -> reqwest::Result<Value> {
        let body = json!({"filename": "f", "total_chunks": total_chunks});
        self.request(Method::POST, "/files/init").json(&body).send().await?.json().await
    }

    pub(crate) async fn init(&self, total_chunks: u64) -> String {
        self.try_init(total_chunks).await.unwrap()["upload_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn try_chunk(
        &self,
        upload: &str,
        number: u64,
        data: Vec<u8>,
    ) -> reqwest::Result<(StatusCode, Value)> {
        let form = reqwest::multipart::Form::new()
            .text("upload_id", upload.to_owned())
            .text("chunk_number", number.to_string())
            .part("chunk", reqwest::multipart::Part::bytes(data).file_name("blob"));
        let response = self.request(Method::POST, "/files/chunk").multipart(form).send().await?;
        Ok((response.status(), response.json().await?))
    }

    pub(crate) async fn chunk(
        &self,
        upload: &str,
        number: u64,
        data: impl Into<Vec<u8>>,
    ) -> (StatusCode, Value) {
        self.try_chunk(upload, number, data.into()).await.unwrap()
    }

    pub(crate) async fn try_complete(
        &self,
        upload: &str,
        fid: &str,
        filename: &str,
        total_chunks: u64,
    ) -> reqwest::Result<(StatusCode, Value)> {
        let body =
            json!({"upload_id": upload, "fid": fid, "filename": filename, "total_chunks": total_chunks});
        let response = self.request(Method::POST, "/files/complete/in").json(&body).send().await?;
        Ok((response.status(), response.json().await?))
    }

    pub(crate) async fn complete(
        &self,
        upload: &str,
        fid: &str,
        filename: &str,
        total: u64,
    ) -> (StatusCode, Value) {
        self.try_complete(upload, fid, filename, total).await.unwrap()
    }

    /// Puts a file into a run in chunks.
    pub(crate) async fn store(&self, fid: &str, filename: &str, chunks: &[&[u8]]) {
        let upload = self.init(chunks.len() as u64).await;
        for (number, data) in chunks.iter().enumerate() {
            let (status, answer) = self.chunk(&upload, number as u64, *data).await;
            assert_eq!((status.as_u16(), &answer["status"]), (201, &json!("chunk received")), "{answer}");
        }
        let (_, answer) = self.complete(&upload, fid, filename, chunks.len() as u64).await;
        assert_eq!(answer["status"], "upload complete", "{answer}");
    }

    pub(crate) async fn status(&self, upload: &str) -> (bool, Vec<u64>) {
        let path = format!("/files/status/{upload}");
        let answer: Value = self.request(Method::GET, &path).send().await.unwrap().json().await.unwrap();
        let numbers = answer["received_chunks"].as_array().unwrap();
        (answer["exists"].as_bool().unwrap(), numbers.iter().map(|number| number.as_u64().unwrap()).collect())
    }

    pub(crate) async fn read(&self, fid: &str, path: &str) -> Option<Vec<u8>> {
        let response = self.request(Method::GET, &format!("/files/{fid}/{path}")).send().await.unwrap();
        match response.status().as_u16() {
            200 => Some(response.bytes().await.unwrap().into()),
            404 => None,
            other => panic!("{other}: {}", response.text().await.unwrap()),
        }
    }

    /// Path and size of everything in a run's folder.
    pub(crate) async fn list(&self, fid: &str, dir: &str) -> Vec<(String, u64)> {
        let response = self.request(Method::GET, &format!("/files/{fid}/{dir}")).send().await.unwrap();
        let items: Vec<Value> = response.json().await.unwrap();
        let item = |item: &Value| (item["path"].as_str().unwrap().to_owned(), item["size"].as_u64().unwrap());
        items.iter().map(item).collect()
    }

    pub(crate) async fn put(&self, fid: &str, path: &str, data: impl Into<reqwest::Body>) -> StatusCode {
        let request = self.request(Method::PUT, &format!("/files/{fid}/{path}")).body(data);
        request.send().await.unwrap().status()
    }
}

/// Waits until something is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let limit = tokio::time::Instant::now() + Duration::from_secs(60);
    while !is_so().await {
        assert!(tokio::time::Instant::now() < limit, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A small generator of numbers, the same for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index as u64 + 1) as usize);
        }
    }
}
