# The names are those of the compiled module.
# ruff: noqa: A002
import builtins
from collections.abc import AsyncIterator, Coroutine, Generator, Iterable, Iterator, Mapping
from types import GenericAlias, TracebackType
from typing import (
    Any,
    Final,
    Generic,
    Literal,
    NoReturn,
    Self,
    TypeAlias,
    TypeVar,
    Unpack,
    final,
    overload,
)

from _typeshed import ReadableBuffer, WriteableBuffer
from typing_extensions import disjoint_base

from twinfs._options import Durability, OpenOptions, Parents, Path
from twinfs.errors import TwinfsError

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)

_Upload: TypeAlias = str | Staged
_Kind: TypeAlias = Literal["file", "directory", "symlink", "other", "unrepresentable"]
_Items: TypeAlias = Mapping[str, ReadableBuffer] | Iterable[tuple[Path, ReadableBuffer]]

__all__ = [
    "AsyncFileSystem",
    "AsyncHandle",
    "AsyncListing",
    "DiskUsage",
    "Entry",
    "Handle",
    "Listing",
    "Metadata",
    "Operation",
    "Staged",
    "SyncFileSystem",
    "__version__",
    "_mapping_table",
    "_stop_notifier",
]

__version__: Final[str]

def _mapping_table() -> list[tuple[str, str, str, bool]]: ...
def _stop_notifier() -> None: ...

