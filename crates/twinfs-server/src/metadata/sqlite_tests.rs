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
        claimed: false,
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
        database.apply(&changes).await.unwrap();
        assert!(database.recover("boot", &staged(&[])).await.is_ok(), "the boot is noted");
        database.apply(&changes).await.unwrap();
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
async fn one_claim_is_granted_until_it_is_released() {
    let database = SqliteMetadata::open(None).await.unwrap();
    let session = row("ada");
    database.apply(&[Change::Create(session.clone())]).await.unwrap();
    let claims = [Change::Claim(session.id), Change::Claim(Uuid::new_v4()), Change::Claim(session.id)];
    assert_eq!(database.apply(&claims).await.unwrap(), [true, false, false]);
    assert_eq!(database.apply(&claims[..1]).await.unwrap(), [false]);
    database.apply(&[Change::Release(session.id)]).await.unwrap();
    assert_eq!(database.apply(&claims[..1]).await.unwrap(), [true]);
    database.apply(&[Change::Finish(session.id)]).await.unwrap();
    assert_eq!(database.apply(&claims[..1]).await.unwrap(), [false]);
}

#[tokio::test]
async fn a_start_tells_published_from_unpublished() {
    let database = SqliteMetadata::open(None).await.unwrap();
    let [published, unpublished, empty, parked, gone] = [(); 5].map(|()| row("ada"));
    for session in [&published, &unpublished, &empty, &parked, &gone] {
        database.apply(&[Change::Create(session.clone())]).await.unwrap();
    }
    let changes = [
        record(published.id, 0, Place::File(0), [Some("p"), None]),
        record(unpublished.id, 0, Place::File(0), [Some("u"), None]),
        record(parked.id, 0, Place::File(0), [Some("k"), None]),
        record(gone.id, 0, Place::File(0), [Some("g"), None]),
    ];
    database.apply(&changes).await.unwrap();
    database.recover("boot", &staged(&["p", "u", "k", "g"])).await.unwrap();
    let claims = [&published, &unpublished, &empty].map(|session| Change::Claim(session.id));
    database.apply(&claims).await.unwrap();
    database.apply(&changes).await.unwrap();
    database.apply(&[Change::Park { session: parked.id, file: "whole".into() }]).await.unwrap();
    let recovered = database.recover("boot", &staged(&["u", "whole"])).await.unwrap();
    assert_eq!(recovered.finished, 1, "the published one");
    let expected = HashMap::from([
        (unpublished.id, vec![0]),
        (empty.id, vec![]),
        (parked.id, vec![0]),
        // Its file was lost without a claim: everything must come again.
        (gone.id, vec![]),
    ]);
    assert_eq!(numbers(&recovered), expected);
    assert!(recovered.sessions.iter().all(|(row, _)| !row.claimed));
    let again = database.apply(&[Change::Claim(unpublished.id)]).await.unwrap();
    assert_eq!(again, [true], "a claim from before the start counts no more");
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
