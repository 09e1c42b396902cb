"""A pytest plugin for aioftp's own tests: our classes stand where they look for aioftp's.

`TWINFS_PATHIO=all` replaces each class by ours of that name. Any other value is one class: its path
I/O tests are run, and it stands under every server and client, which the suite gives memory.
"""

import atexit
import os
import tempfile
from pathlib import Path
from typing import Any

import aioftp
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

for module in (aioftp, aioftp.pathio):
    module.PathIO = pathio.PathIO  # type: ignore[attr-defined]
    module.AsyncPathIO = pathio.AsyncPathIO  # type: ignore[attr-defined]
    module.MemoryPathIO = SERVED  # type: ignore[attr-defined]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if TESTED is None:
        return
    others = [item for item in items if _path_io_of(item) not in (None, TESTED)]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]


def _path_io_of(item: pytest.Item) -> Any:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("path_io") if callspec else None
