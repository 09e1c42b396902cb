//! `twinfs ls`: what is in a directory.

use serde_json::json;
use twinfs::{Depth, Entry, EntryKind, FsPath, ListOptions};

use crate::args::Ls;
use crate::output::{self, Result, Stop};
use crate::session::{About, Session};
use crate::target::{Place, places};

/// Entries taken from a listing at a time.
const PAGE: usize = 1000;

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
        let mut value = json!({
            "path": place.show(&entry.path),
            "name": name(&place.path, entry),
            "type": output::kind(entry.kind),
            "size": entry.len().filter(|_| is_file),
            "modified": modified,
        });
        if let Some(raw) = &entry.raw_name {
            value["raw_name"] = raw.escape_ascii().to_string().into();
        }
        return session.out.value(&value);
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
