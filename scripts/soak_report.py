#!/usr/bin/env python3
"""Writes what a soak run counted, from its JUnit reports, as a Markdown page.

usage: soak_report.py PAGE
"""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import install
import reports
import run_tests


def machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{platform.system()} {platform.release()}, {os.cpu_count()} cores, {memory:.0f} GiB"


def tally(junit: Path) -> tuple[int, int]:
    """How many tests a report holds, and how many of them failed."""
    cases = [case for _, case in reports.junit_cases(junit)]
    failed = sum(
        case.find("failure") is not None or case.find("error") is not None for case in cases
    )
    return len(cases), failed


def page(junits: list[Path]) -> str:
    commit = (install.output_of("git", "describe", "--always", "--dirty") or "unknown").strip()
    lines = [
        "# Proofs at full count",
        "",
        "Written by `make soak`. How each promise is proved stands in the test of that name.",
        "",
        f"- commit: {commit}",
        f"- date: {datetime.now(UTC):%Y-%m-%d}",
        f"- machine: {machine()}",
        f"- seed: {os.environ.get('TWINFS_SEED', 'none')} (`TWINFS_SEED=...` repeats it)",
        "",
    ]
    for junit in junits:
        tests, failed = tally(junit)
        lines.append(f"- {report_name(junit)}: {tests} tests, {failed} failed")
    lines += ["", "| test | counted | figure |", "|---|---|---|"]
    for junit in junits:
        for figure in reports.figures_in_junit(junit):
            cells = (f"`{figure.test}`", figure.what, figure.value)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def report_name(junit: Path) -> str:
    return "nextest" if junit.name == "junit.xml" else junit.stem


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    target = run_tests.target_directory()
    found = [
        target / "nextest" / "soak" / "junit.xml",
        *sorted((target / "soak-reports").glob("*.xml")),
    ]
    junits = [junit for junit in found if junit.exists()]
    if not junits:
        print("no soak run has left a report", file=sys.stderr)
        return 1
    written = install.ROOT / arguments[0]
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(page(junits))
    print(f"wrote {arguments[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
