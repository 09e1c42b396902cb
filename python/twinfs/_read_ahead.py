"""The blocks that a reader in order asks for next, read before it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twinfs._files import LARGE_READ

if TYPE_CHECKING:
    from twinfs._twinfs import AsyncHandle, Operation

#: How many blocks are read ahead of a reader in order, and the sizes of blocks where that pays:
#: smaller ones need no hop where they are cached, larger ones would take too much memory.
READ_AHEAD = 2
READ_AHEAD_SIZES = range(64 * 1024 + 1, LARGE_READ + 1)


class ReadAhead:
    """Blocks of one open file on their way, for a reader that asks for them in order."""

    def __init__(self, *, ahead: bool) -> None:
        #: Whether blocks may be read before they are asked for.
        self._ahead = ahead
        #: Blocks on their way, by their offset, all of one size.
        self._coming: dict[int, Operation[bytes]] = {}
        #: Where the next block would begin, and its size, if the last one was full.
        self._sequel: tuple[int, int] | None = None

    async def read(self, handle: AsyncHandle, position: int, size: int) -> bytes:
        """Reads up to `size` bytes at a position; in order, the next blocks are read meanwhile."""
        coming = self._coming
        in_order = self._sequel == (position, size)
        self._sequel = None
        if not in_order or position not in coming:
            self.stop()
        if in_order and self._ahead and size in READ_AHEAD_SIZES:
            for offset in range(position, position + (1 + READ_AHEAD) * size, size):
                if offset not in coming:
                    coming[offset] = handle.read_at(offset, size).start()
            data = await coming.pop(position)
            if len(data) < size:
                # The end, as it was when the block was read.
                self.stop()
                data += await handle.read_at(position + len(data), size - len(data))
        else:
            data = await handle.read_at(position, size)
        if len(data) == size:
            self._sequel = (position + size, size)
        return data

    def stop(self) -> None:
        """Cancels what is on its way."""
        for operation in self._coming.values():
            operation.close()
        self._coming.clear()
