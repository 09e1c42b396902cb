"""File objects: what both faces have in common, and what is the sync face's own."""

from __future__ import annotations

import csv
import ctypes
import gc
import io
import json
import os
import pickle
import shutil
import tarfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest

import twinfs
from twinfs import SyncFileSystem, errors

# Both faces


def test_writing_is_published_by_closing(fs: Any) -> None:
    with fs.open("a", "wb") as file:
        file.write(b"hello ")
        file.write(b"world")
        assert not fs.exists("a")
    assert file.closed
    assert fs.read("a") == b"hello world"


@pytest.mark.parametrize("mode", ["wb", "w", "xb", "w+b"])
def test_an_exception_publishes_nothing(fs: Any, mode: str) -> None:
    data: Any = "new" if mode == "w" else b"new"
    with pytest.raises(ZeroDivisionError), fs.open("a", mode) as file:
        file.write(data)
        file.flush()
        raise ZeroDivisionError
    assert file.closed
    assert not fs.exists("a")
    assert list(fs.walk()) == []


@pytest.mark.parametrize("mode", ["ab", "r+b", "a", "r+", "wb", "w"])
def test_an_exception_keeps_the_old(fs: Any, mode: str) -> None:
    fs.write("a", b"old")
    with pytest.raises(ZeroDivisionError), fs.open("a", mode) as file:
        file.write(b"new" if "b" in mode else "new")
        raise ZeroDivisionError
    assert fs.read("a") == b"old"


def test_modes(fs: Any) -> None:
    with fs.open("a", "xb") as file:
        file.write(b"abc")
    with pytest.raises(FileExistsError):
        fs.open("a", "xb")
    with fs.open("a", "ab") as file:
        assert file.tell() == 3
        file.write(b"def")
        assert file.tell() == 6
    assert fs.read("a") == b"abcdef"
    with fs.open("a", "r+b") as file:
        assert file.read(2) == b"ab"
        file.write(b"CD")
        file.seek(0)
        assert file.read() == b"abCDef"
        file.truncate(5)
    assert fs.read("a") == b"abCDe"
    with fs.open("a", "w+b") as file:
        file.write(b"xyz")
        file.seek(-2, os.SEEK_END)
        assert file.read() == b"yz"
    assert fs.read("a") == b"xyz"
    with pytest.raises(FileNotFoundError):
        fs.open("b", "r+b")


@pytest.mark.parametrize("mode", ["", "b", "rw", "rbb", "rbt", "rz", "x+b", "a+"])
def test_modes_that_make_no_sense(fs: Any, mode: str) -> None:
    with pytest.raises(ValueError, match="mode"):
        fs.open("a", mode)


def test_options_that_do_not_go_together(fs: Any) -> None:
    for options in (
        {"encoding": "utf-8"},
        {"newline": ""},
        {"errors": "strict"},
        {"buffering": -2},
    ):
        with pytest.raises(errors.InvalidInput):
            fs.open("a", "wb", **options)
    with pytest.raises(errors.InvalidInput):
        fs.open("a", "w", buffering=0)
    with pytest.raises(errors.InvalidInput):
        fs.open("a", "wb", publish="now")


@pytest.mark.parametrize(
    "options, error",
    [
        ({"encoding": "none"}, LookupError),
        ({"encoding": "hex"}, LookupError),
        ({"encoding": 5}, TypeError),
        ({"errors": "none"}, LookupError),
        ({"newline": "x"}, ValueError),
        ({"newline": 5}, TypeError),
    ],
)
@pytest.mark.parametrize("mode", ["r", "w", "r+"])
def test_what_is_no_text_is_refused_before_a_file_is_opened(
    fs: Any, mode: str, options: dict[str, Any], error: type[Exception]
) -> None:
    fs.write("a", b"old")
    with pytest.raises(error):
        fs.open("a", mode, publish="in_place", **options)
    # Neither emptied nor held; a writer that was opened and dropped would warn, too.
    gc.collect()
    assert fs.read("a") == b"old"
    fs.open("a", "wb").abort()


