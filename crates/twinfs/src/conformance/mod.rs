//! The conformance suite: what every store must do, on both faces. Run it over a store of your own.
//!
//! A trial is written once and built twice, for the async face and for the sync face, so that the
//! code of both is really run. Which trials apply follows from what the store declares in its
//! [`Capabilities`]: a trial that needs what the store does not declare must be refused with
//! [`ErrorKind::Unsupported`], and counts as refused then; where the missing capability is a
//! behaviour that no call asks for (leases, directories), the trial is left out.
//!
//! Each trial works in a directory of its own and removes it afterwards, so the store may hold other
//! files, and several runs may share one store if their [`Options::prefix`] differs.
//!
//! ```
//! use twinfs::conformance::{self, Options};
//!
//! let options = Options::default().only("range");
//! conformance::run_blocking(&twinfs::blocking::Fs::memory(), &options).assert_all();
//! smol::block_on(conformance::run_async(&twinfs::Fs::memory(), &options)).assert_all();
//! ```

use std::fmt;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, ErrorKind};
use crate::path::FsPath;
use crate::store::{AsyncStore, Capabilities, Immediate};

mod hostile;

pub use hostile::hostile_names;

/// Puts a file into the store by another way than the store under test.
pub type Put = Box<dyn Fn(&FsPath, &[u8]) -> crate::Result<()> + Send + Sync>;

/// How the suite runs.
#[derive(Default)]
pub struct Options {
    /// The directory below which the trials work; `conformance` if empty.
    pub prefix: String,
    /// For a store that cannot be written: how files get into it. The trials that only read run
    /// over them.
    pub put: Option<Put>,
    /// Run only trials whose name contains this.
    pub only: Option<String>,
    /// Of the unusual names that must go through every verb, try only every so many; 0 and 1 try
    /// all. For stores on which hundreds of small calls take long.
    pub every_nth_name: usize,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("prefix", &self.prefix)
            .field("put", &self.put.is_some())
            .field("only", &self.only)
            .field("every_nth_name", &self.every_nth_name)
            .finish()
    }
}

impl Options {
    /// The same, for trials whose name contains this text.
    #[must_use]
    pub fn only(mut self, text: impl Into<String>) -> Self {
        self.only = Some(text.into());
        self
    }

    /// The same, with only every `nth` unusual name.
    #[must_use]
    pub fn every_nth_name(mut self, nth: usize) -> Self {
        self.every_nth_name = nth;
        self
    }

