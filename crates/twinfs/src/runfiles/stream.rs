//! Reading one file of a run as it comes.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};

use super::session::Session;
use crate::error::{Error, ErrorContext, ErrorKind, Operation, Result};
use crate::net::{self, OfProcess, Pump};
use crate::path::FsPath;
use crate::stores::run::fetch::Fetch;
use crate::stores::run::wire::Wire;

/// Blocks that come ahead of the reader.
const AHEAD: usize = 2;
/// How much is allocated before it has come, in bytes.
const MAX_TRUSTED_BYTES: u64 = 64 << 20;

/// An open file: nothing is requested before it is begun or read.
pub(super) struct Reader {
    session: Arc<Session>,
    path: FsPath,
    state: State,
}

enum State {
    Fresh,
    /// The server has answered; nothing was read yet.
    Begun(OfProcess<Box<Fetch>>),
    Reading(Pump<Bytes>),
    Ended,
    Closed,
}

impl Reader {
    pub(super) fn new(session: Arc<Session>, path: FsPath) -> Self {
        Self { session, path, state: State::Fresh }
    }

    pub(super) fn path(&self) -> &FsPath {
        &self.path
    }

    fn check(&self) -> Result<()> {
        if matches!(self.state, State::Closed) {
            return Err(Error::new(ErrorKind::Closed).with_message("closed stream").with_path(&self.path));
        }
        Ok(())
    }

    /// Asks for the file, unless that was done.
    pub(super) async fn begin(&mut self) -> Result<()> {
        self.check()?;
        if let State::Fresh = self.state {
            let (wire, path) = (Arc::clone(&self.session.wire), self.path.clone());
            let fetch = net::run(async move { Fetch::start(&wire, &path).await.map(Box::new) });
            self.state = State::Begun(OfProcess::new(fetch.await.at(Operation::Read, &self.path)?));
        }
        Ok(())
    }

    /// What it takes to get the file from its start; `None` where reading has begun.
    fn start(&mut self) -> Option<Start> {
        let fetch = match std::mem::replace(&mut self.state, State::Fresh) {
            State::Fresh => None,
            // What a parent process has begun is asked for anew.
            State::Begun(fetch) => fetch.into_inner(),
            other => {
                self.state = other;
                return None;
            }
        };
        Some(Start { fetch, wire: Arc::clone(&self.session.wire), path: self.path.clone() })
    }

    /// The blocks under way; `None` after the end.
    fn pump(&mut self) -> Result<Option<&mut Pump<Bytes>>> {
        self.check()?;
        if let Some(start) = self.start() {
            let pump = Pump::start(AHEAD, |sink| async move {
                let mut fetch = start.fetch().await?;
                while let Some(block) = fetch.next().await? {
                    sink.put(block).await?;
                }
                Ok(())
            });
            self.state = State::Reading(pump.at(Operation::Read, &self.path)?);
        }
        Ok(match &mut self.state {
            State::Reading(pump) => Some(pump),
            _ => None,
        })
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let Some(pump) = self.pump()? else { return Poll::Ready(None) };
        let block = std::task::ready!(pump.poll_next(context));
        if !matches!(block, Some(Ok(_))) {
            self.state = State::Ended;
        }
        Poll::Ready(block.map(|block| block.at(Operation::Read, &self.path)))
    }

    pub(super) async fn next(&mut self) -> Option<Result<Bytes>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    pub(super) async fn read_all(&mut self) -> Result<Bytes> {
        self.check()?;
        if let Some(start) = self.start() {
            // In one task: the blocks need not wait for this reader one by one.
            let whole = net::run(async move {
                let mut fetch = start.fetch().await?;
                let announced = fetch.len();
                let first = fetch.next().await?.unwrap_or_default();
                if announced == Some(first.len() as u64) {
                    return Ok(first);
                }
                let trusted = announced.unwrap_or(0).min(MAX_TRUSTED_BYTES);
                let mut whole = BytesMut::with_capacity(usize::try_from(trusted).unwrap_or(0));
                whole.extend_from_slice(&first);
                while let Some(block) = fetch.next().await? {
                    whole.extend_from_slice(&block);
                }
                Ok(whole.freeze())
            });
            let whole = whole.await.at(Operation::Read, &self.path)?;
            self.state = State::Ended;
            return Ok(whole);
        }
        let mut rest = BytesMut::new();
        while let Some(block) = self.next().await {
            rest.extend_from_slice(&block?);
        }
        Ok(rest.freeze())
    }

    pub(super) async fn remove(&mut self) -> Result<()> {
        self.close();
        self.session.path(self.path.as_str())?;
        let (session, path) = (Arc::clone(&self.session), self.path.clone());
        net::run(async move { session.remove(&path).await }).await
    }

    pub(super) fn close(&mut self) {
        self.state = State::Closed;
    }
}

/// A file that is to be read from its start.
struct Start {
    fetch: Option<Box<Fetch>>,
    wire: Arc<Wire>,
    path: FsPath,
}

impl Start {
    async fn fetch(self) -> Result<Box<Fetch>> {
        match self.fetch {
            Some(fetch) => Ok(fetch),
            None => Fetch::start(&self.wire, &self.path).await.map(Box::new),
        }
    }
}
