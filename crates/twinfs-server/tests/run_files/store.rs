//! The store `run+http://` against a server: the conformance suite over the wire, on both faces.

use twinfs::conformance::{self, Options, Report};
use twinfs::{ErrorKind, StoreOptions};

use crate::servers::{Cutter, Server, Towards, start, twinfs};

fn url(server: &Server, rest: &str) -> String {
    format!("run+{}/{rest}", server.url)
}

fn token(server: &Server) -> StoreOptions {
    StoreOptions::new().with("token", &server.token)
}

/// What this store cannot do although every other one can: on the server the path is longer by user and
/// run, so the longest ones do not fit.
const EXCEPTIONS: [&str; 1] = ["the_longest_paths_go_through"];

/// Some of the hostile names here: each goes over the wire several times. All with `TWINFS_SOAK`.
fn options() -> Options {
    let every = if std::env::var_os("TWINFS_SOAK").is_some() { 1 } else { 7 };
    Options::default().every_nth_name(every)
}

fn check(report: &Report) {
    let unexpected: Vec<_> = report.failed.iter().filter(|(name, _)| !EXCEPTIONS.contains(name)).collect();
    assert!(unexpected.is_empty(), "{report}");
    assert!(report.passed.len() > 40, "{report}");
    println!("{report}");
}

#[test]
fn the_suite_holds_over_the_wire_on_the_async_face() {
    let server = twinfs();
    smol::block_on(async {
        let fs = twinfs::Fs::connect_with(&url(&server, "suite"), token(&server)).await.unwrap();
        check(&conformance::run_async(&fs, &options().prefix("out/suite")).await);
    });
}

#[test]
fn the_suite_holds_over_the_wire_on_the_sync_face() {
    let server = start(twinfs::Fs::memory(), tempfile::tempdir().unwrap(), |_| ());
    // A folder of a run is a root as well.
    let fs = twinfs::blocking::Fs::connect_with(&url(&server, "suite/in/below"), token(&server)).unwrap();
    check(&conformance::run_blocking(&fs, &options()));
}

#[test]
fn a_run_has_in_and_out_and_nothing_beside() {
    let server = twinfs();
    let fs = twinfs::blocking::Fs::connect_with(&url(&server, "run"), token(&server)).unwrap();
    let names = |path: &str| -> Vec<String> {
        fs.walk(path).unwrap().map(|entry| entry.unwrap().path.to_string()).collect()
    };
    assert_eq!(names(""), ["in", "out"]);
    assert!(fs.is_dir("").unwrap() && fs.is_dir("in").unwrap() && !fs.exists("tmp").unwrap());
    fs.write("in/a/b", "1").unwrap();
    fs.write("out/c", "2").unwrap();
    assert_eq!(names(""), ["in", "in/a", "in/a/b", "out", "out/c"]);
    assert_eq!(names("in"), ["in/a", "in/a/b"]);
    let kind = |error: twinfs::Error| error.kind();
    assert_eq!(fs.write("tmp/x", "1").map_err(kind), Err(ErrorKind::PermissionDenied));
    assert_eq!(fs.write("out", "1").map_err(kind), Err(ErrorKind::IsADirectory));
    assert_eq!(fs.remove("in").map_err(kind), Err(ErrorKind::IsADirectory));
    assert_eq!(fs.rename("in", "out/x").map_err(kind), Err(ErrorKind::InvalidInput));
    assert_eq!(fs.create_dir("in/new").map_err(kind), Err(ErrorKind::Unsupported));
    fs.create_dir_all("in/a").unwrap();
    fs.rename("in/a", "out/moved").unwrap();
    assert_eq!(names(""), ["in", "out", "out/c", "out/moved", "out/moved/b"]);
    fs.remove_all("").unwrap();
    assert_eq!(names(""), ["in", "out"]);
}