    /// The same, below this directory.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The same, with files put by this function.
    #[must_use]
    pub fn put(mut self, put: impl Fn(&FsPath, &[u8]) -> crate::Result<()> + Send + Sync + 'static) -> Self {
        self.put = Some(Box::new(put));
        self
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Trials that held.
    pub passed: Vec<&'static str>,
    /// Trials that need what the store does not declare, and that it refused as it must.
    pub refused: Vec<&'static str>,
    /// Trials left out because the store does not declare the behaviour they are about.
    pub skipped: Vec<&'static str>,
    /// Trials that did not hold, with what went wrong.
    pub failed: Vec<(&'static str, String)>,
    /// The kinds of all errors that trials asked for, in order: equal for both faces of one store.
    pub observed: Vec<String>,
}

impl Report {
    /// Panics with all failures, if there are any, or if no trial ran.
    ///
    /// # Panics
    /// If a trial failed or none ran.
    pub fn assert_all(&self) {
        assert!(self.failed.is_empty(), "{self}");
        assert!(!self.passed.is_empty(), "no trial ran: {self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (passed, refused, skipped) = (self.passed.len(), self.refused.len(), self.skipped.len());
        write!(f, "{passed} passed, {refused} refused, {skipped} left out, {} failed", self.failed.len())?;
        for (name, why) in &self.failed {
            write!(f, "\n  {name}: {why}")?;
        }
        Ok(())
    }
}

/// The largest file that is written to find a limit, in bytes.
const MAX_TRIED: u64 = 64 * 1024 * 1024;

/// What a trial needs of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Files to read: the store can be written, or the caller puts them.
    Files,
    Write,
    IfAbsent,
    IfVersion,
    InPlace,
    WriteHandles,
    UpdateHandles,
    StagedUploads,
    Durable,
    Leases,
    Directories,
    /// A commit finds out what changed since the handle was opened.
    Versions,
    /// The largest file is small enough to be tried.
    SizeLimit,
}

impl Need {
    fn is_met(self, caps: &Capabilities, options: &Options) -> bool {
        match self {
            Self::Files => caps.write || options.put.is_some(),
            Self::Write => caps.write,
            Self::IfAbsent => caps.if_absent,
            Self::IfVersion => caps.if_version,
            Self::InPlace => caps.in_place,
            Self::WriteHandles => caps.write_handles,
            Self::UpdateHandles => caps.update_handles,
            Self::StagedUploads => caps.staged_uploads,
            Self::Durable => caps.durable,
            Self::Leases => caps.leases,
            Self::Directories => caps.directories,
            Self::Versions => caps.if_version,
            Self::SizeLimit => caps.max_file_bytes.is_some_and(|max| max < MAX_TRIED),
        }
    }

    /// Whether a call asks for it, which can be refused.
    fn is_refused(self) -> bool {
        !matches!(self, Self::Leases | Self::Directories | Self::Versions | Self::SizeLimit)
    }
}

/// Why a trial did not hold.
#[derive(Debug)]
struct Failure {
    text: String,
    /// The kind of the error that the store gave.
    kind: Option<ErrorKind>,
    place: &'static Location<'static>,
}

impl Failure {
    #[track_caller]
    fn wrong(text: impl Into<String>) -> Self {
        Self { text: text.into(), kind: None, place: Location::caller() }
    }

    #[track_caller]
    fn error(error: &Error, text: impl fmt::Display) -> Self {
        Self {
            text: shortened(format!("{text}{error}")),
            kind: Some(error.kind()),
            place: Location::caller(),
        }
    }
}

impl From<Error> for Failure {
    #[track_caller]
    fn from(error: Error) -> Self {
        Self::error(&error, "")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.place.file().rsplit('/').next().unwrap_or_default();
        write!(f, "{file}:{}: {}", self.place.line(), self.text)
    }
}

type Outcome<T = ()> = Result<T, Failure>;

/// A value as a failure shows it.
fn brief(value: &dyn fmt::Debug) -> String {
    shortened(format!("{value:?}"))
}

fn shortened(text: String) -> String {
    if text.len() <= 400 {
        return text;
    }
    let (start, end) = (text.chars().take(300), text.chars().rev().take(60).collect::<Vec<_>>());
    let cut = format!(" ... ({} bytes) ... ", text.len());
    start.chain(cut.chars()).chain(end.into_iter().rev()).collect()
}

/// What is to become of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Run,
    ExpectRefusal,
    Skip,
}

/// The run under way.
struct Run<'a> {
    options: &'a Options,
    caps: Capabilities,
    report: Mutex<Report>,
}

