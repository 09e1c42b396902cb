"""How operations get back to their loops: loops, threads, and what is left behind."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import inspect
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from conftest import Stuck, awaited, descriptors, eventually
from twinfs import AsyncFileSystem, SyncFileSystem, errors


def test_many_operations_at_once(run: Callable[[Any], Any], url: str) -> None:
    async def main() -> None:
        fs = AsyncFileSystem(url)
        names = [f"d/{index}" for index in range(500)]
        await asyncio.gather(*(fs.write(name, name.encode()) for name in names))
        contents = await asyncio.gather(*(fs.read(name) for name in names))
        assert contents == [name.encode() for name in names]

    run(main())


def test_the_ways_to_await(run: Callable[[Any], Any], url: str) -> None:
    async def main() -> None:
        fs = AsyncFileSystem(url)
        await fs.write("a", b"1")
        assert await asyncio.create_task(fs.read("a")) == b"1"
        assert await asyncio.wait_for(fs.read("a"), 10) == b"1"
        assert await asyncio.shield(fs.read("a")) == b"1"
        assert await asyncio.ensure_future(fs.read("a")) == b"1"
        assert [await done for done in asyncio.as_completed([fs.read("a")])] == [b"1"]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(fs.read("a")) for _ in range(5)]
        assert [task.result() for task in tasks] == [b"1"] * 5
        async with asyncio.timeout(10):
            assert await fs.read("a") == b"1"
        outcomes = await asyncio.gather(fs.read("b"), fs.read("a"), return_exceptions=True)
        assert isinstance(outcomes[0], errors.NotFound) and outcomes[1] == b"1"
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(fs.read("b"))
        assert isinstance(caught.value.exceptions[0], errors.NotFound)

    run(main())


def test_an_operation_is_a_coroutine_in_all_but_name(local: str) -> None:
    fs = AsyncFileSystem(local)
    operation = fs.exists("a")
    assert asyncio.iscoroutine(operation) and inspect.isawaitable(operation)
    assert "exists" in repr(operation) and "new" in repr(operation)
    assert operation.__name__ == "exists"
    assert asyncio.run(operation) is False
    assert "over" in repr(operation)
    with pytest.raises(RuntimeError, match="already awaited"):
        asyncio.run(operation)
    assert asyncio.get_event_loop_policy() is not None


def test_an_operation_outside_a_loop(local: str) -> None:
    operation = AsyncFileSystem(local).exists("a")
    with pytest.raises(RuntimeError, match="no running event loop"):
        operation.send(None)


def test_an_operation_that_is_not_awaited_does_nothing(url: str) -> None:
    fs = AsyncFileSystem(url)
    with pytest.warns(RuntimeWarning, match="'write' was never awaited"):
        fs.write("a", b"1")
        gc.collect()
    fs.write("b", b"1").close()
    assert SyncFileSystem(url).list() == []


def test_an_operation_may_be_begun_early(run: Callable[[Any], Any], url: str) -> None:
    async def main() -> None:
        fs = AsyncFileSystem(url)
        await fs.write("a", b"1")
        begun = fs.read("a").start()
        await asyncio.sleep(0.01)
        assert await begun == b"1"
        begun = fs.read("a").start()
        assert await asyncio.create_task(begun) == b"1"
        failing = fs.read("b").start()
        del failing
        failing = fs.read("b").start()
        await asyncio.sleep(0.01)
        with pytest.raises(errors.NotFound):
            await failing

    run(main())


def test_values_of_every_sort_come_through(run: Callable[[Any], Any], url: str) -> None:
    async def main() -> None:
        fs = AsyncFileSystem(url)
        assert await fs.create_dir("a") is None
        assert await fs.exists("a") is True
        assert await fs.list("a") == []
        await fs.write("big", b"x" * 5_000_000)
        assert await fs.read("big") == b"x" * 5_000_000
        names = [f"a/{index:05}" for index in range(5000)]
        await fs.write_many(dict.fromkeys(names, b"content"))
        assert await fs.read_many(names) == [b"content"] * len(names)
        assert [entry.path async for entry in fs.walk("a")] == names

    run(main())


def test_a_loop_is_kept_no_longer_than_a_turn(local: str) -> None:
    """While a result of 20,000 objects is made, the loop turns more than once."""
    sync, fs = SyncFileSystem(local), AsyncFileSystem(local)
    sync.write_many({f"{index:05}": b"" for index in range(20_000)})
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def main() -> None:
        counter = asyncio.create_task(count_turns())
        listed = fs.list().start()
        # The loop stands still for as long as the worker needs, and longer.
        for _ in range(3):
            sync.list()
        assert len(await listed) == 20_000
        counter.cancel()

    asyncio.run(main())
    assert turns > 2


def test_operations_in_place_let_others_have_their_turn() -> None:
    async def main() -> None:
        fs = AsyncFileSystem("memory://")
        await fs.write("a", b"1")
        stopped = asyncio.Event()
        asyncio.get_running_loop().call_later(0.01, stopped.set)
        while not stopped.is_set():
            await fs.read("a")

    asyncio.run(asyncio.wait_for(main(), 30))


def test_context_variables_stay(run: Callable[[Any], Any], local: str) -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")

    async def one(fs: AsyncFileSystem, value: int) -> None:
        variable.set(value)
        for _ in range(5):
            await fs.exists("a")
            assert variable.get() == value

    async def main() -> None:
        fs = AsyncFileSystem(local)
        await asyncio.gather(*(one(fs, value) for value in range(50)))

    run(main())


def test_one_file_system_in_many_loops_and_threads(local: str) -> None:
    fs = AsyncFileSystem(local)
    failures: list[BaseException] = []

    async def main(name: str) -> None:
        for index in range(20):
            await asyncio.gather(*(fs.write(f"{name}/{index}/{n}", b"1") for n in range(10)))
        assert len([entry async for entry in fs.walk(name)]) == 220

    def thread(name: str) -> None:
        try:
            for round_ in range(2):
                asyncio.run(main(f"{name}-{round_}"))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=thread, args=(str(index),)) for index in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not failures


def test_loops_that_take_turns_in_one_thread(local: str) -> None:
    fs = AsyncFileSystem(local)
    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(awaited(fs.exists("a")))
        second.run(awaited(fs.exists("a")))
        gc.collect()
        before = descriptors()
        for _ in range(20):
            first.run(awaited(fs.exists("a")))
            second.run(awaited(fs.exists("a")))
        assert eventually(lambda: descriptors() <= before)


def test_repeated_runs_leave_nothing_behind(run: Callable[[Any], Any], local: str) -> None:
    fs = AsyncFileSystem(local)
    for _ in range(3):
        run(awaited(fs.exists("a")))
    gc.collect()
    before, threads = descriptors(), threading.active_count()
    for _ in range(30):
        run(awaited(fs.exists("a")))
    assert eventually(lambda: descriptors() <= before and threading.active_count() <= threads)


def test_debug_mode_has_nothing_to_say(local: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        fs = AsyncFileSystem(local)
        await asyncio.gather(*(fs.write(f"{index}", b"1") for index in range(100)))
        assert len(await fs.list()) == 100

    asyncio.run(main(), debug=True)
    assert [record for record in caplog.records if "took" not in record.message] == []


def test_a_loop_closed_with_work_in_flight(run: Callable[[Any], Any], stuck: Stuck) -> None:
    fs = AsyncFileSystem(stuck.folder)

    async def main() -> None:
        fs.write("waits", b"x").start()
        await asyncio.sleep(0.02)

    run(awaited(fs.exists("a")))
    gc.collect()
    before = descriptors()
    for _ in range(5):
        run(main())
    stuck.release()
    assert eventually(lambda: descriptors() <= before)


def test_tasks_left_in_a_closed_loop_are_collected(
    stuck: Stuck, caplog: pytest.LogCaptureFixture
) -> None:
    fs = AsyncFileSystem(stuck.folder)
    collected = threading.Event()

    class Witness:
        def __del__(self) -> None:
            collected.set()

    async def waiting(_: Witness) -> None:
        await fs.write("waits", b"x")

    loop = asyncio.new_event_loop()
    task = loop.create_task(waiting(Witness()))
    loop.run_until_complete(asyncio.sleep(0.02))
    loop.close()
    del task, loop
    stuck.release()
    assert eventually(
        lambda: SyncFileSystem(stuck.folder).exists("ordinary") and collected.is_set()
    )
    assert "never retrieved" not in caplog.text


def test_errors_nobody_asked_for_are_silent(local: str, caplog: pytest.LogCaptureFixture) -> None:
    fs = AsyncFileSystem(local)

    async def main() -> None:
        task = asyncio.create_task(fs.read("no-such-file"))
        await asyncio.sleep(0)
        task.cancel()
        fs.read("no-such-file").start()
        await asyncio.sleep(0.05)

    asyncio.run(main())
    gc.collect()
    assert caplog.text == ""


def test_an_exception_that_stops_the_loop_loses_no_operation(local: str) -> None:
    fs = AsyncFileSystem(local)

    async def stop() -> None:
        await fs.exists("a")
        raise KeyboardInterrupt

    loop = asyncio.new_event_loop()
    others = [loop.create_task(fs.exists("a")) for _ in range(20)]
    stopping = loop.create_task(stop())
    more = [loop.create_task(fs.exists("a")) for _ in range(20)]
    with pytest.raises(KeyboardInterrupt):
        loop.run_forever()
    assert loop.run_until_complete(asyncio.gather(*others, *more)) == [False] * 40
    with pytest.raises(KeyboardInterrupt):
        stopping.result()
    loop.close()


def test_memory_does_not_grow(local: str) -> None:
    fs = AsyncFileSystem(local)

    async def main() -> None:
        for _ in range(10):
            await asyncio.gather(*(fs.write(f"{n}", b"x" * 4096) for n in range(50)))
            await asyncio.gather(*(fs.read(f"{n}") for n in range(50)))
            await asyncio.gather(*(fs.read(f"no-{n}") for n in range(50)), return_exceptions=True)

    asyncio.run(main())
    gc.collect()
    tracemalloc.start()
    asyncio.run(main())
    gc.collect()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(3):
        asyncio.run(main())
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 200_000
