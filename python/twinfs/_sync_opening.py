"""The file object of a mode, on the sync face."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinfs._modes import BUFFER_SIZE, parse_mode
from twinfs._sync_binary import BufferedFile, BufferedReader, BufferedWriter, RawFile
from twinfs._sync_text import TextFile

if TYPE_CHECKING:
    from twinfs._filesystem import SyncFileSystem
    from twinfs._twinfs import Handle


def make_file(
    fs: SyncFileSystem,
    handle: Handle,
    mode: str,
    buffering: int,
    encoding: str | None,
    text_errors: str | None,
    newline: str | None,
) -> RawFile | BufferedReader | BufferedWriter | BufferedFile | TextFile:
    """Makes the file object that `open` gives."""
    binary, text = parse_mode(mode)
    raw = RawFile(fs, handle, binary)
    if buffering == 0:
        return raw
    size = BUFFER_SIZE if buffering in (-1, 1) else buffering
    buffer: BufferedReader | BufferedWriter | BufferedFile
    if binary == "rb":
        buffer = BufferedReader(raw, size)
    elif "+" in binary:
        buffer = BufferedFile(raw, size)
    else:
        buffer = BufferedWriter(raw, size)
    if not text:
        return buffer
    return TextFile(
        buffer,
        mode=mode,
        encoding=encoding or "utf-8",
        errors=text_errors,
        newline=newline,
        line_buffering=buffering == 1,
    )
