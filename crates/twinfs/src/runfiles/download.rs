//! Downloading files of a run into a fresh local folder.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{ErrorKind as IoErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::progress::{Meter, ProgressCallback};
use super::session::{Session, is_below};
use crate::error::{Error, ErrorContext, ErrorKind, Operation, Result};
use crate::net::{OfProcess, Pump, Sink};
use crate::path::FsPath;
use crate::pool;
use crate::stores::run::fetch::Fetch;

/// Files that are on their way at once.
const IN_FLIGHT: usize = 16;
/// Files that wait, whole, for the reader.
const AHEAD: usize = 16;
/// How often a file is begun anew where a broken connection cannot be taken up.
const RESTARTS: u32 = 2;

/// A download: the local paths in the order of the listing, each once its file is there, whole.
///
/// Files are staged beside the folder and moved into it when they are about to be handed out, all that are
/// there by then in one hop; so the folder never has anything but whole files in it, and in the end only
/// those that were handed out.
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
    /// Taken from the pump and not moved yet, for all we know: a cancelled `next` loses no file.
    arrived: Vec<Arrived>,
    /// In the folder, and not handed out yet.
    placed: VecDeque<PathBuf>,
    /// Known from the first file on.
    folders: Option<Arc<Folders>>,
    /// The path that was handed out last.
    last: Option<PathBuf>,
    /// Resolves when the folders are let go of.
    gone: oneshot::Receiver<()>,
}

/// The user's folder, and the one beside it in which files are staged. The last task, job or waiting
/// file that uses them removes them, but the user's only while no path into it has been handed out.
struct Folders {
    folder: Option<TempDir>,
    staging: TempDir,
    handed_out: AtomicUsize,
    /// Files in the user's folder that nobody has, or knows that they have.
    unclaimed: Mutex<HashSet<PathBuf>>,
    // Declared last, so dropped last: then the folders are gone.
    _gone: oneshot::Sender<()>,
}

impl Folders {
    fn make(gone: oneshot::Sender<()>) -> Result<Arc<Self>> {
        let temporary = std::path::absolute(std::env::temp_dir()).map_err(Error::from_io)?;
        let make =
            |prefix| tempfile::Builder::new().prefix(prefix).tempdir_in(&temporary).map_err(Error::from_io);
        Ok(Arc::new(Self {
            folder: Some(make("kodosumi-")?),
            // Beside it, so that moving a file over is one rename; hidden, so that nobody takes it for one.
            staging: make(".kodosumi-")?,
            handed_out: AtomicUsize::new(0),
            unclaimed: Mutex::default(),
            _gone: gone,
        }))
    }

