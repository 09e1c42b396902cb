"""Kodosumi's file classes over twinfs: the same names and calls, swapped in by an import.

>>> from twinfs.kodosumi import Tracer
>>> tracer = Tracer("65f0a1", "http://127.0.0.1:3370", "eyJhbGciOi...")
>>> fs = tracer.fs_sync()
>>> fs.close()

`AsyncFileSystem` and `SyncFileSystem` have the same methods; those of the first are awaited. Roots
are `in`, what a run's user uploaded, and `out`, what the run delivers. `install()` puts these
classes under kodosumi's own `Tracer`.
"""

import importlib
import pprint
import sys
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Mapping
from os import PathLike, fspath
from types import TracebackType
from typing import Any, NoReturn, Self, TypedDict, TypeVar

from twinfs import _twinfs
from twinfs.errors import Connection, NotFound, TwinfsError

try:
    _httpx: Any = importlib.import_module("httpx")
    _StatusBase: type[Exception] = _httpx.HTTPStatusError
    _TransportBase: type[Exception] = _httpx.TransportError
except ImportError:
    _StatusBase = _TransportBase = Exception

__all__ = [
    "AsyncFileStream",
    "AsyncFileSystem",
    "FileInfo",
    "HTTPStatusError",
    "Progress",
    "Response",
    "SyncFileStream",
    "SyncFileSystem",
    "Tracer",
    "TransportError",
    "install",
]

_T = TypeVar("_T")

#: Is told `(path, bytes, total_bytes, files, total_files)`, from a thread of twinfs's own.
Progress = Callable[[str, int, int, int, int], object]


class FileInfo(TypedDict):
    """One file of a listing."""

    path: str
    size: int
    last_modified: float


class _Headers(Mapping[str, str]):
    """The headers of an answer. Their names are in lower case; to look one up, case is nothing."""

    def __init__(self, headers: list[tuple[str, str]]) -> None:
        self._headers: dict[str, str] = {}
        for name, value in headers:
            known = self._headers.get(name)
            self._headers[name] = value if known is None else f"{known}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._headers[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)

    def __repr__(self) -> str:
        return repr(self._headers)


class Response:
    """What a server answered when it refused a request."""

    def __init__(self, status_code: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.status_code = status_code
        self.headers: Mapping[str, str] = _Headers(headers)
        self.content = content

    @property
    def text(self) -> str:
        """The body as text; what is no UTF-8 is replaced."""
        return self.content.decode("utf-8", "replace")

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"


class HTTPStatusError(_StatusBase):  # type: ignore[misc, valid-type]  # one of two classes
    """A server refused a request; `response` has its answer.

    It is an `httpx.HTTPStatusError`, too, where httpx is installed, and a `PermissionError` if the
    status is 401 or 403.
    """

    response: Response

    def __init__(self, message: str, response: Response) -> None:
        Exception.__init__(self, message)
        self.response = response
        # As in `TransportError`.
        self._request = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), self.response)


class _RefusedError(HTTPStatusError, PermissionError):
    """A server refused a credential."""


class TransportError(ConnectionError, _TransportBase):  # type: ignore[misc, valid-type]
    """The server cannot be reached, or the connection broke.

    It is an `httpx.TransportError`, too, where httpx is installed.
    """

    def __init__(self, message: str) -> None:
        Exception.__init__(self, message)
        # httpx's errors carry the request where there is one.
        self._request = None


def _raise(error: TwinfsError) -> NoReturn:
    """Raises an error as Kodosumi's users know it."""
    refusal = getattr(error, "refusal", None)
    if isinstance(error, Connection) and refusal is None:
        raise TransportError(str(error)) from error
    if refusal is None or isinstance(error, NotFound):
        raise error
    response = Response(*refusal)
    denied = response.status_code in (401, 403)
    raise (_RefusedError if denied else HTTPStatusError)(str(error), response) from error


def _call(function: Callable[..., _T], *arguments: object) -> _T:
    try:
        return function(*arguments)
    except TwinfsError as error:
        _raise(error)


