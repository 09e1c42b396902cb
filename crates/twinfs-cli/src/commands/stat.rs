//! `twinfs stat`: what is at a place.

use serde_json::json;
use twinfs::{Metadata, StatOptions};

use crate::args::Stat;
use crate::output::{self, Result, Stop};
use crate::session::{About, Session};
use crate::target::{Place, places};

pub(crate) fn run(session: &mut Session, args: &Stat) -> Result<()> {
    for place in &places(&args.locations)? {
        match stat(session, place) {
            Ok(metadata) => show(session, place, &metadata)?,
            Err(Stop::Failed(failure)) => session.out.fail(&failure),
            Err(stop) => return Err(stop),
        }
    }
    Ok(())
}

fn stat(session: &mut Session, place: &Place) -> Result<Metadata> {
    let fs = session.open(place)?;
    let version = twinfs::AsyncStore::capabilities(fs.store()).if_version;
    fs.stat_with(&place.path, &StatOptions { version }).about(place)
}

fn show(session: &mut Session, place: &Place, metadata: &Metadata) -> Result<()> {
    let modified = metadata.modified.map(output::time);
    let mode = metadata.mode.map(|mode| format!("{:04o}", mode & 0o7777));
    let version = metadata.version.as_ref().map(|version| version.as_str());
    if session.out.is_json() {
        return session.out.value(&json!({
            "path": place.text,
            "type": output::kind(metadata.kind),
            "size": metadata.len,
            "modified": modified,
            "mode": mode,
            "links": metadata.links,
            "version": version,
        }));
    }
    session.out.line(format_args!("    path: {}", place.text))?;
    session.out.line(format_args!("    type: {}", output::kind(metadata.kind)))?;
    session.out.line(format_args!("    size: {}", metadata.len))?;
    let rest = [("modified", modified.as_deref()), ("mode", mode.as_deref()), ("version", version)];
    for (name, value) in rest {
        if let Some(value) = value {
            session.out.line(format_args!("{name:>8}: {value}"))?;
        }
    }
    Ok(())
}
