"""What each class does, beside what aioftp's own tests ask."""

import asyncio
import inspect
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath

import aioftp as real
import pytest

import twinfs
from conftest import Setting, descriptors, eventually
from twinfs import aioftp


def reason(error: pytest.ExceptionInfo) -> BaseException:
    assert isinstance(error.value, real.PathIOError)
    kind, value, trace = error.value.reason
    assert type(value) is kind and trace is not None
    return value


async def put(setting: Setting, name: str, data: bytes) -> None:
    async with setting.io.open(setting.home / name, "wb") as file:
        await file.write(data)


async def get(setting: Setting, name: str) -> bytes:
    async with setting.io.open(setting.home / name) as file:
        return await file.read()


def test_every_name_of_aioftp_is_here():
    ours = {"PathIO", "AsyncPathIO", "MemoryPathIO"}
    for name in real.__all__:
        assert name in aioftp.__all__
        assert (getattr(aioftp, name) is getattr(real, name)) == (name not in ours), name
    for name in ours:
        for module in (aioftp, aioftp.pathio):
            assert issubclass(getattr(module, name), real.AbstractPathIO)
            assert getattr(module, name).__module__ == "twinfs.aioftp.pathio"
    for name in vars(real.pathio):
        assert hasattr(aioftp.pathio, name), name
    assert aioftp.pathio.universal_exception is real.pathio.universal_exception
    assert aioftp.errors is real.errors
    with pytest.raises(AttributeError):
        aioftp.no_such_name  # noqa: B018


def test_constructors_are_aioftps():
    for ours, theirs in (
        (aioftp.PathIO, real.PathIO),
        (aioftp.AsyncPathIO, real.AsyncPathIO),
        (aioftp.MemoryPathIO, real.MemoryPathIO),
        (aioftp.TwinPathIO, real.AbstractPathIO),
    ):
        wanted = list(inspect.signature(theirs).parameters)
        assert list(inspect.signature(ours).parameters)[: len(wanted)] == wanted
    connection = object()
    for class_ in (aioftp.PathIO, aioftp.AsyncPathIO, aioftp.MemoryPathIO):
        pathio = class_(3, connection)
        assert (pathio.timeout, pathio.connection) == (3, connection)
    assert aioftp.PathIO().state is None and aioftp.AsyncPathIO().executor is None


def test_files_are_written_and_read_through_either_object(setting, run):
    async def scenario():
        path = setting.home / "a.txt"
        async with setting.io.open(path, mode="wb") as file:
            assert await setting.io.write(file, b"Hello, ") == 7
            assert await setting.io.write(file.file, b"World!") == 6
            assert await file.write(bytearray(b"!")) == 1
        async with setting.io.open(path, "rb") as file:
            assert await setting.io.read(file, 5) == b"Hello"
            assert await setting.io.read(file.file, 2) == b", "
            assert await file.seek(-2, os.SEEK_END) == 12
            assert await file.read() == b"!!"
            assert await file.read() == b""
            with pytest.raises(real.PathIOError) as error:
                await setting.io.seek(file, 0)
            assert isinstance(reason(error), ValueError)
            assert await setting.io.seek(file.file, 7) == 7
            blocks = [block async for block in file.iter_by_block(4)]
            assert blocks == [b"Worl", b"d!!"]
        plain = await setting.io.open(path)
        assert await plain.read(None) == b"Hello, World!!"
        await setting.io.close(plain)
        await plain.close()

    run(scenario())


def test_modes(setting, run):
    async def scenario():
        path = setting.home / "file"
        for mode in ("rb", "r+b"):
            with pytest.raises(real.PathIOError) as error:
                await setting.io.open(path, mode)
            assert isinstance(reason(error), FileNotFoundError), mode
        async with setting.io.open(path, "xb") as file:
            await file.write(b"12345")
        with pytest.raises(real.PathIOError) as error:
            await setting.io.open(path, "xb")
        assert isinstance(reason(error), FileExistsError)
        async with setting.io.open(path, "ab") as file:
            await file.write(b"67")
        async with setting.io.open(path, "r+b") as file:
            assert await file.read(1) == b"1"
            await file.write(b"x")
        assert await get(setting, "file") == b"1x34567"
        async with setting.io.open(path, "w+b") as file:
            await file.write(b"new")
            await file.seek(0)
            assert await file.read() == b"new"
        for mode in ("U", "rbx", "bad", ""):
            with pytest.raises(real.PathIOError) as error:
                await setting.io.open(path, mode)
            assert isinstance(reason(error), ValueError), mode

    run(scenario())


