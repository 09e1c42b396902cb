"""File objects of the async face.

What was written is published by `close()` or `commit()` without an error, and by nothing else. An
exception inside `async with`, and a writer that is dropped, publish nothing.
"""

from __future__ import annotations

import codecs
import io
import operator
import os
import warnings
from collections import deque
from collections.abc import AsyncIterator, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from twinfs import errors
from twinfs._files import BUFFER_SIZE, LARGE_READ, length_of

if TYPE_CHECKING:
    from typing import Self

    from _typeshed import ReadableBuffer, WriteableBuffer

    from twinfs._filesystem import AsyncFileSystem
    from twinfs._twinfs import AsyncHandle, Metadata, Operation

#: Bytes of a block that `chunks` gives, unless it is told otherwise.
CHUNK_SIZE = 512 * 1024
#: How many blocks are read ahead of a reader in order, and the sizes of blocks where that pays:
#: smaller ones need no hop where they are cached, larger ones would take too much memory.
READ_AHEAD = 2
READ_AHEAD_SIZES = range(64 * 1024 + 1, LARGE_READ + 1)


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
        #: Blocks on their way after the position, by their offset, all of one size.
        self._coming: dict[int, Operation[bytes]] = {}
        #: Where the next block would begin, and its size, if the last read was a full one.
        self._sequel: tuple[int, int] | None = None
        #: Bytes written that the store has not got yet; they belong before the position.
        self._behind = bytearray()
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
            data = await self._read_block(handle, size)
        else:
            data = self._ahead + await handle.read_at(self._position + ahead, size - ahead)
            self._ahead = b""
        self._position += len(data)
        return data

    async def _read_block(self, handle: AsyncHandle, size: int) -> bytes:
        """Reads at the position; for a reader in order the next blocks are read meanwhile."""
        position, coming = self._position, self._coming
        in_order = self._sequel == (position, size)
        self._sequel = None
        if not in_order or position not in coming:
            self._stop_reading_ahead()
        if in_order and self._limit and self.mode == "rb" and size in READ_AHEAD_SIZES:
            for offset in range(position, position + (1 + READ_AHEAD) * size, size):
                if offset not in coming:
                    coming[offset] = handle.read_at(offset, size).start()
            data = await coming.pop(position)
            if len(data) < size:
                # The end, as it was when the block was read.
                self._stop_reading_ahead()
                data += await handle.read_at(position + len(data), size - len(data))
        else:
            data = await handle.read_at(position, size)
        if len(data) == size:
            self._sequel = (position + size, size)
        return data

    def _stop_reading_ahead(self) -> None:
        for operation in self._coming.values():
            operation.close()
        self._coming.clear()

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
        """Iterates over the bytes from the position on, in blocks of `size`, two read ahead."""
        handle = await self._ready_to_read()
        if size < 1:
            raise errors.InvalidInput("a chunk has at least one byte")
        self._ahead = b""
        start = self._position
        blocks = deque(
            handle.read_at(start + index * size, size).start() for index in range(READ_AHEAD)
        )
        try:
            while block := await blocks.popleft():
                self._position += len(block)
                if len(block) < size:
                    yield block
                    return
                last = self._position + (READ_AHEAD - 1) * size
                blocks.append(handle.read_at(last, size).start())
                yield block
        finally:
            for operation in blocks:
                operation.close()

    def read_at(self, offset: int, size: int) -> Operation[bytes]:
        """Reads up to `size` bytes at an offset, without buffer and position.

        What is still in the buffer of a writer is not seen; `flush` first.
        """
        return self._handle_now().read_at(offset, size)

    # Writing

    async def write(self, data: ReadableBuffer, /) -> int:
        """Writes all of the data; gives how many bytes. Small writes are gathered in the buffer."""
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
            await self.flush()
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
        """Gives the store what is in the buffer. It is not published by that."""
        if self._behind:
            handle = await self._open_handle()
            data, self._behind = self._behind, bytearray()
            try:
                await self._write_through(handle, self._position - len(data), data)
            except BaseException:
                # At the same place the same bytes may be written again.
                self._behind = data + self._behind
                raise

    async def _write_through(self, handle: AsyncHandle, offset: int, data: ReadableBuffer) -> None:
        try:
            await handle.write_at(offset, data)
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
        if self._behind:
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
        self._stop_reading_ahead()
        try:
            metadata = await handle.commit()
        except (errors.WouldBlock, errors.ConditionFailed):
            self._lost = True
            raise
        except BaseException:
            # Published or not, never in part: the operation holds the handle now, and ends it.
            self._closed, self._handle = True, None
            raise
        self._closed = True
        return metadata

    async def abort(self) -> None:
        """Drops what was written and closes the file; on a closed file it does nothing."""
        if self._closed:
            return
        self._closed = True
        self._behind.clear()
        self._stop_reading_ahead()
        # Should this be cancelled, the operation is the last to hold the handle, and lets go of it.
        handle, self._handle = self._handle, None
        if handle is not None:
            await handle.abort()

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