#[test]
fn the_token_stays_secret() {
    let server = twinfs();
    let secret = "not-a-token-of-this-server";
    let options = StoreOptions::new().with("token", secret);
    let fs = twinfs::blocking::Fs::connect_with(&url(&server, "run"), options).unwrap();
    let error = fs.read("in/a").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let mut shown = format!("{error} {error:?} {fs:?}");
    let mut source = std::error::Error::source(&error);
    while let Some(inner) = source {
        shown += &format!(" {inner} {inner:?}");
        source = inner.source();
    }
    assert!(!shown.contains(secret), "{shown}");
    for bad in ["a b", "a;b", "line\nbreak"] {
        let options = StoreOptions::new().with("token", bad);
        let error = twinfs::blocking::Fs::connect_with(&url(&server, "run"), options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!error.to_string().contains(bad), "{error}");
    }
}

#[test]
fn urls_that_name_no_run_are_refused() {
    for url in [
        "run+http://127.0.0.1:1",
        "run+http://127.0.0.1:1/",
        "run+http:///run",
        "run+http://h/run?colour=red",
    ] {
        let error = twinfs::blocking::Fs::connect(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{url}");
    }
    twinfs::blocking::Fs::connect("run+http://127.0.0.1:1/a%2Db/in/x%20y").unwrap();
}

/// The run as it is, and over a proxy that breaks the first connections inside the answers.
fn direct_and_breaking(server: &Server, breaks: u64) -> (twinfs::blocking::Fs, twinfs::blocking::Fs, Cutter) {
    let cutter = Cutter::first(breaks, server, 20_000);
    let over =
        |url: &str| twinfs::blocking::Fs::connect_with(&format!("run+{url}/run"), token(server)).unwrap();
    (over(&server.url), over(&cutter.url), cutter)
}

#[test]
fn what_only_asks_is_asked_again_where_the_connection_breaks_inside_the_answer() {
    let server = twinfs();
    let content: Vec<u8> = (0..3_000_000_u32).map(|number| (number >> 7).to_le_bytes()[0]).collect();
    let (direct, ..) = direct_and_breaking(&server, 0);
    direct.write("in/large", content.clone()).unwrap();
    for number in 0..400 {
        direct.write(format!("out/{}{number:04}", "name".repeat(20)), "").unwrap();
    }
    let names = |fs: &twinfs::blocking::Fs| -> Vec<String> {
        fs.walk("out").unwrap().map(|entry| entry.unwrap().path.to_string()).collect()
    };

    let (direct, breaking, cutter) = direct_and_breaking(&server, 2);
    assert_eq!(names(&breaking), names(&direct));
    assert_eq!(cutter.cuts(), 2);
    let (_, breaking, cutter) = direct_and_breaking(&server, 2);
    assert_eq!(breaking.read("in/large").unwrap(), content);
    assert_eq!(cutter.cuts(), 2);
    let (_, breaking, cutter) = direct_and_breaking(&server, 2);
    let file = breaking.open("in/large", twinfs::Mode::Read).unwrap();
    assert_eq!(file.read_at(1_000_000, 500_000).unwrap(), content[1_000_000..1_500_000]);
    assert_eq!(cutter.cuts(), 2);
    let (_, _, cutter) = direct_and_breaking(&server, 2);
    let run = twinfs::runfiles::blocking::RunFiles::new("run", &cutter.url, &server.token).unwrap();
    assert_eq!(run.ls("out").unwrap().len(), 400);
    assert_eq!(cutter.cuts(), 2);
}

#[test]
fn connections_that_go_on_breaking_are_an_error_in_the_end() {
    let server = twinfs();
    let (direct, ..) = direct_and_breaking(&server, 0);
    direct.write("in/large", vec![0; 100_000]).unwrap();
    let cutter = Cutter::before(&server, Towards::Client, 20_000);
    let fs = twinfs::blocking::Fs::connect_with(&format!("run+{}/run", cutter.url), token(&server)).unwrap();
    let error = fs.read("in/large").unwrap_err();
    assert_eq!((error.kind(), error.path()), (ErrorKind::Connection, Some("in/large")));
    assert_eq!(cutter.cuts(), 4, "three pauses, four tries");
}
