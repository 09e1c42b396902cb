"""Our client classes, both from one text, against our server and against kodosumi's own."""

import asyncio
import multiprocessing
import os
import pickle
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import kodosumi.runner.files
import kodosumi.runner.tracer
import pytest

from panel import MAX_CHUNK, Panel, Server, is_uuid4
from twinfs import kodosumi as ours
from twinfs.kodosumi import AsyncFileSystem, HTTPStatusError, SyncFileSystem, Tracer

MIB = 1024 * 1024
TREE = {
    "empty": b"",
    "note.txt": b"hello",
    "data": b"a prefix of the next",
    "data.d/x": b"1",
    "data.d/deep/er/y": b"22",
    "exact": bytes(MAX_CHUNK),
    "large.bin": bytes(range(256)) * 10_000 + b"tail",
    "Grüße 日本語/😀 file.txt": b"unicode",
}
NAMES = [
    *("a b", " lead", "trail ", "é", "e\u0301", "日本語.txt", "😀", "x" * 255),
    *("100%", "100% sure", "a%41b", "%2F", "q?x", "?", "a#b", "#", "a+b&c=d", "semi;colon"),
    *("it's", '"q"', "[x]{y}", "back\\slash", ".hidden", "dot.", "...", "~", "-rf", ":", "a:b"),
]


class Sync:
    """The sync classes as they are."""

    fs: SyncFileSystem
    enter, exit, close_generator = "__enter__", "__exit__", "close"

    def __init__(self, fid: str, url: str, jwt: str, **options: Any) -> None:
        self.fs = SyncFileSystem(fid, url, jwt, **options)

    def run(self, result: Any) -> Any:
        return result

    def each(self, items: Any) -> Iterator[Any]:
        return iter(items)

    def finish(self) -> None:
        self.fs.close()


