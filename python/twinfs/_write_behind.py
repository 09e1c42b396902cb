"""The blocks that a writer has handed over, and that the store has not got yet."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from twinfs._modes import LARGE_READ

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

    from twinfs._twinfs import AsyncHandle, Operation

#: How many blocks may be on their way when a write returns (more gain nothing), and the sizes of
#: blocks where that pays: smaller ones are gathered in a buffer, larger ones take too much memory.
WRITE_BEHIND = 1
WRITE_BEHIND_SIZES = range(64 * 1024 + 1, LARGE_READ + 1)


class _Block:
    """Bytes on their way to their place in the file."""

    def __init__(self, offset: int, data: bytes) -> None:
        self.offset = offset
        self.data = data
        #: None while somebody waits for it, and once that was in vain: then it begins anew.
        self.operation: Operation[int] | None = None
        #: The event loop that hears of its end.
        self.loop: asyncio.AbstractEventLoop | None = None

    def begin(self, handle: AsyncHandle) -> None:
        self.operation = handle.write_in_turn(self.offset, self.data).start()
        self.loop = asyncio.get_running_loop()

    def take(self, handle: AsyncHandle) -> Operation[int]:
        """What is to be awaited, in the loop that runs now."""
        operation, self.operation = self.operation, None
        if operation is not None:
            if self.loop is asyncio.get_running_loop():
                return operation
            operation.close()
        return handle.write_in_turn(self.offset, self.data)

    def stop(self) -> None:
        if self.operation is not None:
            self.operation.close()


class WriteBehind:
    """Blocks of one open file on their way to the store, while their writer makes the next one.

    Each is waited for as long as none needed a worker. One that was cancelled stays here and begins
    anew with the next one, or with `flush`: the same bytes at the same place.
    """

    def __init__(self, *, behind: bool) -> None:
        #: Whether a write may return before the store has the bytes.
        self._behind = behind
        self._going: deque[_Block] = deque()
        #: Whether the last block had to be waited for.
        self._waited = False

    def __bool__(self) -> bool:
        """Whether any are on their way."""
        return bool(self._going)

    async def write(self, handle: AsyncHandle, offset: int, data: ReadableBuffer) -> None:
        """Writes all of the data; of a block in a row of them it only begins to."""
        # Only `bytes` stay what they are while they are on their way.
        if not (self._waited and type(data) is bytes and len(data) in WRITE_BEHIND_SIZES):
            await self.flush(handle)
            # In turn, too: one that was cancelled may still be at work at the same place.
            operation = handle.write_in_turn(offset, data)
            await operation
            self._waited = self._behind and operation.by_worker
            return
        block = _Block(offset, data)
        block.begin(handle)
        self._going.append(block)
        try:
            while len(self._going) > WRITE_BEHIND:
                await self._first(handle)
        except BaseException:
            # The earlier ones were promised; of this one the caller is told.
            block.stop()
            self._going.remove(block)
            raise

    async def flush(self, handle: AsyncHandle) -> None:
        """Waits until the store has them all."""
        while self._going:
            await self._first(handle)

    async def _first(self, handle: AsyncHandle) -> None:
        block = self._going[0]
        await block.take(handle)
        # Unless another task waited for it, too.
        if self._going and self._going[0] is block:
            self._going.popleft()

    def stop(self) -> None:
        """Cancels what is on its way."""
        for block in self._going:
            block.stop()
        self._going.clear()
