"""One file layer with two faces, async and sync, that do the same, over any store.

>>> import twinfs
>>> fs = twinfs.SyncFileSystem("memory://")
>>> _ = fs.write("notes/today.txt", b"hello")
>>> fs.read("notes/today.txt")
b'hello'

`AsyncFileSystem` has the same methods, to be awaited. A place is a path (`./dir`, `/dir`) or a URL
(`file:///dir`, `memory://NAME`, `run+http://HOST:PORT/FID`).
"""

import atexit as _atexit

from twinfs import errors as errors
from twinfs._async_binary import AsyncFile
from twinfs._async_text import AsyncTextFile
from twinfs._filesystem import AsyncFileSystem, SyncFileSystem
from twinfs._sync_binary import BufferedFile, BufferedReader, BufferedWriter, RawFile
from twinfs._sync_text import TextFile
from twinfs._twinfs import (
    DiskUsage,
    Entry,
    Metadata,
    Operation,
    Staged,
    __version__,
    _stop_notifier,
)
from twinfs.errors import TwinfsError

__all__ = [
    "AsyncFile",
    "AsyncFileSystem",
    "AsyncTextFile",
    "BufferedFile",
    "BufferedReader",
    "BufferedWriter",
    "DiskUsage",
    "Entry",
    "Metadata",
    "Operation",
    "RawFile",
    "Staged",
    "SyncFileSystem",
    "TextFile",
    "TwinfsError",
    "__version__",
    "errors",
]

# A thread that asks for the interpreter once it is on its way out never gets an answer.
_atexit.register(_stop_notifier)
