"""The connectors of twinfs.proxystore: the same over a directory, a store on disk and memory."""

from __future__ import annotations

import array
import gc
import hashlib
import json
import os
import pickle
import random
import stat
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twinfs.proxystore import FileConnector, FileKey, TwinConnector, TwinKey

HOSTILE = [
    *("", ".", "..", "/", "//", "a/b", "../x", "../../etc/passwd", "/etc/passwd", "a/../../b"),
    *("a\0b", "a\nb", "\x7f", ".twinfs-x", "x" * 252, "x" * 5000),
]


@pytest.fixture
def store_dir(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "store"


@pytest.fixture(params=["file", "twin on disk", "twin in memory"])
def connector(request: pytest.FixtureRequest, store_dir: Path) -> Iterator[Any]:
    if request.param == "file":
        made: Any = FileConnector(str(store_dir))
    else:
        made = TwinConnector(store_dir if request.param == "twin on disk" else "memory://")
    with made:
        yield made


def key_of(connector: Any, text: str) -> Any:
    return FileKey(text) if isinstance(connector, FileConnector) else TwinKey(text)


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("size", [0, 1, 1024, 16_384, 16_385, 100_000, 131_073, 5_000_000])
def test_an_object_is_what_was_put(connector: Any, size: int) -> None:
    key = connector.put(content(size))
    found = connector.get(key)
    assert type(found) is bytes
    assert found == content(size)
    assert connector.exists(key)
    connector.evict(key)
    connector.evict(key)
    assert connector.get(key) is None
    assert connector.exists(key) is False


def test_anything_with_the_buffer_protocol_is_an_object(connector: Any) -> None:
    numbers = np.arange(100, dtype=np.int32).reshape(10, 10)
    for given, expected in [
        (bytearray(b"abc"), b"abc"),
        (memoryview(b"abc"), b"abc"),
        (memoryview(b"abcdef")[::2], b"ace"),
        (array.array("B", [1, 2]), b"\x01\x02"),
        (numbers, numbers.tobytes()),
        (numbers.T, numbers.T.tobytes()),
        (numbers[:, 3], numbers[:, 3].tobytes()),
        (np.float64(1.5), np.float64(1.5).tobytes()),
        (np.array(7), np.array(7).tobytes()),
        (np.array(["2024-02-29"], "M8[s]"), np.array(["2024-02-29"], "M8[s]").tobytes()),
    ]:
        assert connector.get(connector.put(given)) == expected
        assert connector.get_batch(connector.put_batch([b"x", given])) == [b"x", expected]
        key = connector.new_key(given)
        connector.set(key, given)
        assert connector.get(key) == expected


@pytest.mark.parametrize("bad", ["text", 5, None, [b"a"], {"a": 1}, object(), 1.5])
def test_anything_else_is_a_type_error_and_nothing_is_stored(
    connector: Any, bad: Any, store_dir: Path
) -> None:
    with pytest.raises(TypeError):
        connector.put(bad)
    with pytest.raises(TypeError):
        connector.put_batch([b"good", bad, b"good"])
    key = connector.new_key()
    with pytest.raises(TypeError):
        connector.set(key, bad)
    assert not connector.exists(key)
    assert not [path for path in store_dir.rglob("*") if path.is_file()]


def test_batches_keep_their_order(connector: Any) -> None:
    objects = [content(index % 500 * 7) for index in range(1200)] + [content(400_000), b""]
    keys = connector.put_batch(objects)
    assert isinstance(keys, list) and len(set(keys)) == len(objects)
    assert connector.get_batch(keys) == objects
    missing = connector.new_key()
    mixed = [keys[5], missing, key_of(connector, "../x"), keys[5]]
    assert connector.get_batch(mixed) == [objects[5], None, None, objects[5]]
    assert connector.put_batch(iter([b"a", b"b"])) != []
    assert connector.put_batch([]) == []
    assert connector.get_batch([]) == []
    assert connector.get_batch(tuple(keys[:2])) == objects[:2]


def test_set_overwrites(connector: Any) -> None:
    key = connector.new_key()
    for object_ in (b"one", b"", b"a longer one", content(300_000)):
        connector.set(key, object_)
        assert connector.get(key) == object_
    own = key_of(connector, "a key of my own, é")
    connector.set(own, b"x")
    assert connector.get(own) == b"x"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_keys_name_nothing(connector: Any, name: str) -> None:
    key = key_of(connector, name)
    assert connector.get(key) is None
    assert connector.exists(key) is False
    assert connector.get_batch([key]) == [None]
    connector.evict(key)
    with pytest.raises(ValueError):
        connector.set(key, b"x")
    surrogate = key_of(connector, "\udc80")
    with pytest.raises(ValueError):
        connector.get(surrogate)


def test_keys_are_tuples_that_travel(connector: Any) -> None:
    key = connector.put(b"x")
    assert isinstance(key, tuple) and len(key) == 1
    again = pickle.loads(pickle.dumps(key))
    assert again == key and hash(again) == hash(key) and type(again) is type(key)
    assert repr(key) == f"{type(key).__name__}({key._fields[0]}={key[0]!r})"


def test_a_configuration_makes_an_equal_connector(connector: Any) -> None:
    key = connector.put(b"there")
    config = connector.config()
    assert json.loads(json.dumps(config)) == config
    assert None not in config.values()
    assert config["durability"] == "none"
    for again in (
        type(connector)(**config),
        type(connector).from_config(config),
        pickle.loads(pickle.dumps(connector)),
    ):
        assert type(again) is type(connector)
        assert again == connector and hash(again) == hash(connector)
        assert again.config() == config
        assert again.get(key) == b"there"
        again.close(clear=False)
    assert connector != 5 and connector != key_of(connector, "x")


def test_the_classes_can_be_subclassed(store_dir: Path) -> None:
    class Mine(FileConnector):
        def __init__(self, store_dir: str, *, note: str = "mine", **config: Any) -> None:
            super().__init__(store_dir, **config)
            self.note = note

        def put(self, obj: Any) -> FileKey:
            self.puts = getattr(self, "puts", 0) + 1
            return super().put(obj)

    with Mine(str(store_dir), note="hello", clear=True) as connector:
        key = connector.put(b"x")
        assert connector.__dict__["note"] == "hello" and connector.puts == 1
        again = Mine.from_config(connector.config())
        assert type(again) is Mine and again.get(key) == b"x"
        again.close(clear=False)
        connector.put = lambda obj: FileKey("patched")  # type: ignore[method-assign]
        assert connector.put(b"x") == FileKey("patched")


def test_attributes_and_repr(store_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store_dir.parent.mkdir(parents=True)
    monkeypatch.chdir(store_dir.parent)
    connector = FileConnector("store", clear=False, buffering=0, durability="full")
    assert connector.store_dir == str(store_dir)
    assert (connector.clear, connector.buffering, connector.durability) == (False, 0, "full")
    assert str(store_dir) in repr(connector)
    assert connector.get(connector.put(b"x")) == b"x"
    connector.close()
    assert store_dir.exists()
    with pytest.raises(ValueError, match="none, file, full"):
        FileConnector(str(store_dir), durability="some")  # type: ignore[arg-type]
    secret = TwinConnector(f"{store_dir}", timeout=30)
    assert secret.config()["timeout"] == 30 and "30" not in repr(secret)
    with pytest.raises(ValueError, match="no option 'token'"):
        TwinConnector("memory://", token="hunter2")


def test_close_removes_what_is_ours_and_keeps_what_is_not(store_dir: Path) -> None:
    connector = FileConnector(str(store_dir))
    connector.put_batch([b"x"] * 100)
    (store_dir / "notes.txt").write_text("not mine")
    connector.close()
    connector.close()
    assert [path.name for path in store_dir.iterdir()] == ["notes.txt"]
    (store_dir / "notes.txt").unlink()
    first, second = FileConnector(str(store_dir)), FileConnector(str(store_dir))
    key = first.put(b"y")
    first.close()
    assert second.get(key) == b"y"
    second.close()
    assert not store_dir.exists()
    kept = FileConnector(str(store_dir), clear=False)
    key = kept.put(b"z")
    kept.close()
    assert kept.get(key) == b"z"
    with FileConnector(str(store_dir)) as again:
        assert again.get(key) == b"z"
    assert not store_dir.exists()


def test_an_emptied_store_is_an_empty_directory(store_dir: Path) -> None:
    with FileConnector(str(store_dir)) as connector:
        keys = connector.put_batch([b"x"] * 300)
        assert [path for path in store_dir.rglob("*") if path.is_file()]
        for key in keys:
            connector.evict(key)
        assert os.listdir(store_dir) == []  # noqa: PTH208


def test_a_dropped_connector_holds_nothing(store_dir: Path) -> None:
    key = FileConnector(str(store_dir)).put(b"x")
    gc.collect()
    with FileConnector(str(store_dir)) as connector:
        assert connector.get(key) == b"x"
    assert not store_dir.exists()


def test_objects_are_private(store_dir: Path) -> None:
    with FileConnector(str(store_dir)) as connector:
        connector.put(b"x")
        paths = [store_dir, *store_dir.rglob("*")]
        modes = {stat.S_IMODE(path.stat().st_mode) for path in paths}
        assert modes == {0o700, 0o600}


def test_damaged_objects_raise_and_never_come_out(store_dir: Path) -> None:
    with FileConnector(str(store_dir)) as connector:
        for size in (10, 50_000, 6_000_000):
            key = connector.put(content(size))
            (file,) = (path for path in store_dir.rglob("*") if path.is_file())
            whole = file.read_bytes()
            changed = bytearray(whole)
            changed[-5] ^= 1
            for damaged in (whole[:-1], whole[:20], b"", bytes(changed), whole + b"x"):
                file.write_bytes(damaged)
                with pytest.raises(OSError, match=key.filename):
                    connector.get(key)
                with pytest.raises(OSError, match="object"):
                    connector.get_batch([key])
            connector.evict(key)
            assert connector.get(key) is None


def test_getting_and_evicting_at_once_raises_nothing(connector: Any) -> None:
    keys = [key_of(connector, f"key-{index}") for index in range(20)]

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(300):
            key = chance.choice(keys)
            action = chance.randrange(4)
            if action == 0:
                connector.set(key, b"x" * 3000)
            elif action == 1:
                connector.evict(key)
            else:
                assert connector.get(key) in (None, b"x" * 3000)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def test_a_reader_never_sees_a_part(connector: Any) -> None:
    key = connector.new_key()
    versions = [bytes([number]) * 700_000 for number in range(4)]
    connector.set(key, versions[0])
    done = threading.Event()

    def write() -> None:
        for number in range(40):
            connector.set(key, versions[number % 4])
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert connector.get(key) in versions
    writer.join()


def test_get_takes_the_memory_of_the_object_once(store_dir: Path) -> None:
    import resource

    with FileConnector(str(store_dir)) as connector:
        size = 200 * 2**20
        digest = hashlib.blake2b()
        object_ = bytearray(size)
        object_[::4096] = content(size // 4096)
        digest.update(object_)
        key = connector.put(object_)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        del object_
        found = connector.get(key)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert hashlib.blake2b(found).digest() == digest.digest()  # type: ignore[arg-type]
        # The object that was put has gone, so the one that came takes its place.
        assert after - before < size // 8 // 1024
