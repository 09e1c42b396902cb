//! Uploading local files into a run's `out`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::Semaphore;

use super::progress::{Meter, ProgressCallback};
use super::session::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::net;
use crate::path::FsPath;
use crate::pool;
use crate::stores::run::wire::{ChunkForm, CompleteItem, Listing, Wire, refused};

/// Files that are on their way at once: a server makes one commit of what comes together.
const FILES: usize = 16;
/// What the chunks on their way, of all files, hold in memory, in KiB.
const MEMORY: u32 = 32 << 10;
/// Chunks of one file that are on their way at once.
const CHUNKS_OF_A_FILE: usize = 4;
/// Files in one completion.
const COMPLETED_AT_ONCE: usize = 1000;
/// How often in a row the connection may break without a chunk getting through.
const MAX_BREAKS: u32 = 6;
/// How often a file is begun anew because the server has forgotten its upload.
const RESTARTS: u32 = 2;

/// A file to upload, and the name it gets below `out`.
struct LocalFile {
    path: PathBuf,
    name: Arc<str>,
    len: u64,
}

/// What one upload shares between its files.
struct Upload {
    session: Arc<Session>,
    batch: String,
    meter: Arc<Meter>,
    /// Memory for chunks, in KiB.
    memory: Semaphore,
    open: Open,
}

/// See [`RunFiles::upload`](super::RunFiles::upload); runs on the network runtime.
pub(super) async fn upload(
    session: Arc<Session>,
    local: PathBuf,
    callback: Option<ProgressCallback>,
) -> Result<Option<String>> {
    let files = pool::run(move || local_files(&local)).await?;
    if files.is_empty() {
        return Ok(None);
    }
    let (batch, limit) = session.wire.init_batch().await?;
    if let Some(limit) = limit {
        session.chunk.learn(limit);
    }
    let upload = Upload {
        meter: Meter::new(callback, files.iter().map(|file| file.len).sum(), files.len()),
        memory: Semaphore::new(MEMORY as usize),
        open: Open { wire: Arc::clone(&session.wire), ids: Mutex::default() },
        session,
        batch,
    };
    match upload.run(files).await {
        Ok(()) => Ok(Some(upload.batch)),
        Err(error) => {
            upload.open.cancel().await;
            Err(error)
        }
    }
}

impl Upload {
    async fn run(&self, files: Vec<LocalFile>) -> Result<()> {
        // In order, so that files appear in the order they have locally, and in groups, so that neither
        // side holds more unfinished uploads than a group has.
        let mut sent =
            stream::iter(files).map(|file| self.file(file)).buffered(FILES).try_chunks(COMPLETED_AT_ONCE);
        let mut group = sent.next().await;
        while let Some(whole) = group {
            let whole = whole.map_err(|broken| broken.1)?;
            // The next group is on its way meanwhile: requests that are begun must not stand still.
            let (completed, next) = future::join(self.complete(&whole), sent.next()).await;
            completed?;
            group = next;
        }
        Ok(())
    }

    /// Sends the chunks of one file.
    async fn file(&self, file: LocalFile) -> Result<(Arc<str>, CompleteItem)> {
        let shown = file.path.display().to_string();
        self.chunks_of(file).await.map_err(|error| error.with_raw_path(shown))
    }

