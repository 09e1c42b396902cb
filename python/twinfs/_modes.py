"""Modes, options and sizes of open files, on both faces."""

from __future__ import annotations

import codecs
import io
import operator

from twinfs import errors

#: Bytes that a buffered file holds unless it is told otherwise.
BUFFER_SIZE = 128 * 1024
#: Above this many bytes a read asks for the size first: it makes no larger object than it fills.
LARGE_READ = 1024 * 1024


def parse_mode(mode: str) -> tuple[str, bool]:
    """The binary mode that a mode means, and whether it is one of text."""
    letters = set(mode)
    text = "b" not in letters
    if len(letters) != len(mode) or letters - set("rwxab+t") or {"b", "t"} <= letters:
        raise errors.InvalidInput(f"invalid mode: {mode!r}")
    kind = "".join(letter for letter in "rwxa" if letter in letters)
    binary = f"{kind}{'+' if '+' in letters else ''}b"
    if binary not in ("rb", "wb", "xb", "ab", "r+b", "w+b"):
        raise errors.InvalidInput(
            f"invalid mode: {mode!r}; there are r, w, x, a, r+ and w+, with b for bytes"
        )
    return binary, text


def check_text_options(
    mode: str, buffering: int, encoding: str | None, text_errors: str | None, newline: str | None
) -> str:
    """Refuses options that do not go together; gives the binary mode."""
    binary, text = parse_mode(mode)
    if not text and (encoding, text_errors, newline) != (None, None, None):
        raise errors.InvalidInput("binary mode takes no encoding, errors or newline argument")
    if text and buffering == 0:
        raise errors.InvalidInput("text needs a buffer: buffering=0 is for binary modes")
    if buffering < -1:
        raise errors.InvalidInput("buffering is -1, 0, 1 or a number of bytes")
    if text:
        # Refused as Python refuses them, and before a file is opened.
        io.TextIOWrapper(io.BytesIO(), encoding or "utf-8", text_errors, newline)
        codecs.lookup_error(text_errors or "strict")
    return binary


def length_of(size: int) -> int:
    """A length that a file is to have."""
    length = operator.index(size)
    if length < 0:
        raise errors.InvalidInput(f"negative length {length}")
    return length
