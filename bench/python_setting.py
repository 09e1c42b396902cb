"""What all workloads of one run share."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Setting:
    #: Where files are laid; removed at the end.
    folder: Path
    #: Contenders to be kept, by a part of their names; empty for all.
    peers: list[str]
    #: One event loop for all rounds: its threads and theirs are warm.
    runner: asyncio.Runner
    quick: bool

    @property
    def rounds(self) -> int:
        return 2 if self.quick else 5

    @property
    def slow_rounds(self) -> int:
        """Rounds of a peer whose passes take longer than those of all others together."""
        return 1 if self.quick else 2

    @property
    def files(self) -> int:
        """Small files."""
        return 500 if self.quick else 10_000

    @property
    def singles(self) -> int:
        """Small files, where each is waited for or the loop is sync."""
        return 200 if self.quick else 2000

    @property
    def reads(self) -> int:
        """Random reads from one file."""
        return 200 if self.quick else 5000

    @property
    def large(self) -> int:
        """Bytes of a file that is streamed."""
        return 2**25 if self.quick else 2**30

    @property
    def folders(self) -> int:
        """Folders of 1,000 files each, to be listed."""
        return 2 if self.quick else 100

    @contextlib.contextmanager
    def in_memory(self) -> Iterator[Path]:
        """A folder in a file system in memory, where there is one: for what makes many files.

        What an ext4 without a journal takes for a new file depends on what was removed in the
        minutes before, here by the contender before; and a disk tells more of itself than of those
        who write to it.
        """
        shared = Path("/dev/shm")
        parent = shared if shared.is_dir() else self.folder
        with tempfile.TemporaryDirectory(dir=parent, prefix="twinfs-bench-") as folder:
            yield Path(folder)
