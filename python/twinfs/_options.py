"""The options of the two faces, as types."""

from __future__ import annotations

import os
from typing import Literal, TypeAlias, TypedDict

# Unions of literals where one literal would do: stubtest takes every alias of several for a union.

#: A path inside a store.
Path: TypeAlias = str | os.PathLike[str]
#: When a write that was acknowledged is on the disk.
Durability: TypeAlias = Literal["none"] | Literal["file", "full"]
#: What to do about missing directories above a path.
Parents: TypeAlias = bool | Literal["create", "require"]
#: When the bytes written through a handle become visible.
Publish: TypeAlias = Literal["staged"] | Literal["in_place"]
#: Whether an open writer holds the path's lease.
Lease: TypeAlias = bool | Literal["hold", "off"]

TextMode: TypeAlias = (
    Literal["r", "rt", "w", "wt", "x", "xt"] | Literal["a", "at", "r+", "r+t", "w+", "w+t"]
)


class OpenOptions(TypedDict, total=False):
    """What `open` takes in every mode."""

    publish: Publish | None
    durability: Durability | None
    parents: Parents | None
    lease: Lease | None
    if_absent: bool
    if_version: str | None