async def _wait(operation: Awaitable[_T]) -> _T:
    try:
        return await operation
    except TwinfsError as error:
        _raise(error)


def _checked(path: str) -> str:
    root = path.strip("/").split("/", 1)[0]
    if root not in ("in", "out"):
        raise ValueError(f"invalid root '{root}'")
    return path


class _RunFiles:
    """What both file systems have: who they speak to, and how they travel."""

    def __init__(
        self, fid: str, panel_url: str, jwt: str, *, progress: Progress | None = None
    ) -> None:
        self.fid = fid
        self.panel_url = panel_url
        self.jwt = jwt
        self._progress = progress
        self._client = self._connect(fid, panel_url, jwt, progress)

    #: The class of the client below.
    _connect: Callable[..., Any]

    @property
    def chunk_size(self) -> int:
        """The size of an upload's chunks in bytes; writable.

        At most 1 MiB until the server has named another limit; halved when it refuses one as too
        large.
        """
        size: int = self._client.chunk_size
        return size

    @chunk_size.setter
    def chunk_size(self, size: int) -> None:
        if size < 1:
            raise ValueError("a chunk has at least one byte")
        self._client.chunk_size = min(size, sys.maxsize)

    # What is told of progress is of this process.
    def __getstate__(self) -> dict[str, Any]:
        own = {**vars(self), "_progress": None, "chunk_size": self.chunk_size}
        del own["_client"]
        return own

    def __setstate__(self, state: dict[str, Any]) -> None:
        chunk_size = state.pop("chunk_size")
        vars(self).update(state)
        self._client = self._connect(self.fid, self.panel_url, self.jwt, self._progress)
        self.chunk_size = chunk_size

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.fid!r}, {self.panel_url!r}, ...)"


class _Stream:
    """What both streams have: opened once, closed for good."""

    def __init__(self, stream: Any, path: str) -> None:
        self._stream = stream
        self.path = path
        self._entered = False
        self._closed = False

    def _enter(self) -> None:
        if self._closed:
            raise RuntimeError("closed stream: its context is not re-entrant")
        if self._entered:
            raise RuntimeError("a stream's context is not re-entrant")
        self._entered = True

    def _check(self) -> None:
        if self._closed:
            raise RuntimeError("closed stream")

    def _close(self) -> None:
        self._closed = True
        self._stream.close()


class AsyncFileStream(_Stream):
    """A file of a run, open for reading; nothing is requested before it is entered or read."""

    async def read_all(self) -> bytes:
        """Reads the whole file.

        Raises FileNotFoundError; RuntimeError once it is closed.
        """
        self._check()
        content: bytes = await _wait(self._stream.read_all())
        return content

    async def read(self) -> AsyncGenerator[bytes, None]:
        """Iterates over the file in pieces of at most 1 MiB; raises as `read_all`."""
        self._check()
        while True:
            try:
                yield await _wait(self._stream.__anext__())
            except StopAsyncIteration:
                return
            self._check()

    async def remove(self) -> bool:
        """Removes the file from the run."""
        self._check()
        await _wait(self._stream.remove())
        return True

    async def close(self) -> None:
        """Ends the transfer; any number of times."""
        self._close()

    async def __aenter__(self) -> Self:
        self._enter()
        try:
            # Raises as `read_all`.
            await _wait(self._stream.begin())
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
        self._close()


class SyncFileStream(_Stream):
    """A file of a run, open for reading; nothing is requested before it is entered or read."""

    def read_all(self) -> bytes:
        """Reads the whole file.

        Raises FileNotFoundError; RuntimeError once it is closed.
        """
        self._check()
        content: bytes = _call(self._stream.read_all)
        return content

    def read(self) -> Generator[bytes, None, None]:
        """Iterates over the file in pieces of at most 1 MiB; raises as `read_all`."""
        self._check()
        while True:
            try:
                block: bytes = _call(self._stream.__next__)
            except StopIteration:
                return
            yield block
            self._check()

    def remove(self) -> bool:
        """Removes the file from the run."""
        self._check()
        _call(self._stream.remove)
        return True

    def close(self) -> None:
        """Ends the transfer; any number of times."""
        self._close()

    def __enter__(self) -> Self:
        self._enter()
        try:
            # Raises as `read_all`.
            _call(self._stream.begin)
        except BaseException:
            self._entered = False
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()


