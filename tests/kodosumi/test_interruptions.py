"""Transfers over connections that break: a proxy between client and server cuts them all, twice."""

import asyncio
import contextlib
import filecmp
import os
import random
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from panel import Panel, Server
from twinfs.kodosumi import AsyncFileSystem, SyncFileSystem

MIB = 1024 * 1024
SIZE = 300 * MIB
BLOCK = 256 * 1024
# A socket closed with this says so with a reset, as a broken path does, and not with a clean end.
RESET = struct.pack("ii", 1, 0)


class Cutter:
    """A TCP proxy that breaks all its connections each time so many bytes have passed."""

    def __init__(self, server: Server, towards: str, cut_after: list[int]) -> None:
        host, port = server.url.removeprefix("http://").split(":")
        self.upstream = host, int(port)
        self.towards = towards
        self.passed = 0
        self.cuts = 0
        self._pending = sorted(cut_after)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self.upstream)
                with self._lock:
                    self._open |= {client, server}
                for source, target, to in ((client, server, "server"), (server, client, "client")):
                    ends = (source, target, to == self.towards)
                    threading.Thread(target=self._forward, args=ends, daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        block = memoryview(bytearray(BLOCK))
        with contextlib.suppress(OSError):
            while count := source.recv_into(block):
                if counted and self._cut(count):
                    break
                target.sendall(block[:count])
        self._close(source, target)

    def _cut(self, count: int) -> bool:
        with self._lock:
            self.passed += count
            if not self._pending or self.passed < self._pending[0]:
                return False
            self._pending.pop(0)
            self.cuts += 1
            broken = list(self._open)
        self._close(*broken)
        return True

    def _close(self, *sockets: socket.socket) -> None:
        with self._lock:
            mine = self._open.intersection(sockets)
            self._open -= mine
        for one in mine:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                # Wakes the thread that reads from it.
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        self._listener.close()
        self._close(*self._open)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file whose every block differs."""
    path = tmp_path_factory.mktemp("large") / "large.bin"
    block = random.Random(1).randbytes(MIB)
    with path.open("wb") as file:
        for number in range(SIZE // MIB):
            file.write(number.to_bytes(8, "big") + block[8:])
    return path


@pytest.fixture
def cutter(server: Server, request: pytest.FixtureRequest) -> Iterator[Cutter]:
    cutter = Cutter(server, request.param, [SIZE // 3, SIZE * 2 // 3])
    yield cutter
    cutter.close()


def upload(face: type, fid: str, url: str, jwt: str, path: Path) -> str | None:
    if face is SyncFileSystem:
        with SyncFileSystem(fid, url, jwt) as fs:
            return fs.upload(path)

    async def main() -> str | None:
        async with AsyncFileSystem(fid, url, jwt) as fs:
            return await fs.upload(path)

    return asyncio.run(main())


def download(face: type, fid: str, url: str, jwt: str) -> list[str]:
    if face is SyncFileSystem:
        with SyncFileSystem(fid, url, jwt) as fs:
            return list(fs.download("in"))

    async def main() -> list[str]:
        async with AsyncFileSystem(fid, url, jwt) as fs:
            return [path async for path in fs.download("in")]

    return asyncio.run(main())


BOTH: Any = pytest.mark.parametrize(
    "face", [AsyncFileSystem, SyncFileSystem], ids=["async", "sync"]
)


@BOTH
@pytest.mark.parametrize("cutter", ["server"], indirect=True)
def test_an_upload_whose_connections_break_twice_goes_on(
    server: Server, panel: Panel, fid: str, cutter: Cutter, large: Path, face: type
) -> None:
    assert upload(face, fid, cutter.url, panel.token, large)
    assert cutter.cuts == 2
    stored = server.runs / panel.user / fid / "out" / large.name
    assert filecmp.cmp(stored, large, shallow=False)
    # What had arrived was not sent again.
    assert cutter.passed < SIZE * 1.1
    stored.unlink()


@BOTH
@pytest.mark.parametrize("cutter", ["client"], indirect=True)
@pytest.mark.twinfs_only(
    "its files have no version, so the rest of the same file cannot be asked for"
)
def test_a_download_whose_connections_break_twice_goes_on(
    server: Server,
    panel: Panel,
    fid: str,
    cutter: Cutter,
    large: Path,
    face: type,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    place = server.runs / panel.user / fid / "in"
    place.mkdir(parents=True)
    os.link(large, place / large.name)
    [arrived] = download(face, fid, cutter.url, panel.token)
    assert cutter.cuts == 2
    assert filecmp.cmp(arrived, large, shallow=False)
    assert cutter.passed < SIZE * 1.1
    Path(arrived).unlink()
