"""Kodosumi's own client and server beside ours: uploads, downloads and listings over loopback.

Runs in an environment with tests/kodosumi/requirements.txt installed and prints one JSON document.
``$TWINFS_BIN`` names our server; without it, and without the ``twinfs`` package for our client,
only what is there takes part.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import filecmp
import importlib.metadata
import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rounds import TIME, Contest, have_memory, say, wanted

TESTS = Path(__file__).resolve().parent.parent / "tests" / "kodosumi"
MIB = 1024 * 1024
START_LIMIT = 120.0  # seconds after which a server that has not announced itself is killed
USER = "bench"


@dataclass(frozen=True)
class Sizes:
    """How much one pass moves, and how often."""

    large: int
    files: int
    entries: int
    rounds: int
    # Of kodosumi's client on kodosumi's server, where uploading small files takes many seconds.
    slow_rounds: int


FULL = Sizes(large=256 * MIB, files=1000, entries=10_000, rounds=5, slow_rounds=3)
QUICK = Sizes(large=16 * MIB, files=50, entries=500, rounds=2, slow_rounds=1)


@dataclass(frozen=True)
class Pair:
    """A client class on a running server; ``server`` is a ``panel.Server`` of the tests."""

    name: str
    client: Callable[[str, str, str], Any]
    server: Any
    #: Too slow with small files for as many rounds as the others have.
    slow: bool = False
    #: A folder goes up under its own name, not as what is in it.
    names_folder: bool = False

    def open(self, fid: str) -> Any:
        return self.client(fid, self.server.url, self.server.token(USER))

    def folder(self, fid: str) -> Path:
        """Where the server keeps the files that a run hands out."""
        return self.server.runs / USER / fid / "out"


@contextlib.contextmanager
def serve(kind: str, command: list[str], folder: Path) -> Iterator[Any]:
    """Runs a server on a port of its own over an empty folder."""
    from panel import Server

    folder.mkdir()
    secret, data, log = secrets.token_hex(32), folder / "data", folder / "stderr"
    data.mkdir()
    (folder / "secret").write_text(secret + "\n")
    options = ["--data", str(data), "--listen", "127.0.0.1:0", "--user", "admin:admin"]
    options += ["--secret-file", str(folder / "secret")]
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            command + options, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=folder
        ) as process,
    ):
        watchdog = threading.Timer(START_LIMIT, process.kill)
        watchdog.start()
        try:
            line = process.stdout.readline() if process.stdout else ""
            watchdog.cancel()
            if not line.startswith("listening on http://"):
                raise RuntimeError(f"{kind} did not start: {line!r}\n{log.read_text()}")
            yield Server(kind, line.split()[-1], secret, data)
        finally:
            watchdog.cancel()
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


class CommandLine:
    """Our command line as a client: each call is a process of its own."""

    def __init__(self, fid: str, url: str, jwt: str) -> None:
        self.binary = os.environ["TWINFS_BIN"]
        self.run = f"run+{url}/{fid}"
        self.environment = {**os.environ, "TWINFS_TOKEN": jwt}

    async def call(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            self.binary, *arguments, env=self.environment, stdout=subprocess.PIPE
        )
        printed, _ = await process.communicate()
        if process.returncode != 0:
            raise RuntimeError(f"twinfs {' '.join(arguments)} failed")
        return printed.decode()

    async def upload(self, path: str) -> bool:
        await self.call("put", "--quiet", path, f"{self.run}/out")
        return True

    async def download(self, path: str) -> AsyncIterator[str]:
        folder = f"{tempfile.mkdtemp()}/{path}"
        await self.call("get", "--quiet", f"{self.run}/{path}", folder)
        for parent, _, names in os.walk(folder):
            for name in names:
                yield f"{parent}/{name}"

    async def ls(self, path: str) -> list[dict[str, Any]]:
        lines = (await self.call("ls", "--recursive", "--json", f"{self.run}/{path}")).splitlines()
        entries = (json.loads(line) for line in lines)
        return [
            {"path": f"{path}/{entry['name']}", "size": entry["size"]}
            for entry in entries
            if entry["type"] == "file"
        ]

    async def close(self) -> None:
        """Nothing is left open."""


def our_client() -> Any | None:
    """The class of the ``twinfs`` package that stands in for kodosumi's, where it is installed."""
    try:
        from twinfs.kodosumi import AsyncFileSystem
    except ImportError:
        return None
    return AsyncFileSystem


