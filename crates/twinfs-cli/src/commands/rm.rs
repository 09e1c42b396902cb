//! `twinfs rm`: files and, with `-r`, folders away.

use serde_json::json;
use twinfs::blocking::bulk;
use twinfs::{Depth, Error, ErrorKind, FsPath};

use crate::args::Rm;
use crate::output::{Failure, Result, Stop};
use crate::session::Session;
use crate::target::{Place, Root, places};

pub(crate) fn run(session: &mut Session, args: &Rm) -> Result<()> {
    let places = places(&args.locations)?;
    places.iter().try_for_each(refuse_root)?;
    // Places of one store go in one call, which removes many at once.
    let mut groups: Vec<Vec<Place>> = Vec::new();
    for place in places {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| first.root == place.root)) {
            Some(group) if group.iter().any(|other| other.path == place.path) => {}
            Some(group) => group.push(place),
            None => groups.push(vec![place]),
        }
    }
    for group in &groups {
        match remove(session, args, group) {
            Err(Stop::Failed(failure)) => session.out.fail(&failure),
            result => result?,
        }
    }
    Ok(())
}

fn remove(session: &mut Session, args: &Rm, group: &[Place]) -> Result<()> {
    let Some(first) = group.first() else { return Ok(()) };
    let fs = session.open(first)?;
    let paths: Vec<FsPath> = group.iter().map(|place| place.path.clone()).collect();
    let depth = if args.recursive { Depth::Recursive } else { Depth::Children };
    let removed = bulk::rm(&fs, &paths, depth, &session.bulk());
    for item in removed.map_err(|error| Failure::new(&*first.text, error))? {
        let Some(place) = group.get(item.index) else { continue };
        match item.result {
            Ok(()) if session.out.is_json() => session.out.value(&json!({ "removed": place.text }))?,
            Ok(()) => {}
            Err(error) if args.force && error.kind() == ErrorKind::NotFound => {}
            Err(error) if error.kind() == ErrorKind::IsADirectory => {
                let error = error.with_message("use -r to remove it with everything in it");
                session.out.fail(&Failure::new(&*place.text, error));
            }
            Err(error) => session.out.fail(&Failure::new(&*place.text, error)),
        }
    }
    Ok(())
}

/// `.`, `/` and what ends in `..` are more often a slip than meant.
fn refuse_root(place: &Place) -> Result<()> {
    if matches!(place.root, Root::Local(_)) && place.path.is_root() {
        let message = "this would empty a whole directory under your feet; name it from outside";
        let error = Error::new(ErrorKind::InvalidInput).with_message(message);
        return Err(Failure::new(&*place.text, error).into());
    }
    Ok(())
}
