"""Files of text, on both faces."""

from __future__ import annotations

import io
import os
import pickle
import random
from typing import Any

import pytest

from conftest import Awaited


def test_text(fs: Any) -> None:
    with fs.open("a", "w") as file:
        assert file.write("grün\nblau\n") == 10
        file.writelines(["x", "y\n"])
    assert fs.read("a") == "grün\nblau\nxy\n".encode()
    with fs.open("a", "r") as file:
        assert list(file) == ["grün\n", "blau\n", "xy\n"]
    with fs.open("a", "r") as file:
        assert file.read(3) == "grü"
        assert file.readline() == "n\n"
        assert file.read() == "blau\nxy\n"
        assert file.encoding == "utf-8"
    with fs.open("b", "w", encoding="utf-16", newline="\r\n") as file:
        file.write("ä\n")
    assert fs.read("b").decode("utf-16") == "ä\r\n"
    with fs.open("b", "r", encoding="utf-16") as file:
        assert file.read() == "ä\n"
    with pytest.raises(UnicodeDecodeError), fs.open("b", "r", encoding="ascii") as file:
        file.read()
    with fs.open("b", "r", encoding="ascii", errors="replace") as file:
        assert "�" in file.read()


@pytest.mark.parametrize("newline", [None, "", "\n", "\r", "\r\n"])
def test_ends_of_lines_are_those_of_python(fs: Any, newline: str | None) -> None:
    content = b"a\r\nb\rc\n\r\n\nlast\r"
    fs.write("a", content)
    expected = list(io.TextIOWrapper(io.BytesIO(content), "utf-8", newline=newline))
    with fs.open("a", "r", newline=newline) as file:
        assert list(file) == expected
    buffer = io.BytesIO()
    text = io.TextIOWrapper(buffer, "utf-8", newline=newline)
    text.write("x\ny\r\n")
    text.flush()
    with fs.open("b", "w", newline=newline) as file:
        file.write("x\ny\r\n")
    assert fs.read("b") == buffer.getvalue()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_mark_of_the_byte_order_stands_at_the_start_only(fs: Any, encoding: str) -> None:
    with fs.open("a", "a", encoding=encoding) as file:
        file.write("one\n")
    with fs.open("a", "a", encoding=encoding) as file:
        file.write("two\n")
    assert fs.read("a") == "one\ntwo\n".encode(encoding)


def test_text_that_was_read_ahead_is_not_read_after_a_write(fs: Any) -> None:
    fs.write("a", b"one\ntwo\n")
    with fs.open("a", "r+") as file:
        assert file.readline() == "one\n"
        file.write("three\n")
        assert file.read() == ""
    assert fs.read("a") == b"one\ntwo\nthree\n"


NEWLINES = [None, "", "\n", "\r", "\r\n"]
#: Encodings, and letters of several bytes that they have.
LETTERS = {
    "utf-8": "ä日🦀",
    "utf-8-sig": "ä日🦀",
    "utf-16": "ä日🦀",
    "utf-32-be": "ä日🦀",
    "latin-1": "äß",
    "shift_jis": "あ日本",
    "iso2022_jp": "あ日本",
}


@pytest.mark.parametrize("buffering", [3, 1000])
@pytest.mark.parametrize("encoding", LETTERS)
def test_positions_lead_back_to_where_they_were_told(
    fs: Any, encoding: str, buffering: int
) -> None:
    """As in a file of Python's own, from anywhere in a line or in a character's bytes."""
    choice = random.Random(11)
    letters = "ab \n\r" + LETTERS[encoding]
    for newline in NEWLINES:
        content = "".join(choice.choices(letters, k=400)).encode(encoding)
        fs.write("a", content)
        model = io.TextIOWrapper(io.BytesIO(content), encoding, newline=newline)
        options = {"encoding": encoding, "newline": newline}
        with fs.open("a", "r", buffering=buffering, **options) as file:
            told = [(0, 0)]
            for _ in range(200):
                kind = choice.choice(["read", "readline", "line", "tell", "seek", "rest"])
                if kind == "read":
                    size = choice.randrange(12)
                    assert file.read(size) == model.read(size)
                elif kind == "readline":
                    size = choice.randrange(12)
                    assert file.readline(size) == model.readline(size)
                elif kind == "line":
                    assert file.readline() == model.readline()
                elif kind == "tell":
                    told.append((file.tell(), model.tell()))
                elif kind == "seek":
                    ours, theirs = choice.choice(told)
                    assert file.seek(ours) == ours and model.seek(theirs) == theirs
                    assert file.tell() == ours
                elif choice.random() < 0.2:
                    assert file.read() == model.read()


def test_positions_of_text_that_cannot_be(fs: Any) -> None:
    fs.write("a", "grün".encode())
    with fs.open("a", "r") as file:
        assert file.seekable()
        for offset, whence in ((1, os.SEEK_CUR), (-1, os.SEEK_END)):
            with pytest.raises(io.UnsupportedOperation):
                file.seek(offset, whence)
        for offset, whence in ((-1, os.SEEK_SET), (0, 9)):
            with pytest.raises(ValueError):
                file.seek(offset, whence)
        assert file.seek(0, os.SEEK_END) == 5 and file.read() == ""
        assert file.seek(0, os.SEEK_CUR) == 5
        assert file.seek(0) == 0 and file.read() == "grün"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_text_is_written_where_it_was_sought(fs: Any, encoding: str) -> None:
    fs.write("a", "one\ntwo\nthree\n".encode(encoding))
    with fs.open("a", "r+", encoding=encoding) as file:
        assert file.readline() == "one\n"
        second = file.tell()
        assert file.read() == "two\nthree\n"
        file.seek(second)
        file.write("TWO\n")
        file.seek(file.tell())
        assert file.readline() == "three\n"
        file.seek(0)
        file.write("ONE")
        file.seek(0, os.SEEK_END)
        file.write("four")
    assert fs.read("a") == "ONE\nTWO\nthree\nfour".encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso2022_jp"])
def test_a_position_of_a_writer_is_one_of_a_reader(fs: Any, encoding: str) -> None:
    with fs.open("a", "w+", encoding=encoding) as file:
        file.write("first\n")
        second = file.tell()
        file.write("日second\n" if encoding != "iso2022_jp" else "second\n")
        # In Python's own file this ends the process where the codec has no state 0.
        if isinstance(file, Awaited) or encoding != "iso2022_jp":
            file.seek(second)
            assert file.read().endswith("second\n")
        file.seek(0)
        assert file.readline() == "first\n"


def test_a_position_travels_with_a_reader_of_text(fs: Any) -> None:
    fs.write("a", "ä\nb\nc\n".encode())
    with fs.open("a", "r") as file:
        assert file.readline() == "ä\n"
        second = file.tell()
        inner = file.inner if isinstance(file, Awaited) else file
        there = pickle.loads(pickle.dumps(inner))
    if isinstance(file, Awaited):
        there = Awaited(there, file.runner)
    with there:
        assert there.tell() == second
        assert there.read() == "b\nc\n"
        assert there.seek(second) == second and there.readline() == "b\n"