def start_pairs(stack: contextlib.ExitStack, folder: Path, peers: list[str]) -> list[Pair]:
    from kodosumi.runner.files import AsyncFileSystem

    real = stack.enter_context(
        serve("real", [sys.executable, str(TESTS / "real_server.py")], folder / "real")
    )
    pairs = [Pair("real client, real server", AsyncFileSystem, real, slow=True)]
    if (ours := our_client()) is not None:
        pairs.append(Pair("twinfs client, real server", ours, real, slow=True))
    if binary := os.environ.get("TWINFS_BIN"):
        server = stack.enter_context(serve("twinfs", [binary, "serve"], folder / "twinfs"))
        fleeting = stack.enter_context(
            serve("twinfs", [binary, "serve", "--durability", "none"], folder / "fleeting")
        )
        pairs.append(Pair("real client, twinfs server", AsyncFileSystem, server))
        if ours is not None:
            pairs.append(Pair("twinfs client, twinfs server", ours, server))
        named = "twinfs command line, twinfs server"
        pairs.append(Pair(named, CommandLine, server, names_folder=True))
        pairs.append(Pair(f"{named} (not durable)", CommandLine, fleeting, names_folder=True))
    else:
        say("no TWINFS_BIN: our server does not take part")
    return [pair for pair in pairs if wanted(pair.name, peers)]


# What is moved


def lay(folder: Path, files: int, size: int, width: int = 100) -> dict[str, int]:
    """Lays files of random bytes into sub-folders of ``width`` each; their sizes by name."""
    names = {}
    for index in range(files):
        name = f"{index // width:03}/file-{index:05}.bin"
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(os.urandom(size))
        names[name] = size
    return names


def assert_same(left: Path, right: Path, names: list[str]) -> None:
    """Raises where a file is missing or one of its bytes differs."""
    equal, *_ = filecmp.cmpfiles(left, right, names, shallow=False)
    filecmp.clear_cache()
    if len(equal) != len(names):
        raise RuntimeError(f"{len(names) - len(equal)} of {len(names)} files differ in {right}")


# Workloads


class Upload:
    """Uploads one folder into a fresh run each time."""

    def __init__(self, pair: Pair, source: Path, sizes: dict[str, int]) -> None:
        self.pair, self.source, self.sizes = pair, source, sizes
        self.names = list(sizes)
        self.fid = ""
        self.client: Any = None

    def prepare(self) -> None:
        self.fid = secrets.token_hex(16)
        self.client = self.pair.open(self.fid)
        # For the server's page cache, and for a spool that it may have besides.
        have_memory(2 * sum(self.sizes.values()))

    async def run(self) -> int:
        batch = await self.client.upload(str(self.source))
        await self.client.close()
        return len(self.names) if batch else 0

    def check(self) -> None:
        folder = self.pair.folder(self.fid)
        root = folder / self.source.name if self.pair.names_folder else folder
        assert_same(self.source, root, self.names)
        # Many files stay to the end: see main().
        if len(self.names) == 1:
            shutil.rmtree(folder.parent)


class Download:
    """Downloads one run, laid on the server's disk before, into a fresh folder each time."""

    def __init__(self, pair: Pair, source: Path, names: list[str]) -> None:
        self.pair, self.source, self.names = pair, source, names
        self.fid = secrets.token_hex(16)
        shutil.copytree(source, pair.folder(self.fid))
        self.client: Any = None
        self.arrived: Path | None = None

    def prepare(self) -> None:
        self.client = self.pair.open(self.fid)

    async def run(self) -> int:
        count, one = 0, ""
        async for path in self.client.download("out"):
            count, one = count + 1, path
        # Every file lies in a folder.
        self.arrived = Path(one).parents[1] if one else None
        await self.client.close()
        return count

    def check(self) -> None:
        if self.arrived is None:
            raise RuntimeError("nothing has arrived")
        assert_same(self.source, self.arrived, self.names)
        self.arrived = None


