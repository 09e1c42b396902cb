"""The blocks that a reader in order asks for next, read before it asks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from twinfs._modes import LARGE_READ

if TYPE_CHECKING:
    from twinfs._twinfs import AsyncHandle, Operation

#: How many blocks are read ahead of a reader in order, and the sizes of blocks where that pays:
#: smaller ones are had sooner than others could be begun, larger ones would take too much memory.
READ_AHEAD = 2
READ_AHEAD_SIZES = range(64 * 1024 + 1, LARGE_READ + 1)


class ReadAhead:
    """Blocks of one open file on their way, for a reader that asks for them in order.

    None are read ahead as long as each is there when it is asked for: all that would come of it is
    that more memory is in use, and in no core's cache.
    """

    def __init__(self, *, ahead: bool) -> None:
        #: Whether blocks may be read before they are asked for.
        self._ahead = ahead
        #: Blocks on their way, by their offset, all of one size.
        self._coming: dict[int, Operation[bytes]] = {}
        #: The event loop that hears of their end.
        self._loop: asyncio.AbstractEventLoop | None = None
        #: Where the next block would begin, and its size, if the last one was full.
        self._sequel: tuple[int, int] | None = None
        #: Whether the last block had to be waited for.
        self._waited = False

    async def read(self, handle: AsyncHandle, position: int, size: int) -> bytes:
        """Reads up to `size` bytes at a position; in order, the next blocks are read meanwhile."""
        coming = self._coming
        in_order = self._sequel == (position, size)
        self._sequel = None
        if coming and not (
            in_order and position in coming and self._loop is asyncio.get_running_loop()
        ):
            self.stop()
        if in_order and self._waited and self._ahead and size in READ_AHEAD_SIZES:
            self._loop = asyncio.get_running_loop()
            for offset in range(position, position + (1 + READ_AHEAD) * size, size):
                if offset not in coming:
                    coming[offset] = handle.read_at(offset, size).start()
        early = coming.pop(position, None)
        operation = handle.read_at(position, size) if early is None else early
        data = await operation
        self._waited = operation.by_worker
        if early is not None and len(data) < size:
            # The end, as it was when the block was read.
            self.stop()
            data += await handle.read_at(position + len(data), size - len(data))
        if len(data) == size:
            self._sequel = (position + size, size)
        return data

    def stop(self) -> None:
        """Cancels what is on its way."""
        for operation in self._coming.values():
            operation.close()
        self._coming.clear()
