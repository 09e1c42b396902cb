"""Files of the async face on their way to be opened."""

from __future__ import annotations

import os
from collections.abc import Generator
from types import TracebackType
from typing import Any, Generic, TypeVar

from twinfs._async_binary import AsyncFile
from twinfs._async_text import AsyncTextFile

FileT = TypeVar("FileT", AsyncFile, AsyncTextFile)


class Opening(Generic[FileT]):
    """A file about to be opened: to be awaited, or for `async with`."""

    def __init__(self, opening: Any, finish: Any) -> None:
        self._opening = opening
        self._finish = finish
        self._file: FileT | None = None

    async def _open(self) -> FileT:
        file: FileT = self._finish((await self._opening()).asynchronous())
        if file.mode.startswith("a"):
            buffer = file if isinstance(file, AsyncFile) else file.buffer
            await buffer.seek(0, os.SEEK_END)
        return file

    def __await__(self) -> Generator[Any, None, FileT]:
        return self._open().__await__()

    async def __aenter__(self) -> FileT:
        self._file = await self._open()
        return self._file

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        file, self._file = self._file, None
        if file is not None:
            await file.__aexit__(exc_type, exc_value, traceback)
