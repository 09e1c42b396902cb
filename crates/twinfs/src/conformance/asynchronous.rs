//! The trials on the async face.

use super::{Need, Options, Outcome, Plan, Report, Run};
use crate::store::AsyncStore as Store;
use crate::{File, Fs};

const FACE: &str = "async";

/// A call of the face.
macro_rules! go {
    ($call:expr) => {
        $call.await
    };
}

/// A function of the face.
macro_rules! face_fn {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => { $(#[$meta])* $vis async fn $($rest)* };
}

/// Two pieces of work at once; gives the outcomes of both.
macro_rules! together {
    ($first:block, $second:block) => {
        futures_util::future::join(async $first, async $second).await
    };
}

#[path = "trials/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "the trials are written once and built for each face")]
mod trials;

pub(super) async fn run<S: Store>(fs: &Fs<S>, options: &Options) -> Report {
    let run = Run::new(options, fs.store().capabilities());
    trials::run(&run, fs).await;
    run.finish()
}
