//! `twinfs cat`: files on standard output.

use twinfs::bulk::Slice;

use super::stream;
use crate::args::Cat;
use crate::output::{Failure, Result, Stop};
use crate::session::{About, Session};
use crate::target::{Place, Target};

pub(crate) fn run(session: &mut Session, args: &Cat) -> Result<()> {
    let targets: Vec<Target> =
        args.locations.iter().map(|text| Target::parse(text)).collect::<Result<_>>()?;
    for target in &targets {
        let done = match (target, args.range) {
            (Target::Place(place), None) => stream::to_stdout(session, place),
            (Target::Place(place), Some(slice)) => range(session, place, slice),
            (Target::Standard, None) => stream::stdin_to_stdout(session),
            (Target::Standard, Some(_)) => {
                Err(Failure::usage("standard input has no ranges; --range wants a file").into())
            }
        };
        match done {
            Err(Stop::Failed(failure)) => session.out.fail(&failure),
            done => done?,
        }
    }
    Ok(())
}

fn range(session: &mut Session, place: &Place, slice: Slice) -> Result<()> {
    let fs = session.open(place)?;
    let len = fs.stat(&place.path).about(place)?.len;
    stream::range_to_stdout(session, place, slice.range(len))
}