class AsyncTextFile:
    """An open file of text. It is read and written from one end to the other.

    >>> import asyncio, twinfs
    >>> async def main():
    ...     fs = twinfs.AsyncFileSystem("memory://")
    ...     async with fs.open("a.txt", "w") as file:
    ...         await file.write("grün\\nblau\\n")
    ...     async with fs.open("a.txt", "r") as file:
    ...         return [line async for line in file]
    >>> asyncio.run(main())
    ['grün\\n', 'blau\\n']
    """

    def __init__(
        self,
        buffer: AsyncFile,
        *,
        mode: str,
        encoding: str,
        errors: str | None,
        newline: str | None,
        line_buffering: bool,
    ) -> None:
        self.buffer = buffer
        self.mode = mode
        self.name = buffer.name
        self.encoding = encoding
        self.errors = errors or "strict"
        self._newline = newline
        self._line_buffering = line_buffering
        self._encoder = codecs.getincrementalencoder(encoding)(self.errors)
        decoder = codecs.getincrementaldecoder(encoding)(self.errors)
        # As io.TextIOWrapper: None and "" find all three ends of lines, None makes "\n" of them.
        universal = newline in (None, "")
        self._decoder: codecs.IncrementalDecoder | io.IncrementalNewlineDecoder = decoder
        if universal:
            self._decoder = io.IncrementalNewlineDecoder(decoder, translate=newline is None)
        self._text = ""
        self._ended = False

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self.buffer.closed

    def readable(self) -> bool:
        """Whether the mode reads."""
        return self.buffer.readable()

    def writable(self) -> bool:
        """Whether the mode writes."""
        return self.buffer.writable()

    async def _fill(self) -> bool:
        """Decodes another block; false at the end."""
        if self._ended:
            return False
        block = await self.buffer.read(max(self.buffer._limit, 1))
        self._ended = not block
        self._text += self._decoder.decode(block, final=self._ended)
        return True

    async def read(self, size: int | None = -1, /) -> str:
        """Reads up to `size` characters, all there are with -1; empty at the end."""
        everything = size is None or size < 0
        self.buffer._check_readable()
        if everything:
            block = await self.buffer.read()
            self._ended = True
            self._text += self._decoder.decode(block, final=True)
        else:
            while len(self._text) < (size or 0) and await self._fill():
                pass
        end = len(self._text) if everything else size
        text, self._text = self._text[:end], self._text[end:]
        return text

    async def readline(self) -> str:
        """Reads up to and including the next end of a line."""
        while (end := self._line_end()) is None:
            if not await self._fill():
                end = len(self._text)
                break
        line, self._text = self._text[:end], self._text[end:]
        return line

    def _line_end(self) -> int | None:
        text = self._text
        if self._newline == "":
            ends = [text.find(end) for end in ("\n", "\r") if end in text]
            if not ends:
                return None
            first = min(ends)
            if text[first] == "\n":
                return first + 1
            if first + 1 == len(text) and not self._ended:
                return None
            return first + (2 if text.startswith("\r\n", first) else 1)
        ending = self._newline or "\n"
        found = text.find(ending)
        return None if found < 0 else found + len(ending)

    async def readlines(self) -> list[str]:
        """All lines from the position on."""
        return [line async for line in self]

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    async def write(self, text: str, /) -> int:
        """Writes text; gives how many characters."""
        self.buffer._check_writable()
        if self.readable():
            # What was decoded ahead lies before what is written.
            self._text, self._ended = "", False
            self._decoder.reset()
        ending = os.linesep if self._newline is None else self._newline
        converted = text if ending in ("", "\n") else text.replace("\n", ending)
        await self.buffer.write(self._encoder.encode(converted))
        if self._line_buffering and "\n" in text:
            await self.flush()
        return len(text)

    async def writelines(self, lines: Any) -> None:
        """Writes each of the lines."""
        for line in lines:
            await self.write(line)

    async def flush(self) -> None:
        """Gives the store what is in the buffer. It is not published by that."""
        await self.buffer.flush()

    async def flush_to_disk(self) -> None:
        """Brings what was written to the disk without publishing it."""
        await self.buffer.flush_to_disk()

    async def stat(self) -> Metadata:
        """What this handle sees: the version it reads, or the content so far."""
        return await self.buffer.stat()

    async def commit(self) -> Metadata:
        """Publishes what was written, whole, and closes the file; see `AsyncFile.commit`."""
        return await self.buffer.commit()

    async def abort(self) -> None:
        """Drops what was written and closes the file; on a closed file it does nothing."""
        await self.buffer.abort()

    async def close(self) -> None:
        """Publishes what was written and closes the file; see `AsyncFile.close`."""
        await self.buffer.close()

    async def __aenter__(self) -> Self:
        await self.buffer.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.buffer.__aexit__(exc_type, exc_value, traceback)

    def __reduce__(self) -> tuple[Any, ...]:
        options = {
            "mode": self.mode,
            "encoding": self.encoding,
            "errors": self.errors,
            "newline": self._newline,
            "line_buffering": self._line_buffering,
        }
        # What was decoded ahead travels: the bytes behind it have no place of their own.
        ahead = (self._decoder.getstate(), self._text, self._ended)
        return _unpickled_text, (self.buffer, options, ahead)

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<AsyncTextFile {self.name!r} mode={self.mode!r} encoding={self.encoding!r}{state}>"


