//! Downloading files of a run into a fresh local folder.

use std::fs::{self, File};
use std::io::{ErrorKind as IoErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::progress::{Meter, ProgressCallback};
use super::session::{Session, is_below};
use crate::error::{Error, ErrorContext, ErrorKind, Operation, Result};
use crate::net::{self, OfProcess, Pump, Sink};
use crate::path::FsPath;
use crate::pool;
use crate::stores::run::fetch::Fetch;

/// Files that are on their way at once.
const IN_FLIGHT: usize = 8;
/// Files that wait, whole, for the reader.
const AHEAD: usize = 8;
/// How often a file is begun anew where a broken connection cannot be taken up.
const RESTARTS: u32 = 2;

/// A download: the local paths in the order of the listing, each once its file is there, whole.
///
/// Files are staged beside the folder and moved into it when their path is handed out, so the
/// folder never has anything else in it.
pub(super) struct Downloader {
    session: Arc<Session>,
    path: FsPath,
    callback: Option<ProgressCallback>,
    state: State,
}

enum State {
    Fresh,
    /// In a forked child the folders are the parent's, and not to be removed.
    Running(OfProcess<Running>),
    Ended,
}

struct Running {
    pump: Pump<Arrived>,
    /// Handed to the user with the first path; removed with everything in it until then.
    folder: TempDir,
    handed_out: bool,
    /// Taken from the pump and not handed out yet: a cancelled `next` loses no file.
    arrived: Option<Arrived>,
    staging_gone: oneshot::Receiver<()>,
}

/// Where files are staged. The last task, job or waiting file that uses it removes it.
struct Staging {
    dir: TempDir,
    // Declared after `dir`, so dropped after it: then the folder is gone.
    _gone: oneshot::Sender<()>,
}

/// One file to fetch.
struct Wanted {
    path: FsPath,
    size: u64,
    /// Where it goes, relative to the folder.
    target: PathBuf,
}

/// One file, fetched whole.
#[derive(Clone)]
struct Arrived {
    staged: PathBuf,
    target: PathBuf,
    /// Keeps the folder that `staged` is in.
    _staging: Arc<Staging>,
}

impl Downloader {
    pub(super) fn new(session: Arc<Session>, path: FsPath, callback: Option<ProgressCallback>) -> Self {
        Self { session, path, callback, state: State::Fresh }
    }

    /// The next local path; `None` at the end. After an error nothing is left of the download.
    pub(super) async fn next(&mut self) -> Option<Result<PathBuf>> {
        match self.advance().await.at(Operation::Read, &self.path) {
            Ok(Some(path)) => Some(Ok(path)),
            Ok(None) => {
                self.close().await;
                None
            }
            Err(error) => {
                if let State::Running(running) = &mut self.state {
                    running.handed_out = false;
                }
                self.close().await;
                Some(Err(error))
            }
        }
    }

    async fn advance(&mut self) -> Result<Option<PathBuf>> {
        if let State::Fresh = self.state {
            self.session.path(self.path.as_str())?;
            self.state = State::Running(OfProcess::new(self.start().await?));
        }
        let State::Running(running) = &mut self.state else { return Ok(None) };
        running.check()?;
        if running.arrived.is_none() {
            running.arrived = running.pump.next().await.transpose()?;
        }
        let Some(arrived) = running.arrived.clone() else { return Ok(None) };
        let folder = running.folder.path().to_owned();
        let path = pool::run(move || place(&folder, &arrived)).await?;
        running.arrived = None;
        running.handed_out = true;
        Ok(Some(path))
    }

    async fn start(&self) -> Result<Running> {
        let (session, path) = (Arc::clone(&self.session), self.path.clone());
        let wanted = net::run(async move { select(session.ls(&path).await?, &path) }).await?;
        let (gone, staging_gone) = oneshot::channel();
        let (folder, staging) = pool::run(move || {
            let temporary = std::path::absolute(std::env::temp_dir()).map_err(Error::from_io)?;
            let folder = tempfile::Builder::new().prefix("kodosumi-").tempdir_in(&temporary).map_err(Error::from_io)?;
            // Beside it, so that moving a file over is one rename; hidden, so that nobody takes it for one.
            let dir = tempfile::Builder::new().prefix(".kodosumi-").tempdir_in(&temporary).map_err(Error::from_io)?;
            Ok((folder, Arc::new(Staging { dir, _gone: gone })))
        })
        .await?;
        let meter = Meter::new(self.callback.clone(), wanted.iter().map(|file| file.size).sum(), wanted.len());
        let session = Arc::clone(&self.session);
        let pump = Pump::start(AHEAD, |sink| fetch_all(session, wanted, staging, meter, sink))?;
        Ok(Running { pump, folder, handed_out: false, arrived: None, staging_gone })
    }

    /// Ends the download. Paths handed out stay; everything else is gone when this returns.
    pub(super) async fn close(&mut self) {
        let State::Running(running) = std::mem::replace(&mut self.state, State::Ended) else { return };
        let Some(running) = running.into_inner() else { return };
        let Running { pump, folder, handed_out, arrived, staging_gone } = running;
        drop((pump, arrived));
        if handed_out {
            // The user has paths into it now.
            let _ = folder.keep();
        } else {
            // The last job may still write into the staging folder; this one is ours alone.
            let _ = pool::run(move || folder.close().map_err(Error::from_io)).await;
        }
        // Resolves, with an error as the sender says nothing, when the last user of it is gone.
        let _ = staging_gone.await;
    }
}

impl Drop for Downloader {
    fn drop(&mut self) {
        if let State::Running(running) = std::mem::replace(&mut self.state, State::Ended)
            && let Some(running) = running.into_inner()
            && running.handed_out
        {
            let _ = running.folder.keep();
        }
    }
}

/// The files at or below `path`, and where each goes: below the folder asked for, or by its bare name.
fn select(listing: Vec<crate::runfiles::FileInfo>, path: &FsPath) -> Result<Vec<Wanted>> {
    let mut wanted = Vec::with_capacity(listing.len());
    for file in listing.into_iter().filter(|file| is_below(&file.path, path.as_str())) {
        // The server's names become local ones, so they must be as safe as any other path.
        let full = FsPath::new(&file.path)?;
        let target = match full.strip_prefix(path) {
            Some("") | None => full.name(),
            Some(relative) => relative,
        };
        wanted.push(Wanted { target: target.into(), size: file.size, path: full });
    }
    if wanted.is_empty() {
        return Err(Error::new(ErrorKind::NotFound).with_message("there is no file at or below this path"));
    }
    Ok(wanted)
}

async fn fetch_all(
    session: Arc<Session>,
    wanted: Vec<Wanted>,
    staging: Arc<Staging>,
    meter: Arc<Meter>,
    sink: Sink<Arrived>,
) -> Result<()> {
    let mut arriving = stream::iter(wanted.into_iter().enumerate())
        .map(|(number, file)| fetch(&session, file, number, &staging, &meter))
        .buffered(IN_FLIGHT);
    while let Some(arrived) = arriving.next().await {
        sink.put(arrived?).await?;
    }
    Ok(())
}

/// Fetches one file into the staging folder.
async fn fetch(
    session: &Arc<Session>,
    file: Wanted,
    number: usize,
    staging: &Arc<Staging>,
    meter: &Meter,
) -> Result<Arrived> {
    let staged = staging.dir.path().join(number.to_string());
    let name: Arc<str> = file.path.as_str().into();
    let mut restarts = 0;
    loop {
        let mut counted = 0;
        let whole = fetch_once(session, &file, &staged, staging, |bytes| {
            counted += bytes;
            meter.advance(&name, bytes);
        });
        match whole.await {
            Ok(()) => break,
            Err(error) if error.kind() == ErrorKind::Connection && counted > 0 && restarts < RESTARTS => {
                restarts += 1;
                meter.retract(counted);
                tokio::time::sleep(Duration::from_millis(100 << restarts)).await;
            }
            Err(error) => return Err(error).at(Operation::Read, &file.path),
        }
    }
    meter.finish(&name);
    Ok(Arrived { staged, target: file.target, _staging: Arc::clone(staging) })
}

async fn fetch_once(
    session: &Session,
    file: &Wanted,
    staged: &Path,
    staging: &Arc<Staging>,
    mut arrived: impl FnMut(u64),
) -> Result<()> {
    let mut fetch = Fetch::start(&session.wire, &file.path).await?;
    let mut block = fetch.next().await?.unwrap_or_default();
    let mut local = None;
    loop {
        let len = block.len() as u64;
        let write = write(local.take(), staged, block, staging);
        // The next block comes while this one goes to the disk.
        let (written, next) = futures_util::future::join(write, fetch.next()).await;
        local = Some(written?);
        arrived(len);
        match next? {
            Some(next) => block = next,
            None => return Ok(()),
        }
    }
}

/// Writes one block, in one hop with creating the file for the first.
async fn write(local: Option<File>, staged: &Path, block: Bytes, staging: &Arc<Staging>) -> Result<File> {
    let (staged, staging) = (staged.to_owned(), Arc::clone(staging));
    pool::run(move || {
        let write = || {
            let mut local = match local {
                Some(local) => local,
                None => File::create(&staged)?,
            };
            local.write_all(&block)?;
            Ok(local)
        };
        let written = write().map_err(Error::from_io);
        // Until here, whatever became of the task, the folder is in use.
        drop(staging);
        written
    })
    .await
}

/// Moves a whole file to where the user finds it.
fn place(folder: &Path, arrived: &Arrived) -> Result<PathBuf> {
    let target = folder.join(&arrived.target);
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent).map_err(Error::from_io)?;
    }
    match fs::rename(&arrived.staged, &target) {
        Ok(()) => Ok(target),
        // A `next` that was cancelled had moved it already.
        Err(error) if error.kind() == IoErrorKind::NotFound && target.exists() => Ok(target),
        Err(error) => Err(Error::from_io(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runfiles::FileInfo;

    fn targets(paths: &[&str], asked: &str) -> Result<Vec<String>> {
        let listing = (paths.iter())
            .map(|path| FileInfo { path: (*path).into(), size: 1, last_modified: 0.0 })
            .collect();
        let wanted = select(listing, &FsPath::new(asked)?)?;
        Ok(wanted.iter().map(|file| file.target.display().to_string()).collect())
    }

    #[test]
    fn targets_are_relative_to_the_folder_asked_for() {
        let listing = ["in/a.txt", "in/data/b", "in/data/sub/c", "in/data2"];
        assert_eq!(targets(&listing, "in").unwrap(), ["a.txt", "data/b", "data/sub/c", "data2"]);
        assert_eq!(targets(&listing, "in/data").unwrap(), ["b", "sub/c"]);
        assert_eq!(targets(&listing, "in/data/b").unwrap(), ["b"]);
        assert_eq!(targets(&listing, "in/dat").unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_hostile_listing_leads_nowhere() {
        for path in ["in/../../etc/passwd", "in//etc/passwd", "in/a\nb"] {
            assert_eq!(targets(&[path], "in").unwrap_err().kind(), ErrorKind::InvalidPath, "{path}");
        }
    }
}