    async fn chunks_of(&self, file: LocalFile) -> Result<(Arc<str>, CompleteItem)> {
        let source = Source::new(file.path.clone());
        if file.len == 0 {
            // Nothing of it is read, and it must be readable all the same.
            source.check().await?;
        }
        let wire = &self.session.wire;
        let mut restarts = 0;
        loop {
            let size = self.session.chunk.get();
            let total = file.len.div_ceil(size);
            let id = wire.init(&file.name, total, &self.batch).await?;
            self.open.add(&id);
            let mut sending = Sending {
                upload: self,
                id: Arc::clone(&id),
                file: &file,
                source: &source,
                size,
                missing: (0..total).collect(),
            };
            let error = match sending.run().await {
                Ok(()) => {
                    self.meter.finish(&file.name);
                    return Ok((id, CompleteItem { filename: file.name.to_string(), total_chunks: total }));
                }
                Err(error) => error,
            };
            self.meter.retract(sending.sent());
            match error.kind() {
                ErrorKind::TooLarge if self.session.chunk.halve(size) => {}
                ErrorKind::NotFound if restarts < RESTARTS => restarts += 1,
                _ => return Err(error),
            }
            // Chunks of another size are another upload; this one is of no more use.
            if wire.cancel(&id).await.is_ok() {
                self.open.remove(&id);
            }
        }
    }

    /// Makes files of uploads whose chunks are all there.
    async fn complete(&self, items: &[(Arc<str>, CompleteItem)]) -> Result<()> {
        let wire = &self.session.wire;
        let mut breaks = 0;
        let answers = loop {
            match wire.complete(&self.batch, items).await {
                Ok(answers) => break answers,
                Err(error) if may_resume(&error) && breaks < MAX_BREAKS => pause(&mut breaks).await,
                Err(error) => return Err(error),
            }
        };
        if answers.len() != items.len() {
            return Err(refused(ErrorKind::Io, "the completion", "it left files out"));
        }
        let failed = items.iter().zip(answers).find_map(|((_, item), answer)| Some((item, answer.error?)));
        if let Some((item, words)) = failed {
            // After a broken connection, the first try may have been carried out without our hearing of it.
            let lost_answer =
                breaks > 0 && words.starts_with("Invalid upload ID") && self.are_there(items).await?;
            if !lost_answer {
                return Err(refused(ErrorKind::Io, &format!("'{}'", item.filename.escape_debug()), &words));
            }
        }
        items.iter().for_each(|(id, _)| self.open.remove(id));
        Ok(())
    }

    /// Whether all of these files are in the run.
    async fn are_there(&self, items: &[(Arc<str>, CompleteItem)]) -> Result<bool> {
        let Listing::Directory(files) = self.session.wire.list(&FsPath::new("out")?).await? else {
            return Ok(false);
        };
        let there: HashSet<&str> = files.iter().filter_map(|file| file.path.strip_prefix("out/")).collect();
        Ok(items.iter().all(|(_, item)| there.contains(item.filename.as_str())))
    }
}

/// One file on its way: which chunks the server does not have yet.
struct Sending<'a> {
    upload: &'a Upload,
    id: Arc<str>,
    file: &'a LocalFile,
    source: &'a Source,
    size: u64,
    missing: Vec<u64>,
}

