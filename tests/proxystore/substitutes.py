"""A pytest plugin: twinfs's connectors in the place of ProxyStore's own.

They stand in for FileConnector and LocalConnector while the tests of ProxyStore's source package
run, of its 1.x or its 0.5 line. Their ``conftest.py`` stays out, since it starts servers for
connectors that are not in question; the fixtures that tests of connectors and stores ask for are
here instead.
"""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing.process
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import proxystore
import proxystore.connectors.file as proxystore_file
import proxystore.connectors.local as proxystore_local
import pytest

from twinfs.proxystore import FileConnector, FileKey, TwinConnector, TwinKey

# The 1.x line's Connector has it in a module of its own.
ONE = importlib.util.find_spec("proxystore.connectors.protocols") is not None


class LocalConnector(TwinConnector):
    """Objects in memory, called as ProxyStore's LocalConnector is."""

    def __init__(
        self,
        store_dict: dict[Any, Any] | None = None,
        *,
        include_data_in_config: bool = False,
        **config: Any,
    ) -> None:
        if config and "url" not in config:
            raise TypeError(f"unexpected keyword arguments: {', '.join(config)}")
        if not config:
            # Connectors with one dictionary share their objects.
            name = uuid.uuid4() if store_dict is None else f"dict-{id(store_dict)}"
            config["url"] = f"memory://{name}"
        self.store_dict = store_dict
        super().__init__(**config)


proxystore_file.FileConnector = FileConnector
proxystore_file.FileKey = FileKey
proxystore_local.LocalConnector = LocalConnector
proxystore_local.LocalKey = TwinKey

# The tests give other processes five seconds to end. A busy machine takes longer.
_join = multiprocessing.process.BaseProcess.join
multiprocessing.process.BaseProcess.join = (  # type: ignore[method-assign]
    lambda self, timeout=None: _join(self, timeout and 12 * timeout)
)

#: The classes whose calls the suite is to have made.
CALLS = dict.fromkeys(("put", "put_batch", "get", "get_batch", "exists", "evict"), 0)


def counting(name: str) -> None:
    """Counts calls of a method of ours, so that the run can say that it was ours."""
    for kind in (FileConnector, TwinConnector):
        original = getattr(kind, name)

        def counted(self: Any, *args: Any, _original: Any = original) -> Any:
            CALLS[name] += 1
            return _original(self, *args)

        setattr(kind, name, counted)


for method in CALLS:
    counting(method)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    calls = " ".join(f"{name}={count}" for name, count in CALLS.items())
    terminalreporter.write_line(f"calls of twinfs's connectors: {calls}")


def connector_of(kind: str, folder: Path) -> Any:
    if kind == "file":
        return FileConnector(str(folder / "store"), buffering=0)
    if kind == "twin on disk":
        return TwinConnector(folder / "store")
    if kind == "twin in memory":
        return TwinConnector("memory://")
    multi = importlib.import_module("proxystore.connectors.multi")
    files = FileConnector(str(folder / "multi"))
    return multi.MultiConnector({"files": (files, multi.Policy(priority=0))})


@pytest.fixture(scope="session", params=["file", "twin on disk", "twin in memory", "multi"])
def connectors(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    connector = connector_of(request.param, tmp_path_factory.mktemp("connector"))
    never = RuntimeError("a test of all connectors closes none")
    with mock.patch.object(connector, "close", side_effect=never):
        yield connector
    connector.close()


@pytest.fixture(autouse=True)
def _no_store_is_left_registered() -> Iterator[None]:
    yield
    if ONE:
        assert not importlib.import_module("proxystore.store")._stores


@pytest.fixture
def local_connector() -> Iterator[Any]:
    with LocalConnector() as connector:
        yield connector


@pytest.fixture
def redis_connector(tmp_path: Path) -> Iterator[Any]:
    """What tests take that need a second connector."""
    with FileConnector(str(tmp_path / "second")) as connector:
        yield connector


if ONE:

    @pytest.fixture
    def store() -> Iterator[Any]:
        stores = importlib.import_module("proxystore.store")
        with (
            stores.Store(str(uuid.uuid4()), LocalConnector(), cache_size=0) as store,
            stores.store_registration(store),
        ):
            yield store

else:

    @pytest.fixture(scope="session", params=["file", "local", "multi"])
    def store_implementation(
        request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[Any]:
        testing = importlib.import_module("testing.stores")
        shared: dict[Any, Any] = {}
        policy = importlib.import_module("proxystore.connectors.multi").Policy()
        several = {"local": (LocalConnector(shared), policy)}
        folder = str(tmp_path_factory.mktemp("store") / "objects")
        kind, options = {
            "file": (testing.FileStore, {"store_dir": folder}),
            "local": (testing.LocalStore, {"store_dict": shared}),
            "multi": (testing.MultiStore, {"connectors": several}),
        }[request.param]
        info = testing.StoreInfo(kind, request.param, options, contextlib.nullcontext)
        store = kind(request.param, cache_size=0, **options)
        never = RuntimeError("a test of all stores closes none")
        with mock.patch.object(store, "close", side_effect=never):
            yield store, info
        store.close()


assert proxystore.__version__
