//! `twinfs put`, `get` and `cp`: copies between any two places.

use std::ffi::OsString;

use serde_json::{Value, json};
use twinfs::blocking::{Fs, bulk};
use twinfs::bulk::{Pair, Report, TransferOptions};
use twinfs::{Condition, Depth, ErrorKind, Mode, OpenOptions, WriteOptions};

use super::stream;
use crate::args::{Cp, Get, Put, Writing};
use crate::interrupt;
use crate::output::{Failure, Result, Stop};
use crate::session::{About, Session, failure};
use crate::target::{Place, Target};

pub(crate) fn put(session: &mut Session, args: &Put) -> Result<()> {
    let (sources, target) = ends(&args.locations, None)?;
    Copy { writing: &args.writing, depth: Depth::Recursive }.all(session, &sources, &target)
}

pub(crate) fn get(session: &mut Session, args: &Get) -> Result<()> {
    let here = OsString::from(".");
    let (sources, target) = ends(&args.locations, Some(&here))?;
    Copy { writing: &args.writing, depth: Depth::Recursive }.all(session, &sources, &target)
}

pub(crate) fn cp(session: &mut Session, args: &Cp) -> Result<()> {
    let (sources, target) = ends(&args.locations, None)?;
    let depth = if args.recursive { Depth::Recursive } else { Depth::Children };
    Copy { writing: &args.writing, depth }.all(session, &sources, &target)
}

/// The sources and the target of a command; `only` is the target where there is one location only.
pub(crate) fn ends(locations: &[OsString], only: Option<&OsString>) -> Result<(Vec<Target>, Target)> {
    let (sources, target) = match (locations, only) {
        ([only_source], Some(target)) => (std::slice::from_ref(only_source), target),
        ([sources @ .., target], _) => (sources, target),
        ([], _) => return Err(Failure::usage("nothing to copy").into()),
    };
    let sources = sources.iter().map(|text| Target::parse(text)).collect::<Result<_>>()?;
    Ok((sources, Target::parse(target)?))
}

/// The file system of a target, and whether sources go into it rather than to it.
pub(crate) fn target_of(session: &mut Session, target: &Place, sources: usize) -> Result<(Fs, bool)> {
    let fs = session.open(target)?;
    let into = target.is_directory_by_name();
    if sources > 1 && !into && !fs.is_dir(&target.path).about(target)? {
        let message = "several sources need a folder as target; end it in / to make a new one";
        let error = twinfs::Error::new(ErrorKind::NotADirectory).with_message(message);
        return Err(Failure::new(&*target.text, error).into());
    }
    Ok((fs, into))
}

/// How a command copies.
pub(crate) struct Copy<'a> {
    pub(crate) writing: &'a Writing,
    pub(crate) depth: Depth,
}

impl Copy<'_> {
    pub(crate) fn all(&self, session: &mut Session, sources: &[Target], target: &Target) -> Result<()> {
        match target {
            Target::Standard => sources.iter().try_for_each(|source| self.to_stdout(session, source)),
            Target::Place(target) => {
                interrupt::watch();
                let (fs, into) = target_of(session, target, sources.len())?;
                for source in sources {
                    let done = match source {
                        Target::Standard => self.stdin_to(session, target),
                        Target::Place(source) => self.one(session, source, (&fs, target), into).map(|_| ()),
                    };
                    match done {
                        Err(Stop::Failed(failure)) => session.out.fail(&failure),
                        done => done?,
                    }
                }
                Ok(())
            }
        }
    }

    fn to_stdout(&self, session: &mut Session, source: &Target) -> Result<()> {
        match source {
            Target::Standard => stream::stdin_to_stdout(session),
            Target::Place(place) => stream::to_stdout(session, place),
        }
    }

    fn stdin_to(&self, session: &mut Session, target: &Place) -> Result<()> {
        let mut options = OpenOptions::from(Mode::Write);
        options.condition = self.condition();
        options.durability = self.writing.durability;
        let len = stream::from_stdin(session, target, &options)?;
        if session.out.is_json() {
            session.out.value(&json!({ "from": "-", "to": target.text, "files": 1, "bytes": len }))?;
        }
        Ok(())
    }

    /// One source; gives whether all of it was copied.
    pub(crate) fn one(
        &self,
        session: &mut Session,
        source: &Place,
        (fs, target): (&Fs, &Place),
        into: bool,
    ) -> Result<bool> {
        let from = session.open(source)?;
        let to = bulk::place(fs, &source.path, &target.path, into).about(target)?;
        if source.holds(target, &to) {
            let error = twinfs::Error::new(ErrorKind::InvalidInput)
                .with_message("it cannot be copied onto or into itself");
            return Err(Failure::new(&*source.text, error).into());
        }
        let pair = [Pair { from: source.path.clone(), to }];
        let mut options = TransferOptions {
            bulk: session.bulk(),
            depth: self.depth,
            write: WriteOptions {
                condition: self.condition(),
                durability: self.writing.durability,
                ..WriteOptions::default()
            },
        };
        options.bulk.progress = session.progress(source, target);
        let report = if source.root == target.root {
            bulk::copy(fs, &pair, &options)
        } else {
            bulk::put(fs, &from, &pair, &options)
        };
        // The bar goes before anything else is said.
        drop(options);
        let report = report.map_err(|error| failure(source, error))?;
        let complete = report.failed.is_empty() && report.skipped.is_empty();
        tell(session, source, target, report)?;
        Ok(complete)
    }

    fn condition(&self) -> Condition {
        if self.writing.no_clobber { Condition::IfAbsent } else { Condition::None }
    }
}

/// Says what a transfer did.
fn tell(session: &mut Session, source: &Place, target: &Place, report: Report) -> Result<()> {
    for skipped in &report.skipped {
        let mut what = source.show(&skipped.path);
        if let Some(raw) = &skipped.raw_name {
            what = format!("{what}/{}", raw.escape_ascii());
        }
        session.out.skip(&what, skipped.reason);
    }
    let failures = report.failed.len();
    for failed in report.failed {
        let error = failed.error;
        let of_target = match error.kind() {
            // Both are told.
            _ if error.destination().is_some() => false,
            // What is in the way, or lacks room, is at the target.
            ErrorKind::ConditionFailed
            | ErrorKind::AlreadyExists
            | ErrorKind::WouldBlock
            | ErrorKind::NoSpace => true,
            // Otherwise the path that the error names says on which side it happened.
            _ => error.path() == Some(failed.to.as_str()) && failed.to != failed.from,
        };
        let what = if of_target { target.show(&failed.to) } else { source.show(&failed.from) };
        let error = if error.kind() == ErrorKind::IsADirectory && failed.from == source.path && !of_target {
            error.with_message("use -r to copy it with everything in it")
        } else {
            error
        };
        let destination = error.destination().map(|_| target.show(&failed.to));
        session.out.fail(&Failure { destination, ..Failure::new(what, error) });
    }
    if !session.out.is_json() {
        return Ok(());
    }
    let skipped: Vec<Value> = report
        .skipped
        .iter()
        .map(|skipped| json!({ "path": source.show(&skipped.path), "reason": skipped.reason }))
        .collect();
    session.out.value(&json!({
        "from": source.text,
        "to": target.text,
        "files": report.files,
        "bytes": report.bytes,
        "directories": report.directories,
        "failed": failures,
        "skipped": skipped,
    }))
}
