"""Of two writers of one file, one stores it and the other is told; nothing is lost."""

from __future__ import annotations

import asyncio
import gc
import itertools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from test_files import get, left_in, put
from twinfs import aiofs
from twinfs.aiofs import sync

SPAWN = multiprocessing.get_context("spawn")
SOAK = bool(os.environ.get("TWINFS_SOAK"))
#: How long a writer holds a file, in seconds.
HOLD = 60.0 if SOAK else 0.5
MODES = list(itertools.product(("w", "r+"), repeat=2))


@pytest.mark.real_deviates("both store, the last one wins")
@pytest.mark.parametrize(("first", "second"), MODES)
@pytest.mark.parametrize("name", ["there", "new", "new/folder/file"])
async def test_of_two_writers_one_is_told(fs: Any, name: str, first: str, second: str) -> None:
    await put(fs, "there", b"old")
    errors = []

    async def write(mode: str, content: bytes, inside: asyncio.Event, leave: asyncio.Event) -> None:
        try:
            async with fs.open(name, mode) as file:
                await file.write(content)
                inside.set()
                await leave.wait()
        except BlockingIOError as error:
            errors.append(error)

    inside, leave = asyncio.Event(), asyncio.Event()
    holder = asyncio.create_task(write(first, b"the first", inside, leave))
    await inside.wait()
    at_once = asyncio.Event()
    at_once.set()
    await write(second, b"the second", asyncio.Event(), at_once)
    leave.set()
    await holder
    assert len(errors) == 1
    assert await get(fs, name) == b"the first"


@pytest.mark.real_deviates("increments are lost", on=["os", "inmem"])
@pytest.mark.parametrize("start", [None, b"0"])
async def test_twenty_loops_of_reading_adding_and_writing_lose_nothing(
    fs: Any, start: bytes | None
) -> None:
    if start is not None:
        await put(fs, "deep/number", start)
    await asyncio.gather(*(increment(fs, "deep/number") for _ in range(20)))
    assert await get(fs, "deep/number") == b"20"


async def increment(fs: Any, name: str) -> None:
    while True:
        try:
            async with fs.open(name, "r+") as file:
                try:
                    number = int(await file.read())
                except FileNotFoundError:
                    number = 0
                await asyncio.sleep(0)
                await file.write(b"%d" % (number + 1))
            return
        except BlockingIOError:
            await asyncio.sleep(0.001)


@pytest.mark.twinfs_only("aiofs has no leases")
async def test_a_writer_that_stored_nothing_makes_way(fs: Any) -> None:
    for mode in ("w", "r+"):
        with pytest.raises(KeyError):
            async with fs.open("a", mode) as file:
                await file.write(b"x")
                raise KeyError
        async with fs.open("a", mode):
            with pytest.raises(BlockingIOError):
                await fs.open("a", mode).__aenter__()
        file = fs.open("a", mode)
        await file.__aenter__()
        # Left alone in mid-air, it makes way as well.
        del file
        gc.collect()
        await put(fs, "a", b"x")


@pytest.mark.twinfs_only("aiofs moves nothing")
async def test_a_file_that_moved_away_under_a_writer_is_not_lost(fs: Any) -> None:
    await put(fs, "a", b"old")
    with pytest.raises(BlockingIOError):
        async with fs.open("a", "r+") as file:
            await file.write(b"new")
            await fs.mv("a", "b")
    assert await fs.ls() == ["b"]
    assert await get(fs, "b") == b"old"


@pytest.mark.twinfs_only("aiofs has no leases")
async def test_two_contexts_of_one_file_are_two_writers(fs: Any) -> None:
    async with fs.open("a", "w") as first:
        await first.write(b"1")
        async with fs.open("b", "w") as second:
            await second.write(b"2")
    assert await fs.ls() == ["a", "b"]


# Between processes


def hold(template: str, mode: str, orders: Any) -> None:
    """Holds a file open until it is told to end, in a process of its own."""
    fs = sync.OsFileSystem(template)
    try:
        with fs.open("new/a", mode) as file:
            file.write(b"the holder's")
            orders.send("inside")
            orders.recv()
        orders.send("stored")
    except BlockingIOError:
        orders.send("refused")


class Holder:
    def __init__(self, template: str, mode: str) -> None:
        self.orders, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=hold, args=(template, mode, theirs))
        self.process.start()
        assert self.hear() == "inside"

    def hear(self) -> str:
        assert self.orders.poll(60), "the holder says nothing"
        said: str = self.orders.recv()
        return said

    def end(self) -> str:
        self.orders.send("end")
        said = self.hear()
        self.process.join(60)
        assert self.process.exitcode == 0
        return said

    def signal(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)


@pytest.fixture(params=["async", "sync"])
def write(request: pytest.FixtureRequest, folder: Path) -> Callable[[str, bytes], None]:
    """Writes to the file `new/a` of the folder, on each face."""
    template = f"{folder}/{{}}"

    def write(mode: str, content: bytes) -> None:
        if request.param == "sync":
            with sync.OsFileSystem(template).open("new/a", mode) as file:
                file.write(content)
            return

        async def main() -> None:
            async with aiofs.OsFileSystem(template).open("new/a", mode) as file:
                await file.write(content)

        asyncio.run(main())

    return write


