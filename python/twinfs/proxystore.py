"""ProxyStore's connectors over twinfs: the same names and calls, swapped in by an import.

>>> from twinfs.proxystore import FileConnector
>>> connector = FileConnector("./objects")
>>> key = connector.put(b"some bytes")
>>> connector.get(key)
b'some bytes'
>>> connector.close()

`FileConnector` keeps objects in a directory that processes share, `TwinConnector` in any store of
twinfs. Both work under `proxystore.store.Store` of ProxyStore 0.5 and 1.x, and without ProxyStore.

An object is there whole or not at all, whatever happens to the process that puts it, and carries
its length and a checksum: bytes that were cut or changed raise `OSError` and never come out. A
directory is for these connectors alone: ProxyStore's own `FileConnector` finds other objects in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self, TypeVar

from twinfs import _twinfs
from twinfs._options import Durability

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["FileConnector", "FileKey", "TwinConnector", "TwinKey"]


class FileKey(NamedTuple):
    """The key of an object in a `FileConnector`."""

    #: A name that no other object of the store has.
    filename: str


class TwinKey(NamedTuple):
    """The key of an object in a `TwinConnector`."""

    #: An id that no other object of the store has.
    id: str


_Key = TypeVar("_Key", FileKey, TwinKey)


class _Connector(Generic[_Key]):
    """What both connectors do with their objects."""

    #: Whether `close()` removes the objects.
    clear: bool
    _objects: _twinfs.Objects
    _key: type[_Key]

    @staticmethod
    def _name(key: _Key) -> str:
        """The text of a key, by the name of its field: ProxyStore's own keys will do, too."""
        raise NotImplementedError

    def put(self, obj: ReadableBuffer) -> _Key:
        """Puts an object, whole or not at all, and gives its key.

        `obj` is anything with the buffer protocol: `bytes`, `bytearray`, `memoryview`, an array.
        Raises TypeError for anything else, and OSError; nothing is stored then.
        """
        return self._key(self._objects.put(obj))

    def put_batch(self, objs: Iterable[ReadableBuffer]) -> list[_Key]:
        """Puts many objects in one call; keys in the order of the objects.

        Raises as `put`; none of the objects is stored then.
        """
        return list(map(self._key, self._objects.put_batch(objs)))

    def get(self, key: _Key) -> bytes | None:
        """The object of a key, or None.

        Raises OSError for an object whose bytes were cut or changed.
        """
        return self._objects.get(self._name(key))

    def get_batch(self, keys: Sequence[_Key]) -> list[bytes | None]:
        """The objects of many keys in one call, in their order, with None where there is none.

        Raises as `get`.
        """
        return self._objects.get_batch([self._name(key) for key in keys])

    def exists(self, key: _Key) -> bool:
        """Whether a key has an object."""
        return self._objects.exists(self._name(key))

    def evict(self, key: _Key) -> None:
        """Removes the object of a key, if there is one."""
        self._objects.evict(self._name(key))

    def new_key(self, obj: ReadableBuffer | None = None) -> _Key:
        """A fresh key, for `set`. Nothing is stored; `obj` makes no difference."""
        return self._key(self._objects.new_key())

    def set(self, key: _Key, obj: ReadableBuffer) -> None:
        """Puts an object under a key, over the one it has: readers see one or the other, whole.

        Raises as `put`, and ValueError for a key that is no name.
        """
        self._objects.set(self._name(key), obj)

    def config(self) -> dict[str, Any]:
        """What `from_config`, here or in another process, makes an equal connector of."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The connector of a configuration that `config` gave."""
        return cls(**config)

    def close(self, clear: bool | None = None) -> None:
        """Ends the use of the store; a second time it does nothing.

        `clear` says whether the objects are removed, where it is not as `self.clear` says.
        """
        self._objects.close(self.clear if clear is None else clear)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        exc_traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        same: bool = self.config() == other.config()
        return same

    def __hash__(self) -> int:
        # The rest of a configuration may be changed.
        return hash((type(self), self._objects.url))

    def __reduce__(self) -> tuple[Any, ...]:
        own = {name: value for name, value in self.__dict__.items() if name != "_objects"}
        return _made, (type(self), self.config()), own


