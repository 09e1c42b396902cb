"""aioftp's path I/O classes over twinfs: what `aioftp.pathio` has, with the three classes ours."""

from __future__ import annotations

import asyncio
import inspect
import io
import os
from collections.abc import Awaitable, Iterator
from concurrent.futures import Executor
from pathlib import Path, PurePath, PurePosixPath
from types import TracebackType
from typing import Any, Generic, NamedTuple, TypeVar

import aioftp.pathio
from aioftp.common import AbstractAsyncLister, Connection
from aioftp.pathio import (
    AbstractPathIO,
    AsyncPathIOContext,
    Node,
    PathIONursery,
    defend_file_methods,
    universal_exception,
)

from twinfs import AsyncFileSystem, SyncFileSystem, _twinfs
from twinfs.aioftp._memory import MemoryTree

__all__ = (
    "AbstractPathIO",
    "AsyncPathIO",
    "AsyncPathIOContext",
    "MemoryPathIO",
    "MemoryTree",
    "Node",
    "PathIO",
    "PathIOFactory",
    "PathIONursery",
    "TwinPathIO",
    "defend_file_methods",
    "pathio_factory",
    "universal_exception",
)

_T = TypeVar("_T")
_PathT = TypeVar("_PathT", bound=PurePath)
_FileSystem = AsyncFileSystem | SyncFileSystem


def __getattr__(name: str) -> Any:
    """What is not ours is aioftp's."""
    return getattr(aioftp.pathio, name)


def _reraising(class_: type[_T]) -> type[_T]:
    """Has every coroutine method raise its failures as aioftp does: all but cancellation."""
    for name, method in list(vars(class_).items()):
        if inspect.iscoroutinefunction(method):
            setattr(class_, name, universal_exception(method))
    return class_


class _Context(AsyncPathIOContext):
    """An open file; an exception in `async with` keeps what is published on close from being so."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        if kind is not None and isinstance(self.pathio, _OverTwinfs):
            await self.pathio._drop(self.file)
        await super().__aexit__(kind, error, trace)


@_reraising
class _Lister(AbstractAsyncLister[_PathT]):
    """The paths in a directory, a page of names at a time."""

    def __init__(self, pathio: _OverTwinfs[_PathT], path: _PathT) -> None:
        super().__init__(timeout=pathio.timeout)
        self._pathio = pathio
        self._path = path
        self._listing: _twinfs.PathListing | None = None
        self._names: Iterator[str] = iter(())

    async def __anext__(self) -> _PathT:
        name = next(self._names, None)
        if name is None:
            if self._listing is None:
                self._listing = self._pathio._io.list(self._pathio._place(self._path))
            self._names = iter(await self._pathio._do(self._listing.next_page()))
            name = next(self._names, None)
            if name is None:
                raise StopAsyncIteration
        return self._path / name


@_reraising
class _OverTwinfs(AbstractPathIO[_PathT], Generic[_PathT]):
    """What the classes have in common: aioftp's methods over a compiled path I/O.

    All input and output goes through `_open`, `seek`, `read`, `write` and `close`, so that a
    subclass may change any of them. A failure comes out as `aioftp.PathIOError`, whose `reason` has
    the exception itself.
    """

    def __init__(
        self, timeout: float | None, connection: Connection | None, *, atomic: bool
    ) -> None:
        super().__init__(timeout, connection)
        self.atomic = atomic
        self._io = self._connect()

    def _connect(self) -> _twinfs.PathIo:
        raise NotImplementedError

    def _place(self, path: _PathT) -> str | os.PathLike[str]:
        """A path as the compiled path I/O takes it."""
        return path

    def _do(self, operation: _twinfs.Operation[_T]) -> Awaitable[_T]:
        """What is awaited in place of the operation."""
        return operation

    # A connection is one of this process.
    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "connection": None, "_io": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._io = self._connect()

    async def exists(self, path: _PathT) -> bool:
        """Whether anything is at the path."""
        return await self._do(self._io.exists(self._place(path)))

    async def is_dir(self, path: _PathT) -> bool:
        """Whether a directory is at the path."""
        return await self._do(self._io.is_dir(self._place(path)))

    async def is_file(self, path: _PathT) -> bool:
        """Whether a regular file is at the path."""
        return await self._do(self._io.is_file(self._place(path)))

    async def mkdir(self, path: _PathT, parents: bool = False, exist_ok: bool = False) -> None:
        """Makes a directory, with `parents` those above it, too.

        The reason is FileExistsError, unless `exist_ok`; FileNotFoundError or NotADirectoryError
        for the parent.
        """
        await self._do(self._io.mkdir(self._place(path), parents, exist_ok))

    async def rmdir(self, path: _PathT) -> None:
        """Removes an empty directory.

        The reason is FileNotFoundError, NotADirectoryError, or OSError where it is not empty.
        """
        await self._do(self._io.rmdir(self._place(path)))

    async def unlink(self, path: _PathT) -> None:
        """Removes a file. The reason is FileNotFoundError or IsADirectoryError."""
        await self._do(self._io.unlink(self._place(path)))

    def list(self, path: _PathT) -> _Lister[_PathT]:
        """The paths in a directory, in order: `async for`, or `await` for a list.

        There are none in what is missing, or no directory.
        """
        return _Lister(self, path)

    async def stat(self, path: _PathT) -> os.stat_result:
        """Size, times, links and mode of what stands at the path; other fields are 0.

        The reason is FileNotFoundError or NotADirectoryError.
        """
        return await self._do(self._io.stat(self._place(path)))

    def open(self, *args: Any, **kwargs: Any) -> AsyncPathIOContext:
        """Opens a file: `async with pathio.open(path, mode) as file`, or `await`.

        Arguments are those of `_open`. The file has `seek`, `read`, `write`, `close` and
        `iter_by_block`.
        """
        return _Context(self, args, kwargs)  # type: ignore[arg-type]  # it takes any

    async def _open(self, path: _PathT, mode: str = "rb", buffering: int = -1) -> _twinfs.PathFile:  # type: ignore[override]  # what it gives is for the methods below alone
        """Opens a file, for the methods below.

        `mode` is one of rb, wb, ab, r+b, w+b, xb; `buffering` is taken and not needed. The reason
        is by mode FileNotFoundError, also for the directory above, FileExistsError,
        IsADirectoryError; ValueError for another mode; BlockingIOError where files are atomic and
        another writer holds it.
        """
        return await self._do(self._io.open(self._place(path), mode))

    async def seek(self, file: Any, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves the position of what `_open` gave; gives the new one.

        The reason is ValueError for the object that `open` gave, which has a `seek` of its own.
        """
        if isinstance(file, AsyncPathIOContext):
            raise ValueError("seek takes the raw file; an opened one has a method for it")
        return await self._do(_raw(file).seek(offset, whence))

    async def write(self, file: Any, data: bytes) -> int:
        """Writes all of the data to an open file; gives how many bytes."""
        return await self._do(_raw(file).write(data))

    async def read(self, file: Any, block_size: int | None = -1) -> bytes:
        """Reads up to so many bytes of an open file, all there are with -1; empty at the end."""
        return await self._do(_raw(file).read(-1 if block_size is None else block_size))

    async def close(self, file: Any) -> None:
        """Closes an open file; an atomic one is published then."""
        await self._do(_raw(file).close())

    async def _drop(self, file: Any) -> None:
        if self.atomic and isinstance(file, _twinfs.PathFile):
            await self._do(file.abort())

    async def rename(self, source: _PathT, destination: _PathT) -> _PathT:
        """Moves a file or directory; gives the destination.

        A file there is replaced, and an empty directory by a directory. The reason is
        FileNotFoundError, also for the directory above the destination, NotADirectoryError,
        IsADirectoryError, or OSError where the directory there is not empty.
        """
        await self._do(self._io.rename(self._place(source), self._place(destination)))
        return destination


