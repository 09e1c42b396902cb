#!/usr/bin/env python3
"""Measures twinfs beside its peers: docs/benchmarks.json, docs/benchmarks.md and docs/plots.

Needs Rust; Python environments are made from bench/requirements*.txt. Run by `make bench`, which
builds our server ($TWINFS_BIN) and our wheel (dist/) before; without them only their peers are
measured. What is not measured this time keeps its figures, unless the machine is another one.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import machine
import report
from workloads import WORKLOADS, Workload, duration, medians, significant

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SCRATCH = ROOT / "target" / "bench"

Command = Callable[[], list[str]]


def say(text: str) -> None:
    print(text, flush=True)


def environment(name: str, python: str, requirements: str) -> Path:
    """The interpreter of .venv/NAME, made where it is missing, with our wheel if there is one."""
    install = [sys.executable, str(ROOT / "scripts" / "install.py")]
    subprocess.run([*install, "venv", name, python, requirements], check=True, cwd=ROOT)
    interpreter = ROOT / ".venv" / name / "bin" / "python"
    wheels = sorted((ROOT / "dist").glob("twinfs-*.whl"))
    if wheels:
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
        subprocess.run([*pip, "--force-reinstall", str(wheels[-1])], check=True)
    else:
        say("no wheel in dist/: our Python package does not take part")
    return interpreter


def rust_command() -> list[str]:
    target = os.environ.get("CARGO_TARGET_DIR") or str(SCRATCH / "target")
    manifest = ["--manifest-path", str(ROOT / "bench" / "Cargo.toml"), "--target-dir", target]
    subprocess.run(["cargo", "build", "--release", "--locked", *manifest], check=True, cwd=ROOT)
    return [str(Path(target) / "release" / "twinfs-bench")]


def python_command() -> list[str]:
    interpreter = environment("bench-python", "any", "bench/requirements-python.txt")
    return [str(interpreter), str(ROOT / "bench" / "python_bench.py")]


def kodosumi_command() -> list[str]:
    # kodosumi imports on Python 3.12 and newer only.
    interpreter = environment("bench-kodosumi", "3.12", "tests/kodosumi/requirements.txt")
    return [str(interpreter), str(ROOT / "bench" / "kodosumi_bench.py")]


def aiofs_command() -> list[str]:
    # aiofs installs on Python 3.13 and newer only.
    interpreter = environment("bench-aiofs", "3.13", "tests/aiofs/requirements.txt")
    return [str(interpreter), str(ROOT / "bench" / "aiofs_bench.py")]


def aioftp_command() -> list[str]:
    interpreter = environment("bench-aioftp", "any", "bench/requirements-aioftp.txt")
    return [str(interpreter), str(ROOT / "bench" / "aioftp_bench.py")]


SUITES: dict[str, Command] = {
    "rust": rust_command,
    "python": python_command,
    "kodosumi": kodosumi_command,
    "aiofs": aiofs_command,
    "aioftp": aioftp_command,
}


def measure(command: list[str], name: str, args: argparse.Namespace) -> dict[str, Any] | None:
    """Runs one workload in a process of its own; its outcomes, or None where it failed."""
    options = (["--quick"] if args.quick else []) + (
        ["--peers", *args.peers, "--"] if args.peers else []
    )
    done = subprocess.run(
        [*command, *options, name], check=False, stdout=subprocess.PIPE, text=True, cwd=SCRATCH
    )
    if done.returncode != 0:
        return None
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def show(workload: Workload, outcome: dict[str, Any]) -> None:
    reference = medians(outcome).get(workload.reference)
    say(f"{workload.title}, per {workload.noun}:")
    for name, median in medians(outcome).items():
        ratio = f"{significant(median / reference)}x" if reference else ""
        say(f"  {name:45} {duration(median):>10} {ratio:>8}")


def stored(file: Path, here: dict[str, str]) -> dict[str, Any]:
    """The figures so far, where they are this machine's."""
    empty: dict[str, Any] = {"machine": here, "versions": {}, "workloads": {}}
    if not file.exists():
        return empty
    found: dict[str, Any] = json.loads(file.read_text())
    if found["machine"] != here:
        say(f"{file.name} holds another machine's figures: they are dropped")
        return empty
    return found


def save(file: Path, results: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    order = [one.key for one in WORKLOADS if one.key in results["workloads"]]
    results["workloads"] = {key: results["workloads"][key] for key in order}
    results["versions"] = dict(sorted(results["versions"].items()))
    file.write_text(json.dumps(results, indent=2) + "\n")


def run(chosen: list[Workload], args: argparse.Namespace, docs: Path) -> list[str]:
    """Measures what is chosen, saving after each; the names of what failed."""
    file = docs / "benchmarks.json"
    results = stored(file, machine.facts(SCRATCH))
    failed = []
    for suite, prepared in SUITES.items():
        names = dict.fromkeys(one.name for one in chosen if one.suite == suite)
        if not names:
            continue
        command = prepared()
        if suite == "rust":
            results["versions"] |= machine.rust_versions()
        for name in names:
            load = machine.load()
            found = measure(command, name, args)
            if found is None:
                failed.append(f"{suite} {name}")
                continue
            results["versions"] |= versions_of(suite, found)
            taken = {
                "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
                "commit": machine.commit(),
                "load": round(load, 2),
            }
            outcomes = found.get("workloads", found)
            for workload in chosen:
                key = workload.key.removeprefix(f"{suite}_")
                if (workload.suite, workload.name) == (suite, name) and key in outcomes:
                    results["workloads"][workload.key] = taken | outcomes[key]
                    show(workload, outcomes[key])
            save(file, results)
    return failed


def versions_of(suite: str, found: dict[str, Any]) -> dict[str, str]:
    named = found.get("versions", {})
    python = {f"python ({suite})": named["python"]} if "python" in named else {}
    packages = {f"{k} (PyPI)": v for k, v in named.items() if k not in ("python", "twinfs")}
    return python | packages


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    keys = [one.key for one in WORKLOADS]
    parser.add_argument("--only", nargs="+", metavar="WORKLOAD", help="or their first parts")
    parser.add_argument("--peers", nargs="+", default=[], help="only these, by parts of names")
    parser.add_argument(
        "--quick", action="store_true", help="to try it out: small, no docs written"
    )
    parser.add_argument("--list", action="store_true", help="name the workloads, measure none")
    parser.add_argument("--report", action="store_true", help="write the page from the JSON again")
    args = parser.parse_args()
    if args.list:
        print(*keys, sep="\n")
        return 0
    for part in args.only or []:
        if not any(key.startswith(part) for key in keys):
            parser.error(f"no such workload: {part}; see --list")
    chosen = [one for one in WORKLOADS if one.key.startswith(tuple(args.only or [""]))]

    SCRATCH.mkdir(parents=True, exist_ok=True)
    # What is tried out or left incomplete must not stand among the figures.
    docs = SCRATCH / "trial" if args.quick or args.peers else DOCS
    failed: list[str] = []
    if not args.report:
        with contextlib.ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(dir=SCRATCH))
            os.environ["TWINFS_BENCH_DIR"] = folder
            failed = run(chosen, args, docs)
    file = docs / "benchmarks.json"
    if file.exists():
        report.write(json.loads(file.read_text()), docs / "benchmarks.md")
        say(f"wrote {(docs / 'benchmarks.md').relative_to(ROOT)}")
    for name in failed:
        say(f"failed: {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
