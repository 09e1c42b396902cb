"""Handles of file systems in remote functions and actors, over a local folder and over a run."""

import socket
import threading
from pathlib import Path

import pytest
import ray
from ray.exceptions import TaskCancelledError

from conftest import Run
from twinfs import AsyncFileSystem, SyncFileSystem, errors
from twinfs.kodosumi import Tracer


@pytest.fixture(params=["local", "run"])
def place(request: pytest.FixtureRequest, tmp_path: Path, run: Run) -> tuple[str, dict[str, str]]:
    """The URL of a store that every process reaches, with its options."""
    if request.param == "local":
        return str(tmp_path / "root"), {"durability": "none"}
    return f"{run.url}/out", {"token": run.jwt}


@ray.remote
def number_lines(fs: SyncFileSystem, name: str) -> int:
    """Reads a file, and writes another one beside it through a handle."""
    lines = fs.read(name).decode().splitlines()
    with fs.open(f"numbered/{name}", "w") as file:
        file.writelines(f"{number} {line}\n" for number, line in enumerate(lines, 1))
    return len(lines)


@ray.remote
class Numberer:
    """The same on the async face, in an actor with an event loop."""

    def __init__(self, fs: AsyncFileSystem) -> None:
        self.fs = fs

    async def number_lines(self, name: str) -> int:
        lines = (await self.fs.read(name)).decode().splitlines()
        async with self.fs.open(f"numbered/{name}", "w") as file:
            for number, line in enumerate(lines, 1):
                await file.write(f"{number} {line}\n")
        return len(lines)


TEXTS = {"a": b"x\ny\n", "b": b"", "c": b"z"}
NUMBERED = {"a": b"1 x\n2 y\n", "b": b"", "c": b"1 z\n"}


def check(fs: SyncFileSystem) -> None:
    found = {entry.name: fs.read(entry.path) for entry in fs.walk("numbered")}
    assert found == NUMBERED


def test_a_sync_file_system_travels_to_tasks(place: tuple[str, dict[str, str]]) -> None:
    url, options = place
    fs = SyncFileSystem(url, **options)
    fs.write_many(TEXTS)
    assert ray.get([number_lines.remote(fs, name) for name in TEXTS]) == [2, 0, 1]
    check(fs)


def test_an_async_file_system_travels_to_an_async_actor(place: tuple[str, dict[str, str]]) -> None:
    url, options = place
    fs = SyncFileSystem(url, **options)
    fs.write_many(TEXTS)
    actor = Numberer.remote(AsyncFileSystem(url, **options))
    assert ray.get([actor.number_lines.remote(name) for name in TEXTS]) == [2, 0, 1]
    check(fs)


def test_a_file_system_goes_through_the_object_store(place: tuple[str, dict[str, str]]) -> None:
    url, options = place
    fs = SyncFileSystem(url, **options)
    fs.write_many(TEXTS)
    held = ray.put(fs)
    assert ray.get([number_lines.remote(held, name) for name in TEXTS]) == [2, 0, 1]
    again = ray.get(held)
    assert (type(again), again.url) == (SyncFileSystem, fs.url)


@ray.remote
def echo(anything: object) -> object:
    return anything


def test_an_open_writer_refuses_to_travel_and_is_none_the_worse(
    place: tuple[str, dict[str, str]],
) -> None:
    url, options = place
    fs = SyncFileSystem(url, **options)
    with fs.open("a", "wb") as file:
        file.write(b"before ")
        for send in (ray.put, echo.remote):
            with pytest.raises(TypeError, match="open writer"):
                send(file)
        file.write(b"and after")
    assert fs.read("a") == b"before and after"


@ray.remote
def rest_of(file: object) -> bytes:
    with file:
        return file.read()


def test_a_reader_travels_with_its_position(place: tuple[str, dict[str, str]]) -> None:
    url, options = place
    fs = SyncFileSystem(url, **options)
    fs.write("a", b"one\ntwo\n")
    with fs.open("a") as file:
        assert file.readline() == b"one\n"
        assert ray.get(rest_of.remote(file)) == b"two\n"
        assert file.read() == b"two\n"


def test_a_tree_in_memory_is_refused_by_other_processes() -> None:
    fs = SyncFileSystem("memory://of-the-driver")
    with pytest.raises(ray.exceptions.RayError, match="tree of another process"):
        ray.get(echo.remote(fs))


@ray.remote
def write(fs: SyncFileSystem, writer: int) -> None:
    for number in range(20):
        fs.write(f"{writer}/{number}", b"%d" % number * 1000)


def test_workers_write_side_by_side(place: tuple[str, dict[str, str]]) -> None:
    url, options = place
    fs = SyncFileSystem(url, **options)
    ray.get([write.remote(fs, writer) for writer in range(4)])
    found = {entry.path: fs.read(entry.path) for entry in fs.walk() if entry.is_file()}
    assert found == {f"{w}/{n}": b"%d" % n * 1000 for w in range(4) for n in range(20)}


@ray.remote
def wait_for_an_answer(tracer: Tracer) -> None:
    with tracer.fs_sync() as fs:
        fs.ls("in")


def test_a_cancelled_task_waits_no_longer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        task = wait_for_an_answer.remote(Tracer("run", url, ""))
        # It has asked, and will wait for five minutes.
        connection, _ = silent.accept()
        # Ray promises no more than to try.
        for _ in range(20):
            ray.cancel(task)
            if ray.wait([task], timeout=10)[0]:
                break
        with pytest.raises((TaskCancelledError, KeyboardInterrupt)):
            ray.get(task, timeout=10)
        connection.close()


@ray.remote
class Threads:
    """A threaded actor: its calls share one client."""

    def __init__(self, fs: SyncFileSystem) -> None:
        self.fs = fs

    def write(self, name: str) -> int:
        self.fs.write(name, name.encode())
        return threading.get_ident()


def test_the_threads_of_an_actor_share_a_file_system(place: tuple[str, dict[str, str]]) -> None:
    url, options = place
    fs = SyncFileSystem(url, **options)
    actor = Threads.options(max_concurrency=4).remote(fs)
    ray.get([actor.write.remote(str(number)) for number in range(40)])
    assert fs.read_many([str(number) for number in range(40)]) == [b"%d" % n for n in range(40)]


def test_the_error_of_a_task_keeps_its_kind(place: tuple[str, dict[str, str]]) -> None:
    url, options = place
    with pytest.raises(errors.NotFound) as caught:
        ray.get(number_lines.remote(SyncFileSystem(url, **options), "none"))
    assert isinstance(caught.value, FileNotFoundError)