def _raw(file: Any) -> _twinfs.PathFile:
    """What `_open` gave, whether it came in a context or not."""
    raw: Any = file.file if isinstance(file, AsyncPathIOContext) else file
    return raw  # type: ignore[no-any-return]  # a subclass that opens another kind reads it, too


async def _within(seconds: float | None, work: Awaitable[_T]) -> _T:
    async with asyncio.timeout(seconds):
        return await work


_local: dict[tuple[bool, bool], _twinfs.PathIo] = {}


def _local_files(*, calling: bool, atomic: bool) -> _twinfs.PathIo:
    """All local files. They are the system's own tree: their writes carry no versions."""
    if (calling, atomic) not in _local:
        fs = AsyncFileSystem("/", versions="off", create=False)
        made = _twinfs.PathIo(fs, calling=calling, atomic=atomic, local=True)
        _local[calling, atomic] = made
    return _local[calling, atomic]


class PathIO(_OverTwinfs[Path]):
    """Local files, by calls that block the loop. `timeout` is taken and not used.

    Files are written in place: others see them grow, and REST and STOR continue one that broke off.
    With `atomic=True` a file appears, or is replaced, whole when it is closed.
    """

    def __init__(
        self,
        timeout: float | None = None,
        connection: Connection | None = None,
        state: Any = None,
        *,
        atomic: bool = False,
    ) -> None:
        super().__init__(timeout, connection, atomic=atomic)

    def _connect(self) -> _twinfs.PathIo:
        return _local_files(calling=True, atomic=self.atomic)


class AsyncPathIO(_OverTwinfs[Path]):
    """Local files, by twinfs's workers: the loop is never blocked, `timeout` bounds each operation.

    With an `executor` its threads do the work instead. Files are written in place, or with
    `atomic=True` whole, as those of `PathIO`.
    """

    def __init__(
        self,
        timeout: float | None = None,
        connection: Connection | None = None,
        state: Any = None,
        executor: Executor | None = None,
        *,
        atomic: bool = False,
    ) -> None:
        super().__init__(timeout, connection, atomic=atomic)
        self.executor = executor

    def _connect(self) -> _twinfs.PathIo:
        return _local_files(calling=False, atomic=self.atomic)

    def _do(self, operation: _twinfs.Operation[_T]) -> Awaitable[_T]:
        work: Awaitable[_T] = operation
        if self.executor is not None:
            try:
                work = asyncio.get_running_loop().run_in_executor(self.executor, operation.run)
            except RuntimeError:
                # An executor that was shut down; the operation is not to be awaited any more.
                operation.close()
                raise
        return work if self.timeout is None else _within(self.timeout, work)


