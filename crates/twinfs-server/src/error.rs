//! Why a server did not start, or stopped.

use std::fmt;

use crate::metadata::MetadataError;
use crate::upload::UploadError;

/// Why a server did not start, or stopped.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The configuration makes no sense; the text says why.
    Config(String),
    /// It cannot listen at the address.
    Listen {
        /// The address, as it was given.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The database of sessions and users cannot be used.
    Database(Box<dyn std::error::Error + Send + Sync>),
    /// The store of the files cannot be used.
    Store(twinfs::Error),
}

/// The result of starting and running a server.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(reason) => f.write_str(reason),
            Self::Listen { address, source } => write!(f, "cannot listen on {address}: {source}"),
            Self::Database(error) => error.fmt(f),
            Self::Store(error) => write!(f, "the data store cannot be used: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(_) => None,
            Self::Listen { source, .. } => Some(source),
            Self::Database(error) => Some(&**error),
            Self::Store(error) => Some(error),
        }
    }
}

impl From<MetadataError> for Error {
    fn from(error: MetadataError) -> Self {
        Self::Database(Box::new(error))
    }
}

impl From<twinfs::Error> for Error {
    fn from(error: twinfs::Error) -> Self {
        Self::Store(error)
    }
}

impl From<UploadError> for Error {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Store(error) => Self::Store(error),
            UploadError::Metadata(error) => error.into(),
            other => Self::Config(other.to_string()),
        }
    }
}
