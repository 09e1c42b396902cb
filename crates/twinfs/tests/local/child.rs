//! Other processes: this test binary, started again with a role.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use twinfs::Durability;
use twinfs::stores::local::{LocalOptions, LocalStore};

const ROLE: &str = "TWINFS_TEST_ROLE";
const ROOT: &str = "TWINFS_TEST_ROOT";
/// Set: the child's store is durable.
pub(crate) const DURABLE: &str = "TWINFS_TEST_DURABLE";

/// What a child process does in the directory of its store.
pub(crate) type Role = fn(&LocalStore, &mut Parent);

const ROLES: &[(&str, Role)] = &[
    ("hold", crate::writers::hold),
    ("count", crate::writers::count),
    ("count_by_handle", crate::writers::count_by_handle),
    ("die_writing", crate::litter::die_writing),
    ("umask", crate::modes::under_umask),
    ("read_only_files", crate::modes::read_only_files),
    ("unreadable_directory", crate::listing::unreadable_directory),
    ("few_threads", crate::limits::few_threads),
    ("nothing", |_, _| {}),
    ("durable", crate::durability::durable_verbs),
    ("failing_name_sync", crate::durability::failing_name_sync),
    ("failing_sync", crate::durability::failing_sync),
    ("few_descriptors", crate::limits::few_descriptors),
    ("walk_eperm", crate::confinement::walk_eperm),
    ("walk_enosys", crate::confinement::walk_enosys),
    ("attempts_denied", crate::attempts::attempts_denied),
];

/// Runs as the child process of other tests, by the name of a role.
#[test]
#[ignore = "other tests start this in a process of its own"]
fn role() {
    let name = std::env::var(ROLE).expect("a role");
    let root = std::env::var_os(ROOT).expect("a root");
    let (_, body) = ROLES.iter().find(|(known, _)| *known == name).expect("a known role");
    let durability = if std::env::var_os(DURABLE).is_some() { Durability::Full } else { Durability::None };
    let store = LocalStore::open(root, LocalOptions { durability, ..LocalOptions::default() }).unwrap();
    body(&store, &mut Parent);
}

/// The parent's end of a child: lines on standard input and output.
pub(crate) struct Parent;

impl Parent {
    pub(crate) fn say(&mut self, line: &str) {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n>{line}").unwrap();
        out.flush().unwrap();
    }

    pub(crate) fn wait(&mut self) -> String {
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

pub(crate) struct Process {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

/// The command that runs a role.
pub(crate) fn command(role: &str, root: &Path, wrapper: &[&str]) -> Command {
    let exe = std::env::current_exe().unwrap();
    let mut command = match wrapper.split_first() {
        None => Command::new(exe),
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(exe);
            command
        }
    };
    command.args(["child::role", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).env(ROOT, root).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

impl Process {
    pub(crate) fn start(role: &str, root: &Path) -> Self {
        let mut child = command(role, root, &[]).spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    /// The child's next word; the test fails if it ends without one.
    pub(crate) fn hear(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.from.read_line(&mut line).unwrap(), 0, "the child ended early");
            if let Some(said) = line.trim_end().strip_prefix('>') {
                return said.to_owned();
            }
        }
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.to.as_mut().unwrap(), "{line}").unwrap();
    }

    pub(crate) fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).unwrap();
        // SAFETY: `kill` with the id of a child that is not yet waited for.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        assert_eq!(self.child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }

    pub(crate) fn finish(mut self) {
        self.to = None;
        let mut rest = String::new();
        self.from.read_to_string(&mut rest).unwrap();
        let status: ExitStatus = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {rest}");
    }
}