@pytest.mark.parametrize("buffering", [-1, 0])
def test_writing_at_an_offset(fs: Any, buffering: int) -> None:
    fs.write("a", b"0123456789")
    with fs.open("a", "r+b", buffering=buffering) as file:
        assert file.read(2) == b"01"
        assert file.write_at(4, b"AB") == 2
        assert file.read(4) == b"23AB"
        assert file.tell() == 6
        file.write(b"x")
        assert file.write_at(7, b"C") == 1
        assert file.read() == b"C89"
    assert fs.read("a") == b"0123ABxC89"
    with fs.open("a", buffering=buffering) as file, pytest.raises(io.UnsupportedOperation):
        file.write_at(0, b"x")


@pytest.mark.parametrize("buffering", [-1, 0, 7])
def test_reading(fs: Any, buffering: int) -> None:
    content = bytes(range(256)) * 5000
    fs.write("a", content)
    with fs.open("a", buffering=buffering) as file:
        assert file.read(10) == content[:10]
        assert file.tell() == 10
        buffer = bytearray(20)
        assert file.readinto(buffer) == 20
        assert bytes(buffer) == content[10:30]
        assert file.read_at(1000, 5) == content[1000:1005]
        assert file.seek(-6, os.SEEK_CUR) == 24
        assert file.read() == content[24:]
        assert file.read() == b""
        assert file.readinto(bytearray(3)) == 0
        file.seek(0)
        assert file.read(2 * len(content)) == content
        assert file.seek(0, os.SEEK_END) == len(content)
        assert file.seek(5) == 5
        assert file.stat().size == len(content)
        with pytest.raises(ValueError):
            file.seek(-1)


@pytest.mark.parametrize("buffering", [-1, 1, 3])
def test_lines(fs: Any, buffering: int) -> None:
    fs.write("a", b"one\ntwo\n\nlast")
    with fs.open("a", buffering=buffering) as file:
        assert list(file) == [b"one\n", b"two\n", b"\n", b"last"]
    with fs.open("a", buffering=buffering) as file:
        assert file.readline() == b"one\n"
        assert file.readline(2) == b"tw"
        assert file.readlines() == [b"o\n", b"\n", b"last"]
        file.seek(4)
        assert file.read(3) == b"two"


@pytest.mark.parametrize("buffering", [-1, 0])
def test_what_a_mode_does_not_do_is_refused_whatever_the_size(fs: Any, buffering: int) -> None:
    for mode in ("wb", "ab", "xb"):
        fs.write("a", b"1")
        with fs.open("b" if mode == "xb" else "a", mode, buffering=buffering) as file:
            for size in (-1, 0, 1):
                with pytest.raises(io.UnsupportedOperation):
                    file.read(size)
            for buffer in (bytearray(), bytearray(1)):
                with pytest.raises(io.UnsupportedOperation):
                    file.readinto(buffer)
    for mode in ("w", "a"):
        with fs.open("a", mode) as file, pytest.raises(io.UnsupportedOperation):
            file.read(0)
    with fs.open("a", "r") as file, pytest.raises(io.UnsupportedOperation):
        file.write("")


@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_buffer_without_dimensions_is_written(fs: Any, buffering: int) -> None:
    number = ctypes.c_uint16(0x4141)
    fs.write("a", number)
    assert fs.read("a") == b"AA"
    with fs.open("b", "wb", buffering=buffering) as file:
        assert file.write(number) == 2
    assert fs.read("b") == b"AA"


@pytest.mark.parametrize("buffering", [-1, 0])
def test_positions_and_lengths_are_whole_numbers(fs: Any, buffering: int) -> None:
    with fs.open("a", "w+b", buffering=buffering) as file:
        file.write(b"12345")
        for call in (file.seek, file.truncate):
            with pytest.raises(TypeError):
                call(1.5)
            with pytest.raises(ValueError):
                call(-1)
        for offset, size in ((-1, 1), (0, -1)):
            with pytest.raises(ValueError):
                file.read_at(offset, size)
        assert file.tell() == 5
        file.truncate(2)
    assert fs.read("a") == b"12"


@pytest.mark.parametrize("buffering", [-1, 0, 3])
def test_an_append_ends_at_the_end(fs: Any, buffering: int) -> None:
    fs.write("a", b"12345")
    with fs.open("a", "ab", buffering=buffering) as file:
        file.seek(1)
        file.write(b"678")
        file.flush()
        assert file.tell() == 8
        file.truncate(4)
        file.write(b"9")
        file.flush()
        assert file.tell() == 5
    assert fs.read("a") == b"12349"


