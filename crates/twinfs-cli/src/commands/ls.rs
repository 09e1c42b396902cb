//! `twinfs ls`: what is in a directory.

use serde::Serialize;
use twinfs::{Depth, Entry, EntryKind, FsPath, ListOptions};

use crate::args::Ls;
use crate::output::{self, Result, Stop};
use crate::session::{About, Session};
use crate::target::{Place, places};

/// Entries taken from a listing at a time.
const PAGE: usize = 1000;

/// An entry as JSON; keys in order, as in all output.
#[derive(Serialize)]
struct Shown {
    modified: Option<String>,
    name: String,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_name: Option<String>,
    size: Option<u64>,
    #[serde(rename = "type")]
    kind: &'static str,
}

pub(crate) fn run(session: &mut Session, args: &Ls) -> Result<()> {
    let places = places(&args.locations)?;
    for (number, place) in places.iter().enumerate() {
        if places.len() > 1 && !session.out.is_json() {
            let gap = if number == 0 { "" } else { "\n" };
            session.out.line(format_args!("{gap}{}:", place.text))?;
        }
        match list(session, args, place) {
            Err(Stop::Failed(failure)) => session.out.fail(&failure),
            result => result?,
        }
    }
    Ok(())
}

fn list(session: &mut Session, args: &Ls, place: &Place) -> Result<()> {
    let fs = session.open(place)?;
    let depth = if args.recursive { Depth::Recursive } else { Depth::Children };
    let metadata = args.long || session.out.is_json();
    let options = ListOptions { depth, metadata, ..ListOptions::default() };
    let mut entries = fs.entries(&place.path, &options).about(place)?;
    loop {
        let page = entries.next_page(PAGE).about(place)?;
        if page.is_empty() {
            return session.out.flush();
        }
        for entry in &page {
            show(session, args, place, entry)?;
        }
    }
}

fn show(session: &mut Session, args: &Ls, place: &Place, entry: &Entry) -> Result<()> {
    let modified = entry.metadata.as_ref().and_then(|metadata| metadata.modified).map(output::time);
    let is_file = entry.kind == EntryKind::File;
    if session.out.is_json() {
        return session.out.value(&Shown {
            modified,
            name: name(&place.path, entry),
            path: place.show(&entry.path),
            raw_name: entry.raw_name.as_ref().map(|raw| raw.escape_ascii().to_string()),
            size: entry.len().filter(|_| is_file),
            kind: output::kind(entry.kind),
        });
    }
    let mut name = name(&place.path, entry);
    if name.is_empty() {
        name.clone_from(&place.text); // A file listed by itself.
    }
    let mark = match entry.kind {
        EntryKind::Directory => "/",
        EntryKind::Symlink => "@",
        EntryKind::Unrepresentable => " (no valid path)",
        _ => "",
    };
    if args.long {
        let len = entry.len().filter(|_| is_file).map(|len| len.to_string()).unwrap_or_default();
        let modified = modified.unwrap_or_default();
        return session.out.line(format_args!("{len:>14} {modified:20} {name}{mark}"));
    }
    session.out.line(format_args!("{name}{mark}"))
}

/// The name of an entry as seen from the directory that is listed.
fn name(listed: &FsPath, entry: &Entry) -> String {
    let below = entry.path.strip_prefix(listed).unwrap_or(entry.path.as_str());
    match &entry.raw_name {
        None => below.to_owned(),
        Some(raw) if below.is_empty() => raw.escape_ascii().to_string(),
        Some(raw) => format!("{below}/{}", raw.escape_ascii()),
    }
}
