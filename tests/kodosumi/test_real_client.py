"""Kodosumi's own client classes at work: every test with the async and with the sync one."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from kodosumi.runner.files import AsyncFileSystem, SyncFileSystem

from panel import MAX_CHUNK, Panel, Server, is_uuid4

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
    "a b",
    "é",
    "e\u0301",
    "日本語.txt",
    "😀",
    "100%",
    "100% sure",
    "it's",
    '"q"',
    "a+b&c=d",
    "semi;colon",
    "[x]{y}",
    "back\\slash",
    ".hidden",
    "dot.",
    "~",
    "-rf",
    " lead",
    "trail ",
    "x" * 255,
]
UNREACHABLE = ["q?x", "a#b", "a%41b"]  # names that the client does not quote when it asks for them


class SyncFace:
    """The sync client as it is."""

    def __init__(self, fid: str, url: str, jwt: str) -> None:
        self.fs = SyncFileSystem(fid, url, jwt)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.fs, name)

    def download(self, path: str) -> list[str]:
        return list(self.fs.download(path))

    def read(self, path: str) -> list[bytes]:
        with self.fs.open(path) as stream:
            return list(stream.read())

    def on(self, stream: Any, call: str) -> Any:
        return getattr(stream, call)()

    enter, exit = "__enter__", "__exit__"


class AsyncFace:
    """The async client, each call run to its end."""

    def __init__(self, fid: str, url: str, jwt: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.fs = AsyncFileSystem(fid, url, jwt)
        self.open = self.fs.open

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.loop.run_until_complete(getattr(self.fs, name)(*args))

    def download(self, path: str) -> list[str]:
        return self._drain(self.fs.download(path))

    def read(self, path: str) -> list[bytes]:
        async def chunks() -> AsyncIterator[bytes]:
            async with self.fs.open(path) as stream:
                async for chunk in stream.read():
                    yield chunk

        return self._drain(chunks())

    def on(self, stream: Any, call: str) -> Any:
        return self.loop.run_until_complete(getattr(stream, call)())

    def _drain(self, items: AsyncIterator[Any]) -> list[Any]:
        async def drain() -> list[Any]:
            return [item async for item in items]

        return self.loop.run_until_complete(drain())

    enter, exit = "__aenter__", "__aexit__"


@pytest.fixture(autouse=True)
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the client's temporary folders go."""
    folder = tmp_path / "downloads"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.fixture(params=[AsyncFace, SyncFace], ids=["async", "sync"])
def fs(
    request: pytest.FixtureRequest, server: Server, panel: Panel, fid: str
) -> Iterator[AsyncFace | SyncFace]:
    face = request.param(fid, server.url, panel.token)
    yield face
    face.close()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return lay(tmp_path / "tree", TREE)


