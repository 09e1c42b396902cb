"""What the kernel has cached is answered where it is awaited."""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import descriptors, eventually
from twinfs import AsyncFileSystem, SyncFileSystem, errors


def test_cached_reads_let_others_have_their_turn(local: str) -> None:
    """One task, or many, with nothing to wait for: the loop turns all the same."""
    sync, fs = SyncFileSystem(local), AsyncFileSystem(local)
    sync.write("a", b"1")
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def read(count: int) -> None:
        for _ in range(count):
            assert await fs.read("a") == b"1"

    async def main() -> None:
        nonlocal turns
        for tasks in (1, 32):
            turns = 0
            counter = asyncio.create_task(count_turns())
            await asyncio.gather(*(read(20_000 // tasks) for _ in range(tasks)))
            counter.cancel()
            # If none of them ever let go, it would be one or two.
            assert turns > 20

    asyncio.run(main())


def test_what_is_not_cached_is_read_all_the_same(run: Callable[[Any], Any], local: str) -> None:
    sync = SyncFileSystem(local)
    names = [f"{index}" for index in range(200)]
    sync.write_many({name: name.encode() * 1000 for name in names})
    for name in names[::2]:
        with (Path(local) / name).open("rb+") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    async def main() -> None:
        fs = AsyncFileSystem(local)
        contents = await asyncio.gather(*(fs.read(name) for name in names))
        assert contents == [name.encode() * 1000 for name in names]
        assert await fs.exists("0") and not await fs.exists("no-such-file")
        assert await fs.is_file("0") and not await fs.is_dir("0")
        assert (await fs.stat("199")).size == 3000
        assert await fs.read("7", 1000) == b"" and await fs.read("42", -3) == b"242"
        with pytest.raises(errors.NotFound):
            await fs.read("no-such-file")
        with pytest.raises(errors.InvalidInput):
            await fs.read("7", -3, 1)
        async with fs.open("199", buffering=0) as file:
            assert await file.read_at(2991, 100) == b"199199199"
            assert (
                await asyncio.gather(*(file.read_at(n, 3) for n in range(0, 3000, 3)))
                == [b"199"] * 1000
            )

    run(main())


def test_attempts_on_a_file_system_in_memory() -> None:
    """One that cannot say whether it would have to wait."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("needs /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:

        async def main() -> None:
            fs = AsyncFileSystem(folder)
            await fs.write("a", b"hello")
            assert [await fs.read("a") for _ in range(100)] == [b"hello"] * 100
            assert await fs.exists("a") and (await fs.stat("a")).size == 5

        asyncio.run(main())


def test_a_pipe_in_the_way_of_a_read(local: str) -> None:
    fs = AsyncFileSystem(local)
    os.mkfifo(Path(local) / "pipe")

    async def main() -> None:
        for _ in range(3):
            with pytest.raises(errors.PermissionDenied, match="pipe"):
                await fs.read("pipe")

    asyncio.run(asyncio.wait_for(main(), 20))


def test_whether_a_loop_is_needed_does_not_depend_on_the_cache(local: str) -> None:
    SyncFileSystem(local).write("a", b"1")
    fs = AsyncFileSystem(local)
    for operation in (fs.read("a"), fs.read("no-such-file"), fs.stat("a")):
        with pytest.raises(RuntimeError, match="no running event loop"):
            operation.send(None)
    with pytest.raises(RuntimeError, match="no running event loop"):
        fs.read("a").start()


def test_a_cached_read_cancelled_before_its_turn(local: str) -> None:
    SyncFileSystem(local).write("a", b"1")
    fs = AsyncFileSystem(local)

    async def main() -> None:
        tasks = [asyncio.create_task(fs.read("a")) for _ in range(2000)]
        await asyncio.sleep(0)
        for task in tasks[1::2]:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert outcomes[::2] == [b"1"] * 1000
        assert all(isinstance(one, (bytes, asyncio.CancelledError)) for one in outcomes[1::2])

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main())
        gc.collect()


def test_many_cached_reads_begun_at_once(run: Callable[[Any], Any], local: str) -> None:
    """Far more than fit into one turn of the loop; half of them nobody asks for."""
    sync = SyncFileSystem(local)
    names = [f"{index}" for index in range(3000)]
    sync.write_many({name: name.encode() for name in names})

    async def main() -> None:
        fs = AsyncFileSystem(local)
        begun = {name: fs.read(name).start() for name in names}
        for name in names[1::2]:
            del begun[name]
        for name, operation in begun.items():
            assert await operation == name.encode()
        for name in names[::3]:
            fs.read(name).start().close()
        await fs.write("last", b"x")

    run(main())
    gc.collect()
    before = descriptors()
    run(main())
    assert eventually(lambda: descriptors() <= before)