impl<'a> Run<'a> {
    fn new(options: &'a Options, caps: &Capabilities) -> Self {
        Self { options, caps: *caps, report: Mutex::default() }
    }

    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self, name: &'static str, needs: &[Need]) -> Plan {
        let missing = || needs.iter().filter(|need| !need.is_met(&self.caps, self.options));
        match &self.options.only {
            Some(only) if !name.contains(only.as_str()) => Plan::Skip,
            _ if missing().any(|need| !need.is_refused()) => {
                self.report().skipped.push(name);
                Plan::Skip
            }
            _ if missing().next().is_some() => Plan::ExpectRefusal,
            _ => Plan::Run,
        }
    }

    fn record(&self, name: &'static str, plan: Plan, outcome: Outcome) {
        let mut report = self.report();
        match (plan, outcome) {
            (Plan::Run, Ok(())) => report.passed.push(name),
            (Plan::ExpectRefusal, Err(failure)) if failure.kind == Some(ErrorKind::Unsupported) => {
                report.refused.push(name);
            }
            (_, Ok(())) => {
                report.failed.push((name, "went through although the store declares that it cannot".into()));
            }
            (_, Err(failure)) => report.failed.push((name, failure.to_string())),
        }
    }

    fn dir_of(&self, face: &str, name: &str) -> String {
        let prefix = if self.options.prefix.is_empty() { "conformance" } else { &self.options.prefix };
        format!("{prefix}/{face}/{name}")
    }

    fn finish(self) -> Report {
        self.report.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the trial unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err(Failure::wrong(format!($($text)+)));
        }
    };
}

/// Ends the trial unless the two are equal.
macro_rules! same {
    ($found:expr, $expected:expr $(, $($text:tt)+)?) => {
        match (&$found, &$expected) {
            (found, expected) => {
                if *found != *expected {
                    #[allow(unused_mut, unused_assignments, reason = "the note is optional")]
                    let mut note = String::new();
                    $(note = format!("{}: ", format_args!($($text)+));)?
                    let (found, expected) = (brief(&found), brief(&expected));
                    return Err(Failure::wrong(format!("{note}found {found}, expected {expected}")));
                }
            }
        }
    };
}

/// Ends the trial unless the result is an error of one of these kinds.
macro_rules! refused {
    ($trial:ident, $result:expr, $($kind:ident)|+ $(, $($text:tt)+)?) => {{
        #[allow(unused_mut, unused_assignments, reason = "the note is optional")]
        let mut note = String::new();
        $(note = format!("{}: ", format_args!($($text)+));)?
        let expected = [$(stringify!($kind)),+].join(" or ");
        match $result {
            Ok(_) => return Err(Failure::wrong(format!("{note}went through, expected {expected}"))),
            Err(error) => {
                $trial.observe(error.kind());
                if !matches!(error.kind(), $(ErrorKind::$kind)|+) {
                    return Err(Failure::error(&error, format!("{note}expected {expected}, got: ")));
                }
                if error.operation().is_none() {
                    return Err(Failure::error(&error, format!("{note}it names no operation: ")));
                }
                if error.store().is_none() {
                    return Err(Failure::error(&error, format!("{note}it names no store: ")));
                }
            }
        }
    }};
}

/// The trials of one file: each with what it needs, and `run`, which runs them all.
macro_rules! trials {
    ($($(#[$meta:meta])* fn $name:ident($trial:ident) needs [$($need:ident),*] $body:block)*) => {
        $(face_fn! {
            $(#[$meta])*
            fn $name<S: Store>($trial: &Trial<'_, S>) -> Outcome {
                let () = $body;
                Ok(())
            }
        })*

        face_fn! {
            pub(super) fn run<S: Store>(run: &Run<'_>, fs: &Fs<S>) {
                $({
                    let plan = run.plan(stringify!($name), &[$(Need::$need),*]);
                    if plan != Plan::Skip {
                        let trial = Trial::new(run, fs, stringify!($name), plan);
                        let mut outcome = go!(trial.prepare());
                        if outcome.is_ok() {
                            outcome = go!($name(&trial));
                        }
                        go!(trial.clean_up());
                        run.record(stringify!($name), plan, outcome);
                    }
                })*
            }
        }
    };
}

mod asynchronous;
mod blocking;

/// Runs the suite over a store on the async face.
pub async fn run_async<S: AsyncStore>(fs: &crate::Fs<S>, options: &Options) -> Report {
    asynchronous::run(fs, options).await
}

/// Runs the suite over a store on the sync face.
pub fn run_blocking<S: Immediate>(fs: &crate::blocking::Fs<S>, options: &Options) -> Report {
    blocking::run(fs, options)
}
