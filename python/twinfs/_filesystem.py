"""The two file system classes: the compiled ones, with file objects and context managers."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Literal, Self, Unpack, overload

from twinfs import _twinfs
from twinfs._async_binary import AsyncFile
from twinfs._async_opening import Opening
from twinfs._async_text import AsyncTextFile
from twinfs._modes import check_text_options, parse_mode
from twinfs._options import OpenOptions, Path, TextMode
from twinfs._sync_binary import BufferedFile, BufferedReader, BufferedWriter, RawFile
from twinfs._sync_opening import make_file
from twinfs._sync_text import TextFile


class SyncFileSystem(_twinfs.SyncFileSystem):
    """A file system on the sync face: any store, by its path or URL.

    Options are those of the store, by keyword: `durability="full"`, `timeout=30`,
    `max_bytes=10**9`. Instances may be used from any number of threads, inside a running event loop
    and after a fork, and may be pickled. `AsyncFileSystem` has the same methods, to be awaited.

    >>> import twinfs
    >>> fs = twinfs.SyncFileSystem("memory://")
    >>> _ = fs.write("a.txt", b"hello")
    >>> fs.read("a.txt")
    b'hello'
    """

    @overload
    def open(
        self,
        path: Path,
        mode: Literal["rb"] = "rb",
        *,
        buffering: Literal[-1] = -1,
        **options: Unpack[OpenOptions],
    ) -> BufferedReader: ...
    @overload
    def open(
        self,
        path: Path,
        mode: Literal["wb", "xb", "ab"],
        *,
        buffering: Literal[-1] = -1,
        **options: Unpack[OpenOptions],
    ) -> BufferedWriter: ...
    @overload
    def open(
        self,
        path: Path,
        mode: Literal["r+b", "rb+", "w+b", "wb+"],
        *,
        buffering: Literal[-1] = -1,
        **options: Unpack[OpenOptions],
    ) -> BufferedFile: ...
    @overload
    def open(
        self,
        path: Path,
        mode: Literal["rb", "wb", "xb", "ab", "r+b", "rb+", "w+b", "wb+"] = "rb",
        *,
        buffering: Literal[0],
        **options: Unpack[OpenOptions],
    ) -> RawFile: ...
    @overload
    def open(
        self,
        path: Path,
        mode: TextMode,
        *,
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        **options: Unpack[OpenOptions],
    ) -> TextFile: ...
    @overload
    def open(
        self,
        path: Path,
        mode: str = "rb",
        *,
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        **options: Unpack[OpenOptions],
    ) -> RawFile | BufferedReader | BufferedWriter | BufferedFile | TextFile: ...

    def open(
        self,
        path: Path,
        mode: str = "rb",
        *,
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        **options: Unpack[OpenOptions],
    ) -> RawFile | BufferedReader | BufferedWriter | BufferedFile | TextFile:
        """Opens a file object. What is written through it is published, whole, by `close()`.

        An exception inside `with`, and a writer that is dropped, publish nothing. `mode` is one of
        `rb`, `wb`, `xb`, `ab`, `r+b` and `w+b`, or the same without `b` for text, which is UTF-8
        unless `encoding` says otherwise. `buffering` is 0 for none, 1 for lines (text), or a number
        of bytes. Further options are `publish`, `durability`, `parents`, `lease`, `if_absent` and
        `if_version`: `publish="in_place"` shows the bytes as they are written; `lease="off"` does
        without the writer's lease.

        Raises by mode NotFound, AlreadyExists, IsADirectory; WouldBlock where another writer holds
        the path, then or at the end; Unsupported for what the store does not have.

        >>> with fs.open("a.txt", "w") as file:
        ...     _ = file.write("hello")
        >>> fs.read("a.txt")
        b'hello'
        """
        binary = check_text_options(mode, buffering, encoding, errors, newline)
        handle = self._open(path, binary, **options)
        return make_file(self, handle, mode, buffering, encoding, errors, newline)

    def reopen(self, id: str | _twinfs.Staged) -> RawFile:  # noqa: A002
        """Opens a staged upload for reading and writing anywhere; several may be open at once.

        Closing one keeps the upload. Raises NotFound where no such upload is left.

        >>> upload = fs.stage()
        >>> with fs.reopen(upload) as handle:
        ...     handle.write_at(5, b"world"), handle.write_at(0, b"hello")
        (5, 5)
        >>> _ = fs.publish(upload, "a.txt")
        """
        return RawFile(self, self._reopen(id), "r+b", staged=True)

    def close(self) -> None:
        """Closes it for further calls; files that are open stay open."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncFileSystem(_twinfs.AsyncFileSystem):
    """A file system on the async face: any store, by its path or URL.

    The methods are those of `SyncFileSystem`, with the same arguments and errors; each gives an
    operation to be awaited, and nothing happens before that. To cancel the task that awaits it
    cancels the operation. Instances may be used from any number of event loops and threads, and may
    be pickled.

    >>> import asyncio, twinfs
    >>> async def main():
    ...     fs = twinfs.AsyncFileSystem("memory://")
    ...     await fs.write("a.txt", b"hello")
    ...     return await fs.read("a.txt")
    >>> asyncio.run(main())
    b'hello'
    """

    @overload
    def open(
        self,
        path: Path,
        mode: Literal["rb", "wb", "xb", "ab", "r+b", "rb+", "w+b", "wb+"] = "rb",
        *,
        buffering: int = -1,
        **options: Unpack[OpenOptions],
    ) -> Opening[AsyncFile]: ...
    @overload
    def open(
        self,
        path: Path,
        mode: TextMode,
        *,
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        **options: Unpack[OpenOptions],
    ) -> Opening[AsyncTextFile]: ...
    @overload
    def open(
        self,
        path: Path,
        mode: str,
        *,
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        **options: Unpack[OpenOptions],
    ) -> Opening[AsyncFile] | Opening[AsyncTextFile]: ...

    def open(
        self,
        path: Path,
        mode: str = "rb",
        *,
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        **options: Unpack[OpenOptions],
    ) -> Opening[AsyncFile] | Opening[AsyncTextFile]:
        """Opens a file object: `async with fs.open(...) as file`, or `file = await fs.open(...)`.

        Arguments and errors are those of `SyncFileSystem.open`.
        """
        binary = check_text_options(mode, buffering, encoding, errors, newline)
        _, text = parse_mode(mode)

        def finish(handle: _twinfs.AsyncHandle) -> Any:
            file = AsyncFile(self, handle, handle.path, binary, buffering)
            if not text:
                return file
            return AsyncTextFile(
                file,
                mode=mode,
                encoding=encoding or "utf-8",
                errors=errors,
                newline=newline,
                line_buffering=buffering == 1,
            )

        return Opening(lambda: self._open(path, binary, **options), finish)

    def reopen(self, id: str | _twinfs.Staged) -> Opening[AsyncFile]:  # noqa: A002
        """Opens a staged upload for reading and writing anywhere; several may be open at once.

        Closing one keeps the upload. Raises NotFound where no such upload is left.
        """

        def finish(handle: _twinfs.AsyncHandle) -> AsyncFile:
            return AsyncFile(self, handle, handle.path, "r+b", staged=True)

        return Opening(lambda: self._reopen(id), finish)

    async def close(self) -> None:
        """Closes it for further calls; files that are open stay open."""
        self._close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()
