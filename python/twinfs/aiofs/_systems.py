"""What the systems of both faces have in common: where their files are, and how they travel."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from twinfs import _twinfs
from twinfs._filesystem import AsyncFileSystem, SyncFileSystem
from twinfs.errors import Closed, InvalidInput

#: The compiled system of a face.
_Core = TypeVar("_Core", _twinfs.FileLikeSystem, _twinfs.AsyncFileLikeSystem)


def mode_of(mode: str) -> str:
    """A mode without its `b`: all files are binary."""
    plain = mode.replace("b", "", 1)
    if plain not in ("r", "r+", "w"):
        raise InvalidInput(f"mode is one of r, r+, w, with or without b, not {mode!r}")
    return plain


def name_of(filename: str | PathLike[str]) -> str:
    """A name as text."""
    name = fspath(filename)
    if not isinstance(name, str):
        raise TypeError(f"a filename is str or os.PathLike[str], not {type(name).__name__}")
    return name


class System(Generic[_Core]):
    """A system over the compiled one of its face."""

    #: The compiled class.
    _compiled: ClassVar[Any]

    def __init__(self, template: str) -> None:
        self._template = template
        self._core: _Core | None = self._connect(template)

    def _connect(self, template: str) -> _Core:
        raise NotImplementedError

    def _open_core(self) -> _Core:
        if self._core is None:
            raise Closed(f"{type(self).__name__} is closed")
        return self._core

    @property
    def template(self) -> str:
        """How names become paths: `{}` stands for the name. Writable; open files keep theirs."""
        return self._template

    @template.setter
    def template(self, value: str) -> None:
        self._open_core()
        self._core = self._connect(value)
        self._template = value

    def _close(self) -> None:
        self._core = None

    def __getstate__(self) -> dict[str, Any]:
        self._open_core()
        return {name: value for name, value in vars(self).items() if name != "_core"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._core = self._connect(self._template)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._template!r})"


class OnDisk(System[_Core]):
    """Files on the local disk, by a template such as `/data/{}.csv`."""

    def __init__(self, template: str | PathLike[str] = "/{}") -> None:
        super().__init__(fspath(template))

    def _connect(self, template: str) -> _Core:
        core: _Core = self._compiled.on_disk(template)
        return core

    def __getstate__(self) -> dict[str, Any]:
        # A relative template means the same elsewhere.
        return super().__getstate__() | {"_template": str(Path.cwd() / self._template)}


class InMemory(System[_Core]):
    """Files in the memory of this process, private to the instance.

    A pickle, or a copy, has the files as they are.
    """

    def __init__(self) -> None:
        self._fs = SyncFileSystem("memory://")
        super().__init__("{}")

    def _connect(self, template: str) -> _Core:
        core: _Core = self._compiled(self._fs, template)
        return core

    def __getstate__(self) -> dict[str, Any]:
        names = [entry.path for entry in self._fs.list(recursive=True) if entry.kind == "file"]
        files = dict(zip(names, self._fs.read_many(names), strict=True))
        return super().__getstate__() | {"_fs": files}

    def __setstate__(self, state: dict[str, Any]) -> None:
        files = state["_fs"]
        fs = SyncFileSystem("memory://")
        fs.write_many(files)
        super().__setstate__(state | {"_fs": fs})

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class OverAnyStore(System[_Core]):
    """Files of any store, by its URL or a file system."""

    def __init__(
        self,
        url_or_fs: str | PathLike[str] | SyncFileSystem | AsyncFileSystem,
        pattern: str = "*",
        **options: object,
    ) -> None:
        if isinstance(url_or_fs, (SyncFileSystem, AsyncFileSystem)):
            if options:
                raise TypeError("options belong to a URL, not to a file system")
            self._fs = url_or_fs
        else:
            self._fs = SyncFileSystem(url_or_fs, **options)
        if pattern.count("*") != 1:
            raise InvalidInput(f"a pattern has one '*' for the name, not {pattern!r}")
        super().__init__(pattern.replace("*", "{}"))

    def _connect(self, template: str) -> _Core:
        core: _Core = self._compiled(self._fs, template)
        return core

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._fs.url!r}, {self._template.replace('{}', '*')!r})"
