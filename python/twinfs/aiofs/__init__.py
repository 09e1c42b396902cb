"""File-like systems, as aiofs has them: files by name over any store, swapped in by an import.

>>> import asyncio
>>> from twinfs.aiofs import InMemFileSystem
>>> async def main():
...     fs = InMemFileSystem()
...     async with fs.open("directory/path/filename.bin", "w") as file:
...         _ = await file.write(b"hello")
...     return await fs.ls("*.bin")
>>> asyncio.run(main())
['directory/path/filename.bin']

`twinfs.aiofs.os` and `twinfs.aiofs.inmem` have the classes under the names of aiofs's modules.
`twinfs.aiofs.sync` has all of it once more, with the same names, for plain code.
"""

from twinfs.aiofs._asynchronous import (
    File,
    FileLike,
    FileLikeSystem,
    InMemFileSystem,
    OsFileSystem,
    TwinFileLikeSystem,
)

__all__ = [
    "File",
    "FileLike",
    "FileLikeSystem",
    "InMemFileSystem",
    "OsFileSystem",
    "TwinFileLikeSystem",
]
