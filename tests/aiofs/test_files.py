"""One file: what reading sees, and what leaving the context stores."""

from __future__ import annotations

import inspect
import io
import os
from pathlib import Path
from typing import Any

import pytest


async def put(fs: Any, name: str, data: bytes) -> None:
    async with fs.open(name, "w") as file:
        await file.write(data)


async def get(fs: Any, name: str) -> bytes:
    async with fs.open(name) as file:
        data: bytes = await file.read()
        return data


def left_in(folder: Path) -> list[str]:
    """The names of all files and directories below a folder."""
    return sorted(path.name for path in folder.rglob("*"))


async def test_what_was_written_is_read(fs: Any) -> None:
    await put(fs, "directory/path/filename.bin", b"hello")
    assert await get(fs, "directory/path/filename.bin") == b"hello"
    await put(fs, "directory/path/filename.bin", b"again")
    assert await get(fs, "directory/path/filename.bin") == b"again"


async def test_open_is_no_coroutine(fs: Any) -> None:
    assert not inspect.isawaitable(fs.open("a", "w"))


@pytest.mark.real_deviates("in memory opening a file anew cuts off its writer", on=["inmem"])
async def test_a_file_can_be_entered_again(fs: Any) -> None:
    writer, reader = fs.open("a", "w"), None
    for content in (b"first", b"second"):
        async with writer:
            await writer.write(content)
        reader = reader or fs.open("a")
        async with reader as same:
            assert same is reader
            if content == b"first":
                assert await reader.read() == content
    assert await get(fs, "a") == b"second"


@pytest.mark.twinfs_only("aiofs enters anew and forgets the first time")
async def test_a_file_is_not_entered_twice_at_once(fs: Any) -> None:
    for mode in ("w", "r+", "r"):
        file = fs.open("a", mode)
        async with file:
            with pytest.raises(RuntimeError):
                await file.__aenter__()
        async with file:
            pass


@pytest.mark.parametrize("mode", ["wb", "bw", "w"])
async def test_a_b_in_the_mode_does_not_matter(fs: Any, mode: str) -> None:
    async with fs.open("a", mode) as file:
        await file.write(b"x")
    for read in ("r", "rb", "br"):
        async with fs.open("a", read) as file:
            assert await file.read() == b"x"
    for update in ("r+", "r+b", "rb+"):
        async with fs.open("a", update) as file:
            assert await file.read() == b"x"


@pytest.mark.real_deviates("any mode is taken")
@pytest.mark.parametrize("mode", ["", "a", "x", "w+", "rw", "b", "rt"])
async def test_other_modes_are_refused(fs: Any, mode: str) -> None:
    with pytest.raises(ValueError):
        fs.open("a", mode)


@pytest.mark.real_deviates("in memory the context does not matter", on=["inmem"])
async def test_out_of_context_nothing_works(fs: Any) -> None:
    file = fs.open("a", "w")
    with pytest.raises(RuntimeError):
        await file.write(b"x")
    async with file:
        await file.write(b"x")
    with pytest.raises(RuntimeError):
        await file.write(b"x")
    reader = fs.open("a")
    with pytest.raises(RuntimeError):
        await reader.read()


async def test_a_missing_file_is_found_out_when_it_is_read(fs: Any) -> None:
    async with fs.open("missing") as file:
        with pytest.raises(FileNotFoundError):
            await file.read()
    with pytest.raises(FileNotFoundError):
        async with fs.open("no/such/file") as file:
            await file.read()


@pytest.mark.real_deviates("an empty file is made, or an entry without content")
async def test_reading_a_missing_file_makes_nothing(fs: Any, folder: Path) -> None:
    for name in ("missing", "no/such/file"):
        async with fs.open(name) as file:
            with pytest.raises(FileNotFoundError):
                await file.read()
    assert await fs.ls() == []
    assert left_in(folder) == []


async def test_an_update_of_a_missing_file_makes_it(fs: Any) -> None:
    async with fs.open("new/file", "r+") as file:
        with pytest.raises(FileNotFoundError):
            await file.read()
        await file.write(b"1")
    assert await get(fs, "new/file") == b"1"


@pytest.mark.real_deviates("an empty file is made, or an entry without content")
async def test_an_update_of_a_missing_file_without_a_write_makes_nothing(
    fs: Any, folder: Path
) -> None:
    async with fs.open("new/file", "r+") as file:
        with pytest.raises(FileNotFoundError):
            await file.read()
    assert await fs.ls() == []
    assert left_in(folder) == []


@pytest.mark.real_deviates("in memory a size does not matter", on=["inmem"])
@pytest.mark.parametrize("length", [10, 65_536, 65_537, 300_000])
async def test_reading_honours_size_and_position(fs: Any, length: int) -> None:
    content = os.urandom(length)
    await put(fs, "a", content)
    for mode in ("r", "r+"):
        async with fs.open("a", mode) as file:
            assert await file.read(0) == b""
            assert await file.read(4) == content[:4]
            assert await file.read(length) == content[4:]
            assert await file.read(1) == b""
            assert await file.read() == b""
            assert await file.read(-1) == b""


@pytest.mark.real_deviates("in memory the last write is all that stays", on=["inmem"])
async def test_writes_follow_each_other(fs: Any) -> None:
    async with fs.open("a", "w") as file:
        await file.write(b"hel")
        await file.write(b"lo ")
        await file.write(b"")
        await file.write(bytearray(b"wor"))
        await file.write(memoryview(b"xldx")[1:3])
    assert await get(fs, "a") == b"hello world"


