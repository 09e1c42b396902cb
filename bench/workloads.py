"""What is measured, what each contender is compared with, and the goals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ASYNC = "twinfs.AsyncFileSystem"
POOL = f"{ASYNC}, through its pool"
SYNC = "twinfs.SyncFileSystem"
PLAIN = "plain open() and read()"
REAL = "real client, real server"
OURS = "twinfs client, twinfs server"
AIOFS = "aiofs OsFileSystem"
LINE = "twinfs command line, twinfs server"
#: Each of aioftp's classes, and ours of the same name.
PATH_IO = tuple(
    (f"twinfs {name}", f"aioftp.{name}") for name in ("PathIO", "AsyncPathIO", "MemoryPathIO")
)


@dataclass(frozen=True)
class Goal:
    """A bound on a contender's time: a multiple of another's, or microseconds where it has none."""

    contender: str
    limit: float
    against: str | None = None
    #: The bound is said as "times as fast" rather than as a part of the other's time.
    faster: bool = False

    @property
    def words(self) -> str:
        if self.against is None:
            return f"at most {duration(self.limit)}"
        if self.faster:
            return f"at least {self.limit:g}x as fast as {self.against}"
        return f"at most {self.limit:g}x the time of {self.against}"

    def measure(self, medians: dict[str, float]) -> tuple[str, bool] | None:
        """What was measured and whether that meets the goal; None where a contender is missing."""
        own = medians.get(self.contender)
        if own is None:
            return None
        if self.against is None:
            return duration(own), own <= self.limit
        other = medians.get(self.against)
        if other is None:
            return None
        value = other / own if self.faster else own / other
        met = value >= self.limit if self.faster else value <= self.limit
        return f"{significant(value)}x", met


def at_most(contender: str, limit: float, against: str | None = None) -> Goal:
    return Goal(contender, limit, against)


def faster(contender: str, limit: float, against: str) -> Goal:
    return Goal(contender, limit, against, faster=True)


@dataclass(frozen=True)
class Workload:
    #: The key in docs/benchmarks.json.
    key: str
    #: The bench that measures it, and its name there.
    suite: str
    name: str
    title: str
    #: One operation, of which a contender's time is told.
    noun: str
    reference: str
    text: str
    goals: tuple[Goal, ...] = ()


OUR_OBJECTS = "twinfs.proxystore.FileConnector"
RAW_OBJECTS = "plain write, rename, read, unlink"


def small_objects(_verb: str, _size: str) -> tuple[Goal, ...]:
    their = at_most(OUR_OBJECTS, 0.6, "proxystore FileConnector")
    return their, at_most(OUR_OBJECTS, 1, RAW_OBJECTS)


def large_objects(verb: str, _size: str) -> tuple[Goal, ...]:
    return (at_most(OUR_OBJECTS, 1, RAW_OBJECTS),) if verb == "get" else ()


WORKLOADS = (
    Workload(
        "rust_read",
        "rust",
        "read",
        "Rust: a whole 4 KiB file, sync",
        "file",
        "std::fs::read",
        "2,000 files, one after the other. *Typed* is the store without the boxed calls of the URL "
        "registry.",
        (at_most("twinfs::blocking::Fs", 1.2, "std::fs::read"),),
    ),
    Workload(
        "rust_read_async",
        "rust",
        "read_async",
        "Rust: a whole 4 KiB file, async",
        "file",
        "spawn_blocking hop around std::fs::read",
        "2,000 files, one after the other, in a task of a Tokio runtime with two workers.",
        (
            at_most("twinfs::Fs", 1.1, "spawn_blocking hop around std::fs::read"),
            faster("twinfs::Fs", 2, "tokio::fs::read"),
            faster("twinfs::Fs", 2, "object_store"),
            faster("twinfs::Fs", 2, "opendal"),
        ),
    ),
    Workload(
        "rust_read_many",
        "rust",
        "read_many",
        "Rust: 10,000 whole 4 KiB files in one call",
        "file",
        "std::fs::read in a loop",
        "All contents are held at the end.",
        (
            at_most("twinfs::blocking::Fs::read_many", 0.85, "std::fs::read in a loop"),
            at_most("twinfs::Fs::read_many", 0.85, "std::fs::read in a loop"),
        ),
    ),
    Workload(
        "rust_memory_get",
        "rust",
        "memory_get",
        "Rust: 4 KiB out of the memory store, sync",
        "read",
        "HashMap lookup and clone of Bytes",
        "10,000 files, one after the other.",
        (at_most("twinfs::blocking::Fs over memory", 3, "HashMap lookup and clone of Bytes"),),
    ),
    Workload(
        "rust_write",
        "rust",
        "write",
        "Rust: whole 4 KiB files written over the last ones",
        "file",
        "std::fs::write (in place)",
        "2,000 files, one after the other, durability `none`. Ours are atomic: staged, then "
        "renamed. `versions=off` leaves out the token that conditions on a version need.",
    ),
    Workload(
        "rust_random_read",
        "rust",
        "random_read",
        "Rust: random 4 KiB reads from one open file",
        "read",
        "pread",
        "5,000 reads from 64 MiB, one after the other.",
    ),
    Workload(
        "rust_list",
        "rust",
        "list",
        "Rust: 100,000 files listed recursively, with sizes",
        "file",
        "std::fs::read_dir with metadata",
        "100 folders of 1,000 files.",
    ),
    Workload(
        "rust_stream",
        "rust",
        "stream",
        "Rust: 1 GiB read in blocks of 1 MiB",
        "MiB",
        "std::fs::File::read",
        "One file in the page cache.",
    ),
    Workload(
        "python_concurrent",
        "python",
        "concurrent",
        "Python asyncio: 10,000 whole 4 KiB files, 32 in flight",
        "file",
        PLAIN,
        "One call each, by 32 tasks. The plain loop is sync and blocks the event loop.",
        (
            faster(ASYNC, 30, "aiofiles"),
            faster(ASYNC, 15, "obstore"),
            faster(ASYNC, 15, "asyncio.to_thread"),
            at_most(ASYNC, 0.9, PLAIN),
        ),
    ),
    Workload(
        "python_stall",
        "python",
        "stall",
        "Python asyncio: the longest stall of the event loop while that runs",
        "run",
        "plain idle loop",
        "How late a heartbeat of 1 ms comes at worst; the idle loop's figure is what the machine "
        "itself adds.",
        (at_most(ASYNC, 1000),),
    ),
    Workload(
        "python_one_p50",
        "python",
        "one",
        "Python asyncio: one 4 KiB file at a time, the middle one",
        "file",
        PLAIN,
        "2,000 files, each awaited before the next; the median of their times. What is cached is "
        "read in place; *through its pool* is what it costs where that cannot be.",
        (at_most(ASYNC, 0.7, PLAIN), at_most(POOL, 25)),
    ),
    Workload(
        "python_one_p99",
        "python",
        "one",
        "Python asyncio: one 4 KiB file at a time, the slowest 1%",
        "file",
        PLAIN,
        "The 99th percentile of the same.",
        (at_most(POOL, 45),),
    ),
    Workload(
        "python_sync",
        "python",
        "sync",
        "Python sync: a whole 4 KiB file",
        "file",
        PLAIN,
        "2,000 files, one after the other.",
        (at_most(SYNC, 0.6, PLAIN), faster(SYNC, 6, "obstore")),
    ),
    Workload(
        "python_read_many",
        "python",
        "read_many",
        "Python: 10,000 whole 4 KiB files in one call",
        "file",
        PLAIN,
        "All contents are held at the end.",
        (at_most(SYNC, 0.5, PLAIN), at_most(ASYNC, 0.5, PLAIN)),
    ),
    Workload(
        "python_write",
        "python",
        "write",
        "Python: 10,000 new whole 4 KiB files",
        "file",
        "plain open() and write()",
        "One after the other on the sync face, 32 in flight in asyncio, durability `none`, in a "
        "file system in memory. Ours are atomic; of the others only *plain write and rename* and "
        "obstore are.",
        (
            at_most(SYNC, 1.5, "plain open() and write()"),
            at_most(ASYNC, 1.5, "plain open() and write()"),
            faster(ASYNC, 3, "aiofiles (asyncio)"),
        ),
    ),
    Workload(
        "python_overwrite",
        "python",
        "overwrite",
        "Python: 2,000 whole 4 KiB files written over the last ones",
        "file",
        "plain open() and write()",
        "The same where a file of each name is there already.",
    ),
    Workload(
        "python_random",
        "python",
        "random",
        "Python asyncio: random 4 KiB reads from one open file",
        "read",
        "plain os.pread()",
        "5,000 reads from 64 MiB, one after the other.",
        (
            faster("twinfs.AsyncFile.read_at", 2.3, "aiofile"),
            faster("twinfs.AsyncFile.read_at", 45, "aiofiles"),
            faster("twinfs.AsyncFile.read_at", 20, "obstore"),
            at_most("twinfs.AsyncFile.read_at", 2.2, "plain os.pread()"),
        ),
    ),
    Workload(
        "python_stream_read",
        "python",
        "stream_read",
        "Python: 1 GiB read in blocks of 1 MiB",
        "MiB",
        PLAIN,
        "One file in the page cache.",
        (at_most(SYNC, 1.05, PLAIN), at_most(ASYNC, 1.2, PLAIN)),
    ),
    Workload(
        "python_stream_write",
        "python",
        "stream_write",
        "Python: 1 GiB written in blocks of 1 MiB",
        "MiB",
        "plain open() and write()",
        "A new file each time, into the page cache, durability `none`.",
        (
            at_most(SYNC, 1.05, "plain open() and write()"),
            at_most(ASYNC, 1.2, "plain open() and write()"),
        ),
    ),
    Workload(
        "python_list",
        "python",
        "list",
        "Python: 100,000 files listed recursively, with sizes",
        "file",
        "plain os.scandir() with stat()",
        "100 folders of 1,000 files.",
        (
            at_most(SYNC, 0.8, "plain os.scandir() with stat()"),
            at_most(ASYNC, 0.8, "plain os.scandir() with stat()"),
        ),
    ),
    *(
        Workload(
            f"python_objects_{verb}_{size}",
            "python",
            f"objects_{size}",
            f"Python: objects of {words}, {said}",
            "object",
            RAW_OBJECTS,
            text,
            goals(verb, size),
        )
        for size, words, goals in (
            ("1k", "1 KiB", small_objects),
            ("100k", "100 KiB", small_objects),
            ("10m", "10 MiB", large_objects),
        )
        for verb, said, text in (
            (
                "put",
                "put",
                "One after the other, each under a key of its own, in a file system in memory. "
                "Ours and the plain way are atomic; ours has a checksum, too.",
            ),
            ("get", "got", "One after the other, by their keys. Ours are held against a checksum."),
            (
                "evict",
                "evicted",
                "One after the other. Ours removes emptied folders, too.",
            ),
        )
    ),
    *(
        Workload(
            f"python_objects_{verb}_batch",
            "python",
            "objects_batch",
            f"Python: 1,000 objects of 1 KiB {said} in one call",
            "object",
            RAW_OBJECTS,
            "In a file system in memory; Redis is a real server on the loopback address.",
            (at_most(OUR_OBJECTS, 1, "proxystore RedisConnector"),),
        )
        for verb, said in (("put", "put"), ("get", "got"))
    ),
    Workload(
        "python_start",
        "python",
        "start",
        "Python: importing the package",
        "import",
        "plain import asyncio",
        "In a fresh interpreter; what a package imports itself counts.",
        (at_most("import twinfs", 50_000),),
    ),
    Workload(
        "kodosumi_upload_large",
        "kodosumi",
        "upload_large",
        "Run files: a file of 256 MiB uploaded",
        "MiB",
        REAL,
        "Over loopback, in chunks of 1 MiB. *Real* is Kodosumi 1.1.0. Our server has the file and "
        "its folder fsynced when it answers, save where it is *not durable*; Kodosumi's has not. "
        "The command line is a new process each time.",
        (faster(OURS, 10, REAL), faster(LINE, 10, REAL)),
    ),
    Workload(
        "kodosumi_upload_small",
        "kodosumi",
        "upload_small",
        "Run files: 1,000 files of 4 KiB uploaded",
        "file",
        REAL,
        "One folder in one call, as above. What the rounds leave stays until the end: on an ext4 "
        "without a journal, removing it would slow down what creates files next.",
        (faster(OURS, 30, REAL), faster(LINE, 30, REAL)),
    ),
    Workload(
        "kodosumi_download_small",
        "kodosumi",
        "download_small",
        "Run files: 1,000 files of 4 KiB downloaded",
        "file",
        REAL,
        "One folder in one call, into a folder on disk. What the rounds leave stays until the end.",
        (faster(OURS, 20, REAL), faster(LINE, 20, REAL)),
    ),
    Workload(
        "kodosumi_list",
        "kodosumi",
        "list",
        "Run files: 10,000 files listed",
        "listing",
        REAL,
        "100 folders of 100 files, in one call.",
        (faster(OURS, 20, REAL), faster(LINE, 20, REAL)),
    ),
    Workload(
        "kodosumi_start",
        "kodosumi",
        "start",
        "Run files: a client constructed",
        "client",
        "real client",
        "Nothing is requested.",
        (at_most("twinfs client", 1000),),
    ),
    Workload(
        "aiofs_read",
        "aiofs",
        "read",
        "aiofs: whole 4 KiB files read",
        "file",
        AIOFS,
        "2,000 files, 32 in flight, each in `async with fs.open(name)`.",
    ),
    Workload(
        "aiofs_write",
        "aiofs",
        "write",
        "aiofs: whole 4 KiB files written over the last ones",
        "file",
        AIOFS,
        "As above, with mode `w`. Ours are atomic and keep out other writers; theirs are in place.",
    ),
    Workload(
        "aiofs_update",
        "aiofs",
        "update",
        "aiofs: 4 KiB files read and written again",
        "file",
        AIOFS,
        "As above, with mode `r+`.",
    ),
    Workload(
        "aiofs_lines",
        "aiofs",
        "lines",
        "aiofs: many small writes to one file",
        "write",
        AIOFS,
        "10,000 writes of 100 bytes in one context.",
    ),
    *(
        Workload(
            f"aioftp_{name}",
            "aioftp",
            name,
            f"aioftp: {title}",
            noun,
            "aioftp.PathIO",
            text,
            (
                tuple(at_most(ours, 1.1, theirs) for ours, theirs in PATH_IO)
                if name.startswith(("retr", "stor", "mlsd"))
                else (faster("twinfs AsyncPathIO", 2, "aioftp.AsyncPathIO"),)
            ),
        )
        for name, noun, title, text in (
            ("exists", "call", "whether a file is there", "2,000 calls, one after the other."),
            ("stat", "call", "size and times of a file", "2,000 calls, one after the other."),
            (
                "read",
                "file",
                "a 4 KiB file opened, read in the server's blocks of 8 KiB, closed",
                "2,000 files, one after the other.",
            ),
            (
                "write",
                "file",
                "a 4 KiB file opened, written in place, closed",
                "2,000 files, one after the other.",
            ),
            ("list", "name", "a directory of 1,000 files listed", "One listing, name by name."),
            ("blocks", "MiB", "64 MiB read in blocks of 8 KiB", "One file in the page cache."),
            ("write_blocks", "MiB", "64 MiB written in blocks of 8 KiB", "Over what was there."),
            (
                "retr_small",
                "file",
                "1,000 files of 4 KiB retrieved from its server",
                "Its server over each class in a process of its own, one ftplib client.",
            ),
            ("stor_small", "file", "1,000 files of 4 KiB stored on its server", "As before."),
            ("mlsd", "name", "1,000 files listed by its server", "MLSD: three questions a name."),
            ("retr_large", "MiB", "128 MiB retrieved from its server", "As before."),
            ("stor_large", "MiB", "128 MiB stored on its server", "As before."),
        )
    ),
)


def significant(value: float) -> str:
    """Three significant digits, and no exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def duration(micros: float) -> str:
    """Microseconds in the unit that suits them."""
    for unit, size in (("s", 1e6), ("ms", 1e3), ("µs", 1)):
        if micros >= size:
            return f"{significant(micros / size)} {unit}"
    return f"{micros * 1000:.0f} ns"


def medians(outcome: dict[str, Any]) -> dict[str, float]:
    return {row["name"]: row["median_us"] for row in outcome["contenders"]}
