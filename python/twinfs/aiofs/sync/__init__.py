"""The sync face of `twinfs.aiofs`: the same names and the same methods, without `await`.

>>> from twinfs.aiofs.sync import InMemFileSystem
>>> fs = InMemFileSystem()
>>> with fs.open("directory/path/filename.bin", "w") as file:
...     file.write(b"hello")
5
>>> fs.ls("*.bin")
['directory/path/filename.bin']
"""

from twinfs.aiofs.sync._synchronous import (
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
