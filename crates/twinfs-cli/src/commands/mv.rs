//! `twinfs mv`: a rename where one will do, else a copy and a removal.

use serde_json::json;
use twinfs::blocking::bulk;
use twinfs::{Condition, Depth, ErrorKind, MoveOptions};

use super::transfer::{Copy, ends, target_of};
use crate::args::Mv;
use crate::interrupt;
use crate::output::{Failure, Result, Stop};
use crate::session::{About, Session, failure_between};
use crate::target::Place;

pub(crate) fn run(session: &mut Session, args: &Mv) -> Result<()> {
    let (sources, target) = ends(&args.locations, None)?;
    let target = target.place()?;
    let sources: Vec<Place> = sources.into_iter().map(crate::target::Target::place).collect::<Result<_>>()?;
    interrupt::watch();
    let (_, into) = target_of(session, &target, sources.len())?;
    for source in &sources {
        match one(session, args, source, &target, into) {
            Err(Stop::Failed(failure)) => session.out.fail(&failure),
            done => done?,
        }
    }
    Ok(())
}

fn one(session: &mut Session, args: &Mv, source: &Place, target: &Place, into: bool) -> Result<()> {
    let joined = source.on_one_disk(target);
    let shared = match &joined {
        Some((source, target)) => Some((source, target)),
        None => (source.root == target.root).then_some((source, target)),
    };
    if let Some((from, to)) = shared
        && rename(session, args, from, to, into)?
    {
        if session.out.is_json() {
            session.out.value(&json!({ "from": source.text, "to": target.text, "renamed": true }))?;
        }
        return Ok(());
    }
    let copy = Copy { writing: &args.writing, depth: Depth::Recursive };
    let fs = session.open(target)?;
    if copy.one(session, source, (&fs, target), into)? {
        // Only what has arrived whole goes away here.
        session.open(source)?.remove_all(&source.path).about(source)?;
    }
    Ok(())
}

/// Renames inside one store; false where the store, or the disk, cannot.
fn rename(session: &mut Session, args: &Mv, from: &Place, to: &Place, into: bool) -> Result<bool> {
    /// `EXDEV`: source and target are on different disks after all, below a mount point.
    const CROSSES_DEVICES: i32 = 18;
    let fs = session.open(from)?;
    let place = bulk::place(&fs, &from.path, &to.path, into).about(to)?;
    if place == from.path {
        let message = "source and target are the same";
        let error = twinfs::Error::new(ErrorKind::InvalidInput).with_message(message);
        return Err(Failure::new(&*from.text, error).into());
    }
    let condition = if args.writing.no_clobber { Condition::IfAbsent } else { Condition::None };
    let options = MoveOptions { condition, durability: args.writing.durability, ..MoveOptions::default() };
    match fs.rename_with(&from.path, &place, &options) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(false),
        Err(error) if error.raw_os_error() == Some(CROSSES_DEVICES) => Ok(false),
        Err(error) => Err(failure_between(from, to, error).into()),
    }
}
