"""Connectors and keys across processes: pickles, spawn, fork, kills and Ctrl-C."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from twinfs.proxystore import FileConnector, TwinConnector

SPAWN = multiprocessing.get_context("spawn")
FORK = multiprocessing.get_context("fork")


def start(text: str, *arguments: str) -> subprocess.Popen[str]:
    """Starts a program in a Python of its own."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", textwrap.dedent(text), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return out


def get_there(connector: Any, key: Any) -> bytes | None:
    found: bytes | None = connector.get(key)
    connector.close(clear=False)
    return found


def put_there(kind: type[Any], config: dict[str, Any], object_: bytes) -> Any:
    connector = kind.from_config(config)
    key = connector.put(object_)
    connector.close(clear=False)
    return key


@pytest.mark.parametrize("context", [SPAWN, FORK], ids=["spawn", "fork"])
@pytest.mark.parametrize("kind", [FileConnector, TwinConnector])
def test_connectors_and_keys_travel(kind: type[Any], context: Any, tmp_path: Path) -> None:
    connector = kind(tmp_path / "store")
    key = connector.put(b"from here")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert pool.submit(get_there, connector, key).result(150) == b"from here"
        there = pool.submit(put_there, kind, connector.config(), b"from there").result(150)
    assert connector.get(there) == b"from there"
    connector.close(clear=True)


def test_a_tree_in_memory_is_refused_elsewhere() -> None:
    connector = TwinConnector("memory://here")
    program = """
        import pickle, sys
        from twinfs.proxystore import TwinConnector
        config = pickle.loads(bytes.fromhex(sys.argv[1]))
        for make in (lambda: TwinConnector(**config), lambda: TwinConnector.from_config(config),
                     lambda: pickle.loads(bytes.fromhex(sys.argv[2]))):
            try:
                make()
            except ValueError as error:
                print(error)
    """
    pickles = (pickle.dumps(connector.config()).hex(), pickle.dumps(connector).hex())
    said = finish(start(program, *pickles))
    assert said.count("memory://here is a tree of another process") == 3


HOLDER = """
    import sys
    from twinfs.proxystore import FileConnector, FileKey
    connector = FileConnector(sys.argv[1])
    print("open")
    for line in sys.stdin:
        if line == "close\\n":
            connector.close()
        print(connector.get(FileKey(line.strip())))
"""


def ask(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin and process.stdout
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_a_store_that_another_process_holds_stays(tmp_path: Path) -> None:
    store_dir = tmp_path / "store"
    connector = FileConnector(str(store_dir))
    key = connector.put(b"here")
    with start(HOLDER, str(store_dir)) as other:
        assert other.stdout and other.stdout.readline() == "open\n"
        connector.close()
        assert ask(other, key.filename) == "b'here'"
        assert ask(other, "close") == "None"
        assert not store_dir.exists()
        finish(other)


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    store_dir = tmp_path / "store"
    connector = FileConnector(str(store_dir))
    connector.put(b"here")
    with start(HOLDER, str(store_dir)) as other:
        assert other.stdout and other.stdout.readline() == "open\n"
        other.kill()
        other.communicate(timeout=60)
    connector.close()
    assert not store_dir.exists()


def test_a_forked_child_uses_the_connector_and_leaves_the_parents_hold(tmp_path: Path) -> None:
    store_dir = tmp_path / "store"
    connector = FileConnector(str(store_dir))
    key = connector.put(b"here")

    def child() -> None:
        assert connector.get(key) == b"here"
        assert len(connector.put_batch([b"x"] * 200)) == 200
        connector.close()

    process = FORK.Process(target=child)
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert connector.get(key) == b"here"
    connector.close()
    assert not store_dir.exists()


def test_kill_9_leaves_no_part_of_an_object(tmp_path: Path) -> None:
    store_dir = tmp_path / "store"
    program = """
        import sys
        from twinfs.proxystore import FileConnector
        connector = FileConnector(sys.argv[1])
        object_ = b"0123456789" * 3_000_000
        print("putting")
        while True:
            connector.put(object_)
    """
    for pause in (0.0, 0.005, 0.02):
        with start(program, str(store_dir)) as process:
            assert process.stdout and process.stdout.readline() == "putting\n"
            time.sleep(pause)
            process.kill()
            process.communicate(timeout=60)
        with FileConnector(str(store_dir)) as connector:
            files = [path for path in store_dir.rglob("*") if path.is_file()]
            assert not [path for path in files if path.name.startswith(".twinfs-")]
            for path in files:
                key = type(connector.new_key())(path.name.removesuffix(".obj"))
                assert connector.get(key) == b"0123456789" * 3_000_000
        assert not store_dir.exists()


def test_ctrl_c_ends_a_long_put_and_leaves_nothing(tmp_path: Path) -> None:
    store_dir = tmp_path / "store"
    program = """
        import os, signal, sys, threading, time
        from twinfs.proxystore import FileConnector
        connector = FileConnector(sys.argv[1])
        object_ = bytearray(800 * 2**20)
        def writing():
            # The file has no name before it is whole.
            for name in os.listdir("/proc/self/fd"):
                try:
                    link = os.readlink(f"/proc/self/fd/{name}")
                except OSError:
                    continue
                if link.startswith(sys.argv[1]) and link.endswith("(deleted)"):
                    return True
            return False
        def interrupt():
            while not writing():
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt).start()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        key = None
        try:
            # Again, where the other thread missed one.
            while True:
                key = connector.put(object_)
                connector.evict(key)
                key = None
        except KeyboardInterrupt:
            if key is not None:
                connector.evict(key)
            print("interrupted")
        deadline = time.monotonic() + 60
        while any(names for _, _, names in os.walk(sys.argv[1])) and time.monotonic() < deadline:
            time.sleep(0.01)
        print([names for _, _, names in os.walk(sys.argv[1]) if names])
        connector.close()
    """
    assert finish(start(program, str(store_dir))).splitlines() == ["interrupted", "[]"]
    assert not store_dir.exists()


def test_a_connector_works_at_the_end_of_the_interpreter(tmp_path: Path) -> None:
    store_dir = tmp_path / "store"
    program = """
        import atexit, sys
        from twinfs.proxystore import FileConnector
        connector = FileConnector(sys.argv[1])
        key = connector.put(b"x")
        atexit.register(lambda: (print(connector.get(key)), connector.close()))
    """
    assert finish(start(program, str(store_dir))) == "b'x'\n"
    assert not store_dir.exists()


def test_descriptors_come_back(tmp_path: Path) -> None:
    def count() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    def use(number: int) -> None:
        with FileConnector(str(tmp_path / f"store-{number}")) as connector:
            connector.get_batch(connector.put_batch([b"x"] * 100))

    handler = signal.getsignal(signal.SIGINT)
    use(0)
    before = count()
    for number in range(50):
        use(number)
    # A worker that has nothing left to do may hold on to the directory for a moment.
    for _ in range(6000):
        if count() <= before:
            break
        time.sleep(0.01)
    assert count() <= before
    assert signal.getsignal(signal.SIGINT) is handler
