//! The HTTP run-files server of twinfs: Kodosumi's files API over any store.
//!
//! Files of a run go up in chunks or whole, are published whole and durable, and come down again, by
//! ranges and under conditions if need be. A user sees only what is under the user's own id.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use twinfs_server::{Config, Server};
//!
//! let mut config = Config::new(twinfs::Fs::memory(), b"a secret of the server's own");
//! config.listen = "127.0.0.1:0".into();
//! let server = Server::start(config).await?;
//! println!("listening on http://{}", server.address());
//! server.stop().await;
//! # Ok::<(), twinfs_server::Error>(()) }).unwrap();
//! ```
//!
//! A request goes from [`serve`] (connection, request id, log) through `routes` to `upload`
//! (sessions and chunks) or straight to the library; `metadata` remembers sessions and users.

mod app;
mod auth;
mod config;
mod error;
mod http;
mod log;
mod memory;
mod metadata;
mod network;
mod page;
mod routes;
mod serve;
mod space;
mod upload;

pub use auth::token;
pub use config::{Config, Limits};
pub use error::{Error, Result};
pub use log::{LogFormat, start_log};
pub use network::Network;
pub use serve::{Server, Stopper, serve};
