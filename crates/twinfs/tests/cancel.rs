//! Cancellation at each await: every verb's future is dropped after its first, second, ... poll, and
//! afterwards descriptors, threads' work and staged files are back to where they were, and the file
//! is the old or the new one.

#![cfg(test)]

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use twinfs::filelike::{self, FileLikeSystem};
use twinfs::{Data, Fs, FsPath, ListOptions, Mode, StageOptions, WriteItem, WriteOptions};

type Attempt = Pin<Box<dyn Future<Output = twinfs::Result<()>> + Send>>;

struct Bell(mpsc::SyncSender<()>, AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.1.store(true, Ordering::Release);
        // Full means that a wake is waiting already.
        let _ = self.0.try_send(());
    }
}

/// Polls up to `polls` times, waiting for the wake in between, then drops; whether it was done.
fn poll_and_drop(mut attempt: Attempt, polls: usize) -> Option<twinfs::Result<()>> {
    let (bell, rung) = mpsc::sync_channel(1);
    let waker = Waker::from(Arc::new(Bell(bell, AtomicBool::new(false))));
    let mut context = Context::from_waker(&waker);
    for poll in 0..polls {
        if let Poll::Ready(result) = attempt.as_mut().poll(&mut context) {
            return Some(result);
        }
        if poll + 1 < polls {
            rung.recv_timeout(Duration::from_secs(20)).expect("a pending future is woken");
        }
    }
    None
}

/// Open descriptors that lead below `root`.
fn descriptors(root: &Path) -> usize {
    std::fs::read_dir("/proc/self/fd")
        .expect("procfs")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|target| target.starts_with(root))
        .count()
}

/// Names of ours that are left anywhere below `root`.
fn litter(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder of ours").filter_map(Result::ok) {
            if entry.file_name().to_string_lossy().starts_with(".twinfs-") && entry.path().is_file() {
                found.push(entry.path().display().to_string());
            }
            if entry.path().is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found
}

/// Waits until what an abandoned job still held is given back.
fn settles(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A name and how to begin it.
type Scenario = (&'static str, fn(Fs) -> Attempt);

fn attempts() -> Vec<Scenario> {
    vec![
        ("read", |fs| Box::pin(async move { fs.read("old").await.map(drop) })),
        ("read_many", |fs| {
            Box::pin(async move {
                let paths = vec![FsPath::new("old")?; 200];
                fs.read_many(&paths).await?.into_iter().try_for_each(|one| one.map(drop))
            })
        }),
        ("write", |fs| Box::pin(async move { fs.write("folder/new", vec![7; 1 << 20]).await.map(drop) })),
        ("write_many", |fs| {
            Box::pin(async move {
                let item = |index| {
                    let path = FsPath::new(&format!("folder/{index}"))?;
                    Ok(WriteItem { path, data: Data::from(vec![7; 1000]) })
                };
                let items = (0..100).map(item).collect::<twinfs::Result<Vec<_>>>()?;
                let written = fs.write_many(&items, &WriteOptions::default()).await?;
                written.into_iter().try_for_each(|one| one.map(drop))
            })
        }),
        ("open, write, commit", |fs| {
            Box::pin(async move {
                let mut file = fs.open("folder/new", Mode::Write).await?;
                file.write(vec![7; 300_000]).await?;
                file.write(vec![8; 300_000]).await?;
                file.commit().await.map(drop)
            })
        }),
        ("open, write, drop", |fs| {
            Box::pin(async move {
                let mut file = fs.open("folder/new", Mode::Write).await?;
                file.write(vec![7; 300_000]).await
            })
        }),
        ("update", |fs| {
            Box::pin(async move {
                let mut file = fs.open("old", Mode::Update).await?;
                file.write(&b"X"[..]).await?;
                file.abort().await
            })
        }),
        ("chunks", |fs| {
            Box::pin(async move {
                let file = fs.open("old", Mode::Read).await?;
                let mut chunks = file.chunks(.., 100_000).await?;
                while let Some(block) = chunks.next().await {
                    block?;
                }
                Ok(())
            })
        }),
        ("stage, write, publish", |fs| {
            Box::pin(async move {
                let id = fs.stage(&StageOptions::default()).await?;
                fs.reopen(&id).await?.write_at(0, vec![7; 100_000]).await?;
                fs.publish(&id, "folder/new", &WriteOptions::default()).await.map(drop)
            })
        }),
        ("copy, rename, remove", |fs| {
            Box::pin(async move {
                fs.copy("old", "folder/copy").await?;
                fs.rename("folder/copy", "folder/moved").await?;
                fs.remove("folder/moved").await
            })
        }),
        ("file-like: write, close", |fs| {
            Box::pin(async move {
                let mut file = FileLikeSystem::new(fs).open("folder/new", filelike::Mode::Write).await?;
                file.write(vec![7; 300_000]).await?;
                file.write(vec![8; 300_000]).await?;
                file.close().await
            })
        }),
        ("file-like: change, abort", |fs| {
            Box::pin(async move {
                let mut file = FileLikeSystem::new(fs).open("old", filelike::Mode::Update).await?;
                file.seek(std::io::SeekFrom::Start(10))?;
                file.write(vec![7; 600_000]).await?;
                file.seek(std::io::SeekFrom::Start(0))?;
                file.read(20).await?;
                file.abort().await
            })
        }),
        ("file-like: list, remove", |fs| {
            Box::pin(async move {
                fs.write("folder/a/b", "x").await?;
                let system = FileLikeSystem::new(fs);
                system.ls("*").await?;
                system.rm("folder/*").await
            })
        }),
        ("list", |fs| {
            Box::pin(async move {
                let options = ListOptions { metadata: true, ..ListOptions::default() };
                let mut entries = fs.entries("", &options).await?;
                while !entries.next_page(1).await?.is_empty() {}
                Ok(())
            })
        }),
    ]
}

#[test]
fn every_await_can_be_the_last() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a scratch folder");
    let root = folder.path().canonicalize().expect("it is there");
    let fs = smol::block_on(Fs::connect(root.to_str().expect("a plain name"))).expect("the store opens");
    // Too long to be read where it is awaited, block by block, too.
    let old = vec![1; 5_000_000];
    smol::block_on(fs.write("old", &old)).expect("the old file");
    let baseline = descriptors(&root);
    let mut cancelled = 0;
    for (name, attempt) in attempts() {
        for polls in 0.. {
            let outcome = poll_and_drop(attempt(fs.clone()), polls);
            settles(&format!("{name}: descriptors after {polls} polls"), || descriptors(&root) == baseline);
            // An upload with an id outlives whoever made it; everything else is gone.
            for staged in smol::block_on(fs.list_staged()).expect("staged uploads can be listed") {
                smol::block_on(fs.discard(&staged.id)).expect("it is there");
            }
            settles(&format!("{name}: {:?} after {polls} polls", litter(&root)), || litter(&root).is_empty());
            assert_eq!(smol::block_on(fs.read("old")).expect("untouched"), old, "{name}, {polls} polls");
            if let Ok(metadata) = smol::block_on(fs.stat("folder/new")) {
                assert!(
                    [1 << 20, 600_000, 100_000].contains(&metadata.len),
                    "{name}: {} bytes",
                    metadata.len
                );
            }
            let _ = smol::block_on(fs.remove_all("folder"));
            match outcome {
                Some(result) => {
                    result.unwrap_or_else(|error| panic!("{name} went wrong by itself: {error}"));
                    break;
                }
                None => cancelled += 1,
            }
        }
    }
    println!("FIGURE: futures cancelled at an await: {cancelled}");
    assert!(cancelled > 20, "only {cancelled} awaits were met");
}
