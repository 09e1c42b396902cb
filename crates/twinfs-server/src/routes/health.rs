//! `/health`: the process answers. `/ready`: it can do its work.

use std::sync::Arc;

use ::http::StatusCode;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use crate::app::App;
use crate::http::json;

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

pub(super) async fn health() -> Response {
    json::answer(StatusCode::OK, &Health { status: "ok" })
}

#[derive(Serialize)]
struct Ready {
    status: &'static str,
    database: &'static str,
    store: &'static str,
    space: &'static str,
}

/// 503 while the server stops, or where database, store or disk space fail.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let database = app.metadata.ping().await.is_ok();
    let store = app.fs.stat("").await.is_ok();
    let space = app.space.is_enough();
    let word = |good: bool| if good { "ok" } else { "failing" };
    let (status, text) = if app.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping")
    } else if database && store && space {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "failing")
    };
    let ready = Ready { status: text, database: word(database), store: word(store), space: word(space) };
    json::answer(status, &ready)
}