def test_directories_are_made_with_options_by_position_or_name(setting, run):
    async def scenario():
        await setting.io.mkdir(setting.home / "a")
        with pytest.raises(real.PathIOError) as error:
            await setting.io.mkdir(setting.home / "a")
        assert isinstance(reason(error), FileExistsError)
        with pytest.raises(real.PathIOError) as error:
            await setting.io.mkdir(setting.home / "b" / "c")
        assert isinstance(reason(error), FileNotFoundError)
        await setting.io.mkdir(setting.home / "b" / "c", True)
        await setting.io.mkdir(setting.home / "b" / "c", True, True)
        await setting.io.mkdir(setting.home / "b", exist_ok=True)
        with pytest.raises(real.PathIOError) as error:
            await setting.io.rmdir(setting.home / "b")
        assert isinstance(reason(error), OSError)
        assert await setting.io.list(setting.home) == [setting.home / "a", setting.home / "b"]

    run(scenario())


def test_a_listing_gives_paths_of_the_kind_it_was_given(setting, run):
    async def scenario():
        names = [f"f{number:04}" for number in range(1500)]
        await asyncio.gather(*(put(setting, name, b"") for name in names))
        listed = await setting.io.list(setting.home)
        assert listed == [setting.home / name for name in names]
        assert {type(path) for path in listed} == {type(setting.home)}
        assert [path async for path in setting.io.list(setting.home)] == listed
        assert await setting.io.list(setting.home / "missing") == []
        assert await setting.io.list(setting.home / names[0]) == []

    run(scenario())


def test_stat_has_what_a_server_shows(setting, run):
    async def scenario():
        await put(setting, "file", b"12345")
        await setting.io.mkdir(setting.home / "dir")
        found = await setting.io.stat(setting.home / "file")
        assert (found.st_size, found.st_nlink) == (5, 1) and stat.S_ISREG(found.st_mode)
        assert found.st_mtime > 1.6e9 and found.st_ctime > 1.6e9
        assert stat.S_ISDIR((await setting.io.stat(setting.home / "dir")).st_mode)
        assert stat.filemode(found.st_mode).startswith("-rw")
        with pytest.raises(real.PathIOError) as error:
            await setting.io.stat(setting.home / "missing")
        assert isinstance(reason(error), FileNotFoundError)

    run(scenario())


def test_stat_of_local_files_is_the_systems(tmp_path, run):
    path = tmp_path / "file"
    path.write_bytes(b"123")
    path.chmod(0o640)
    wanted = path.stat()
    for pathio in (aioftp.PathIO(), aioftp.AsyncPathIO()):
        found = run(_stat(pathio, path))
        assert isinstance(found, os.stat_result)
        for name in ("st_size", "st_mtime", "st_ctime", "st_nlink", "st_mode", "st_mtime_ns"):
            assert getattr(found, name) == getattr(wanted, name), name


async def _stat(pathio, path):
    return await pathio.stat(path)


def test_questions_about_what_cannot_be_are_answered_with_no(setting, run):
    async def scenario():
        await put(setting, "file", b"")
        for name in ("missing", "file/below", "x" * 300, "a\nb", ".twinfs-x"):
            path = setting.home / name
            assert not await setting.io.exists(path)
            assert not await setting.io.is_file(path) and not await setting.io.is_dir(path)

    run(scenario())


def test_a_rename_gives_the_destination_and_replaces(setting, run):
    async def scenario():
        await put(setting, "a", b"1")
        await put(setting, "b", b"2")
        moved = await setting.io.rename(setting.home / "a", setting.home / "b")
        assert moved == setting.home / "b" and await get(setting, "b") == b"1"
        with pytest.raises(real.PathIOError) as error:
            await setting.io.rename(setting.home / "b", setting.home / "no" / "dir")
        assert isinstance(reason(error), FileNotFoundError)

    run(scenario())