@pytest.mark.parametrize("mode", ["rb", "r"])
def test_a_closed_file_is_not_entered(fs: Any, mode: str) -> None:
    fs.write("a", b"1")
    file = fs.open("a", mode)
    file.close()
    with pytest.raises(ValueError, match="closed file"), file:
        pass


def test_commit_and_abort_by_hand(fs: Any) -> None:
    file = fs.open("a", "wb")
    file.write(b"1")
    assert file.commit().size == 1
    assert file.closed
    file.close()
    file.abort()
    file = fs.open("a", "wb")
    file.write(b"2")
    file.abort()
    assert file.closed
    assert fs.read("a") == b"1"
    for call in (file.commit, file.flush_to_disk, lambda: file.write(b""), lambda: file.read(1)):
        with pytest.raises(ValueError):
            call()


def test_two_writers(fs: Any) -> None:
    first = fs.open("a", "wb")
    with pytest.raises(BlockingIOError) as caught:
        fs.open("a", "wb")
    assert isinstance(caught.value, errors.WouldBlock) and caught.value.retryable
    first.write(b"first")
    first.close()
    with fs.open("a", "wb") as second:
        second.write(b"second")
    assert fs.read("a") == b"second"


def test_a_writer_that_lost_keeps_its_bytes(fs: Any) -> None:
    fs.write("a", b"old")
    file = fs.open("a", "w+b")
    file.write(b"mine")
    fs.write("a", b"theirs")
    with pytest.raises(BlockingIOError):
        file.commit()
    assert not file.closed
    file.seek(0)
    assert file.read() == b"mine"
    file.close()
    assert file.closed
    assert fs.read("a") == b"theirs"


def test_a_condition_at_open(fs: Any) -> None:
    version = fs.write("a", b"1").version
    with fs.open("a", "wb", if_version=version) as file:
        file.write(b"2")
    with pytest.raises((errors.ConditionFailed, errors.WouldBlock)):
        fs.open("a", "wb", if_version=version)


def test_in_place(fs: Any) -> None:
    fs.write("a", b"12345")
    with fs.open("a", "r+b", publish="in_place") as file:
        file.write(b"ab")
        file.flush()
        assert fs.read("a") == b"ab345"


def test_durability(fs: Any, url: str) -> None:
    if url.startswith("memory:"):
        with pytest.raises(errors.Unsupported):
            fs.open("deep/a", "wb", durability="full")
        return
    with fs.open("deep/a", "wb", durability="full") as file:
        file.write(b"1")
        file.flush_to_disk()
    assert fs.read("deep/a") == b"1"


def test_parents(fs: Any) -> None:
    with pytest.raises(FileNotFoundError), fs.open("no/a", "wb", parents="require"):
        pass


# The sync face's own


@pytest.fixture
def sync(url: str) -> SyncFileSystem:
    return SyncFileSystem(url)


def test_classes_are_those_of_io(sync: SyncFileSystem) -> None:
    sync.write("a", b"1")
    expected: list[tuple[str, int, type, type]] = [
        ("rb", -1, io.BufferedReader, twinfs.BufferedReader),
        ("wb", -1, io.BufferedWriter, twinfs.BufferedWriter),
        ("r+b", -1, io.BufferedRandom, twinfs.BufferedFile),
        ("rb", 0, io.RawIOBase, twinfs.RawFile),
        ("r", -1, io.TextIOWrapper, twinfs.TextFile),
    ]
    for mode, buffering, built_in, own in expected:
        with sync.open("a", mode, buffering=buffering) as file:
            assert isinstance(file, built_in) and type(file) is own
            assert (file.name, file.mode) == ("a", mode)
            assert file.seekable()
            assert file.readable() == ("r" in mode)
            assert file.writable() == ("r" not in mode or "+" in mode)
            with pytest.raises(io.UnsupportedOperation):
                file.fileno()


def test_our_raw_file_under_the_buffers_of_io(sync: SyncFileSystem) -> None:
    with io.BufferedWriter(sync.open("a", "wb", buffering=0)) as file:
        file.write(b"hello")
    with io.TextIOWrapper(io.BufferedReader(sync.open("a", buffering=0)), "utf-8") as text:
        assert text.read() == "hello"
    with io.TextIOWrapper(sync.open("a"), "utf-8") as text:
        assert text.read() == "hello"


