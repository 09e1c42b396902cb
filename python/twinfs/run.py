"""Tries a service on a folder: `python -m twinfs.run MODULE:FUNCTION --files DIR --out DIR`.

The service is an `async def run(inputs, tracer)`, as Kodosumi's are. It gets a fresh run on a
server in this process (or at `--server`) with the files in `in/`, and what it puts into `out/` is
delivered to `--out`. If it fails, what is in `out/` by then is delivered, too; its traceback is
shown and the exit status is 1. With `--ray` it has a Ray of its own, which ends with it.
"""

import argparse
import asyncio
import importlib
import importlib.util
import inspect
import json
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

from twinfs import SyncFileSystem, _twinfs
from twinfs.errors import TwinfsError
from twinfs.kodosumi import Tracer

BLOCK = 1024 * 1024  # bytes of a file that are in memory at once
INTERRUPTED = 130  # what shells expect of a program that Ctrl-C ended


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m twinfs.run", description=__doc__)
    parser.add_argument("service", metavar="MODULE:FUNCTION", help="the service's entry point")
    parser.add_argument("--files", metavar="DIR", type=Path, help="what goes into in/")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where out/ is delivered to")
    parser.add_argument("--inputs", metavar="JSON", default="{}", help="the inputs (an object)")
    parser.add_argument("--server", metavar="URL", help="with TWINFS_TOKEN; else one is embedded")
    parser.add_argument("--ray", action="store_true", help="start a Ray for remote functions")
    options = parser.parse_args()
    if options.files is not None and not options.files.is_dir():
        parser.error(f"--files: {options.files} is no folder")
    if options.out is not None and options.out.exists() and not options.out.is_dir():
        parser.error(f"--out: {options.out} is no folder")
    if options.server is not None and not options.server.startswith(("http://", "https://")):
        parser.error("--server is a URL such as http://127.0.0.1:8370")
    try:
        options.inputs = json.loads(options.inputs)
    except json.JSONDecodeError as error:
        parser.error(f"--inputs is no JSON: {error}")
    if not isinstance(options.inputs, dict):
        parser.error("--inputs must be a JSON object")
    if options.server and not os.environ.get("TWINFS_TOKEN"):
        parser.error("--server needs a token in TWINFS_TOKEN; `twinfs token` prints one")
    if options.ray and importlib.util.find_spec("ray") is None:
        parser.error("--ray needs Ray in this Python: pip install 'twinfs[ray]'")
    try:
        options.entry = _entry(options.service)
    except _NoServiceError as error:
        parser.error(f"{options.service}: {error}")
    except Exception as error:
        _show(error)
        parser.exit(1, f"{options.service} cannot be imported\n")
    if options.out is not None:
        # Found out before the service has worked for hours.
        try:
            options.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"--out: {error}")
        if not os.access(options.out, os.W_OK | os.X_OK):
            parser.error(f"--out: nothing may be written to {options.out}")
    return options


class _NoServiceError(Exception):
    """The name of a service leads to none."""


