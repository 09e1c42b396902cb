//! Methods, conditions and bodies that a careful server answers with care.

use reqwest::Method;
use reqwest::header::{
    ALLOW, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    IF_UNMODIFIED_SINCE, LAST_MODIFIED,
};

use crate::support::{Panel, local, server};

#[tokio::test]
async fn a_method_that_a_route_has_not_is_refused_with_those_it_has() {
    let server = server(|_| {}).await;
    let panel = Panel::of(&server, "ada");
    for (method, path, allowed) in [
        (Method::POST, "/files/run/in/a", "GET,HEAD,PUT,DELETE"),
        (Method::PUT, "/files/run/in", "GET,HEAD,DELETE"),
        (Method::OPTIONS, "/files/init", "POST"),
        (Method::GET, "/files/cancel/x", "DELETE"),
        (Method::DELETE, "/health", "GET,HEAD"),
        (Method::from_bytes(b"BREW").unwrap(), "/login", "GET,HEAD,POST"),
        // With slashes only, the folder itself is meant.
        (Method::PUT, "/files/run/in//", "GET,HEAD,DELETE"),
    ] {
        for accept in ["*/*", "text/html"] {
            let request = panel.request(method.clone(), path).header("Accept", accept);
            let response = request.send().await.unwrap();
            assert_eq!(response.status().as_u16(), 405, "{method} {path}");
            let listed = response.headers().get(ALLOW).map(|methods| methods.to_str().unwrap());
            assert_eq!(listed, Some(allowed), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_head_of_a_listing_does_not_say_that_it_is_empty() {
    let server = server(|_| {}).await;
    let panel = Panel::of(&server, "ada");
    assert_eq!(panel.put("run", "in/d/f", "x").await.as_u16(), 201);
    for path in ["/files/run/in", "/files/run/in/d"] {
        let response = panel.request(Method::HEAD, path).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers().get(CONTENT_LENGTH), None, "{path}");
    }
}

#[tokio::test]
async fn a_part_does_not_take_the_place_of_the_whole() {
    let server = server(|_| {}).await;
    let panel = Panel::of(&server, "ada");
    assert_eq!(panel.put("run", "in/f", "0123456789").await.as_u16(), 201);
    // As a client does that goes on with an upload where it broke off.
    let request = panel.request(Method::PUT, "/files/run/in/f").header(CONTENT_RANGE, "bytes 8-9/10");
    assert_eq!(request.body("89").send().await.unwrap().status().as_u16(), 400);
    assert_eq!(panel.read("run", "in/f").await.unwrap(), b"0123456789");
}

#[tokio::test]
async fn conditions_of_removals_and_dates_of_whole_files_are_heeded() {
    let server = server(|_| {}).await;
    let panel = Panel::of(&server, "ada");
    assert_eq!(panel.put("run", "in/f", "first").await.as_u16(), 201);
    let head = panel.request(Method::HEAD, "/files/run/in/f").send().await.unwrap();
    let tag = head.headers()[ETAG].to_str().unwrap().to_owned();
    let modified = head.headers()[LAST_MODIFIED].to_str().unwrap().to_owned();
    let before = "Sun, 06 Nov 1994 08:49:37 GMT";
    let send = async |method: Method, path: &str, condition: HeaderName, value: &str| {
        let request = panel.request(method, path).header(condition, value);
        request.body("second").send().await.unwrap().status().as_u16()
    };
    for (condition, value) in [
        (IF_MATCH, "\"other\""),
        (IF_NONE_MATCH, tag.as_str()),
        (IF_NONE_MATCH, "*"),
        (IF_UNMODIFIED_SINCE, before),
    ] {
        assert_eq!(send(Method::DELETE, "/files/run/in/f", condition, value).await, 412, "{value}");
    }
    assert_eq!(send(Method::PUT, "/files/run/in/f", IF_UNMODIFIED_SINCE, before).await, 412);
    assert_eq!(panel.read("run", "in/f").await.unwrap(), b"first");
    assert_eq!(send(Method::PUT, "/files/run/in/f", IF_UNMODIFIED_SINCE, &modified).await, 204);
    assert_eq!(panel.read("run", "in/f").await.unwrap(), b"second");
    assert_eq!(send(Method::DELETE, "/files/run/in/f", IF_MATCH, &tag).await, 412, "another version by now");
    assert_eq!(send(Method::DELETE, "/files/run/in/none", IF_MATCH, &tag).await, 404);
    let there = panel.request(Method::DELETE, "/files/run/in/f").header(IF_MATCH, "*");
    let removed = there.header(IF_MODIFIED_SINCE, &modified).send().await.unwrap();
    assert_eq!(removed.status().as_u16(), 204, "a date for readers is none for removals");
}

#[tokio::test]
async fn links_in_a_circle_are_no_files_and_spoil_no_listing() {
    let folder = tempfile::tempdir().unwrap();
    let fs = local(folder.path()).await;
    let server = server(|config| config.data = fs).await;
    let panel = Panel::of(&server, "ada");
    assert_eq!(panel.put("run", "in/f", "x").await.as_u16(), 201);
    std::os::unix::fs::symlink("circle", folder.path().join("ada/run/in/circle")).unwrap();
    assert_eq!(panel.list("run", "in").await, [("in/f".into(), 1)]);
    for (method, status) in
        [(Method::GET, 409), (Method::HEAD, 409), (Method::PUT, 409), (Method::DELETE, 204)]
    {
        let response = panel.request(method.clone(), "/files/run/in/circle").send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{method}");
    }
    let page = panel.request(Method::GET, "/runs/run").header("Accept", "text/html").send().await.unwrap();
    assert_eq!(page.status().as_u16(), 200);
}
