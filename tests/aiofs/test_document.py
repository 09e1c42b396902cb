"""The uses that aiofs's documentation describes, with only the import changed."""

from __future__ import annotations

import contextlib
import importlib
import io
from pathlib import Path
from typing import Any

import pytest

from conftest import HAS_REAL

PROGRAM = """
import asyncio
import tempfile

from aiofs import FileLike, FileLikeSystem
from aiofs.inmem import InMemFileSystem
from aiofs.os import OsFileSystem


class Words:
    # Depends on no concrete source of data.
    def __init__(self, fs: FileLikeSystem) -> None:
        self.fs = fs

    async def count(self, name: str) -> int:
        async with self.fs.open(name) as file:
            return len((await file.read()).split())

    async def shout(self, name: str) -> None:
        async with self.fs.open(name, "r+") as file:
            text = await file.read()
            await file.write(text.upper())


async def use(fs: FileLikeSystem) -> None:
    async with fs.open("directory/path/filename.bin", "w") as file:
        await file.write(b"some words here")
    words = Words(fs)
    print(await words.count("directory/path/filename.bin"))
    await words.shout("directory/path/filename.bin")
    async with fs.open("directory/path/filename.bin", mode="r") as file:
        print(await file.read())
    print(await fs.ls())
    print(await fs.ls("*.bin"), await fs.ls("*.txt"))
    try:
        async with fs.open("missing") as file:
            await file.read()
    except FileNotFoundError:
        print("not found")
    await fs.rm("missing*")
    await fs.rm("*.bin")
    print(await fs.ls())


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        await use(OsFileSystem(folder + "/{}"))
    fs = OsFileSystem()
    print(fs.template)
    await use(InMemFileSystem())


asyncio.run(main())
"""

SAID = """3
b'SOME WORDS HERE'
['directory/path/filename.bin']
['directory/path/filename.bin'] []
not found
[]
"""


def printed(program: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(program, "program", "exec"), {"__name__": "program"})
    return out.getvalue()


def test_the_documents_uses_run_with_the_import_changed() -> None:
    ours = PROGRAM.replace("from aiofs", "from twinfs.aiofs")
    assert printed(ours) == SAID + "/{}\n" + SAID


@pytest.mark.skipif(not HAS_REAL, reason="aiofs is not in this environment")
def test_the_same_program_runs_with_aiofs_itself() -> None:
    assert printed(PROGRAM) == SAID + "/{}\n" + SAID


@pytest.mark.skipif(not HAS_REAL, reason="aiofs is not in this environment")
@pytest.mark.parametrize(
    ("module", "name"),
    [
        *(("aiofs", name) for name in ("FileLike", "FileLikeSystem")),
        *(("aiofs.os", name) for name in ("OsFile", "OsFileSystem")),
        *(("aiofs.inmem", name) for name in ("InMemFile", "InMemFileSystem")),
    ],
)
def test_every_public_name_is_there_with_its_members(module: str, name: str) -> None:
    real = getattr(importlib.import_module(module), name)
    ours = getattr(importlib.import_module(f"twinfs.{module}"), name)
    public = {member for member in vars(real) if not member.startswith("_")}
    assert public <= set(dir(ours))


@pytest.mark.skipif(not HAS_REAL, reason="aiofs is not in this environment")
async def test_a_file_of_one_is_a_file_of_the_other(tmp_path: Path) -> None:
    template = f"{tmp_path}/{{}}"
    systems: list[Any] = [
        importlib.import_module(f"{package}.os").OsFileSystem(template)
        for package in ("aiofs", "twinfs.aiofs")
    ]
    for writer, reader in (systems, systems[::-1]):
        async with writer.open("a/b", "w") as file:
            await file.write(b"content")
        async with reader.open("a/b") as file:
            assert await file.read() == b"content"
        assert await reader.ls() == ["a/b"]
        await reader.rm("*")
