//! The promises of a metadata store, held by SQLite.

use std::collections::HashSet;

use super::*;
use crate::metadata::now_millis;

fn row(owner: &str) -> SessionRow {
    SessionRow {
        id: Uuid::new_v4(),
        owner: owner.into(),
        announced: 3,
        created: now_millis(),
        touched: now_millis(),
        file: None,
        aside: None,
        parked: false,
    }
}

fn record(session: Uuid, number: u64, place: Place, files: [Option<&str>; 2]) -> Change {
    let [file, aside] = files.map(|file| file.map(str::to_owned));
    Change::Record { session, number, chunk: Chunk { len: 5, place }, file, aside, touched: 77 }
}

fn staged(names: &[&str]) -> HashSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The ids of the sessions that come back, with the numbers of their chunks.
fn numbers(recovered: &Recovered) -> HashMap<Uuid, Vec<u64>> {
    let numbers = |chunks: &Vec<(u64, Chunk)>| {
        let mut numbers: Vec<u64> = chunks.iter().map(|(number, _)| *number).collect();
        numbers.sort_unstable();
        numbers
    };
    recovered.sessions.iter().map(|(row, chunks)| (row.id, numbers(chunks))).collect()
}

#[tokio::test]
async fn what_was_applied_is_there_after_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metadata.sqlite");
    let (a, b) = (row("ada"), row("bob"));
    {
        let database = SqliteMetadata::open(Some(&path)).await.unwrap();
        database.apply(&[Change::Create(a.clone()), Change::Create(b.clone())]).await.unwrap();
        let changes = [
            record(a.id, 0, Place::File(0), [Some("f"), None]),
            record(a.id, 2, Place::Aside(0), [None, Some("s")]),
            record(a.id, 2, Place::File(99), [Some("other"), None]),
            record(b.id, 1, Place::File(5), [Some("g"), None]),
        ];
        assert!(database.recover("boot", &staged(&[])).await.is_ok(), "the boot is noted");
        database.apply(&changes).await.unwrap();
        database.apply(&changes).await.unwrap();
        // Dropped, it would end on a thread of its own, whenever the disk lets it.
        database.close().await.unwrap();
    }
    let database = SqliteMetadata::open(Some(&path)).await.unwrap();
    let recovered = database.recover("boot", &staged(&["f", "s", "g"])).await.unwrap();
    assert_eq!(numbers(&recovered), HashMap::from([(a.id, vec![0, 2]), (b.id, vec![1])]));
    let (kept, chunks) = recovered.sessions.iter().find(|(row, _)| row.id == a.id).unwrap();
    let expected = SessionRow { file: Some("f".into()), aside: Some("s".into()), touched: 77, ..a.clone() };
    assert_eq!(*kept, expected);
    assert!(chunks.contains(&(2, Chunk { len: 5, place: Place::Aside(0) })), "the first record stays");
}

#[tokio::test]
async fn a_start_tells_published_from_unpublished() {
    let database = SqliteMetadata::open(None).await.unwrap();
    let [published, joined, unpublished, empty, parked] = [(); 5].map(|()| row("ada"));
    let sessions = [&published, &joined, &unpublished, &empty, &parked];
    database.apply(&sessions.map(|session| Change::Create(session.clone()))).await.unwrap();
    let changes = [
        record(published.id, 0, Place::File(0), [Some("p"), None]),
        record(joined.id, 0, Place::Aside(0), [None, Some("j")]),
        record(unpublished.id, 0, Place::File(0), [Some("u"), None]),
        record(unpublished.id, 1, Place::Aside(0), [Some("u"), Some("a")]),
        record(parked.id, 0, Place::File(0), [Some("k"), None]),
    ];
    database.recover("boot", &staged(&[])).await.unwrap();
    database.apply(&changes).await.unwrap();
    database.apply(&[Change::Park { session: parked.id, file: "whole".into() }]).await.unwrap();
    let recovered = database.recover("boot", &staged(&["u", "a", "whole"])).await.unwrap();
    assert_eq!(recovered.finished, 2, "those whose staged upload is gone");
    let expected = HashMap::from([(unpublished.id, vec![0, 1]), (empty.id, vec![]), (parked.id, vec![0])]);
    assert_eq!(numbers(&recovered), expected);
    let again = database.recover("boot", &staged(&["u", "a", "whole"])).await.unwrap();
    assert_eq!((again.finished, numbers(&again)), (0, expected), "and they stay gone");
}

#[tokio::test]
async fn a_batch_that_fails_leaves_nothing_and_the_next_one_goes_on() {
    let database = SqliteMetadata::open(None).await.unwrap();
    let (known, fresh) = (row("ada"), row("bob"));
    database.apply(&[Change::Create(known.clone())]).await.unwrap();
    let chunk = record(known.id, 0, Place::File(0), [Some("f"), None]);
    let twice = [Change::Create(fresh.clone()), Change::Create(known.clone())];
    assert!(database.apply(&twice).await.is_err());
    database.apply(&[chunk]).await.unwrap();
    let recovered = database.recover("boot", &staged(&["f"])).await.unwrap();
    assert_eq!(numbers(&recovered).keys().collect::<Vec<_>>(), [&known.id]);
}

#[tokio::test]
async fn chunks_of_another_boot_are_forgotten_and_whole_uploads_are_not() {
    let database = SqliteMetadata::open(None).await.unwrap();
    let (open, parked) = (row("ada"), row("ada"));
    database.apply(&[Change::Create(open.clone()), Change::Create(parked.clone())]).await.unwrap();
    database.recover("first boot", &staged(&[])).await.unwrap();
    database
        .apply(&[
            record(open.id, 1, Place::File(5), [Some("o"), None]),
            record(parked.id, 0, Place::File(0), [Some("p"), None]),
        ])
        .await
        .unwrap();
    database.apply(&[Change::Park { session: parked.id, file: "p".into() }]).await.unwrap();
    let recovered = database.recover("second boot", &staged(&["o", "p"])).await.unwrap();
    assert_eq!(numbers(&recovered), HashMap::from([(open.id, vec![]), (parked.id, vec![0])]));
    assert_eq!(recovered.reset, 1);
}

#[tokio::test]
async fn a_user_keeps_the_id() {
    let database = SqliteMetadata::open(None).await.unwrap();
    let user = User { name: "ada".into(), id: Uuid::new_v4(), password_hash: "one".into() };
    database.save_user(&user).await.unwrap();
    let changed = User { id: Uuid::new_v4(), password_hash: "two".into(), ..user.clone() };
    database.save_user(&changed).await.unwrap();
    let expected = User { password_hash: "two".into(), ..user };
    assert_eq!(database.user("ada").await.unwrap(), Some(expected));
    assert_eq!(database.user("Ada").await.unwrap(), None);
}

#[tokio::test]
async fn a_database_belongs_to_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metadata.sqlite");
    let _first = SqliteMetadata::open(Some(&path)).await.unwrap();
    assert!(SqliteMetadata::open(Some(&path)).await.is_err());
}
