"""The exceptions of twinfs: one class per kind of error, each also the built-in it stands for.

>>> import twinfs
>>> fs = twinfs.SyncFileSystem("memory://")
>>> try:
...     fs.read("no-such-file")
... except FileNotFoundError as error:
...     error.kind, error.operation, error.path, error.store, error.retryable
('not found', 'read', 'no-such-file', 'memory', False)
"""
# The names are those of the kinds, here and in Rust, and not of Python's exceptions.
# ruff: noqa: N818

from __future__ import annotations

import io

__all__ = [
    "AbsenceConditionFailed",
    "AlreadyExists",
    "Closed",
    "ConditionFailed",
    "Connection",
    "InvalidInput",
    "InvalidPath",
    "Io",
    "IsADirectory",
    "NoSpace",
    "NotADirectory",
    "NotEmpty",
    "NotFound",
    "PermissionDenied",
    "RateLimited",
    "Timeout",
    "TooLarge",
    "TwinfsError",
    "Unsupported",
    "VersionConditionFailed",
    "WouldBlock",
]


class TwinfsError(Exception):
    """Any error of a twinfs operation."""

    #: What went wrong, in the words of the message: `"not found"`.
    kind: str = "input/output error"
    #: The operation that failed, such as `"read"`.
    operation: str | None = None
    #: The path inside the store, as the caller gave it.
    path: str | None = None
    #: The scheme of the store, such as `"file"`.
    store: str | None = None
    #: Whether the same call may go through when tried again unchanged.
    retryable: bool = False
    #: What the error below this one said.
    source: str | None = None
    #: The whole message.
    text: str | None = None

    def __str__(self) -> str:
        return super().__str__() if self.text is None else self.text


class NotFound(TwinfsError, FileNotFoundError):
    """Nothing is at the path."""


class AlreadyExists(TwinfsError, FileExistsError):
    """Something is at the path that must not be there."""


class IsADirectory(TwinfsError, IsADirectoryError):
    """A file was needed and a directory is there."""


class NotADirectory(TwinfsError, NotADirectoryError):
    """A directory was needed and something else is there."""


class NotEmpty(TwinfsError, OSError):
    """The directory still has entries."""


class PermissionDenied(TwinfsError, PermissionError):
    """The store refuses access, or a link leads out of the root."""


class InvalidPath(TwinfsError, ValueError):
    """The text is no path."""


class InvalidInput(TwinfsError, ValueError):
    """An argument other than a path makes no sense."""


class WouldBlock(TwinfsError, BlockingIOError):
    """Another writer holds the path, or committed first."""


class ConditionFailed(TwinfsError, OSError):
    """A condition of the call did not hold; one of the two classes below."""


class AbsenceConditionFailed(ConditionFailed, FileExistsError):
    """Something is at the path, and the call was to happen only if nothing is."""


class VersionConditionFailed(ConditionFailed, BlockingIOError):
    """The file has another version than the call was to happen for."""


class Unsupported(TwinfsError, io.UnsupportedOperation):
    """The store does not have this capability."""


class Timeout(TwinfsError, TimeoutError):
    """The operation took longer than its timeout."""


class NoSpace(TwinfsError, OSError):
    """The store is full, or a quota is."""


class TooLarge(TwinfsError, OSError):
    """The object is larger than the store takes."""


class RateLimited(TwinfsError, BlockingIOError):
    """The store asks to slow down."""


class Connection(TwinfsError, ConnectionError):
    """The store cannot be reached, or the connection broke."""


class Closed(TwinfsError, RuntimeError, ValueError):
    """The handle or file system is closed, or was inherited across a fork."""


class Io(TwinfsError, OSError):
    """Any other failure of the store; `source` has the details."""
