"""Text over a file of the async face."""

from __future__ import annotations

import codecs
import io
import operator
import os
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from twinfs import errors as _errors
from twinfs._text_position import Decoded, Place

if TYPE_CHECKING:
    from typing import Self

    from twinfs._async_binary import AsyncFile
    from twinfs._twinfs import Metadata


#: Codecs that look for a mark of the byte order after a reset; their state behind it is 0. No other
#: codec has need of a state that was not told, and for some 0 is none.
MARKED = ("utf-8-sig", "utf-16", "utf-32")


class AsyncTextFile:
    """An open file of text.

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
        #: Where the text that was decoded comes from.
        self._decoded = Decoded()

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

    def seekable(self) -> bool:
        """Always true."""
        return self.buffer.seekable()

    async def _fill(self) -> bool:
        """Decodes another block; false at the end."""
        if self._ended:
            return False
        start = await self.buffer.tell()
        self._decode(start, await self.buffer.read(max(self.buffer._limit, 1)))
        return True

    def _decode(self, start: int, block: bytes, *, final: bool = False) -> None:
        state = self._decoder.getstate()
        self._ended = final or not block
        text = self._decoder.decode(block, final=self._ended)
        self._decoded.add(
            start,
            state,
            block,
            final=self._ended,
            characters=len(text),
            unread=len(self._text),
        )
        self._text += text

    def _take(self, count: int) -> str:
        text, self._text = self._text[:count], self._text[count:]
        if not self._text:
            self._decoded.all_read()
        return text

    def _forget(self) -> None:
        """Drops what was decoded ahead."""
        self._text, self._ended = "", False
        self._decoded.clear()
        self._decoder.reset()

    async def read(self, size: int | None = -1, /) -> str:
        """Reads up to `size` characters, all there are with -1; empty at the end."""
        self.buffer._check_readable()
        if size is None or size < 0:
            start = await self.buffer.tell()
            self._decode(start, await self.buffer.read(), final=True)
            return self._take(len(self._text))
        while len(self._text) < size and await self._fill():
            pass
        return self._take(size)

    async def readline(self, size: int | None = -1, /) -> str:
        """Reads up to and including the next end of a line, or `size` characters."""
        limit = -1 if size is None else size
        while (end := self._line_end()) is None:
            if 0 <= limit <= len(self._text) or not await self._fill():
                end = len(self._text)
                break
        return self._take(end if limit < 0 else min(end, limit))

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
            self._forget()
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

    async def tell(self) -> int:
        """The position, as a number for `seek`; it counts no characters, nor always bytes."""
        position = await self.buffer.tell()
        return self._decoded.place(self._decoder, position, unread=len(self._text)).number()

    async def seek(self, position: int, whence: int = os.SEEK_SET, /) -> int:
        """Moves the position to one that `tell` gave, or with 0 and `whence` 2 to the end.

        Gives the new one. Raises Unsupported for a distance from the position or the end, since
        characters differ in length.
        """
        position = operator.index(position)
        if whence not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
            raise _errors.InvalidInput(f"whence is 0, 1 or 2, not {whence}")
        if whence != os.SEEK_SET and position != 0:
            raise _errors.Unsupported("text is sought from its start alone: seek to what tell gave")
        if position < 0:
            raise _errors.InvalidInput(f"negative seek position {position}")
        if whence == os.SEEK_CUR:
            return await self.tell()
        if whence == os.SEEK_END:
            position = await self.buffer.seek(0, os.SEEK_END)
            self._forget()
        else:
            await self._seek_to(Place.of_number(position))
        self._begin_encoding(position)
        return position

    async def _seek_to(self, place: Place) -> None:
        await self.buffer.seek(place.start)
        self._forget()
        if place == Place(0):
            return
        if place.flags or codecs.lookup(self.encoding).name in MARKED:
            self._decoder.setstate((b"", place.flags))
        self._decoded.begin()
        if place.feed:
            block = await self.buffer.read(place.feed)
            self._decode(place.start, block, final=place.at_end)
            self._ended = False
        if len(self._text) < place.skip:
            raise _errors.InvalidInput("the file has no such place: was it another one?")
        self._take(place.skip)

    def _begin_encoding(self, position: int) -> None:
        # A mark of the byte order stands at the start of a file only.
        if position == 0:
            self._encoder.reset()
        else:
            self._encoder.setstate(0)

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
        # What was decoded ahead travels: it is behind the position of the bytes.
        ahead = (self._decoder.getstate(), self._text, self._ended, self._decoded)
        return _unpickled_text, (self.buffer, options, ahead)

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<AsyncTextFile {self.name!r} mode={self.mode!r} encoding={self.encoding!r}{state}>"


def _unpickled_text(
    buffer: AsyncFile,
    options: dict[str, Any],
    ahead: tuple[tuple[bytes, int], str, bool, Decoded],
) -> AsyncTextFile:
    file = AsyncTextFile(buffer, **options)
    state, file._text, file._ended, file._decoded = ahead
    file._decoder.setstate(state)
    return file
