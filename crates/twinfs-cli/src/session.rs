//! What the commands share: output, general options, opened stores.

use std::sync::Arc;
use std::time::Duration;

use twinfs::blocking::Fs;
use twinfs::bulk::{Limit, OnError, Options, Progress};
use twinfs::{FsPath, StoreOptions};

use crate::args::Global;
use crate::interrupt::Watching;
use crate::output::{Failure, Output, Result};
use crate::progress::{self, Show};
use crate::target::{Place, Root};

/// One run of a command.
pub(crate) struct Session {
    pub(crate) out: Output,
    show: Show,
    jobs: Option<Limit>,
    timeout: Option<Duration>,
    token: Option<String>,
    /// Stores opened so far: places below one root share one.
    opened: Vec<(Root, Fs)>,
}

impl Session {
    pub(crate) fn new(command: &'static str, global: Global) -> Self {
        let Global { json, quiet, jobs, timeout, token } = global;
        let show = match (quiet, json) {
            (true, _) => Show::Nothing,
            (false, true) => Show::Bar,
            (false, false) => Show::BarOrLines,
        };
        Self { out: Output::new(command, json), show, jobs, timeout, token, opened: Vec::new() }
    }

    /// The file system of a place.
    pub(crate) fn open(&mut self, place: &Place) -> Result<Fs> {
        if let Some((_, fs)) = self.opened.iter().find(|(root, _)| *root == place.root) {
            return Ok(fs.clone());
        }
        let (url, options) = self.address(&place.root).map_err(|error| Failure::new(&*place.text, error))?;
        let fs = Fs::connect_with(&url, options).map_err(|error| Failure::new(&*place.text, error))?;
        self.opened.push((place.root.clone(), fs.clone()));
        Ok(fs)
    }

    /// The file system of a place on the async face, which reads ahead.
    pub(crate) async fn open_async(&self, place: &Place) -> Result<twinfs::Fs> {
        let failed = |error| Failure::new(&*place.text, error);
        let (url, options) = self.address(&place.root).map_err(failed)?;
        Ok(twinfs::Fs::connect_with(&url, options).await.map_err(failed)?)
    }

    fn address(&self, root: &Root) -> twinfs::Result<(String, StoreOptions)> {
        let mut options = StoreOptions::new();
        if let Some(timeout) = self.timeout {
            options = options.with("timeout", timeout.as_secs_f64().to_string());
        }
        match root {
            Root::Local(path) => {
                let path = path.to_str().ok_or(twinfs::ErrorKind::InvalidPath)?;
                // A command that finds nothing must not leave a new folder behind.
                Ok((path.to_owned(), options.with("create", "false")))
            }
            Root::Url { url, .. } => {
                if let Some(token) = self.token.as_ref().filter(|_| root.is_run()) {
                    options = options.with("token", token);
                }
                Ok((url.clone(), options))
            }
        }
    }

    /// Who is told how far a transfer is, and ends it where the user wants it to end.
    pub(crate) fn progress(&self, from: &Place, to: &Place) -> Option<Arc<dyn Progress>> {
        Some(Arc::new(Watching(progress::of(self.show, from, to))))
    }

    /// Options of a bulk transfer: whatever fails, the rest goes on.
    pub(crate) fn bulk(&self) -> Options {
        Options { on_error: OnError::Return, limit: self.jobs, progress: None }
    }
}

/// Says of an error what place it is about, in the user's words.
pub(crate) trait About<T> {
    /// The place itself, or a path below it where the error knows one.
    fn about(self, place: &Place) -> Result<T>;
}

impl<T> About<T> for twinfs::Result<T> {
    fn about(self, place: &Place) -> Result<T> {
        self.map_err(|error| failure(place, error).into())
    }
}

/// The error of a verb on a place, with the path it names.
pub(crate) fn failure(place: &Place, error: twinfs::Error) -> Failure {
    let below = error.path().and_then(|path| FsPath::new(path).ok());
    let below = below.filter(|path| path.strip_prefix(&place.path).is_some());
    let what = below.map_or_else(|| place.text.clone(), |path| place.show(&path));
    Failure::new(what, error)
}

/// The error of a verb from one place to another, with both paths where it names both.
pub(crate) fn failure_between(from: &Place, to: &Place, error: twinfs::Error) -> Failure {
    let destination = error.destination().and_then(|path| FsPath::new(path).ok());
    let destination = destination.map(|path| to.show(&path));
    Failure { destination, ..failure(from, error) }
}
