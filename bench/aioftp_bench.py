"""aioftp's path I/O classes beside ours, call by call and under aioftp's own server.

Runs in an environment with bench/requirements-aioftp.txt installed, and the twinfs wheel; prints
one JSON document. Without our package only aioftp's classes are measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ftplib
import importlib.metadata
import importlib.util
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import aioftp

from rounds import TIME, Contest, say, wanted

MIB = 1024 * 1024
SMALL = 4096
#: The block of aioftp's server.
BLOCK = aioftp.DEFAULT_BLOCK_SIZE
START_LIMIT = 60.0


@dataclass(frozen=True)
class Sizes:
    """How much one pass does, and how often."""

    calls: int
    files: int
    entries: int
    stream: int
    large: int
    rounds: int


FULL = Sizes(calls=2000, files=1000, entries=1000, stream=64 * MIB, large=128 * MIB, rounds=5)
QUICK = Sizes(calls=200, files=50, entries=100, stream=2 * MIB, large=8 * MIB, rounds=2)


@dataclass(frozen=True)
class Kind:
    """A class, how it is made for one path I/O or for a server, and where its paths begin."""

    name: str
    factory: Callable[[Path], Any]
    in_memory: bool = False
    #: Its paths are those of the system, not of a file system of its own.
    system: bool = False

    def home(self, folder: Path) -> Any:
        return folder if self.system else PurePosixPath("/")


KINDS = [
    Kind("aioftp.PathIO", lambda _: aioftp.PathIO, system=True),
    Kind("aioftp.AsyncPathIO", lambda _: aioftp.AsyncPathIO, system=True),
    Kind("aioftp.MemoryPathIO", lambda _: aioftp.MemoryPathIO, in_memory=True),
]
if importlib.util.find_spec("twinfs"):
    from twinfs import aioftp as ours

    KINDS += [
        Kind("twinfs PathIO", lambda _: ours.PathIO, system=True),
        Kind("twinfs AsyncPathIO", lambda _: ours.AsyncPathIO, system=True),
        Kind("twinfs MemoryPathIO", lambda _: ours.MemoryPathIO, in_memory=True),
        Kind("twinfs TwinPathIO on disk", ours.pathio_factory),
    ]
else:
    say("no twinfs package: only aioftp's classes are measured")


async def fill(pathio: Any, home: Any, sizes: Sizes) -> None:
    """Lays what is looked at, read and listed, through the class itself."""
    await pathio.mkdir(home / "small", exist_ok=True)
    for index in range(sizes.entries):
        async with pathio.open(home / "small" / f"f{index:05}", "wb") as file:
            await file.write(b"x" * SMALL)
    async with pathio.open(home / "large", "wb") as file:
        for _ in range(sizes.stream // MIB):
            await file.write(b"x" * MIB)


# One call after the other


class Calls:
    """A path I/O and its tree."""

    def __init__(self, kind: Kind, folder: Path, sizes: Sizes) -> None:
        self.home = kind.home(folder)
        self.pathio = kind.factory(folder)()
        self.sizes = sizes
        self.names = [self.home / "small" / f"f{index:05}" for index in range(sizes.entries)]

    def _cycle(self) -> Iterator[Any]:
        for index in range(self.sizes.calls):
            yield self.names[index % len(self.names)]

    async def exists(self) -> int:
        return sum([await self.pathio.exists(path) for path in self._cycle()])

    async def stat(self) -> int:
        return sum([(await self.pathio.stat(path)).st_size for path in self._cycle()])

    async def read(self) -> int:
        total = 0
        for path in self._cycle():
            async with self.pathio.open(path, "rb") as file:
                async for block in file.iter_by_block(BLOCK):
                    total += len(block)
        return total

    async def write(self) -> int:
        content, total = b"y" * SMALL, 0
        for path in self._cycle():
            async with self.pathio.open(path, "wb") as file:
                total += await file.write(content)
        return total

    async def list(self) -> int:
        return len([path async for path in self.pathio.list(self.home / "small")])

    async def blocks(self) -> int:
        total = 0
        async with self.pathio.open(self.home / "large", "rb") as file:
            async for block in file.iter_by_block(BLOCK):
                total += len(block)
        return total

    async def write_blocks(self) -> int:
        block, total = b"z" * BLOCK, 0
        async with self.pathio.open(self.home / "large", "wb") as file:
            for _ in range(self.sizes.stream // BLOCK):
                total += await file.write(block)
        return total


def proof(workload: str, sizes: Sizes) -> tuple[int, int]:
    """The operations of one pass, and what it has to move."""
    if workload == "exists":
        return sizes.calls, sizes.calls
    if workload == "list":
        return sizes.entries, sizes.entries
    if workload in ("blocks", "write_blocks"):
        return sizes.stream // MIB, sizes.stream
    return sizes.calls, sizes.calls * SMALL


def calls(
    workload: str, kinds: list[Kind], sizes: Sizes, folder: Path, runner: asyncio.Runner
) -> Any:
    contest = Contest(*proof(workload, sizes))
    for kind in kinds:
        home = folder / kind.name.replace(" ", "-")
        home.mkdir(exist_ok=True)
        entrant = Calls(kind, home, sizes)
        runner.run(fill(entrant.pathio, entrant.home, sizes))
        contest.enter(kind.name, getattr(entrant, workload))
    return contest.run(runner, sizes.rounds)[TIME]


# Under aioftp's server, with Python's own client


@contextlib.contextmanager
def serve(kind: Kind, folder: Path) -> Iterator[ftplib.FTP]:
    """aioftp's server over the class, in a process of its own, and a client that is logged in."""
    command = [sys.executable, __file__, "--serve", kind.name, "--folder", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline() if process.stdout else 0)
            with ftplib.FTP(timeout=START_LIMIT) as ftp:
                ftp.connect("127.0.0.1", port)
                ftp.login()
                ftp.voidcmd("TYPE I")
                yield ftp
        finally:
            process.terminate()


