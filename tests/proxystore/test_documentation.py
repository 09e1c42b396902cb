"""The examples: those of twinfs.proxystore, and ProxyStore's own with only the import changed."""

from __future__ import annotations

import doctest
import inspect
from pathlib import Path
from typing import Any

import proxystore
import pytest
from proxystore.connectors.protocols import Connector, DeferrableConnector
from proxystore.proxy import Proxy
from proxystore.store import Store, get_store, register_store, unregister_store
from proxystore.store.config import ConnectorConfig, StoreConfig

import twinfs.proxystore
from twinfs.proxystore import FileConnector, TwinConnector


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(twinfs.proxystore)
    assert result.attempted > 5 and result.failed == 0


@pytest.mark.parametrize("kind", [FileConnector, TwinConnector])
def test_what_is_public_says_what_it_is(kind: type[Any]) -> None:
    for name, member in inspect.getmembers(kind):
        if not name.startswith("_") and callable(member):
            assert inspect.getdoc(member), name


@pytest.mark.parametrize("url", ["file", "memory"])
def test_they_are_connectors_to_proxystore(url: str, tmp_path: Path) -> None:
    store_dir = str(tmp_path / "store")
    connector: Any = FileConnector(store_dir) if url == "file" else TwinConnector("memory://")
    assert isinstance(connector, Connector)
    assert isinstance(connector, DeferrableConnector)
    assert proxystore.__version__ == "1.1.0"
    with Store("ours", connector, register=True) as store:
        proxy = store.proxy([1, 2, 3])
        assert isinstance(proxy, Proxy) and proxy == [1, 2, 3]
        future = store.future()
        future.set_result("later")
        assert future.result() == "later"
    assert get_store("ours") is None


def test_a_store_of_a_toml_file(tmp_path: Path) -> None:
    store = Store("toml", FileConnector(str(tmp_path / "store")))
    file = tmp_path / "store.toml"
    store.config().write_toml(file)
    config = StoreConfig.from_toml(file)
    assert config.connector.kind == "twinfs.proxystore.FileConnector"
    again = Store.from_config(config)
    assert again.connector == store.connector
    assert again.get(store.put(b"x")) == b"x"
    again.close()
    store.close()
    assert not (tmp_path / "store").exists()
    options = {"store_dir": str(tmp_path / "named")}
    by_name = ConnectorConfig(kind="twinfs.proxystore.FileConnector", options=options)
    by_name.get_connector().close()


def test_the_documents_calls_with_only_the_import_changed(tmp_path: Path) -> None:
    """Every call that the reference of ``proxystore.connectors.file`` lists."""
    from twinfs.proxystore import FileConnector, FileKey

    connector = FileConnector(store_dir=str(tmp_path / "store"))
    key = connector.put(b"serialized object")
    assert isinstance(key, FileKey) and isinstance(key.filename, str)
    assert FileKey(filename=key.filename) == key
    assert connector.get(key) == b"serialized object"
    assert connector.exists(key)
    keys = connector.put_batch([b"one", b"two"])
    assert connector.get_batch([*keys, FileKey("missing")]) == [b"one", b"two", None]
    connector.evict(key)
    assert not connector.exists(key) and connector.get(key) is None
    config = connector.config()
    assert config["store_dir"] == connector.store_dir
    again = FileConnector.from_config(config)
    assert again.get(keys[0]) == b"one"
    again.close()
    connector.close()
    assert not (tmp_path / "store").exists()


def test_get_started_with_only_the_import_changed(tmp_path: Path) -> None:
    """The example of ProxyStore's front page: a function takes a proxy for its argument."""

    def my_function(x: Any) -> int:
        assert isinstance(x, list)
        return len(x)

    store = Store("my-store", FileConnector(str(tmp_path / "store")))
    register_store(store)
    proxy = store.proxy(["my", "object"])
    assert my_function(proxy) == 2
    assert store.get(store.put({"key": "value"})) == {"key": "value"}
    unregister_store(store)
    store.close()
