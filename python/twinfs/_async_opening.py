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
        self._entered = False

    async def _open(self) -> FileT:
        file: FileT = self._finish((await self._opening()).asynchronous())
        if file.mode.startswith("a"):
            buffer = file if isinstance(file, AsyncFile) else file.buffer
            end = await buffer.seek(0, os.SEEK_END)
            if isinstance(file, AsyncTextFile):
                file._begin_encoding(end)
        return file

    def __await__(self) -> Generator[Any, None, FileT]:
        return self._open().__await__()

    async def __aenter__(self) -> FileT:
        if self._entered:
            raise RuntimeError("the file is open already; for another one call open again")
        self._entered = True
        try:
            self._file = await self._open()
        except BaseException:
            self._entered = False
            raise
        return self._file

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        file, self._file = self._file, None
        self._entered = False
        if file is not None:
            await file.__aexit__(exc_type, exc_value, traceback)
