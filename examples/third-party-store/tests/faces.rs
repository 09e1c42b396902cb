//! Both faces over a store and a layer that twinfs knows nothing of.

use std::sync::Arc;

use third_party_store::{Counted, Counts, Greetings};
use twinfs::adapters::{OffThread, Ready};
use twinfs::{ErrorKind, Operation};

fn greetings() -> Arc<Greetings> {
    Arc::new(Greetings::new(["es", "de"]).expect("both are known"))
}

#[test]
fn the_sync_face_reads_and_the_layer_counts() {
    let counts = Counts::default();
    let fs = twinfs::blocking::Fs::new(Counted::new(Ready::new(greetings()), counts.clone()));
    assert_eq!(fs.read("de.txt").expect("it is there"), "hallo");
    let names: Vec<String> =
        fs.list("").expect("the root").iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(names, ["de.txt", "es.txt"]);
    assert_eq!(counts.of(Operation::Read), 1);
    assert!(counts.of(Operation::List) >= 2, "the listing and its pages");
}

#[test]
fn the_async_face_does_the_same() {
    smol::block_on(async {
        let counts = Counts::default();
        let fs = twinfs::Fs::new(Counted::new(OffThread::new(greetings()), counts.clone()));
        assert_eq!(fs.read_range("es.txt", 1..3).await?, "ol");
        assert_eq!(fs.read("fr.txt").await.expect_err("no French").kind(), ErrorKind::NotFound);
        assert_eq!(counts.of(Operation::Read), 2);
        Ok::<(), twinfs::Error>(())
    })
    .expect("both verbs");
}

#[test]
fn what_is_not_declared_is_refused_before_the_store_is_asked() {
    let counts = Counts::default();
    let fs = twinfs::blocking::Fs::new(Counted::new(Ready::new(greetings()), counts.clone()));
    assert_eq!(fs.write("de.txt", "x").expect_err("read-only").kind(), ErrorKind::Unsupported);
    assert_eq!(counts.of(Operation::Write), 0);
}

#[test]
fn a_url_opens_it() {
    third_party_store::register();
    let fs = twinfs::blocking::Fs::connect("greetings://en,de").expect("registered");
    assert_eq!(fs.read("en.txt").expect("it is there"), "hello");
}
