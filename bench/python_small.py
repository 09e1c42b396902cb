"""Many small files, from Python."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import python_peers as peers
from python_setting import Setting
from rounds import TIME, Contest

IN_FLIGHT = 32
SIZE = 4096
HEARTBEAT = 0.001  # seconds
Outcomes = dict[str, dict[str, Any]]


class Tree:
    """Small files, each of its own content, laid once for all workloads that read."""

    def __init__(self, setting: Setting) -> None:
        self.folder = setting.folder / "small"
        self.names = [f"file-{index:06}.bin" for index in range(setting.files)]
        if not self.folder.exists():
            self.folder.mkdir()
            for name in self.names:
                (self.folder / name).write_bytes(content_of(name))

    def bytes(self, count: int | None = None) -> int:
        return SIZE * (len(self.names) if count is None else count)


def content_of(name: str) -> bytes:
    return (name.encode() * SIZE)[:SIZE]


def assert_whole(reader: str, name: str, content: Any) -> None:
    if bytes(content) != content_of(name):
        raise RuntimeError(f"{reader} reads {name} wrong")


async def all_of(read: peers.AsyncRead, names: Iterable[str]) -> int:
    """Reads by a fixed number of tasks; the sum of the lengths."""
    total = 0
    left = iter(names)

    async def worker() -> None:
        nonlocal total
        for name in left:
            content = await read(name)
            total += len(content)

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return total


async def checked(reader: str, read: peers.AsyncRead, name: str) -> None:
    assert_whole(reader, name, await read(name))


def sync_pass(read: peers.Read, names: list[str]) -> Callable[[], int]:
    def run() -> int:
        total = 0
        for name in names:
            total += len(read(name))
        return total

    return run


def rounds_of(name: str, setting: Setting) -> int | None:
    """The rounds of a peer, where they are not those of all."""
    return setting.slow_rounds if name == peers.SLOW else None


def concurrent(setting: Setting) -> Outcomes:
    """Whole files, one call each, 32 in flight."""
    tree = Tree(setting)
    contest = Contest(len(tree.names), tree.bytes(), setting.peers)
    plain = peers.readers(tree.folder)[peers.PLAIN]
    contest.enter(peers.PLAIN, sync_pass(plain, tree.names))
    for name, read in peers.async_readers(tree.folder).items():
        setting.runner.run(checked(name, read, tree.names[-1]))
        contest.enter(
            name, lambda read=read: all_of(read, tree.names), rounds=rounds_of(name, setting)
        )
    return {"concurrent": contest.run(setting.runner, setting.rounds)[TIME]}


def stall(setting: Setting) -> Outcomes:
    """The longest delay of a 1 ms heartbeat on the event loop while the same runs."""
    tree = Tree(setting)

    async def beside(read: peers.AsyncRead | None) -> tuple[int, dict[str, float]]:
        done = asyncio.Event()

        async def heartbeat() -> float:
            worst, last = 0.0, time.perf_counter()
            while not done.is_set():
                await asyncio.sleep(HEARTBEAT)
                now = time.perf_counter()
                worst, last = max(worst, now - last - HEARTBEAT), now
            return worst

        beating = asyncio.create_task(heartbeat())
        await asyncio.sleep(0)
        if read is None:
            await asyncio.sleep(0.5)
            moved = tree.bytes()
        else:
            moved = await all_of(read, tree.names)
        done.set()
        return moved, {"stall": await beating * 1e6}

    contest = Contest(1, tree.bytes(), setting.peers)
    contest.enter("plain idle loop", lambda: beside(None))
    for name, read in peers.async_readers(tree.folder).items():
        contest.enter(name, lambda read=read: beside(read), rounds=rounds_of(name, setting))
    return contest.run(setting.runner, setting.rounds)


def one(setting: Setting) -> Outcomes:
    """Whole files, one after the other, each timed by itself: the middle and the slowest 1%."""
    tree = Tree(setting)
    names = tree.names[: setting.singles]

    def figures(times: list[float]) -> dict[str, float]:
        hundredths = statistics.quantiles(times, n=100)
        return {"one_p50": hundredths[49] * 1e6, "one_p99": hundredths[98] * 1e6}

    def plain(read: peers.Read) -> tuple[int, dict[str, float]]:
        total, times = 0, []
        for name in names:
            start = time.perf_counter()
            content = read(name)
            times.append(time.perf_counter() - start)
            total += len(content)
        return total, figures(times)

    async def awaited(read: peers.AsyncRead) -> tuple[int, dict[str, float]]:
        total, times = 0, []
        for name in names:
            start = time.perf_counter()
            content = await read(name)
            times.append(time.perf_counter() - start)
            total += len(content)
        return total, figures(times)

    contest = Contest(len(names), tree.bytes(len(names)), setting.peers)
    reader = peers.readers(tree.folder)[peers.PLAIN]
    contest.enter(peers.PLAIN, lambda: plain(reader))
    readers = peers.async_readers(tree.folder)
    if peers.present("twinfs"):
        readers[peers.POOL] = setting.runner.run(peers.pool_reader(tree.folder, names))
    for name, read in readers.items():
        contest.enter(name, lambda read=read: awaited(read))
    return contest.run(setting.runner, setting.rounds)


def sync(setting: Setting) -> Outcomes:
    """Whole files on the sync face, one after the other."""
    tree = Tree(setting)
    names = tree.names[: setting.singles]
    contest = Contest(len(names), tree.bytes(len(names)), setting.peers)
    for name, read in peers.readers(tree.folder).items():
        assert_whole(name, names[0], read(names[0]))
        contest.enter(name, sync_pass(read, names))
    return {"sync": contest.run(setting.runner, setting.rounds)[TIME]}


def read_many(setting: Setting) -> Outcomes:
    """Whole files in one call."""
    tree = Tree(setting)
    contest = Contest(len(tree.names), tree.bytes(), setting.peers)

    def loop() -> int:
        # Kept, as the others keep them.
        contents = [peers.read_plain(f"{tree.folder}/{name}") for name in tree.names]
        return sum(map(len, contents))

    contest.enter(peers.PLAIN, loop)
    if peers.present("twinfs"):
        import twinfs

        fs, async_fs = (
            twinfs.SyncFileSystem(str(tree.folder)),
            twinfs.AsyncFileSystem(str(tree.folder)),
        )

        async def with_async_face() -> int:
            return sum(map(len, await async_fs.read_many(tree.names)))

        contest.enter(peers.SYNC, lambda: sum(map(len, fs.read_many(tree.names))))
        contest.enter(peers.ASYNC, with_async_face)
    if peers.present("fsspec"):
        from fsspec.implementations.local import LocalFileSystem

        local, paths = LocalFileSystem(), [f"{tree.folder}/{name}" for name in tree.names]
        contest.enter("fsspec cat", lambda: sum(map(len, local.cat(paths).values())))
    return {"read_many": contest.run(setting.runner, setting.rounds)[TIME]}


def write(setting: Setting) -> Outcomes:
    """New whole files: one after the other on the sync face, 32 in flight in asyncio."""
    with setting.in_memory() as folder:
        return {"write": written(setting, folder, setting.files, anew=True)}


def overwrite(setting: Setting) -> Outcomes:
    """Whole files over the last round's."""
    with setting.in_memory() as folder:
        return {"overwrite": written(setting, folder, setting.singles, anew=False)}


