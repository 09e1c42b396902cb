//! What the client promises beyond plain transfers, against a twinfs server in this process.

use std::fs;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use twinfs::ErrorKind;
use twinfs::runfiles::{Progress, RunFiles, Tracer, blocking};

use crate::own_temporary_directory;
use crate::servers::{Cutter, Server, start, twinfs};

fn in_memory(configure: impl FnOnce(&mut twinfs_server::Config)) -> (Server, twinfs::Fs) {
    let fs = twinfs::Fs::memory();
    (start(fs.clone(), tempfile::tempdir().unwrap(), configure), fs)
}

fn sync_run(server: &Server) -> blocking::RunFiles {
    blocking::RunFiles::new("run", &server.url, &server.token).unwrap()
}

/// A local folder with so many files of so many bytes.
fn files(count: usize, bytes: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..count {
        fs::write(folder.path().join(format!("{number:05}")), vec![b'x'; bytes]).unwrap();
    }
    folder
}

/// Waits for something that another thread is about to do.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("never came true: {what}");
}

#[test]
fn the_server_names_its_largest_chunk() {
    let (server, _) = in_memory(|config| config.limits.max_chunk = 100_000);
    let run = sync_run(&server);
    run.upload(files(1, 1_000_000).path()).unwrap();
    assert_eq!(run.chunk_size(), 100_000);
    assert_eq!(run.open("out/00000").unwrap().read_all().unwrap().len(), 1_000_000);
    let (server, _) = in_memory(|config| config.limits.max_chunk = 8 << 20);
    let run = sync_run(&server);
    run.upload(files(1, 9 << 20).path()).unwrap();
    assert!(run.chunk_size() > 1 << 20);
}

#[test]
fn chunks_are_halved_until_a_server_takes_them() {
    let (server, data) = in_memory(|config| config.limits.max_chunk = 100_000);
    let silent = Cutter::hiding(&server, "twinfs-max-chunk");
    let run = blocking::RunFiles::new("run", &silent.url, &server.token).unwrap();
    run.upload(files(3, 2_500_000).path()).unwrap();
    assert_eq!(run.chunk_size(), 1 << 16);
    for file in run.ls("out").unwrap() {
        assert_eq!(file.size, 2_500_000, "{}", file.path);
        assert!(run.open(&file.path).unwrap().read_all().unwrap().iter().all(|byte| *byte == b'x'));
    }
    assert_eq!(smol::block_on(data.list_staged()).unwrap().len(), 0, "uploads given up are cancelled");
}

#[test]
fn many_files_go_up_and_come_down() {
    let (server, data) = in_memory(|_| ());
    let _own = own_temporary_directory();
    let run = sync_run(&server);
    run.upload(files(2100, 10).path()).unwrap();
    assert_eq!(run.ls("out").unwrap().len(), 2100);
    let arrived: Vec<_> = run.download("out").unwrap().map(Result::unwrap).collect();
    assert_eq!(arrived.len(), 2100);
    assert!(arrived.is_sorted());
    assert!(arrived.iter().all(|path| path.is_absolute() && fs::metadata(path).unwrap().len() == 10));
    assert_eq!(smol::block_on(data.list_staged()).unwrap().len(), 0);
}

#[test]
fn progress_is_told() {
    let (server, _) = in_memory(|_| ());
    let _own = own_temporary_directory();
    for upload in [true, false] {
        let seen: Arc<Mutex<Vec<Progress>>> = Arc::default();
        let keep = Arc::clone(&seen);
        let run = sync_run(&server).with_progress(move |progress| keep.lock().unwrap().push(progress));
        if upload {
            run.upload(files(3, 1_500_000).path()).unwrap();
        } else {
            assert_eq!(run.download("out").unwrap().count(), 3);
        }
        let seen = seen.lock().unwrap();
        assert!(seen.len() >= 6, "{seen:?}");
        assert!(seen.iter().all(|progress| (progress.total_bytes, progress.total_files) == (4_500_000, 3)));
        let last = seen.iter().max_by_key(|progress| (progress.files, progress.bytes)).unwrap();
        assert_eq!((last.bytes, last.files), (4_500_000, 3));
    }
}

