"""Tries a service on a folder of files: `python -m twinfs.run MODULE:FUNCTION --files DIR --out DIR`.

The service is an `async def run(inputs, tracer)`, as Kodosumi's are. It gets a fresh run on a server
in this process (or at `--server`) with the files in `in/`, and what it puts into `out/` is delivered
to `--out`.
"""

import argparse
import asyncio
import importlib
import inspect
import json
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twinfs import SyncFileSystem, _twinfs
from twinfs.kodosumi import Tracer


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m twinfs.run", description=__doc__)
    parser.add_argument("service", metavar="MODULE:FUNCTION", help="the service's entry point")
    parser.add_argument("--files", metavar="DIR", type=Path, help="what goes into in/")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where out/ is delivered to")
    parser.add_argument("--inputs", metavar="JSON", default="{}", help="the inputs (an object)")
    parser.add_argument("--server", metavar="URL", help="a server, with TWINFS_TOKEN; else one is embedded")
    options = parser.parse_args()
    if options.files is not None and not options.files.is_dir():
        parser.error(f"--files: {options.files} is no folder")
    if options.out is not None and options.out.exists() and not options.out.is_dir():
        parser.error(f"--out: {options.out} is no folder")
    try:
        options.inputs = json.loads(options.inputs)
    except json.JSONDecodeError as error:
        parser.error(f"--inputs is no JSON: {error}")
    if not isinstance(options.inputs, dict):
        parser.error("--inputs must be a JSON object")
    if options.server and not os.environ.get("TWINFS_TOKEN"):
        parser.error("--server needs a token in TWINFS_TOKEN; `twinfs token` prints one")
    try:
        options.entry = _entry(options.service)
    except (ImportError, AttributeError, ValueError) as error:
        parser.error(f"{options.service}: {error}")
    return options


def _entry(name: str) -> Callable[..., Any]:
    module, separator, function = name.partition(":")
    if not separator:
        raise ValueError("a service is MODULE:FUNCTION, as in service:run")
    # A service is tried where it is written.
    sys.path.insert(0, str(Path.cwd()))
    entry = getattr(importlib.import_module(module), function)
    if not callable(entry):
        raise ValueError(f"{function} is no function")
    return entry  # type: ignore[no-any-return]


@contextmanager
def _server(url: str | None) -> Iterator[tuple[str, str]]:
    """The URL of a server and a token for it."""
    if url is not None:
        yield url, os.environ["TWINFS_TOKEN"]
        return
    data = tempfile.mkdtemp(prefix="twinfs-run-")
    server = _twinfs.EmbeddedServer(data)
    try:
        yield server.url, server.token("local")
    finally:
        server.stop()
        shutil.rmtree(data, ignore_errors=True)


def _copy(files: Path, run: SyncFileSystem) -> int:
    """Puts a folder's files into `in/`; gives how many."""
    found = [path for path in sorted(files.rglob("*")) if path.is_file()]
    for number, path in enumerate(found, 1):
        name = path.relative_to(files).as_posix()
        _progress("in", number, len(found), name)
        run.write(f"in/{name}", path.read_bytes())
    return len(found)


def _deliver(run: SyncFileSystem, out: Path) -> int:
    """Brings what is in `out/` to a folder; gives how many files."""
    found = [entry for entry in run.walk("out") if entry.is_file()] if run.exists("out") else []
    target = SyncFileSystem(str(out.resolve()), create="true")
    for number, entry in enumerate(found, 1):
        name = entry.path.removeprefix("out/")
        _progress("out", number, len(found), name)
        target.write(name, run.read(entry.path))
    return len(found)


def _progress(what: str, number: int, total: int, name: str) -> None:
    if sys.stderr.isatty():
        end = "\n" if number == total else ""
        print(f"\r\x1b[K{what}/ {number} of {total}: {ascii(name)[1:-1]}", end=end, file=sys.stderr)


def main() -> int:
    """Runs what the command line says; gives the exit status."""
    options = _arguments()
    with _server(options.server) as (url, token):
        fid = uuid.uuid4().hex
        run = SyncFileSystem(f"run+{url}/{fid}", token=token)
        if options.files is not None:
            print(f"in/: {_copy(options.files, run)} files from {options.files}", file=sys.stderr)
        outcome = options.entry(options.inputs, Tracer(fid, url, token))
        if inspect.isawaitable(outcome):
            outcome = asyncio.run(_finish(outcome))
        if outcome is not None:
            print(outcome)
        if options.out is not None:
            print(f"out/: {_deliver(run, options.out)} files to {options.out}", file=sys.stderr)
    return 0


async def _finish(outcome: Any) -> Any:
    return await outcome


if __name__ == "__main__":
    sys.exit(main())