@pytest.mark.parametrize("mode", ["w", "r+"])
@pytest.mark.parametrize("paused", [False, True], ids=["running", "stopped"])
def test_a_holder_in_another_process_keeps_its_file(
    folder: Path, write: Callable[[str, bytes], None], mode: str, paused: bool
) -> None:
    holder = Holder(f"{folder}/{{}}", mode)
    if paused:
        holder.signal(signal.SIGSTOP)
    end = time.monotonic() + HOLD
    while time.monotonic() < end:
        with pytest.raises(BlockingIOError):
            write(mode, b"ours")
        time.sleep(HOLD / 20)
    if paused:
        holder.signal(signal.SIGCONT)
    assert holder.end() == "stored"
    assert (folder / "new" / "a").read_bytes() == b"the holder's"
    write(mode, b"ours")
    assert (folder / "new" / "a").read_bytes() == b"ours"
    assert left_in(folder) == ["a", "new"]


def test_a_killed_holder_makes_way(folder: Path, write: Callable[[str, bytes], None]) -> None:
    holder = Holder(f"{folder}/{{}}", "w")
    holder.signal(signal.SIGKILL)
    holder.process.join(60)
    write("r+", b"ours")
    assert (folder / "new" / "a").read_bytes() == b"ours"
    assert left_in(folder) == ["a", "new"]


def count_there(template: str, times: int) -> None:
    async def main() -> None:
        fs = aiofs.OsFileSystem(template)
        for _ in range(times):
            await asyncio.gather(*(increment(fs, "deep/number") for _ in range(5)))

    asyncio.run(main())


def test_loops_in_four_processes_lose_nothing(folder: Path) -> None:
    times = 50 if SOAK else 1
    workers = [SPAWN.Process(target=count_there, args=(f"{folder}/{{}}", times)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
        assert worker.exitcode == 0
    assert (folder / "deep" / "number").read_bytes() == b"%d" % (20 * times)


# Forks


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_writer_belongs_to_the_process_that_entered_it(folder: Path) -> None:
    fs = sync.OsFileSystem(f"{folder}/{{}}")
    with fs.open("a", "w") as file:
        file.write(b"parent")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                try:
                    file.__exit__(None, None, None)
                except RuntimeError:
                    # By itself the child has both faces.
                    with fs.open("b", "w") as own:
                        own.write(b"child")
                    count_there(f"{folder}/{{}}", 1)
                    status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        with pytest.raises(BlockingIOError):
            fs.open("a", "w").__enter__()
    assert fs.ls() == ["a", "b", "deep/number"]
    with fs.open("a") as file:
        assert file.read() == b"parent"


# Cancellation


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def settled(condition: Callable[[], bool]) -> bool:
    """Whether something comes true once cancelled work has ended on its thread."""
    for _ in range(12_000):
        if condition():
            return True
        await asyncio.sleep(0.005)
    return condition()


@pytest.mark.twinfs_only("aiofs stores what was written")
async def test_a_cancelled_task_stores_nothing_and_leaves_nothing(
    fs: Any, kind: str, folder: Path
) -> None:
    await put(fs, "a", b"old")
    before = descriptors()

    async def use(mode: str) -> None:
        async with fs.open("a", mode) as file:
            if mode != "w":
                await file.read()
            if mode != "r":
                for _ in range(4):
                    await file.write(b"x" * 400_000)
            await asyncio.Event().wait()

    for mode in ("r", "w", "r+"):
        for turns in range(12):
            task = asyncio.create_task(use(mode))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            # It makes way for the next one, at once or when a worker has seen to it.
            while True:
                try:
                    await put(fs, "a", b"old")
                    break
                except BlockingIOError:
                    await asyncio.sleep(0.001)
    assert await get(fs, "a") == b"old"
    assert await settled(lambda: descriptors() <= before)
    if "os" in kind or "folder" in kind:
        assert await settled(lambda: left_in(folder) == ["a"])


async def test_a_read_that_was_cancelled_can_be_done_again(tmp_path: Path) -> None:
    fs = aiofs.OsFileSystem(tmp_path / "{}")
    content = os.urandom(5_000_000)
    (tmp_path / "a").write_bytes(content)
    async with fs.open("a") as file:
        for _ in range(5):
            task = asyncio.create_task(file.read())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await file.seek(0)
        assert await file.read() == content


async def test_a_write_that_was_cancelled_is_not_stored_in_part(tmp_path: Path) -> None:
    fs = aiofs.OsFileSystem(tmp_path / "{}")
    await put(fs, "a", b"old")
    stored = False
    try:
        async with fs.open("a", "r+") as file:
            task = asyncio.create_task(file.write(b"x" * 5_000_000))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await file.write(b"more")
        stored = True
    except OSError:
        pass
    whole = [b"old", b"x" * 5_000_000 + b"more", b"more"]
    assert await get(fs, "a") in (whole[1:] if stored else whole[:1])


async def test_calls_of_several_tasks_on_one_file_take_turns(tmp_path: Path) -> None:
    fs = aiofs.OsFileSystem(tmp_path / "{}")
    async with fs.open("a", "w") as file:
        await asyncio.gather(*(file.write(bytes([number]) * 700_000) for number in range(8)))
    async with fs.open("a") as file:
        blocks = await asyncio.gather(*(file.read(700_000) for _ in range(8)))
    assert sorted(blocks) == [bytes([number]) * 700_000 for number in range(8)]


def test_contexts_without_end_take_no_descriptors(tmp_path: Path) -> None:
    fs = sync.OsFileSystem(tmp_path / "{}")
    with fs.open("large", "w") as file:
        file.write(b"x" * 100_000)
    before = descriptors()
    for _ in range(50):
        with fs.open("large") as file:
            file.read(10)
        with fs.open("large", "r+") as file:
            file.seek(5)
            file.write(b"y")
    for _ in range(6000):
        if descriptors() <= before:
            break
        time.sleep(0.01)
    assert descriptors() <= before
    assert sys.getrefcount(fs) < 10