class Listing:
    """Lists one run, laid on the server's disk before."""

    def __init__(self, pair: Pair, source: Path, sizes: dict[str, int]) -> None:
        self.pair = pair
        self.expected = [(f"out/{name}", size) for name, size in sorted(sizes.items())]
        self.fid = secrets.token_hex(16)
        shutil.copytree(source, pair.folder(self.fid))
        self.client: Any = None
        self.items: list[dict[str, Any]] = []

    def prepare(self) -> None:
        self.client = self.pair.open(self.fid)

    async def run(self) -> int:
        self.items = await self.client.ls("out")
        await self.client.close()
        return len(self.items)

    def check(self) -> None:
        if [(item["path"], item["size"]) for item in self.items] != self.expected:
            raise RuntimeError(f"{self.pair.name} lists other files, or another order")


def contest(
    workload: str, pairs: list[Pair], sizes: Sizes, folder: Path, runner: asyncio.Runner
) -> dict[str, Any]:
    source = folder / workload
    if workload == "upload_large":
        names = lay(source, 1, sizes.large)
        operations = sizes.large // MIB
    else:
        names = lay(source, sizes.entries if workload == "list" else sizes.files, 4096)
        operations = 1 if workload == "list" else sizes.files
    one = Contest(operations, len(names))
    for pair in pairs:
        entrant: Upload | Download | Listing
        if workload == "list":
            entrant = Listing(pair, source, names)
        elif workload == "download_small":
            entrant = Download(pair, source, list(names))
        else:
            entrant = Upload(pair, source, names)
        slow = pair.slow and workload == "upload_small"
        one.enter(
            pair.name,
            entrant.run,
            prepare=entrant.prepare,
            check=entrant.check,
            rounds=sizes.slow_rounds if slow else None,
        )
    return one.run(runner, sizes.rounds)[TIME]


def start(pairs: list[Pair], sizes: Sizes, runner: asyncio.Runner) -> dict[str, Any]:
    """Constructing a client, nothing requested yet."""
    count = 100
    one = Contest(count, count)

    async def construct(pair: Pair) -> int:
        for _ in range(count):
            pair.open("fid")
        return count

    # One pair for each client: the server has no part in it.
    libraries = [pair for pair in pairs if pair.client is not CommandLine]
    for label, pair in {pair.name.split(",")[0]: pair for pair in libraries}.items():
        one.enter(label, lambda pair=pair: construct(pair))
    return one.run(runner, sizes.rounds)[TIME]


WORKLOADS = ("upload_large", "upload_small", "download_small", "list", "start")


def versions() -> dict[str, str]:
    packages = ("kodosumi", "httpx", "litestar", "uvicorn", "twinfs")
    found = {p: importlib.metadata.version(p) for p in packages if importlib.util.find_spec(p)}
    return {"python": sys.version.split()[0], **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(WORKLOADS))
    parser.add_argument("--peers", nargs="+", default=[])
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    if unknown := set(args.workloads) - set(WORKLOADS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")

    outcomes = {}
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(dir=os.environ.get("TWINFS_BENCH_DIR")))
        )
        # Kodosumi reads its settings when it is imported, and creates the folders they name. Its
        # client's default chunk of 5 MiB is refused by its own server.
        os.environ["KODO_CHUNK_SIZE"] = str(MIB)
        os.environ["KODO_EXEC_DIR"] = str(folder / "client" / "execution")
        os.environ["KODO_SPOOLER_LOG_FILE"] = str(folder / "client" / "spooler.log")
        os.environ["KODO_YAML_BASE"] = str(folder / "client" / "config.yaml")
        sys.path.insert(0, str(TESTS))
        (folder / "downloads").mkdir()
        tempfile.tempdir = str(folder / "downloads")  # where clients make their folders
        runner = stack.enter_context(asyncio.Runner())
        pairs = start_pairs(stack, folder, args.peers)
        sizes = QUICK if args.quick else FULL
        for workload in args.workloads or WORKLOADS:
            say(f"measuring kodosumi {workload}")
            if workload == "start":
                outcomes[workload] = start(pairs, sizes, runner)
                continue
            # Nothing with many files in it is removed before the end. An ext4 without a journal
            # makes a new file only after looking at every inode of its group that was freed in the
            # last minutes: what one contender left would be what the next one pays for.
            outcomes[workload] = contest(workload, pairs, sizes, folder, runner)
    print(json.dumps({"versions": versions(), "workloads": outcomes}, indent=2))


if __name__ == "__main__":
    main()