@final
class Metadata:
    def __new__(
        cls,
        kind: _Kind,
        size: int = 0,
        modified_ns: int | None = None,
        changed_ns: int | None = None,
        mode: int | None = None,
        links: int | None = None,
        version: str | None = None,
    ) -> Self: ...
    @property
    def kind(self) -> _Kind: ...
    @property
    def size(self) -> int: ...
    @property
    def modified(self) -> float | None: ...
    @property
    def modified_ns(self) -> int | None: ...
    @property
    def changed(self) -> float | None: ...
    @property
    def changed_ns(self) -> int | None: ...
    @property
    def mode(self) -> int | None: ...
    @property
    def links(self) -> int | None: ...
    @property
    def version(self) -> str | None: ...
    def is_file(self) -> bool: ...
    def is_dir(self) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Entry:
    def __new__(
        cls,
        path: str,
        kind: _Kind,
        metadata: Metadata | None = None,
        raw_name: bytes | None = None,
    ) -> Self: ...
    @property
    def path(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> _Kind: ...
    @property
    def size(self) -> int | None: ...
    @property
    def metadata(self) -> Metadata | None: ...
    @property
    def raw_name(self) -> bytes | None: ...
    def is_file(self) -> bool: ...
    def is_dir(self) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class DiskUsage:
    def __new__(cls, bytes: int, files: int, directories: int, others: int) -> Self: ...
    @property
    def bytes(self) -> int: ...
    @property
    def files(self) -> int: ...
    @property
    def directories(self) -> int: ...
    @property
    def others(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Staged:
    def __new__(cls, id: str, size: int, created_ns: int, expires_ns: int) -> Self: ...
    @property
    def id(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def created(self) -> float: ...
    @property
    def expires(self) -> float: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Operation(Coroutine[Any, None, _T_co], Generic[_T_co]):
    def __await__(self) -> Generator[Any, None, _T_co]: ...
    def __iter__(self) -> Generator[Any, None, _T_co]: ...
    def __next__(self) -> Any: ...
    def send(self, value: None, /) -> Any: ...
    @overload
    def throw(
        self,
        typ: type[BaseException],
        val: BaseException | object = None,
        tb: TracebackType | None = None,
        /,
    ) -> NoReturn: ...
    @overload
    def throw(
        self, typ: BaseException, val: None = None, tb: TracebackType | None = None, /
    ) -> NoReturn: ...
    def close(self) -> None: ...
    def start(self) -> Self: ...
    @property
    def __name__(self) -> str: ...
    @property
    def __qualname__(self) -> str: ...
    def __class_getitem__(cls, item: Any) -> GenericAlias: ...

@final
class Handle:
    @property
    def path(self) -> str: ...
    def asynchronous(self) -> AsyncHandle: ...
    def read_at(self, offset: int, size: int) -> bytes: ...
    def readinto_at(self, offset: int, buffer: WriteableBuffer) -> int: ...
    def write_at(self, offset: int, data: ReadableBuffer) -> int: ...
    def size(self) -> int: ...
    def metadata(self) -> Metadata: ...
    def truncate(self, size: int) -> None: ...
    def flush_to_disk(self) -> None: ...
    def commit(self) -> Metadata: ...
    def abort(self) -> None: ...

@final
class AsyncHandle:
    @property
    def path(self) -> str: ...
    def read_at(self, offset: int, size: int) -> Operation[bytes]: ...
    def readinto_at(self, offset: int, buffer: WriteableBuffer) -> Operation[int]: ...
    def write_at(self, offset: int, data: ReadableBuffer) -> Operation[int]: ...
    def size(self) -> Operation[int]: ...
    def metadata(self) -> Operation[Metadata]: ...
    def truncate(self, size: int) -> Operation[None]: ...
    def flush_to_disk(self) -> Operation[None]: ...
    def commit(self) -> Operation[Metadata]: ...
    def abort(self) -> Operation[None]: ...

@final
class Listing:
    def __iter__(self) -> Iterator[Entry]: ...
    def __next__(self) -> Entry: ...

@final
class AsyncListing:
    def __aiter__(self) -> AsyncIterator[Entry]: ...
    def __anext__(self) -> Operation[Entry]: ...

@disjoint_base
class SyncFileSystem:
    def __new__(cls, url: Path, **options: Any) -> Self: ...
    @property
    def url(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    def _close(self) -> None: ...
    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: Any) -> Self: ...
    def stat(self, path: Path, *, version: bool = False) -> Metadata: ...
    @overload
    def stat_many(
        self, paths: Iterable[Path], *, version: bool = False, on_error: Literal["raise"] = "raise"
    ) -> builtins.list[Metadata]: ...
    @overload
    def stat_many(
        self, paths: Iterable[Path], *, version: bool = False, on_error: Literal["return"]
    ) -> builtins.list[Metadata | TwinfsError]: ...
    def exists(self, path: Path) -> bool: ...
    def is_file(self, path: Path) -> bool: ...
    def is_dir(self, path: Path) -> bool: ...
    def read(
        self,
        path: Path,
        start: int | None = None,
        end: int | None = None,
        *,
        if_version: str | None = None,
    ) -> bytes: ...
    @overload
    def read_many(
        self, paths: Iterable[Path], *, on_error: Literal["raise"] = "raise"
    ) -> builtins.list[bytes]: ...
    @overload
    def read_many(
        self, paths: Iterable[Path], *, on_error: Literal["return"]
    ) -> builtins.list[bytes | TwinfsError]: ...
    def write(
        self,
        path: Path,
        data: ReadableBuffer,
        *,
        if_absent: bool = False,
        if_version: str | None = None,
        durability: Durability | None = None,
        parents: Parents | None = None,
    ) -> Metadata: ...
    @overload
    def write_many(
        self,
        items: _Items,
        *,
        if_absent: bool = False,
        if_version: str | None = None,
        durability: Durability | None = None,
        parents: Parents | None = None,
        on_error: Literal["raise"] = "raise",
    ) -> builtins.list[Metadata]: ...
    @overload
    def write_many(
        self,
        items: _Items,
        *,
        if_absent: bool = False,
        if_version: str | None = None,
        durability: Durability | None = None,
        parents: Parents | None = None,
        on_error: Literal["return"],
    ) -> builtins.list[Metadata | TwinfsError]: ...
    def list(
        self,
        path: Path = "",
        *,
        detail: bool = False,
        recursive: bool = False,
        ordered: bool = True,
        start_after: str | None = None,
    ) -> builtins.list[Entry]: ...
    def entries(
        self,
        path: Path = "",
        *,
        detail: bool = False,
        recursive: bool = False,
        ordered: bool = True,
        start_after: str | None = None,
    ) -> Listing: ...
    def walk(
        self,
        path: Path = "",
        *,
        detail: bool = False,
        ordered: bool = True,
        start_after: str | None = None,
    ) -> Listing: ...
    def glob(self, pattern: str) -> Listing: ...
    def create_dir(
        self,
        path: Path,
        *,
        parents: Parents = False,
        exist_ok: bool = False,
        durability: Durability | None = None,
    ) -> None: ...
    def create_dir_all(self, path: Path, *, durability: Durability | None = None) -> None: ...
    def remove(self, path: Path, *, durability: Durability | None = None) -> None: ...
    def remove_dir(self, path: Path, *, durability: Durability | None = None) -> None: ...
    def remove_all(self, path: Path, *, durability: Durability | None = None) -> None: ...
    def rename(
        self,
        source: Path,
        destination: Path,
        *,
        if_absent: bool = False,
        if_version: str | None = None,
        durability: Durability | None = None,
        parents: Parents | None = None,
    ) -> None: ...
    def copy(
        self,
        source: Path,
        destination: Path,
        *,
        if_absent: bool = False,
        if_version: str | None = None,
        durability: Durability | None = None,
        parents: Parents | None = None,
    ) -> Metadata: ...
    def disk_usage(self, path: Path = "") -> DiskUsage: ...
    def stage(self, *, keep: float = 86400.0) -> str: ...
    def publish(
        self,
        id: _Upload,
        path: Path,
        *,
        if_absent: bool = False,
        if_version: str | None = None,
        durability: Durability | None = None,
        parents: Parents | None = None,
    ) -> Metadata: ...
    def discard(self, id: _Upload) -> None: ...
    def list_staged(self) -> builtins.list[Staged]: ...
    def _open(self, path: Path, mode: str, **options: Unpack[OpenOptions]) -> Handle: ...
    def _reopen(self, id: _Upload) -> Handle: ...

@disjoint_base
class AsyncFileSystem:
    def __new__(cls, url: Path, **options: Any) -> Self: ...
    @property
    def url(self) -> str: ...
    @property
    def closed(self) -> bool: ...
    def _close(self) -> None: ...
    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: Any) -> Self: ...
    def stat(self, path: Path, *, version: bool = False) -> Operation[Metadata]: ...
    @overload
    def stat_many(
        self, paths: Iterable[Path], *, version: bool = False, on_error: Literal["raise"] = "raise"
    ) -> Operation[builtins.list[Metadata]]: ...
    @overload
    def stat_many(
        self, paths: Iterable[Path], *, version: bool = False, on_error: Literal["return"]
    ) -> Operation[builtins.list[Metadata | TwinfsError]]: ...
    def exists(self, path: Path) -> Operation[bool]: ...
    def is_file(self, path: Path) -> Operation[bool]: ...
    def is_dir(self, path: Path) -> Operation[bool]: ...
    def read(
        self,
        path: Path,
        start: int | None = None,
        end: int | None = None,
        *,
        if_version: str | None = None,
    ) -> Operation[bytes]: ...
    @overload
    def read_many(
        self, paths: Iterable[Path], *, on_error: Literal["raise"] = "raise"
    ) -> Operation[builtins.list[bytes]]: ...
    @overload
    def read_many(
        self, paths: Iterable[Path], *, on_error: Literal["return"]
    ) -> Operation[builtins.list[bytes | TwinfsError]]: ...
    def write(
        self,
        path: Path,
        data: ReadableBuffer,
        *,
        if_absent: bool = False,
        if_version: str | None = None,
        durability: Durability | None = None,
        parents: Parents | None = None,
    ) -> Operation[Metadata]: ...
    @overload
    def write_many(
        self,
        items: _Items,
        *,
        if_absent: bool = False,
        if_version: str | None = None,
        durability: Durability | None = None,
        parents: Parents | None = None,
        on_error: Literal["raise"] = "raise",
    ) -> Operation[builtins.list[Metadata]]: ...
    @overload
    def write_many(
        self,
        items: _Items,
        *,
        if_absent: bool = False,
        if_version: str | None = None,
        durability: Durability | None = None,
        parents: Parents | None = None,
        on_error: Literal["return"],
    ) -> Operation[builtins.list[Metadata | TwinfsError]]: ...
    def list(
        self,
        path: Path = "",
        *,
        detail: bool = False,
        recursive: bool = False,
        ordered: bool = True,
        start_after: str | None = None,
    ) -> Operation[builtins.list[Entry]]: ...
    def entries(
        self,
        path: Path = "",
        *,
        detail: bool = False,
        recursive: bool = False,
        ordered: bool = True,
        start_after: str | None = None,
    ) -> AsyncListing: ...
    def walk(
        self,
        path: Path = "",
        *,
        detail: bool = False,
        ordered: bool = True,
        start_after: str | None = None,
    ) -> AsyncListing: ...
    def glob(self, pattern: str) -> AsyncListing: ...
    def create_dir(
        self,
        path: Path,
        *,
        parents: Parents = False,
        exist_ok: bool = False,
        durability: Durability | None = None,
    ) -> Operation[None]: ...
    def create_dir_all(
        self, path: Path, *, durability: Durability | None = None
    ) -> Operation[None]: ...
    def remove(self, path: Path, *, durability: Durability | None = None) -> Operation[None]: ...
    def remove_dir(
        self, path: Path, *, durability: Durability | None = None
    ) -> Operation[None]: ...
    def remove_all(
        self, path: Path, *, durability: Durability | None = None
    ) -> Operation[None]: ...
    def rename(
        self,
        source: Path,
        destination: Path,
        *,
        if_absent: bool = False,
        if_version: str | None = None,
        durability: Durability | None = None,
        parents: Parents | None = None,
    ) -> Operation[None]: ...
    def copy(
        self,
        source: Path,
        destination: Path,
        *,
        if_absent: bool = False,
        if_version: str | None = None,
        durability: Durability | None = None,
        parents: Parents | None = None,
    ) -> Operation[Metadata]: ...
    def disk_usage(self, path: Path = "") -> Operation[DiskUsage]: ...
    def stage(self, *, keep: float = 86400.0) -> Operation[str]: ...
    def publish(
        self,
        id: _Upload,
        path: Path,
        *,
        if_absent: bool = False,
        if_version: str | None = None,
        durability: Durability | None = None,
        parents: Parents | None = None,
    ) -> Operation[Metadata]: ...
    def discard(self, id: _Upload) -> Operation[None]: ...
    def list_staged(self) -> Operation[builtins.list[Staged]]: ...
    def _open(self, path: Path, mode: str, **options: Unpack[OpenOptions]) -> Operation[Handle]: ...
    def _reopen(self, id: _Upload) -> Operation[Handle]: ...