def test_a_growing_file_is_seen(setting, run):
    async def scenario():
        path = setting.home / "growing"
        async with setting.io.open(path, "wb") as writer:
            assert await setting.io.exists(path)
            await writer.write(b"one")
            assert (await setting.io.stat(path)).st_size == 3
            async with setting.io.open(path) as reader:
                assert await reader.read() == b"one"
                await writer.write(b"two")
                assert await reader.read() == b"two"

    run(scenario())


ATOMIC = {
    "PathIO": lambda folder: Setting(aioftp.PathIO(atomic=True), folder),
    "AsyncPathIO": lambda folder: Setting(aioftp.AsyncPathIO(atomic=True), folder),
    "MemoryPathIO": lambda folder: Setting(aioftp.MemoryPathIO(atomic=True), PurePosixPath("/")),
    "TwinPathIO": lambda folder: Setting(
        aioftp.pathio_factory(folder, atomic=True)(), PurePosixPath("/")
    ),
}


@pytest.mark.parametrize("kind", ATOMIC)
def test_an_atomic_file_appears_whole_or_not_at_all(kind, tmp_path, run):
    setting = ATOMIC[kind](tmp_path)

    async def scenario():
        path = setting.home / "file"
        async with setting.io.open(path, "wb") as file:
            await file.write(b"all of it")
            assert not await setting.io.exists(path)
            with pytest.raises(real.PathIOError) as error:
                await setting.io.open(path, "wb")
            assert isinstance(reason(error), BlockingIOError)
        assert await get(setting, "file") == b"all of it"
        with pytest.raises(ZeroDivisionError):
            async with setting.io.open(path, "wb") as file:
                await file.write(b"a part")
                raise ZeroDivisionError
        assert await get(setting, "file") == b"all of it"
        assert await setting.io.list(setting.home) == [path]

    run(scenario())


def test_paths_mean_what_they_mean_to_the_system(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "real").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")

    async def scenario(pathio, name):
        async with pathio.open(Path("link") / name, "wb") as file:
            await file.write(b"1")
        assert (tmp_path / "elsewhere" / name).read_bytes() == b"1"
        assert await pathio.exists(Path("real/../link") / name)
        assert await pathio.exists(Path("real", "..", "link", "..", "elsewhere", name))
        assert await pathio.is_dir(Path())
        names = [path.name for path in await pathio.list(Path())]
        assert names == ["elsewhere", "link", "real"]
        assert not await pathio.exists(Path("missing/../real"))

    run(scenario(aioftp.PathIO(), "a"))
    run(scenario(aioftp.AsyncPathIO(), "b"))


def test_the_root_of_a_file_system_is_its_root(tmp_path, run):
    (tmp_path / "file").write_bytes(b"1")
    (tmp_path / "out").symlink_to("/etc")

    async def scenario():
        pathio = aioftp.pathio_factory(tmp_path)()
        for root in (PurePosixPath("/"), PurePosixPath("."), Path()):
            assert await pathio.is_dir(root)
        assert await pathio.exists(PurePosixPath("/file"))
        with pytest.raises(real.PathIOError) as error:
            await pathio.stat(PurePosixPath("../file"))
        assert isinstance(reason(error), ValueError)
        with pytest.raises(real.PathIOError) as error:
            await pathio.open(PurePosixPath("out/passwd"))
        assert isinstance(reason(error), PermissionError)

    run(scenario())


def test_a_nursery_shares_the_tree(run):
    async def scenario():
        nursery = aioftp.PathIONursery(aioftp.MemoryPathIO)
        first, second = nursery(timeout=10), nursery(timeout=20)
        await first.mkdir(PurePosixPath("/shared"))
        assert await second.is_dir(PurePosixPath("/shared"))
        assert first.state is second.state and first.fs is first.state
        alone = aioftp.MemoryPathIO()
        assert not await alone.exists(PurePosixPath("/shared"))
        sharing = aioftp.MemoryPathIO(state=first.state)
        assert await sharing.exists(PurePosixPath("/shared"))

    run(scenario())


