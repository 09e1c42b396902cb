//! What a client does, whatever the server.

use std::error::Error as _;
use std::fs;
use std::path::Path;

use twinfs::{ErrorKind, HttpStatus};

use crate::face::{Face, faces};
use crate::servers::{Cutter, Server, Towards};

const MIB: u64 = 1 << 20;

/// Bytes in which no block equals another.
fn content(len: u64) -> Vec<u8> {
    (0..len).map(|index| (index.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

/// A local folder with these files.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn on_both_faces(server: &Server, run: &str, scenario: impl Fn(&dyn Face)) {
    for (number, face) in faces(run, &server.url, &server.token).iter().enumerate() {
        println!("{run} on the {} face", face.name());
        // Each face has a run of its own.
        let own = &faces(&format!("{run}-{}", face.name()), &server.url, &server.token)[number];
        scenario(&**own);
    }
}

fn paths(face: &dyn Face, path: &str) -> Vec<String> {
    face.ls(path).unwrap().into_iter().map(|file| file.path).collect()
}

fn left_in(folder: &Path) -> Vec<std::ffi::OsString> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect()
}

pub(crate) fn round_trip(server: &Server, temporary: &Path) {
    let large = content(3 * MIB + 17);
    on_both_faces(server, "round-trip", |face| {
        assert_eq!(face.ls("in").unwrap(), []);
        assert_eq!(face.ls("/out/").unwrap(), []);
        let local =
            folder(&[("a.txt", b"hello"), ("data/empty", b""), ("data/deep/large", &large), ("data2", b"2")]);
        let batch = face.upload(local.path()).unwrap().expect("a batch");
        assert_eq!(batch.len(), 36);
        assert_eq!(paths(face, "out"), ["out/a.txt", "out/data/deep/large", "out/data/empty", "out/data2"]);
        assert_eq!(paths(face, "out/data"), ["out/data/deep/large", "out/data/empty"]);
        assert_eq!(paths(face, "/out/data/deep/"), ["out/data/deep/large"]);
        assert_eq!(paths(face, "out/a.txt"), ["out/a.txt"]);
        let listed = face.ls("out").unwrap();
        assert_eq!(listed[1].size, large.len() as u64);
        assert!(listed[1].modified().unwrap() <= std::time::SystemTime::now());

        assert_eq!(face.read_all("out/a.txt").unwrap(), b"hello");
        assert_eq!(face.read_all("out/data/empty").unwrap(), b"");
        assert_eq!(face.read_all("out/data/deep/large").unwrap(), large);
        let blocks = face.blocks("out/data/deep/large").unwrap();
        assert!(blocks.iter().all(|block| !block.is_empty() && block.len() as u64 <= MIB));
        assert_eq!(blocks.concat(), large);

        let relative = |path: &str| {
            let arrived = face.download(path).unwrap();
            let common = arrived[0].ancestors().find(|above| above.parent() == Some(temporary)).unwrap();
            assert!(common.file_name().unwrap().to_str().unwrap().starts_with("kodosumi-"));
            arrived
                .iter()
                .map(|path| path.strip_prefix(common).unwrap().display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(relative("out"), ["a.txt", "data/deep/large", "data/empty", "data2"]);
        assert_eq!(relative("out/data"), ["deep/large", "empty"]);
        assert_eq!(relative("out/data/deep/large"), ["large"]);
        let arrived = face.download("/out/data/").unwrap();
        assert_eq!(fs::read(&arrived[0]).unwrap(), large);
        assert_eq!(fs::read(&arrived[1]).unwrap(), b"");

        let one = face.upload(&local.path().join("a.txt")).unwrap();
        assert!(one.is_some_and(|one| one != batch));
        assert_eq!(face.upload(folder(&[]).path()).unwrap(), None);

        face.remove("out/a.txt").unwrap();
        face.remove("out/data").unwrap();
        assert_eq!(paths(face, "out"), ["out/data2"]);
        face.remove("out").unwrap();
        assert_eq!(face.ls("out").unwrap(), []);
    });
    clear(temporary);
}

/// Removes what downloads left to the user; there must be nothing else.
fn clear(temporary: &Path) {
    for left in left_in(temporary) {
        let name = left.to_str().unwrap();
        assert!(name.starts_with("kodosumi-"), "{name}");
        fs::remove_dir_all(temporary.join(name)).unwrap();
    }
}

pub(crate) fn odd_names(server: &Server, temporary: &Path) {
    let names = [
        "a b",
        "a#b?c&d=e",
        "100%",
        "%41%2F",
        "ünï/cødé 漢字",
        "q\"uote'",
        "plus+semi;colon",
        "~-_.x",
        "a\\b",
    ];
    on_both_faces(server, "odd-names", |face| {
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, name.as_bytes())).collect();
        face.upload(folder(&files).path()).unwrap();
        let mut expected: Vec<String> = names.iter().map(|name| format!("out/{name}")).collect();
        expected.sort();
        assert_eq!(paths(face, "out"), expected);
        for name in names {
            assert_eq!(face.read_all(&format!("out/{name}")).unwrap(), name.as_bytes(), "{name}");
            let arrived = face.download(&format!("out/{name}")).unwrap();
            assert_eq!(fs::read(&arrived[0]).unwrap(), name.as_bytes(), "{name}");
            face.remove(&format!("out/{name}")).unwrap();
        }
    });
    clear(temporary);
}

pub(crate) fn chunks_of_any_size(server: &Server) {
    on_both_faces(server, "chunks", |face| {
        assert!(face.chunk_size() <= MIB);
        let bytes = content(100_003);
        for size in [1000, 33_335, 100_003, 64 * MIB] {
            face.set_chunk_size(size);
            assert!(face.chunk_size() <= size.min(MIB));
            face.upload(folder(&[("file", &bytes)]).path()).unwrap();
            assert_eq!(face.read_all("out/file").unwrap(), bytes, "{size}");
        }
    });
}

pub(crate) fn early_close(server: &Server, temporary: &Path) {
    let names: Vec<String> = (0..40).map(|number| format!("{number:02}")).collect();
    on_both_faces(server, "early-close", |face| {
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
        face.upload(folder(&files).path()).unwrap();
        assert_eq!(face.download_some("out", 0).unwrap().len(), 0);
        assert_eq!(left_in(temporary).len(), 0);
        let kept = face.download_some("out", 3).unwrap();
        assert_eq!(left_in(temporary).len(), 1, "{:?}", left_in(temporary));
        let common = kept[0].parent().unwrap();
        assert_eq!(left_in(common).len(), 3);
        fs::remove_dir_all(common).unwrap();
    });
}

pub(crate) fn refusals(server: &Server) {
    on_both_faces(server, "refusals", |face| {
        let kind = |error: twinfs::Error| error.kind();
        face.upload(folder(&[("data/x", b"1")]).path()).unwrap();
        for missing in ["out/none", "out/dat", "out/data/none", "in/none"] {
            assert_eq!(face.ls(missing).map_err(kind), Err(ErrorKind::NotFound), "{missing}");
            assert_eq!(face.read_all(missing).map_err(kind), Err(ErrorKind::NotFound), "{missing}");
            assert_eq!(face.blocks(missing).map_err(kind), Err(ErrorKind::NotFound), "{missing}");
            assert_eq!(face.remove(missing).map_err(kind), Err(ErrorKind::NotFound), "{missing}");
            assert_eq!(face.download(missing).map_err(kind), Err(ErrorKind::NotFound), "{missing}");
        }
        assert_eq!(face.download("in").map_err(kind), Err(ErrorKind::NotFound));
        assert_eq!(face.upload(Path::new("/none/at/all")).map_err(kind), Err(ErrorKind::NotFound));
        let error = face.ls("tmp/x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("invalid root 'tmp'"), "{error}");
        face.close();
        assert_eq!(face.ls("in").map_err(kind), Err(ErrorKind::Closed));
        assert_eq!(face.upload(Path::new("/")).map_err(kind), Err(ErrorKind::Closed));
        assert_eq!(face.download("in").map_err(kind), Err(ErrorKind::Closed));
    });
    for face in faces("refusals", &server.url, "not.a.token") {
        let error = face.ls("in").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let status = error.source().and_then(|source| source.downcast_ref::<HttpStatus>()).unwrap();
        assert_eq!((status.status, status.header("content-type")), (401, Some("application/json")));
        assert!(status.text().contains("401"), "{}", status.text());
        assert!(!format!("{error:?} {error}").contains("not.a.token"));
    }
    // Nobody listens there.
    for face in faces("refusals", "http://127.0.0.1:1", "") {
        let kind = |error: twinfs::Error| error.kind();
        assert_eq!(face.ls("in").map_err(kind), Err(ErrorKind::Connection));
        assert_eq!(face.read_all("in/a").map_err(kind), Err(ErrorKind::Connection));
        assert_eq!(face.remove("in/a").map_err(kind), Err(ErrorKind::Connection));
        assert_eq!(face.download("in").map_err(kind), Err(ErrorKind::Connection));
        assert_eq!(face.upload(folder(&[("a", b"1")]).path()).map_err(kind), Err(ErrorKind::Connection));
    }
}

/// No connection lives long enough for the whole file, so it only arrives if each goes on where the
/// one before it broke.
pub(crate) fn upload_over_connections_that_break(server: &Server) {
    let bytes = content(12 * MIB + 5);
    let local = folder(&[("large", &bytes), ("small", b"small")]);
    for (number, face) in ["sync", "async"].into_iter().enumerate() {
        let cutter = Cutter::before(server, Towards::Server, MIB + MIB / 2);
        let run = format!("broken-upload-{face}");
        let broken = &faces(&run, &cutter.url, &server.token)[number];
        broken.upload(local.path()).unwrap().expect("a batch");
        assert!(cutter.cuts() >= 3, "{} cuts", cutter.cuts());
        let whole = &faces(&run, &server.url, &server.token)[number];
        assert_eq!(paths(&**whole, "out"), ["out/large", "out/small"]);
        assert_eq!(whole.read_all("out/large").unwrap(), bytes);
    }
}

/// As for uploads; a server without versions cannot give the rest of the same file, so there it is an
/// error, and nothing is left.
pub(crate) fn download_over_connections_that_break(server: &Server, temporary: &Path, resumes: bool) {
    let bytes = content(12 * MIB + 5);
    let local = folder(&[("large", &bytes), ("small", b"small")]);
    faces("broken-download", &server.url, &server.token)[0].upload(local.path()).unwrap();
    drop(local);
    let before = left_in(temporary).len();
    let cutter = Cutter::before(server, Towards::Client, 5 * MIB);
    for broken in faces("broken-download", &cutter.url, &server.token) {
        if resumes {
            let arrived = broken.download("out").unwrap();
            assert_eq!(fs::read(&arrived[0]).unwrap(), bytes);
            assert_eq!(broken.read_all("out/large").unwrap(), bytes);
            assert_eq!(broken.blocks("out/large").unwrap().concat(), bytes);
        } else {
            assert_eq!(broken.download("out").unwrap_err().kind(), ErrorKind::Connection);
            assert_eq!(broken.read_all("out/large").unwrap_err().kind(), ErrorKind::Connection);
            assert_eq!(broken.blocks("out/large").unwrap_err().kind(), ErrorKind::Connection);
            assert_eq!(left_in(temporary).len(), before);
        }
    }
    assert!(cutter.cuts() >= 2, "{} cuts", cutter.cuts());
}
