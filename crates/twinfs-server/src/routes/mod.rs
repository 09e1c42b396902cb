//! The routes.

mod files;
mod health;
mod listing;
mod login;
mod transfer;
mod uploads;
mod write;

use std::sync::Arc;

use ::http::StatusCode;
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{delete, get, post};

use crate::app::App;
use crate::auth::User;
use crate::http::error::ApiError;
use crate::page;
pub(crate) use listing::file_metadata;
pub(crate) use login::Peer;

/// All routes. Paths arrive in the one spelling of [`target::canonical`](crate::http::target::canonical).
pub(crate) fn router(app: Arc<App>) -> Router {
    let mut login = get(login::by_query).post(login::by_form);
    if app.strict {
        login = post(login::by_form);
    }
    Router::new()
        .route("/files/init_batch", post(uploads::init_batch))
        .route("/files/init", post(uploads::init))
        .route("/files/chunk", post(uploads::chunk))
        .route("/files/complete/{dir}", post(uploads::complete))
        .route("/files/complete/{fid}/{batch_id}/{dir}", post(uploads::complete_batch))
        .route("/files/cancel", post(uploads::cancel_by_body))
        .route("/files/cancel/{upload_id}", delete(uploads::cancel))
        .route("/files/status/{upload_id}", get(uploads::status))
        .route("/files/{fid}/{dir}", get(files::get_folder).delete(files::delete_folder))
        .route("/files/{fid}/{dir}/{*path}", get(files::get).put(write::put).delete(files::delete))
        .route("/files", axum::routing::any(nothing))
        .route("/files/{fid}", axum::routing::any(nothing))
        .route("/login", login)
        .route("/api/login", post(login::by_json))
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .merge(page::routes())
        .fallback(|| async { ApiError::not_found("Not Found") })
        .method_not_allowed_fallback(|| async {
            ApiError::http(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .layer(from_fn(page::for_browsers))
        .with_state(app)
}

/// Below `/files` a credential comes before everything, also before what is not there.
async fn nothing(_user: User) -> ApiError {
    ApiError::not_found("Not Found")
}
