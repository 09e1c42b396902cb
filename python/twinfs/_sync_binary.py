"""Binary files of the sync face, raw and buffered.

They are those of `io` with one difference: what was written is published by `close()` without an
error, and by nothing else. An exception inside `with`, and a writer that is dropped, publish
nothing.
"""

from __future__ import annotations

import io
import operator
import os
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from twinfs import errors
from twinfs._modes import BUFFER_SIZE, LARGE_READ, length_of

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

    from twinfs._filesystem import SyncFileSystem
    from twinfs._twinfs import Handle, Metadata

_T = TypeVar("_T")


class _File(Protocol):
    """What all files have."""

    @property
    def name(self) -> Any: ...
    @property
    def mode(self) -> Any: ...
    @property
    def closed(self) -> bool: ...
    @property
    def _publishes(self) -> bool: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...


class Publishing:
    """What all files do: an exception inside `with` publishes nothing."""

    def __exit__(
        self: _File,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is None:
            self.close()
        else:
            self.abort()

    def __repr__(self: _File) -> str:
        state = " closed" if self.closed else ""
        return f"<{type(self).__name__} {self.name!r} mode={self.mode!r}{state}>"


def _drop(file: _File, unpublished: bool) -> None:
    """The end of a file that nobody closed."""
    try:
        if unpublished:
            message = f"{file!r} was dropped; what was written to it is not published"
            warnings.warn(message, ResourceWarning, stacklevel=3, source=file)
    finally:
        # Where warnings are errors, too.
        file.abort()


def drop_unclosed(file: _File) -> None:
    try:
        if file.closed:
            return
        unpublished = file._publishes
    except (AttributeError, ValueError):
        # Detached, or never made: there is nothing to drop.
        return
    _drop(file, unpublished)


class RawFile(Publishing, io.RawIOBase):
    """An unbuffered file.

    >>> import twinfs
    >>> fs = twinfs.SyncFileSystem("memory://")
    >>> with fs.open("a.bin", "wb", buffering=0) as file:
    ...     file.write(b"hello")
    5
    """

    name: str
    mode: str

    def __init__(
        self, fs: SyncFileSystem, handle: Handle, mode: str, *, staged: bool = False
    ) -> None:
        super().__init__()
        self._fs = fs
        self._handle = handle
        self._position = 0
        self._writes = mode != "rb"
        self._reads = mode == "rb" or "+" in mode
        self._appends = mode == "ab"
        #: Whether closing publishes. It does not for a staged upload, which is published by its id,
        #: nor once another writer has committed first.
        self._publishes: bool = self._writes and not staged
        self.name = handle.path
        self.mode = mode
        if self._appends:
            self._position = handle.size()

    # What it can do

    def readable(self) -> bool:
        """Whether the mode reads."""
        self._check_open()
        return self._reads

    def writable(self) -> bool:
        """Whether the mode writes."""
        self._check_open()
        return self._writes

    def seekable(self) -> bool:
        """Always true."""
        self._check_open()
        return True

    def _check_open(self) -> None:
        if self.closed:
            raise errors.Closed("I/O operation on closed file")

    # Reading

    def _check_readable(self) -> None:
        self._check_open()
        # After a lost commit what was written can be read in any mode.
        if self._publishes and not self._reads:
            raise errors.Unsupported("the file was opened for writing alone")

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fills a buffer; gives how many bytes, less than its length only at the end."""
        self._check_readable()
        count = self._handle.readinto_at(self._position, buffer)
        self._position += count
        return count

    def read(self, size: int | None = -1, /) -> bytes:
        """Reads up to `size` bytes, all there are with -1; empty at the end."""
        self._check_readable()
        if size is None or size < 0 or size > LARGE_READ:
            rest = max(0, self._handle.size() - self._position)
            size = rest if size is None or size < 0 else min(size, rest)
        data = self._handle.read_at(self._position, size)
        self._position += len(data)
        return data

    def readall(self) -> bytes:
        """Reads from the position to the end."""
        return self.read(-1)

    def read_at(self, offset: int, size: int) -> bytes:
        """Reads up to `size` bytes at an offset, without moving the position."""
        self._check_open()
        return self._handle.read_at(offset, size)

    # Writing

    def write(self, data: ReadableBuffer, /) -> int:
        """Writes all of the data; gives how many bytes."""
        self._check_open()
        count = self._handle.write_at(self._position, data)
        self._position = self._handle.size() if self._appends else self._position + count
        return count

    def write_at(self, offset: int, data: ReadableBuffer) -> int:
        """Writes all of the data at an offset, without moving the position."""
        self._check_open()
        return self._handle.write_at(offset, data)

    def truncate(self, size: int | None = None, /) -> int:
        """Cuts the file, or extends it with zeros, to this length; without one, to the position."""
        self._check_open()
        size = self._position if size is None else length_of(size)
        self._handle.truncate(size)
        return size

    def flush_to_disk(self) -> None:
        """Brings what was written to the disk without publishing it."""
        self._check_open()
        self._handle.flush_to_disk()

    # The position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves the position, in bytes; gives the new one from the start."""
        self._check_open()
        base = {os.SEEK_SET: lambda: 0, os.SEEK_CUR: self.tell, os.SEEK_END: self._handle.size}
        if whence not in base:
            raise errors.InvalidInput(f"whence is 0, 1 or 2, not {whence}")
        position = base[whence]() + operator.index(offset)
        if position < 0:
            raise errors.InvalidInput(f"negative seek position {position}")
        self._position = position
        return position

    def tell(self) -> int:
        """The position, in bytes from the start."""
        self._check_open()
        return self._position

    def stat(self) -> Metadata:
        """What this handle sees: the version it reads, or the content so far."""
        self._check_open()
        return self._handle.metadata()

    # The end

    def commit(self) -> Metadata:
        """Publishes what was written, whole, and closes the file. Of a reader: closes it.

        Raises WouldBlock if another writer committed first; nothing is written then, the file stays
        open, and what was written can still be read from it.
        """
        self._check_open()
        try:
            metadata = self._handle.commit()
        except (errors.WouldBlock, errors.ConditionFailed):
            self._publishes = False
            raise
        super().close()
        return metadata

    def abort(self) -> None:
        """Drops what was written and closes the file; on a closed file it does nothing."""
        if not self.closed:
            super().close()
            self._handle.abort()

    def close(self) -> None:
        """Publishes what was written and closes the file; on a closed file it does nothing.

        Raises as `commit`; to close once more then drops what was written.
        """
        if self.closed:
            return
        if self._publishes:
            self.commit()
        else:
            self.abort()

    def __del__(self) -> None:
        # The handle is missing where __init__ failed.
        if not self.closed and hasattr(self, "_handle"):
            _drop(self, self._publishes)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        refuse_to_pickle(self)
        return _reopen, (self._fs, self.name, 0), (self._position,)

    def __setstate__(self, state: tuple[int]) -> None:
        self.seek(state[0])


def refuse_to_pickle(file: RawFile | _Buffered) -> None:
    """Refuses to pickle what cannot travel."""
    if file.closed:
        raise errors.Closed("cannot pickle a closed file")
    if file.mode != "rb":
        raise TypeError(f"cannot pickle an open writer ({file.mode!r}): it exists once")


def _reopen(fs: SyncFileSystem, path: str, buffering: int) -> Any:
    return fs.open(path, "rb", buffering=buffering)


class _Buffered(Publishing):
    """What the three buffered classes have in common."""

    raw: RawFile
    closed: bool
    flush: Callable[[], None]
    detach: Callable[[], RawFile]

    @property
    def _fs(self) -> SyncFileSystem:
        return self.raw._fs

    @property
    def _publishes(self) -> bool:
        return self.raw._publishes

    @property
    def mode(self) -> str:
        """The mode it was opened in."""
        return self.raw.mode

    @property
    def name(self) -> str:
        """The path it was opened at."""
        return self.raw.name

    def stat(self) -> Metadata:
        """What this handle sees, without what is still in the buffer."""
        return self.raw.stat()

    def read_at(self, offset: int, size: int) -> bytes:
        """Reads up to `size` bytes at an offset, without moving the position."""
        if self.raw.writable():
            self.flush()
        return self.raw.read_at(offset, size)

    def write_at(self, offset: int, data: ReadableBuffer) -> int:
        """Writes all of the data at an offset, without moving the position."""
        # What was read ahead goes with it.
        self.flush()
        return self.raw.write_at(offset, data)

    def flush_to_disk(self) -> None:
        """Brings what was written to the disk without publishing it."""
        self.flush()
        self.raw.flush_to_disk()

    def commit(self) -> Metadata:
        """Publishes what was written, whole, and closes the file; see `RawFile.commit`."""
        return self._or_abort(self.flush, self.raw.commit)

    def abort(self) -> None:
        """Drops what was written and closes the file; on a closed file it does nothing."""
        # With the raw file closed, the buffer has nowhere to go and counts as closed, too.
        self.raw.abort()

    def close(self) -> None:
        """Publishes what was written and closes the file; see `RawFile.close`."""
        if self.closed:
            return
        if self._publishes:
            self._or_abort(self.flush, self.raw.close)
        else:
            self.raw.abort()

    def _or_abort(self, flush: Callable[[], None], end: Callable[[], _T]) -> _T:
        try:
            flush()
        except BaseException:
            # Part of the bytes did not get through: the whole must not be published.
            self.raw.abort()
            raise
        return end()


class BufferedReader(_Buffered, io.BufferedReader):  # type: ignore[misc]
    """A file that reads, with a buffer: mode `rb`.

    >>> import twinfs
    >>> fs = twinfs.SyncFileSystem("memory://")
    >>> _ = fs.write("lines.txt", b"one\\ntwo\\n")
    >>> with fs.open("lines.txt") as file:
    ...     [line for line in file]
    [b'one\\n', b'two\\n']
    """

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        refuse_to_pickle(self)
        return _reopen, (self._fs, self.name, BUFFER_SIZE), (self.tell(),)

    def __setstate__(self, state: tuple[int]) -> None:
        self.seek(state[0])


class _BufferedWriting(_Buffered):
    """What the two that write have in common."""

    def __del__(self) -> None:
        drop_unclosed(self)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        refuse_to_pickle(self)
        raise TypeError("cannot pickle an open writer")


class BufferedWriter(_BufferedWriting, io.BufferedWriter):  # type: ignore[misc]
    """A file that writes, with a buffer: modes `wb`, `xb` and `ab`.

    >>> import twinfs
    >>> fs = twinfs.SyncFileSystem("memory://")
    >>> with fs.open("a.bin", "wb") as file:
    ...     _ = file.write(b"hello")
    ...     fs.exists("a.bin")
    False
    >>> fs.read("a.bin")
    b'hello'
    """


class BufferedFile(_BufferedWriting, io.BufferedRandom):  # type: ignore[misc, override]
    """A file that reads and writes anywhere, with a buffer: modes `r+b` and `w+b`.

    >>> import twinfs
    >>> fs = twinfs.SyncFileSystem("memory://")
    >>> _ = fs.write("a.bin", b"hello")
    >>> with fs.open("a.bin", "r+b") as file:
    ...     _ = file.seek(1)
    ...     _ = file.write(b"a")
    >>> fs.read("a.bin")
    b'hallo'
    """
