//! Reading a file from a run, piece by piece; a connection that breaks is taken up where it broke.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use reqwest::Response;

use super::wire::{self, Wire};
use crate::error::{Error, ErrorKind, Result};
use crate::net::http;
use crate::path::FsPath;
use crate::store::{ByteRange, Version};

/// The largest block handed on, in bytes.
pub(crate) const MAX_BLOCK: usize = 1 << 20;
/// How often in a row a connection may break before a single byte has come.
const MAX_BREAKS: u32 = 4;

/// The bytes of a file, from the first to the last, of one version.
pub(crate) struct Fetch {
    wire: Arc<Wire>,
    path: FsPath,
    response: Response,
    version: Option<Version>,
    len: Option<u64>,
    /// How far into the file the bytes handed out reach.
    offset: u64,
    /// Bytes that came in one piece larger than a block.
    rest: Bytes,
    /// Why the connection broke, found while a block was filled.
    broken: Option<Error>,
    breaks: u32,
    ended: bool,
}

impl Fetch {
    /// Asks for a file.
    ///
    /// # Errors
    /// `NotFound`, `IsADirectory`, `Connection` and the server's refusals.
    pub(crate) async fn start(wire: &Arc<Wire>, path: &FsPath) -> Result<Self> {
        let response = wire.get(path, ByteRange::Full, None).await?;
        if !wire::is_file(&response) {
            return Err(Error::new(ErrorKind::IsADirectory));
        }
        Ok(Self {
            wire: Arc::clone(wire),
            path: path.clone(),
            version: wire::version_of(&response),
            len: http::announced(response.headers()),
            response,
            offset: 0,
            rest: Bytes::new(),
            broken: None,
            breaks: 0,
            ended: false,
        })
    }

    /// The length of the file in bytes, where the server says it.
    pub(crate) fn len(&self) -> Option<u64> {
        self.len
    }

    /// The next block, of at most [`MAX_BLOCK`] bytes: all that has come, once something has. `None` at the end.
    ///
    /// # Errors
    /// `Connection` where the connection broke and the rest cannot be had.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(first) = self.piece().await? else { return Ok(None) };
        if first.len() >= MAX_BLOCK {
            return Ok(Some(self.cut(first)));
        }
        let mut block = BytesMut::from(first);
        // What is there already joins the block.
        while block.len() < MAX_BLOCK && self.rest.is_empty() {
            match self.response.chunk().now_or_never() {
                Some(Ok(Some(mut piece))) => {
                    self.offset += piece.len() as u64;
                    let room = MAX_BLOCK - block.len();
                    block.extend_from_slice(&piece.split_to(room.min(piece.len())));
                    self.rest = piece;
                }
                Some(Ok(None)) => {
                    self.ended = true;
                    break;
                }
                Some(Err(error)) => {
                    self.broken = Some(http::failure(error));
                    break;
                }
                None => break,
            }
        }
        Ok(Some(block.freeze()))
    }

    /// Keeps what is over a block for the next one.
    fn cut(&mut self, mut piece: Bytes) -> Bytes {
        let block = piece.split_to(MAX_BLOCK);
        self.rest = piece;
        block
    }

    /// The next bytes as they come.
    async fn piece(&mut self) -> Result<Option<Bytes>> {
        if !self.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        while !self.ended {
            if let Some(broken) = self.broken.take() {
                self.resume(broken).await?;
            }
            match self.response.chunk().await {
                Ok(Some(piece)) if piece.is_empty() => {}
                Ok(Some(piece)) => {
                    self.offset += piece.len() as u64;
                    self.breaks = 0;
                    return Ok(Some(piece));
                }
                Ok(None) => self.ended = true,
                Err(error) => self.broken = Some(http::failure(error)),
            }
        }
        Ok(None)
    }

    /// Asks for the rest of the same version.
    async fn resume(&mut self, broken: Error) -> Result<()> {
        let can_resume = self.version.is_some() || self.offset == 0;
        if self.breaks >= MAX_BREAKS || broken.kind() != ErrorKind::Connection || !can_resume {
            return Err(broken);
        }
        tokio::time::sleep(Duration::from_millis(50 << self.breaks)).await;
        self.breaks += 1;
        let version = self.version.as_ref().filter(|_| self.offset > 0);
        let response = match self.wire.get(&self.path, ByteRange::From(self.offset), version).await {
            Ok(response) => response,
            // Another version is there now: the rest of this one is gone.
            Err(error) if error.kind() == ErrorKind::ConditionFailed => return Err(broken),
            Err(error) => return Err(error),
        };
        let fits = match response.status().as_u16() {
            206 => starts_at(&response, self.offset),
            status => status == 200 && self.offset == 0,
        };
        if !fits || !wire::is_file(&response) {
            return Err(broken);
        }
        if self.offset == 0 {
            // Nothing was handed out, so whatever version is there now will do.
            (self.version, self.len) = (wire::version_of(&response), http::announced(response.headers()));
        }
        self.response = response;
        Ok(())
    }
}

/// Whether a 206 begins at this offset: `bytes START-END/LEN`.
fn starts_at(response: &Response, offset: u64) -> bool {
    let range = http::header(response.headers(), "content-range");
    range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()) == Some(offset)
}
