"""Binary files of the async face.

What was written is published by `close()` or `commit()` without an error, and by nothing else. An
exception inside `async with`, and a writer that is dropped, publish nothing.
"""

from __future__ import annotations

import operator
import os
import warnings
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from twinfs import errors
from twinfs._modes import BUFFER_SIZE, LARGE_READ, length_of
from twinfs._read_ahead import ReadAhead
from twinfs._write_behind import WriteBehind

if TYPE_CHECKING:
    from typing import Self

    from _typeshed import ReadableBuffer, WriteableBuffer

    from twinfs._filesystem import AsyncFileSystem
    from twinfs._twinfs import AsyncHandle, Metadata, Operation

#: Bytes of a block that `chunks` gives, unless it is told otherwise.
CHUNK_SIZE = 512 * 1024


class AsyncFile:
    """An open file: bytes, a position, and a buffer for lines and small writes.

    Reads and writes at a position (`read_at`, `write_at`) may run side by side; the other methods
    belong to one task at a time.

    >>> import asyncio, twinfs
    >>> async def main():
    ...     fs = twinfs.AsyncFileSystem("memory://")
    ...     async with fs.open("a.bin", "wb") as file:
    ...         await file.write(b"one\\ntwo\\n")
    ...     async with fs.open("a.bin") as file:
    ...         return [line async for line in file]
    >>> asyncio.run(main())
    [b'one\\n', b'two\\n']
    """

    def __init__(
        self,
        fs: AsyncFileSystem,
        handle: AsyncHandle | None,
        path: str,
        mode: str,
        buffering: int = -1,
        *,
        staged: bool = False,
    ) -> None:
        self._fs = fs
        #: `None` for a reader that came out of a pickle and was not used yet.
        self._handle = handle
        self._position = 0
        self._limit = BUFFER_SIZE if buffering in (-1, 1) else buffering
        #: Bytes read ahead of the position.
        self._ahead = b""
        self._blocks = ReadAhead(ahead=mode == "rb" and self._limit != 0)
        #: Bytes written that the store has not got yet; they belong before the position.
        self._behind = bytearray()
        #: Blocks on their way to the store; they belong before those bytes.
        self._writes = WriteBehind(behind=mode != "ab")
        self._closed = False
        #: Another writer committed first.
        self._lost = False
        #: A staged upload, which is published by its id.
        self._staged = staged
        #: Bytes of an append may have reached the store or not: nobody can tell.
        self._broken = False
        #: The position is not the end, where the next bytes of an append go.
        self._astray = False
        self.name = path
        self.mode = mode

    # What it can do

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._closed

    def readable(self) -> bool:
        """Whether the mode reads."""
        return self.mode == "rb" or "+" in self.mode

    def writable(self) -> bool:
        """Whether the mode writes."""
        return self.mode != "rb"

    def seekable(self) -> bool:
        """Always true."""
        return True

    async def _open_handle(self) -> AsyncHandle:
        if self._closed:
            raise errors.Closed("I/O operation on closed file")
        if self._handle is None:
            self._handle = (await self._fs._open(self.name, "rb")).asynchronous()
        return self._handle

    def _check_readable(self) -> None:
        # After a lost commit what was written can be read in any mode.
        if not (self.readable() or self._lost):
            raise errors.Unsupported("the file was opened for writing alone")

    # Reading

    async def read(self, size: int | None = -1, /) -> bytes:
        """Reads up to `size` bytes, all there are with -1; empty at the end.

        Cancelled, the position has not moved.
        """
        handle = await self._ready_to_read()
        ahead = len(self._ahead)
        if size is None or size < 0 or size - ahead > LARGE_READ:
            rest = max(0, await handle.size() - self._position)
            size = rest if size is None or size < 0 else min(size, rest)
        if size <= ahead:
            data, self._ahead = self._ahead[:size], self._ahead[size:]
        elif ahead == 0:
            data = await self._blocks.read(handle, self._position, size)
        else:
            data = self._ahead + await handle.read_at(self._position + ahead, size - ahead)
            self._ahead = b""
        self._position += len(data)
        return data

    async def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fills a buffer, without a copy; gives how many bytes: less than it holds only at the end.

        Cancelled, the buffer may still be written to for a moment.
        """
        handle = await self._ready_to_read()
        view = memoryview(buffer).cast("B")
        ahead = min(len(self._ahead), len(view))
        count = ahead
        if ahead < len(view):
            count += await handle.readinto_at(self._position + ahead, view[ahead:])
        view[:ahead] = self._ahead[:ahead]
        self._ahead = self._ahead[ahead:]
        self._position += count
        return count

    async def readline(self, size: int | None = -1, /) -> bytes:
        """Reads up to and including the next newline, or `size` bytes."""
        handle = await self._ready_to_read()
        limit = -1 if size is None else size
        parts: list[bytes] = []
        taken = 0
        while True:
            most = len(self._ahead) if limit < 0 else limit - taken
            end = self._ahead.find(b"\n", 0, most) + 1
            part = self._ahead[: end or most]
            parts.append(part)
            taken += len(part)
            self._ahead = self._ahead[len(part) :]
            self._position += len(part)
            if end or taken == limit:
                return b"".join(parts)
            block = await handle.read_at(self._position, max(self._limit, 1))
            if not block:
                return b"".join(parts)
            self._ahead = block

    async def readlines(self) -> list[bytes]:
        """All lines from the position on."""
        return [line async for line in self]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        # Lines that are in the buffer already need no look at the handle.
        end = self._ahead.find(b"\n") + 1
        if end and not self._closed:
            line, self._ahead = self._ahead[:end], self._ahead[end:]
            self._position += end
            return line
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    async def chunks(self, size: int = CHUNK_SIZE) -> AsyncIterator[bytes]:
        """Iterates over the bytes from the position on, in blocks of `size`."""
        if size < 1:
            raise errors.InvalidInput("a chunk has at least one byte")
        await self._ready()
        try:
            while block := await self.read(size):
                yield block
        finally:
            self._blocks.stop()

    def read_at(self, offset: int, size: int) -> Operation[bytes]:
        """Reads up to `size` bytes at an offset, without buffer and position.

        What is still in the buffer of a writer is not seen; `flush` first.
        """
        return self._handle_now().read_at(offset, size)

    # Writing

    async def write(self, data: ReadableBuffer, /) -> int:
        """Writes all of the data; gives how many bytes.

        Small writes are gathered in the buffer, and a block of up to 1 MiB may still be on its way
        when this returns: its failure is raised by the next write, or by `flush` or `close`, and
        nothing is published.
        """
        handle = await self._open_handle()
        if self._broken:
            raise errors.Io("an earlier append was cut short; what got through is unknown")
        if self._ahead:
            self._ahead = b""
        if self._astray:
            self._position, self._astray = await handle.size(), False
        view = memoryview(data).cast("B")
        size = len(view)
        if len(self._behind) + size <= self._limit:
            self._check_writable()
            self._behind += view
        else:
            if self._behind:
                await self._flush_buffer(handle)
            await self._write_through(handle, self._position, data if size else view)
        self._position += size
        return size

    def _check_writable(self) -> None:
        if not self.writable():
            raise errors.Unsupported("the file was opened for reading alone")

    async def writelines(self, lines: Any) -> None:
        """Writes each of the lines."""
        for line in lines:
            await self.write(line)

    def write_at(self, offset: int, data: ReadableBuffer) -> Operation[int]:
        """Writes all of the data at an offset, without buffer and position."""
        return self._handle_now().write_at(offset, data)

    async def flush(self) -> None:
        """Gives the store what was written so far. It is not published by that."""
        if self._behind:
            await self._flush_buffer(await self._open_handle())
        if self._writes:
            await self._writes.flush(await self._open_handle())

    async def _flush_buffer(self, handle: AsyncHandle) -> None:
        data, self._behind = self._behind, bytearray()
        try:
            await self._write_through(handle, self._position - len(data), data)
        except BaseException:
            # At the same place the same bytes may be written again.
            self._behind = data + self._behind
            raise

    async def _write_through(self, handle: AsyncHandle, offset: int, data: ReadableBuffer) -> None:
        try:
            await self._writes.write(handle, offset, data)
        except BaseException:
            self._broken = self.mode == "ab"
            raise

    async def truncate(self, size: int | None = None, /) -> int:
        """Cuts the file, or extends it with zeros, to this length; without one, to the position."""
        handle = await self._ready()
        size = self._position if size is None else length_of(size)
        self._astray = self.mode == "ab"
        await handle.truncate(size)
        return size

    async def flush_to_disk(self) -> None:
        """Brings what was written to the disk without publishing it."""
        await (await self._ready()).flush_to_disk()

    # The position

    async def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves the position, in bytes; gives the new one from the start."""
        handle = await self._ready()
        if whence == os.SEEK_SET:
            base = 0
        elif whence == os.SEEK_CUR:
            base = self._position
        elif whence == os.SEEK_END:
            base = await handle.size()
        else:
            raise errors.InvalidInput(f"whence is 0, 1 or 2, not {whence}")
        position = base + operator.index(offset)
        if position < 0:
            raise errors.InvalidInput(f"negative seek position {position}")
        self._astray = self.mode == "ab"
        self._position = position
        return position

    async def tell(self) -> int:
        """The position, in bytes from the start."""
        if self._closed:
            raise errors.Closed("I/O operation on closed file")
        return self._position

    async def stat(self) -> Metadata:
        """What this handle sees: the version it reads, or the content so far."""
        return await (await self._ready()).metadata()

    async def _ready(self) -> AsyncHandle:
        """The handle, with nothing left in the buffer."""
        handle = await self._open_handle()
        await self.flush()
        self._ahead = b""
        return handle

    async def _ready_to_read(self) -> AsyncHandle:
        """The handle, with nothing left to write; what was read ahead stays."""
        handle = await self._open_handle()
        self._check_readable()
        if self._behind or self._writes:
            await self.flush()
        return handle

    def _handle_now(self) -> AsyncHandle:
        if self._closed:
            raise errors.Closed("I/O operation on closed file")
        if self._handle is None:
            raise errors.InvalidInput("await another method first: the file is not open yet")
        return self._handle

    # The end

    async def commit(self) -> Metadata:
        """Publishes what was written, whole, and closes the file. Of a reader: closes it.

        Raises WouldBlock if another writer committed first; nothing is written then, the file stays
        open, and what was written can still be read from it. If the bytes in the buffer do not get
        through, the file is closed and nothing is published.
        """
        handle = await self._open_handle()
        if self._broken:
            raise errors.Io("an earlier append was cut short; what got through is unknown")
        try:
            await self.flush()
        except BaseException:
            await self.abort()
            raise
        self._blocks.stop()
        try:
            metadata = await handle.commit()
        except (errors.WouldBlock, errors.ConditionFailed):
            self._lost = True
            raise
        except BaseException:
            # Published or not, never in part: the operation holds the handle now, and ends it.
            self._closed, self._handle = True, None
            del handle  # The traceback would hold it.
            raise
        self._closed = True
        return metadata

    async def abort(self) -> None:
        """Drops what was written and closes the file; on a closed file it does nothing."""
        if self._closed:
            return
        self._closed = True
        self._behind.clear()
        self._writes.stop()
        self._blocks.stop()
        # Should this be cancelled, the operation is the last to hold the handle, and lets go of it.
        handle, self._handle = self._handle, None
        if handle is not None:
            operation = handle.abort()
            del handle
            await operation

    def _publishes(self) -> bool:
        """Whether closing publishes."""
        return self.writable() and not (self._lost or self._staged)

    async def close(self) -> None:
        """Publishes what was written and closes the file; on a closed file it does nothing.

        Raises as `commit`; to close once more then drops what was written.
        """
        if self._closed:
            return
        if self._publishes():
            await self.commit()
        else:
            if self._staged:
                await self.flush()
            await self.abort()

    async def __aenter__(self) -> Self:
        if self._closed:
            raise errors.Closed("I/O operation on closed file")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is None:
            await self.close()
        else:
            await self.abort()

    def __del__(self) -> None:
        # The handle drops what was written by itself.
        if not getattr(self, "_closed", True) and self._publishes():
            message = f"{self!r} was dropped; what was written to it is not published"
            warnings.warn(message, ResourceWarning, stacklevel=2, source=self)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._closed:
            raise errors.Closed("cannot pickle a closed file")
        if self.writable():
            raise TypeError(f"cannot pickle an open writer ({self.mode!r}): it exists once")
        return _unpickled, (self._fs, self.name, self._limit, self._position)

    def __repr__(self) -> str:
        state = " closed" if self._closed else ""
        return f"<{type(self).__name__} {self.name!r} mode={self.mode!r}{state}>"


def _unpickled(fs: AsyncFileSystem, path: str, buffering: int, position: int) -> AsyncFile:
    file = AsyncFile(fs, None, path, "rb", buffering)
    file._position = position
    return file
