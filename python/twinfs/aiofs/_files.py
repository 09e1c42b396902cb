"""What the files of both faces have in common: when they may be used, and how they travel."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

from twinfs import _twinfs
from twinfs.aiofs._systems import System
from twinfs.errors import Closed

#: The compiled system and file of a face.
_Core = TypeVar("_Core", _twinfs.FileLikeSystem, _twinfs.AsyncFileLikeSystem)
_Opened = TypeVar("_Opened", _twinfs.FileLike, _twinfs.AsyncFileLike)


class FileInContext(Generic[_Core, _Opened]):
    """A file that is open within a context, over the compiled one of its face."""

    #: What begins a context, and the package whose file this is.
    _statement: ClassVar[str]
    _package: ClassVar[str]

    def __init__(self, system: System[_Core], name: str, mode: str) -> None:
        self._system: System[_Core] = system
        #: The system with the template of now, which may be another one later.
        self._core: _Core = system._open_core()
        #: The name it was opened by.
        self.name = name
        #: `r`, `r+` or `w`.
        self.mode = mode
        self._file: _Opened | None = None
        self._entered = False

    def _enter(self) -> None:
        if self._entered:
            raise RuntimeError(f"{self!r} has been entered already")
        self._entered = True

    def _leave(self) -> _Opened:
        """What was open, to be closed."""
        file, self._file = self._within(), None
        self._entered = False
        return file

    def _within(self) -> _Opened:
        if self._file is None:
            raise Closed(f"{self!r} is used outside of '{self._statement}'")
        return self._file

    def __reduce__(self) -> tuple[Any, ...]:
        if self._entered:
            raise TypeError(f"cannot pickle {self!r} within its context")
        if self._system._core is not self._core:
            now = "its system was closed or has another template"
            raise TypeError(f"cannot pickle {self!r}: {now}")
        return type(self), (self._system, self.name, self.mode)

    def __repr__(self) -> str:
        return f"<{self._package} file {self.name!r} mode {self.mode!r}>"
