//! Files as an FTP server sees them: paths, directories, and open files that others watch grow.
//!
//! [`PathIo`] has the methods of aioftp's `AbstractPathIO`, and every [`Fs`](crate::Fs) is one; [`blocking::PathIo`]
//! is the same on the sync face. A wrapper of your own implements the trait by passing on what it does
//! not change. [`Nursery`] makes any number of them over one store, each with its own timeout.
//!
//! ```
//! use twinfs::pathio::{MkdirOptions, Nursery, PathIo, PathIoOptions};
//! use twinfs::Mode;
//!
//! # smol::block_on(async {
//! let nursery = Nursery::memory();
//! let io = nursery.path_io(&PathIoOptions::default());
//! io.mkdir("home/user", &MkdirOptions::all()).await?;
//!
//! let mut file = io.open("home/user/test.txt", Mode::Write).await?;
//! file.write("Test content").await?;
//! file.close().await?;
//!
//! // Another one over the same tree.
//! let other = nursery.path_io(&PathIoOptions::default());
//! assert!(other.is_file("home/user/test.txt").await?);
//! # Ok::<(), twinfs::Error>(()) }).unwrap();
//! ```
//!
//! # What writing does
//! Where the store can, a file is written in place, without a lease: it is there from the moment it is
//! opened, others see it grow, and a transfer that broke off is taken up again where it ended (mode
//! [`Update`](crate::Mode::Update), then [`seek`](OpenFile::seek)). With [`PathIoOptions::publish`] set to
//! [`Publish::Staged`] it appears whole, when it is closed. Stores that cannot write in place always
//! do that.

mod contract;
mod faces;
mod file;
mod local;
mod nursery;
mod over_fs;

use std::time::Duration;

pub use self::faces::asynchronous::{Blocks, FsPathIo, Listing, Nursery, OpenFile, PathFile, PathIo};
pub use self::local::local_path;
use crate::store::{Capabilities, CreateDirOptions, Existing, Lease, Mode, OpenOptions, Parents, Publish};

/// The sync face: the same names and the same methods, without `.await`.
pub mod blocking {
    pub use super::faces::blocking::{Blocks, FsPathIo, Listing, Nursery, OpenFile, PathFile, PathIo};
    pub use super::{MkdirOptions, PathIoOptions, local_path};
}

/// How a [`Nursery`] makes a path I/O, and how it works then.
///
/// ```
/// use std::time::Duration;
/// use twinfs::Publish;
/// use twinfs::pathio::PathIoOptions;
///
/// let options = PathIoOptions::default().timeout(Duration::from_secs(30)).publish(Publish::Staged);
/// assert_eq!(options.timeout, Some(Duration::from_secs(30)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathIoOptions {
    /// The longest any operation of the store may take, each read, write and page of a listing by
    /// itself; above it it fails with `Timeout`. A tree in memory never waits, and has none.
    pub timeout: Option<Duration>,
    /// When written bytes become visible. `None`: as they are written where the store can do that, else
    /// all at once on `close`.
    pub publish: Option<Publish>,
}

impl PathIoOptions {
    /// The same with this timeout.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }

    /// The same with this way of publishing.
    #[must_use]
    pub fn publish(mut self, publish: Publish) -> Self {
        self.publish = Some(publish);
        self
    }
}

/// How a file is opened over a store that can write in place, or not.
fn open_options(mode: Mode, publish: Option<Publish>, capabilities: &Capabilities) -> OpenOptions {
    let natural = if capabilities.in_place { Publish::InPlace } else { Publish::Staged };
    let publish = publish.unwrap_or(natural);
    let lease = match publish {
        // FTP's ways: nobody is kept from a file that somebody writes to.
        Publish::InPlace => Lease::Off,
        Publish::Staged => Lease::Hold,
    };
    OpenOptions::from(mode).publish(publish).lease(lease).parents(Parents::Require)
}

/// Options of `mkdir`: by default the parent must be there, and the directory must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MkdirOptions {
    /// What to do about missing directories above.
    pub parents: Parents,
    /// What to do if the directory is there already.
    pub existing: Existing,
}

impl MkdirOptions {
    /// As `mkdir -p`: parents are made, and a directory that is there is kept.
    #[must_use]
    pub const fn all() -> Self {
        Self { parents: Parents::Create, existing: Existing::Keep }
    }
}

impl Default for MkdirOptions {
    fn default() -> Self {
        Self { parents: Parents::Require, existing: Existing::Refuse }
    }
}

impl From<&MkdirOptions> for CreateDirOptions {
    fn from(options: &MkdirOptions) -> Self {
        Self { parents: options.parents, existing: options.existing, durability: None }
    }
}
