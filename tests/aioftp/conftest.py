"""Our path I/O classes, each over a folder or tree of its own; descriptors counted."""

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import pytest

from twinfs import aioftp


@dataclass
class Setting:
    """A path I/O, and where it may work."""

    io: aioftp.AbstractPathIO
    home: PurePath


KINDS: dict[str, Callable[[Path], Setting]] = {
    "PathIO": lambda folder: Setting(aioftp.PathIO(), folder),
    "AsyncPathIO": lambda folder: Setting(aioftp.AsyncPathIO(), folder),
    "AsyncPathIO-timeout": lambda folder: Setting(aioftp.AsyncPathIO(timeout=30), folder),
    "AsyncPathIO-executor": lambda folder: Setting(
        aioftp.AsyncPathIO(executor=ThreadPoolExecutor(1)), folder
    ),
    "MemoryPathIO": lambda folder: Setting(aioftp.MemoryPathIO(), PurePosixPath("/")),
    "MemoryPathIO-cwd": lambda folder: Setting(
        aioftp.MemoryPathIO(cwd="/deep/below"), PurePosixPath("home")
    ),
    "TwinPathIO-memory": lambda folder: Setting(
        aioftp.pathio_factory("memory://")(), PurePosixPath("/")
    ),
    "TwinPathIO-disk": lambda folder: Setting(
        aioftp.pathio_factory(folder)(timeout=30), PurePosixPath(".")
    ),
}


@pytest.fixture(params=KINDS)
def setting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Setting]:
    setting = KINDS[request.param](tmp_path)
    if request.param == "MemoryPathIO-cwd":
        asyncio.run(_make(setting))
    yield setting
    executor = getattr(setting.io, "executor", None)
    if executor is not None:
        executor.shutdown()


async def _make(setting: Setting) -> None:
    await setting.io.mkdir(setting.home, parents=True)


@pytest.fixture
def run() -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a scenario on a loop of its own, whose end shows what was left over."""
    return asyncio.run


def descriptors() -> int:
    """How many descriptors are open."""
    gc.collect()
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def eventually(condition: Callable[[], bool]) -> bool:
    """Whether a condition comes true: for what a worker does in its own time."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.01)
    return True
