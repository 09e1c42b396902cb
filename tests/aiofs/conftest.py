"""The systems under test, and the marks that say where aiofs's own ones go wrong."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twinfs import aiofs
from twinfs.aiofs import sync

HAS_REAL = importlib.util.find_spec("aiofs") is not None
STORES = ["os", "inmem", "over-folder", "over-memory"]
KINDS = [f"{face}-{store}" for face in ("async", "sync") for store in STORES]
REAL = ["real-os", "real-inmem"] if HAS_REAL else []


class SyncFile:
    """A file of the sync face behind the methods of the async one."""

    def __init__(self, file: Any) -> None:
        self._file = file

    async def __aenter__(self) -> SyncFile:
        self._file.__enter__()
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        self._file.__exit__(*exc_info)

    def __getattr__(self, name: str) -> Any:
        return behind_async(getattr(self._file, name))


class SyncSystem:
    """A system of the sync face behind the methods of the async one."""

    def __init__(self, system: Any) -> None:
        self.__dict__["_system"] = system

    def open(self, *args: Any, **kwargs: Any) -> SyncFile:
        return SyncFile(self._system.open(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        return behind_async(getattr(self._system, name))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._system, name, value)


def behind_async(attribute: Any) -> Any:
    if not callable(attribute):
        return attribute

    async def method(*args: Any, **kwargs: Any) -> Any:
        # The other tasks have their turn, as where there is something to wait for.
        await asyncio.sleep(0)
        return attribute(*args, **kwargs)

    return method


def make(kind: str, folder: Path) -> Any:
    """A system of a kind, over a folder that need not be there."""
    face, store = kind.split("-", 1)
    if face == "real":
        if store == "os":
            return importlib.import_module("aiofs.os").OsFileSystem(f"{folder}/{{}}")
        return importlib.import_module("aiofs.inmem").InMemFileSystem()
    module: Any = aiofs if face == "async" else sync
    makers: dict[str, Callable[[], Any]] = {
        "os": lambda: module.OsFileSystem(f"{folder}/{{}}"),
        "inmem": module.InMemFileSystem,
        "over-folder": lambda: module.TwinFileLikeSystem(folder),
        "over-memory": lambda: module.TwinFileLikeSystem("memory://"),
    }
    system = makers[store]()
    return SyncSystem(system) if face == "sync" else system


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", [*KINDS, *REAL])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        kind = item.callspec.params.get("kind", "") if hasattr(item, "callspec") else ""
        if not kind.startswith("real-"):
            continue
        if only := item.get_closest_marker("twinfs_only"):
            item.add_marker(pytest.mark.skip(reason=only.args[0]))
        for deviation in item.iter_markers("real_deviates"):
            if kind.removeprefix("real-") in deviation.kwargs.get("on", ["os", "inmem"]):
                raises = deviation.kwargs.get("raises", Exception)
                # A failed pytest.raises is no Exception.
                raises = (raises, pytest.fail.Exception)
                reason = deviation.args[0]
                item.add_marker(pytest.mark.xfail(reason=reason, raises=raises, strict=True))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs tests that are coroutines."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for a system, which is not there yet."""
    return tmp_path / "folder"


@pytest.fixture
def fs(kind: str, folder: Path) -> Any:
    """An empty system of each kind."""
    return make(kind, folder)
