"""Files and systems of the async face."""

from __future__ import annotations

from contextlib import suppress
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

from twinfs import _twinfs
from twinfs.aiofs._files import FileInContext
from twinfs.aiofs._systems import InMemory, OnDisk, OverAnyStore, System, mode_of, name_of
from twinfs.errors import TwinfsError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


@runtime_checkable
class FileLike(Protocol):
    """A file of any system: what is needed to read and write it, within a context."""

    async def __aenter__(self) -> Self:
        """Opens it."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> bool | None:
        """Closes it, and stores what was written unless there is an error."""
        ...

    async def read(self, size: int = -1) -> bytes:
        """Reads up to `size` bytes, all there are with -1."""
        ...

    async def write(self, b: bytes) -> int | None:
        """Writes bytes."""
        ...


@runtime_checkable
class FileLikeSystem(Protocol):
    """Files by name, wherever they are."""

    def open(self, filename: str, mode: str = "r") -> FileLike:
        """A file to be entered."""
        ...

    async def ls(self, pattern: str = "*") -> list[str]:
        """The names that match a pattern."""
        ...

    async def rm(self, pattern: str) -> None:
        """Removes the files whose names match a pattern."""
        ...

    async def mv(self, origin_path: str, destination_path: str) -> None:
        """Moves a file."""
        ...

    async def cp(self, origin_path: str, destination_path: str) -> None:
        """Copies a file."""
        ...


class File(FileInContext[_twinfs.AsyncFileLikeSystem, _twinfs.AsyncFileLike]):
    """A file of a system, for `async with`; it can be entered again after it was left.

    It shows what stood there when it was entered. What is written is stored, whole, when the body
    ends without an exception, and not at all otherwise. Within a context it belongs to one task at
    a time; outside of one, its methods raise RuntimeError.
    """

    _statement = "async with"
    _package = "twinfs.aiofs"

    async def __aenter__(self) -> Self:
        self._enter()
        try:
            self._file = await self._core.open(self.name, self.mode)
        except BaseException:
            self._entered = False
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        file = self._leave()
        if kind is None:
            await file.close()
            return
        # The exception of the body is the one that counts.
        with suppress(TwinfsError):
            await file.abort()

    async def read(self, size: int | None = -1) -> bytes:
        """Reads up to `size` bytes at the position, all there are with -1; empty at the end.

        In `r+` it reads what stood there, also after a write; once `seek` was called, what was
        written.

        Raises FileNotFoundError where nothing was, io.UnsupportedOperation in `w`.
        """
        return await self._within().read(size)

    async def write(self, b: ReadableBuffer) -> int:
        """Writes bytes behind those written before; gives how many.

        In `r+` the first write begins a new content, which replaces the old one as a whole. Once
        `seek` was called, it writes at the position instead, and what is around that stays.

        Raises TypeError for what is no bytes, io.UnsupportedOperation in `r`.
        """
        return await self._within().write(b)

    async def seek(self, offset: int, whence: int = 0) -> int:
        """Moves the position, in bytes; gives the new one from the start.

        `whence` is 0 for the start, 1 for the position, 2 for the end.
        """
        return await self._within().seek(offset, whence)

    async def tell(self) -> int:
        """The position: that of reading, or once something was written that of writing."""
        return await self._within().tell()


class _Verbs(System[_twinfs.AsyncFileLikeSystem]):
    """The verbs of a system."""

    _compiled = _twinfs.AsyncFileLikeSystem

    def open(self, filename: str | PathLike[str], mode: str = "r") -> File:
        """A file to be entered with `async with`; not to be awaited.

        `r` reads, `w` writes a new content, `r+` reads and then replaces the content or, after
        `seek`, changes it; a `b` does not matter. A missing file is found out when it is read, and
        made when it is written. Entering it in `r+` or `w` keeps out other writers: of two of them
        one gets BlockingIOError, there or at the end, and stores nothing.

        Raises ValueError for another mode.
        """
        return File(self, name_of(filename), mode_of(mode))

    async def ls(self, pattern: str = "*") -> list[str]:
        """The names that match a pattern, in order of their paths.

        The rules are those of `fnmatch`: `*`, `?` and `[...]`, which match `/`, too.
        """
        return await self._open_core().ls(pattern)

    async def rm(self, pattern: str) -> None:
        """Removes the files whose names match a pattern, as of `ls`; none is fine."""
        await self._open_core().rm(pattern)

    async def mv(
        self, origin_path: str | PathLike[str], destination_path: str | PathLike[str]
    ) -> None:
        """Moves a file; one that is at the destination is replaced. Raises FileNotFoundError."""
        await self._open_core().mv(name_of(origin_path), name_of(destination_path))

    async def cp(
        self, origin_path: str | PathLike[str], destination_path: str | PathLike[str]
    ) -> None:
        """Copies a file; one that is at the destination is replaced. Raises FileNotFoundError."""
        await self._open_core().cp(name_of(origin_path), name_of(destination_path))

    async def exists(self, filename: str | PathLike[str]) -> bool:
        """Whether there is a file of this name."""
        return await self._open_core().exists(name_of(filename))

    async def stat(self, filename: str | PathLike[str]) -> _twinfs.Metadata:
        """Size, times and the rest of a file. Raises FileNotFoundError."""
        return await self._open_core().stat(name_of(filename))

    async def close(self) -> None:
        """Lets go of the store; any number of times. Calls after it raise RuntimeError."""
        self._close()


class OsFileSystem(OnDisk[_twinfs.AsyncFileLikeSystem], _Verbs):
    """Files on the local disk, by a template: `/data/{}.csv` makes `a/b` the file `/data/a/b.csv`.

    No name leads out of the template's folder, and no link. The folder is made with the first file
    in it; until then links lead as far as the nearest folder above it. Nothing but the files stays
    there.

    >>> import asyncio, tempfile
    >>> from twinfs.aiofs import OsFileSystem
    >>> async def main(folder):
    ...     fs = OsFileSystem(folder + "/{}.txt")
    ...     async with fs.open("notes/today", "w") as file:
    ...         _ = await file.write(b"hello")
    ...     async with fs.open("notes/today") as file:
    ...         return await file.read(), await fs.ls()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     asyncio.run(main(folder))
    (b'hello', ['notes/today'])
    """


class InMemFileSystem(InMemory[_twinfs.AsyncFileLikeSystem], _Verbs):
    """Files in the memory of this process, private to the instance.

    A pickle, or a copy, has the files as they are.

    >>> import asyncio
    >>> from twinfs.aiofs import InMemFileSystem
    >>> async def main():
    ...     fs = InMemFileSystem()
    ...     async with fs.open("a", "w") as file:
    ...         _ = await file.write(b"1")
    ...     async with fs.open("a", "r+") as file:
    ...         number = int(await file.read())
    ...         _ = await file.write(b"%d" % (number + 1))
    ...     async with fs.open("a") as file:
    ...         return await file.read()
    >>> asyncio.run(main())
    b'2'
    """


class TwinFileLikeSystem(OverAnyStore[_twinfs.AsyncFileLikeSystem], _Verbs):
    """Files of any store: `url_or_fs` is a URL, a path or a file system of twinfs.

    In `pattern` a `*` stands for the name: with `reports/*.csv` the name `may` is the file
    `reports/may.csv`, and there are no others. Options are those of the store, by keyword.

    >>> import asyncio, twinfs
    >>> from twinfs.aiofs import TwinFileLikeSystem
    >>> store = twinfs.SyncFileSystem("memory://")
    >>> _ = store.write_many({"reports/may.csv": b"1", "notes.txt": b""})
    >>> fs = TwinFileLikeSystem(store, "reports/*.csv")
    >>> asyncio.run(fs.ls())
    ['may']
    """