@pytest.mark.real_deviates("in memory what is written can be read at once", on=["inmem"])
async def test_nothing_is_seen_before_the_end(fs: Any) -> None:
    await put(fs, "a", b"old")
    async with fs.open("a", "r+") as file:
        await file.write(b"new")
        async with fs.open("a") as reader:
            assert await reader.read() == b"old"
    assert await get(fs, "a") == b"new"


@pytest.mark.real_deviates("what was written before the exception is stored")
@pytest.mark.parametrize("mode", ["r+", "w"])
async def test_an_exception_stores_nothing(fs: Any, mode: str) -> None:
    await put(fs, "a", b"old")
    with pytest.raises(KeyError):
        async with fs.open("a", mode) as file:
            await file.write(b"x" * 1_000_000)
            raise KeyError
    assert await get(fs, "a") == b"old"
    with pytest.raises(KeyError):
        async with fs.open("new/file", mode) as file:
            await file.write(b"x")
            raise KeyError
    assert await fs.ls() == ["a"]


@pytest.mark.real_deviates("in memory anything is kept", on=["inmem"])
@pytest.mark.parametrize("data", ["text", 5, None, [1, 2]])
async def test_only_bytes_are_written(fs: Any, data: object) -> None:
    await put(fs, "a", b"old")
    with pytest.raises(TypeError):
        async with fs.open("a", "r+") as file:
            await file.write(data)
    assert await get(fs, "a") == b"old"


@pytest.mark.real_deviates("in memory the old content stays", on=["inmem"])
async def test_a_writer_without_a_write_makes_an_empty_file(fs: Any) -> None:
    await put(fs, "a", b"old")
    for name in ("a", "new/file"):
        async with fs.open(name, "w"):
            pass
        assert await get(fs, name) == b""


@pytest.mark.real_deviates("on disk the rest of the old content stays", on=["os"])
async def test_an_update_replaces_the_whole_content(fs: Any) -> None:
    await put(fs, "a", b"a long content")
    async with fs.open("a", "r+") as file:
        assert await file.read() == b"a long content"
        await file.write(b"short")
    assert await get(fs, "a") == b"short"


async def test_an_update_without_a_write_keeps_the_content(fs: Any) -> None:
    await put(fs, "a", b"old")
    async with fs.open("a", "r+") as file:
        assert await file.read() == b"old"
    assert await get(fs, "a") == b"old"


@pytest.mark.real_deviates("in memory what is written replaces what is read", on=["inmem"])
async def test_an_update_reads_the_old_content_after_a_write(fs: Any) -> None:
    await put(fs, "a", b"old")
    async with fs.open("a", "r+") as file:
        await file.write(b"head:")
        await file.write(await file.read())
    assert await get(fs, "a") == b"head:old"


@pytest.mark.real_deviates("on disk the exception comes when the file is left", on=["os"])
async def test_a_file_does_what_its_mode_says(fs: Any) -> None:
    await put(fs, "a", b"old")
    async with fs.open("a") as file:
        with pytest.raises(io.UnsupportedOperation):
            await file.write(b"x")
    async with fs.open("a", "w") as file:
        with pytest.raises(io.UnsupportedOperation):
            await file.read()


@pytest.mark.twinfs_only("aiofs copies all that was written at each write")
async def test_many_small_writes_take_linear_time(fs: Any) -> None:
    # At the square of it this would be hundreds of gigabytes to copy.
    async with fs.open("a", "w") as file:
        for _ in range(300_000):
            await file.write(b"0123456789")
    async with fs.open("a") as file:
        data = await file.read()
    assert data == b"0123456789" * 300_000


@pytest.mark.twinfs_only("aiofs has no seek")
async def test_seek_and_tell(fs: Any) -> None:
    await put(fs, "a", b"0123456789")
    async with fs.open("a") as file:
        assert await file.seek(-3, os.SEEK_END) == 7
        assert await file.read(2) == b"78"
        assert await file.tell() == 9
        assert await file.seek(-4, os.SEEK_CUR) == 5
        assert await file.read() == b"56789"
        with pytest.raises(ValueError):
            await file.seek(-1)
        with pytest.raises(ValueError):
            await file.seek(0, 3)
    async with fs.open("a", "w") as file:
        await file.write(b"hello world")
        assert await file.tell() == 11
        await file.seek(6)
        await file.write(b"W")
        await file.seek(2, os.SEEK_END)
        await file.write(b"!")
    assert await get(fs, "a") == b"hello World\0\0!"


@pytest.mark.twinfs_only("aiofs has no seek")
@pytest.mark.parametrize("length", [20, 700_000])
async def test_once_sought_an_update_writes_at_its_position(fs: Any, length: int) -> None:
    content = bytearray(os.urandom(length))
    await put(fs, "a", bytes(content))
    async with fs.open("a", "r+") as file:
        await file.seek(5)
        await file.write(b"12345")
        assert await file.read(3) == content[10:13]
        await file.seek(4)
        assert await file.read(3) == content[4:5] + b"12"
        await file.seek(0, os.SEEK_END)
        await file.write(b"end")
    content[5:10] = b"12345"
    assert await get(fs, "a") == content + b"end"


@pytest.mark.real_deviates("on disk it reads what is written meanwhile", on=["os"])
async def test_a_reader_keeps_the_content_it_was_opened_on(fs: Any) -> None:
    for length in (10, 100_000):
        await put(fs, "a", b"o" * length)
        async with fs.open("a") as reader:
            await put(fs, "a", b"new")
            assert await reader.read() == b"o" * length