class Async:
    """The async classes, each call run to its end."""

    fs: AsyncFileSystem
    enter, exit, close_generator = "__aenter__", "__aexit__", "aclose"

    def __init__(self, fid: str, url: str, jwt: str, **options: Any) -> None:
        self.loop = asyncio.new_event_loop()
        self.fs = AsyncFileSystem(fid, url, jwt, **options)

    def run(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)

    def each(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        while True:
            try:
                yield self.run(anext(items))
            except StopAsyncIteration:
                return

    def finish(self) -> None:
        self.run(self.fs.close())
        self.loop.close()


class Face:
    """One of the two classes, with calls that end before they return."""

    def __init__(self, way: type[Sync | Async], fid: str, url: str, jwt: str, **options: Any):
        self.way = way(fid, url, jwt, **options)
        self.fs = self.way.fs
        self.open = self.fs.open

    def call(self, target: Any, method: str, *args: Any) -> Any:
        return self.way.run(getattr(target, method)(*args))

    def ls(self, *args: str) -> list[dict[str, Any]]:
        return self.call(self.fs, "ls", *args)

    def paths(self, path: str) -> list[str]:
        return [item["path"] for item in self.ls(path)]

    def upload(self, path: str | Path) -> str | None:
        return self.call(self.fs, "upload", path)

    def remove(self, path: str) -> bool:
        return self.call(self.fs, "remove", path)

    def close(self) -> None:
        self.call(self.fs, "close")

    def download(self, path: str) -> list[str]:
        return list(self.way.each(self.fs.download(path)))

    def read(self, path: str) -> list[bytes]:
        """The pieces of a file that is read in its context."""
        stream = self.open(path)
        assert self.enter(stream) is stream
        pieces = list(self.way.each(stream.read()))
        assert not self.way.run(getattr(stream, self.way.exit)(None, None, None))
        return pieces

    def enter(self, target: Any) -> Any:
        return self.call(target, self.way.enter)


@pytest.fixture(params=[Async, Sync], ids=["async", "sync"])
def connect(
    request: pytest.FixtureRequest, server: Server, panel: Panel, fid: str
) -> Iterator[Callable[..., Face]]:
    """Makes clients of the run, or of another one."""
    made = []

    def connect(fid: str = fid, url: str = server.url, jwt: str = panel.token, **options: Any):
        made.append(Face(request.param, fid, url, jwt, **options))
        return made[-1]

    yield connect
    for face in made:
        face.way.finish()


@pytest.fixture
def fs(connect: Callable[..., Face]) -> Face:
    return connect()


@pytest.fixture(autouse=True)
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders go."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def lay(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def downloaded(paths: list[str], downloads: Path) -> dict[str, bytes]:
    """What arrived, by its name relative to the one folder that the client made for it."""
    [folder] = downloads.iterdir()
    assert folder.name.startswith("kodosumi-")
    return {str(Path(path).relative_to(folder)): Path(path).read_bytes() for path in paths}


# ls


@pytest.mark.parametrize("path", ["in", "/in", "in/", "/in/"])
def test_a_root_is_listed_however_it_is_written(fs, panel, fid, path):
    panel.store(fid, {"b/c": b"123", "a": b"", "b-c": b"1"})
    panel.store(fid, {"elsewhere": b""}, root="out")
    files = fs.ls(path)
    sizes = [(file["path"], file["size"]) for file in files]
    assert sizes == [("in/a", 0), ("in/b-c", 1), ("in/b/c", 3)]
    assert files == fs.ls()
    assert all(file.keys() == {"path", "size", "last_modified"} for file in files)
    assert all(isinstance(file["last_modified"], float) for file in files)


@pytest.mark.parametrize("path", ["in/d", "in/d/", "/in/d", "/in/d/"])
def test_a_folder_is_listed_with_names_from_the_root(fs, panel, fid, path):
    panel.store(fid, {"d/x": b"", "d/e/y": b"", "dx": b""})
    assert fs.paths(path) == ["in/d/e/y", "in/d/x"]


def test_a_run_without_files_is_empty(fs):
    assert fs.ls("in") == fs.ls("out") == []


@pytest.mark.parametrize("path", ["in/none", "in/dat", "in/data.d/none", "out/note.txt"])
def test_what_is_not_there_is_not_found_by_any_call(fs, panel, fid, downloads, path):
    panel.store(fid, {"note.txt": b"", "data": b"", "data.d/x": b""})
    for call in (fs.ls, fs.download, fs.read, fs.remove):
        with pytest.raises(FileNotFoundError):
            call(path)
    for method in ("read_all", "remove"):
        with pytest.raises(FileNotFoundError):
            fs.call(fs.open(path), method)
    assert len(fs.ls("in")) == 3
    assert list(downloads.iterdir()) == []


@pytest.mark.parametrize("path", ["", "/", "etc", "/etc/passwd", "IN", "input/a", "../in"])
def test_another_root_is_a_value_error_that_names_it(fs, path):
    root = path.strip("/").split("/")[0]
    for call in (fs.ls, fs.download, fs.open, fs.remove):
        with pytest.raises(ValueError, match=f"invalid root '{root}'"):
            call(path)


# download


def test_a_whole_root_is_downloaded_in_the_order_of_its_listing(fs, panel, fid, downloads):
    panel.store(fid, TREE)
    paths = fs.download("in")
    assert all(isinstance(path, str) and Path(path).is_absolute() for path in paths)
    assert downloaded(paths, downloads) == TREE
    assert list(downloaded(paths, downloads)) == sorted(TREE)
    [folder] = downloads.iterdir()
    assert sum(path.is_file() for path in folder.rglob("*")) == len(TREE)


@pytest.mark.parametrize(
    "path, names",
    [
        ("in/note.txt", {"note.txt": "note.txt"}),
        ("in/empty", {"empty": "empty"}),
        ("in/data", {"data": "data"}),
        ("in/data.d", {"x": "data.d/x", "deep/er/y": "data.d/deep/er/y"}),
        ("in/data.d/deep", {"er/y": "data.d/deep/er/y"}),
        ("/in/data.d/deep/er/", {"y": "data.d/deep/er/y"}),
    ],
)
def test_a_part_is_downloaded_with_names_relative_to_it(fs, panel, fid, downloads, path, names):
    panel.store(fid, TREE)
    expected = {name: TREE[source] for name, source in names.items()}
    assert downloaded(fs.download(path), downloads) == expected


def test_without_a_path_what_came_in_is_downloaded(fs, panel, fid, downloads):
    panel.store(fid, {"f": b"content"})
    assert downloaded(list(fs.way.each(fs.fs.download())), downloads) == {"f": b"content"}


def test_an_empty_root_has_nothing_to_download_or_to_remove(fs, downloads):
    with pytest.raises(FileNotFoundError):
        fs.download("in")
    with pytest.raises(FileNotFoundError):
        fs.remove("in")
    assert list(downloads.iterdir()) == []


def test_a_download_closed_early_keeps_what_it_handed_out(fs, panel, fid, downloads):
    panel.store(fid, {f"{n:02}": bytes([n]) * 100_000 for n in range(20)})
    items = fs.fs.download("in")
    first = next(fs.way.each(items))
    fs.way.run(getattr(items, fs.way.close_generator)())
    assert Path(first).read_bytes() == bytes(100_000)
    assert [path for path in downloads.rglob("*") if path.is_file()] == [Path(first)]


# upload


@pytest.mark.parametrize("kind_of_path", [str, Path])
def test_a_folder_goes_up_and_comes_down_whole(fs, tmp_path, downloads, kind_of_path):
    assert is_uuid4(fs.upload(kind_of_path(lay(tmp_path / "tree", TREE))))
    sizes = {file["path"].removeprefix("out/"): file["size"] for file in fs.ls("out")}
    assert sizes == {name: len(content) for name, content in TREE.items()}
    assert downloaded(fs.download("out"), downloads) == TREE


def test_a_file_goes_up_under_its_own_name(fs, tmp_path):
    lay(tmp_path, {"some/where/y": b"22", "some/where/empty": b""})
    for name in ("y", "empty"):
        assert is_uuid4(fs.upload(tmp_path / "some/where" / name))
    assert fs.paths("out") == ["out/empty", "out/y"]
    assert b"".join(fs.read("out/y")) == b"22"


def test_an_upload_replaces_what_was_there_and_keeps_the_rest(fs, tmp_path):
    fs.upload(lay(tmp_path / "1", {"f": b"first and longer", "kept": b""}))
    fs.upload(lay(tmp_path / "2", {"f": b"second"}))
    assert fs.paths("out") == ["out/f", "out/kept"]
    assert b"".join(fs.read("out/f")) == b"second"


def test_a_folder_without_files_is_no_batch(fs, tmp_path):
    (tmp_path / "empty/deeper").mkdir(parents=True)
    assert fs.upload(tmp_path / "empty") is None
    assert fs.ls("out") == []


def test_a_local_path_that_is_missing_is_not_found(fs, tmp_path):
    with pytest.raises(FileNotFoundError):
        fs.upload(tmp_path / "missing")


@pytest.mark.parametrize("size", [0, 1, MAX_CHUNK - 1, MAX_CHUNK, MAX_CHUNK + 1, 3 * MAX_CHUNK + 3])
def test_every_byte_arrives_at_sizes_around_a_chunk(fs, tmp_path, size):
    content = (bytes(n * 7 % 251 for n in range(256)) * (size // 256 + 1))[:size]
    fs.upload(lay(tmp_path / "sizes", {"f": content}))
    assert fs.call(fs.open("out/f"), "read_all") == content
    pieces = fs.read("out/f")
    assert b"".join(pieces) == content
    assert all(0 < len(piece) <= MIB for piece in pieces)


@pytest.mark.parametrize("size", [0, -1, -(2**70)])
def test_a_chunk_has_a_size(fs, size):
    before = fs.fs.chunk_size
    with pytest.raises(ValueError):
        fs.fs.chunk_size = size
    assert fs.fs.chunk_size == before
    fs.fs.chunk_size = 2**70
    assert 1 <= fs.fs.chunk_size <= MIB


def test_chunks_that_are_refused_as_too_large_are_sent_smaller(fs, tmp_path):
    content = os.urandom(5 * MAX_CHUNK)
    fs.fs.chunk_size = 5 * MAX_CHUNK
    fs.upload(lay(tmp_path / "over", {"f": content}))
    assert fs.call(fs.open("out/f"), "read_all") == content
    assert fs.fs.chunk_size <= MAX_CHUNK


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_survive_every_call(fs, tmp_path, downloads, name):
    files = {f"{name}/{name}": name.encode()}
    fs.upload(lay(tmp_path / "names", files))
    path = f"out/{name}/{name}"
    assert fs.paths("out") == fs.paths(f"out/{name}") == [path]
    assert downloaded(fs.download("out"), downloads) == files
    assert b"".join(fs.read(path)) == name.encode()
    assert fs.remove(path) is True
    assert fs.ls("out") == []


# open


def test_a_stream_reads_with_and_without_its_context(fs, panel, fid):
    content = os.urandom(2 * MIB + 1)
    panel.store(fid, {"f": content, "empty": b""})
    assert b"".join(fs.read("in/f")) == content
    assert b"".join(fs.way.each(fs.open("in/f").read())) == content
    assert fs.call(fs.open("in/f"), "read_all") == content
    assert fs.read("in/empty") == []
    assert fs.call(fs.open("in/empty"), "read_all") == b""


def test_opening_requests_nothing_and_entering_the_file(fs, panel, fid):
    stream = fs.open("in/later")
    with pytest.raises(FileNotFoundError):
        fs.enter(fs.open("in/later"))
    panel.store(fid, {"later": b"content"})
    fs.enter(stream)
    assert fs.call(stream, "read_all") == b"content"


def test_a_stream_is_entered_once_and_is_dead_when_closed(fs, panel, fid):
    panel.store(fid, {"f": b"content"})
    stream = fs.open("in/f")
    fs.enter(stream)
    with pytest.raises(RuntimeError, match="re-entrant"):
        fs.enter(stream)
    assert fs.call(stream, "read_all") == b"content"
    fs.call(stream, "close")
    fs.call(stream, "close")
    with pytest.raises(RuntimeError, match=r"closed stream.* re-entrant"):
        fs.enter(stream)
    for use in (
        lambda: fs.call(stream, "read_all"),
        lambda: list(fs.way.each(stream.read())),
        lambda: fs.call(stream, "remove"),
    ):
        with pytest.raises(RuntimeError, match="closed stream"):
            use()


def test_a_stream_that_was_never_opened_can_be_closed(fs):
    stream = fs.open("in/none")
    fs.call(stream, "close")
    with pytest.raises(RuntimeError, match="closed stream"):
        fs.enter(stream)


def test_a_stream_closed_halfway_reads_no_further(fs, panel, fid):
    panel.store(fid, {"f": bytes(4 * MIB)})
    stream = fs.open("in/f")
    pieces = fs.way.each(stream.read())
    next(pieces)
    fs.call(stream, "close")
    with pytest.raises(RuntimeError, match="closed stream"):
        next(pieces)


def test_a_stream_removes_its_file(fs, panel, fid):
    panel.store(fid, {"d/f": b"content", "d/g": b""})
    assert fs.call(fs.open("in/d/f"), "remove") is True
    assert fs.paths("in") == ["in/d/g"]


# remove


@pytest.mark.parametrize(
    "path, left",
    [
        ("in/d", ["in/dx", "in/f"]),
        ("in/d/e/", ["in/d/x", "in/dx", "in/f"]),
        ("/in/f", ["in/d/e/y", "in/d/x", "in/dx"]),
        ("in", []),
    ],
)
def test_remove_takes_a_file_or_a_whole_folder_and_no_more(fs, panel, fid, path, left):
    panel.store(fid, {"d/x": b"", "d/e/y": b"", "dx": b"", "f": b""})
    panel.store(fid, {"kept": b""}, root="out")
    assert fs.remove(path) is True
    assert fs.paths("in") == left
    assert fs.paths("out") == ["out/kept"]
    with pytest.raises(FileNotFoundError):
        fs.remove(path)


# the client itself


def test_a_closed_client_is_dead(fs, tmp_path):
    stream = fs.open("in/f")
    fs.close()
    fs.close()
    local = lay(tmp_path / "up", {"f": b""})
    for use in (
        lambda: fs.ls("in"),
        lambda: fs.download("in"),
        lambda: fs.upload(local),
        lambda: fs.open("in/f"),
        lambda: fs.remove("in/f"),
        lambda: fs.call(stream, "read_all"),
    ):
        with pytest.raises(RuntimeError):
            use()


def test_its_context_closes_a_client(fs):
    assert fs.enter(fs.fs) is fs.fs
    assert not fs.call(fs.fs, fs.way.exit, None, None, None)
    with pytest.raises(RuntimeError):
        fs.ls("in")


def test_a_client_knows_its_run_and_survives_pickling(fs, server, panel, fid):
    panel.store(fid, {"f": b"content"})
    again = pickle.loads(pickle.dumps(fs.fs))
    assert type(again) is type(fs.fs)
    assert (again.fid, again.panel_url, again.jwt) == (fid, server.url, panel.token)
    assert fs.call(again.open("in/f"), "read_all") == b"content"
    fs.call(again, "close")
    assert panel.token not in repr(fs.fs)


def test_progress_is_told(connect, tmp_path):
    told = []
    fs = connect(progress=lambda *numbers: told.append(numbers))
    fs.upload(lay(tmp_path / "up", {"a": bytes(3 * MIB), "b": b"1"}))
    assert max(numbers[1] for numbers in told) == 3 * MIB + 1
    assert {numbers[4] for numbers in told} == {2}


def list_in_worker(tracer: Tracer) -> list[str]:
    with tracer.fs_sync() as fs:
        return [file["path"] for file in fs.ls("in")]


@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_other_processes_use_the_tracer(server, panel, fid, start):
    panel.store(fid, {"a": b"", "b": b""})
    tracer = Tracer(fid, server.url, panel.token)
    assert list_in_worker(tracer) == ["in/a", "in/b"]  # threads run before the fork
    context = multiprocessing.get_context(start)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(list_in_worker, [tracer] * 3)) == [["in/a", "in/b"]] * 3


def test_threads_share_a_sync_client(server, panel, fid, tmp_path):
    with SyncFileSystem(fid, server.url, panel.token) as fs:

        def work(n: int) -> bytes:
            fs.upload(lay(tmp_path / str(n), {f"{n}/f": str(n).encode() * MAX_CHUNK}))
            return fs.open(f"out/{n}/f").read_all()

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(8))) == [str(n).encode() * MAX_CHUNK for n in range(8)]


