"""Reads what test runners leave behind: skips with their reasons, closing lines, figures.

A test that cannot run on a machine prints `SKIP: needs NAME: why` and returns (Rust), or calls
pytest.skip("needs NAME: why"). A proof prints what it counted as `FIGURE: WHAT: VALUE`.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
SKIP = re.compile(r"^\s*SKIP: (.+)$", re.MULTILINE)
FIGURE = re.compile(r"^\s*FIGURE: (.+?): (.+)$", re.MULTILINE)
IGNORED = re.compile(r"^test (.+?) \.\.\. ignored(?:, (.+))?$", re.MULTILINE)
LIBTEST_RESULT = re.compile(
    r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;", re.MULTILINE
)
NEXTEST_SUMMARY = re.compile(r"^\s*(Summary \[.+)$", re.MULTILINE)
PLAYWRIGHT_COUNTS = re.compile(
    r"^  (\d+ (?:passed|failed|flaky|skipped|did not run)\b.*)$", re.MULTILINE
)
PYTEST_SUMMARY = re.compile(r"^=+ (.+ in [\d.]+s.*?) =+$", re.MULTILINE)


@dataclass(frozen=True)
class Skip:
    test: str
    reason: str


@dataclass(frozen=True)
class Figure:
    test: str
    what: str
    value: str


def text_of(log: Path) -> str:
    """A log as plain text: no colours, and lines as a terminal would end them."""
    text = log.read_text(errors="replace") if log.exists() else ""
    return ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")


def closing_line(text: str) -> str:
    """The line in which a runner sums up; of several `cargo test` results, their sum."""
    results = LIBTEST_RESULT.findall(text)
    if results:
        passed, failed, ignored = (sum(int(row[column]) for row in results) for column in range(3))
        return f"{passed} passed, {failed} failed, {ignored} ignored"
    for pattern in (NEXTEST_SUMMARY, PYTEST_SUMMARY):
        found = pattern.findall(text)
        if found:
            return str(found[-1]).strip()
    counts = PLAYWRIGHT_COUNTS.findall(text)
    if counts:
        return ", ".join(counts)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def junit_cases(junit: Path) -> Iterator[tuple[str, ElementTree.Element]]:
    """Each test of a JUnit report with its full name."""
    if not junit.exists():
        return
    for case in ElementTree.parse(junit).getroot().iter("testcase"):
        yield f"{case.get('classname', '')} {case.get('name', '')}".strip(), case


def output_of(case: ElementTree.Element) -> str:
    return "\n".join(case.findtext(stream) or "" for stream in ("system-out", "system-err"))


def skips_in_junit(junit: Path) -> list[Skip]:
    skips = []
    for test, case in junit_cases(junit):
        skips += [Skip(test, reason.strip()) for reason in SKIP.findall(output_of(case))]
        for mark in case.findall("skipped"):
            # pytest files expected failures here too, but those ran.
            if mark.get("type") != "pytest.xfail":
                # Playwright has the reason among the properties of the test.
                said = case.find("properties/property[@name='skip']")
                reason = mark.get("message") or (said is not None and said.get("value"))
                skips.append(Skip(test, reason or "no reason given"))
    return skips


def figures_in_junit(junit: Path) -> list[Figure]:
    return [
        Figure(test, what, value.strip())
        for test, case in junit_cases(junit)
        for what, value in FIGURE.findall(output_of(case))
    ]


def skips_in_libtest(text: str) -> list[Skip]:
    """Skips in the log of `cargo test -- --show-output`, which names the test above its output."""
    skips = [
        Skip(test, reason or "ignored without a reason") for test, reason in IGNORED.findall(text)
    ]
    test = "?"
    for line in text.splitlines():
        header = re.match(r"^---- (.+) stdout ----$", line)
        test = header[1] if header else test
        skips += [Skip(test, reason.strip()) for reason in SKIP.findall(line)]
    return skips


def ignored_by_nextest(listing: str) -> list[Skip]:
    """The ignored tests of a `cargo nextest list --message-format json`, with their reasons.

    nextest does not know the reason. A test program does: asked for an ignored test by name, it
    runs nothing and prints it.
    """
    skips = []
    for name, suite in json.loads(listing)["rust-suites"].items():
        ignored = [test for test, case in suite.get("testcases", {}).items() if case["ignored"]]
        if not ignored:
            continue
        said = subprocess.run(
            [suite["binary-path"], "--exact", *ignored],
            capture_output=True,
            check=False,
            cwd=suite["cwd"],
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=60,
        ).stdout
        reasons = dict(IGNORED.findall(said))
        skips += [
            Skip(f"{name} {t}", reasons.get(t) or "ignored without a reason") for t in ignored
        ]
    return skips
