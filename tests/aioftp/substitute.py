"""A pytest plugin for aioftp's own tests: our classes stand where they look for aioftp's.

`TWINFS_PATHIO=all` replaces each class by ours of that name. Any other value is one class: its path
I/O tests are run, and it stands under every server and client, which the suite gives memory.
"""

import atexit
import itertools
import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aioftp
import async_timeout
import pytest

from twinfs import AsyncFileSystem
from twinfs.aioftp import pathio

WANTED = os.environ["TWINFS_PATHIO"]
_scratch = tempfile.TemporaryDirectory(prefix="aioftp-suite-")
atexit.register(_scratch.cleanup)


class InAFolder:
    """Local files of a fresh folder: its root is `/` to those that expect a tree of their own."""

    def __init__(self, timeout: Any = None, connection: Any = None, state: Any = None) -> None:
        super().__init__(timeout, connection)  # type: ignore[call-arg]
        self.folder = state or Path(tempfile.mkdtemp(dir=_scratch.name))

    @property
    def state(self) -> Path:
        return self.folder

    def _place(self, path: Any) -> Path:
        return self.folder / str(path).lstrip("/")


class LocalFolder(InAFolder, pathio.PathIO):
    pass


class AsyncFolder(InAFolder, pathio.AsyncPathIO):
    pass


class TwinMemory(pathio.TwinPathIO):
    """Any file system; a tree in memory unless one is given."""

    def __init__(self, timeout: Any = None, connection: Any = None, state: Any = None) -> None:
        super().__init__(timeout, connection, state or AsyncFileSystem("memory://"))


class TwinDisk(pathio.TwinPathIO):
    """Any file system; a fresh folder unless one is given."""

    def __init__(self, timeout: Any = None, connection: Any = None, state: Any = None) -> None:
        state = state or AsyncFileSystem(tempfile.mkdtemp(dir=_scratch.name))
        super().__init__(timeout, connection, state)


#: The class that stands under servers and clients, and the one whose path I/O tests are run.
CLASSES: dict[str, tuple[type, type | None]] = {
    "all": (pathio.MemoryPathIO, None),
    "PathIO": (LocalFolder, pathio.PathIO),
    "AsyncPathIO": (AsyncFolder, pathio.AsyncPathIO),
    "MemoryPathIO": (pathio.MemoryPathIO, pathio.MemoryPathIO),
    "TwinPathIO-memory": (TwinMemory, TwinMemory),
    "TwinPathIO-disk": (TwinDisk, TwinDisk),
}
SERVED, TESTED = CLASSES[WANTED]

# The suite gives each session a second. A busy machine takes longer, and nothing here is a contest.
_within = async_timeout.timeout
async_timeout.timeout = lambda seconds: _within(60 * seconds)


def pytest_plugin_registered(plugin: object) -> None:
    """In its tests of speed limits the suite counts time that passes as time slept.

    It allows for half a second of that; with five, 0, 10, 20 and 30 are still told apart.
    """
    if (sleep := getattr(plugin, "Sleep", None)) is not None:
        sleep.is_close.__kwdefaults__["abs_tol"] = 5


for module in (aioftp, aioftp.pathio):
    module.PathIO = pathio.PathIO  # type: ignore[attr-defined]
    module.AsyncPathIO = pathio.AsyncPathIO  # type: ignore[attr-defined]
    module.MemoryPathIO = SERVED  # type: ignore[attr-defined]


#: Ports of this run alone, below those that the system gives to connections.
_ports = itertools.count(20_000 + 1000 * list(CLASSES).index(WANTED))


def _is_free(port: int) -> bool:
    try:
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.socket(family) as tried:
                tried.bind((host, port))
    except OSError:
        return False
    return True


@pytest.fixture(name="unused_tcp_port_factory")
def unused_tcp_port_factory() -> Callable[[], int]:
    """As pytest-asyncio's, but that neither another run nor a connection takes it meanwhile."""
    return lambda: next(port for port in _ports if _is_free(port))


@pytest.fixture(name="unused_tcp_port")
def unused_tcp_port(unused_tcp_port_factory: Callable[[], int]) -> int:
    return unused_tcp_port_factory()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if TESTED is None:
        return
    others = [item for item in items if _path_io_of(item) not in (None, TESTED)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


def _path_io_of(item: pytest.Item) -> Any:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("path_io") if callspec else None