def test_tasks_share_an_async_client(server, panel, fid, tmp_path):
    async def work(fs: AsyncFileSystem, n: int) -> bytes:
        await fs.upload(lay(tmp_path / str(n), {f"{n}": str(n).encode() * (n + 1)}))
        return await fs.open(f"out/{n}").read_all()

    async def main() -> list[bytes]:
        async with AsyncFileSystem(fid, server.url, panel.token) as fs:
            return await asyncio.gather(*(work(fs, n) for n in range(16)))

    assert asyncio.run(main()) == [str(n).encode() * (n + 1) for n in range(16)]


# errors


def test_a_bad_token_is_an_error_of_http_and_of_permission(connect, tmp_path):
    fs = connect(jwt="bad")
    local = lay(tmp_path / "up", {"f": b"1"})
    for call in (
        lambda: fs.ls("in"),
        lambda: fs.download("in"),
        lambda: fs.read("in/f"),
        lambda: fs.remove("in"),
        lambda: fs.upload(local),
    ):
        with pytest.raises(HTTPStatusError) as caught:
            call()
        assert isinstance(caught.value, httpx.HTTPStatusError)
        assert isinstance(caught.value, PermissionError)
        response = caught.value.response
        assert response.status_code == 401
        for name in ("content-type", "Content-Type"):
            assert response.headers[name] == response.headers.get(name) == "application/json"
        assert response.headers.get("Retry-After") is None and "nothing" not in response.headers
        assert "NotAuthorizedException" in response.text
        with pytest.raises(RuntimeError, match="request"):
            _ = caught.value.request
        again = pickle.loads(pickle.dumps(caught.value))
        assert (type(again), str(again)) == (type(caught.value), str(caught.value))
        assert again.response.status_code == 401


