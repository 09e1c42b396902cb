"""Text over a file of the sync face."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from twinfs._sync_binary import (
    BufferedFile,
    BufferedReader,
    BufferedWriter,
    Publishing,
    drop_unclosed,
    refuse_to_pickle,
)

if TYPE_CHECKING:
    from twinfs._filesystem import SyncFileSystem
    from twinfs._twinfs import Metadata


class TextFile(Publishing, io.TextIOWrapper):
    """A file of text.

    >>> import twinfs
    >>> fs = twinfs.SyncFileSystem("memory://")
    >>> with fs.open("a.txt", "w") as file:
    ...     _ = file.write("grün\\n")
    >>> fs.read("a.txt").decode()
    'grün\\n'
    """

    if TYPE_CHECKING:

        @property
        def buffer(self) -> BufferedReader | BufferedWriter | BufferedFile: ...

    def __init__(
        self,
        buffer: BufferedReader | BufferedWriter | BufferedFile,
        *,
        mode: str,
        encoding: str,
        errors: str | None,
        newline: str | None,
        line_buffering: bool,
    ) -> None:
        super().__init__(buffer, encoding, errors, newline, line_buffering)
        self._newline = newline
        self._mode = mode

    @property
    def _publishes(self) -> bool:
        return self.buffer._publishes

    @property
    def mode(self) -> str:
        """The mode it was opened in."""
        return self._mode

    def flush_to_disk(self) -> None:
        """Brings what was written to the disk without publishing it."""
        self.flush()
        self.buffer.flush_to_disk()

    def stat(self) -> Metadata:
        """What this handle sees, without what is still in the buffer."""
        return self.buffer.stat()

    def commit(self) -> Metadata:
        """Publishes what was written, whole, and closes the file; see `RawFile.commit`."""
        return self.buffer._or_abort(self.flush, self.buffer.commit)

    def abort(self) -> None:
        """Drops what was written and closes the file; on a closed file it does nothing."""
        self.buffer.abort()

    def close(self) -> None:
        """Publishes what was written and closes the file; see `RawFile.close`."""
        if self.closed:
            return
        if self._publishes:
            self.buffer._or_abort(self.flush, self.buffer.close)
        else:
            self.abort()

    def __del__(self) -> None:
        drop_unclosed(self)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        refuse_to_pickle(self.buffer)
        options = {"encoding": self.encoding, "errors": self.errors, "newline": self._newline}
        return _reopen_text, (self.buffer._fs, self.name, options), (self.tell(),)

    def __setstate__(self, state: tuple[int]) -> None:
        self.seek(state[0])

    def __repr__(self) -> str:
        state = " closed" if self.closed else ""
        return f"<TextFile {self.name!r} mode={self.mode!r} encoding={self.encoding!r}{state}>"


def _reopen_text(fs: SyncFileSystem, path: str, options: dict[str, Any]) -> TextFile:
    return fs.open(path, "r", **options)  # type: ignore[no-any-return]
