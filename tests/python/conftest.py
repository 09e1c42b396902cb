"""One text for both faces: the async face is driven call by call, so that a test reads the same."""

from __future__ import annotations

import asyncio
import fcntl
import gc
import inspect
import itertools
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

import twinfs

NAMES = itertools.count()


class Awaited:
    """An object of the async face whose every method is awaited to the end."""

    def __init__(self, inner: Any, runner: asyncio.Runner) -> None:
        self.inner = inner
        self.runner = runner

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.inner, name)
        if not callable(attribute):
            return attribute
        return lambda *args, **kwargs: self._settle(attribute(*args, **kwargs))

    def _settle(self, result: Any) -> Any:
        if inspect.isawaitable(result):
            result = self.runner.run(awaited(result))
        if isinstance(result, (twinfs.AsyncFile, twinfs.AsyncTextFile)):
            return Awaited(result, self.runner)
        if hasattr(result, "__aiter__"):
            return iter(self.runner.run(collected(result)))
        return result

    def __iter__(self) -> Iterator[Any]:
        return iter(self.runner.run(collected(self.inner)))

    def __enter__(self) -> Awaited:
        self.runner.run(self.inner.__aenter__())
        return self

    def __exit__(self, *exc_info: Any) -> None:
        self.runner.run(self.inner.__aexit__(*exc_info))


async def awaited(result: Any) -> Any:
    return await result


async def collected(result: Any) -> list[Any]:
    return [item async for item in result]


@pytest.fixture(params=["memory", "local"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty store is."""
    return f"memory://test-{next(NAMES)}" if request.param == "memory" else str(tmp_path / "root")


@pytest.fixture
def local(tmp_path: Path) -> str:
    """A folder for a store."""
    return str(tmp_path / "root")


@pytest.fixture(params=["sync", "async"])
def fs(request: pytest.FixtureRequest, url: str) -> Iterator[Any]:
    """A file system on each face, over each store."""
    if request.param == "sync":
        with twinfs.SyncFileSystem(url) as sync:
            yield sync
        return
    with asyncio.Runner() as runner, Awaited(twinfs.AsyncFileSystem(url), runner) as face:
        yield face


class LoopWithoutReaders(asyncio.SelectorEventLoop):
    """As asyncio's loop on Windows, which cannot watch descriptors."""

    def add_reader(self, *_: Any) -> Any:
        raise NotImplementedError


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
    "without-readers": LoopWithoutReaders,
}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[Any]], Any]:
    """Runs a coroutine in a new loop of each kind."""

    def run(main: Any) -> Any:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(main)

    return run


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether a condition comes true: for what a worker does in its own time."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            return False
        gc.collect()
        time.sleep(0.01)
    return True


class Stuck:
    """A folder in which writes wait, since somebody else holds its lock."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        twinfs.SyncFileSystem(folder).write("ordinary", b"content")
        self.descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)

    def release(self) -> None:
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        self.release()
        os.close(self.descriptor)


@pytest.fixture
def stuck(local: str) -> Iterator[Stuck]:
    folder = Stuck(local)
    yield folder
    folder.close()
