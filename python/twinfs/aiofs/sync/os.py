"""Files on the local disk, on the sync face."""

from twinfs.aiofs.sync._synchronous import File as OsFile
from twinfs.aiofs.sync._synchronous import OsFileSystem

__all__ = ["OsFile", "OsFileSystem"]
