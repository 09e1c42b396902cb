//! System calls as this store uses them: retried when a signal interrupts them, with errors that
//! say what to do.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, RenameFlags, SeekFrom, Stat, Timespec, Timestamps, Uid};
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
        Errno::BUSY => error.with_message("the system uses it, as it does a mount point"),
        Errno::TXTBSY => error.with_message("the file is a program that runs"),
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

/// Gives a file the times of another one, and its owner where the system lets us.
pub(super) fn keep_owner_and_times(file: impl AsFd, of: &Stat) -> Sys<()> {
    let (user, group) = (Uid::from_raw(of.st_uid), Gid::from_raw(of.st_gid));
    match retry_on_intr(|| rustix::fs::fchown(file.as_fd(), Some(user), Some(group))) {
        Ok(()) | Err(Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    let time = |tv_sec, nanoseconds| Timespec { tv_sec, tv_nsec: nanoseconds as _ };
    let times = Timestamps {
        last_access: time(of.st_atime, of.st_atime_nsec),
        last_modification: time(of.st_mtime, of.st_mtime_nsec),
    };
    retry_on_intr(|| rustix::fs::futimens(file.as_fd(), &times))
}

pub(super) fn sync(file: impl AsFd) -> Sys<()> {
    // Never retried, not even on EINTR: after a failed fsync the kernel may have dropped the pages.
    pool::waiting(|| rustix::fs::fsync(file.as_fd()))
}

pub(super) fn set_len(file: impl AsFd, len: u64) -> Sys<()> {
    check_end(len, 0)?;
    retry_on_intr(|| rustix::fs::ftruncate(file.as_fd(), len))
}

/// The largest offset a file can have (`off_t`); the system calls refuse what goes beyond it.
const MAX_OFFSET: u64 = i64::MAX.unsigned_abs();

/// How many of the bytes from an offset on a file can have at all.
fn clip_to_offsets(offset: u64, len: u64) -> u64 {
    len.min(MAX_OFFSET.saturating_sub(offset))
}

fn check_end(offset: u64, len: usize) -> Sys<()> {
    match offset.checked_add(len as u64) {
        Some(end) if end <= MAX_OFFSET => Ok(()),
        _ => Err(Errno::FBIG),
    }
}

pub(super) fn read_at(file: impl AsFd, offset: u64, buf: &mut [u8]) -> Sys<usize> {
    // No more than `buf` has, so it fits.
    let chunk = clip_to_offsets(offset, buf.len().min(MAX_CHUNK) as u64) as usize;
    if chunk == 0 {
        return Ok(0);
    }
    retry_on_intr(|| rustix::io::pread(file.as_fd(), &mut buf[..chunk], offset))
}

/// Reads up to `len` bytes from `offset`: fewer only where the file ends. Nothing is zeroed first.
pub(super) fn read_range(file: impl AsFd, offset: u64, len: u64) -> crate::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let reserved = usize::try_from(clip_to_offsets(offset, len))
        .ok()
        .filter(|&len| bytes.try_reserve_exact(len).is_ok());
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
    check_end(offset, data.len())?;
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

/// Copies the whole content to an empty file: shared blocks where the file system can, else inside the
/// kernel, else through memory. Holes stay holes: a file may be longer than its disk.
pub(super) fn copy_content(from: impl AsFd, to: impl AsFd) -> Sys<()> {
    let (from, to) = (from.as_fd(), to.as_fd());
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    let stat = stat(from)?;
    let allocated = stat.st_blocks.unsigned_abs().saturating_mul(512);
    if allocated >= stat.st_size.unsigned_abs() {
        return copy_range(from, to, 0, MAX_OFFSET);
    }
    let mut offset = 0;
    loop {
        let start = match rustix::fs::seek(from, SeekFrom::Data(offset)) {
            Ok(start) => start,
            // From here on there is nothing but a hole.
            Err(Errno::NXIO) => break,
            // This file system cannot tell.
            Err(_) => return copy_range(from, to, offset, MAX_OFFSET),
        };
        let end = rustix::fs::seek(from, SeekFrom::Hole(start)).unwrap_or(MAX_OFFSET);
        copy_range(from, to, start, end)?;
        offset = end;
    }
    set_len(to, self::stat(from)?.st_size.unsigned_abs())
}

/// Copies the bytes from `start` up to `end`, or to the end of the file.
fn copy_range(from: BorrowedFd<'_>, to: BorrowedFd<'_>, start: u64, end: u64) -> Sys<()> {
    let (mut read_offset, mut write_offset) = (start, start);
    while read_offset < end {
        let chunk = usize::try_from(end - read_offset).map_or(MAX_CHUNK, |rest| rest.min(MAX_CHUNK));
        let copied = retry_on_intr(|| {
            rustix::fs::copy_file_range(from, Some(&mut read_offset), to, Some(&mut write_offset), chunk)
        });
        match copied {
            Ok(0) => return Ok(()),
            Ok(_) => continue,
            Err(Errno::INVAL | Errno::NOSYS | Errno::XDEV | Errno::OPNOTSUPP | Errno::PERM) => break,
            Err(errno) => return Err(errno),
        }
    }
    copy_through_memory(from, to, read_offset, end)
}

fn copy_through_memory(from: BorrowedFd<'_>, to: BorrowedFd<'_>, mut offset: u64, end: u64) -> Sys<()> {
    let mut block = vec![0; 256 * 1024];
    while offset < end {
        let most = usize::try_from(end - offset).map_or(block.len(), |rest| rest.min(block.len()));
        match read_at(from, offset, &mut block[..most])? {
            0 => return Ok(()),
            count => {
                write_at(to, offset, &block[..count])?;
                offset += count as u64;
            }
        }
    }
    Ok(())
}
