//! The four levels of the limit, the window, and what the first error does to the rest.

use twinfs::bulk::{Files, Limit, OnError, Options};
use twinfs::stores::memory::MemoryStore;
use twinfs::{ErrorKind, FsPath, Operation, blocking, bulk, settings};

use crate::path;
use crate::remote::{near, remote};

fn files(memory: &MemoryStore, count: usize) -> Vec<FsPath> {
    let (_, fs) = near(memory);
    (0..count)
        .map(|number| {
            let path = path(&format!("f{number}"));
            fs.write(&path, "x").unwrap();
            path
        })
        .collect()
}

/// One test for all levels, since the setting is the whole process's.
#[test]
fn the_nearest_of_four_levels_counts() {
    let memory = MemoryStore::default();
    let files = files(&memory, 40);
    let (fs, sync, gate) = remote(&memory);
    let call = Options::default().limit(Limit::at_most(3));

    settings::set(settings::BULK_LIMIT, "7").unwrap();
    settings::set(settings::BULK_LIMIT_LOCAL_FILES, "9").unwrap();
    assert_eq!(Limit::effective(None, None, Files::Elsewhere).to_number(), 7);
    assert_eq!(Limit::effective(None, None, Files::Local).to_number(), 9);

    let fs_limited = fs.clone().with_bulk_limit(Some(Limit::at_most(5)));
    smol::block_on(async {
        bulk::cat(&fs_limited, &files, &call).await.unwrap();
        assert_eq!(gate.most(), 3);
        bulk::cat(&fs_limited, &files, &Options::default()).await.unwrap();
        assert_eq!(gate.most(), 5);
        bulk::cat(&fs, &files, &Options::default()).await.unwrap();
        assert_eq!(gate.most(), 7);
        bulk::cat(&fs, &files, &Options::default().limit(Limit::All)).await.unwrap();
        assert_eq!(gate.most(), 40);
    });
    blocking::bulk::cat(&sync, &files, &call).unwrap();
    assert_eq!(gate.most(), 3, "the sync face overlaps operations, too");

    settings::unset(settings::BULK_LIMIT).unwrap();
    settings::unset(settings::BULK_LIMIT_LOCAL_FILES).unwrap();
    assert_eq!(Limit::effective(None, None, Files::Elsewhere).to_number(), 128);
    assert!((1..=64).contains(&Limit::effective(None, None, Files::Local).to_number()));
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    for number in [0, -2, i64::MIN] {
        assert_eq!(Limit::try_from(number).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    for (name, value) in [("bulk.limit", "0"), ("bulk.limit", "many"), ("bulk.other", "1")] {
        assert_eq!(settings::set(name, value).unwrap_err().kind(), ErrorKind::InvalidInput, "{name}={value}");
    }
}

#[test]
fn the_first_error_cancels_the_rest() {
    let memory = MemoryStore::default();
    let mut files = files(&memory, 100);
    files.insert(0, path("missing"));
    let (fs, _, gate) = remote(&memory);
    smol::block_on(async {
        let options = Options::default().limit(Limit::at_most(4));
        let error = bulk::cat(&fs, &files, &options).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        // Those beside it go on until its thread has said so, which on a busy machine takes a moment.
        assert!(gate.finished() < 50, "{} operations went on", gate.finished());
        assert_eq!(gate.now(), 0, "nothing is in flight after the call");

        let options = options.on_error(OnError::Return);
        assert_eq!(bulk::cat(&fs, &files, &options).await.unwrap().len(), 101);
    });
}

#[test]
fn every_operation_can_fail() {
    let memory = MemoryStore::default();
    let files = files(&memory, 10);
    let (fs, sync, gate) = remote(&memory);
    gate.fail(Operation::Read, ErrorKind::Connection);
    let options = Options::default().on_error(OnError::Return);
    let kinds = |items: Vec<bulk::Item<bytes::Bytes>>| {
        items.into_iter().map(|item| item.result.unwrap_err().kind()).collect::<Vec<_>>()
    };
    let found = smol::block_on(bulk::cat(&fs, &files, &options)).unwrap();
    assert_eq!(kinds(found), [ErrorKind::Connection; 10]);
    let found = blocking::bulk::cat(&sync, &files, &options).unwrap();
    assert_eq!(kinds(found), [ErrorKind::Connection; 10]);
}

#[test]
fn the_sync_face_works_inside_a_runtime() {
    let memory = MemoryStore::default();
    let files = files(&memory, 10);
    let (_, sync, _) = remote(&memory);
    let (_, sync_near) = near(&memory);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        assert_eq!(blocking::bulk::cat(&sync, &files, &Options::default()).unwrap().len(), 10);
        assert_eq!(blocking::bulk::cat(&sync_near, &files, &Options::default()).unwrap().len(), 10);
    });
}