def _made(cls: type[_Connector[Any]], config: dict[str, Any]) -> _Connector[Any]:
    """What a pickle calls: `from_config` of a subclass may take other arguments."""
    return cls.from_config(config)


class FileConnector(_Connector[FileKey]):
    """Objects in a directory that processes share, one file each, readable by its owner only.

    The directory is made with its parents if it is missing. As long as a connector is open it holds
    the directory, in whatever process it is. `close()` removes the objects and the directory if no
    other connector holds it, unless `clear` is False; what others put there stays. To construct
    one removes what killed writers left.

    `durability` says when an object that was put is on the disk: `"none"` when the system writes it
    back, `"file"` before it can be seen, `"full"` with its name. `buffering` is kept for callers of
    ProxyStore's class; objects are written and read whole.

    >>> with FileConnector("./objects") as connector:
    ...     keys = connector.put_batch([b"one", b"two"])
    ...     connector.get_batch(keys)
    [b'one', b'two']
    """

    _key = FileKey

    def __init__(
        self,
        store_dir: str | os.PathLike[str],
        *,
        clear: bool = True,
        buffering: int = -1,
        durability: Durability = "none",
    ) -> None:
        #: The directory, absolute.
        self.store_dir: str = os.path.abspath(store_dir)  # noqa: PTH100  # not resolved
        self.clear = clear
        #: Kept, and not used.
        self.buffering = buffering
        #: When an object that was put is on the disk.
        self.durability: Durability = durability
        self._objects = _twinfs.Objects.file(self.store_dir, clear=clear, durability=durability)

    @staticmethod
    def _name(key: FileKey) -> str:
        return key.filename

    def config(self) -> dict[str, Any]:
        """What `from_config`, here or in another process, makes an equal connector of."""
        return {
            "store_dir": self.store_dir,
            "clear": self.clear,
            "buffering": self.buffering,
            "durability": self.durability,
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}(directory={self.store_dir!r})"


class TwinConnector(_Connector[TwinKey]):
    """Objects in any store of twinfs, by its path or URL.

    `close()` keeps the objects unless `clear` is True; then it removes all that are there, also
    those that others still use. Further options are the store's own, as of
    `twinfs.SyncFileSystem`. Over `memory://NAME` a configuration is good in its own process only,
    and `memory://` gets a name of its own.

    >>> connector = TwinConnector("memory://objects")
    >>> key = connector.put(b"hello")
    >>> TwinConnector.from_config(connector.config()).get(key)
    b'hello'
    """

    _key = TwinKey

    def __init__(
        self,
        url: str | os.PathLike[str],
        *,
        clear: bool = False,
        durability: Durability = "none",
        _process: str | None = None,
        **options: Any,
    ) -> None:
        #: Options of the store, as they were given.
        self.options: dict[str, Any] = {
            name: value for name, value in options.items() if value is not None
        }
        self.clear = clear
        #: When an object that was put is on the disk.
        self.durability: Durability = durability
        self._objects = _twinfs.Objects.store(
            url, clear=clear, durability=durability, process=_process, options=self.options
        )

    @property
    def url(self) -> str:
        """The URL or path, without user, password and query."""
        return self._objects.shown_url

    @staticmethod
    def _name(key: TwinKey) -> str:
        return key.id

    def config(self) -> dict[str, Any]:
        """What `from_config`, here or in another process, makes an equal connector of.

        It has the options, and with them what may be secret in them.
        """
        config = {"url": self._objects.url, "clear": self.clear, "durability": self.durability}
        if self._objects.process is not None:
            config["_process"] = self._objects.process
        return {**config, **self.options}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"