def written(setting: Setting, folder: Path, count: int, *, anew: bool) -> dict[str, Any]:
    names = [f"file-{index:06}.bin" for index in range(count)]
    contents = [content_of(name) for name in names]
    contest = Contest(len(names), len(names), setting.peers)

    def around(sub: Path) -> dict[str, Callable[[], None]]:
        def prepare() -> None:
            if anew:
                for path in sub.iterdir():
                    path.unlink()

        def check() -> None:
            found = sorted(path.name for path in sub.iterdir())
            if found != names:
                raise RuntimeError(f"{sub.name} holds {len(found)} files, not {len(names)}")
            for name in names[:: len(names) // 10]:
                assert_whole(sub.name, name, (sub / name).read_bytes())

        return {"prepare": prepare, "check": check}

    def one_by_one(write: peers.Write) -> int:
        for name, content in zip(names, contents, strict=True):
            write(name, content)
        return len(names)

    async def in_flight(write: peers.AsyncWrite) -> int:
        left = iter(zip(names, contents, strict=True))

        async def worker() -> None:
            for name, content in left:
                await write(name, content)

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
        return len(names)

    for index, (name, write) in enumerate(peers.writers(folder).items()):
        around_it = around(folder / f"sync-{index}")
        rounds = rounds_of(name, setting)
        contest.enter(name, lambda write=write: one_by_one(write), rounds=rounds, **around_it)
    for index, (name, write) in enumerate(peers.async_writers(folder).items()):
        around_it = around(folder / f"async-{index}")
        label = name if name in (peers.ASYNC, peers.TO_THREAD) else f"{name} (asyncio)"
        rounds = rounds_of(name, setting)
        contest.enter(label, lambda write=write: in_flight(write), rounds=rounds, **around_it)
    return contest.run(setting.runner, setting.rounds)[TIME]
