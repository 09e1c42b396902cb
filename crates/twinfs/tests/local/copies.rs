//! Copies: what is not there costs nothing.

use std::os::unix::fs::{FileExt, MetadataExt};

use rstest::rstest;
use twinfs::stores::local::LocalOptions;
use twinfs::{BlockingStore, Mode, MoveOptions};

use crate::support::{On, open, path, tree_on};

const GIB: u64 = 1 << 30;

#[rstest]
fn holes_stay_holes(#[values(On::Disk, On::Tmpfs)] on: On) {
    let tree = tree_on(on, LocalOptions::default());
    let file = std::fs::File::create(tree.at("sparse")).unwrap();
    file.set_len(GIB).unwrap();
    file.write_all_at(b"start", 0).unwrap();
    file.write_all_at(b"middle", GIB / 2 + 3).unwrap();
    tree.store.copy(&path("sparse"), &path("copy"), &MoveOptions::default()).unwrap();
    open(&tree.store, "sparse", Mode::Append).unwrap().commit().unwrap();
    for name in ["copy", "sparse"] {
        let metadata = std::fs::metadata(tree.at(name)).unwrap();
        assert_eq!(metadata.len(), GIB, "{name}");
        assert!(metadata.blocks() * 512 < GIB / 100, "{name}: {} blocks", metadata.blocks());
        let file = std::fs::File::open(tree.at(name)).unwrap();
        for (text, at) in [(&b"start\0"[..], 0), (b"\0middle\0", GIB / 2 + 2), (b"\0\0", GIB - 2)] {
            let mut found = vec![1; text.len()];
            file.read_exact_at(&mut found, at).unwrap();
            assert_eq!(found, text, "{name} at {at}");
        }
    }
    // Nothing but a hole, and a hole behind the last byte.
    for (name, len, bytes) in [("hole", GIB, &b""[..]), ("tail", GIB + 1, b"x")] {
        let file = std::fs::File::create(tree.at(name)).unwrap();
        file.write_all_at(bytes, 0).unwrap();
        file.set_len(len).unwrap();
        let copied = tree.store.copy(&path(name), &path("copy"), &MoveOptions::default()).unwrap();
        assert_eq!(copied.len, len, "{name}");
    }
}
