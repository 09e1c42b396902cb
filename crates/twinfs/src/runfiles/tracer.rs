//! The handle that a service is given for its run.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::RunFiles;
use crate::error::Result;

/// Names a run and who may use it; travels to other processes by serde.
///
/// `Debug` leaves the credential out; what serde writes has it.
///
/// ```
/// use twinfs::runfiles::Tracer;
///
/// let tracer = Tracer::new("65f0", "http://127.0.0.1:3370", "a.b.c");
/// let files = tracer.fs_blocking()?;
/// assert_eq!(files.fid(), "65f0");
/// assert!(!format!("{tracer:?}").contains("a.b.c"));
/// # Ok::<(), twinfs::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracer {
    /// The id of the run.
    pub fid: String,
    /// The server's URL.
    pub panel_url: String,
    /// The credential.
    pub jwt: String,
}

impl Tracer {
    /// A tracer of this run.
    #[must_use]
    pub fn new(fid: impl Into<String>, panel_url: impl Into<String>, jwt: impl Into<String>) -> Self {
        Self { fid: fid.into(), panel_url: panel_url.into(), jwt: jwt.into() }
    }

    /// The run's files on the async face. Nothing is sent.
    ///
    /// # Errors
    /// As [`RunFiles::new`].
    pub fn fs(&self) -> Result<RunFiles> {
        RunFiles::new(&self.fid, &self.panel_url, &self.jwt)
    }

    /// The run's files on the sync face. Nothing is sent.
    ///
    /// # Errors
    /// As [`RunFiles::new`].
    pub fn fs_blocking(&self) -> Result<super::blocking::RunFiles> {
        super::blocking::RunFiles::new(&self.fid, &self.panel_url, &self.jwt)
    }
}

impl fmt::Debug for Tracer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracer").field("fid", &self.fid).finish_non_exhaustive()
    }
}
