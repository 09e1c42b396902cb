"""File-like systems in Ray's workers: they travel there, and writers there and here keep apart."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import ray

import twinfs
from twinfs import aiofs
from twinfs.aiofs import sync


@ray.remote
def read_there(fs: Any, name: str) -> bytes:
    with fs.open(name) as file:
        data: bytes = file.read()
        return data


@ray.remote
def increments_there(fs: Any, name: str, times: int) -> None:
    asyncio.run(increments(fs, name, times))


async def increments(fs: Any, name: str, times: int) -> None:
    done = 0
    while done < times:
        try:
            async with fs.open(name, "r+") as file:
                try:
                    number = int(await file.read())
                except FileNotFoundError:
                    number = 0
                await file.write(b"%d" % (number + 1))
            done += 1
        except BlockingIOError:
            await asyncio.sleep(0.002)


@ray.remote
class Holder:
    """Keeps a file open for writing."""

    def enter(self, fs: Any, name: str) -> None:
        self.file = fs.open(name, "w")
        self.file.__enter__()
        self.file.write(b"the holder's")

    def leave(self) -> None:
        self.file.__exit__(None, None, None)


@pytest.mark.parametrize("kind", ["os", "over-url", "over-file-system"])
def test_systems_travel_to_workers(kind: str, tmp_path: Path) -> None:
    systems = {
        "os": lambda: sync.OsFileSystem(tmp_path / "{}.txt"),
        "over-url": lambda: sync.TwinFileLikeSystem(tmp_path, "*.txt"),
        "over-file-system": lambda: sync.TwinFileLikeSystem(
            twinfs.AsyncFileSystem(tmp_path), "*.txt"
        ),
    }
    fs = systems[kind]()
    with fs.open("deep/a", "w") as file:
        file.write(b"hello")
    assert ray.get(read_there.remote(fs, "deep/a")) == b"hello"


def test_a_memory_system_travels_with_its_files() -> None:
    fs = sync.InMemFileSystem()
    with fs.open("a", "w") as file:
        file.write(b"hello")
    assert ray.get(read_there.remote(fs, "a")) == b"hello"


def test_increments_of_workers_and_driver_lose_nothing(tmp_path: Path) -> None:
    fs = aiofs.OsFileSystem(tmp_path / "{}")
    working = [increments_there.remote(fs, "new/number", 10) for _ in range(2)]
    asyncio.run(increments(fs, "new/number", 10))
    ray.get(working)
    assert (tmp_path / "new" / "number").read_bytes() == b"30"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "number"]


def test_a_worker_that_writes_keeps_out_the_driver(tmp_path: Path) -> None:
    fs = sync.OsFileSystem(tmp_path / "{}")
    holder = Holder.remote()
    ray.get(holder.enter.remote(fs, "a"))
    with pytest.raises(BlockingIOError), fs.open("a", "r+"):
        pass
    ray.get(holder.leave.remote())
    with fs.open("a") as file:
        assert file.read() == b"the holder's"
