"""Runs test runners one after another, within time, and sums up."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import install
import reports
from reports import Skip

LOGS = install.ROOT / "target" / "test-logs"
ENVIRONMENT = {
    **os.environ,
    "CARGO_NET_RETRY": "5",
    "CARGO_TERM_COLOR": "never",
    "NO_COLOR": "1",
    "PATH": install.SEARCH_PATH,
    "PIP_DEFAULT_TIMEOUT": "60",
    "PIP_NO_INPUT": "1",
    "PIP_RETRIES": "3",
    "npm_config_fetch_retries": "6",
}
# What is still alive this long after being asked to end is killed.
GRACE_SECONDS = 15


@dataclass(frozen=True)
class Runner:
    """One row of the summary."""

    name: str
    #: "lint" for what runs no test, else "test".
    kind: str
    commands: Sequence[Sequence[str]]
    #: Arguments of install.py for what must be there first.
    needs: Sequence[Sequence[str]] = ()
    minutes: float = 15
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path = install.ROOT
    #: Files and folders that the commands make, removed first so that none is an older run's.
    makes: Sequence[Path] = ()
    #: Finds the skips once the commands have ended, given their log's text.
    skips: Callable[[str], list[Skip]] = lambda _: []


@dataclass
class Outcome:
    name: str
    status: str  # ok, FAIL or skip
    seconds: float
    closing: str
    skips: list[Skip] = field(default_factory=list)


class Session:
    """Runs runners within one deadline. Installs each need once."""

    def __init__(self, minutes: float) -> None:
        self.deadline = time.monotonic() + minutes * 60
        self.installed: dict[tuple[str, ...], tuple[int | None, str]] = {}

    def install(self, need: Sequence[str]) -> tuple[int | None, str]:
        """Exit status (None: out of time) and last line of install.py for one need."""
        key = tuple(need)
        if key not in self.installed:
            log = LOGS / f"install-{re.sub(r'[^a-z0-9.]+', '-', ' '.join(need))}.log"
            log.unlink(missing_ok=True)
            command = [sys.executable, str(install.ROOT / "scripts" / "install.py"), *need]
            limit = min(40 * 60.0, self.deadline - time.monotonic())
            code = stream(command, log, install.ROOT, ENVIRONMENT, limit)
            self.installed[key] = code, reports.closing_line(reports.text_of(log))
        return self.installed[key]

    def run(self, runner: Runner) -> Outcome:
        print(f"\n=== {runner.name}", flush=True)
        start = time.monotonic()
        outcome = self.attempt(runner)
        outcome.seconds = time.monotonic() - start
        return outcome

    def attempt(self, runner: Runner) -> Outcome:
        log = LOGS / f"{runner.name}.log"
        for stale in (log, *runner.makes):
            remove(stale)
        for need in runner.needs:
            code, said = self.install(need)
            if code == install.CANNOT_BE_HAD:
                return Outcome(runner.name, "skip", 0, said, [Skip("(all)", said)])
            if code != 0:
                return Outcome(runner.name, "FAIL", 0, said or f"{' '.join(need)}: out of time")
        limit = min(self.deadline, time.monotonic() + runner.minutes * 60)
        failure = None
        for command in runner.commands:
            environment = {**ENVIRONMENT, **runner.environment}
            print("+", *command, flush=True)
            code = stream(command, log, runner.directory, environment, limit - time.monotonic())
            if code != 0:
                failure = "out of time" if code is None else f"exit status {code}"
                break
        text = reports.text_of(log)
        closing = reports.closing_line(text)
        try:
            skips = runner.skips(text)
        except (OSError, subprocess.SubprocessError, ValueError, SyntaxError) as error:
            skips, failure = [], failure or f"its skips cannot be read: {error}"
        wrong = [skip for skip in skips if needlessly(skip)]
        if wrong and not failure:
            failure = f"{len(wrong)} skipped for want of what this machine has"
        if failure:
            return Outcome(runner.name, "FAIL", 0, f"({failure}) {closing}", skips)
        return Outcome(runner.name, "ok", 0, closing, skips)


def needlessly(skip: Skip) -> bool:
    """Whether a test skipped for the lack of something that is there after all."""
    match = re.match(r"needs ([\w.+-]+)", skip.reason)
    if match is None:
        return False
    name = match[1].rstrip(".")
    if name == "root":
        return os.geteuid() == 0
    python = re.fullmatch(r"python(3\.\d+)", name)
    if python:
        return install.find_python(python[1]) is not None
    return name in install.programs() and shutil.which(name) is not None


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def stream(
    command: Sequence[str],
    log: Path,
    directory: Path,
    environment: Mapping[str, str],
    seconds: float,
) -> int | None:
    """Runs a command without input, its output shown and appended to the log as it comes.

    Returns its exit status, or None where its time ran out and it was ended. Nothing it started
    in its process group outlives it.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        said = f"{command[0]}: {error.strerror}\n"
        log.write_text(said)
        print(said, end="", flush=True)
        return 127
    pump = threading.Thread(target=copy_output, args=(process, log), daemon=True)
    pump.start()
    code: int | None
    try:
        code = process.wait(max(0, seconds))
    except subprocess.TimeoutExpired:
        code = None
        print(f"\n{command[0]}: out of time, ending it", flush=True)
    finally:
        end(process)
        # A process that left the group may hold the pipe open: its output is not waited for.
        pump.join(5)
    return code


def copy_output(process: subprocess.Popen[bytes], log: Path) -> None:
    assert process.stdout is not None
    with log.open("ab") as file:
        while block := os.read(process.stdout.fileno(), 65536):
            file.write(block)
            file.flush()
            sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and all of its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def run_all(runners: Iterable[Runner], minutes: float) -> list[Outcome]:
    """Runs each, failures or not; stops early only when interrupted, with what there is."""
    session = Session(minutes)
    outcomes: list[Outcome] = []
    try:
        for runner in runners:
            outcomes.append(session.run(runner))
    except KeyboardInterrupt:
        outcomes.append(Outcome("(interrupted)", "FAIL", 0, "the runners after this did not run"))
    return outcomes


def sum_up(outcomes: Sequence[Outcome], counted: str = "runners") -> bool:
    """Prints the summary; says whether nothing failed."""
    width = max((len(outcome.name) for outcome in outcomes), default=0)
    print("\n=== summary")
    for outcome in outcomes:
        minutes, seconds = divmod(round(outcome.seconds), 60)
        row = (f"{outcome.status:4}", f"{outcome.name:{width}}", f"{minutes:2}:{seconds:02}")
        print(*row, outcome.closing, sep="  ")
    print_skips(outcomes)
    count = {status: sum(o.status == status for o in outcomes) for status in ("ok", "FAIL", "skip")}
    passed, failed, skipped = count["ok"], count["FAIL"], count["skip"]
    print(f"\n{counted}: {passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return count["FAIL"] == 0 and count["ok"] > 0


def print_skips(outcomes: Sequence[Outcome]) -> None:
    """Names every skip, those with the same reason together."""
    by_reason: dict[tuple[str, str], list[Skip]] = {}
    for outcome in outcomes:
        for skip in outcome.skips:
            by_reason.setdefault((outcome.name, skip.reason), []).append(skip)
    if by_reason:
        print("\n=== skips")
    for (name, reason), skips in by_reason.items():
        mark = "  <- FAIL: it is on this machine" if needlessly(skips[0]) else ""
        print(f"{name}: {reason}{mark}")
        for skip in skips:
            print(f"    {skip.test}")
