//! `twinfs du`: how much a tree holds.

use serde_json::json;
use twinfs::DiskUsage;

use crate::args::Du;
use crate::output::{self, Result, Stop};
use crate::session::{About, Session};
use crate::target::{Place, places};

pub(crate) fn run(session: &mut Session, args: &Du) -> Result<()> {
    for place in &places(&args.locations)? {
        match count(session, place) {
            Ok(usage) => show(session, args, place, &usage)?,
            Err(Stop::Failed(failure)) => session.out.fail(&failure),
            Err(stop) => return Err(stop),
        }
    }
    Ok(())
}

fn count(session: &mut Session, place: &Place) -> Result<DiskUsage> {
    session.open(place)?.disk_usage(&place.path).about(place)
}

fn show(session: &mut Session, args: &Du, place: &Place, usage: &DiskUsage) -> Result<()> {
    if session.out.is_json() {
        return session.out.value(&json!({
            "path": place.text,
            "bytes": usage.bytes,
            "files": usage.files,
            "directories": usage.directories,
            "others": usage.others,
        }));
    }
    let bytes = if args.human { output::human(usage.bytes) } else { usage.bytes.to_string() };
    session.out.line(format_args!("{bytes}\t{} files\t{}", usage.files, place.text))
}
