"""A mount that hangs must not hang the server: the timeout ends the call, and the others go on."""

import asyncio
import contextlib
import ctypes
import fcntl
import ftplib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import aioftp as real
import pytest

from conftest import descriptors, eventually
from test_server import retrieve, running
from twinfs import aioftp

LIMIT = 0.2
#: For what does not hang, on the busiest machine.
PATIENCE = 60


@contextlib.contextmanager
def opening_hangs(path: Path) -> Iterator[None]:
    """Has the kernel hold every open(2) of a file until the block is left (fanotify(7))."""
    if os.geteuid() != 0:
        pytest.skip("needs root: to hold opens of a file back in the kernel")
    libc = ctypes.CDLL(None, use_errno=True)
    content, cloexec, add, open_perm, here = 4, 1, 1, 0x10000, -100
    group = libc.fanotify_init(content | cloexec, os.O_RDONLY)
    if group < 0:
        pytest.skip(f"needs fanotify: {os.strerror(ctypes.get_errno())}")
    mask = ctypes.c_uint64(open_perm)
    assert libc.fanotify_mark(group, add, mask, here, os.fsencode(path)) == 0
    try:
        yield
    finally:
        # Who closes it lets all that was held go on.
        os.close(group)


async def timed_out(awaitable) -> None:
    with pytest.raises(real.PathIOError) as error:
        await awaitable
    assert isinstance(error.value.reason[1], TimeoutError)


@pytest.mark.parametrize("kind", ["AsyncPathIO", "TwinPathIO"])
def test_a_file_whose_open_hangs(kind, tmp_path, run):
    (tmp_path / "stuck").write_bytes(b"1")
    (tmp_path / "well").write_bytes(b"2")

    async def scenario():
        if kind == "AsyncPathIO":
            pathio, home = aioftp.AsyncPathIO(timeout=PATIENCE), tmp_path
        else:
            pathio, home = aioftp.pathio_factory(tmp_path)(timeout=PATIENCE), PurePosixPath("/")
        async with pathio.open(home / "well") as file:
            assert await file.read() == b"2"
        before = descriptors()
        with opening_hangs(tmp_path / "stuck"):
            pathio.timeout = LIMIT
            # More than there are workers to begin with.
            await asyncio.gather(*(timed_out(_open(pathio, home / "stuck")) for _ in range(8)))
            pathio.timeout = PATIENCE
            async with pathio.open(home / "well") as file:
                assert await file.read() == b"2"
        async with pathio.open(home / "stuck") as file:
            assert await file.read() == b"1"
        closed_again = await eventually(lambda: descriptors() <= before)
        assert closed_again, "what was opened after all was closed again"

    run(scenario())


async def _open(pathio, path):
    return await pathio.open(path)


def test_a_store_that_waits_for_a_lock(tmp_path, run):
    """Where versions are kept, a file is made under its directory's lock, which somebody holds."""

    async def scenario():
        pathio = aioftp.pathio_factory(tmp_path)(timeout=LIMIT)
        holder = os.open(tmp_path, os.O_RDONLY)
        fcntl.flock(holder, fcntl.LOCK_EX)
        try:
            await timed_out(_write(pathio))
            pathio.timeout = PATIENCE
            assert await pathio.list(PurePosixPath("/")) == []
        finally:
            os.close(holder)
        await _write(pathio)

    run(scenario())


async def _write(pathio):
    async with pathio.open(PurePosixPath("new"), "wb") as file:
        await file.write(b"1")


def test_a_server_that_never_answers(run):
    async def scenario():
        server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        pathio = aioftp.pathio_factory(f"run+http://127.0.0.1:{port}/65f0a1")(timeout=LIMIT)
        await timed_out(pathio.exists(PurePosixPath("in/a.txt")))
        await timed_out(_open(pathio, PurePosixPath("in/a.txt")))
        server.close()

    run(scenario())


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_hung_open_ends_one_command_and_not_the_server(tmp_path):
    (tmp_path / "stuck").write_bytes(b"1")
    (tmp_path / "well").write_bytes(b"2")

    class Limited(aioftp.AsyncPathIO):
        async def _open(self, path, *args, **kwargs):
            self.timeout = LIMIT if path.name == "stuck" else PATIENCE
            return await super()._open(path, *args, **kwargs)

    def limited(timeout=None, connection=None, state=None):
        return Limited(PATIENCE, connection, state)

    with (
        running(limited, tmp_path) as client,
        opening_hangs(tmp_path / "stuck"),
        client() as ftp,
    ):
        ftp.transfercmd("RETR stuck").close()
        with pytest.raises(ftplib.error_temp, match="451"):
            ftp.voidresp()
        assert retrieve(ftp, "well") == b"2"


def test_the_blocking_classes_take_a_timeout_and_do_not_use_it(tmp_path, run):
    (tmp_path / "file").write_bytes(b"1")

    async def scenario():
        assert await aioftp.PathIO(timeout=0).exists(tmp_path / "file")
        assert not await aioftp.MemoryPathIO(timeout=0).exists(PurePosixPath("/file"))

    run(scenario())