def lay(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def downloaded(paths: list[str], downloads: Path) -> dict[str, bytes]:
    """What arrived, by its name relative to the one folder that the client made for it."""
    [folder] = downloads.iterdir()
    return {str(Path(path).relative_to(folder)): Path(path).read_bytes() for path in paths}


def test_a_folder_goes_up_and_comes_down_whole(fs, tree, downloads):
    assert is_uuid4(fs.upload(str(tree)))
    listing = fs.ls("out")
    assert [item["path"] for item in listing] == sorted(f"out/{name}" for name in TREE)
    assert {item["path"].removeprefix("out/"): item["size"] for item in listing} == {
        k: len(v) for k, v in TREE.items()
    }
    assert downloaded(fs.download("out"), downloads) == TREE


def test_a_single_file_goes_up_under_its_own_name(fs, tree):
    fs.upload(str(tree / "data.d/deep/er/y"))
    assert b"".join(fs.read("out/y")) == b"22"


def test_an_upload_replaces_what_was_there(fs, tmp_path):
    for content in (b"first and longer", b"second"):
        fs.upload(str(lay(tmp_path / "again", {"f": content})))
    assert [item["size"] for item in fs.ls("out")] == [6]
    assert b"".join(fs.read("out/f")) == b"second"


@pytest.mark.parametrize("name", NAMES)
def test_any_name_the_client_can_ask_for_arrives(fs, tmp_path, downloads, name):
    fs.upload(str(lay(tmp_path / "names", {f"{name}/{name}": name.encode()})))
    assert downloaded(fs.download("out"), downloads) == {f"{name}/{name}": name.encode()}
    assert fs.remove(f"out/{name}/{name}") is True


@pytest.mark.parametrize("name", UNREACHABLE)
def test_names_the_client_cannot_ask_for_are_stored_as_given(fs, tmp_path, name):
    fs.upload(str(lay(tmp_path / "names", {name: b"x"})))
    assert [item["path"] for item in fs.ls("out")] == [f"out/{name}"]


@pytest.mark.parametrize("path", ["in", "/in", "in/", "/in/"])
def test_ls_shows_what_the_form_has_uploaded(fs, panel, fid, path):
    panel.store(fid, {"b/c": b"123", "a": b""})
    panel.store(fid, {"elsewhere": b""}, root="out")
    assert [(item["path"], item["size"]) for item in fs.ls(path)] == [("in/a", 0), ("in/b/c", 3)]
    assert all(item.keys() == {"path", "size", "last_modified"} for item in fs.ls(path))


def test_ls_of_a_run_without_files_is_empty(fs):
    assert fs.ls("in") == fs.ls("out") == []


@pytest.mark.real_deviates(
    "its own documentation lists sub-folders, its server does not", raises=FileNotFoundError
)
@pytest.mark.parametrize("path", ["in/d", "in/d/", "/in/d"])
def test_ls_of_a_folder_names_its_files_from_the_root(fs, panel, fid, path):
    panel.store(fid, {"d/x": b"", "d/e/y": b"", "dx": b""})
    assert [item["path"] for item in fs.ls(path)] == ["in/d/e/y", "in/d/x"]


@pytest.mark.parametrize(
    "path, names",
    [
        ("in/note.txt", {"note.txt": "note.txt"}),
        ("in/data", {"data": "data"}),
        ("in/data.d", {"x": "data.d/x", "deep/er/y": "data.d/deep/er/y"}),
        ("in/data.d/deep", {"er/y": "data.d/deep/er/y"}),
        ("/in/data.d/deep/er/", {"y": "data.d/deep/er/y"}),
    ],
)
def test_download_of_a_part_keeps_names_relative_to_it(fs, panel, fid, downloads, path, names):
    panel.store(fid, TREE)
    assert downloaded(fs.download(path), downloads) == {
        name: TREE[source] for name, source in names.items()
    }


@pytest.mark.parametrize("call", ["ls", "read", "remove", "download"])
@pytest.mark.parametrize(
    "path", ["in/none", "in/dat", "in/data.d/deep/none", "in/data/under-a-file", "out/note.txt"]
)
def test_what_is_not_there_is_not_found(fs, panel, fid, call, path):
    panel.store(fid, {"note.txt": b"", "data": b"", "data.d/deep/er/y": b""})
    with pytest.raises(FileNotFoundError):
        getattr(fs, call)(path)
    assert len(fs.ls("in")) == 3


def test_an_empty_root_has_nothing_to_download_or_to_remove(fs):
    with pytest.raises(FileNotFoundError):
        fs.download("in")
    with pytest.raises(FileNotFoundError):
        fs.remove("in")


@pytest.mark.parametrize("size", [0, 1, MAX_CHUNK - 1, MAX_CHUNK, MAX_CHUNK + 1, 5 * MAX_CHUNK + 3])
def test_every_byte_arrives_at_sizes_around_a_chunk(fs, tmp_path, size):
    content = bytes(n * 7 % 251 for n in range(256)) * (size // 256 + 1)
    fs.upload(str(lay(tmp_path / "sizes", {"f": content[:size]})))
    assert b"".join(fs.read("out/f")) == content[:size]
    assert fs.on(fs.open("out/f"), "read_all") == content[:size]


def test_a_stream_is_entered_once_and_is_dead_when_closed(fs, panel, fid):
    panel.store(fid, {"f": b"content"})
    stream = fs.open("in/f")
    assert fs.on(stream, fs.enter) is stream
    with pytest.raises(RuntimeError, match="re-entrant"):
        fs.on(stream, fs.enter)
    assert fs.on(stream, "read_all") == b"content"
    fs.on(stream, "close")
    fs.on(stream, "close")
    with pytest.raises(RuntimeError):
        fs.on(stream, fs.enter)


def test_a_stream_removes_its_file(fs, panel, fid):
    panel.store(fid, {"d/f": b"content", "d/g": b""})
    assert fs.on(fs.open("in/d/f"), "remove") is True
    assert panel.paths(fid) == ["in/d/g"]


@pytest.mark.parametrize(
    "path, left",
    [
        ("in/d", ["in/dx", "in/f"]),
        ("in/d/", ["in/dx", "in/f"]),
        ("in/d/e", ["in/d/x", "in/dx", "in/f"]),
        ("in/f", ["in/d/e/y", "in/d/x", "in/dx"]),
        ("in", []),
        ("/in/", []),
    ],
)
def test_remove_takes_a_file_or_a_whole_folder_and_no_more(fs, panel, fid, path, left):
    panel.store(fid, {"d/x": b"", "d/e/y": b"", "dx": b"", "f": b""})
    panel.store(fid, {"kept": b""}, root="out")
    assert fs.remove(path) is True
    assert [item["path"] for item in fs.ls("in")] == left
    assert [item["path"] for item in fs.ls("out")] == ["out/kept"]
    with pytest.raises(FileNotFoundError):
        fs.remove(path)


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_nothing_to_upload_is_no_batch(fs, tmp_path, name):
    (tmp_path / "empty").mkdir()
    assert fs.upload(str(tmp_path / name)) is None
    assert fs.ls("out") == []


def test_a_chunk_over_the_limit_fails_the_upload_and_publishes_nothing(fs, tmp_path):
    fs.fs.chunk_size = 5 * MAX_CHUNK  # kodosumi's default
    with pytest.raises(AssertionError):
        fs.upload(str(lay(tmp_path / "over", {"f": bytes(5 * MAX_CHUNK)})))
    assert fs.ls("out") == []


@pytest.mark.parametrize("face", [AsyncFace, SyncFace])
def test_a_bad_token_is_an_http_error_and_no_missing_file(server, face, fid):
    fs = face(fid, server.url, "bad")
    with pytest.raises(httpx.HTTPStatusError) as caught:
        fs.ls("in")
    assert caught.value.response.status_code == 401
    fs.close()


def test_sync_clients_in_many_threads_lose_nothing(server, panel, fid, tmp_path):
    def work(n: int) -> bytes:
        fs = SyncFileSystem(fid, server.url, panel.token)
        fs.upload(str(lay(tmp_path / str(n), {f"{n}/f": str(n).encode() * MAX_CHUNK})))
        return fs.open(f"out/{n}/f").read_all()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [str(n).encode() * MAX_CHUNK for n in range(8)]
    assert panel.paths(fid, "out") == [f"out/{n}/f" for n in range(8)]


def test_one_async_client_works_many_files_at_once(server, panel, fid, tmp_path):
    async def work() -> list[bytes]:
        async with AsyncFileSystem(fid, server.url, panel.token) as fs:
            await asyncio.gather(
                *(
                    fs.upload(str(lay(tmp_path / str(n), {f"{n}": str(n).encode() * (n + 1)})))
                    for n in range(16)
                )
            )
            return await asyncio.gather(*(fs.open(f"out/{n}").read_all() for n in range(16)))

    assert asyncio.run(work()) == [str(n).encode() * (n + 1) for n in range(16)]
