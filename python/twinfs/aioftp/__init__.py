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
except ImportError as _error:
    raise ImportError("twinfs.aioftp needs aioftp: pip install 'twinfs[aioftp]'") from _error

from aioftp import (
    DEFAULT_ACCOUNT,
    DEFAULT_BLOCK_SIZE,
    DEFAULT_PASSWORD,
    DEFAULT_PORT,
    DEFAULT_USER,
    END_OF_LINE,
    AbstractAsyncLister,
    AbstractUserManager,
    AIOFTPException,
    AsyncListerMixin,
    AsyncStreamIterator,
    AvailableConnections,
    BaseClient,
    BasicListInfo,
    Client,
    Code,
    Connection,
    ConnectionConditions,
    DataConnectionThrottleStreamIO,
    ListInfo,
    MemoryUserManager,
    NoAvailablePort,
    PathConditions,
    PathIOError,
    PathIsNotAbsolute,
    PathPermissions,
    Permission,
    Server,
    SSLSessionBoundContext,
    StatusCodeError,
    StreamIO,
    StreamThrottle,
    Throttle,
    ThrottleStreamIO,
    UnixListInfo,
    User,
    __version__,
    async_enterable,
    setlocale,
    version,
    with_timeout,
    worker,
    wrap_into_codes,
    wrap_with_container,
)

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

__all__ = [
    "DEFAULT_ACCOUNT",
    "DEFAULT_BLOCK_SIZE",
    "DEFAULT_PASSWORD",
    "DEFAULT_PORT",
    "DEFAULT_USER",
    "END_OF_LINE",
    "AIOFTPException",
    "AbstractAsyncLister",
    "AbstractPathIO",
    "AbstractUserManager",
    "AsyncListerMixin",
    "AsyncPathIO",
    "AsyncStreamIterator",
    "AvailableConnections",
    "BaseClient",
    "BasicListInfo",
    "Client",
    "Code",
    "Connection",
    "ConnectionConditions",
    "DataConnectionThrottleStreamIO",
    "ListInfo",
    "MemoryPathIO",
    "MemoryUserManager",
    "NoAvailablePort",
    "PathConditions",
    "PathIO",
    "PathIOError",
    "PathIOFactory",
    "PathIONursery",
    "PathIsNotAbsolute",
    "PathPermissions",
    "Permission",
    "SSLSessionBoundContext",
    "Server",
    "StatusCodeError",
    "StreamIO",
    "StreamThrottle",
    "Throttle",
    "ThrottleStreamIO",
    "TwinPathIO",
    "UnixListInfo",
    "User",
    "__version__",
    "async_enterable",
    "pathio",
    "pathio_factory",
    "setlocale",
    "version",
    "with_timeout",
    "worker",
    "wrap_into_codes",
    "wrap_with_container",
]


def __getattr__(name: str) -> _Any:
    """What is not ours is aioftp's: its modules, too."""
    return getattr(_aioftp, name)