def test_a_tree_is_shared_with_any_other_user_of_it(run):
    fs = twinfs.SyncFileSystem("memory://shared-with-aioftp")
    fs.write("app/data/file1.txt", b"Content")

    async def scenario():
        pathio = aioftp.MemoryPathIO(state=fs)
        node = pathio.get_node(PurePosixPath("/app"))
        assert (node.type, node.name) == ("dir", "app")
        (data,) = node.content
        (file,) = data.content
        assert (file.type, file.name, file.content.getvalue()) == ("file", "file1.txt", b"Content")
        assert file.mtime > 1.6e9 and file.ctime == file.mtime
        assert pathio.get_node(PurePosixPath("/missing")) is None
        assert pathio.get_node(PurePosixPath("/a/../b")) is None
        (root,) = pathio.state
        assert root.name == "/" and len(pathio.state) == 1 and pathio.state[0].type == "dir"
        assert "file1.txt" in repr(pathio)

    run(scenario())


def test_a_tree_of_aioftps_nodes_is_copied(run):
    theirs = real.MemoryPathIO()

    async def scenario():
        await theirs.mkdir(PurePosixPath("/a/b"), parents=True)
        async with theirs.open(PurePosixPath("/a/b/c"), "wb") as file:
            await file.write(b"1")
        ours = aioftp.MemoryPathIO(state=theirs.state)
        async with ours.open(PurePosixPath("/a/b/c")) as file:
            assert await file.read() == b"1"

    run(scenario())


def test_a_subclass_sees_all_input_and_output(setting, run):
    calls = []

    class Counting(type(setting.io)):
        async def _open(self, *args, **kwargs):
            calls.append("open")
            return await super()._open(*args, **kwargs)

        async def seek(self, *args):
            calls.append("seek")
            return await super().seek(*args)

        async def read(self, *args):
            calls.append("read")
            return await super().read(*args)

        async def write(self, *args):
            calls.append("write")
            return await super().write(*args)

        async def close(self, *args):
            calls.append("close")
            return await super().close(*args)

    setting.io.__class__ = Counting

    async def scenario():
        async with setting.io.open(setting.home / "file", "w+b") as file:
            await file.write(b"12")
            await file.seek(0)
            assert [block async for block in file.iter_by_block(2)] == [b"12"]

    run(scenario())
    assert calls == ["open", "write", "seek", "read", "read", "close"]


def test_what_is_cancelled_is_no_path_io_error(tmp_path, run):
    async def scenario():
        class Slow(aioftp.AsyncPathIO):
            @real.pathio.universal_exception
            async def exists(self, path):
                await asyncio.sleep(3600)

            @real.pathio.universal_exception
            async def is_dir(self, path):
                raise NotImplementedError

        with pytest.raises(NotImplementedError):
            await Slow().is_dir(tmp_path)
        task = asyncio.create_task(Slow().exists(tmp_path))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(scenario())


@pytest.mark.parametrize("class_", [aioftp.AsyncPathIO, partial(aioftp.TwinPathIO, fs="/")])
def test_cancelled_operations_leave_no_descriptor(class_, tmp_path, run):
    paths = [tmp_path / f"file{number}" for number in range(20)]

    async def scenario():
        pathio = class_()
        for mode in ("wb", "rb", "r+b", "ab"):
            await asyncio.gather(*(open_and_close(pathio, path, mode) for path in paths))
        before = descriptors()
        for turn in range(8):
            for mode in ("wb", "rb", "r+b", "ab"):
                tasks = [asyncio.create_task(use(pathio, path, mode)) for path in paths]
                for _ in range(turn):
                    await asyncio.sleep(0)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        # The last tasks, with their tracebacks, are still there: they hold nothing open.
        # What a worker was doing it ends; the last one of its own shows that they are through.
        await asyncio.gather(*(pathio.exists(path) for path in paths))
        assert await eventually(lambda: descriptors() <= before)

    async def open_and_close(pathio, path, mode):
        async with pathio.open(path, mode):
            pass

    async def use(pathio, path, mode):
        async with pathio.open(path, mode) as file:
            await (file.read(10) if mode[0] == "r" else file.write(b"x"))

    run(scenario())