class AsyncFileSystem(_RunFiles):
    """The files of a run, for `async` code.

    `progress` is told how far uploads and downloads are. Refused requests raise `HTTPStatusError`,
    a dead server ConnectionError, a path outside `in` and `out` ValueError, and any call after
    `close` RuntimeError.
    """

    _connect = _twinfs.AsyncRunClient

    async def ls(self, path: str = "in") -> list[FileInfo]:
        """Lists the files at or below a path, sorted by path.

        Raises FileNotFoundError where nothing is at or below a path other than a root.
        """
        files: list[FileInfo] = await _wait(self._client.ls(_checked(path)))
        return files

    def download(self, path: str = "in") -> AsyncGenerator[str, None]:
        """Downloads a file or folder to a fresh temporary folder; gives the local paths.

        Several files are on their way at once; each path comes when its file is there, whole.
        Closed early, it keeps only the files whose paths were handed out.

        Raises FileNotFoundError where no file is at or below the path.
        """
        return self._download(_call(self._client.download, _checked(path)))

    async def _download(self, download: Any) -> AsyncGenerator[str, None]:
        try:
            while True:
                try:
                    local: str = await _wait(download.__anext__())
                except StopAsyncIteration:
                    return
                # A task that was cancelled just now has not got here, and the file goes.
                download.claim()
                yield local
        finally:
            await download.close()

    async def upload(self, local_path: "str | PathLike[str]") -> str | None:
        """Uploads a local file or folder into `out`; gives the id of the batch.

        Chunks go side by side, and after a broken connection the upload goes on where it was. A
        folder without files gives None. Raises FileNotFoundError for the local path.
        """
        batch: str | None = await _wait(self._client.upload(fspath(local_path)))
        return batch

    def open(self, path: str) -> AsyncFileStream:
        """Opens a file for reading; not to be awaited. Nothing is requested before it is used."""
        return AsyncFileStream(_call(self._client.open, _checked(path)), path)

    async def remove(self, path: str) -> bool:
        """Removes a file, or a folder with everything in it. Raises FileNotFoundError."""
        await _wait(self._client.remove(_checked(path)))
        return True

    async def close(self) -> None:
        """Lets go of the connections; any number of times."""
        self._client.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()


