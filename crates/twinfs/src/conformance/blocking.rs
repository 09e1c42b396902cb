//! The trials on the sync face.

use super::{Need, Options, Outcome, Plan, Report, Run};
use crate::blocking::{File, Fs};
use crate::store::Immediate as Store;

const FACE: &str = "sync";

/// A call of the face.
macro_rules! go {
    ($call:expr) => {
        $call
    };
}

/// A function of the face.
macro_rules! face_fn {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => { $(#[$meta])* $vis fn $($rest)* };
}

/// Two pieces of work at once; gives the outcomes of both.
macro_rules! together {
    ($first:block, $second:block) => {
        std::thread::scope(|scope| {
            let (first, second) = (scope.spawn(|| $first), scope.spawn(|| $second));
            let panicked = |_| Err(Failure::wrong("panicked"));
            (first.join().unwrap_or_else(panicked), second.join().unwrap_or_else(panicked))
        })
    };
}

#[path = "trials/mod.rs"]
#[allow(
    clippy::duplicate_mod,
    clippy::while_let_on_iterator,
    reason = "the trials are written once and built for each face"
)]
mod trials;

pub(super) fn run<S: Store>(fs: &Fs<S>, options: &Options) -> Report {
    let run = Run::new(options, fs.store().capabilities());
    trials::run(&run, fs);
    run.finish()
}
