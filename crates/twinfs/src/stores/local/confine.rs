//! The root directory, and how a path is looked up below it so that nothing leads out.
//!
//! The kernel confines every lookup (`openat2` with `RESOLVE_BENEATH`). Where it cannot, or a
//! sandbox forbids it, `cap-primitives` walks the path component by component. Everything else
//! works on a single name in a directory that was opened this way. A store of `/` has no outside:
//! there the system looks up as it always does.

use std::borrow::Cow;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cap_primitives::fs::{OpenOptions as CapOptions, OpenOptionsExt};
use rustix::fs::{Mode, OFlags, ResolveFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use super::sys::{self, Sys, fail};
use super::{Create, LocalOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::path::{FsPath, RESERVED_PREFIX};
use crate::store::{Durability, Parents};

/// How often a link may lead to a link: `MAXSYMLINKS` of Linux.
const MAX_LINKS: usize = 40;
/// How often the kernel is asked again when a rename elsewhere disturbed a lookup through `..`.
const MAX_DISTURBED: usize = 64;
const CONFINED: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
/// Confined, from the kernel's cache of names, and not onto another mount.
const CACHED: ResolveFlags = CONFINED.union(ResolveFlags::CACHED).union(ResolveFlags::NO_XDEV);

/// The root directory of a store.
pub(super) struct Root {
    dir: OwnedFd,
    lookup: Lookup,
    dir_mode: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lookup {
    /// The kernel confines.
    Kernel,
    /// We walk.
    Walk,
    /// The root is the system's own: nothing lies outside, and absolute links lead inside.
    Free,
}

/// A name in an open directory: where a path ends once all links are followed.
pub(super) struct Place<'path> {
    pub(super) dir: OwnedFd,
    pub(super) name: Cow<'path, [u8]>,
    /// What stands there; `None` if nothing does.
    pub(super) stat: Option<Stat>,
    /// The directories in which a directory was created on the way, from the root downwards.
    pub(super) created: Vec<OwnedFd>,
}

/// Whether the last component is followed if it is a link.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Follow {
    Yes,
    No,
}

impl Root {
    pub(super) fn open(path: &Path, options: &LocalOptions) -> Result<Self> {
        if options.create == Create::Missing {
            create_root(path, options)?;
        }
        let flags = sys::PATH | OFlags::DIRECTORY;
        let dir = retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty())).map_err(fail)?;
        let lookup = if path.parent().is_none() {
            Lookup::Free
        } else {
            match rustix::fs::openat2(&dir, c".", flags, Mode::empty(), CONFINED) {
                Ok(_) => Lookup::Kernel,
                // An old kernel, or a sandbox that forbids what it does not know.
                Err(Errno::NOSYS | Errno::PERM) => Lookup::Walk,
                Err(errno) => return Err(fail(errno)),
            }
        };
        Ok(Self { dir, lookup, dir_mode: options.dir_mode })
    }

    /// The root itself: for single names only.
    pub(super) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Whether the root itself was removed: nothing is found below it any more, nor can be made there,
    /// even if another directory has its name now.
    pub(super) fn is_removed(&self) -> bool {
        sys::stat(&self.dir).is_ok_and(|stat| self.is_dead(&stat))
    }

    /// Refuses a root that was removed.
    pub(super) fn check_kept(&self, root: &Stat) -> Result<()> {
        if self.is_dead(root) { Err(ErrorKind::NotFound.into()) } else { Ok(()) }
    }

    fn is_dead(&self, root: &Stat) -> bool {
        // Not every file system counts links; names are refused by the kernel itself.
        root.st_nlink == 0 && self.open_dir(b"").is_ok_and(|dir| super::names::has_no_names_any_more(&dir))
    }

    /// Whether lookups are confined by the kernel, or have nothing to be confined to.
    pub(super) fn confined_by_kernel(&self) -> bool {
        self.lookup != Lookup::Walk
    }

    /// Opens what stands at a path, following links, confined. `flags` must not create.
    pub(super) fn open_at(&self, path: &[u8], flags: OFlags) -> Sys<OwnedFd> {
        if path.len() < libc::PATH_MAX as usize {
            return self.open_from(self.dir.as_fd(), path, flags);
        }
        // The longest path is a byte longer than one system call takes.
        let end = path.iter().rposition(|&byte| byte == b'/').ok_or(Errno::NAMETOOLONG)?;
        let dir = self.open_from(self.dir.as_fd(), &path[..end], sys::PATH | OFlags::DIRECTORY)?;
        self.open_from(dir.as_fd(), &path[end + 1..], flags)
    }

    fn open_from(&self, dir: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Sys<OwnedFd> {
        let path = if path.is_empty() { b"." } else { path };
        match self.lookup {
            Lookup::Walk => walk(dir, path, flags),
            Lookup::Free => sys::open_at(dir, path, flags, 0),
            Lookup::Kernel => {
                confined(dir, path, flags, Mode::empty()).unwrap_or_else(|| walk(dir, path, flags))
            }
        }
    }

    /// Opens a file to write to, or makes it, in one step; a link at its end is refused with `LOOP`.
    /// `None` where this kernel has no such step.
    pub(super) fn create_at(&self, path: &FsPath, flags: OFlags, mode: u32) -> Option<Sys<OwnedFd>> {
        let path = path.as_str().as_bytes();
        if path.is_empty() || path.len() >= libc::PATH_MAX as usize {
            return None;
        }
        let flags = flags | OFlags::NOFOLLOW;
        match self.lookup {
            Lookup::Walk => None,
            Lookup::Free => Some(sys::open_at(self.dir(), path, flags, mode)),
            Lookup::Kernel => confined(self.dir(), path, flags, Mode::from_raw_mode(mode)),
        }
    }

    /// As [`open_at`](Self::open_at), if that needs no waiting; only where the kernel confines.
    pub(super) fn open_cached(&self, path: &[u8], flags: OFlags) -> Sys<OwnedFd> {
        if self.lookup == Lookup::Walk {
            return Err(Errno::NOSYS);
        }
        let path = if path.is_empty() { b"." } else { path };
        rustix::fs::openat2(&self.dir, path, flags, Mode::empty(), CACHED)
    }

    /// Opens a directory for listing, locking and syncing. Every call gives a descriptor with locks
    /// and a listing position of its own.
    pub(super) fn open_dir(&self, path: &[u8]) -> Sys<OwnedFd> {
        self.open_at(path, sys::DIRECTORY)
    }

    /// What stands at a path, following links.
    pub(super) fn stat(&self, path: &FsPath) -> Result<Stat> {
        if path.is_root() {
            let stat = sys::stat(&self.dir).map_err(fail)?;
            self.check_kept(&stat)?;
            return Ok(stat);
        }
        // A single component cannot lead out unless it is a link: no descriptor is needed.
        if !path.as_str().contains('/') {
            let stat = sys::stat_at(&self.dir, path.as_str()).map_err(fail)?;
            if !sys::is_link(&stat) {
                return Ok(stat);
            }
        }
        if self.lookup == Lookup::Free {
            return sys::stat_behind(&self.dir, path.as_str()).map_err(fail);
        }
        if self.lookup == Lookup::Kernel {
            let file = self.open_at(path.as_str().as_bytes(), sys::PATH).map_err(fail)?;
            return sys::stat(file).map_err(fail);
        }
        self.locate(path, Follow::Yes, Parents::Require)?.stat.ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Finds where a path ends. The root ends at the name `.`.
    pub(super) fn locate<'path>(
        &self,
        path: &'path FsPath,
        follow: Follow,
        parents: Parents,
    ) -> Result<Place<'path>> {
        let (dir, created) = self.open_parent(path.parent_str(), parents)?;
        let name = if path.is_root() { "." } else { path.name() };
        let stat = sys::find_at(&dir, name).map_err(fail)?;
        let place = Place { dir, name: Cow::Borrowed(name.as_bytes()), stat, created };
        match stat {
            Some(stat) if follow == Follow::Yes && sys::is_link(&stat) => {
                self.follow(path.parent_str(), place)
            }
            _ => Ok(place),
        }
    }

    /// Follows the link at a place, and the links it leads to, to the final name.
    fn follow<'path>(&self, dir_path: &str, mut place: Place<'path>) -> Result<Place<'path>> {
        let mut dir_path = dir_path.as_bytes().to_vec();
        for _ in 0..MAX_LINKS {
            let link = retry_on_intr(|| rustix::fs::readlinkat(&place.dir, &*place.name, Vec::new()));
            match link {
                Ok(link) => self.step(&mut dir_path, &mut place, link.as_bytes())?,
                // It was a link a moment ago: look again.
                Err(Errno::INVAL | Errno::NOENT) => {
                    place.stat = sys::find_at(&place.dir, &*place.name).map_err(fail)?;
                }
                Err(errno) => return Err(fail(errno)),
            }
            if !place.stat.is_some_and(|stat| sys::is_link(&stat)) {
                return Ok(place);
            }
        }
        Err(fail(Errno::LOOP))
    }

    /// Goes from a link's directory to where its text leads. The joined text is looked up from the
    /// root, confined as every path is.
    fn step(&self, dir_path: &mut Vec<u8>, place: &mut Place<'_>, link: &[u8]) -> Result<()> {
        if link.starts_with(b"/") {
            if self.lookup != Lookup::Free {
                return Err(fail(Errno::XDEV));
            }
            dir_path.clear();
        }
        if !dir_path.is_empty() {
            dir_path.push(b'/');
        }
        let below = link.iter().position(|&byte| byte != b'/').unwrap_or(link.len());
        dir_path.extend_from_slice(&link[below..]);
        let must_be_dir = dir_path.ends_with(b"/") || dir_path.is_empty();
        while dir_path.ends_with(b"/") {
            dir_path.pop();
        }
        let start = dir_path.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        if must_be_dir || matches!(&dir_path[start..], b"." | b"..") {
            place.dir = self.open_dir(dir_path).map_err(fail)?;
            place.name = Cow::Borrowed(b".");
        } else {
            let name = dir_path[start..].to_vec();
            if name.starts_with(RESERVED_PREFIX.as_bytes()) {
                return Err(
                    Error::new(ErrorKind::PermissionDenied).with_message("the link leads to a reserved name")
                );
            }
            dir_path.truncate(start.saturating_sub(1));
            place.dir = self.open_dir(dir_path).map_err(fail)?;
            place.name = Cow::Owned(name);
        }
        place.stat = sys::find_at(&place.dir, &*place.name).map_err(fail)?;
        Ok(())
    }

    /// Opens a directory by its path; creates what is missing if asked.
    pub(super) fn open_parent(&self, dir: &str, parents: Parents) -> Result<(OwnedFd, Vec<OwnedFd>)> {
        match self.open_dir(dir.as_bytes()) {
            Ok(fd) => Ok((fd, Vec::new())),
            Err(Errno::NOENT) if parents == Parents::Create && !dir.is_empty() => {
                for _ in 0..super::MAX_VANISHED {
                    match self.create_dirs(dir.as_bytes()) {
                        // A directory just made or found was removed again: start over.
                        Err(Errno::NOENT) => continue,
                        result => return result.map_err(fail),
                    }
                }
                Err(fail(Errno::NOENT))
            }
            Err(errno) => Err(fail(errno)),
        }
    }

    fn create_dirs(&self, path: &[u8]) -> Sys<(OwnedFd, Vec<OwnedFd>)> {
        let (mut dir, mut end) = self.deepest_existing(path)?;
        let mut created = Vec::new();
        while end < path.len() {
            let start = if end == 0 { 0 } else { end + 1 };
            end =
                path[start..].iter().position(|&byte| byte == b'/').map_or(path.len(), |slash| start + slash);
            let child = match self.create_child(dir.as_fd(), &path[start..end]) {
                Ok(child) => child,
                Err(Errno::EXIST) => {
                    dir = self.open_dir(&path[..end])?;
                    continue;
                }
                Err(errno) => return Err(errno),
            };
            created.push(std::mem::replace(&mut dir, child));
        }
        Ok((dir, created))
    }

    /// The deepest directory on a path that is there, and where in the text it ends.
    fn deepest_existing(&self, path: &[u8]) -> Sys<(OwnedFd, usize)> {
        let mut end = path.len();
        loop {
            end = path[..end].iter().rposition(|&byte| byte == b'/').unwrap_or(0);
            match self.open_dir(&path[..end]) {
                Ok(dir) => return Ok((dir, end)),
                Err(Errno::NOENT) if end > 0 => continue,
                Err(errno) => return Err(errno),
            }
        }
    }

    fn create_child(&self, dir: BorrowedFd<'_>, name: &[u8]) -> Sys<OwnedFd> {
        make_dir(dir, name, self.dir_mode)?;
        sys::open_at(dir, name, sys::DIRECTORY | OFlags::NOFOLLOW, 0)
    }
}

