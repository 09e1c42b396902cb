//! The conformance suite itself: it finds the faults of stores that have some, and asks of a store
//! no more than it declares.

#![cfg(test)]
#![allow(clippy::unwrap_used, reason = "a test says what must hold by unwrapping")]

use std::sync::Arc;

use bytes::Bytes;
use rstest::rstest;
use twinfs::adapters::Ready;
use twinfs::conformance::{self, Options, Report};
use twinfs::stores::memory::MemoryStore;
use twinfs::{
    BlockingFile, BlockingLister, BlockingStore, Capabilities, Condition, CreateDirOptions, Data, Entry,
    Error, ErrorKind, Fs, FsPath, Lease, ListOptions, Metadata, MoveOptions, OpenOptions, Parents,
    ReadOptions, RemoveOptions, Result, StageOptions, Staged, StagedId, StatOptions, Version, WriteOptions,
    blocking,
};

/// What a store does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    RangesPastTheEndFail,
    ConditionsAreForgotten,
    VersionsStay,
    DirectoriesSortLikeFiles,
    PagesLoseAnEntry,
    StartAfterIsInclusive,
    RequiredParentsAreMade,
    WritesLeaveLitter,
    WritesShowAPart,
    RenameCopies,
    MissingFilesAreRemoved,
    UploadsAreNotListed,
    PublishKeepsTheUpload,
    ManyReadsAreReversed,
    NamesAreTrimmed,
    WritersAreNotExclusive,
    DirectoriesReadAsEmpty,
    CopiesAreEmpty,
}

/// A memory store with a fault, or with less to offer.
struct Faulty {
    inner: MemoryStore,
    fault: Fault,
    capabilities: Capabilities,
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        let inner = MemoryStore::default();
        Self { capabilities: *inner.capabilities(), inner, fault }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// The path as this store understands it.
    fn path(&self, path: &FsPath) -> FsPath {
        if self.has(Fault::NamesAreTrimmed) {
            FsPath::new(path.as_str().trim_end_matches(' ')).unwrap()
        } else {
            path.clone()
        }
    }

    fn seen(&self, mut metadata: Metadata) -> Metadata {
        if self.has(Fault::VersionsStay) && metadata.version.is_some() {
            metadata.version = Some(Version::new("1"));
        }
        metadata
    }
}

impl BlockingStore for Faulty {
    fn scheme(&self) -> &'static str {
        "faulty"
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    fn stat(&self, path: &FsPath, options: &StatOptions) -> Result<Metadata> {
        Ok(self.seen(self.inner.stat(&self.path(path), options)?))
    }

    fn read(&self, path: &FsPath, options: &ReadOptions) -> Result<Bytes> {
        let path = self.path(path);
        if self.has(Fault::RangesPastTheEndFail) {
            let len = self.inner.stat(&path, &StatOptions::default())?.len;
            if let twinfs::ByteRange::Bounded(_, end) = options.range
                && end > len
            {
                return Err(Error::new(ErrorKind::InvalidInput));
            }
        }
        match self.inner.read(&path, options) {
            Err(error)
                if self.has(Fault::DirectoriesReadAsEmpty) && error.kind() == ErrorKind::IsADirectory =>
            {
                Ok(Bytes::new())
            }
            result => result,
        }
    }

    fn read_many(&self, paths: &[FsPath], options: &ReadOptions) -> Result<Vec<Result<Bytes>>> {
        let mut results: Vec<_> = paths.iter().map(|path| self.read(path, options)).collect();
        if self.has(Fault::ManyReadsAreReversed) {
            results.reverse();
        }
        Ok(results)
    }

