"""What is the async face's own in its file objects."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import pickle
import random
import resource
from pathlib import Path
from typing import Any

import pytest

from twinfs import AsyncFile, AsyncFileSystem, errors


@pytest.fixture
def fs(url: str) -> AsyncFileSystem:
    return AsyncFileSystem(url)


def test_opening_is_awaited_or_entered(fs: AsyncFileSystem) -> None:
    async def main() -> None:
        file = await fs.open("a", "wb")
        assert await file.write(b"1") == 1
        await file.close()
        async with fs.open("a") as reader:
            assert await reader.read() == b"1"
        assert reader.closed
        async with await fs.open("a") as reader:
            assert await reader.read() == b"1"

    asyncio.run(main())


def test_an_opening_that_is_not_awaited_does_nothing(fs: AsyncFileSystem) -> None:
    fs.open("a", "wb")
    gc.collect()

    async def main() -> bool:
        return await fs.exists("a")

    assert not asyncio.run(main())


def test_an_opening_is_entered_once_at_a_time(fs: AsyncFileSystem) -> None:
    async def main() -> None:
        await fs.write("a", b"1")
        opening = fs.open("a")
        for _ in range(2):
            async with opening as file:
                with pytest.raises(RuntimeError, match="open already"):
                    async with opening:
                        pass
                assert await file.read() == b"1"
            assert file.closed

    asyncio.run(main())


def test_blocks_in_order_are_those_of_the_file(fs: AsyncFileSystem) -> None:
    """Whatever was read ahead, and however the reader jumps about."""
    content = random.Random(1).randbytes(3_000_001)
    sizes = (100_000, 1 << 20, 65_537)

    async def main() -> None:
        await fs.write("a", content)
        for size in sizes:
            async with fs.open("a") as file:
                blocks = []
                while block := await file.read(size):
                    blocks.append(block)
                assert b"".join(blocks) == content
                assert {len(block) for block in blocks[:-1]} == {size}
        choice = random.Random(2)
        async with fs.open("a") as file:
            position = 0
            for _ in range(300):
                if choice.random() < 0.1:
                    position = await file.seek(choice.randrange(len(content)))
                size = choice.choice(sizes) if choice.random() < 0.2 else sizes[0]
                block = await file.read(size)
                assert block == content[position : position + size]
                position += len(block)
                assert await file.tell() == position

    asyncio.run(main())


def test_a_block_that_is_there_needs_no_worker(url: str) -> None:
    """What was written a moment ago is in memory, or in the page cache."""
    size = 1 << 20

    async def needs_worker(file: AsyncFile, length: int) -> bool:
        # On a busy machine the page cache may be asked in vain, now and then.
        for tries in range(30):
            await asyncio.sleep(tries / 1000)
            read = file.read_at(0, length)
            assert len(await read) == length
            if not read.by_worker:
                return False
        return True

    async def main() -> list[bool]:
        fs = AsyncFileSystem(url)
        await fs.write("a", bytes(2 * size))
        async with fs.open("a") as file:
            return [await needs_worker(file, length) for length in (1, size, size + 1)]

    byte, block, larger = asyncio.run(main())
    # Not every file system can say what it has in the page cache.
    assert block == byte
    assert larger == (not url.startswith("memory"))


def test_a_reader_in_order_sees_what_is_appended(fs: AsyncFileSystem) -> None:
    """What was the end when it was read ahead is not the end when it is read."""
    block = b"x" * 100_000

    async def main() -> None:
        await fs.write("a", block * 4)
        async with (
            fs.open("a", "ab", publish="in_place", buffering=0) as writer,
            fs.open("a") as reader,
        ):
            for _ in range(3):
                assert await reader.read(len(block)) == block
            await asyncio.sleep(0.01)
            await writer.write(block * 2)
            for _ in range(3):
                assert await reader.read(len(block)) == block
            assert await reader.read(len(block)) == b""
            await writer.write(b"end")
            assert await reader.read(len(block)) == b"end"

    asyncio.run(main())


def test_a_cancelled_read_in_order_has_not_moved(fs: AsyncFileSystem) -> None:
    content = random.Random(1).randbytes(2_000_000)

    async def main() -> None:
        await fs.write("a", content)
        async with fs.open("a") as file:
            position = 0
            while position < len(content):
                task = asyncio.create_task(file.read(100_000))
                await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await file.seek(position)
                assert await file.read(100_000) == content[position : position + 100_000]
                assert await file.read(100_000) == content[position + 100_000 : position + 200_000]
                position += 200_000

    asyncio.run(main())


def test_a_file_goes_on_in_another_loop(fs: AsyncFileSystem) -> None:
    block = random.Random(1).randbytes(1 << 20)

    async def opened(mode: str) -> AsyncFile:
        return await fs.open("a", mode)

    async def written(writer: AsyncFile) -> None:
        for _ in range(5):
            await writer.write(block)

    async def read(reader: AsyncFile) -> None:
        for _ in range(5):
            assert await reader.read(len(block)) == block

    writer = asyncio.run(opened("wb"))
    for _ in range(3):
        asyncio.run(written(writer))
    asyncio.run(writer.close())
    reader = asyncio.run(opened("rb"))
    for _ in range(3):
        asyncio.run(read(reader))
    assert asyncio.run(reader.read()) == b""
    asyncio.run(reader.close())


def test_what_is_read_ahead_in_one_loop_is_not_awaited_in_another(tmp_path: Path) -> None:
    fs = AsyncFileSystem(tmp_path)
    content = random.Random(1).randbytes(30_000_000)
    (tmp_path / "a").write_bytes(content)

    async def opened() -> AsyncFile:
        return await fs.open("a")

    async def read(reader: AsyncFile, count: int) -> None:
        for _ in range(count):
            start = await reader.tell()
            assert await reader.read(1 << 20) == content[start : start + (1 << 20)]

    reader = asyncio.run(opened())
    for count in range(1, 8):
        # Only what is not in the page cache is read ahead.
        with (tmp_path / "a").open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        asyncio.run(read(reader, count))
    asyncio.run(reader.close())


@pytest.mark.parametrize("publish", ["staged", "in_place"])
def test_blocks_that_are_written_are_those_of_the_file(fs: AsyncFileSystem, publish: Any) -> None:
    """Whatever is still on its way, and however the writer jumps about or is cancelled."""
    choice = random.Random(3)
    pool = choice.randbytes(2_500_000)

    async def main() -> None:
        await fs.write("a", b"")
        model = bytearray()
        position = 0
        file = await fs.open("a", "r+b", publish=publish)
        for _ in range(400):
            size = choice.choice([100_000, 1 << 20, 1_100_000, 70_000, 10, 300_000])
            start = choice.randrange(len(pool) - size)
            data: bytes | bytearray = pool[start : start + size]
            if choice.random() < 0.2:
                data = bytearray(data)
            kind = choice.random()
            if kind < 0.1:
                position = await file.seek(choice.randrange(len(model) + 1))
            elif kind < 0.15:
                position = await file.seek(0, os.SEEK_END)
                assert position == len(model)
            elif kind < 0.2:
                place = choice.randrange(len(model) + 1)
                position = await file.seek(place)
                assert await file.read(50_000) == model[place : place + 50_000]
                position += len(model[place : place + 50_000])
            elif kind < 0.25 and position == len(model) and len(model) < 8_000_000:
                # What was not promised is written again.
                task = asyncio.create_task(file.write(data))
                for _ in range(choice.randrange(3)):
                    await asyncio.sleep(0)
                if not task.done():
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                if task.cancelled():
                    assert await file.tell() == position
                    await file.write(data)
                model[position : position + size] = data
                position += size
            elif position + size < 8_000_000:
                assert await file.write(data) == size
                if isinstance(data, bytearray):
                    expected = bytes(data)
                    data[:] = bytes(size)
                else:
                    expected = data
                model[position : position + size] = expected
                position += size
            else:
                position = await file.seek(0)
            assert await file.tell() == position
        await file.close()
        assert await fs.read("a") == model

    asyncio.run(main())


def test_a_block_that_failed_is_told_of_and_nothing_is_published(tmp_path: Path) -> None:
    """It may have been on its way when its own write returned."""
    fs = AsyncFileSystem(tmp_path)
    block = random.Random(1).randbytes(1 << 20)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def main(fits: int, count: int) -> None:
        # Python ignores the signal; the system call fails.
        resource.setrlimit(resource.RLIMIT_FSIZE, (fits * len(block), limit[1]))
        failures = 0
        file = await fs.open("a", "wb")
        for _ in range(count):
            try:
                await file.write(block)
            except OSError as error:
                assert error.errno == errno.EFBIG
                failures += 1
        assert await file.tell() == (count - failures) * len(block)
        with pytest.raises(OSError, match="'a'"):
            await file.close()
        assert file.closed

    try:
        for fits in range(5):
            for count in range(fits + 1, fits + 6):
                asyncio.run(main(fits, count))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [1, 3, 1000, 1 << 20])
def test_chunks(fs: AsyncFileSystem, size: int) -> None:
    content = bytes(range(250)) * 12

    async def main() -> None:
        await fs.write("a", content)
        async with fs.open("a") as file:
            assert await file.read(10) == content[:10]
            chunks = [chunk async for chunk in file.chunks(size)]
            assert b"".join(chunks) == content[10:]
            assert {len(chunk) for chunk in chunks[:-1]} <= {size}
            assert await file.tell() == len(content)
            await file.seek(0)
            async for chunk in file.chunks(size):
                assert chunk == content[:size]
                break
            assert await file.tell() == min(size, len(content))
            with pytest.raises(errors.InvalidInput):
                async for _ in file.chunks(0):
                    pass

    asyncio.run(main())


def test_reads_side_by_side(fs: AsyncFileSystem) -> None:
    content = bytes(range(256)) * 16

    async def main() -> None:
        await fs.write("a", content)
        async with fs.open("a") as file:
            offsets = range(0, len(content), 64)
            blocks = await asyncio.gather(*(file.read_at(offset, 64) for offset in offsets))
            assert b"".join(blocks) == content

    asyncio.run(main())


def test_small_writes_are_gathered(fs: AsyncFileSystem) -> None:
    async def main() -> None:
        async with fs.open("a", "wb", buffering=8) as file:
            for _ in range(10):
                await file.write(b"abc")
            assert await file.tell() == 30
            await file.write(b"x" * 100)
            await file.seek(0)
            await file.write(b"ABC")
        assert await fs.read("a") == b"ABC" + b"abc" * 9 + b"x" * 100

    asyncio.run(main())


def test_a_writer_reads_what_it_wrote(fs: AsyncFileSystem) -> None:
    async def main() -> None:
        async with fs.open("a", "w+b") as file:
            await file.write(b"one\ntwo\n")
            await file.seek(0)
            assert await file.readline() == b"one\n"
            await file.write(b"TWO\n")
            assert await file.read() == b""
        assert await fs.read("a") == b"one\nTWO\n"

    asyncio.run(main())


def test_modes_are_kept(fs: AsyncFileSystem) -> None:
    async def main() -> None:
        await fs.write("a", b"1")
        async with fs.open("a") as file:
            with pytest.raises(errors.Unsupported):
                await file.write(b"x")
        async with fs.open("a", "wb") as file:
            with pytest.raises(errors.Unsupported):
                await file.read()
            with pytest.raises(errors.Unsupported):
                await file.readline()

    asyncio.run(main())


def test_a_dropped_writer_publishes_nothing(fs: AsyncFileSystem) -> None:
    async def main() -> None:
        file = await fs.open("a", "wb")
        await file.write(b"x" * 1_000_000)
        with pytest.warns(ResourceWarning, match="not published"):
            del file
            gc.collect()
        assert [entry async for entry in fs.walk()] == []

    asyncio.run(main())


def test_bytes_that_do_not_get_through_publish_nothing() -> None:
    async def main() -> None:
        fs = AsyncFileSystem("memory://", max_bytes=100)
        with pytest.raises(errors.NoSpace):
            async with fs.open("a", "wb") as file:
                await file.write(b"x" * 200)
        assert file.closed
        assert not await fs.exists("a")

    asyncio.run(main())


def test_a_cut_short_append_is_not_published() -> None:
    async def main() -> None:
        fs = AsyncFileSystem("memory://", max_bytes=100)
        await fs.write("a", b"old")
        file = await fs.open("a", "ab", buffering=1)
        with pytest.raises(errors.NoSpace):
            await file.write(b"x" * 200_000)
        with pytest.raises(errors.Io, match="cut short"):
            await file.commit()
        await file.abort()
        assert await fs.read("a") == b"old"

    asyncio.run(main())


def test_readers_travel_and_writers_do_not(fs: AsyncFileSystem) -> None:
    async def main() -> None:
        await fs.write("a", b"hello world")
        async with fs.open("a") as file:
            await file.read(6)
            again = pickle.loads(pickle.dumps(file))
            assert await again.read() == b"world"
            await again.close()
            assert again.closed
        await fs.write("text", "grün\nblau\r\nrot".encode("utf-16"))
        async with fs.open("text", "r", encoding="utf-16", buffering=7) as text:
            assert await text.read(2) == "gr"
            travelled = pickle.loads(pickle.dumps(text))
            assert (travelled.mode, travelled.encoding) == ("r", "utf-16")
            for reader in (travelled, text):
                assert await reader.readlines() == ["ün\n", "blau\n", "rot"]
            await travelled.close()
        for mode in ("wb", "r+b", "w", "r+"):
            writer = await fs.open("a", mode)
            with pytest.raises(TypeError, match="open writer"):
                pickle.dumps(writer)
            await writer.abort()

    asyncio.run(main())


def test_a_seek_in_text_that_fails_on_its_way_leaves_a_sound_place(fs: AsyncFileSystem) -> None:
    async def fails(size: int | None = -1, /) -> bytes:
        raise OSError("on purpose")

    async def main() -> None:
        await fs.write("a", "one\r\ntwo\r\n".encode("utf-16"))
        async with fs.open("a", "r", encoding="utf-16", newline="") as file:
            assert await file.read(4) == "one\r"
            between = await file.tell()
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(file.buffer, "read", fails)
                with pytest.raises(OSError, match="on purpose"):
                    await file.seek(between)
            assert await file.read(1) in ("\n", "\r")
            assert await file.seek(between) == between
            assert await file.read() == "\ntwo\r\n"

    asyncio.run(main())
