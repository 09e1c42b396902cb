"""Kodosumi's file classes as the wheel brings them, with neither kodosumi nor httpx at hand.

What they do call by call is tested in tests/kodosumi; here it is the other Pythons, and life in
processes, threads, event loops and under signals.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import importlib.util
import multiprocessing
import os
import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import twinfs
from test_processes import ended_well, in_child, in_new_thread, interrupted, python
from twinfs import _twinfs
from twinfs.kodosumi import AsyncFileSystem, HTTPStatusError, SyncFileSystem, Tracer, install

MIB = 1024 * 1024
TREE = {"a": b"", "b/c": b"1", "b/Grüße": os.urandom(3 * MIB + 1)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the server keeps its runs in."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def server(data: Path) -> Iterator[_twinfs.EmbeddedServer]:
    server = _twinfs.EmbeddedServer(str(data))
    yield server
    server.stop()


@pytest.fixture
def tracer(server: _twinfs.EmbeddedServer, tmp_path: Path) -> Tracer:
    """The tracer of a run of this test's own."""
    return Tracer(tmp_path.name, server.url, server.token("user"))


@pytest.fixture(autouse=True)
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders go."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def lay(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def contents(paths: Iterable[str]) -> list[bytes]:
    return [Path(path).read_bytes() for path in paths]


def eventually(what: str, holds: Callable[[], bool]) -> None:
    """Waits for something that another thread is about to do."""
    for _ in range(3000):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError(f"never came true: {what}")


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


# With the standard library alone


def test_the_wheel_needs_neither_httpx_nor_kodosumi() -> None:
    assert importlib.util.find_spec("httpx") is None, "httpx is in the way of this test"
    assert ended_well(python("import twinfs.kodosumi, twinfs.run"))


def test_a_tree_goes_up_and_comes_down_on_the_sync_face(tracer: Tracer, tmp_path: Path) -> None:
    with tracer.fs_sync() as fs:
        assert fs.upload(lay(tmp_path / "tree", TREE))
        names = [file["path"] for file in fs.ls("out")]
        assert names == ["out/a", "out/b/Grüße", "out/b/c"]
        assert contents(fs.download("out")) == [TREE[name[4:]] for name in names]
        with fs.open("out/b/Grüße") as stream:
            assert b"".join(stream.read()) == TREE["b/Grüße"]
        assert fs.remove("out/b")
        assert [file["path"] for file in fs.ls("out")] == ["out/a"]


def test_a_tree_goes_up_and_comes_down_on_the_async_face(tracer: Tracer, tmp_path: Path) -> None:
    async def main() -> None:
        async with await tracer.fs() as fs:
            assert await fs.upload(lay(tmp_path / "tree", TREE))
            names = [file["path"] for file in await fs.ls("out")]
            assert names == ["out/a", "out/b/Grüße", "out/b/c"]
            arrived = [path async for path in fs.download("out")]
            assert contents(arrived) == [TREE[name[4:]] for name in names]
            async with fs.open("out/b/Grüße") as stream:
                assert b"".join([block async for block in stream.read()]) == TREE["b/Grüße"]
            assert await fs.remove("out/b")
            assert [file["path"] for file in await fs.ls("out")] == ["out/a"]

    asyncio.run(main())


def test_refusals_are_errors_of_this_module(tracer: Tracer) -> None:
    with pytest.raises(HTTPStatusError) as caught:
        SyncFileSystem(tracer.fid, tracer.panel_url, "bad").ls("in")
    assert isinstance(caught.value, PermissionError)
    assert caught.value.response.status_code == 401
    with socket.socket() as taken, pytest.raises(ConnectionError):
        # Taken, so that nobody else listens there.
        taken.bind(("127.0.0.1", 0))
        SyncFileSystem(tracer.fid, f"http://127.0.0.1:{taken.getsockname()[1]}", "").ls("in")


# Processes


class Named(SyncFileSystem):
    """A class of a user's own, with more to it."""

    def __init__(self, name: str, tracer: Tracer) -> None:
        super().__init__(tracer.fid, tracer.panel_url, tracer.jwt, progress=lambda *_: None)
        self.name = name


