//! System calls as this store uses them: retried when a signal interrupts them, with errors that
//! say what to do.

use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Stat};
use rustix::io::{Errno, retry_on_intr};
use rustix::path::Arg;

use crate::error::{Error, ErrorKind};
use crate::pool;

/// What a system call gives.
pub(super) type Sys<T> = rustix::io::Result<T>;

/// A file to read. `NONBLOCK` so that a FIFO without a writer does not hang the open; on regular
/// files it has no effect.
pub(super) const READ: OFlags =
    OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);
/// A directory to list, lock or sync.
pub(super) const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::DIRECTORY);
/// A name by itself: nothing of it is opened.
pub(super) const PATH: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

/// The largest single read, write or copy; Linux takes at most 2 GiB less a page.
const MAX_CHUNK: usize = 1 << 30;
/// The most parts of one write: `IOV_MAX` of Linux.
const MAX_PARTS: usize = 1024;

/// The error of a failed system call.
pub(super) fn fail(errno: Errno) -> Error {
    let error = Error::from_io(errno.into());
    match errno {
        Errno::XDEV => error.with_message("a link on the way leads out of the store's root"),
        Errno::LOOP => error.with_message("too many symbolic links on the way"),
        Errno::MFILE | Errno::NFILE => error
            .with_message("too many open files; close some, or raise the limit (ulimit -n)")
            .with_retryable(true),
        Errno::ROFS => error.with_message("the file system is mounted read-only"),
        Errno::DQUOT => error.with_message("the disk quota is used up"),
        _ => error,
    }
}

/// The error for what is neither file nor directory.
pub(super) fn special_file() -> Error {
    Error::new(ErrorKind::PermissionDenied)
        .with_message("this is a socket, pipe or device; only regular files and directories are served")
}

/// What a type of file is called in errors: `Ok` for regular files.
pub(super) fn require_file(stat: &Stat) -> crate::Result<()> {
    match file_type(stat) {
        rustix::fs::FileType::RegularFile => Ok(()),
        rustix::fs::FileType::Directory => Err(ErrorKind::IsADirectory.into()),
        _ => Err(special_file()),
    }
}

pub(super) fn file_type(stat: &Stat) -> rustix::fs::FileType {
    rustix::fs::FileType::from_raw_mode(stat.st_mode)
}

pub(super) fn is_dir(stat: &Stat) -> bool {
    file_type(stat).is_dir()
}

pub(super) fn is_link(stat: &Stat) -> bool {
    file_type(stat).is_symlink()
}

/// Whether two stats are of one inode.
pub(super) fn same_inode(one: &Stat, other: &Stat) -> bool {
    one.st_dev == other.st_dev && one.st_ino == other.st_ino
}

pub(super) fn open_at(dir: impl AsFd, name: impl Arg + Copy, flags: OFlags, mode: u32) -> Sys<OwnedFd> {
    retry_on_intr(|| rustix::fs::openat(dir.as_fd(), name, flags, Mode::from_raw_mode(mode)))
}

/// What stands at a name; a link itself.
pub(super) fn stat_at(dir: impl AsFd, name: impl Arg + Copy) -> Sys<Stat> {
    retry_on_intr(|| rustix::fs::statat(dir.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW))
}

/// What stands behind a path, links followed.
pub(super) fn stat_behind(dir: impl AsFd, path: impl Arg + Copy) -> Sys<Stat> {
    retry_on_intr(|| rustix::fs::statat(dir.as_fd(), path, AtFlags::empty()))
}

/// As [`stat_at`], with `None` where nothing stands.
pub(super) fn find_at(dir: impl AsFd, name: impl Arg + Copy) -> Sys<Option<Stat>> {
    match stat_at(dir, name) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

pub(super) fn stat(file: impl AsFd) -> Sys<Stat> {
    retry_on_intr(|| rustix::fs::fstat(file.as_fd()))
}

pub(super) fn mkdir_at(dir: impl AsFd, name: impl Arg + Copy, mode: u32) -> Sys<()> {
    retry_on_intr(|| rustix::fs::mkdirat(dir.as_fd(), name, Mode::from_raw_mode(mode)))
}

pub(super) fn unlink_at(dir: impl AsFd, name: impl Arg + Copy) -> Sys<()> {
    retry_on_intr(|| rustix::fs::unlinkat(dir.as_fd(), name, AtFlags::empty()))
}

pub(super) fn rmdir_at(dir: impl AsFd, name: impl Arg + Copy) -> Sys<()> {
    retry_on_intr(|| rustix::fs::unlinkat(dir.as_fd(), name, AtFlags::REMOVEDIR))
}

/// Whether a rename may replace what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Replace {
    Yes,
    No,
}

