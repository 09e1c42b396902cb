"""Pickling, other processes, forks."""

import asyncio
import copy
import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from pathlib import PurePosixPath

import aioftp as real
import pytest

import twinfs
from twinfs import aioftp


class Counting(aioftp.AsyncPathIO):
    """A class of a user, with something of its own to carry."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.operation_count = 7


async def write(pathio, path, data):
    async with pathio.open(path, "wb") as file:
        await file.write(data)


async def read(pathio, path):
    async with pathio.open(path) as file:
        return await file.read()


def read_in(pathio, path):
    return asyncio.run(read(pathio, path))


def read_from(factory, path):
    return asyncio.run(read(factory(timeout=30), path))


def test_classes_and_factories_travel_to_a_spawned_process(tmp_path):
    (tmp_path / "file").write_bytes(b"1")
    local = [aioftp.PathIO(atomic=True), aioftp.AsyncPathIO(timeout=30), Counting(timeout=30)]
    factory = aioftp.pathio_factory(tmp_path)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        for pathio in local:
            assert pool.submit(read_in, pathio, tmp_path / "file").result(150) == b"1"
        place = PurePosixPath("/file")
        assert pool.submit(read_from, factory, place).result(150) == b"1"
        assert pool.submit(read_in, factory(), place).result(150) == b"1"
        nursery = aioftp.PathIONursery(aioftp.AsyncPathIO)
        assert pool.submit(read_from, nursery, tmp_path / "file").result(150) == b"1"


def test_what_was_set_travels_and_the_connection_stays(tmp_path):
    pathio = Counting(timeout=5, connection=object())
    again = pickle.loads(pickle.dumps(pathio))
    assert (again.timeout, again.connection, again.operation_count) == (5, None, 7)
    factory = aioftp.pathio_factory(tmp_path, atomic=True)
    made = pickle.loads(pickle.dumps(factory))(timeout=3)
    assert (made.timeout, made.atomic, made.fs.url) == (3, True, str(tmp_path))
    assert copy.copy(pathio).operation_count == 7


def test_a_private_tree_stays_and_says_so():
    with pytest.raises(TypeError, match="name it"):
        pickle.dumps(aioftp.MemoryPathIO())
    named = aioftp.MemoryPathIO(state=twinfs.SyncFileSystem("memory://travelling"), cwd="/home")
    again = pickle.loads(pickle.dumps(named))
    assert again.cwd == PurePosixPath("/home") and again.state.fs.url == named.state.fs.url


def test_open_files_do_not_travel(tmp_path):
    async def scenario():
        pathio = aioftp.AsyncPathIO()
        async with pathio.open(tmp_path / "file", "wb") as file:
            with pytest.raises(TypeError):
                pickle.dumps(file.file)

    asyncio.run(scenario())


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_goes_on_with_all_but_open_writers(tmp_path):
    (tmp_path / "file").write_bytes(b"1")
    memory = aioftp.MemoryPathIO()
    path = PurePosixPath("/file")

    async def in_child(writer):
        for pathio in (aioftp.PathIO(), aioftp.AsyncPathIO(timeout=30)):
            assert await read(pathio, tmp_path / "file") == b"1"
            await write(pathio, tmp_path / "child", b"2")
        assert await read(memory, path) == b"in memory"
        with pytest.raises(real.PathIOError) as error:
            await writer.write(b"x")
        assert isinstance(error.value.reason[1], ValueError)

    async def prepare():
        await write(memory, path, b"in memory")
        pathio = aioftp.AsyncPathIO()
        await read(pathio, tmp_path / "file")
        return await pathio.open(tmp_path / "open", "wb")

    writer = asyncio.run(prepare())
    child = os.fork()
    if child == 0:
        status = 1
        try:
            asyncio.run(in_child(writer))
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    asyncio.run(_finish(writer))
    assert (tmp_path / "open").read_bytes() == b"parent" and (tmp_path / "child").exists()


async def _finish(writer):
    await writer.write(b"parent")
    await writer.close()