def test_a_client_travels_with_what_was_set(tracer: Tracer, tmp_path: Path) -> None:
    fs = Named("mine", tracer)
    fs.chunk_size = 1000
    for again in (pickle.loads(pickle.dumps(fs)), copy.copy(fs), copy.deepcopy(fs)):
        assert type(again) is Named
        assert (again.name, again.fid, again.chunk_size) == ("mine", tracer.fid, 1000)
        assert again.upload(lay(tmp_path / "tree", {"a": b"x" * 2500}))
        assert ls(again) == ["out/a"]
    asynchronous = pickle.loads(pickle.dumps(asyncio.run(tracer.fs())))
    assert ls_asynchronously(asynchronous) == ["out/a"]


def ls(fs: SyncFileSystem) -> list[str]:
    return [file["path"] for file in fs.ls("out")]


def ls_asynchronously(fs: AsyncFileSystem) -> list[str]:
    async def main() -> list[str]:
        return [file["path"] for file in await fs.ls("out")]

    return asyncio.run(main())


def test_clients_travel_to_spawned_processes(tracer: Tracer, tmp_path: Path) -> None:
    fs = tracer.fs_sync()
    fs.upload(lay(tmp_path / "tree", {"a": b"", "b": b""}))
    asynchronous = asyncio.run(tracer.fs())
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = [pool.submit(ls, fs), pool.submit(ls_asynchronously, asynchronous)]
        assert [one.result(150) for one in there] == [["out/a", "out/b"]] * 2


def test_what_is_under_way_does_not_travel(tracer: Tracer, tmp_path: Path) -> None:
    with tracer.fs_sync() as fs:
        fs.upload(lay(tmp_path / "tree", {"a": b""}))
        for under_way in (fs.open("out/a"), fs.download("out")):
            with pytest.raises(TypeError, match="pickle"):
                pickle.dumps(under_way)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_both_faces_in_a_forked_child(tracer: Tracer, tmp_path: Path) -> None:
    fs, asynchronous = tracer.fs_sync(), asyncio.run(tracer.fs())
    fs.upload(lay(tmp_path / "tree", {"a": b"", "b": b""}))
    assert ls(fs) == ls_asynchronously(asynchronous) == ["out/a", "out/b"]
    assert in_child(lambda: ls(fs) == ls_asynchronously(asynchronous) == ["out/a", "out/b"]) == 0
    assert ls(fs) == ls_asynchronously(asynchronous) == ["out/a", "out/b"]


def test_a_cancelled_call_is_not_in_the_way_of_the_next(tracer: Tracer, tmp_path: Path) -> None:
    async def main() -> None:
        async with await tracer.fs() as fs:
            await fs.upload(lay(tmp_path / "tree", {"a": b"content"}))
            for turns in range(60):
                for use in ("enter", "read_all", "read"):
                    stream = fs.open("out/a")
                    uses = {
                        "enter": lambda stream=stream: stream.__aenter__(),
                        "read_all": lambda stream=stream: stream.read_all(),
                        "read": lambda stream=stream: anext(stream.read()),
                    }
                    task = asyncio.ensure_future(uses[use]())
                    for _ in range(turns % 6):
                        await asyncio.sleep(0)
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    if use == "enter":
                        await stream.read_all()
                    else:
                        # What the cancelled one has read is gone with it.
                        assert await stream.read_all() in (b"content", b"")
                    await stream.close()

    asyncio.run(main())


