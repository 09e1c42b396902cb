"""An operation whose task is cancelled: nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Stuck, awaited, descriptors, eventually
from twinfs import AsyncFileSystem, SyncFileSystem


def test_cancelling_what_a_worker_is_doing(run: Callable[[Any], Any], stuck: Stuck) -> None:
    async def main() -> None:
        fs = AsyncFileSystem(stuck.folder)
        task = asyncio.create_task(fs.write("waits", b"x"))
        await asyncio.sleep(0.05)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await task
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(fs.write("waits", b"x"), 0.05)
        assert await fs.read("ordinary") == b"content"

    run(main())


def test_cancelling_what_is_queued(stuck: Stuck) -> None:
    """Of many writes that are cancelled while they wait, those not begun never happen."""

    async def main() -> None:
        fs = AsyncFileSystem(stuck.folder)
        tasks = [asyncio.create_task(fs.write(f"{n:04}", b"x")) for n in range(300)]
        await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
        stuck.release()
        # Queued behind them all.
        await asyncio.gather(*(fs.write(f"last/{n}", b"x") for n in range(100)))
        assert len(await fs.list()) < 300

    asyncio.run(main())


def test_cancelling_at_every_moment(run: Callable[[Any], Any], local: str) -> None:
    """However late the cancellation comes, whole files are there or none, and nothing is left."""
    content = b"x" * 300_000
    fs = AsyncFileSystem(local)

    async def one(delay: float) -> None:
        async def work() -> None:
            await fs.write(f"{delay}", content)
            async with fs.open(f"{delay}.file", "wb") as file:
                await file.write(content)
                await file.write(content)
            await fs.read(f"{delay}")
            async for _ in fs.walk():
                pass

        task = asyncio.create_task(work())
        await asyncio.sleep(delay)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def main() -> None:
        for step in range(60):
            await one(step * 0.0001)

    # Not answered in place: what workers keep open for good is open from here on.
    run(awaited(fs.list_staged()))
    gc.collect()
    before = descriptors()
    run(main())
    # Sweeping is for what the dead leave: the living clean up by themselves.
    assert eventually(lambda: descriptors() <= before and not list(Path(local).glob(".twinfs-*")))
    for entry in SyncFileSystem(local).walk(detail=True):
        assert entry.size in (len(content), 2 * len(content))


def test_a_cancelled_open_closes_the_file(local: str) -> None:
    fs = AsyncFileSystem(local)
    SyncFileSystem(local).write("a", b"1")

    async def main() -> None:
        for _ in range(200):
            task = asyncio.create_task(fs._open("a", "rb"))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(awaited(fs.exists("a")))
    gc.collect()
    before = descriptors()
    asyncio.run(main())
    assert eventually(lambda: descriptors() <= before)


def test_a_buffer_is_held_until_the_worker_is_done(stuck: Stuck) -> None:
    fs = AsyncFileSystem(stuck.folder)
    data = bytearray(1_000_000)

    def given_back() -> bool:
        # What workers let go of is counted down at the next call of any twinfs method.
        assert not fs.closed
        try:
            data.append(0)
        except BufferError:
            return False
        return True

    async def main(pause: float) -> None:
        tasks = [asyncio.create_task(fs.write(f"{n}", data)) for n in range(20)]
        await asyncio.sleep(pause)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def is_held_after(pause: float) -> bool:
        asyncio.run(main(pause))
        return not given_back()

    # If no worker has begun by then, the buffer is given back, and rightly so.
    assert any(is_held_after(0.05 * 2**tries) for tries in range(8))
    stuck.release()
    assert eventually(given_back)