/// Looks a path up confined by the kernel; `None` if renames elsewhere disturb it again and again.
fn confined(dir: BorrowedFd<'_>, path: &[u8], flags: OFlags, mode: Mode) -> Option<Sys<OwnedFd>> {
    for _ in 0..MAX_DISTURBED {
        match rustix::fs::openat2(dir, path, flags, mode, CONFINED) {
            Err(Errno::INTR | Errno::AGAIN) => continue,
            result => return Some(result),
        }
    }
    None
}

/// Looks a path up component by component.
fn walk(dir: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Sys<OwnedFd> {
    // The library wants a file of the standard library to start from.
    let dir = File::from(rustix::io::fcntl_dupfd_cloexec(dir, 0)?);
    let path = Path::new(std::ffi::OsStr::from_bytes(path));
    // Without an error number it is cap-primitives's own refusal of a way out.
    let errno = |error: std::io::Error| error.raw_os_error().map_or(Errno::XDEV, Errno::from_raw_os_error);
    if flags.contains(OFlags::DIRECTORY) {
        // Where the walk ends is a mere name of the directory: opened again, it can be read.
        let found = cap_primitives::fs::open_dir(&dir, path).map_err(errno)?;
        return sys::open_at(found, c".", flags, 0);
    }
    let mut options = CapOptions::new();
    options.read(true).write(flags.contains(OFlags::RDWR));
    options.custom_flags((flags - OFlags::RWMODE).bits().cast_signed());
    cap_primitives::fs::open(&dir, path, &options).map(OwnedFd::from).map_err(errno)
}

/// Makes a directory with the configured mode, or with what the umask leaves.
pub(super) fn make_dir(dir: BorrowedFd<'_>, name: &[u8], mode: Option<u32>) -> Sys<()> {
    sys::mkdir_at(dir, name, mode.unwrap_or(0o777))?;
    match mode {
        // The umask takes bits of group and others away, which the configuration asked for.
        Some(mode) if mode & 0o077 != 0 => {
            let made = sys::open_at(dir, name, sys::DIRECTORY | OFlags::NOFOLLOW, 0)?;
            sys::chmod(made, mode)
        }
        _ => Ok(()),
    }
}

fn create_root(path: &Path, options: &LocalOptions) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let Some(above) = path.ancestors().position(Path::is_dir).filter(|above| *above > 0) else {
        return Ok(());
    };
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(options.dir_mode.unwrap_or(0o777));
    match builder.create(path) {
        // What stands there is no directory; opening it says so.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        made => made.map_err(Error::from_io)?,
    }
    if options.durability == Durability::Full {
        // As of every directory that is made: the names above it, up to what was there.
        for dir in path.ancestors().take(above + 1).skip(1) {
            let dir = rustix::fs::open(dir, sys::DIRECTORY, Mode::empty()).map_err(fail)?;
            sys::sync(dir).map_err(fail)?;
        }
    }
    Ok(())
}