pub(super) fn rename_at(
    from_dir: impl AsFd,
    from: impl Arg + Copy,
    to_dir: impl AsFd,
    to: impl Arg + Copy,
    replace: Replace,
) -> Sys<()> {
    let (from_dir, to_dir) = (from_dir.as_fd(), to_dir.as_fd());
    match replace {
        Replace::Yes => retry_on_intr(|| rustix::fs::renameat(from_dir, from, to_dir, to)),
        Replace::No => {
            retry_on_intr(|| rustix::fs::renameat_with(from_dir, from, to_dir, to, RenameFlags::NOREPLACE))
        }
    }
}

pub(super) fn chmod(file: impl AsFd, mode: u32) -> Sys<()> {
    retry_on_intr(|| rustix::fs::fchmod(file.as_fd(), Mode::from_raw_mode(mode)))
}

pub(super) fn sync(file: impl AsFd) -> Sys<()> {
    // Never retried, not even on EINTR: after a failed fsync the kernel may have dropped the pages.
    pool::waiting(|| rustix::fs::fsync(file.as_fd()))
}

pub(super) fn set_len(file: impl AsFd, len: u64) -> Sys<()> {
    retry_on_intr(|| rustix::fs::ftruncate(file.as_fd(), len))
}

pub(super) fn read_at(file: impl AsFd, offset: u64, buf: &mut [u8]) -> Sys<usize> {
    let chunk = buf.len().min(MAX_CHUNK);
    retry_on_intr(|| rustix::io::pread(file.as_fd(), &mut buf[..chunk], offset))
}

/// Reads up to `len` bytes from `offset`: fewer only where the file ends. Nothing is zeroed first.
pub(super) fn read_range(file: impl AsFd, offset: u64, len: u64) -> crate::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let reserved = usize::try_from(len).ok().filter(|&len| bytes.try_reserve_exact(len).is_ok());
    let Some(len) = reserved else {
        return Err(Error::new(ErrorKind::TooLarge)
            .with_message("there is not enough memory to read this in one piece"));
    };
    while bytes.len() < len {
        let at = offset + bytes.len() as u64;
        // The vector has room for exactly `len`, so a read never brings more.
        match retry_on_intr(|| rustix::io::pread(file.as_fd(), spare_capacity(&mut bytes), at))
            .map_err(fail)?
        {
            0 => break,
            _ => continue,
        }
    }
    Ok(bytes)
}

/// Writes all of `data`; short writes go on.
pub(super) fn write_at(file: impl AsFd, offset: u64, data: &[u8]) -> Sys<()> {
    let mut done = 0;
    while done < data.len() {
        let end = data.len().min(done + MAX_CHUNK);
        match retry_on_intr(|| rustix::io::pwrite(file.as_fd(), &data[done..end], offset + done as u64))? {
            0 => return Err(Errno::NOSPC),
            count => done += count,
        }
    }
    Ok(())
}

/// Writes parts one after the other from the start of the file, the first ones in one call; short
/// writes go on.
pub(super) fn write_all(file: impl AsFd, parts: &[impl std::ops::Deref<Target = [u8]>]) -> Sys<()> {
    let mut offset: u64 = 0;
    let head = parts.iter().scan(0, |bytes: &mut usize, part| {
        *bytes = bytes.saturating_add(part.len());
        (*bytes <= MAX_CHUNK).then(|| IoSlice::new(part))
    });
    let head: Vec<IoSlice<'_>> = head.take(MAX_PARTS).collect();
    let mut written = match head.len() {
        0 => 0,
        _ => retry_on_intr(|| rustix::io::pwritev(file.as_fd(), &head, 0))?,
    };
    for part in parts {
        let done = written.min(part.len());
        written -= done;
        write_at(file.as_fd(), offset + done as u64, &part[done..])?;
        offset += part.len() as u64;
    }
    Ok(())
}

/// Copies the whole content: shared blocks where the file system can, else inside the kernel,
/// else through memory.
pub(super) fn copy_content(from: impl AsFd, to: impl AsFd) -> Sys<()> {
    if rustix::fs::ioctl_ficlone(to.as_fd(), from.as_fd()).is_ok() {
        return Ok(());
    }
    let (mut read_offset, mut write_offset) = (0, 0);
    loop {
        let copied = retry_on_intr(|| {
            rustix::fs::copy_file_range(
                from.as_fd(),
                Some(&mut read_offset),
                to.as_fd(),
                Some(&mut write_offset),
                MAX_CHUNK,
            )
        });
        match copied {
            Ok(0) => return Ok(()),
            Ok(_) => continue,
            Err(Errno::INVAL | Errno::NOSYS | Errno::XDEV | Errno::OPNOTSUPP | Errno::PERM) => break,
            Err(errno) => return Err(errno),
        }
    }
    copy_through_memory(from, to, read_offset)
}

fn copy_through_memory(from: impl AsFd, to: impl AsFd, mut offset: u64) -> Sys<()> {
    let mut block = vec![0; 256 * 1024];
    loop {
        match read_at(from.as_fd(), offset, &mut block)? {
            0 => return Ok(()),
            count => {
                write_at(to.as_fd(), offset, &block[..count])?;
                offset += count as u64;
            }
        }
    }
}