impl Sending<'_> {
    /// Sends what is missing, until nothing is; a broken connection only costs the chunks it broke.
    async fn run(&mut self) -> Result<()> {
        let mut breaks = 0;
        while !self.missing.is_empty() {
            let before = self.missing.len();
            let Err(error) = self.send_missing().await else { continue };
            if !may_resume(&error) {
                return Err(error);
            }
            if self.missing.len() < before {
                breaks = 0;
            }
            if breaks >= MAX_BREAKS {
                return Err(error);
            }
            pause(&mut breaks).await;
            self.ask().await?;
        }
        Ok(())
    }

    /// Sends the missing chunks. After a failure no further one is begun; those under way may get through.
    async fn send_missing(&mut self) -> Result<()> {
        let (this, missing, failed) = (&*self, self.missing.clone(), AtomicBool::new(false));
        let mut sending = stream::iter(missing)
            .take_while(|_| std::future::ready(!failed.load(Ordering::Relaxed)))
            .map(|number| this.send(number))
            .buffer_unordered(CHUNKS_OF_A_FILE);
        let (mut acknowledged, mut outcome) = (HashSet::new(), Ok(()));
        while let Some(sent) = sending.next().await {
            match sent {
                Ok(number) => {
                    acknowledged.insert(number);
                }
                Err(error) => {
                    failed.store(true, Ordering::Relaxed);
                    // What cannot be mended says more than that a connection broke.
                    if outcome.is_ok() || !may_resume(&error) {
                        outcome = Err(error);
                    }
                }
            }
        }
        drop(sending);
        self.missing.retain(|number| !acknowledged.contains(number));
        outcome
    }

    async fn send(&self, number: u64) -> Result<u64> {
        let kib = u32::try_from(self.len_of(number).div_ceil(1024)).unwrap_or(MEMORY).clamp(1, MEMORY);
        // The semaphore is never closed.
        let _memory = self.upload.memory.acquire_many(kib).await.map_err(|_| ErrorKind::Closed)?;
        let chunk = self.source.chunk(&self.id, number, number * self.size, self.len_of(number)).await?;
        self.upload.session.wire.chunk(chunk).await?;
        self.upload.meter.advance(&self.file.name, self.len_of(number));
        Ok(number)
    }

    fn len_of(&self, number: u64) -> u64 {
        (self.file.len - number * self.size).min(self.size)
    }

    /// How many bytes have been acknowledged.
    fn sent(&self) -> u64 {
        self.file.len - self.missing.iter().map(|number| self.len_of(*number)).sum::<u64>()
    }

    /// Asks the server which chunks it has, so that those whose answer was lost are not sent again.
    async fn ask(&mut self) -> Result<()> {
        match self.upload.session.wire.received(&self.id).await {
            Ok(Some(received)) if received.exists => {
                let there: HashSet<u64> = received.received_chunks.into_iter().collect();
                let (arrived, missing) = self.missing.iter().partition(|number| there.contains(number));
                self.missing = missing;
                let arrived: Vec<u64> = arrived;
                for number in arrived {
                    self.upload.meter.advance(&self.file.name, self.len_of(number));
                }
                Ok(())
            }
            Ok(Some(_)) => Err(refused(ErrorKind::NotFound, "to go on", "it has forgotten this upload")),
            // A server that cannot say takes a chunk it has once more.
            Ok(None) => Ok(()),
            Err(error) if may_resume(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether the upload is worth going on with after this.
fn may_resume(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Connection | ErrorKind::Timeout | ErrorKind::RateLimited)
}

async fn pause(breaks: &mut u32) {
    tokio::time::sleep(Duration::from_millis(50 << *breaks)).await;
    *breaks += 1;
}

/// A local file, opened together with the first read: a small one costs one hop.
struct Source {
    path: Arc<Path>,
    file: Arc<OnceLock<File>>,
}

impl Source {
    fn new(path: PathBuf) -> Self {
        Self { path: path.into(), file: Arc::default() }
    }

    async fn check(&self) -> Result<()> {
        let path = Arc::clone(&self.path);
        pool::run(move || File::open(path).map(drop).map_err(Error::from_io)).await
    }

    /// Reads a chunk into the form in which it is sent.
    async fn chunk(&self, upload_id: &Arc<str>, number: u64, offset: u64, len: u64) -> Result<ChunkForm> {
        let (path, file, upload_id) = (Arc::clone(&self.path), Arc::clone(&self.file), Arc::clone(upload_id));
        pool::run(move || {
            let len = usize::try_from(len).map_err(|_| ErrorKind::TooLarge)?;
            let mut form = ChunkForm::new(&upload_id, number, len)?;
            let read = match file.get() {
                Some(file) => file.read_exact_at(form.data(), offset),
                None => File::open(path)
                    // Of several first reads at once, each has opened the file, and one of them is kept.
                    .and_then(|opened| file.get_or_init(|| opened).read_exact_at(form.data(), offset)),
            };
            match read {
                Ok(()) => Ok(form),
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    Err(Error::new(ErrorKind::Io)
                        .with_message("the file became shorter while it was uploaded"))
                }
                Err(error) => Err(Error::from_io(error)),
            }
        })
        .await
    }
}

/// The uploads of one call that have not become files yet. They are cancelled on the server when it
/// fails or is cancelled itself.
struct Open {
    wire: Arc<Wire>,
    ids: Mutex<HashSet<Arc<str>>>,
}

impl Open {
    fn with<T>(&self, body: impl FnOnce(&mut HashSet<Arc<str>>) -> T) -> T {
        body(&mut self.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, id: &Arc<str>) {
        self.with(|ids| ids.insert(Arc::clone(id)));
    }

    fn remove(&self, id: &Arc<str>) {
        self.with(|ids| ids.remove(id));
    }

    async fn cancel(&self) {
        cancel(&self.wire, self.with(std::mem::take)).await;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let ids = self.with(std::mem::take);
        if !ids.is_empty() {
            // The client may be closed before the server has heard of it.
            let wire = self.wire.again();
            net::detach(async move { cancel(&wire, ids).await });
        }
    }
}

async fn cancel(wire: &Wire, ids: HashSet<Arc<str>>) {
    // The first failure ends it: what is left expires on the server.
    let _ = stream::iter(ids.into_iter().map(Ok::<_, Error>))
        .try_for_each_concurrent(FILES, |id| async move { wire.cancel(&id).await })
        .await;
}

/// The file at a path, or all files below the folder at it, in order. Links to files count as files;
/// links to folders are not followed.
fn local_files(local: &Path) -> Result<Vec<LocalFile>> {
    let at = |path: &Path| {
        let shown = path.display().to_string();
        move |error| Error::from_io(error).with_raw_path(shown)
    };
    let metadata = fs::metadata(local).map_err(at(local))?;
    if !metadata.is_dir() && !metadata.is_file() {
        // Opening a pipe would wait for whoever writes into it.
        return Err(Error::new(ErrorKind::InvalidInput)
            .with_message("this is a socket, pipe or device; only files and folders are uploaded"));
    }
    if metadata.is_file() {
        let name = local.file_name().unwrap_or_default();
        return Ok(vec![LocalFile {
            name: name_of(Path::new(name))?,
            path: local.to_owned(),
            len: metadata.len(),
        }]);
    }
    let mut files = Vec::new();
    let mut folders = vec![local.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let entry = entry.map_err(at(&folder))?;
            let (path, kind) = (entry.path(), entry.file_type().map_err(at(&folder))?);
            if kind.is_dir() {
                folders.push(path);
                continue;
            }
            // A link that leads nowhere is no file.
            let Ok(metadata) = fs::metadata(&path) else { continue };
            if metadata.is_file() {
                let relative = path.strip_prefix(local).unwrap_or(&path);
                files.push(LocalFile { name: name_of(relative)?, len: metadata.len(), path });
            }
        }
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

/// A relative local path as a name below `out`; what cannot be one is refused before anything is sent.
fn name_of(relative: &Path) -> Result<Arc<str>> {
    let path = FsPath::from_bytes(relative.as_os_str().as_encoded_bytes())?;
    if path.is_root() {
        return Err(
            Error::new(ErrorKind::InvalidInput).with_message("this local path has no name to upload under")
        );
    }
    Ok(path.as_str().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_file_nor_folder_is_refused_unopened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert_eq!(local_files(&pipe).map(drop).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(local_files(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn a_folder_is_walked_in_order_and_links_to_folders_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("b/c")).unwrap();
        for name in ["z", "b/c/x", "b-a"] {
            fs::write(at(name), name).unwrap();
        }
        std::os::unix::fs::symlink("z", at("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        std::os::unix::fs::symlink("b", at("folder")).unwrap();
        let names: Vec<_> =
            local_files(folder.path()).unwrap().iter().map(|file| file.name.to_string()).collect();
        assert_eq!(names, ["b-a", "b/c/x", "link", "z"]);
        assert_eq!(&*local_files(&at("b/c/x")).unwrap()[0].name, "x");
        assert_eq!(local_files(&at("none")).map(|_| ()).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