def _unpickled_text(
    buffer: AsyncFile, options: dict[str, Any], ahead: tuple[tuple[bytes, int], str, bool]
) -> AsyncTextFile:
    file = AsyncTextFile(buffer, **options)
    state, file._text, file._ended = ahead
    file._decoder.setstate(state)
    return file


FileT = TypeVar("FileT", AsyncFile, AsyncTextFile)


class Opening(Generic[FileT]):
    """A file about to be opened: to be awaited, or for `async with`."""

    def __init__(self, opening: Any, finish: Any) -> None:
        self._opening = opening
        self._finish = finish
        self._file: FileT | None = None
        self._entered = False

    async def _open(self) -> FileT:
        file: FileT = self._finish((await self._opening()).asynchronous())
        if file.mode.startswith("a"):
            buffer = file if isinstance(file, AsyncFile) else file.buffer
            end = await buffer.seek(0, os.SEEK_END)
            if end and isinstance(file, AsyncTextFile):
                # A mark of the byte order stands at the start of a file only.
                file._encoder.setstate(0)
        return file

    def __await__(self) -> Generator[Any, None, FileT]:
        return self._open().__await__()

    async def __aenter__(self) -> FileT:
        if self._entered:
            raise RuntimeError("the file is open already; for another one call open again")
        self._entered = True
        try:
            self._file = await self._open()
        except BaseException:
            self._entered = False
            raise
        return self._file

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        file, self._file = self._file, None
        self._entered = False
        if file is not None:
            await file.__aexit__(exc_type, exc_value, traceback)
