"""A system: names, patterns, moving, copying, templates, pickles."""

from __future__ import annotations

import asyncio
import copy
import fnmatch
import importlib
import inspect
import multiprocessing
import os
import pickle
import random
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import twinfs
from conftest import HAS_REAL, SyncFile
from test_files import get, left_in, put
from twinfs import aiofs
from twinfs.aiofs import sync

NAMES = ["a-b", "a.txt", "a/b.txt", "a/b/c.bin", "d[1].txt"]


async def fill(fs: Any, *names: str) -> None:
    for name in names:
        await put(fs, name, name.encode())


@pytest.mark.parametrize(
    "pattern", ["*", "*.txt", "a/*", "a?b*", "d[[]1].txt", "a.txt", "[!a]*", "x*", "d[1].txt", "a"]
)
async def test_names_are_listed_by_the_rules_of_fnmatch(fs: Any, pattern: str) -> None:
    await fill(fs, *NAMES)
    expected = [name for name in NAMES if fnmatch.fnmatchcase(name, pattern)]
    assert sorted(await fs.ls(pattern)) == expected


@pytest.mark.real_deviates("the order is that of the folder, or of making", on=["os"])
async def test_names_come_in_order(fs: Any) -> None:
    await fill(fs, *NAMES)
    assert await fs.ls() == NAMES


@pytest.mark.twinfs_only("it uses fnmatch itself")
async def test_any_pattern_means_what_it_means_to_fnmatch() -> None:
    seed = int(os.environ.get("TWINFS_SEED", random.randrange(2**32)))
    choice = random.Random(seed)
    fs = aiofs.InMemFileSystem()
    letters = "ab-]!^/[é"
    names = {"".join(choice.choices(letters, k=choice.randint(1, 5))) for _ in range(300)}
    for name in names:
        if name.startswith("/") or name.endswith("/") or "//" in name:
            continue
        try:
            await put(fs, name, b"")
        except OSError:
            # A file stands where this needs a directory, or the reverse.
            continue
    there = await fs.ls()
    assert len(there) > 100, f"seed {seed}"
    for _ in range(1000 if os.environ.get("TWINFS_SOAK") else 200):
        pattern = "".join(choice.choices("ab-]!^/[é*?", k=choice.randint(1, 7)))
        expected = [name for name in there if fnmatch.fnmatchcase(name, pattern)]
        assert await fs.ls(pattern) == expected, f"{pattern!r}, seed {seed}"


async def test_removing_takes_what_matches(fs: Any) -> None:
    await fill(fs, "a.txt", "a/b.txt", "c.bin")
    await fs.rm("no-such-file")
    await fs.rm("x*")
    await fs.rm("*.txt")
    assert await fs.ls() == ["c.bin"]
    await fs.rm("c.bin")
    assert await fs.ls() == []


@pytest.mark.real_deviates("neither does anything")
async def test_moving_and_copying_really_do(fs: Any) -> None:
    await fill(fs, "a", "there")
    await fs.cp("a", "new/copy")
    await fs.mv("a", "there")
    assert await fs.ls() == ["new/copy", "there"]
    assert await get(fs, "there") == await get(fs, "new/copy") == b"a"


@pytest.mark.real_deviates("neither does anything")
async def test_a_missing_source_is_said(fs: Any) -> None:
    for verb in (fs.mv, fs.cp):
        with pytest.raises(FileNotFoundError):
            await verb("missing", "new/place")
    assert await fs.ls() == []


@pytest.mark.twinfs_only("aiofs has neither")
async def test_exists_and_stat(fs: Any) -> None:
    await fill(fs, "a/b")
    assert await fs.exists("a/b") and not await fs.exists("a") and not await fs.exists("x")
    assert (await fs.stat("a/b")).size == 3
    with pytest.raises(FileNotFoundError):
        await fs.stat("x")


@pytest.mark.real_deviates("other files are listed, too; in memory it cannot be set")
async def test_the_template_can_be_read_and_set(fs: Any) -> None:
    start: str = fs.template
    assert start.count("{}") == 1
    await fill(fs, "data/x.csv", "data/deep/y.csv", "data/z.txt", "other/x.csv")
    fs.template = start.replace("{}", "data/{}.csv")
    assert fs.template == start.replace("{}", "data/{}.csv")
    assert sorted(await fs.ls()) == ["deep/y", "x"]
    assert await get(fs, "x") == b"data/x.csv"
    await fs.rm("*")
    fs.template = start
    assert sorted(await fs.ls()) == ["data/z.txt", "other/x.csv"]