class SyncFileSystem(_RunFiles):
    """The files of a run, for plain code and Ray's remote functions. Threads may share it.

    As `AsyncFileSystem`, with the same methods.
    """

    _connect = _twinfs.RunClient

    def ls(self, path: str = "in") -> list[FileInfo]:
        """Lists the files at or below a path, sorted by path.

        Raises FileNotFoundError where nothing is at or below a path other than a root.
        """
        files: list[FileInfo] = _call(self._client.ls, _checked(path))
        return files

    def download(self, path: str = "in") -> Generator[str, None, None]:
        """Downloads a file or folder to a fresh temporary folder; gives the local paths.

        Several files are on their way at once; each path comes when its file is there, whole.
        Closed early, it keeps only the files whose paths were handed out.

        Raises FileNotFoundError where no file is at or below the path.
        """
        return self._download(_call(self._client.download, _checked(path)))

    def _download(self, download: Any) -> Generator[str, None, None]:
        try:
            while True:
                try:
                    local: str = _call(download.__next__)
                except StopIteration:
                    return
                # Neither has one that Ctrl-C interrupted.
                download.claim()
                yield local
        finally:
            download.close()

    def upload(self, local_path: "str | PathLike[str]") -> str | None:
        """Uploads a local file or folder into `out`; gives the id of the batch.

        Chunks go side by side, and after a broken connection the upload goes on where it was. A
        folder without files gives None. Raises FileNotFoundError for the local path.
        """
        batch: str | None = _call(self._client.upload, fspath(local_path))
        return batch

    def open(self, path: str) -> SyncFileStream:
        """Opens a file for reading. Nothing is requested before it is used."""
        return SyncFileStream(_call(self._client.open, _checked(path)), path)

    def remove(self, path: str) -> bool:
        """Removes a file, or a folder with everything in it. Raises FileNotFoundError."""
        _call(self._client.remove, _checked(path))
        return True

    def close(self) -> None:
        """Lets go of the connections; any number of times."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()


def _values(message: tuple[Any, ...]) -> str:
    return "\n".join(item if isinstance(item, str) else pprint.pformat(item) for item in message)


class Tracer:
    """What a service is handed: its run's files, and a way to say how it goes.

    Under `python -m twinfs.run` messages are printed. It is picklable, so that remote functions can
    take it.
    """

    def __init__(self, fid: str, panel_url: str, jwt: str) -> None:
        self.fid = fid
        self.panel_url = panel_url.rstrip("/")
        self.jwt = jwt

    async def fs(self) -> AsyncFileSystem:
        """The run's files, for `async` code."""
        return AsyncFileSystem(self.fid, self.panel_url, self.jwt)

    def fs_sync(self) -> SyncFileSystem:
        """The run's files, for plain code."""
        return SyncFileSystem(self.fid, self.panel_url, self.jwt)

    def debug_sync(self, *message: str) -> None:
        """Says something for the developer."""
        self._say("debug", "\n".join(message), sys.stderr)

    def result_sync(self, *message: Any) -> None:
        """Gives a result: text, or any object."""
        self._say("result", _values(message))

    def action_sync(self, *message: Any) -> None:
        """Says what is being done."""
        self._say("action", _values(message))

    def markdown_sync(self, *message: str) -> None:
        """Gives a result in Markdown; paragraphs are joined by an empty line."""
        self._say("markdown", "\n\n".join(message))

    def html_sync(self, *message: str) -> None:
        """Gives a result in HTML."""
        self._say("html", "\n".join(message))

    def text_sync(self, *message: str) -> None:
        """Gives a result as plain text."""
        self._say("text", "\n".join(message))

    def warning_sync(self, *message: str, exc_info: bool = False) -> None:
        """Warns; with `exc_info` the exception being handled is shown, too."""
        lines = [*message, traceback.format_exc()] if exc_info else list(message)
        self._say("warning", "\n".join(lines), sys.stderr)

    async def debug(self, *message: str) -> None:
        """As `debug_sync`."""
        self.debug_sync(*message)

    async def result(self, *message: Any) -> None:
        """As `result_sync`."""
        self.result_sync(*message)

    async def action(self, *message: Any) -> None:
        """As `action_sync`."""
        self.action_sync(*message)

    async def markdown(self, *message: str) -> None:
        """As `markdown_sync`."""
        self.markdown_sync(*message)

    async def html(self, *message: str) -> None:
        """As `html_sync`."""
        self.html_sync(*message)

    async def text(self, *message: str) -> None:
        """As `text_sync`."""
        self.text_sync(*message)

    async def warning(self, *message: str, exc_info: bool = False) -> None:
        """As `warning_sync`."""
        self.warning_sync(*message, exc_info=exc_info)

    def _say(self, kind: str, text: str, stream: Any = None) -> None:
        # One write, so that lines of several processes do not mix.
        print("\n".join(f"[{kind}] {line}" for line in text.splitlines() or [""]), file=stream)

    def __repr__(self) -> str:
        return f"Tracer({self.fid!r}, {self.panel_url!r}, ...)"


def install() -> None:
    """Puts these classes under kodosumi's own `Tracer`, in this process.

    For Ray's workers name it in the runtime environment:
    `runtime_env={"worker_process_setup_hook": twinfs.kodosumi.install}`. Raises ImportError where
    kodosumi is not installed.
    """
    tracer: Any = importlib.import_module("kodosumi.runner.tracer")
    tracer.AsyncFileSystem = AsyncFileSystem
    tracer.SyncFileSystem = SyncFileSystem
