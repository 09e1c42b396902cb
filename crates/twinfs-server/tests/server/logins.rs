//! Logging in and out.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use reqwest::Method;
use serde_json::json;

use crate::support::{Panel, server};

/// The status of a login with a wrong password, for a client that a proxy names.
async fn fail_to_log_in(panel: &Panel, client: &str) -> u16 {
    let body = json!({"name": "ada", "password": "wrong"});
    let request = panel.http.post(format!("{}/api/login", panel.url)).header("X-Forwarded-For", client);
    request.json(&body).send().await.unwrap().status().as_u16()
}

/// Fails until the client is sent away for its many logins; gives what another one gets meanwhile.
async fn another_client_in_a_crowd(trusted: &[&str]) -> u16 {
    let trusted = trusted.iter().map(|network| network.parse().unwrap()).collect();
    let server = server(|config| config.trusted_proxies = trusted).await;
    let panel = Panel::of(&server, "ada");
    // The first ten are free; after three more the next one has to wait so long that the crowd stands still.
    for _ in 0..13 {
        assert_eq!(fail_to_log_in(&panel, "203.0.113.1").await, 401);
    }
    let mut crowd: FuturesUnordered<_> = (0..30).map(|_| fail_to_log_in(&panel, "203.0.113.1")).collect();
    let refused = async { while crowd.next().await.expect("nobody was sent away") != 429 {} };
    refused.await;
    let other = tokio::time::timeout(Duration::from_secs(60), fail_to_log_in(&panel, "203.0.113.2"));
    other.await.expect("the other client waits for the crowd")
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_logins_behind_a_trusted_proxy_are_those_of_its_clients() {
    assert_eq!(another_client_in_a_crowd(&["127.0.0.0/8"]).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_choose_whose_failed_logins_count() {
    assert_eq!(another_client_in_a_crowd(&[]).await, 429);
    assert_eq!(another_client_in_a_crowd(&["10.0.0.0/8"]).await, 429);
}

#[tokio::test]
async fn logging_out_ends_the_cookie_and_not_the_token() {
    for tls in [false, true] {
        let server = server(|config| config.tls = tls).await;
        let panel = Panel::of(&server, "ada");
        let cookie = format!("kodosumi_jwt={}", panel.token);
        let send = |method: Method, path: &str| {
            let request = panel.http.request(method, format!("{}{path}", panel.url));
            request.header("Cookie", &cookie).send()
        };
        // The redirection after it is followed, without a cookie; what counts is what comes first.
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let request = http.post(format!("{}/logout", panel.url)).header("Cookie", &cookie);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 303);
        let set = answer.headers()["set-cookie"].to_str().unwrap();
        assert!(set.starts_with("kodosumi_jwt=;") && set.contains("Max-Age=0"), "{set}");
        // A browser takes no other one over TLS in place of one that was marked so.
        assert_eq!(set.contains("; Secure"), tls, "{set}");
        assert_eq!(send(Method::GET, "/files/run/in").await.unwrap().status().as_u16(), 200);
    }
}