@pytest.mark.twinfs_only("aiofs's OsFileSystem writes anywhere")
@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "..", "", "a//b", "a\0b"])
async def test_no_name_leads_outside(fs: Any, name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        await put(fs, name, b"x")
    with pytest.raises(ValueError):
        await get(fs, name)
    for move in (fs.mv("a", name), fs.cp("a", name), fs.exists(name)):
        with pytest.raises(ValueError):
            await move
    await fs.rm(name)
    # An empty root may be there from the start.
    assert left_in(tmp_path) in ([], ["folder"])


@pytest.mark.twinfs_only("aiofs has no close on these systems")
async def test_a_closed_system_is_closed(fs: Any) -> None:
    await fs.close()
    await fs.close()
    with pytest.raises(RuntimeError):
        await fs.ls()
    with pytest.raises(RuntimeError):
        fs.open("a")


@pytest.mark.real_deviates("a file under its name", on=["os"])
async def test_nothing_but_the_data_is_left(fs: Any, kind: str, folder: Path) -> None:
    async with fs.open("a/b", "w") as file:
        await file.write(b"x" * 1_000_000)
    async with fs.open("a/b", "r+") as file:
        await file.write(b"y")
    with pytest.raises(KeyError):
        async with fs.open("c/d", "w") as file:
            await file.write(b"x")
            raise KeyError
    await fs.rm("no*")
    if "os" in kind or "folder" in kind:
        assert left_in(folder) == ["a", "b"]


# What is there


@pytest.mark.parametrize("module", ["twinfs.aiofs.os", *(["aiofs.os"] if HAS_REAL else [])])
async def test_without_a_template_names_begin_at_the_root(module: str, tmp_path: Path) -> None:
    fs = importlib.import_module(module).OsFileSystem()
    name = str(tmp_path / "a" / "b").removeprefix("/")
    await put(fs, name, b"x")
    assert await get(fs, f"/{name}") == b"x"
    if module.startswith("twinfs"):
        # aiofs would look at every file of the machine.
        assert await fs.ls(f"{name[:-1]}*") == [name]
        await fs.rm(name)
        assert left_in(tmp_path) == ["a"]


@pytest.mark.parametrize("module", [aiofs, sync])
def test_systems_and_files_are_what_the_protocols_say(module: Any, tmp_path: Path) -> None:
    for system in (
        module.OsFileSystem(tmp_path / "{}"),
        module.InMemFileSystem(),
        module.TwinFileLikeSystem("memory://"),
    ):
        assert isinstance(system, module.FileLikeSystem)
        assert isinstance(system.open("a"), module.FileLike)


def test_both_faces_have_the_same_names_and_arguments() -> None:
    def public(module: Any) -> dict[str, str]:
        found = {}
        for name in module.__all__:
            for member, value in inspect.getmembers(getattr(module, name), callable):
                if not member.startswith("_"):
                    found[f"{name}.{member}"] = str(inspect.signature(value))
        return found

    assert public(aiofs) == public(sync)
    assert aiofs.__all__ == sync.__all__


def test_what_is_public_says_what_it_is() -> None:
    for module in (aiofs, sync):
        for name in module.__all__:
            kind = getattr(module, name)
            assert inspect.getdoc(kind)
            for member, value in inspect.getmembers(kind, callable):
                assert member.startswith("_") or inspect.getdoc(value), f"{name}.{member}"


def test_the_modules_have_the_names_of_aiofs() -> None:
    import twinfs.aiofs.inmem
    import twinfs.aiofs.os
    import twinfs.aiofs.sync.inmem
    import twinfs.aiofs.sync.os

    assert twinfs.aiofs.os.OsFileSystem is aiofs.OsFileSystem
    assert twinfs.aiofs.inmem.InMemFileSystem is aiofs.InMemFileSystem
    assert twinfs.aiofs.sync.os.OsFileSystem is sync.OsFileSystem
    assert twinfs.aiofs.sync.inmem.InMemFileSystem is sync.InMemFileSystem


@pytest.mark.parametrize("template", ["", "/data", "{}{}", "/{}/x/{}"])
def test_a_template_without_one_place_for_the_name_is_refused(template: str) -> None:
    with pytest.raises(ValueError):
        sync.OsFileSystem(template)
    fs = sync.InMemFileSystem()
    with pytest.raises(ValueError):
        fs.template = template
    assert fs.template == "{}", "it stays as it was"
    with pytest.raises(ValueError):
        sync.TwinFileLikeSystem("memory://", template.replace("{}", "*"))


def test_memory_is_private_to_the_instance() -> None:
    one, other = sync.InMemFileSystem(), sync.InMemFileSystem()
    with one.open("a", "w") as file:
        file.write(b"1")
    assert other.ls() == []


def test_a_system_over_a_file_system_shares_its_files() -> None:
    for fs in (twinfs.SyncFileSystem("memory://"), twinfs.AsyncFileSystem("memory://")):
        one, other = sync.TwinFileLikeSystem(fs, "in/*.txt"), sync.TwinFileLikeSystem(fs)
        with one.open("a", "w") as file:
            file.write(b"1")
        assert other.ls() == ["in/a.txt"]
    with pytest.raises(TypeError):
        sync.TwinFileLikeSystem(twinfs.SyncFileSystem("memory://"), durability="full")


def test_a_relative_template_begins_where_the_program_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fs = sync.OsFileSystem("data/{}.txt")
    with fs.open("a", "w") as file:
        file.write(b"1")
    assert (tmp_path / "data" / "a.txt").read_bytes() == b"1"
    travelling = pickle.dumps(fs)
    monkeypatch.chdir("/")
    assert pickle.loads(travelling).ls() == ["a"]


# Pickles


def read_there(system: Any, name: str) -> bytes:
    if isinstance(system, sync.FileLikeSystem) and hasattr(system.open(name), "__enter__"):
        with system.open(name) as file:
            data: bytes = file.read()
            return data
    return asyncio.run(get(system, name))


@pytest.mark.parametrize("module", [aiofs, sync])
def test_systems_travel_to_spawned_processes(module: Any, tmp_path: Path) -> None:
    template = f"{tmp_path}/{{}}.txt"
    (tmp_path / "a.txt").write_bytes(b"hello")
    systems = [
        module.OsFileSystem(template),
        module.TwinFileLikeSystem(tmp_path, "*.txt"),
        module.TwinFileLikeSystem(twinfs.AsyncFileSystem(tmp_path), "*.txt"),
    ]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for system in systems:
            assert pool.submit(read_there, system, "a").result(150) == b"hello"
            again = pickle.loads(pickle.dumps(system))
            assert (type(again), again.template) == (type(system), system.template)
            assert read_there(copy.deepcopy(system), "a") == b"hello"


@pytest.mark.parametrize("module", [aiofs, sync])
def test_a_pickled_memory_system_has_its_files_as_they_were(module: Any) -> None:
    fs = module.InMemFileSystem()
    fs.template = "in/{}.txt"
    plain = sync.TwinFileLikeSystem(fs._fs, "in/*.txt")
    with plain.open("a/b", "w") as file:
        file.write(b"hello")
    travelling = pickle.dumps(fs)
    with plain.open("a/b", "w") as file:
        file.write(b"later")
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(read_there, pickle.loads(travelling), "a/b").result(150) == b"hello"


def test_what_is_closed_does_not_travel() -> None:
    fs = sync.InMemFileSystem()
    fs.close()
    with pytest.raises(RuntimeError):
        pickle.dumps(fs)


@pytest.mark.parametrize("module", [aiofs, sync])
def test_a_file_travels_until_it_is_entered(module: Any, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello")
    fs = module.OsFileSystem(f"{tmp_path}/{{}}.txt")
    file = pickle.loads(pickle.dumps(fs.open("a", "rb")))
    assert (type(file), file.name, file.mode) == (module.File, "a", "r")

    async def main() -> None:
        for mode in ("r", "w"):
            file = fs.open("a", mode)
            entered = file if module is aiofs else SyncFile(file)
            async with entered:
                if mode == "r":
                    assert await entered.read() == b"hello"
                with pytest.raises(TypeError, match="within its context"):
                    pickle.dumps(file)
            pickle.dumps(file)

    asyncio.run(main())
    file = fs.open("a")
    fs.template = f"{tmp_path}/{{}}.csv"
    with pytest.raises(TypeError, match="another template"):
        pickle.dumps(file)
