"""Files on the local disk: the names of aiofs's module `os`."""

from twinfs.aiofs._asynchronous import File as OsFile
from twinfs.aiofs._asynchronous import OsFileSystem

__all__ = ["OsFile", "OsFileSystem"]
