"""The examples of the documentation of aioftp's path I/O, with the import changed."""

import asyncio
import doctest
from pathlib import Path, PurePosixPath

import pytest

from twinfs import aioftp
from twinfs.aioftp import _memory


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("module", [aioftp, aioftp.pathio, _memory])
def test_the_examples_in_our_own_words_run(module):
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0


def test_basic_file_operations(capsys):
    Path("test_file.txt").write_text("in the file")

    async def basic_file_ops():
        sync_pathio = aioftp.PathIO()
        path = Path("test_file.txt")
        if await sync_pathio.exists(path):
            print("File exists")
            stats = await sync_pathio.stat(path)
            print(f"File size: {stats.st_size} bytes")
            async with sync_pathio.open(path, "rb") as f:
                content = await sync_pathio.read(f, 1024)
                print(f"Content: {content.decode()}")
        async with sync_pathio.open(Path("new_file.txt"), "wb") as f:
            await sync_pathio.write(f, b"Hello, World!")

    asyncio.run(basic_file_ops())
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["File exists", "File size: 11 bytes", "Content: in the file"]
    assert Path("new_file.txt").read_bytes() == b"Hello, World!"


def test_asynchronous_operations(capsys):
    async def async_file_ops():
        async_pathio = aioftp.AsyncPathIO(timeout=30.0)
        tasks = []
        for i in range(10):
            path = Path(f"file_{i}.txt")
            tasks.append(create_file(async_pathio, path, f"Content {i}"))
        await asyncio.gather(*tasks)
        async for item in async_pathio.list(Path()):
            if await async_pathio.is_file(item):
                stats = await async_pathio.stat(item)
                print(f"File: {item} ({stats.st_size} bytes)")

    async def create_file(pathio, path, content):
        async with pathio.open(path, "wb") as f:
            await pathio.write(f, content.encode())

    asyncio.run(async_file_ops())
    wanted = [f"File: file_{i}.txt (9 bytes)" for i in range(10)]
    assert capsys.readouterr().out.splitlines() == wanted


def test_in_memory_testing(capsys):
    async def memory_filesystem_test():
        memory_pathio = aioftp.MemoryPathIO()
        await memory_pathio.mkdir(PurePosixPath("/home"))
        await memory_pathio.mkdir(PurePosixPath("/home/user"), parents=True)
        file_path = PurePosixPath("/home/user/test.txt")
        async with memory_pathio.open(file_path, "wb") as f:
            await memory_pathio.write(f, b"Test content")
        assert await memory_pathio.exists(file_path)
        assert await memory_pathio.is_file(file_path)
        async with memory_pathio.open(file_path, "rb") as f:
            content = await memory_pathio.read(f, 1024)
            assert content == b"Test content"
        items = []
        async for item in memory_pathio.list(PurePosixPath("/home/user")):
            items.append(item)
        print(f"Directory contains: {items}")

    asyncio.run(memory_filesystem_test())
    wanted = "Directory contains: [PurePosixPath('/home/user/test.txt')]\n"
    assert capsys.readouterr().out == wanted


def test_custom_path_io_factory():
    async def factory_example():
        pathio_factory = aioftp.PathIONursery(aioftp.AsyncPathIO)
        pathio1 = pathio_factory(timeout=10.0)
        pathio2 = pathio_factory(timeout=20.0)
        await pathio1.mkdir(Path("temp1"), exist_ok=True)
        await pathio2.mkdir(Path("temp2"), exist_ok=True)
        async with pathio1.open(Path("temp1/file1.txt"), "wb") as f:
            await pathio1.write(f, b"File 1 content")
        async with pathio2.open(Path("temp2/file2.txt"), "wb") as f:
            await pathio2.write(f, b"File 2 content")

    asyncio.run(factory_example())
    assert Path("temp1/file1.txt").read_bytes() == b"File 1 content"
    assert Path("temp2/file2.txt").read_bytes() == b"File 2 content"


def test_ftp_server_integration(tmp_path):
    """As it stands there, but for the folder and the port; with a client that looks at it."""

    async def server_with_custom_pathio():
        pathio_factory = aioftp.PathIONursery(aioftp.AsyncPathIO)
        user = aioftp.User(
            login="testuser",
            password="testpass",
            base_path=tmp_path,
            permissions=[aioftp.Permission("/", readable=True, writable=True)],
        )
        server = aioftp.Server(users=[user], path_io_factory=pathio_factory, path_timeout=30.0)
        running = asyncio.create_task(server.run(host="localhost", port=0))
        while not getattr(server, "server_port", 0):  # noqa: ASYNC110  # it tells nobody when it is up
            await asyncio.sleep(0)
        options = {"user": "testuser", "password": "testpass"}
        async with aioftp.Client.context("localhost", server.server_port, **options) as client:
            async with client.upload_stream("hello.txt") as stream:
                await stream.write(b"hello")
            assert [str(path) for path, _ in await client.list()] == ["hello.txt"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await server.close()

    asyncio.run(server_with_custom_pathio())
    assert (tmp_path / "hello.txt").read_bytes() == b"hello"


class TestableMemoryPathIO(aioftp.MemoryPathIO):
    __test__ = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.operation_count = 0

    async def exists(self, path):
        self.operation_count += 1
        return await super().exists(path)

    def get_filesystem_tree(self):
        return self.state if hasattr(self, "state") else {}


def test_advanced_memory_testing(capsys):
    async def advanced_memory_testing():
        pathio = TestableMemoryPathIO()
        test_paths = [
            PurePosixPath("/app"),
            PurePosixPath("/app/data"),
            PurePosixPath("/app/logs"),
            PurePosixPath("/app/data/file1.txt"),
            PurePosixPath("/app/data/file2.txt"),
        ]
        for path in test_paths:
            if path.suffix:
                async with pathio.open(path, "wb") as f:
                    await pathio.write(f, f"Content for {path.name}".encode())
            else:
                await pathio.mkdir(path, parents=True, exist_ok=True)
        for path in test_paths:
            assert await pathio.exists(path)
            if path.suffix:
                assert await pathio.is_file(path)
            else:
                assert await pathio.is_dir(path)
        print(f"Performed {pathio.operation_count} filesystem operations")
        print("All tests passed!")
        return pathio.get_filesystem_tree()

    (root,) = asyncio.run(advanced_memory_testing())
    printed = capsys.readouterr().out.splitlines()
    assert printed == ["Performed 5 filesystem operations", "All tests passed!"]
    (app,) = root.content
    assert [node.name for node in app.content] == ["data", "logs"]
