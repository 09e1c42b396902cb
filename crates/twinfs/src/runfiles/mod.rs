//! The files of a run: what its user uploaded (`in`) and what it delivers (`out`), over HTTP.
//!
//! [`RunFiles`] is the async face, [`blocking::RunFiles`] the sync one with the same methods. Both speak to
//! a twinfs server and to Kodosumi's own.

mod download;
mod faces;
mod login;
mod progress;
mod session;
mod stream;
mod tracer;
mod upload;

pub use crate::stores::run::wire::FileInfo;
pub use faces::asynchronous::{Download, FileStream, RunFiles};
pub use login::{Login, login};
pub use progress::{Progress, ProgressCallback};
pub use tracer::Tracer;

/// The sync face: the same names and the same methods, without `.await`.
pub mod blocking {
    pub use super::faces::blocking::{Download, FileStream, RunFiles};
    pub use super::login::login_blocking as login;
}
