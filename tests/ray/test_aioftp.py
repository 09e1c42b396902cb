"""Path I/O classes and factories work in Ray's workers, on the files they were made for."""

import asyncio
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import ray

from twinfs import aioftp


def read_with(pathio: Any, path: Any) -> bytes:
    async def read() -> bytes:
        async with pathio.open(path) as file:
            data: bytes = await file.read()
            return data

    return asyncio.run(read())


def write_with(pathio: Any, path: Any, data: bytes) -> list[str]:
    async def write() -> list[str]:
        async with pathio.open(path, "wb") as file:
            await file.write(data)
        return [found.name for found in await pathio.list(path.parent)]

    return asyncio.run(write())


@pytest.mark.parametrize("class_", ["PathIO", "AsyncPathIO"])
def test_a_path_io_of_local_files_travels_to_a_worker(class_: str, tmp_path: Path) -> None:
    pathio = getattr(aioftp, class_)(timeout=30)
    written = ray.remote(write_with).remote(pathio, tmp_path / "file", b"from a worker")
    assert ray.get(written, timeout=300) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"from a worker"


def test_a_factory_travels_and_each_task_has_a_path_io_of_its_own(tmp_path: Path) -> None:
    factory = aioftp.pathio_factory(tmp_path)

    def write_one(factory: Any, number: int) -> list[str]:
        path = PurePosixPath(f"/{number}") / "file"
        pathio = factory(timeout=30)
        asyncio.run(_mkdir(pathio, path.parent))
        return write_with(pathio, path, b"%d" % number)

    tasks = [ray.remote(write_one).remote(factory, number) for number in range(4)]
    assert ray.get(tasks, timeout=300) == [["file"]] * 4
    assert read_with(factory(), PurePosixPath("/3/file")) == b"3"


async def _mkdir(pathio: Any, path: Any) -> None:
    await pathio.mkdir(path)


def test_a_private_tree_does_not_travel_and_says_so() -> None:
    with pytest.raises(TypeError, match="name it"):
        ray.put(aioftp.MemoryPathIO())
