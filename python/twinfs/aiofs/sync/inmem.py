"""Files in memory, on the sync face."""

from twinfs.aiofs.sync._synchronous import File as InMemFile
from twinfs.aiofs.sync._synchronous import InMemFileSystem

__all__ = ["InMemFile", "InMemFileSystem"]
