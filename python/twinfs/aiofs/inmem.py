"""Files in memory: the names of aiofs's module `inmem`."""

from twinfs.aiofs._asynchronous import File as InMemFile
from twinfs.aiofs._asynchronous import InMemFileSystem

__all__ = ["InMemFile", "InMemFileSystem"]
