//! `twinfs mkdir`: new directories.

use serde_json::json;

use crate::args::Mkdir;
use crate::output::{Result, Stop};
use crate::session::{About, Session};
use crate::target::{Place, places};

pub(crate) fn run(session: &mut Session, args: &Mkdir) -> Result<()> {
    for place in &places(&args.locations)? {
        match make(session, args, place) {
            Ok(()) if session.out.is_json() => session.out.value(&json!({ "created": place.text }))?,
            Ok(()) => {}
            Err(Stop::Failed(failure)) => session.out.fail(&failure),
            Err(stop) => return Err(stop),
        }
    }
    Ok(())
}

fn make(session: &mut Session, args: &Mkdir, place: &Place) -> Result<()> {
    let fs = session.open(place)?;
    let made = if args.parents { fs.create_dir_all(&place.path) } else { fs.create_dir(&place.path) };
    made.about(place)
}
