"""aioftp's server over our classes, and ftplib, which knows nothing of either, as its client."""

import asyncio
import ftplib
import gc
import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from twinfs import aioftp

# Where a file cannot be opened aioftp's server leaves the data connection to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

KINDS = ("PathIO", "AsyncPathIO", "MemoryPathIO", "TwinPathIO-disk", "TwinPathIO-memory")


def served(kind: str, folder: Path) -> tuple[Any, PurePosixPath | Path]:
    """A factory for a server, and the folder that its user sees."""
    if kind == "PathIO":
        return aioftp.PathIO, folder
    if kind == "AsyncPathIO":
        return aioftp.PathIONursery(aioftp.AsyncPathIO), folder
    if kind == "MemoryPathIO":
        return aioftp.PathIONursery(aioftp.MemoryPathIO), PurePosixPath("/")
    url = folder if kind == "TwinPathIO-disk" else "memory://"
    return aioftp.pathio_factory(url), PurePosixPath("/")


@contextmanager
def running(factory: Any, base: PurePosixPath | Path, **options: Any) -> Iterator[Callable]:
    """A server on a thread of its own; gives what makes clients."""
    ready = threading.Event()
    stop: asyncio.Event
    port = 0
    loop: asyncio.AbstractEventLoop

    async def serve() -> None:
        nonlocal stop, port, loop
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        user = aioftp.User("ftp", "secret", base_path=base)
        server = aioftp.Server([user], path_io_factory=factory, path_timeout=60, **options)
        await server.start("127.0.0.1", 0)
        port = server.server_port
        ready.set()
        await stop.wait()
        await server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(60)

    def client() -> ftplib.FTP:
        ftp = ftplib.FTP(timeout=60)
        ftp.connect("127.0.0.1", port)
        ftp.login("ftp", "secret")
        return ftp

    try:
        yield client
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        gc.collect()


@pytest.fixture(params=KINDS)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], ftplib.FTP]]:
    factory, base = served(request.param, tmp_path)
    with running(factory, base) as client:
        yield client


def retrieve(ftp: ftplib.FTP, path: str, rest: int | None = None) -> bytes:
    parts: list[bytes] = []
    ftp.retrbinary(f"RETR {path}", parts.append, rest=rest)
    return b"".join(parts)


def test_a_session_of_an_ordinary_client(client):
    with client() as ftp:
        content = bytes(range(256)) * 4000
        ftp.mkd("home")
        ftp.cwd("home")
        ftp.storbinary("STOR file.bin", io.BytesIO(content))
        assert retrieve(ftp, "file.bin") == content
        assert retrieve(ftp, "/home/file.bin", rest=1_000_000) == content[1_000_000:]
        ftp.storbinary("APPE file.bin", io.BytesIO(b"more"))
        facts = {name: facts for name, facts in ftp.mlsd() if name not in (".", "..")}
        assert list(facts) == ["file.bin"]
        assert (facts["file.bin"]["type"], facts["file.bin"]["size"]) == ("file", "1024004")
        lines: list[str] = []
        ftp.retrlines("LIST", lines.append)
        assert len(lines) == 1 and lines[0].startswith("-rw") and "1024004" in lines[0]
        ftp.rename("file.bin", "renamed")
        ftp.cwd("/")
        with pytest.raises(ftplib.error_perm):
            ftp.cwd("missing")
        with pytest.raises(ftplib.Error):
            ftp.rmd("home")
        ftp.delete("home/renamed")
        ftp.rmd("home")
        assert not [name for name, _ in ftp.mlsd() if name not in (".", "..")]


def test_refusals_are_answers_and_the_session_goes_on(client):
    with client() as ftp:
        ftp.storbinary("STOR file", io.BytesIO(b"1"))
        for command in (
            "RETR missing",
            "RETR file/below",
            "DELE missing",
            "CWD file",
            "MLST missing",
        ):
            with pytest.raises(ftplib.error_perm, match="550"):
                ftp.voidcmd("PASV")
                ftp.voidcmd(command)
        for name in ("x" * 300, "a\tb", ".twinfs-x"):
            with pytest.raises(ftplib.Error):
                ftp.storbinary(f"STOR {name}", io.BytesIO(b"1"))
        assert retrieve(ftp, "file") == b"1"


def test_rest_and_stor_go_on_with_a_partial_file(client):
    content = bytes(range(256)) * 1000
    with client() as ftp:
        ftp.voidcmd("TYPE I")
        # The line goes down in the middle of an upload.
        with ftp.transfercmd("STOR upload.bin") as broken:
            broken.sendall(content[:100_000])
        ftp.voidresp()
    with client() as ftp:
        there = int(dict(ftp.mlsd())["upload.bin"]["size"])
        assert there == 100_000
        ftp.storbinary("STOR upload.bin", io.BytesIO(content[there:]), rest=there)
        assert retrieve(ftp, "upload.bin") == content
        # In the middle, too: the rest stays as it is.
        ftp.storbinary("STOR upload.bin", io.BytesIO(b"xyz"), rest=10)
        assert retrieve(ftp, "upload.bin") == content[:10] + b"xyz" + content[13:]


def test_others_see_an_upload_grow(client):
    with client() as uploading, client() as watching:
        uploading.voidcmd("TYPE I")
        sizes = []
        with uploading.transfercmd("STOR growing") as data:
            for part in (b"a" * 8192, b"b" * 8192):
                data.sendall(part)
                wanted = 8192 * (len(sizes) + 1)
                # The server takes what was sent in its own time.
                deadline = time.monotonic() + 60
                while time.monotonic() < deadline:
                    facts = dict(watching.mlsd()).get("growing")
                    if facts is not None and int(facts["size"]) == wanted:
                        break
                sizes.append(facts and int(facts["size"]))
                assert retrieve(watching, "growing")[-1:] == part[-1:]
        uploading.voidresp()
        assert sizes == [8192, 16384]


def test_an_atomic_upload_is_seen_when_it_is_whole(tmp_path):
    with running(partial(aioftp.AsyncPathIO, atomic=True), tmp_path) as client:
        with client() as uploading, client() as watching:
            uploading.voidcmd("TYPE I")
            with uploading.transfercmd("STOR whole") as data:
                data.sendall(b"a" * 100_000)
                assert not [name for name, _ in watching.mlsd() if name == "whole"]
            uploading.voidresp()
            assert len(retrieve(watching, "whole")) == 100_000
        assert [path.name for path in tmp_path.iterdir()] == ["whole"]


def test_aioftps_client_takes_our_classes_too(tmp_path):
    async def scenario(port_of: Callable[[], ftplib.FTP]) -> None:
        with port_of() as ftp:
            host, port = ftp.sock.getpeername()
        nursery = aioftp.PathIONursery(aioftp.MemoryPathIO)
        local = nursery()
        async with local.open(PurePosixPath("/report.txt"), "wb") as file:
            await file.write(b"hello")
        options = {"path_io_factory": nursery}
        async with aioftp.Client.context(host, port, "ftp", "secret", **options) as client:
            await client.upload("/report.txt", "uploaded.txt", write_into=True)
            await client.download("uploaded.txt", "/back.txt", write_into=True)
        async with local.open(PurePosixPath("/back.txt")) as file:
            assert await file.read() == b"hello"

    with running(aioftp.pathio_factory(tmp_path), PurePosixPath("/")) as client:
        asyncio.run(scenario(client))
    assert (tmp_path / "uploaded.txt").read_bytes() == b"hello"
