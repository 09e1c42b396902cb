"""Objects under keys: ProxyStore's connectors, ours, and the least that it takes."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import python_peers as peers
from python_setting import Setting
from rounds import Contest, say

Outcomes = dict[str, dict[str, Any]]

OURS = "twinfs.proxystore.FileConnector"
THEIRS = "proxystore FileConnector"
REDIS = "proxystore RedisConnector"
PLAIN = "plain write, rename, read, unlink"
BATCH = 1000


class Plain:
    """What a whole object takes at least: a file beside its name, a rename, a read, an unlink."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        folder.mkdir()

    def put(self, obj: bytes) -> str:
        path = f"{self.folder}/{uuid.uuid4()}"
        staged = f"{path}.new"
        with open(staged, "wb") as file:
            file.write(obj)
        os.rename(staged, path)
        return path

    def get(self, key: str) -> bytes:
        with open(key, "rb") as file:
            return file.read()

    def evict(self, key: str) -> None:
        os.unlink(key)

    def put_batch(self, objs: list[bytes]) -> list[str]:
        return [self.put(obj) for obj in objs]

    def get_batch(self, keys: list[str]) -> list[bytes]:
        return [self.get(key) for key in keys]

    def close(self) -> None:
        shutil.rmtree(self.folder)


@contextlib.contextmanager
def connectors(folder: Path) -> Iterator[dict[str, Any]]:
    found: dict[str, Any] = {PLAIN: Plain(folder / "plain")}
    if peers.present("twinfs"):
        from twinfs.proxystore import FileConnector

        found[OURS] = FileConnector(str(folder / "ours"))
    if peers.present("proxystore"):
        from proxystore.connectors.file import FileConnector as Theirs

        found[THEIRS] = Theirs(str(folder / "theirs"))
    try:
        yield found
    finally:
        for connector in found.values():
            connector.close()


def cycle(setting: Setting, name: str, size: int, count: int) -> Outcomes:
    """Objects put, then got, then evicted, each one by itself; the time of each of the three."""
    obj = os.urandom(size)

    def each(connector: Any) -> Callable[[], tuple[int, dict[str, float]]]:
        def run() -> tuple[int, dict[str, float]]:
            start = time.perf_counter()
            keys = [connector.put(obj) for _ in range(count)]
            put = time.perf_counter()
            total = 0
            for key in keys:
                total += len(connector.get(key))
            got = time.perf_counter()
            for key in keys:
                connector.evict(key)
            evicted = time.perf_counter()
            times = {"put": put - start, "get": got - put, "evict": evicted - got}
            return total, {
                f"objects_{verb}_{name}": seconds * 1e6 / count for verb, seconds in times.items()
            }

        return run

    contest = Contest(count, size * count, setting.peers)
    with setting.in_memory() as folder, connectors(folder) as found:
        for contender, connector in found.items():
            contest.enter(contender, each(connector))
        return contest.run(setting.runner, setting.rounds)


def small(setting: Setting) -> Outcomes:
    return cycle(setting, "1k", 1024, setting.singles)


def medium(setting: Setting) -> Outcomes:
    return cycle(setting, "100k", 100 * 1024, setting.singles // 4)


def large(setting: Setting) -> Outcomes:
    return cycle(setting, "10m", 10 * 2**20, 4 if setting.quick else 20)


def batches(setting: Setting) -> Outcomes:
    """Objects of 1 KiB put, and got, a thousand in one call."""
    objs = [os.urandom(1024) for _ in range(BATCH)]

    def each(connector: Any) -> Callable[[], tuple[int, dict[str, float]]]:
        def run() -> tuple[int, dict[str, float]]:
            start = time.perf_counter()
            keys = connector.put_batch(objs)
            put = time.perf_counter()
            found = connector.get_batch(keys)
            got = time.perf_counter()
            for key in keys:
                connector.evict(key)
            return sum(map(len, found)), {
                "objects_put_batch": (put - start) * 1e6 / BATCH,
                "objects_get_batch": (got - put) * 1e6 / BATCH,
            }

        return run

    contest = Contest(BATCH, 1024 * BATCH, setting.peers)
    with (
        setting.in_memory() as folder,
        connectors(folder) as found,
        redis_connector(folder) as redis,
    ):
        for contender, connector in (found | redis).items():
            contest.enter(contender, each(connector))
        return contest.run(setting.runner, setting.rounds)


@contextlib.contextmanager
def redis_connector(folder: Path) -> Iterator[dict[str, Any]]:
    """A connector to a real server of its own, in memory only, where there is one to start."""
    program = shutil.which("redis-server")
    if program is None or not (peers.present("proxystore") and peers.present("redis")):
        say("no redis-server, or no redis package: RedisConnector does not take part")
        yield {}
        return
    from proxystore.connectors.redis import RedisConnector

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([program, *options, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    try:
        connector = RedisConnector("127.0.0.1", port)
        deadline = time.monotonic() + 30
        while True:
            try:
                connector._redis_client.ping()
                break
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield {REDIS: connector}
        connector.close()
    finally:
        server.terminate()
        server.wait(30)