def test_calls_on_one_stream_take_turns(tracer: Tracer, tmp_path: Path) -> None:
    async def main() -> None:
        async with await tracer.fs() as fs:
            await fs.upload(lay(tmp_path / "tree", {"a": b"content"}))
            stream = fs.open("out/a")
            both = await asyncio.gather(stream.read_all(), stream.read_all())
            assert sorted(both) == [b"", b"content"]

    asyncio.run(main())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_stream_that_was_entered_is_read_in_a_forked_child_and_here(
    tracer: Tracer, tmp_path: Path
) -> None:
    with tracer.fs_sync() as fs:
        fs.upload(lay(tmp_path / "tree", {"a": b"content" * 500_000}))
        with fs.open("out/a") as whole, fs.open("out/a") as pieces:
            assert in_child(lambda: whole.read_all() == b"content" * 500_000) == 0
            assert in_child(lambda: b"".join(pieces.read()) == b"content" * 500_000) == 0
            assert whole.read_all() == b"".join(pieces.read()) == b"content" * 500_000


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forks_while_transfers_are_in_flight(tracer: Tracer, tmp_path: Path) -> None:
    large = {"large": os.urandom(20 * MIB)}
    tree = lay(tmp_path / "tree", large)
    fs, asynchronous = tracer.fs_sync(), asyncio.run(tracer.fs())
    stop, done = threading.Event(), 0

    def busy() -> None:
        nonlocal done
        while not stop.is_set():
            fs.upload(tree)
            done += 1

    def work() -> bool:
        return ls(tracer.fs_sync()) in ([], ["out/large"]) and bool(
            ls(fs) == ls_asynchronously(asynchronous) or True
        )

    with ThreadPoolExecutor(1) as pool:
        uploading = pool.submit(busy)
        try:
            assert [in_child(lambda: in_new_thread(work)) for _ in range(10)] == [0] * 10
        finally:
            stop.set()
        uploading.result(150)
    assert done > 0
    assert fs.open("out/large").read_all() == large["large"]


# Cancellation


def test_a_cancelled_upload_leaves_nothing(tracer: Tracer, tmp_path: Path, data: Path) -> None:
    tree = lay(tmp_path / "tree", {f"{n}": bytes(20 * MIB) for n in range(4)})

    async def main() -> None:
        loop, moving = asyncio.get_running_loop(), asyncio.Event()
        fs = AsyncFileSystem(
            tracer.fid,
            tracer.panel_url,
            tracer.jwt,
            progress=lambda *_: loop.call_soon_threadsafe(moving.set),
        )
        async with fs:
            for _ in range(20):
                moving.clear()
                upload = asyncio.create_task(fs.upload(tree))
                await moving.wait()
                upload.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await upload
                # It may have been over before it was cancelled.
                if upload.cancelled() and await fs.ls("out") == []:
                    break
                await fs.remove("out")
            else:
                pytest.fail("no cancelled upload left nothing")

    asyncio.run(main())
    with twinfs.SyncFileSystem(str(data)) as kept:
        eventually("the uploads are cancelled", lambda: kept.list_staged() == [])


def test_a_download_cancelled_at_any_moment_leaves_nothing(
    tracer: Tracer, tmp_path: Path, downloads: Path
) -> None:
    with tracer.fs_sync() as fs:
        fs.upload(lay(tmp_path / "tree", {f"{n:02}": bytes(100_000) for n in range(20)}))

    async def main() -> None:
        async with await tracer.fs() as fs:
            for turns in range(40):
                arriving = fs.download("out")
                first = asyncio.create_task(anext(arriving))
                # From before it has begun to after the first file has come.
                await asyncio.sleep(turns / 2000)
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)
                await arriving.aclose()
                if not first.cancelled():
                    handed_out.append(first.result())

    handed_out: list[str] = []
    asyncio.run(main())
    for path in handed_out:
        Path(path).unlink()
    eventually("the folders are gone", lambda: not [p for p in downloads.rglob("*") if p.is_file()])


def test_a_wait_that_times_out_is_over(silent: str) -> None:
    async def main() -> None:
        async with AsyncFileSystem("run", silent, "") as fs:
            for call in (fs.ls("in"), fs.remove("in/a"), fs.open("in/a").read_all()):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(call, 0.05)

    asyncio.run(main())


# Signals


SILENT = """
    import asyncio, sys, threading
    from twinfs.kodosumi import AsyncFileSystem, SyncFileSystem
    fs = SyncFileSystem("run", sys.argv[1], "")
    asynchronous = AsyncFileSystem("run", sys.argv[1], "")
"""


