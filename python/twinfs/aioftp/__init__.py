"""aioftp over twinfs: every name of aioftp, with the path I/O classes ours.

>>> import asyncio
>>> from pathlib import PurePosixPath
>>> from twinfs import aioftp
>>> async def main():
...     pathio = aioftp.MemoryPathIO()
...     async with pathio.open(PurePosixPath("/test.txt"), "wb") as file:
...         await pathio.write(file, b"Test content")
...     return await pathio.list(PurePosixPath("/"))
>>> asyncio.run(main())
[PurePosixPath('/test.txt')]

`PathIO`, `AsyncPathIO` and `MemoryPathIO` stand in for aioftp's classes of these names.
`TwinPathIO` works over any twinfs file system; `pathio_factory` makes it for a server's
`path_io_factory`. `Server` and `Client` are aioftp's own, and so is the class they take if none is
given.
"""

from typing import Any as _Any

try:
    import aioftp as _aioftp
except ImportError as error:
    raise ImportError("twinfs.aioftp needs aioftp: pip install 'twinfs[aioftp]'") from error

from aioftp import *  # noqa: F403  # what it exports is re-exported

from twinfs.aioftp import pathio as pathio
from twinfs.aioftp.pathio import (
    AbstractPathIO,
    AsyncPathIO,
    MemoryPathIO,
    PathIO,
    PathIOFactory,
    PathIONursery,
    TwinPathIO,
    pathio_factory,
)

__all__ = (  # noqa: PLE0604  # aioftp's are strings, too
    *_aioftp.__all__,
    "AbstractPathIO",
    "AsyncPathIO",
    "MemoryPathIO",
    "PathIO",
    "PathIOFactory",
    "PathIONursery",
    "TwinPathIO",
    "pathio",
    "pathio_factory",
)


def __getattr__(name: str) -> _Any:
    """What is not ours is aioftp's: its modules, too."""
    return getattr(_aioftp, name)
