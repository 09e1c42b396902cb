"""A tree in memory as aioftp's nodes show it."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import Any, overload

from aioftp.pathio import Node

from twinfs import AsyncFileSystem, SyncFileSystem, _twinfs


class MemoryTree(Sequence[Node]):
    """A tree in memory, which several `MemoryPathIO` share; to look at, a list with its root node.

    Nodes are of the moment they were asked for: to change one changes nothing in the tree. `fs` is
    the tree as a file system.

    >>> from twinfs.aioftp.pathio import MemoryTree
    >>> tree = MemoryTree()
    >>> _ = tree.fs.write("app/data/file1.txt", b"Content")
    >>> tree[0].name, tree[0].content[0].name
    ('/', 'app')
    """

    def __init__(self, source: AsyncFileSystem | SyncFileSystem | list[Node] | None = None) -> None:
        nodes: list[Node] = []
        if isinstance(source, AsyncFileSystem | SyncFileSystem):
            self.fs = source
        else:
            self.fs = SyncFileSystem("memory://")
            nodes = source or []
        self._io = _twinfs.PathIo(self.fs)
        for node in nodes:
            self._put("", node)

    def _put(self, above: str, node: Any) -> None:
        assert isinstance(self.fs, SyncFileSystem)
        path = f"{above}/{node.name}".strip("/")
        if node.type == "file":
            self.fs.write(path, node.content.getvalue())
            return
        self.fs.create_dir(path, exist_ok=True)
        for child in node.content:
            self._put(path, child)

    def node(self, path: str | os.PathLike[str]) -> Node | None:
        """What stands at a path, as it is now, with everything below it; None for nothing."""
        found = self._io.node(path)
        return None if found is None else _node(*found)

    @overload
    def __getitem__(self, index: int) -> Node: ...
    @overload
    def __getitem__(self, index: slice) -> list[Node]: ...
    def __getitem__(self, index: int | slice) -> Node | list[Node]:
        root = self.node("/")
        return ([] if root is None else [root])[index]

    def __len__(self) -> int:
        return 1

    def __repr__(self) -> str:
        return repr(list(self))

    # Where the file system may not travel, it says so.
    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.fs,)


def _node(name: str, modified: float, content: Any) -> Node:
    time = int(modified)
    if isinstance(content, bytes):
        return Node("file", name, time, time, content=io.BytesIO(content))
    return Node("dir", name or "/", time, time, content=[_node(*child) for child in content])
