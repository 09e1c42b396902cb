"""How operations get back to their loops: loops, threads, cancellation, and what is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import fcntl
import gc
import inspect
import os
import tempfile
import threading
import time
import tracemalloc
import warnings
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from twinfs import AsyncFileSystem, SyncFileSystem, errors


class LoopWithoutReaders(asyncio.SelectorEventLoop):
    """As asyncio's loop on Windows, which cannot watch descriptors."""

    def add_reader(self, *_: Any) -> Any:
        raise NotImplementedError


LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
    "without-readers": LoopWithoutReaders,
}


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[Any]], Any]:
    """Runs a coroutine in a new loop of each kind."""

    def run(main: Any) -> Any:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            return runner.run(main)

    return run


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether a condition comes true: for what a worker does in its own time."""
    for _ in range(500):
        if condition():
            return True
        gc.collect()
        time.sleep(0.01)
    return False


class Stuck:
    """A folder in which writes wait, since somebody else holds its lock."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        SyncFileSystem(folder).write("ordinary", b"content")
        self.descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)

    def release(self) -> None:
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        self.release()
        os.close(self.descriptor)


@pytest.fixture
def stuck(local: str) -> Iterator[Stuck]:
    folder = Stuck(local)
    yield folder
    folder.close()


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


# Attempts: what the kernel has cached is answered where it is awaited


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
        before = descriptors()
        for _ in range(20):
            first.run(awaited(fs.exists("a")))
            second.run(awaited(fs.exists("a")))
        assert descriptors() == before


async def awaited(operation: Any) -> Any:
    return await operation


def test_repeated_runs_leave_nothing_behind(run: Callable[[Any], Any], local: str) -> None:
    fs = AsyncFileSystem(local)
    for _ in range(3):
        run(awaited(fs.exists("a")))
    gc.collect()
    before = descriptors(), threading.active_count()
    for _ in range(30):
        run(awaited(fs.exists("a")))
    assert eventually(lambda: (descriptors(), threading.active_count()) == before)


def test_debug_mode_has_nothing_to_say(local: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        fs = AsyncFileSystem(local)
        await asyncio.gather(*(fs.write(f"{index}", b"1") for index in range(100)))
        assert len(await fs.list()) == 100

    asyncio.run(main(), debug=True)
    assert [record for record in caplog.records if "took" not in record.message] == []


# Cancellation


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
    assert eventually(lambda: descriptors() <= before)
    for entry in SyncFileSystem(local).walk(detail=True):
        assert entry.size in (len(content), 2 * len(content))
    # Sweeping is for what the dead leave: the living clean up by themselves.
    assert list(Path(local).glob(".twinfs-*")) == []


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

    async def main() -> None:
        tasks = [asyncio.create_task(fs.write(f"{n}", data)) for n in range(20)]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert not given_back()
    stuck.release()
    assert eventually(given_back)


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
