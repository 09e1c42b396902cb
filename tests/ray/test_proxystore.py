"""Connectors, keys and proxies in Ray tasks: other processes, started by somebody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ray

from twinfs.proxystore import FileConnector, TwinConnector


def length_there(connector: Any, key: Any) -> int:
    """What a task does that is given a connector and a key."""
    found = connector.get(key)
    connector.close(clear=False)
    return len(found)


def put_there(kind: type[Any], config: dict[str, Any], size: int) -> Any:
    connector = kind.from_config(config)
    key = connector.put(b"r" * size)
    connector.close(clear=False)
    return key


@pytest.mark.parametrize("kind", [FileConnector, TwinConnector])
def test_a_connector_and_a_key_travel_to_a_task(kind: type[Any], tmp_path: Path) -> None:
    connector = kind(tmp_path / "store")
    key = connector.put(b"x" * 100_000)
    there = ray.remote(length_there)
    assert ray.get([there.remote(connector, key) for _ in range(4)], timeout=120) == [100_000] * 4
    keys = ray.get(
        [ray.remote(put_there).remote(kind, connector.config(), size) for size in (0, 5000)],
        timeout=120,
    )
    assert connector.get_batch(keys) == [b"", b"r" * 5000]
    connector.close(clear=True)


def test_an_actor_holds_the_directory(tmp_path: Path) -> None:
    class Holder:
        def __init__(self, config: dict[str, Any]) -> None:
            self.connector = FileConnector.from_config(config)

        def get(self, key: Any) -> bytes | None:
            return self.connector.get(key)

        def close(self) -> None:
            self.connector.close()

    connector = FileConnector(tmp_path / "store")
    key = connector.put(b"held")
    actor = ray.remote(Holder).remote(connector.config())
    assert ray.get(actor.get.remote(key), timeout=120) == b"held"
    connector.close()
    assert ray.get(actor.get.remote(key), timeout=120) == b"held"
    ray.get(actor.close.remote(), timeout=120)
    assert not (tmp_path / "store").exists()


def test_a_tree_in_memory_does_not_travel() -> None:
    connector = TwinConnector("memory://of-the-driver")

    def make(config: dict[str, Any]) -> str:
        try:
            TwinConnector.from_config(config)
        except ValueError as error:
            return str(error)
        return "made"

    said = ray.get(ray.remote(make).remote(connector.config()), timeout=120)
    assert "tree of another process" in said