@_reraising
class MemoryPathIO(_OverTwinfs[PurePosixPath]):
    """Files in memory, for tests and for speed. `timeout` is taken and not used.

    `state` is the tree: that of another one, to share it (`PathIONursery` does that), or a twinfs
    file system `memory://`. A list of aioftp's nodes is copied into a fresh tree. Relative paths
    start at `cwd`.
    """

    class Stats(NamedTuple):
        """What `stat` gives."""

        st_size: int
        st_ctime: int
        st_mtime: int
        st_nlink: int
        st_mode: int

    def __init__(
        self,
        timeout: float | None = None,
        connection: Connection | None = None,
        state: Any = None,
        cwd: str | PurePosixPath | None = None,
        *,
        atomic: bool = False,
    ) -> None:
        self.cwd = PurePosixPath(cwd or "/")
        self.fs = state if isinstance(state, MemoryTree) else MemoryTree(state)
        super().__init__(timeout, connection, atomic=atomic)

    @property
    def state(self) -> MemoryTree:  # type: ignore[override]  # a list to look at, not to change
        """The tree that several share, seen as a list with its root node."""
        return self.fs

    def _connect(self) -> _twinfs.PathIo:
        return _twinfs.PathIo(self.fs.fs, atomic=self.atomic)

    def _place(self, path: PurePosixPath) -> str | os.PathLike[str]:
        return path if path.is_absolute() else self.cwd / path

    def get_node(self, path: PurePosixPath) -> Node | None:
        """What stands at a path, as it is now, with everything below it; None for nothing."""
        return self.fs.node(self._place(path))

    async def stat(self, path: PurePosixPath) -> MemoryPathIO.Stats:  # type: ignore[override]
        """Size, times, links and mode of what stands at the path; see `TwinPathIO.stat`."""
        return MemoryPathIO.Stats(*await self._io.facts(self._place(path)))

    def __repr__(self) -> str:
        return repr(self.fs)


class TwinPathIO(_OverTwinfs[PurePosixPath]):
    """Any twinfs file system; `timeout` bounds each operation.

    `pathio_factory` makes it for a server. Paths are places in the file system, `.` and `/` its
    root. Where the store can, files are written in place; with `atomic=True`, and over other
    stores, they appear whole when they are closed.
    """

    def __init__(
        self,
        timeout: float | None = None,
        connection: Connection | None = None,
        state: Any = None,
        *,
        fs: str | os.PathLike[str] | _FileSystem | None = None,
        atomic: bool = False,
    ) -> None:
        fs = state if state is not None else fs
        if fs is None:
            raise TypeError(
                "no file system: TwinPathIO(fs=...), or pathio_factory(...) for a server"
            )
        self.fs: _FileSystem = fs if isinstance(fs, _FileSystem) else AsyncFileSystem(fs)
        super().__init__(timeout, connection, atomic=atomic)

    @property
    def state(self) -> _FileSystem:  # type: ignore[override]  # what several share
        """The file system, which several share."""
        return self.fs

    def _connect(self) -> _twinfs.PathIo:
        return _twinfs.PathIo(self.fs, atomic=self.atomic)

    def _do(self, operation: _twinfs.Operation[_T]) -> Awaitable[_T]:
        return operation if self.timeout is None else _within(self.timeout, operation)


class PathIOFactory:
    """Makes a path I/O for each connection of a server, all over one file system; picklable."""

    def __init__(self, fs: _FileSystem, path_io: type[TwinPathIO], *, atomic: bool) -> None:
        self.fs = fs
        self.path_io = path_io
        self.atomic = atomic

    def __call__(
        self,
        timeout: float | None = None,
        connection: Connection | None = None,
        state: Any = None,
    ) -> TwinPathIO:
        state = self.fs if state is None else state
        return self.path_io(timeout, connection, state, atomic=self.atomic)

    def __repr__(self) -> str:
        return f"pathio_factory({self.fs!r})"


def pathio_factory(
    url_or_fs: str | os.PathLike[str] | _FileSystem,
    *,
    path_io: type[TwinPathIO] = TwinPathIO,
    atomic: bool = False,
    **options: Any,
) -> PathIOFactory:
    """What `aioftp.Server(path_io_factory=...)` takes, over any twinfs file system.

    `options` are those of the store where a URL is given; `path_io` is a class of your own.

    >>> from twinfs.aioftp import Server, pathio_factory
    >>> server = Server(path_io_factory=pathio_factory("memory://ftp"), path_timeout=30)
    """
    if isinstance(url_or_fs, _FileSystem):
        if options:
            raise TypeError(f"options go with a URL, not with a file system: {', '.join(options)}")
        return PathIOFactory(url_or_fs, path_io, atomic=atomic)
    return PathIOFactory(AsyncFileSystem(url_or_fs, **options), path_io, atomic=atomic)