def test_a_dead_server_is_a_connection_error_and_no_missing_file(connect, tmp_path, downloads):
    with socket.socket() as taken:
        # Taken, so that nobody else listens there.
        taken.bind(("127.0.0.1", 0))
        fs = connect(url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        local = lay(tmp_path / "up", {"f": b"1"})
        for call in (
            lambda: fs.ls("in"),
            lambda: fs.download("in"),
            lambda: fs.read("in/f"),
            lambda: fs.remove("in/f"),
            lambda: fs.upload(local),
        ):
            with pytest.raises(ConnectionError) as caught:
                call()
            assert isinstance(caught.value, httpx.TransportError)
            assert not isinstance(caught.value, FileNotFoundError)
    assert list(downloads.iterdir()) == []


# under kodosumi's own tracer


@pytest.mark.twinfs_only("no server is asked")
def test_install_puts_our_classes_under_kodosumis_tracer(kind, monkeypatch, fid):
    for name in ("AsyncFileSystem", "SyncFileSystem"):
        theirs = getattr(kodosumi.runner.files, name)
        monkeypatch.setattr(kodosumi.runner.tracer, name, theirs)
    ours.install()
    tracer = kodosumi.runner.tracer.Tracer(fid, None, "http://127.0.0.1:1", "jwt")
    with tracer.fs_sync() as fs:
        assert type(fs) is SyncFileSystem
        assert (fs.fid, fs.panel_url, fs.jwt) == (fid, "http://127.0.0.1:1", "jwt")
    assert type(asyncio.run(tracer.fs())) is AsyncFileSystem
