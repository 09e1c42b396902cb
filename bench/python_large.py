"""Large files and large folders, from Python."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import python_peers as peers
from python_setting import Setting
from rounds import TIME, Contest, have_memory

BLOCK = 1024 * 1024
READ = 4096
RANDOM_SIZE = 64 * 1024 * 1024
Outcomes = dict[str, dict[str, Any]]


def random_reads(setting: Setting) -> Outcomes:
    """Random 4 KiB reads from one open file of 64 MiB, one after the other in asyncio."""
    folder = setting.folder / "random"
    folder.mkdir()
    (folder / "file").write_bytes(os.urandom(RANDOM_SIZE))
    offsets = random.Random(1).choices(range(RANDOM_SIZE - READ), k=setting.reads)
    contest = Contest(len(offsets), READ * len(offsets), setting.peers)
    path = str(folder / "file")
    descriptor = os.open(path, os.O_RDONLY)

    def plain() -> int:
        return sum(len(os.pread(descriptor, READ, offset)) for offset in offsets)

    def enter(name: str, read_at: Callable[[Any, int], Any], file: Any) -> None:
        async def check() -> None:
            for offset in offsets[:10]:
                if bytes(await read_at(file, offset)) != os.pread(descriptor, READ, offset):
                    raise RuntimeError(f"{name} reads other bytes at {offset}")

        async def run() -> int:
            total = 0
            for offset in offsets:
                content = await read_at(file, offset)
                total += len(content)
            return total

        setting.runner.run(check())
        contest.enter(name, run)

    async def seek_and_read(file: Any, offset: int) -> Any:
        await file.seek(offset)
        return await file.read(READ)

    async def seek_and_read_all(file: Any, offset: int) -> Any:
        content = await seek_and_read(file, offset)
        while len(content) < READ and (more := await file.read(READ - len(content))):
            content += more
        return content

    contest.enter("plain os.pread()", plain)
    if peers.present("twinfs"):
        import twinfs

        fs, sync_fs = twinfs.AsyncFileSystem(str(folder)), twinfs.SyncFileSystem(str(folder))
        enter(
            "twinfs.AsyncFile.read_at",
            lambda file, offset: file.read_at(offset, READ),
            setting.runner.run(opened(lambda: fs.open("file", "rb"))),
        )
        sync_file = sync_fs.open("file", "rb", buffering=0)
        contest.enter(
            "twinfs.SyncFile.read_at",
            lambda: sum(len(sync_file.read_at(offset, READ)) for offset in offsets),
        )
    if peers.present("aiofiles"):
        import aiofiles

        file = setting.runner.run(opened(lambda: aiofiles.open(path, "rb")))
        enter("aiofiles", seek_and_read, file)
    if peers.present("aiofile"):
        import aiofile

        file = setting.runner.run(opened(lambda: aiofile.AIOFile(path, "rb")))
        enter("aiofile", lambda file, offset: file.read_bytes(READ, offset), file)
    if peers.present("anyio"):
        import anyio

        enter(
            "anyio", seek_and_read, setting.runner.run(opened(lambda: anyio.open_file(path, "rb")))
        )
    if peers.present("obstore"):
        from obstore.store import LocalStore

        store = LocalStore(folder)
        enter(
            "obstore",
            lambda _, offset: store.get_range_async("file", start=offset, length=READ),
            None,
        )
    if peers.present("opendal"):
        import opendal

        operator = opendal.AsyncOperator("fs", root=str(folder))
        file = setting.runner.run(opened(lambda: operator.open("file", "rb")))
        # It may give less than it was asked for.
        enter("opendal", seek_and_read_all, file)
    outcome = contest.run(setting.runner, setting.rounds)[TIME]
    os.close(descriptor)
    return {"random": outcome}


async def manager_of(opening: Any) -> Any:
    """An asynchronous context manager, which some peers give only after an await."""
    return opening if hasattr(opening, "__aenter__") else await opening


async def opened(open_it: Callable[[], Any]) -> Any:
    return await (await manager_of(open_it())).__aenter__()


def summed(blocks: Iterable[Any]) -> int:
    return sum(len(block) for block in blocks)


async def async_summed(blocks: AsyncIterator[Any]) -> int:
    total = 0
    async for block in blocks:
        total += len(block)
    return total


def blocks_of(file: Any) -> Iterable[Any]:
    while block := file.read(BLOCK):
        yield block


async def async_blocks_of(open_it: Callable[[], Any]) -> AsyncIterator[Any]:
    async with await manager_of(open_it()) as file:
        while block := await file.read(BLOCK):
            yield block


def stream_read(setting: Setting) -> Outcomes:
    """A large file in blocks of 1 MiB."""
    folder = setting.folder / "stream"
    folder.mkdir()
    path = str(folder / "file")
    with open(path, "wb") as file:
        for _ in range(setting.large // BLOCK):
            file.write(os.urandom(BLOCK))
    contest = Contest(setting.large // BLOCK, setting.large, setting.peers)

    def enter_sync(name: str, open_it: Callable[[], Any]) -> None:
        def run() -> int:
            with open_it() as file:
                return summed(blocks_of(file))

        contest.enter(name, run)

    def enter(name: str, open_it: Callable[[], Any]) -> None:
        contest.enter(name, lambda: async_summed(async_blocks_of(open_it)))

    enter_sync(peers.PLAIN, lambda: open(path, "rb", buffering=0))  # noqa: SIM115 - closed there
    if peers.present("twinfs"):
        import twinfs

        sync, concurrent = twinfs.SyncFileSystem(str(folder)), twinfs.AsyncFileSystem(str(folder))
        enter_sync(peers.SYNC, lambda: sync.open("file", "rb", buffering=0))
        enter(peers.ASYNC, lambda: concurrent.open("file", "rb"))
    if peers.present("aiofiles"):
        import aiofiles

        enter("aiofiles", lambda: aiofiles.open(path, "rb", buffering=0))
    if peers.present("aiofile"):
        import aiofile

        enter("aiofile", lambda: aiofile.async_open(path, "rb"))
    if peers.present("anyio"):
        import anyio

        enter("anyio", lambda: anyio.open_file(path, "rb", buffering=0))
    if peers.present("obstore"):
        from obstore.store import LocalStore

        store = LocalStore(folder)

        async def with_obstore() -> int:
            result = await store.get_async("file")
            return await async_summed(result.stream(min_chunk_size=BLOCK))

        # It takes most of the time there is.
        rounds = setting.slow_rounds
        contest.enter(
            "obstore",
            lambda: summed(store.get("file").stream(min_chunk_size=BLOCK)),
            rounds=rounds,
        )
        contest.enter("obstore (asyncio)", with_obstore, rounds=rounds)
    if peers.present("opendal"):
        import opendal

        operator = opendal.Operator("fs", root=str(folder))
        async_operator = opendal.AsyncOperator("fs", root=str(folder))
        enter_sync("opendal", lambda: operator.open("file", "rb"))
        enter("opendal (asyncio)", lambda: async_operator.open("file", "rb"))
    outcome = contest.run(setting.runner, setting.rounds)[TIME]
    shutil.rmtree(folder)
    return {"stream_read": outcome}


def stream_write(setting: Setting) -> Outcomes:
    """A large new file in blocks of 1 MiB, into the page cache."""
    folder = setting.folder / "stream"
    folder.mkdir()
    target = folder / "file"
    path = str(target)
    block, count = os.urandom(BLOCK), setting.large // BLOCK
    contest = Contest(count, setting.large, setting.peers)

    def check() -> None:
        if target.stat().st_size != setting.large:
            raise RuntimeError(f"{target.stat().st_size} bytes were written")
        with open(path, "rb") as file:
            for _ in range(count):
                if file.read(BLOCK) != block:
                    raise RuntimeError("other bytes were written")
        # Before the kernel has begun to write it back, which would disturb whoever comes next.
        target.unlink()

    def enter_sync(name: str, open_it: Callable[[], Any]) -> None:
        def run() -> int:
            with open_it() as file:
                for _ in range(count):
                    file.write(block)
            return setting.large

        contest.enter(name, run, prepare=lambda: have_memory(setting.large), check=check)

    def enter(name: str, open_it: Callable[[], Any]) -> None:
        async def run() -> int:
            async with await manager_of(open_it()) as file:
                for _ in range(count):
                    await file.write(block)
            return setting.large

        contest.enter(name, run, prepare=lambda: have_memory(setting.large), check=check)

    enter_sync(peers.PLAIN_WRITE, lambda: open(path, "wb", buffering=0))  # noqa: SIM115 - closed there
    if peers.present("twinfs"):
        import twinfs

        sync, concurrent = twinfs.SyncFileSystem(str(folder)), twinfs.AsyncFileSystem(str(folder))
        enter_sync(peers.SYNC, lambda: sync.open("file", "wb", buffering=0))
        enter(peers.ASYNC, lambda: concurrent.open("file", "wb", buffering=0))
    if peers.present("aiofiles"):
        import aiofiles

        enter("aiofiles", lambda: aiofiles.open(path, "wb", buffering=0))
    if peers.present("aiofile"):
        import aiofile

        enter("aiofile", lambda: aiofile.async_open(path, "wb"))
    if peers.present("anyio"):
        import anyio

        enter("anyio", lambda: anyio.open_file(path, "wb", buffering=0))
    if peers.present("obstore"):
        import obstore

        store = obstore.store.LocalStore(folder)
        enter_sync("obstore", lambda: obstore.open_writer(store, "file"))
        enter("obstore (asyncio)", lambda: obstore.open_writer_async(store, "file"))
    if peers.present("opendal"):
        import opendal

        operator = opendal.Operator("fs", root=str(folder))
        async_operator = opendal.AsyncOperator("fs", root=str(folder))
        enter_sync("opendal", lambda: operator.open("file", "wb"))
        enter("opendal (asyncio)", lambda: async_operator.open("file", "wb"))
    outcome = contest.run(setting.runner, setting.rounds)[TIME]
    shutil.rmtree(folder)
    return {"stream_write": outcome}


def list_all(setting: Setting) -> Outcomes:
    """All files of a tree, recursively, with sizes."""
    folder = setting.folder / "listed"
    per_folder, content = 1000, b"1234567"
    for outer in range(setting.folders):
        sub = folder / f"folder-{outer:03}"
        sub.mkdir(parents=True)
        for inner in range(per_folder):
            (sub / f"file-{inner:04}").write_bytes(content)
    files = setting.folders * per_folder
    contest = Contest(files, files * len(content), setting.peers)
    for name, listed in peers.listers(folder).items():
        contest.enter(name, listed)
    outcome = contest.run(setting.runner, setting.rounds)[TIME]
    shutil.rmtree(folder)
    return {"list": outcome}


def start(setting: Setting) -> Outcomes:
    """Importing the package in a fresh interpreter."""
    contest = Contest(1, 0, setting.peers)

    def importing(name: str) -> tuple[int, dict[str, float]]:
        program = f"import time; start = time.perf_counter(); import {name}; "
        program += "print((time.perf_counter() - start) * 1e6)"
        command = [sys.executable, "-I", "-c", program]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return 0, {"start": float(done.stdout)}

    for name in ("asyncio", "twinfs", "aiofiles", "anyio", "fsspec", "obstore", "opendal"):
        if peers.present(name):
            label = f"plain import {name}" if name == "asyncio" else f"import {name}"
            contest.enter(label, lambda name=name: importing(name))
    return contest.run(setting.runner, setting.rounds)