#[test]
fn a_cancelled_upload_leaves_nothing_behind() {
    let (server, data) = in_memory(|_| ());
    let (tell, told) = std::sync::mpsc::channel();
    let run = RunFiles::new("run", &server.url, &server.token).unwrap();
    let run = run.with_progress(move |_| {
        let _ = tell.send(());
    });
    let local = files(4, 20 << 20);
    {
        let mut upload = pin!(run.upload(local.path()));
        let mut context = Context::from_waker(Waker::noop());
        while told.try_recv().is_err() {
            assert!(upload.as_mut().poll(&mut context).is_pending(), "it ended before it was cancelled");
            std::thread::yield_now();
        }
        assert_ne!(smol::block_on(data.list_staged()).unwrap().len(), 0);
    }
    eventually("the uploads are cancelled", || smol::block_on(data.list_staged()).unwrap().is_empty());
    assert_eq!(smol::block_on(run.ls("out")).unwrap(), []);
}

#[test]
fn a_cancelled_download_leaves_nothing_behind() {
    let (server, _) = in_memory(|_| ());
    let own = own_temporary_directory();
    sync_run(&server).upload(files(30, 300_000).path()).unwrap();
    let left = || fs::read_dir(own.path()).unwrap().count();
    let run = RunFiles::new("run", &server.url, &server.token).unwrap();
    for polls in [1, 3, 10] {
        let mut download = run.download("out").unwrap();
        {
            let mut next = pin!(download.next());
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..polls {
                if let Poll::Ready(path) = next.as_mut().poll(&mut context) {
                    let folder = path.unwrap().unwrap().parent().unwrap().to_owned();
                    fs::remove_dir_all(folder).unwrap();
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        drop(download);
        eventually("the folders are gone", || left() == 0);
    }
    // A cancelled `next` loses no file.
    smol::block_on(async {
        let mut download = run.download("out").unwrap();
        let mut arrived = Vec::new();
        loop {
            let next = {
                let mut next = pin!(download.next());
                let once = std::future::poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await;
                match once {
                    Poll::Ready(next) => next,
                    Poll::Pending => {
                        smol::Timer::after(Duration::from_millis(1)).await;
                        continue;
                    }
                }
            };
            match next {
                Some(path) => arrived.push(path.unwrap()),
                None => break,
            }
        }
        assert_eq!(arrived.len(), 30);
        assert!(arrived.is_sorted());
    });
}

#[test]
fn a_path_that_is_taken_back_goes_with_the_download() {
    let (server, _) = in_memory(|_| ());
    let own = own_temporary_directory();
    let run = sync_run(&server);
    let local = files(2, 10);
    fs::create_dir_all(local.path().join("a/folder")).unwrap();
    fs::write(local.path().join("a/folder/file"), "x").unwrap();
    run.upload(local.path()).unwrap();
    drop(local);
    for close in [true, false] {
        let mut download = run.download("out").unwrap();
        let kept = [download.next().unwrap().unwrap(), download.next().unwrap().unwrap()];
        let back = download.next().unwrap().unwrap();
        assert!(back.ends_with("a/folder/file"));
        download.take_back();
        if close {
            download.close();
        }
        drop(download);
        eventually("its folders are gone", || !back.parent().unwrap().parent().unwrap().exists());
        assert!(kept.iter().all(|path| path.exists()));
        fs::remove_dir_all(kept[0].parent().unwrap()).unwrap();
    }
    let mut download = run.download("out").unwrap();
    download.next().unwrap().unwrap();
    download.take_back();
    download.close();
    assert_eq!(fs::read_dir(own.path()).unwrap().count(), 0, "no path is handed out, so nothing is kept");
}

#[test]
fn a_file_removed_after_the_listing_is_not_found_and_nothing_stays() {
    let (server, _) = in_memory(|_| ());
    let own = own_temporary_directory();
    let run = sync_run(&server);
    run.upload(files(60, 10).path()).unwrap();
    let mut download = run.download("out").unwrap();
    download.next().unwrap().unwrap();
    run.remove("out/00059").unwrap();
    let error = download.find_map(Result::err).unwrap();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.path(), Some("out/00059"));
    assert_eq!(fs::read_dir(own.path()).unwrap().count(), 0);
    assert!(download.next().is_none(), "an error ends it");
}

#[test]
fn a_stream_asks_for_nothing_before_it_is_read_and_nothing_after_it_is_closed() {
    let run = blocking::RunFiles::new("run", "http://127.0.0.1:1", "").unwrap();
    let mut never = run.open("in/a").unwrap();
    never.close();
    never.close();
    let error = never.read_all().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.to_string().contains("closed stream"));
    assert_eq!(never.next().unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(run.open("tmp/a").unwrap_err().kind(), ErrorKind::InvalidInput);

    let server = twinfs();
    let run = sync_run(&server);
    run.upload(files(1, 3 << 20).path()).unwrap();
    let mut file = run.open("out/00000").unwrap();
    let first = file.next().unwrap().unwrap();
    assert_eq!(first.len() + file.read_all().unwrap().len(), 3 << 20);
    assert_eq!(file.read_all().unwrap().len(), 0, "at the end");
    assert!(file.next().is_none());
    file.remove().unwrap();
    assert_eq!(file.remove().unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(run.ls("out").unwrap(), []);
}

#[test]
fn a_stream_that_was_begun_says_at_once_what_is_missing_and_reads_the_same() {
    let (server, _) = in_memory(|_| ());
    let run = sync_run(&server);
    assert_eq!(run.open("out/00000").unwrap().begin().unwrap_err().kind(), ErrorKind::NotFound);
    run.upload(files(1, 3 << 20).path()).unwrap();
    for way in ["all", "by block"] {
        let mut file = run.open("out/00000").unwrap();
        file.begin().unwrap();
        file.begin().unwrap();
        let len = match way {
            "all" => file.read_all().unwrap().len(),
            _ => file.by_ref().map(|block| block.unwrap().len()).sum(),
        };
        assert_eq!(len, 3 << 20, "{way}");
        file.begin().unwrap();
        assert_eq!(file.read_all().unwrap().len(), 0, "{way}: at the end");
        file.close();
        assert_eq!(file.begin().unwrap_err().kind(), ErrorKind::Closed);
    }
    let mut file = run.open("out/00000").unwrap();
    file.begin().unwrap();
    run.close();
    assert_eq!(file.read_all().unwrap().len(), 3 << 20, "what is under way goes on");
}

#[test]
fn one_client_serves_many_threads_and_any_executor() {
    let (server, _) = in_memory(|_| ());
    let run = sync_run(&server);
    run.upload(files(1, 100).path()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(run.open("out/00000").unwrap().read_all().unwrap().len(), 100);
                }
            });
        }
    });
    let on_async = Tracer::new("run", &server.url, &server.token).fs().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        assert_eq!(on_async.ls("out").await.unwrap().len(), 1);
        // The sync face inside a running executor blocks its thread, and nothing more.
        assert_eq!(run.ls("out").unwrap().len(), 1);
    });
}

#[test]
fn a_forked_child_has_connections_of_its_own_and_removes_nothing_of_its_parent() {
    let (server, _) = in_memory(|_| ());
    let own = own_temporary_directory();
    let run = sync_run(&server);
    run.upload(files(20, 1000).path()).unwrap();
    let mut download = run.download("out").unwrap();
    let first = download.next().unwrap().unwrap();
    // SAFETY: the child uses what is made to survive a fork, and ends by `_exit`.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let lists = run.ls("out").is_ok_and(|files| files.len() == 20);
        let refuses =
            download.next().is_some_and(|next| next.is_err_and(|error| error.kind() == ErrorKind::Closed));
        drop(download);
        drop(run);
        // SAFETY: ends the child at once, without the parent's exit handlers.
        unsafe { libc::_exit(i32::from(!(lists && refuses))) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0);
    assert!(first.exists(), "the child removed the parent's files");
    assert_eq!(download.map(Result::unwrap).count(), 19);
    assert_eq!(fs::read_dir(own.path()).unwrap().count(), 1);
}
