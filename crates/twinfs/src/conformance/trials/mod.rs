//! The trials. This module is built once for each face: `go!` is a call of the face, `face_fn!` a
//! function of it.

use super::{FACE, File, Fs, Need, Options, Outcome, Plan, Run, Store};

mod bulk;
mod directories;
mod errors;
mod handles;
mod listing;
mod names;
mod races;
mod reading;
mod renaming;
mod staging;
mod trial;
mod writers;
mod writing;

use trial::Trial;

face_fn! {
    pub(super) fn run<S: Store>(run: &Run<'_>, fs: &Fs<S>) {
        go!(errors::run(run, fs));
        go!(reading::run(run, fs));
        go!(writing::run(run, fs));
        go!(bulk::run(run, fs));
        go!(handles::run(run, fs));
        go!(writers::run(run, fs));
        go!(races::run(run, fs));
        go!(listing::run(run, fs));
        go!(directories::run(run, fs));
        go!(renaming::run(run, fs));
        go!(staging::run(run, fs));
        go!(names::run(run, fs));
    }
}

/// What every file of trials uses.
mod prelude {
    pub(super) use super::{File, Fs, Need, Options, Outcome, Plan, Run, Store, Trial};
    pub(super) use crate::conformance::{Failure, brief};
    pub(super) use crate::store::*;
    pub(super) use crate::{ErrorKind, FsPath};
}