async def run_server(kind: Kind, folder: Path) -> None:
    user = aioftp.User(base_path=kind.home(folder))
    server = aioftp.Server([user], path_io_factory=kind.factory(folder))
    await server.start("127.0.0.1", 0)
    print(server.server_port, flush=True)
    await server.serve_forever()


class Session:
    """What a client does on one server."""

    def __init__(self, ftp: ftplib.FTP, sizes: Sizes) -> None:
        self.ftp = ftp
        self.sizes = sizes
        self.content = os.urandom(MIB) * (sizes.large // MIB)

    def lay(self, workload: str) -> None:
        if workload.endswith("large"):
            self.stor_large()
        else:
            self.ftp.mkd("small")
            self.stor_small()

    def retrieve(self, path: str) -> int:
        total = 0

        def count(block: bytes) -> None:
            nonlocal total
            total += len(block)

        self.ftp.retrbinary(f"RETR {path}", count, blocksize=MIB)
        return total

    def retr_small(self) -> int:
        return sum(self.retrieve(f"small/f{index}") for index in range(self.sizes.files))

    def stor_small(self) -> int:
        content = self.content[:SMALL]
        for index in range(self.sizes.files):
            self.ftp.storbinary(f"STOR small/f{index}", io.BytesIO(content))
        return self.sizes.files * SMALL

    def mlsd(self) -> int:
        return SMALL * sum(facts["type"] == "file" for _, facts in self.ftp.mlsd("small"))

    def retr_large(self) -> int:
        return self.retrieve("large")

    def stor_large(self) -> int:
        self.ftp.storbinary("STOR large", io.BytesIO(self.content), blocksize=MIB)
        return self.sizes.large


def sessions(
    workload: str, kinds: list[Kind], sizes: Sizes, folder: Path, runner: asyncio.Runner
) -> Any:
    large = workload.endswith("large")
    operations = sizes.large // MIB if large else sizes.files
    contest = Contest(operations, sizes.large if large else sizes.files * SMALL)
    with contextlib.ExitStack() as stack:
        for kind in kinds:
            home = folder / f"server-{kind.name.replace(' ', '-')}-{workload}"
            home.mkdir()
            session = Session(stack.enter_context(serve(kind, home)), sizes)
            session.lay(workload)
            contest.enter(kind.name, getattr(session, workload))
        return contest.run(runner, sizes.rounds)[TIME]


CALLS = ("exists", "stat", "read", "write", "list", "blocks", "write_blocks")
SESSIONS = ("retr_small", "stor_small", "mlsd", "retr_large", "stor_large")
WORKLOADS = (*CALLS, *SESSIONS)


def versions() -> dict[str, str]:
    return {"python": sys.version.split()[0], "aioftp": importlib.metadata.version("aioftp")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(WORKLOADS))
    parser.add_argument("--peers", nargs="+", default=[])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--serve", metavar="CLASS", help="only serve, over this class")
    parser.add_argument("--folder", type=Path, default=Path(), help="what is served")
    args = parser.parse_args()
    if args.serve:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(run_server(next(k for k in KINDS if k.name == args.serve), args.folder))
        return
    if unknown := set(args.workloads) - set(WORKLOADS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")

    sizes = QUICK if args.quick else FULL
    kinds = [kind for kind in KINDS if wanted(kind.name, args.peers)]
    outcomes = {}
    with contextlib.ExitStack() as stack:
        parent = os.environ.get("TWINFS_BENCH_DIR")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=parent)))
        runner = stack.enter_context(asyncio.Runner())
        for workload in args.workloads or WORKLOADS:
            say(f"measuring aioftp {workload}")
            measure = calls if workload in CALLS else sessions
            outcomes[workload] = measure(workload, kinds, sizes, folder, runner)
    print(json.dumps({"versions": versions(), "workloads": outcomes}, indent=2))


if __name__ == "__main__":
    main()