@pytest.mark.parametrize(
    "call",
    [
        "fs.ls('in')",
        "fs.remove('in/a')",
        "fs.open('in/a').read_all()",
        "next(fs.open('in/a').read())",
        "next(fs.download('in'))",
        "fs.upload(sys.argv[2])",
    ],
)
def test_ctrl_c_interrupts_a_sync_call(silent: str, tmp_path: Path, call: str) -> None:
    tree = lay(tmp_path / "tree", {"a": b"1"})
    program = f"""
{SILENT}
    try:
        print("ready", flush=True)
        {call}
    except KeyboardInterrupt:
        print("interrupted")
    """
    done = interrupted(program, silent, str(tree))
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")


def test_ctrl_c_interrupts_a_loop(silent: str) -> None:
    program = f"""
{SILENT}
    async def main():
        print("ready", flush=True)
        await asynchronous.ls("in")
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        print("interrupted")
    """
    done = interrupted(program, silent)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")


# The end of the interpreter


def test_the_interpreter_ends_with_calls_in_flight(
    silent: str, tracer: Tracer, tmp_path: Path, downloads: Path
) -> None:
    tree = lay(tmp_path / "tree", {"a": bytes(30 * MIB)})
    program = f"""
{SILENT}
    import time
    real = SyncFileSystem(*sys.argv[2:5])
    moving = threading.Event()
    telling = SyncFileSystem(*sys.argv[2:5], progress=lambda *_: moving.set())
    stream = real.open("out/a")
    for call in (lambda: fs.ls("in"), lambda: fs.open("in/a").read_all(),
                 lambda: telling.upload(sys.argv[5])):
        threading.Thread(target=call, daemon=True).start()
    async def main():
        pending = [asynchronous.ls("in"), asynchronous.open("in/a").read_all()]
        tasks = [asyncio.ensure_future(one) for one in pending]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    asyncio.run(main())
    moving.wait()
    """
    arguments = (tracer.fid, tracer.panel_url, tracer.jwt, str(tree))
    assert ended_well(python(program, silent, *arguments))
    assert list(downloads.iterdir()) == []


# Threads


def test_threads_share_a_client(tracer: Tracer, tmp_path: Path) -> None:
    with tracer.fs_sync() as fs:

        def work(number: int) -> bytes:
            fs.upload(lay(tmp_path / str(number), {f"{number}/f": b"%d" % number}))
            with fs.open(f"out/{number}/f") as stream:
                content: bytes = stream.read_all()
            return content

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(32))) == [b"%d" % number for number in range(32)]


def test_a_client_serves_one_loop_after_another_and_loops_side_by_side(
    tracer: Tracer, tmp_path: Path
) -> None:
    tracer.fs_sync().upload(lay(tmp_path / "tree", {"a": b"1"}))
    fs = asyncio.run(tracer.fs())
    assert [ls_asynchronously(fs) for _ in range(3)] == [["out/a"]] * 3
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ls_asynchronously, [fs] * 16)) == [["out/a"]] * 16


# The tracer


def test_a_tracer_says_what_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    tracer = Tracer("run", "http://127.0.0.1:1/", "secret")
    kinds = ["debug", "result", "action", "markdown", "html", "text", "warning"]

    async def main() -> None:
        for kind in kinds:
            getattr(tracer, f"{kind}_sync")("one", "two")
            await getattr(tracer, kind)("three\nfour")

    asyncio.run(main())
    tracer.result_sync({"key": [1, 2]})
    said = capsys.readouterr()
    lines = sorted((said.out + said.err).splitlines())
    for kind in kinds:
        for word in ("one", "two", "three", "four"):
            assert f"[{kind}] {word}" in lines
    assert "[result] {'key': [1, 2]}" in lines
    again: Any = pickle.loads(pickle.dumps(tracer))
    assert (again.fid, again.panel_url, again.jwt) == ("run", "http://127.0.0.1:1", "secret")
    assert "secret" not in repr(tracer)


def test_installing_without_kodosumi_says_so() -> None:
    with pytest.raises(ImportError, match="kodosumi"):
        install()
