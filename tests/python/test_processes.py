"""Life across processes: pickles, forks, signals, and the end of the interpreter."""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from twinfs import AsyncFileSystem, SyncFileSystem, errors

SPAWN = multiprocessing.get_context("spawn")


def python(text: str, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Runs a program in a Python of its own."""
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(text), *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=timeout,
    )


def ended_well(done: subprocess.CompletedProcess[str]) -> bool:
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return True


# Pickles


def read_there(fs: SyncFileSystem, path: str) -> bytes:
    return fs.read(path)


def read_there_asynchronously(fs: AsyncFileSystem, path: str) -> bytes:
    async def main() -> bytes:
        return await fs.read(path)

    return asyncio.run(main())


def test_file_systems_travel_to_spawned_processes(local: str) -> None:
    sync, asynchronous = SyncFileSystem(local), AsyncFileSystem(local, durability="none")
    sync.write("a", b"hello")
    with ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
        assert pool.submit(read_there, sync, "a").result(150) == b"hello"
        assert pool.submit(read_there_asynchronously, asynchronous, "a").result(150) == b"hello"


def test_readers_travel_to_spawned_processes(local: str) -> None:
    fs = SyncFileSystem(local)
    fs.write("a", b"one\ntwo\n")
    with fs.open("a") as file, ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
        file.readline()
        assert pool.submit(rest_of, file).result(150) == b"two\n"


def rest_of(file: Any) -> bytes:
    with file:
        rest: bytes = file.read()
        return rest


@pytest.mark.parametrize("kind", [SyncFileSystem, AsyncFileSystem])
def test_a_pickle_is_class_and_configuration(kind: type[Any], tmp_path: Path) -> None:
    fs = kind(tmp_path / "root", durability="file")
    again = pickle.loads(pickle.dumps(fs))
    assert type(again) is kind
    assert repr(again) == repr(fs)
    assert again.__getnewargs_ex__() == fs.__getnewargs_ex__()
    assert copy.copy(fs) is fs and copy.deepcopy(fs) is fs


def test_a_relative_path_means_the_same_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fs = SyncFileSystem("./root")
    fs.write("a", b"1")
    travelling = pickle.dumps(fs)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert pickle.loads(travelling).read("a") == b"1"


def test_a_named_memory_tree_travels_within_its_process() -> None:
    fs = SyncFileSystem("memory://travelling")
    fs.write("a", b"1")
    assert pickle.loads(pickle.dumps(fs)).read("a") == b"1"
    asynchronous = pickle.loads(pickle.dumps(AsyncFileSystem("memory://travelling")))
    assert read_there_asynchronously(asynchronous, "a") == b"1"


def test_a_memory_tree_of_another_process_is_refused() -> None:
    fs = SyncFileSystem("memory://elsewhere")
    done = python(
        """
        import pickle, sys, twinfs
        try:
            pickle.loads(bytes.fromhex(sys.argv[1]))
        except twinfs.errors.InvalidInput as error:
            print(error)
        """,
        pickle.dumps(fs).hex(),
    )
    assert ended_well(done)
    assert "tree of another process" in done.stdout and "shared=False" in done.stdout


def test_a_memory_tree_that_is_not_shared_is_empty_elsewhere() -> None:
    fs = SyncFileSystem("memory://alone", shared=False)
    fs.write("a", b"1")
    done = python(
        "import pickle, sys; print(pickle.loads(bytes.fromhex(sys.argv[1])).list())",
        pickle.dumps(fs).hex(),
    )
    assert ended_well(done)
    assert done.stdout == "[]\n"


def test_a_private_memory_tree_does_not_travel() -> None:
    with pytest.raises(TypeError, match="private"):
        pickle.dumps(SyncFileSystem("memory://"))
    assert pickle.loads(pickle.dumps(SyncFileSystem("memory://", shared=False))).list() == []


# Threads


def test_threads(url: str) -> None:
    fs = SyncFileSystem(url)

    def work(index: int) -> int:
        for round_ in range(20):
            fs.write(f"{index}/{round_}", b"%d" % round_)
        return len(fs.list(f"{index}"))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [20] * 8


def test_the_sync_face_inside_a_running_loop(url: str) -> None:
    async def main() -> bytes:
        fs = SyncFileSystem(url)
        fs.write("a", b"1")
        with fs.open("a") as file:
            return file.read()

    assert asyncio.run(main()) == b"1"


# Forks


def in_child(work: Any) -> int:
    """Runs something in a forked child; gives its exit status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if work() else 2
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
        finally:
            os._exit(status)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_both_faces_in_a_forked_child(url: str) -> None:
    sync, asynchronous = SyncFileSystem(url), AsyncFileSystem(url)
    names = [f"{index}" for index in range(100)]
    sync.write_many(dict.fromkeys(names, b"1"))
    asyncio.run(gathered(asynchronous, names))

    def work() -> bool:
        many = sync.read_many(names) == [b"1"] * 100
        return many and asyncio.run(gathered(asynchronous, names)) == [b"1"] * 100

    assert in_child(work) == 0
    assert work()


async def gathered(fs: AsyncFileSystem, names: list[str]) -> list[bytes]:
    return await asyncio.gather(*(fs.read(name) for name in names))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forks_while_work_is_in_flight(local: str) -> None:
    sync, asynchronous = SyncFileSystem(local), AsyncFileSystem(local)
    names = [f"{index}" for index in range(50)]
    sync.write_many(dict.fromkeys(names, b"1"))

    def work() -> bool:
        return asyncio.run(gathered(asynchronous, names)) == [b"1"] * 50

    async def main() -> list[int]:
        async def busy() -> None:
            while True:
                await asyncio.gather(*(asynchronous.write(name, b"1") for name in names))

        background = asyncio.create_task(busy())
        statuses = []
        for _ in range(30):
            await asyncio.sleep(0.002)
            # The loop of the parent is no business of the child: it runs in a thread of its own.
            statuses.append(in_child(lambda: in_new_thread(work)))
        background.cancel()
        await asyncio.gather(background, return_exceptions=True)
        return statuses

    assert asyncio.run(main()) == [0] * 30


def in_new_thread(work: Any) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(150)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_inherited_writer_is_of_no_use_in_a_child(local: str) -> None:
    fs = SyncFileSystem(local)
    with fs.open("a", "wb", buffering=0) as file:
        file.write(b"parent")

        def work() -> bool:
            try:
                file.write(b"child")
            except errors.Closed:
                return True
            return False

        assert in_child(work) == 0
    assert fs.read("a") == b"parent"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_child_has_a_memory_tree_of_its_own() -> None:
    fs = SyncFileSystem("memory://forked")
    fs.write("a", b"1")
    travelling = pickle.dumps(fs)

    def work() -> bool:
        fs.write("a", b"child")
        try:
            pickle.loads(travelling)
        except errors.InvalidInput:
            return fs.read("a") == b"child"
        return False

    assert in_child(work) == 0
    assert fs.read("a") == b"1"


def test_multiprocessing_by_fork(local: str) -> None:
    done = python(
        """
        import asyncio, multiprocessing, sys, twinfs, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        fs = twinfs.AsyncFileSystem(sys.argv[1])

        async def both(name):
            await fs.write(name, name.encode())
            return await fs.read(name)

        def work(index):
            return asyncio.run(both(str(index)))

        asyncio.run(both("parent"))
        with multiprocessing.get_context("fork").Pool(4) as pool:
            assert pool.map(work, range(40)) == [str(index).encode() for index in range(40)]
        print("done")
        """,
        local,
    )
    assert ended_well(done)
    assert done.stdout == "done\n"


# Signals


def interrupted(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a program, sends it Ctrl-C when it says "ready", and waits for its end."""
    # What started the tests may have had Ctrl-C ignored, as a shell does in the background.
    heeded = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", heeded + textwrap.dedent(text), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.mark.parametrize(
    "call", ["fs.write_many({'a': b''})", "fs.copy('a', 'b')", "limited.write('a', b'')"]
)
def test_ctrl_c_interrupts_a_sync_call(local: str, call: str) -> None:
    done = interrupted(
        f"""
        import fcntl, os, sys, twinfs
        fs = twinfs.SyncFileSystem(sys.argv[1])
        limited = twinfs.SyncFileSystem(sys.argv[1], timeout=60)
        fs.write("a", b"1")
        fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
        try:
            print("ready", flush=True)
            {call}
        except KeyboardInterrupt:
            print("interrupted", fs.list()[0].path)
        """,
        local,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted a\n", "")


def test_ctrl_c_interrupts_a_loop(local: str) -> None:
    done = interrupted(
        """
        import asyncio, fcntl, os, sys, twinfs
        fs = twinfs.AsyncFileSystem(sys.argv[1])
        fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
        async def main():
            print("ready", flush=True)
            await fs.write("a", b"")
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted")
        """,
        local,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")


def test_a_signal_handler_runs_while_a_sync_call_waits(local: str) -> None:
    done = python(
        """
        import fcntl, os, signal, sys, twinfs
        fs = twinfs.SyncFileSystem(sys.argv[1])
        folder = os.open(sys.argv[1], os.O_RDONLY)
        fcntl.flock(folder, fcntl.LOCK_EX)
        def handler(*_):
            print("handled", flush=True)
            fcntl.flock(folder, fcntl.LOCK_UN)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        fs.write_many({"a": b"1"})
        print(fs.read("a"))
        """,
        local,
    )
    assert ended_well(done)
    assert done.stdout == "handled\nb'1'\n"


def test_a_signal_handler_runs_while_a_sync_call_makes_its_results(local: str) -> None:
    done = python(
        """
        import signal, sys, twinfs
        fs = twinfs.SyncFileSystem(sys.argv[1])
        fs.write("a", b"")
        signal.signal(signal.SIGALRM, lambda *_: fs.remove("a"))
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        try:
            fs.read_many(["a"] * 500_000)
        except FileNotFoundError:
            print("handled meanwhile")
        """,
        local,
    )
    assert ended_well(done)
    assert done.stdout == "handled meanwhile\n"


# The end of the interpreter


@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "without-readers"])
def test_the_interpreter_ends_with_work_in_flight(local: str, loop: str) -> None:
    done = python(
        """
        import asyncio, fcntl, os, sys, twinfs, uvloop
        fs = twinfs.AsyncFileSystem(sys.argv[1])
        class WithoutReaders(asyncio.SelectorEventLoop):
            def add_reader(self, *_): raise NotImplementedError
        kinds = {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop,
                 "without-readers": WithoutReaders}
        loop = kinds[sys.argv[2]]()
        data = bytearray(10_000_000)
        async def main():
            await asyncio.gather(*(fs.write(f"a/{n}", b"x") for n in range(100)))
            fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX)
            for n in range(100):
                fs.write(f"b/{n}", data).start()
                fs.write(f"{n}", data).start()
        loop.run_until_complete(main())
        """,
        local,
        loop,
    )
    assert ended_well(done)


def test_the_interpreter_ends_with_sync_calls_in_threads(local: str) -> None:
    done = python(
        """
        import fcntl, os, sys, threading, time, twinfs
        fs = twinfs.SyncFileSystem(sys.argv[1])
        fs.create_dir("stuck")
        fcntl.flock(os.open(sys.argv[1] + "/stuck", os.O_RDONLY), fcntl.LOCK_EX)
        def busy():
            while True:
                fs.write("a", b"x" * 100_000)
        def waiting():
            fs.write("stuck/a", b"")
        for target in (busy, busy, waiting, lambda: fs.write_many({"stuck/b": b""})):
            threading.Thread(target=target, daemon=True).start()
        time.sleep(0.2)
        """,
        local,
    )
    assert ended_well(done)


def test_the_interpreter_ends_with_files_open(local: str) -> None:
    done = python(
        """
        import sys, twinfs
        fs = twinfs.SyncFileSystem(sys.argv[1])
        reader_of_nothing = fs.open("a", "wb")
        reader_of_nothing.write(b"x")
        text = fs.open("b", "w")
        text.write("x")
        """,
        local,
    )
    assert ended_well(done)
    assert SyncFileSystem(local).list() == []
