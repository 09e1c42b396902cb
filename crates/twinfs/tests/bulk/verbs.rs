//! cat, pipe, rm, sizes, cat_ranges.

use std::sync::{Arc, Mutex};

use twinfs::bulk::{OnError, Options, Progress, ProgressItem, Slice, SliceOf};
use twinfs::stores::memory::MemoryStore;
use twinfs::{Depth, Error, ErrorKind, WriteItem, WriteOptions, blocking};

use crate::{everywhere, path, paths};

fn plain(memory: &MemoryStore) -> blocking::Fs<twinfs::adapters::Ready<MemoryStore>> {
    crate::remote::near(memory).1
}

/// Writes `count` files `f0`, `f1`, ... that hold their number.
fn fill(memory: &MemoryStore, count: usize) -> Vec<twinfs::FsPath> {
    let fs = plain(memory);
    (0..count)
        .map(|number| {
            let path = path(&format!("d/f{number}"));
            fs.write(&path, number.to_string()).unwrap();
            path
        })
        .collect()
}

everywhere! {
    async fn cat_keeps_the_order(fs, memory, bulk) {
        let mut files = fill(&memory, 300);
        files.reverse();
        let read = bulk::cat(&fs, &files, &Options::default()).await.unwrap();
        assert_eq!(read.len(), 300);
        for (index, item) in read.into_iter().enumerate() {
            assert_eq!((item.index, &item.path), (index, &files[index]));
            assert_eq!(item.result.unwrap(), (299 - index).to_string());
        }
    }

    async fn cat_means_what_on_error_says(fs, memory, bulk) {
        let mut files = fill(&memory, 5);
        files.insert(2, path("missing"));
        let raise = bulk::cat(&fs, &files, &Options::default()).await.unwrap_err();
        assert_eq!((raise.kind(), raise.path()), (ErrorKind::NotFound, Some("missing")));

        let omit = bulk::cat(&fs, &files, &Options::default().on_error(OnError::Omit)).await.unwrap();
        assert_eq!(omit.iter().map(|item| item.index).collect::<Vec<_>>(), [0, 1, 3, 4, 5]);

        let all = bulk::cat(&fs, &files, &Options::default().on_error(OnError::Return)).await.unwrap();
        assert_eq!(all.len(), 6);
        for item in &all {
            let kind = item.result.as_ref().err().map(Error::kind);
            assert_eq!(kind, (item.index == 2).then_some(ErrorKind::NotFound));
        }
    }

    async fn pipe_writes_all_and_refuses_twins(fs, memory, bulk) {
        let item = |name: &str, text: &'static str| WriteItem { path: path(name), data: text.into() };
        let items = [item("b", "2"), item("a/x", "1")];
        let written = bulk::pipe(&fs, &items, &WriteOptions::default(), &Options::default()).await.unwrap();
        assert_eq!(written[0].result.as_ref().unwrap().len, 1);
        assert_eq!(plain(&memory).read("a/x").unwrap(), "1");

        let twins = [item("c", "1"), item("c", "2")];
        let error = bulk::pipe(&fs, &twins, &WriteOptions::default(), &Options::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!plain(&memory).exists("c").unwrap());

        let again = [item("new", "1"), item("b", "changed")];
        let options = Options::default().on_error(OnError::Return);
        let written = bulk::pipe(&fs, &again, &WriteOptions::if_absent(), &options).await.unwrap();
        assert!(written[0].result.is_ok());
        assert_eq!(written[1].result.as_ref().unwrap_err().kind(), ErrorKind::ConditionFailed);
        assert_eq!(plain(&memory).read("b").unwrap(), "2");
    }

    async fn rm_takes_a_directory_and_what_is_in_it(fs, memory, bulk) {
        fill(&memory, 3);
        let some = paths(&["d", "d/f1", "d/f0"]);
        bulk::rm(&fs, &some, Depth::Recursive, &Options::default()).await.unwrap();
        assert!(!plain(&memory).exists("d").unwrap());

        fill(&memory, 2);
        let error = bulk::rm(&fs, &paths(&["d"]), Depth::Children, &Options::default()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
        let options = Options::default().on_error(OnError::Return);
        let removed = bulk::rm(&fs, &paths(&["d/f0", "d/none"]), Depth::Children, &options).await.unwrap();
        assert!(removed[0].result.is_ok());
        assert_eq!(removed[1].result.as_ref().unwrap_err().kind(), ErrorKind::NotFound);
    }

    async fn sizes_are_lengths(fs, memory, bulk) {
        plain(&memory).write("a", "12345").unwrap();
        plain(&memory).create_dir("dir").unwrap();
        let options = Options::default().on_error(OnError::Omit);
        let sizes = bulk::sizes(&fs, &paths(&["dir", "none", "a"]), &options).await.unwrap();
        let sizes: Vec<(usize, u64)> = sizes.into_iter().map(|item| (item.index, item.result.unwrap())).collect();
        assert_eq!(sizes, [(0, 0), (2, 5)]);
    }

    async fn cat_ranges_reads_slices(fs, memory, bulk) {
        plain(&memory).write("a", "0123456789").unwrap();
        let slice = |start, end| SliceOf { path: path("a"), slice: Slice { start, end } };
        let slices = [
            slice(None, None), slice(Some(2), Some(4)), slice(Some(-3), None), slice(Some(-4), Some(-2)),
            slice(Some(3), Some(-1)), slice(Some(8), Some(99)), slice(Some(5), Some(2)), slice(None, Some(3)),
        ];
        let read = bulk::cat_ranges(&fs, &slices, &Options::default()).await.unwrap();
        let read: Vec<_> = read.into_iter().map(|item| item.result.unwrap()).collect();
        assert_eq!(read, ["0123456789", "23", "789", "67", "345678", "89", "", "012"]);
    }

    async fn nothing_to_do_is_fine(fs, memory, bulk) {
        assert!(bulk::cat(&fs, &[], &Options::default()).await.unwrap().is_empty());
        assert!(bulk::pipe(&fs, &[], &WriteOptions::default(), &Options::default()).await.unwrap().is_empty());
        assert_eq!(bulk::put(&fs, &fs, &[], &Default::default()).await.unwrap().files, 0);
        assert_eq!(memory.used_bytes(), 0);
    }

    async fn progress_tells_of_every_item(fs, memory, bulk) {
        let mut files = fill(&memory, 3);
        files.push(path("missing"));
        let log = Arc::new(Log::default());
        let options = Options::default().on_error(OnError::Omit).progress(log.clone());
        bulk::cat(&fs, &files, &options).await.unwrap();
        let log = log.0.lock().unwrap();
        for (index, events) in [["discovered", "started", "advanced 1", "finished"]; 3].iter().enumerate() {
            assert_eq!(log.iter().filter(|(at, _)| *at == index).map(|(_, event)| event).collect::<Vec<_>>(), *events);
        }
        let last: Vec<&String> = log.iter().filter(|(at, _)| *at == 3).map(|(_, event)| event).collect();
        assert_eq!(last, ["discovered", "started", "failed"]);
    }
}

#[derive(Default)]
struct Log(Mutex<Vec<(usize, String)>>);

impl Log {
    fn add(&self, item: &ProgressItem<'_>, event: impl Into<String>) {
        self.0.lock().unwrap().push((item.index, event.into()));
    }
}

impl Progress for Log {
    fn discovered(&self, item: &ProgressItem<'_>) {
        self.add(item, "discovered");
    }
    fn started(&self, item: &ProgressItem<'_>) {
        self.add(item, "started");
    }
    fn advanced(&self, item: &ProgressItem<'_>, bytes: u64) {
        self.add(item, format!("advanced {bytes}"));
    }
    fn finished(&self, item: &ProgressItem<'_>, result: Result<(), &Error>) {
        self.add(item, if result.is_ok() { "finished" } else { "failed" });
    }
}