    fn write(&self, path: &FsPath, data: &Data<'_>, options: &WriteOptions) -> Result<Metadata> {
        let mut options = options.clone();
        if self.has(Fault::ConditionsAreForgotten) {
            options.condition = Condition::None;
        }
        if self.has(Fault::RequiredParentsAreMade) {
            options.parents = Parents::Create;
        }
        let path = self.path(path);
        if self.has(Fault::WritesShowAPart) && options.condition == Condition::None {
            self.inner.write(&path, &Data::from(&data[..data.len() / 2]), &options)?;
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let metadata = self.inner.write(&path, data, &options)?;
        if self.has(Fault::WritesLeaveLitter) {
            let litter = FsPath::new(&format!("{path}.tmp"))?;
            self.inner.write(&litter, data, &WriteOptions::default())?;
        }
        Ok(self.seen(metadata))
    }

    fn open(&self, path: &FsPath, options: &OpenOptions) -> Result<Box<dyn BlockingFile>> {
        let lease = if self.has(Fault::WritersAreNotExclusive) { Lease::Off } else { options.lease };
        self.inner.open(&self.path(path), &options.clone().lease(lease))
    }

    fn list(&self, path: &FsPath, options: &ListOptions) -> Result<Box<dyn BlockingLister>> {
        let mut options = options.clone();
        if self.has(Fault::StartAfterIsInclusive)
            && let Some(mut start) = options.start_after.take()
        {
            start.pop();
            options.start_after = Some(start);
        }
        let lister = self.inner.list(&self.path(path), &options)?;
        Ok(Box::new(FaultyLister { lister, fault: self.fault, pages: 0 }))
    }

    fn create_dir(&self, path: &FsPath, options: &CreateDirOptions) -> Result<()> {
        self.inner.create_dir(&self.path(path), options)
    }

    fn remove(&self, path: &FsPath, options: &RemoveOptions) -> Result<()> {
        match self.inner.remove(&self.path(path), options) {
            Err(error) if self.has(Fault::MissingFilesAreRemoved) && error.kind() == ErrorKind::NotFound => {
                Ok(())
            }
            result => result,
        }
    }

    fn remove_dir(&self, path: &FsPath, options: &RemoveOptions) -> Result<()> {
        self.inner.remove_dir(&self.path(path), options)
    }

    fn remove_all(&self, path: &FsPath, options: &RemoveOptions) -> Result<()> {
        self.inner.remove_all(&self.path(path), options)
    }

    fn rename(&self, from: &FsPath, to: &FsPath, options: &MoveOptions) -> Result<()> {
        if self.has(Fault::RenameCopies) {
            return self.copy(from, to, options).map(drop);
        }
        self.inner.rename(&self.path(from), &self.path(to), options)
    }

    fn copy(&self, from: &FsPath, to: &FsPath, options: &MoveOptions) -> Result<Metadata> {
        let metadata = self.inner.copy(&self.path(from), &self.path(to), options)?;
        if self.has(Fault::CopiesAreEmpty) {
            return self.inner.write(&self.path(to), &Data::from(""), &WriteOptions::default());
        }
        Ok(self.seen(metadata))
    }

    fn stage(&self, options: &StageOptions) -> Result<StagedId> {
        self.inner.stage(options)
    }

    fn reopen(&self, id: &StagedId) -> Result<Box<dyn BlockingFile>> {
        self.inner.reopen(id)
    }

    fn publish(&self, id: &StagedId, path: &FsPath, options: &WriteOptions) -> Result<Metadata> {
        if self.has(Fault::PublishKeepsTheUpload) {
            let upload = self.inner.reopen(id)?;
            let bytes = upload.read_bytes(0, usize::try_from(upload.len()?).unwrap())?;
            return self.inner.write(path, &Data::from(bytes), options);
        }
        Ok(self.seen(self.inner.publish(id, &self.path(path), options)?))
    }

    fn discard(&self, id: &StagedId) -> Result<()> {
        self.inner.discard(id)
    }

    fn list_staged(&self) -> Result<Vec<Staged>> {
        if self.has(Fault::UploadsAreNotListed) { Ok(Vec::new()) } else { self.inner.list_staged() }
    }
}

struct FaultyLister {
    lister: Box<dyn BlockingLister>,
    fault: Fault,
    pages: usize,
}

impl BlockingLister for FaultyLister {
    fn next_page(&mut self, max: usize) -> Result<Vec<Entry>> {
        let mut page = self.lister.next_page(max)?;
        self.pages += 1;
        match self.fault {
            Fault::DirectoriesSortLikeFiles => page.sort_by(|a, b| a.path.cmp(&b.path)),
            Fault::PagesLoseAnEntry if self.pages == 2 && page.len() > 1 => {
                page.remove(0);
            }
            _ => {}
        }
        Ok(page)
    }
}

fn sync(store: Faulty, options: &Options) -> Report {
    conformance::run_blocking(&blocking::Fs::new(Ready::new(Arc::new(store))), options)
}

fn asynchronous(store: Faulty, options: &Options) -> Report {
    smol::block_on(conformance::run_async(&Fs::new(Ready::new(Arc::new(store))), options))
}

fn assert_fails(report: &Report, trial: &str) {
    assert!(report.failed.iter().any(|(name, _)| *name == trial), "{trial} found nothing: {report}");
}

#[rstest]
#[case(Fault::RangesPastTheEndFail, "read_range_clips")]
#[case(Fault::ConditionsAreForgotten, "if_absent_writes_only_where_nothing_is")]
#[case(Fault::ConditionsAreForgotten, "if_version_writes_only_over_that_version")]
#[case(Fault::VersionsStay, "every_write_changes_the_version")]
#[case(Fault::DirectoriesSortLikeFiles, "listings_are_ordered_by_full_paths")]
#[case(Fault::PagesLoseAnEntry, "pages_of_any_size_give_the_same")]
#[case(Fault::StartAfterIsInclusive, "start_after_starts_after")]
#[case(Fault::RequiredParentsAreMade, "write_can_require_the_parent")]
#[case(Fault::WritesLeaveLitter, "write_leaves_nothing_else")]
#[case(Fault::RenameCopies, "rename_moves_a_file")]
#[case(Fault::RenameCopies, "one_of_two_movers_wins")]
#[case(Fault::MissingFilesAreRemoved, "remove_removes_a_file")]
#[case(Fault::UploadsAreNotListed, "uploads_are_listed")]
#[case(Fault::PublishKeepsTheUpload, "one_of_two_publishers_wins")]
#[case(Fault::PublishKeepsTheUpload, "an_upload_that_is_gone_is_not_found")]
#[case(Fault::ManyReadsAreReversed, "read_many_keeps_the_order")]
#[case(Fault::NamesAreTrimmed, "names_differ_by_every_byte")]
#[case(Fault::WritersAreNotExclusive, "a_second_writer_is_refused_at_open")]
#[case(Fault::DirectoriesReadAsEmpty, "a_directory_is_no_file")]
#[case(Fault::CopiesAreEmpty, "copy_copies_a_file")]
fn a_fault_is_found_on_both_faces(#[case] fault: Fault, #[case] trial: &str) {
    let only = Options::default().only(trial);
    assert_fails(&sync(Faulty::new(fault), &only), trial);
    assert_fails(&asynchronous(Faulty::new(fault), &only), trial);
    // The same trial holds without the fault.
    sync(Faulty::new(Fault::None), &only).assert_all();
}

/// On the sync face the two run on threads of their own, so the part shows that stands for a while.
#[test]
fn a_part_that_shows_is_found() {
    let trial = "a_reader_never_sees_a_part";
    let only = Options::default().only(trial);
    let found =
        || sync(Faulty::new(Fault::WritesShowAPart), &only).failed.iter().any(|(name, _)| *name == trial);
    // On a busy machine the one may be done before the other has begun.
    assert!((0..20).any(|_| found()), "{trial} found nothing");
}

/// What a store may lack and a call may ask for.
#[derive(Clone, Copy, Debug)]
enum Lack {
    IfAbsent,
    IfVersion,
    InPlace,
    WriteHandles,
    UpdateHandles,
    StagedUploads,
    Durable,
    All,
}

impl Lack {
    fn in_capabilities(self, caps: Capabilities) -> Capabilities {
        match self {
            Self::IfAbsent => Capabilities { if_absent: false, ..caps },
            Self::IfVersion => Capabilities { if_version: false, ..caps },
            Self::InPlace => Capabilities { in_place: false, ..caps },
            Self::WriteHandles => Capabilities { write_handles: false, update_handles: false, ..caps },
            Self::UpdateHandles => Capabilities { update_handles: false, ..caps },
            Self::StagedUploads => Capabilities { staged_uploads: false, ..caps },
            Self::Durable => Capabilities { durable: false, ..caps },
            Self::All => Capabilities { write: true, ..Capabilities::read_only() },
        }
    }
}

#[rstest]
#[case(Lack::IfAbsent, "one_of_two_creators_wins")]
#[case(Lack::IfVersion, "if_version_writes_only_over_that_version")]
#[case(Lack::InPlace, "in_place_shows_at_once")]
#[case(Lack::WriteHandles, "commit_gives_the_new_metadata")]
#[case(Lack::UpdateHandles, "append_goes_to_the_end")]
#[case(Lack::StagedUploads, "uploads_are_listed")]
#[case(Lack::Durable, "every_durability_writes_the_same")]
#[case(Lack::All, "a_gap_reads_as_zeros")]
fn what_a_store_does_not_declare_must_be_refused(#[case] lack: Lack, #[case] trial: &str) {
    for run in [sync, asynchronous] {
        let mut store = Faulty::new(Fault::None);
        store.capabilities = lack.in_capabilities(store.capabilities);
        let report = run(store, &Options::default());
        report.assert_all();
        assert!(report.refused.contains(&trial), "{trial}");
    }
}

#[test]
fn what_no_call_asks_for_is_left_out() {
    let mut store = Faulty::new(Fault::None);
    store.capabilities =
        Capabilities { leases: false, directories: false, atomic_rename: false, ..store.capabilities };
    let report = sync(store, &Options::default());
    report.assert_all();
    for trial in ["create_dir_makes_one", "a_second_writer_is_refused_at_open"] {
        assert!(report.skipped.contains(&trial), "{trial}");
    }
}

#[test]
fn a_store_that_is_only_read_gets_its_files_by_another_way() {
    let mut store = Faulty::new(Fault::None);
    store.capabilities = Capabilities::read_only();
    let writer = store.inner.clone();
    let put = move |path: &FsPath, data: &[u8]| {
        writer.write(path, &Data::from(data), &WriteOptions::default()).map(drop)
    };
    let report = sync(store, &Options::default().put(put));
    report.assert_all();
    for trial in ["read_range_clips", "pages_of_any_size_give_the_same", "disk_usage_counts"] {
        assert!(report.passed.contains(&trial), "{trial}");
    }
    assert!(report.refused.contains(&"write_replaces_all"));
}

#[test]
fn a_limit_is_tried_where_it_is_small() {
    let mut store = Faulty::new(Fault::None);
    store.capabilities.max_file_bytes = Some(20_000_000);
    let report = sync(store, &Options::default().only("too_large_is_said"));
    assert_eq!(report.passed, ["too_large_is_said"], "{report}");
}

#[test]
fn a_store_that_promises_what_it_refuses_fails() {
    let mut store = Faulty::new(Fault::None);
    store.capabilities.durable = true;
    store.fault = Fault::CopiesAreEmpty;
    let report = sync(store, &Options::default().only("every_durability"));
    assert_fails(&report, "every_durability_writes_the_same");
    assert!(report.to_string().contains("every_durability_writes_the_same: writing.rs:"), "{report}");
}