    fn unclaimed(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.unclaimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file is the user's.
    fn hand_out(&self, path: &PathBuf) {
        self.unclaimed().remove(path);
        self.handed_out.fetch_add(1, Ordering::AcqRel);
    }

    /// The file did not reach the user.
    fn take_back(&self, path: PathBuf) {
        self.unclaimed().insert(path);
        self.handed_out.fetch_sub(1, Ordering::AcqRel);
    }

    /// Moves a whole file to where the user finds it.
    fn place(&self, arrived: &Arrived) -> Result<PathBuf> {
        // It is taken out by the drop alone.
        let folder = self.folder.as_ref().ok_or(ErrorKind::Closed)?;
        let target = folder.path().join(&arrived.target);
        self.unclaimed().insert(target.clone());
        let mut moved = fs::rename(&arrived.staged, &target);
        if moved.is_err()
            && let Some(parent) = target.parent()
        {
            // The first file of its folder.
            fs::create_dir_all(parent).map_err(Error::from_io)?;
            moved = fs::rename(&arrived.staged, &target);
        }
        match moved {
            Ok(()) => Ok(target),
            // A `next` that was cancelled had moved it already.
            Err(error) if error.kind() == IoErrorKind::NotFound && target.exists() => Ok(target),
            Err(error) => Err(Error::from_io(error)),
        }
    }
}

impl Drop for Folders {
    fn drop(&mut self) {
        if *self.handed_out.get_mut() == 0 {
            return;
        }
        let Some(folder) = self.folder.take().map(TempDir::keep) else { return };
        for path in std::mem::take(self.unclaimed.get_mut().unwrap_or_else(PoisonError::into_inner)) {
            let _ = fs::remove_file(&path);
            // And the folders that were made for it: those with other files in them stay.
            let made_for_it = path.ancestors().skip(1).take_while(|parent| *parent != folder);
            let _ = made_for_it.map(fs::remove_dir).find(Result::is_err);
        }
    }
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
    folders: Arc<Folders>,
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
                if let State::Running(running) = &self.state
                    && let Some(folders) = &running.folders
                {
                    folders.handed_out.store(0, Ordering::Release);
                }
                self.close().await;
                Some(Err(error))
            }
        }
    }

    async fn advance(&mut self) -> Result<Option<PathBuf>> {
        if let State::Fresh = self.state {
            self.session.path(self.path.as_str())?;
            self.state = State::Running(OfProcess::new(self.start()?));
        }
        let State::Running(running) = &mut self.state else { return Ok(None) };
        running.check()?;
        if running.placed.is_empty() && !running.place().await? {
            return Ok(None);
        }
        let Some(path) = running.placed.pop_front() else { return Ok(None) };
        if let Some(folders) = &running.folders {
            folders.hand_out(&path);
        }
        running.last = Some(path.clone());
        Ok(Some(path))
    }

    /// Starts the task that does it all, so that a cancelled `next` costs nothing but the wait.
    fn start(&self) -> Result<Running> {
        let (tell, gone) = oneshot::channel();
        let (session, path, callback) = (Arc::clone(&self.session), self.path.clone(), self.callback.clone());
        let pump = Pump::start(AHEAD, |sink| async move {
            let wanted = select(session.ls(&path).await?, &path)?;
            let meter = Meter::new(callback, wanted.iter().map(|file| file.size).sum(), wanted.len());
            let folders = pool::run(move || Folders::make(tell)).await?;
            fetch_all(session, wanted, &folders, meter, sink).await
        })?;
        Ok(Running { pump, arrived: Vec::new(), placed: VecDeque::new(), folders: None, last: None, gone })
    }

    /// Counts the path that was handed out last as not handed out.
    pub(super) fn take_back(&mut self) {
        if let State::Running(running) = &mut self.state
            && running.check().is_ok()
            && let Some(path) = running.last.take()
            && let Some(folders) = &running.folders
        {
            folders.take_back(path);
        }
    }

    /// Ends the download. Paths handed out stay; everything else is gone when this returns.
    pub(super) async fn close(&mut self) {
        let State::Running(running) = std::mem::replace(&mut self.state, State::Ended) else { return };
        let Some(Running { pump, arrived, folders, gone, .. }) = running.into_inner() else { return };
        drop((pump, arrived, folders));
        // Resolves, with an error as the sender says nothing, when the last user of the folders is gone.
        let _ = gone.await;
    }
}

impl Running {
    /// Moves what has arrived by now into the user's folder, one file at least; gives whether there was one.
    async fn place(&mut self) -> Result<bool> {
        if self.arrived.is_empty() {
            self.arrived.extend(self.pump.next().await.transpose()?);
        }
        while self.arrived.len() < AHEAD
            && let Some(next) = self.pump.ready()
        {
            self.arrived.push(next);
        }
        let Some(first) = self.arrived.first() else { return Ok(false) };
        let folders = Arc::clone(self.folders.get_or_insert_with(|| Arc::clone(&first.folders)));
        let arrived = self.arrived.clone();
        let placed: Vec<PathBuf> =
            pool::run(move || arrived.iter().map(|arrived| folders.place(arrived)).collect()).await?;
        self.arrived.clear();
        self.placed.extend(placed);
        Ok(true)
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
    folders: &Arc<Folders>,
    meter: Arc<Meter>,
    sink: Sink<Arrived>,
) -> Result<()> {
    let mut arriving = stream::iter(wanted.into_iter().enumerate())
        .map(|(number, file)| fetch(&session, file, number, folders, &meter))
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
    folders: &Arc<Folders>,
    meter: &Meter,
) -> Result<Arrived> {
    let staged = folders.staging.path().join(number.to_string());
    let name: Arc<str> = file.path.as_str().into();
    let mut restarts = 0;
    loop {
        let mut counted = 0;
        let whole = fetch_once(session, &file, &staged, folders, |bytes| {
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
    Ok(Arrived { staged, target: file.target, folders: Arc::clone(folders) })
}

async fn fetch_once(
    session: &Session,
    file: &Wanted,
    staged: &Path,
    folders: &Arc<Folders>,
    mut arrived: impl FnMut(u64),
) -> Result<()> {
    let mut fetch = Fetch::start(&session.wire, &file.path).await?;
    let mut block = fetch.next().await?.unwrap_or_default();
    let mut local = None;
    loop {
        let len = block.len() as u64;
        let write = write(local.take(), staged, block, folders);
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
async fn write(local: Option<File>, staged: &Path, block: Bytes, folders: &Arc<Folders>) -> Result<File> {
    let (staged, folders) = (staged.to_owned(), Arc::clone(folders));
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
        drop(folders);
        written
    })
    .await
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