def _entry(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    if not module or not function or module.startswith("."):
        raise _NoServiceError("a service is MODULE:FUNCTION, as in service:run")
    # A service is tried where it is written.
    sys.path.insert(0, str(Path.cwd()))
    try:
        entry = getattr(importlib.import_module(module), function, None)
    except ModuleNotFoundError as error:
        # If it is there and misses another one, it is to be seen where.
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise _NoServiceError(error) from None
    if entry is None:
        raise _NoServiceError(f"module {module!r} has no attribute {function!r}")
    if not callable(entry):
        raise _NoServiceError(f"{function} is no function")
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


@contextmanager
def _ray() -> Iterator[None]:
    """A Ray on this machine, whatever cluster the environment names."""
    # Trying a service is nothing to be counted; and all that remote functions say is to be seen,
    # also what is much like the line before.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    ray: Any = importlib.import_module("ray")
    # Its logs and sockets go with it. A longer path would be too long for the sockets.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    try:
        ray.init(
            address="local",
            include_dashboard=False,
            logging_level=logging.WARNING,
            _temp_dir=folder,
        )
        yield
    finally:
        # Ray forwards what workers print a little later and cannot be asked whether it has. This is
        # how long it waits itself where the interpreter ends.
        time.sleep(0.5)
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


class _Progress:
    """Carries files, and says on a terminal how far it is."""

    def __init__(self, root: str, total: int) -> None:
        self._root = root
        self._total = total
        self._number = 0

    def carry(self, source: BinaryIO, target: BinaryIO, name: str, size: int) -> None:
        """Copies one file, a block at a time."""
        self._number += 1
        done = 0
        self._say(name, size, done)
        while block := source.read(BLOCK):
            target.write(block)
            done += len(block)
            self._say(name, size, done)
        if self._number == self._total and sys.stderr.isatty():
            print(file=sys.stderr)

    def _say(self, name: str, size: int, done: int) -> None:
        if sys.stderr.isatty():
            part = f" ({done * 100 // size}%)" if done < size else ""
            line = f"{self._root}/ {self._number} of {self._total}: {ascii(name)[1:-1]}{part}"
            print(f"\r\x1b[K{line}", end="", flush=True, file=sys.stderr)


def _copy(files: Path, run: SyncFileSystem) -> int:
    """Puts a folder's files into `in/`; gives how many."""
    found = [path for path in sorted(files.rglob("*")) if path.is_file()]
    progress = _Progress("in", len(found))
    for path in found:
        name = path.relative_to(files).as_posix()
        with path.open("rb") as source, run.open(f"in/{name}", "wb") as target:
            progress.carry(source, target, name, path.stat().st_size)
    return len(found)


def _deliver(run: SyncFileSystem, out: Path | None) -> str:
    """Brings what is in `out/` to a folder; says what became of it."""
    found = [entry for entry in run.walk("out", detail=True) if entry.is_file()]
    count = f"{len(found)} file{'' if len(found) == 1 else 's'}"
    if out is None:
        return f"out/: {count}, not delivered for want of --out" if found else "out/: no files"
    progress = _Progress("out", len(found))
    with SyncFileSystem(str(out.resolve()), create="true") as folder:
        for entry in found:
            name = entry.path.removeprefix("out/")
            with run.open(entry.path, "rb") as source, folder.open(name, "wb") as target:
                progress.carry(source, target, name, entry.size or 0)
    return f"out/: {count} to {out}"


def _call(options: argparse.Namespace, tracer: Tracer) -> Any:
    outcome = options.entry(options.inputs, tracer)
    if inspect.isasyncgen(outcome) or inspect.isgenerator(outcome):
        raise TypeError("a service gives its result with 'return', not with 'yield'")
    return asyncio.run(_finish(outcome)) if inspect.isawaitable(outcome) else outcome


async def _finish(outcome: Any) -> Any:
    return await outcome


def _show(error: BaseException) -> None:
    """Prints the traceback of a service, from its own first line on."""
    own = (__file__, str(Path(asyncio.__file__).parent), importlib.__file__, "<frozen importlib")
    trace = error.__traceback__
    while trace and trace.tb_next and trace.tb_frame.f_code.co_filename.startswith(own):
        trace = trace.tb_next
    traceback.print_exception(error.with_traceback(trace))


def _try(options: argparse.Namespace) -> int:
    """Brings the files, calls the service, delivers; gives the exit status."""
    ray = _ray() if options.ray else nullcontext()
    with _server(options.server) as (url, token), ray:
        fid = uuid.uuid4().hex
        with SyncFileSystem(f"run+{url}/{fid}", token=token) as run:
            if options.files is not None:
                count = _copy(options.files, run)
                files = f"{count} file{'' if count == 1 else 's'}"
                print(f"in/: {files} from {options.files}", file=sys.stderr)
            status = 0
            try:
                outcome = _call(options, Tracer(fid, url, token))
                if outcome is not None:
                    print(outcome)
            except SystemExit as error:
                status = _status(error.code)
            except KeyboardInterrupt:
                print("interrupted", file=sys.stderr)
                status = INTERRUPTED
            except BaseException as error:
                _show(error)
                print(f"{options.service} failed; what it delivered until then:", file=sys.stderr)
                status = 1
            print(_deliver(run, options.out), file=sys.stderr)
    return status


def _status(code: str | int | None) -> int:
    """The exit status that `sys.exit(code)` means."""
    if isinstance(code, str):
        print(code, file=sys.stderr)
        return 1
    return code or 0


def _end(number: int, _frame: FrameType | None) -> None:
    """Ends the service as `sys.exit` does: what it has is delivered, and nothing is left behind."""
    raise SystemExit(128 + number)


def main() -> int:
    """Runs what the command line says; gives the exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # `nohup` has one of them ignored.
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _end)
    try:
        return _try(_arguments())
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except (TwinfsError, OSError) as error:
        # Of the service's own errors none gets here.
        print(f"twinfs.run: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
