//! The server itself: start, accept, stop.

mod connection;
mod front;
mod stall;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use twinfs::AsyncStore;

use crate::app::{App, Parts};
use crate::auth::password::Users;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::metadata::journal::Journal;
use crate::metadata::{MetadataStore, SqliteMetadata};
use crate::routes;
use crate::upload::Uploads;
use connection::Acceptor;

/// A running server. Dropped, it stops at once: it cuts its connections off, without waiting for requests
/// under way. Completions that have begun still go on to their end, as long as the runtime does.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

/// Stops a [`Server`] from elsewhere.
#[derive(Clone, Debug)]
pub struct Stopper(CancellationToken);

impl Stopper {
    /// Takes no new connections, and lets requests under way end within [`Config::drain`]. Returns at
    /// once; [`Server::wait`] returns when that is done.
    pub fn stop(&self) {
        self.0.cancel();
    }
}

impl Server {
    /// Starts a server: opens the database, brings unfinished uploads back, listens. Prints nothing.
    ///
    /// # Errors
    /// [`Error`] says which part failed; nothing runs then.
    pub async fn start(config: Config) -> Result<Self> {
        check(&config)?;
        let metadata: Arc<dyn MetadataStore> =
            Arc::new(SqliteMetadata::open(config.database.as_deref()).await?);
        let (journal, writing) = Journal::start(Arc::clone(&metadata));
        let uploads = Uploads::new(config.data.clone(), journal, config.durability, config.limits);
        uploads.recover(&*metadata).await?;
        let users = Users::open(Arc::clone(&metadata), &config.users).await?;
        let fs = config.data.clone();
        let app = App::new(Parts { fs, uploads, metadata, users }, &config);
        let unlistenable = |source| Error::Listen { address: config.listen.clone(), source };
        let listener = TcpListener::bind(&config.listen).await.map_err(unlistenable)?;
        let address = listener.local_addr().map_err(unlistenable)?;
        let stop = CancellationToken::new();
        let acceptor = Acceptor::new(routes::router(Arc::clone(&app)), &config);
        let running = tokio::spawn(run(app, acceptor, listener, stop.clone(), writing, config.drain));
        Ok(Self { address, stop, running })
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A handle that stops it.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(self.stop.clone())
    }

    /// Waits until it has stopped.
    pub async fn wait(mut self) {
        if let Err(error) = (&mut self.running).await {
            tracing::error!(%error, "the server broke off");
        }
    }

    /// Stops it and waits for that.
    pub async fn stop(self) {
        self.stopper().stop();
        self.wait().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// Runs a server until SIGTERM or SIGINT; `ready` is told the address once it listens. A second signal
/// ends the waiting for requests under way.
///
/// # Errors
/// As [`Server::start`].
pub async fn serve(config: Config, ready: impl FnOnce(SocketAddr)) -> Result<()> {
    let no_signals = |source| Error::Config(format!("signals cannot be received: {source}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let server = Server::start(config).await?;
    ready(server.address());
    let stopper = server.stopper();
    let mut stopped = std::pin::pin!(server.wait());
    for _ in 0..2 {
        tokio::select! {
            () = &mut stopped => return Ok(()),
            _ = terminate.recv() => tracing::info!("SIGTERM: stopping"),
            _ = interrupt.recv() => tracing::info!("SIGINT: stopping"),
        }
        stopper.stop();
    }
    Ok(())
}

/// Refuses what could only go wrong later.
fn check(config: &Config) -> Result<()> {
    let refuse = |reason: &str| Err(Error::Config(reason.to_owned()));
    let capabilities = config.data.store().capabilities();
    if !capabilities.write || !capabilities.staged_uploads {
        return refuse("the data store must take staged uploads");
    }
    if config.secret.is_empty() {
        return refuse("the secret is empty: anybody could sign tokens");
    }
    if config.limits.max_chunk == 0 {
        return refuse("the largest chunk must have at least one byte");
    }
    if config.users.iter().any(|(name, _)| name.is_empty()) {
        return refuse("a user needs a name");
    }
    Ok(())
}

/// Serves until told to stop, then lets everything end in order: requests, work that outlived its client,
/// the journal, the database.
async fn run(
    app: Arc<App>,
    acceptor: Acceptor,
    listener: TcpListener,
    stop: CancellationToken,
    writing: JoinHandle<()>,
    drain: Duration,
) {
    let sweeping = tokio::spawn(Arc::clone(&app.uploads).sweep_forever());
    let _sweeping = AbortOnDrop(sweeping);
    tokio::select! {
        () = acceptor.accept_forever(&listener) => {}
        () = stop.cancelled() => {}
    }
    app.start_draining();
    drop(listener);
    let open = acceptor.drain(drain).await;
    if open > 0 {
        tracing::warn!(open, "connections were cut off: the time to end was over");
    }
    if tokio::time::timeout(drain, app.uploads.settle()).await.is_err() {
        tracing::warn!("uploads were cut off: the time to end was over");
    }
    writing.abort();
    if let Err(error) = app.metadata.close().await {
        tracing::warn!(%error, "the database was not closed in order");
    }
    tracing::info!("stopped");
}

/// A task that ends with its owner.
struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