@pytest.mark.parametrize("atomic", [False, True])
def test_a_cancelled_close_lets_go_of_the_file_whoever_holds_it(tmp_path, run, atomic):
    async def scenario():
        pathio = aioftp.AsyncPathIO(atomic=atomic)
        file = await pathio._open(tmp_path / "file", "wb")
        await pathio.write(file, b"x")
        open_ = descriptors()
        for begun in range(2):
            closing = asyncio.ensure_future(pathio.close(file))
            for _ in range(begun):
                await asyncio.sleep(0)
            closing.cancel()
            await asyncio.wait([closing])
        assert await eventually(lambda: descriptors() < open_)
        # Published or not, the path is free for the next one, once a worker has let go of it.
        for _ in range(6000):
            try:
                again = await pathio.open(tmp_path / "file", "wb")
            except real.PathIOError as error:
                assert isinstance(error.reason[1], BlockingIOError)
                await asyncio.sleep(0.01)
            else:
                break
        await again.write(b"new")
        await again.close()
        assert (tmp_path / "file").read_bytes() == b"new"

    run(scenario())


def test_an_executor_does_the_work_on_its_threads(tmp_path, run):
    (tmp_path / "file").write_bytes(b"1")

    async def scenario():
        with ThreadPoolExecutor(1, thread_name_prefix="of-the-test") as executor:
            pathio = aioftp.AsyncPathIO(executor=executor)
            assert pathio.executor is executor
            assert await pathio.exists(tmp_path / "file")
            async with pathio.open(tmp_path / "file") as file:
                assert await file.read() == b"1"
            executor.shutdown()
            with pytest.raises(real.PathIOError) as error:
                await pathio.exists(tmp_path / "file")
            assert isinstance(reason(error), RuntimeError)

    run(scenario())


def test_calls_on_one_file_come_one_after_the_other(tmp_path, run):
    (tmp_path / "file").write_bytes(bytes(range(256)) * 4096)

    async def scenario():
        async with aioftp.AsyncPathIO().open(tmp_path / "file") as file:
            blocks = await asyncio.gather(*(file.read(4096) for _ in range(257)))
        assert b"".join(blocks) == (tmp_path / "file").read_bytes()

    run(scenario())


def test_without_a_file_system_there_is_no_twin_path_io():
    with pytest.raises(TypeError, match="pathio_factory"):
        aioftp.TwinPathIO()
    with pytest.raises(TypeError, match="versions"):
        aioftp.pathio_factory(twinfs.SyncFileSystem("memory://"), versions="off")


def test_the_loop_goes_on_while_files_are_worked_on(tmp_path, run):
    """As many turns of the loop as it gets: none of them waits for the disk."""
    (tmp_path / "file").write_bytes(b"x" * 100_000)

    async def scenario():
        turns = 0

        async def count():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        pathio = aioftp.AsyncPathIO()
        for _ in range(100):
            async with pathio.open(tmp_path / "file") as file:
                await file.read(100_000)
        counting.cancel()
        return turns

    # Three times a file it waits for a worker; without that there would be one turn or two.
    assert run(scenario()) > 200


def test_calls_that_block_the_loop_give_it_no_turn(tmp_path, run):
    """As aioftp's own: a turn after every few calls would cost more than the calls."""
    (tmp_path / "file").write_bytes(b"x")

    async def scenario():
        turns = []
        pathio = aioftp.PathIO()
        asyncio.get_running_loop().call_soon(turns.append, None)
        for _ in range(2000):
            await pathio.stat(tmp_path / "file")
        return len(turns)

    assert run(scenario()) == 0


def test_names_that_are_not_utf_8_are_left_out_of_listings(tmp_path, run):
    (tmp_path / "\udcff").write_bytes(b"")
    (tmp_path / "file").write_bytes(b"")

    async def scenario():
        for pathio in (aioftp.PathIO(), aioftp.AsyncPathIO()):
            assert await pathio.list(tmp_path) == [tmp_path / "file"]
            assert not await pathio.exists(tmp_path / "\udcff")

    run(scenario())
