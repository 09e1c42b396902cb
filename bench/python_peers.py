"""Each peer's own shortest way to read, write and list files, and ours.

Every function takes the folder that is measured and gives callables by the contender's name, in the
order in which they are reported. What cannot be imported does not take part.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rounds import say

Read = Callable[[str], Any]
AsyncRead = Callable[[str], Awaitable[Any]]
Write = Callable[[str, bytes], Any]
AsyncWrite = Callable[[str, bytes], Awaitable[Any]]

PLAIN = "plain open() and read()"
PLAIN_WRITE = "plain open() and write()"
TO_THREAD = "asyncio.to_thread"
SYNC = "twinfs.SyncFileSystem"
ASYNC = "twinfs.AsyncFileSystem"
POOL = f"{ASYNC}, through its pool"
PACKAGES = (
    *("aiofile", "aiofiles", "anyio", "fsspec", "obstore", "opendal", "proxystore", "redis"),
    "twinfs",
)


#: It takes some hundred microseconds a file, in as many rounds as the others most of the time.
SLOW = "opendal"


def present(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def versions() -> dict[str, str]:
    found = {name: importlib.metadata.version(name) for name in PACKAGES if present(name)}
    if "twinfs" not in found:
        say("no twinfs package: only its peers are measured")
    return {"python": sys.version.split()[0], **found}


def read_plain(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def write_plain(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


def readers(folder: Path) -> dict[str, Read]:
    """Whole files on the sync face, by their name in the folder."""
    root = f"{folder}/"
    found: dict[str, Read] = {PLAIN: lambda name: read_plain(root + name)}
    if present("twinfs"):
        import twinfs

        found[SYNC] = twinfs.SyncFileSystem(str(folder)).read
    if present("obstore"):
        from obstore.store import LocalStore

        store = LocalStore(folder)
        found["obstore"] = lambda name: store.get(name).bytes()
    if present("opendal"):
        import opendal

        found["opendal"] = opendal.Operator("fs", root=str(folder)).read
    return found


def async_readers(folder: Path) -> dict[str, AsyncRead]:
    """Whole files in asyncio, by their name in the folder."""
    root = f"{folder}/"
    found: dict[str, AsyncRead] = {}
    if present("twinfs"):
        import twinfs

        found[ASYNC] = twinfs.AsyncFileSystem(str(folder)).read
    found[TO_THREAD] = lambda name: asyncio.to_thread(read_plain, root + name)
    if present("aiofiles"):
        import aiofiles

        async def with_aiofiles(name: str) -> bytes:
            async with aiofiles.open(root + name, "rb") as file:
                return await file.read()

        found["aiofiles"] = with_aiofiles
    if present("aiofile"):
        import aiofile

        async def with_aiofile(name: str) -> bytes:
            async with aiofile.async_open(root + name, "rb") as file:
                return await file.read()

        found["aiofile"] = with_aiofile
    if present("anyio"):
        import anyio

        found["anyio"] = lambda name: anyio.Path(root + name).read_bytes()
    if present("obstore"):
        from obstore.store import LocalStore

        store = LocalStore(folder)

        async def with_obstore(name: str) -> Any:
            return await (await store.get_async(name)).bytes_async()

        found["obstore"] = with_obstore
    if present("opendal"):
        import opendal

        found["opendal"] = opendal.AsyncOperator("fs", root=str(folder)).read
    return found


async def pool_reader(folder: Path, names: list[str]) -> AsyncRead:
    """Our whole files where they are not read in place: with a condition on their versions."""
    import twinfs

    fs = twinfs.AsyncFileSystem(str(folder))
    versions = {name: (await fs.stat(name, version=True)).version for name in names}
    return lambda name: fs.read(name, if_version=versions[name])


def writers(folder: Path) -> dict[str, Write]:
    """Whole files on the sync face. Each has a sub-folder of its own, named by its place."""
    found: dict[str, Write] = {}

    def own() -> str:
        sub = folder / f"sync-{len(found)}"
        sub.mkdir()
        return str(sub)

    def plain(root: str) -> Write:
        return lambda name, content: write_plain(f"{root}/{name}", content)

    def renamed(root: str) -> Write:
        def write(name: str, content: bytes) -> None:
            write_plain(f"{root}/.{name}", content)
            os.rename(f"{root}/.{name}", f"{root}/{name}")

        return write

    found[PLAIN_WRITE] = plain(own())
    found["plain write and rename"] = renamed(own())
    if present("twinfs"):
        import twinfs

        found[SYNC] = twinfs.SyncFileSystem(own()).write
    if present("obstore"):
        from obstore.store import LocalStore

        store = LocalStore(own())
        found["obstore"] = store.put
    if present("opendal"):
        import opendal

        found["opendal"] = opendal.Operator("fs", root=own()).write
    return found


def async_writers(folder: Path) -> dict[str, AsyncWrite]:
    """Whole files in asyncio. Each has a sub-folder of its own, named by its place."""
    found: dict[str, AsyncWrite] = {}

    def own() -> str:
        sub = folder / f"async-{len(found)}"
        sub.mkdir()
        return str(sub)

    if present("twinfs"):
        import twinfs

        found[ASYNC] = twinfs.AsyncFileSystem(own()).write

    def to_thread(root: str) -> AsyncWrite:
        return lambda name, content: asyncio.to_thread(write_plain, f"{root}/{name}", content)

    found[TO_THREAD] = to_thread(own())
    if present("aiofiles"):
        import aiofiles

        of_aiofiles = own()

        async def with_aiofiles(name: str, content: bytes) -> None:
            async with aiofiles.open(f"{of_aiofiles}/{name}", "wb") as file:
                await file.write(content)

        found["aiofiles"] = with_aiofiles
    if present("anyio"):
        import anyio

        of_anyio = own()
        found["anyio"] = lambda name, content: anyio.Path(of_anyio, name).write_bytes(content)
    if present("obstore"):
        from obstore.store import LocalStore

        found["obstore"] = LocalStore(own()).put_async
    if present("opendal"):
        import opendal

        found["opendal"] = opendal.AsyncOperator("fs", root=own()).write
    return found


# Listings: each gives the sum of the sizes of the files below the folder.


def scan(folder: str) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                total += scan(entry.path)
            else:
                total += entry.stat(follow_symlinks=False).st_size
    return total


def listers(folder: Path) -> dict[str, Callable[[], int | Awaitable[int]]]:
    found: dict[str, Callable[[], int | Awaitable[int]]] = {
        "plain os.scandir() with stat()": lambda: scan(str(folder))
    }
    if present("twinfs"):
        import twinfs

        sync, concurrent = twinfs.SyncFileSystem(str(folder)), twinfs.AsyncFileSystem(str(folder))

        async def with_async_walk() -> int:
            total = 0
            async for entry in concurrent.walk(detail=True):
                total += entry.size
            return total

        def in_one_list() -> int:
            return sum(entry.size for entry in sync.list(detail=True, recursive=True))

        found[SYNC] = lambda: sum(entry.size for entry in sync.walk(detail=True))
        found[f"{SYNC}, unordered"] = lambda: sum(
            entry.size for entry in sync.walk(detail=True, ordered=False)
        )
        found[f"{SYNC}, one list"] = in_one_list
        found[ASYNC] = with_async_walk
    if present("fsspec"):
        from fsspec.implementations.local import LocalFileSystem

        local = LocalFileSystem()

        def with_fsspec() -> int:
            return sum(info["size"] for info in local.find(str(folder), detail=True).values())

        found["fsspec"] = with_fsspec
    if present("obstore"):
        from obstore.store import LocalStore

        store = LocalStore(folder)
        found["obstore"] = lambda: sum(meta["size"] for page in store.list() for meta in page)
    if present("opendal"):
        import opendal

        operator = opendal.Operator("fs", root=str(folder))
        found["opendal"] = lambda: sum(
            entry.metadata.content_length for entry in operator.list("", recursive=True)
        )
    return found
