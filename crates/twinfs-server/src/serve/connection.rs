//! Connections: accept, serve, drain.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::front::Front;
use super::stall::StallGuard;
use crate::config::{Config, Limits};

/// How long accepting pauses when the process has no descriptors left.
const BREATHER: Duration = Duration::from_millis(50);

/// Takes connections in and serves them. Dropped, it cuts them off.
pub(super) struct Acceptor {
    front: Arc<Front>,
    limits: Limits,
    slots: Arc<Semaphore>,
    connections: TaskTracker,
    draining: CancellationToken,
    cut_off: CancellationToken,
}

impl Acceptor {
    pub(super) fn new(router: Router, config: &Config) -> Self {
        let limits = config.limits;
        Self {
            front: Arc::new(Front::new(router, config)),
            limits,
            slots: Arc::new(Semaphore::new(limits.connections.max(1))),
            connections: TaskTracker::new(),
            draining: CancellationToken::new(),
            cut_off: CancellationToken::new(),
        }
    }

    /// Accepts for as long as it is polled. Where all slots are taken, clients wait in the system's queue.
    pub(super) async fn accept_forever(&self, listener: &TcpListener) {
        while let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await {
            match listener.accept().await {
                Ok((stream, peer)) => self.serve(stream, peer, slot),
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "no connection can be accepted");
                    tokio::time::sleep(BREATHER).await;
                }
            }
        }
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, slot: OwnedSemaphorePermit) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        let front = Arc::clone(&self.front);
        let service = service_fn(move |request| {
            let front = Arc::clone(&front);
            async move { Ok::<_, std::convert::Infallible>(front.answer(request, peer).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_timeout)
            .max_header_size(32 * 1024)
            .serve_connection(TokioIo::new(StallGuard::new(stream, self.limits.stall_timeout)), service);
        let (draining, cut_off) = (self.draining.clone(), self.cut_off.clone());
        self.connections.spawn(async move {
            let _slot = slot;
            let mut connection = std::pin::pin!(connection);
            let served = tokio::select! {
                served = connection.as_mut() => served,
                () = draining.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        served = connection.as_mut() => served,
                        () = cut_off.cancelled() => Ok(()),
                    }
                }
                () = cut_off.cancelled() => Ok(()),
            };
            if let Err(error) = served {
                tracing::debug!(%error, %peer, "connection");
            }
        });
    }

    /// Lets requests under way end, for so long; gives how many connections had to be cut off.
    pub(super) async fn drain(&self, patience: Duration) -> usize {
        self.draining.cancel();
        self.connections.close();
        let drained = tokio::time::timeout(patience, self.connections.wait()).await;
        let open = if drained.is_ok() { 0 } else { self.connections.len() };
        self.cut_off.cancel();
        self.connections.wait().await;
        open
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.cut_off.cancel();
    }
}

/// Errors of `accept` that concern the one connection only.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}
