//! The file commands on a run of a server.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use crate::copy::{read, tree};
use crate::run::{Run, bytes, command, finish, twinfs};
use crate::serve::Server;

/// A server and the token of one of its users.
struct Remote {
    server: Server,
    token: String,
}

impl Remote {
    fn start(folder: &Path) -> Self {
        let server = Server::simple(folder);
        let token = twinfs(folder, ["token", "--secret-file", "secret", "--sub", "user"]);
        Self { server, token: token.text().trim().to_owned() }
    }

    /// A location on the run `RUN`.
    fn at(&self, path: &str) -> String {
        format!("run+http://{}/RUN/{path}", self.server.address)
    }

    /// Runs `twinfs` with the token in the environment.
    fn run(&self, folder: &Path, args: &[&str]) -> Run {
        finish(command(folder).env("TWINFS_TOKEN", &self.token).args(args))
    }
}

#[test]
fn a_folder_goes_up_and_comes_down_the_same() {
    let folder = tree();
    let at = folder.path();
    let remote = Remote::start(at);
    let mut original = read(&at.join("tree"));
    let files = original.values().flatten().count();

    let put = remote.run(at, &["put", "--json", "tree", &remote.at("in")]);
    put.ok();
    let sums = &put.json()[0];
    assert_eq!((&sums["files"], &sums["failed"]), (&files.into(), &0.into()), "{sums}");
    remote.run(at, &["-q", "get", &remote.at("in/tree"), "back"]).ok();
    let back = read(&at.join("back"));
    // A run has files and no empty folders.
    original.retain(|name, _| !name.starts_with("hollow"));
    assert!(back.iter().filter(|(name, _)| !name.starts_with("hollow")).eq(&original));

    // Over what is there, and from run to run.
    remote.run(at, &["-q", "-j", "1", "put", "tree/many/499", &remote.at("in/tree/many/1")]).ok();
    assert_eq!(remote.run(at, &["cat", &remote.at("in/tree/many/1")]).stdout, bytes(499));
    remote.run(at, &["-q", "cp", "-r", &remote.at("in/tree/many"), &remote.at("out/")]).ok();
    assert_eq!(remote.run(at, &["ls", &remote.at("out/many")]).text().lines().count(), 500);
    let again = remote.run(at, &["-q", "put", "-n", "tree/small", &remote.at("in/tree/small")]);
    assert_eq!(again.code, 5, "{again:?}");
}

#[test]
fn every_file_command_works_on_a_run() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let remote = Remote::start(at);
    let content = bytes(3_000_000);
    fs::write(at.join("large"), &content).unwrap();
    fs::write(at.join("a b%20#?.txt"), "odd").unwrap();

    remote.run(at, &["-q", "put", "large", "a b%20#?.txt", &remote.at("in/dir/")]).ok();
    let listed = remote.run(at, &["ls", "--json", &remote.at("in/dir")]);
    listed.ok();
    let listed = listed.json();
    let odd = listed[0]["path"].as_str().unwrap();
    assert_eq!(remote.run(at, &["cat", odd]).text(), "odd", "a listed path can be given back: {odd}");
    assert_eq!(listed[1]["size"], content.len());
    assert_eq!(
        remote.run(at, &["cat", "--range", "-5:", &remote.at("in/dir/large")]).stdout,
        content[content.len() - 5..]
    );
    assert!(remote.run(at, &["get", &remote.at("in/dir/large"), "-"]).stdout == content);

    let stat = remote.run(at, &["stat", "--json", &remote.at("in/dir/large")]);
    assert_eq!((&stat.json()[0]["type"], &stat.json()[0]["size"]), (&"file".into(), &content.len().into()));
    let du = remote.run(at, &["du", "--json", &remote.at("in")]);
    assert_eq!((&du.json()[0]["files"], &du.json()[0]["bytes"]), (&2.into(), &(content.len() + 3).into()));

    let input = fs::File::open(at.join("large")).unwrap();
    let mut put = command(at);
    put.env("TWINFS_TOKEN", &remote.token).args(["put", "-", &remote.at("out/streamed")]).stdin(input);
    finish(&mut put).ok();
    remote.run(at, &["-q", "mv", &remote.at("out/streamed"), "down"]).ok();
    assert!(fs::read(at.join("down")).unwrap() == content);
    remote.run(at, &["-q", "mv", &remote.at("in/dir/large"), &remote.at("in/moved")]).ok();
    assert_eq!(remote.run(at, &["ls", &remote.at("in")]).text(), "dir/\nmoved\n");
    remote.run(at, &["rm", &remote.at("in/moved")]).ok();
    remote.run(at, &["rm", "-r", &remote.at("in/dir")]).ok();
    assert_eq!(remote.run(at, &["ls", "-r", &remote.at("in")]).text(), "");
}

#[test]
fn errors_of_a_run_have_their_codes() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let remote = Remote::start(at);
    fs::write(at.join("a"), "1").unwrap();
    let missing = remote.run(at, &["cat", &remote.at("in/none")]);
    assert_eq!(missing.code, 3, "{missing:?}");
    let folderless = twinfs(at, ["ls", "--token", "x.y.z", &remote.at("in")]);
    assert_eq!(folderless.code, 4, "{folderless:?}");
    assert!(!folderless.stderr.contains("x.y.z"));
    assert!(folderless.stderr.contains("'twinfs token' gives one"), "{folderless:?}");
    let without = twinfs(at, ["put", "-q", "a", &remote.at("in")]);
    assert!(matches!(without.code, 2 | 4), "{without:?}");
    let root = remote.run(at, &["put", "-q", "a", &remote.at("else/a")]);
    assert!(matches!(root.code, 2 | 4), "{root:?}");
    let url = remote.at("in");
    drop(remote);
    let gone = twinfs(at, ["ls", "--token", "x.y.z", &url]);
    assert_eq!(gone.code, 6, "{gone:?}");
    assert_eq!(gone.stderr.lines().count(), 1, "{gone:?}");
}