@pytest.mark.parametrize(
    ("mode", "buffering"), [("wb", -1), ("wb", 0), ("r+b", -1), ("r+b", 0), ("w", -1)]
)
def test_a_dropped_writer_publishes_nothing(
    sync: SyncFileSystem, mode: str, buffering: int
) -> None:
    sync.write("a", b"old")
    with pytest.warns(ResourceWarning, match="not published"):
        file = sync.open("a", mode, buffering=buffering)
        file.write("new" if mode == "w" else b"new")
        del file
        gc.collect()
    assert sync.read("a") == b"old"
    assert len(sync.list()) == 1


def test_a_dropped_writer_says_so_once_and_is_gone_where_warnings_are_errors(
    sync: SyncFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("sys.unraisablehook", lambda report: said.append(str(report.exc_value)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for mode in ("wb", "w+b", "w"):
            file = sync.open(mode, mode)
            file.write("new" if mode == "w" else b"new")
            del file
            gc.collect()
    assert len(said) == 3
    assert all("not published" in text for text in said)
    assert sync.list() == []


def test_a_dropped_reader_says_nothing(sync: SyncFileSystem) -> None:
    sync.write("a", b"1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sync.open("a").read()
        sync.open("a", "r").read()
        gc.collect()


def test_bytes_that_do_not_get_through_publish_nothing() -> None:
    fs = SyncFileSystem("memory://", max_bytes=100)
    for mode, data in (("wb", b"x" * 200), ("w", "x" * 200)):
        with pytest.raises(errors.NoSpace), fs.open("a", mode) as file:
            file.write(data)  # type: ignore[call-overload]
        assert file.closed
        assert not fs.exists("a")
    file = fs.open("a", "wb")
    file.write(b"x" * 200)
    with pytest.raises(errors.NoSpace):
        file.close()
    assert file.closed
    assert not fs.exists("a")


def test_detached_files_are_left_alone(sync: SyncFileSystem) -> None:
    sync.write("a", b"1")
    buffered = sync.open("a")
    raw = buffered.detach()
    del buffered
    assert raw.read() == b"1"
    raw.close()
    text = sync.open("a", "r")
    buffer = text.detach()
    del text
    assert buffer.read() == b"1"
    buffer.close()


def test_the_standard_library_uses_them(sync: SyncFileSystem, tmp_path: Path) -> None:
    with sync.open("a.zip", "wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr("inside", "content")
    with sync.open("a.zip") as file, zipfile.ZipFile(file) as archive:
        assert archive.read("inside") == b"content"
    with sync.open("a.tar.gz", "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
        tar.add(__file__, "inside")
    with sync.open("a.tar.gz") as file, tarfile.open(fileobj=file) as tar:
        assert tar.getnames() == ["inside"]
    with sync.open("a.csv", "w", newline="") as text:
        csv.writer(text).writerows([[1, "ä"], [2, "b,c"]])
    with sync.open("a.csv", "r", newline="") as text:
        assert list(csv.reader(text)) == [["1", "ä"], ["2", "b,c"]]
    with sync.open("a.json", "w") as text:
        json.dump({"a": 1}, text)
    with sync.open("a.json") as file:
        assert json.load(file) == {"a": 1}
    with sync.open("a.pickle", "wb") as file:
        pickle.dump([1, 2], file)
    with sync.open("a.pickle") as file:
        assert pickle.load(file) == [1, 2]
    with sync.open("a.zip") as source, (tmp_path / "copy").open("wb") as target:
        shutil.copyfileobj(source, target)
    assert (tmp_path / "copy").read_bytes() == sync.read("a.zip")


def test_readers_travel_and_writers_do_not(sync: SyncFileSystem) -> None:
    sync.write("a", b"one\ntwo\nthree\n")
    for mode, buffering in (("rb", 0), ("rb", -1), ("r", -1)):
        with sync.open("a", mode, buffering=buffering) as file:
            file.readline()
            with pickle.loads(pickle.dumps(file)) as again:
                assert type(again) is type(file)
                assert again.read() == file.read()
    for mode in ("wb", "r+b", "w"):
        file = sync.open("b" if "w" in mode else "a", mode)
        with pytest.raises(TypeError, match="open writer"):
            pickle.dumps(file)
        file.abort()
    with pytest.raises(errors.Closed):
        pickle.dumps(file)
