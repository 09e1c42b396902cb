"""Measures twinfs.aiofs beside aiofs itself and prints one JSON document.

Runs in an environment with tests/aiofs/requirements.txt installed, and the twinfs wheel; what
cannot be imported does not take part.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from python_peers import read_plain, write_plain
from python_setting import Setting
from rounds import TIME, Contest, say

IN_FLIGHT = 32
SIZE = 4096
LINE = 100
PLAIN = "plain open(), one after the other"
System = Any


def systems(folder: Path) -> dict[str, System]:
    """Systems over sub-folders of one folder, or in memory, by the contender's name."""
    found: dict[str, System] = {}
    for package, name in (("twinfs", "twinfs.aiofs"), ("aiofs", "aiofs")):
        if importlib.util.find_spec(package):
            on_disk = importlib.import_module(f"{name}.os").OsFileSystem
            in_memory = importlib.import_module(f"{name}.inmem").InMemFileSystem
            found[f"{name} OsFileSystem"] = on_disk(f"{folder}/{package}/{{}}")
            found[f"{name} InMemFileSystem"] = in_memory()
    return found


def names_of(count: int) -> list[str]:
    return [f"file-{index:06}.bin" for index in range(count)]


def content_of(name: str) -> bytes:
    return (name.encode() * SIZE)[:SIZE]


async def get(fs: System, name: str) -> bytes:
    async with fs.open(name) as file:
        data: bytes = await file.read()
        return data


async def put(fs: System, name: str, data: bytes) -> None:
    async with fs.open(name, "w") as file:
        await file.write(data)


async def rewrite(fs: System, name: str) -> None:
    async with fs.open(name, "r+") as file:
        data = await file.read()
        await file.write(data)


async def each(names: list[str], work: Callable[[str], Coroutine[Any, Any, Any]]) -> int:
    """Does something with each name, a fixed number of them in flight."""
    left = iter(names)

    async def worker() -> None:
        for name in left:
            await work(name)

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return len(names)


async def check(fs: System, names: list[str]) -> None:
    for name in names[:: len(names) // 10]:
        if await get(fs, name) != content_of(name):
            raise RuntimeError(f"{name} is wrong")


def whole_files(
    setting: Setting, work: Callable[[System, str], Coroutine[Any, Any, Any]]
) -> tuple[Contest, list[str], Path]:
    """A contest of systems that hold small files, on each of which something is done."""
    folder = Path(tempfile.mkdtemp(dir=setting.folder))
    names = names_of(setting.singles)
    contest = Contest(len(names), len(names), setting.peers)
    for label, fs in systems(folder).items():

        async def lay(fs: System = fs) -> None:
            for name in names:
                await put(fs, name, content_of(name))

        setting.runner.run(lay())
        contest.enter(
            label,
            lambda fs=fs: each(names, lambda name: work(fs, name)),
            check=lambda fs=fs: setting.runner.run(check(fs, names)),
        )
    return contest, names, folder


def plain_files(folder: Path, names: list[str]) -> Path:
    plain = folder / "plain"
    plain.mkdir()
    for name in names:
        (plain / name).write_bytes(content_of(name))
    return plain


def read(setting: Setting) -> dict[str, Any]:
    """Whole small files, 32 in flight."""
    contest, names, folder = whole_files(setting, get)
    plain = plain_files(folder, names)

    def loop() -> int:
        for name in names:
            read_plain(f"{plain}/{name}")
        return len(names)

    contest.enter(PLAIN, loop)
    return contest.run(setting.runner, setting.rounds)[TIME]


def write(setting: Setting) -> dict[str, Any]:
    """Whole small files over the last ones, 32 in flight."""
    contest, names, folder = whole_files(setting, lambda fs, name: put(fs, name, content_of(name)))
    plain = plain_files(folder, names)

    def loop() -> int:
        for name in names:
            write_plain(f"{plain}/{name}", content_of(name))
        return len(names)

    contest.enter(PLAIN, loop)
    return contest.run(setting.runner, setting.rounds)[TIME]


def update(setting: Setting) -> dict[str, Any]:
    """Small files read and written again, 32 in flight."""
    contest, _, _ = whole_files(setting, rewrite)
    return contest.run(setting.runner, setting.rounds)[TIME]


def lines(setting: Setting) -> dict[str, Any]:
    """Many small writes to one file."""
    count = 1000 if setting.quick else 10_000
    contest = Contest(count, count * LINE, setting.peers)
    folder = Path(tempfile.mkdtemp(dir=setting.folder))

    async def write_lines(fs: System) -> int:
        async with fs.open("log", "w") as file:
            for _ in range(count):
                await file.write(b"." * LINE)
        return len(await get(fs, "log"))

    for label, fs in systems(folder).items():
        # In memory aiofs keeps the last write alone.
        if label != "aiofs InMemFileSystem":
            contest.enter(label, lambda fs=fs: write_lines(fs))
    return contest.run(setting.runner, setting.rounds)[TIME]


WORKLOADS = {"read": read, "write": write, "update": update, "lines": lines}


def versions() -> dict[str, str]:
    packages = ("aiofs", "aiofiles", "twinfs")
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
        parent = os.environ.get("TWINFS_BENCH_DIR")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=parent)))
        runner = stack.enter_context(asyncio.Runner())
        setting = Setting(folder, args.peers, runner, args.quick)
        for workload in args.workloads or WORKLOADS:
            say(f"measuring aiofs {workload}")
            outcomes[workload] = WORKLOADS[workload](setting)
    print(json.dumps({"versions": versions(), "workloads": outcomes}, indent=2))


if __name__ == "__main__":
    main()
