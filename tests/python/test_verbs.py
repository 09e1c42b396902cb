"""Every verb, on both faces, with one text."""

from __future__ import annotations

import array
import time
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import pytest

from twinfs import SyncFileSystem, errors


def paths(entries: Any) -> list[str]:
    return [entry.path for entry in entries]


def test_what_is_written_is_read(fs: Any) -> None:
    written = fs.write("new/folder/a.txt", b"hello")
    assert (written.kind, written.size) == ("file", 5)
    assert fs.read("new/folder/a.txt") == b"hello"
    assert fs.read("new/folder/a.txt", 1, 3) == b"el"
    assert fs.read("new/folder/a.txt", 2) == b"llo"
    assert fs.read("new/folder/a.txt", -2) == b"lo"
    assert fs.read("new/folder/a.txt", end=1) == b"h"
    assert fs.read("new/folder/a.txt", 3, 100) == b"lo"
    assert fs.read("new/folder/a.txt", 100) == b""


@pytest.mark.parametrize("size", [0, 1, 4096, 256 * 1024, 256 * 1024 + 1, 3 * 1024 * 1024])
def test_contents_of_any_size(fs: Any, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    fs.write("a", content[:size])
    read = fs.read("a")
    assert type(read) is bytes
    assert read == content[:size]


@pytest.mark.parametrize(
    "make",
    [bytes, bytearray, memoryview, lambda content: array.array("H", content)],
    ids=["bytes", "bytearray", "memoryview", "array"],
)
def test_any_buffer_is_written(fs: Any, make: Callable[[bytes], Any]) -> None:
    fs.write("a", make(b"abcd"))
    assert fs.read("a") == b"abcd"


def test_a_buffer_is_given_back(fs: Any) -> None:
    data = bytearray(b"abcd")
    fs.write("a", data)
    with pytest.raises(errors.InvalidInput):
        fs.write("a", data, if_absent=True, if_version="x")
    data.clear()
    assert fs.read("a") == b"abcd"


def test_what_is_no_buffer_is_refused(fs: Any) -> None:
    for data in ("text", 1, None, memoryview(b"abcd")[::2]):
        with pytest.raises((TypeError, BufferError)):
            fs.write("a", data)
    assert not fs.exists("a")


def test_a_mutable_buffer_may_change_afterwards(fs: Any) -> None:
    data = bytearray(b"before")
    fs.write("a", data)
    data[:] = b"after!"
    assert fs.read("a") == b"before"


def test_paths_may_be_path_objects(fs: Any) -> None:
    fs.write(PurePosixPath("a/b"), b"1")
    assert fs.read(PurePosixPath("a") / "b") == b"1"
    with pytest.raises(TypeError):
        fs.read(b"a/b")
    with pytest.raises(TypeError):
        fs.read(7)


@pytest.mark.parametrize("path", ["../a", "a/../b", "a//b", "a\0b", "a\nb", ".twinfs-x", "x" * 256])
def test_hostile_paths_are_refused(fs: Any, path: str) -> None:
    with pytest.raises(errors.InvalidPath) as caught:
        fs.read(path)
    assert isinstance(caught.value, ValueError)
    assert caught.value.path == path


def test_a_path_that_is_not_unicode_is_refused(fs: Any) -> None:
    with pytest.raises(errors.InvalidPath, match="UTF-8"):
        fs.read(b"\xff".decode(errors="surrogateescape"))


def test_stat(fs: Any) -> None:
    before = time.time() - 5
    fs.write("a/b", b"123")
    metadata = fs.stat("a/b")
    assert metadata.is_file() and not metadata.is_dir()
    assert metadata.modified is not None and metadata.modified > before
    assert metadata.modified_ns is not None
    assert abs(metadata.modified_ns / 1e9 - metadata.modified) < 1
    assert metadata.version is None
    assert fs.stat("a").is_dir()
    version = fs.stat("a/b", version=True).version
    assert version is not None
    assert fs.write("a/b", b"4", if_version=version).version != version


def test_existence(fs: Any) -> None:
    fs.write("a/b", b"")
    assert [fs.exists("a"), fs.exists("a/b"), fs.exists("a/c"), fs.exists("a/b/c")] == [
        *(True, True, False, False)
    ]
    assert fs.is_dir("a") and not fs.is_dir("a/b") and not fs.is_dir("c")
    assert fs.is_file("a/b") and not fs.is_file("a") and not fs.is_file("c")


def test_many_at_once(fs: Any) -> None:
    items = {f"many/{index:04}": b"%d" % index for index in range(300)}
    written = fs.write_many(items)
    assert [metadata.size for metadata in written] == [len(data) for data in items.values()]
    assert fs.read_many(items) == list(items.values())
    assert [metadata.size for metadata in fs.stat_many(iter(items))] == [
        *(len(data) for data in items.values())
    ]
    assert fs.write_many((path, memoryview(b"x")) for path in ("a", "b"))[0].size == 1


def test_failures_of_many(fs: Any) -> None:
    fs.write("a", b"1")
    with pytest.raises(errors.NotFound) as caught:
        fs.read_many(["a", "b"])
    assert caught.value.path == "b"
    first, second = fs.read_many(["a", "b"], on_error="return")
    assert first == b"1" and isinstance(second, errors.NotFound)
    assert isinstance(fs.stat_many(["b"], on_error="return")[0], FileNotFoundError)
    refused = fs.write_many({"a": b"2"}, if_absent=True, on_error="return")[0]
    assert isinstance(refused, FileExistsError)
    with pytest.raises(TypeError):
        fs.read_many("ab")
    with pytest.raises(errors.InvalidInput):
        fs.read_many([], on_error="omit")


def test_conditions(fs: Any) -> None:
    first = fs.write("a", b"1", if_absent=True)
    with pytest.raises(errors.AbsenceConditionFailed) as absent:
        fs.write("a", b"2", if_absent=True)
    assert isinstance(absent.value, FileExistsError)
    fs.write("a", b"3", if_version=first.version)
    with pytest.raises(errors.VersionConditionFailed) as version:
        fs.write("a", b"4", if_version=first.version)
    assert isinstance(version.value, BlockingIOError)
    assert isinstance(version.value, errors.ConditionFailed)
    with pytest.raises(errors.ConditionFailed):
        fs.read("a", if_version=first.version)
    with pytest.raises(errors.InvalidInput):
        fs.write("a", b"", if_absent=True, if_version="x")
    assert fs.read("a") == b"3"


def test_words_of_options(fs: Any, url: str) -> None:
    for durability in (
        ("none", None) if url.startswith("memory:") else ("none", "file", "full", None)
    ):
        fs.write("a", b"1", durability=durability)
    with pytest.raises(errors.InvalidInput, match="none, file, full"):
        fs.write("a", b"1", durability="fully")
    for parents in ("require", False):
        with pytest.raises(errors.NotFound):
            fs.write("no/such/folder", b"", parents=parents)
    with pytest.raises(TypeError):
        fs.write("a", b"1", "full")
    with pytest.raises(TypeError):
        fs.write("a", b"1", colour="red")


def test_listings_are_in_order(fs: Any) -> None:
    fs.write_many(dict.fromkeys(["a/b", "a-b", "a/c/d", "b"], b"12"))
    assert paths(fs.list()) == ["a-b", "a", "b"]
    everything = ["a-b", "a", "a/b", "a/c", "a/c/d", "b"]
    assert paths(fs.list(recursive=True)) == everything
    assert paths(fs.walk()) == everything
    assert sorted(paths(fs.walk(ordered=False))) == sorted(everything)
    assert paths(fs.entries("a")) == ["a/b", "a/c"]
    assert paths(fs.walk(start_after="a/b")) == ["a/c", "a/c/d", "b"]
    assert [entry.size for entry in fs.list("a", detail=True) if entry.is_file()] == [2]
    assert fs.list()[0].metadata is None and fs.list()[0].size is None
    assert paths(fs.list("b")) == ["b"]
    for listing in (fs.list, fs.entries, fs.walk):
        with pytest.raises(errors.NotFound):
            list(listing("no-such-folder"))


def test_listings_of_several_pages(fs: Any) -> None:
    names = [f"d/{index:05}" for index in range(2345)]
    fs.write_many(dict.fromkeys(names, b""))
    assert paths(fs.walk("d")) == names
    assert paths(fs.list("d")) == names


def test_glob(fs: Any) -> None:
    fs.write_many(dict.fromkeys(["a/x.txt", "a/y.csv", "a/b/z.txt"], b""))
    assert paths(fs.glob("a/*.txt")) == ["a/x.txt"]
    assert paths(fs.glob("**/*.txt")) == ["a/b/z.txt", "a/x.txt"]
    assert paths(fs.glob("no/such/*")) == []
    with pytest.raises(errors.InvalidInput):
        list(fs.glob("a["))


def test_directories(fs: Any) -> None:
    fs.create_dir("a")
    with pytest.raises(errors.AlreadyExists):
        fs.create_dir("a")
    fs.create_dir("a", exist_ok=True)
    with pytest.raises(errors.NotFound):
        fs.create_dir("b/c")
    fs.create_dir("b/c", parents=True)
    fs.create_dir_all("b/c/d")
    with pytest.raises(errors.NotEmpty):
        fs.remove_dir("b/c")
    fs.remove_dir("b/c/d")
    fs.write("b/c/file", b"123")
    usage = fs.disk_usage("b")
    assert (usage.bytes, usage.files, usage.directories, usage.others) == (3, 1, 1, 0)
    with pytest.raises(errors.IsADirectory):
        fs.remove("b")
    fs.remove_all("b")
    assert paths(fs.list()) == ["a"]


def test_moves_and_copies(fs: Any) -> None:
    fs.write("a", b"1")
    fs.rename("a", "new/b")
    assert fs.copy("new/b", "c").size == 1
    assert paths(fs.walk()) == ["c", "new", "new/b"]
    for move in (fs.rename, fs.copy):
        with pytest.raises(errors.AbsenceConditionFailed):
            move("new/b", "c", if_absent=True)
        with pytest.raises(errors.NotFound):
            move("new/b", "no/such/c", parents="require")
    fs.remove("c")
    with pytest.raises(FileNotFoundError):
        fs.remove("c")


def test_staged_uploads(fs: Any) -> None:
    upload = fs.stage(keep=60)
    with fs.reopen(upload) as handle:
        handle.write_at(5, b"world")
        handle.write_at(0, b"hello")
    with fs.reopen(upload) as handle, pytest.raises(ZeroDivisionError):
        raise ZeroDivisionError
    (staged,) = fs.list_staged()
    assert (staged.id, staged.size) == (upload, 10)
    assert staged.expires - staged.created >= 59
    assert fs.list() == []
    assert fs.publish(staged, "a").size == 10
    assert fs.read("a") == b"helloworld"
    with pytest.raises(errors.NotFound):
        fs.publish(upload, "b")
    other = fs.stage()
    fs.discard(other)
    with pytest.raises(errors.NotFound):
        fs.reopen(other)
    assert fs.list_staged() == []
    for keep in (-1.0, float("nan")):
        with pytest.raises(errors.InvalidInput):
            fs.stage(keep=keep)


def test_a_closed_file_system_refuses(fs: Any) -> None:
    fs.write("a", b"1")
    file = fs.open("a")
    assert not fs.closed
    fs.close()
    assert fs.closed
    with pytest.raises(errors.Closed):
        fs.read("a")
    assert file.read() == b"1"
    file.close()


def test_a_timeout_is_an_option(url: str) -> None:
    with SyncFileSystem(url, timeout=30) as fs:
        fs.write("a", b"1")
        assert fs.read("a") == b"1"
        with fs.open("b", "wb") as file:
            file.write(b"2")
        assert paths(fs.walk()) == ["a", "b"]


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("nonsense://x", {}),
        ("memory://x", {"colour": "red"}),
        ("memory://x", {"max_bytes": "many"}),
        ("memory://x", {"shared": "perhaps"}),
        ("", {}),
        ("memory://x?colour=red", {}),
    ],
)
def test_places_that_make_no_sense(url: str, options: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidInput):
        SyncFileSystem(url, **options)


def test_limits_of_a_store() -> None:
    fs = SyncFileSystem("memory://", max_bytes=10)
    with pytest.raises(errors.NoSpace) as caught:
        fs.write("a", b"x" * 11)
    assert caught.value.errno is not None


def test_secrets_are_not_shown() -> None:
    fs = SyncFileSystem("memory://secret@x?max_bytes=77")
    for text in (repr(fs), str(fs), fs.url):
        assert "secret" not in text and "77" not in text
