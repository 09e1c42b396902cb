#!/usr/bin/env python3
"""Runs every check and test of twinfs and sums up. `make test` is this without options."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import install
import reports
import runner
from install import ROOT
from reports import Skip
from runner import Runner

# The same packages and features everywhere, so that each crate is compiled once to be checked
# and once to be run.
WORKSPACE = ("--workspace", "--all-features", "--locked")
LINTERS = ROOT / ".venv" / "lint" / "bin"
NEED_LINTERS = ("venv", "lint", "any", "scripts/lint-requirements.txt")
# Node.js, and what the web page is built and tested with.
NEED_WEB = ("web",)
# What the tests in tests/kodosumi need is what kodosumi's own server needs.
NEED_KODOSUMI = (
    *("venv", "kodosumi-3.12", "3.12"),
    *("tests/requirements.txt", "tests/kodosumi/requirements.txt"),
)
# The Rust tests that start that server: a runner of their own.
WITH_KODOSUMI = "test(with_kodosumis_own_server)"


def target_directory() -> Path:
    """Cargo's target folder, wherever the environment or a configuration puts it."""
    metadata = install.output_of(
        "cargo", "metadata", "--no-deps", "--format-version", "1", "--offline"
    )
    return Path(json.loads(metadata)["target_directory"]) if metadata else ROOT / "target"


def registered(soak: bool) -> Iterator[Runner]:
    """Every runner of this repository, in the order they run. A part not there has none."""
    target = target_directory()
    yield from source_checks()
    if (ROOT / "web" / "package.json").exists():
        yield Runner("web", "test", [("scripts/web.sh",)], [NEED_WEB])
    # Compiles what all later runners run: tests, examples, benches, and target/debug/twinfs, with
    # the web page in it if that was built.
    build = ("cargo", "build", *WORKSPACE, "--all-targets")
    yield Runner("build", "test", [build], minutes=60)
    yield nextest(target, soak)
    if examples := sorted((ROOT / "crates" / "twinfs" / "examples").glob("*.rs")):
        programs = [(str(target / "debug" / "examples" / path.stem),) for path in examples]
        yield Runner("examples", "test", programs)
    doctests = ("cargo", "test", *WORKSPACE, "--doc")
    yield Runner("doctest", "test", [doctests], minutes=40, skips=reports.skips_in_libtest)
    if (ROOT / "examples" / "third-party-store").is_dir():
        yield third_party_store(target)
    clippy = ("cargo", "clippy", *WORKSPACE, "--all-targets", "--", "-D", "warnings")
    yield Runner("clippy", "lint", [clippy], minutes=40)
    yield features()
    # Libraries only: the binary has the name of the library, and would take its place.
    rustdoc = ("cargo", "doc", *WORKSPACE, "--no-deps", "--lib")
    yield Runner(
        "rustdoc", "lint", [rustdoc], minutes=40, environment={"RUSTDOCFLAGS": "-D warnings"}
    )
    if (ROOT / "python").is_dir():
        yield from python_package(target, soak)
    if (ROOT / "tests" / "aioftp").is_dir():
        yield pytest("aioftp", "3.12", target, soak, target / "wheels")
    if (ROOT / "tests" / "kodosumi").is_dir():
        # kodosumi imports on Python 3.12 and newer only.
        wheels = target / "wheels" if (ROOT / "python").is_dir() else None
        yield pytest("kodosumi", "3.12", target, soak, wheels)
        yield kodosumi_server()
        if (ROOT / "tests" / "ray").is_dir():
            also = ("tests/kodosumi/requirements.txt",)
            yield pytest("ray", "3.12", target, soak, wheels, also)
    if (ROOT / "tests" / "aiofs").is_dir():
        # aiofs itself, which they are compared with, installs on Python 3.13 and newer only.
        yield pytest("aiofs", "3.13", target, soak, target / "wheels")
    if (ROOT / "web" / "package.json").exists():
        yield from web_page(target)


def source_checks() -> Iterator[Runner]:
    """The checks that compile nothing."""
    # The crates outside the workspace have to be named one by one.
    outside = [*ROOT.glob("examples/*/Cargo.toml"), *ROOT.glob("bench/Cargo.toml")]
    crates = (("--all",), *(("--manifest-path", str(manifest)) for manifest in outside))
    fmt = [("cargo", "fmt", *crate, "--check", "--", "--color", "never") for crate in crates]
    yield Runner("fmt", "lint", fmt)
    shell = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "scripts").glob("*.sh"))
    shellcheck = ("shellcheck", *shell, ".ci/run")
    yield Runner("shellcheck", "lint", [shellcheck], [("packages", "shellcheck")])
    ruff = str(LINTERS / "ruff")
    ruffs = ((ruff, "check", "."), (ruff, "format", "--check", "."))
    yield Runner("ruff", "lint", ruffs, [NEED_LINTERS])
    typed = [name for name in ("scripts", "python") if (ROOT / name).is_dir()]
    yield Runner("mypy", "lint", [(str(LINTERS / "mypy"), "--strict", *typed)], [NEED_LINTERS])
    deny = ("cargo", "deny", "--all-features", "check", "bans", "licenses", "sources")
    yield Runner("cargo-deny", "lint", [deny], [("cargo-deny",)])


def features() -> Runner:
    """The library as others depend on it: with one feature, and with none.

    With Clippy, since `-D warnings` must not reach the dependencies: they would be compiled anew.
    """
    manifest = tomllib.loads((ROOT / "crates" / "twinfs" / "Cargo.toml").read_text())
    alone = ((), *(("--features", name) for name in manifest["features"] if name != "default"))
    clippy = ("cargo", "clippy", "-p", "twinfs", "--lib", "--locked", "--no-default-features")
    commands = [(*clippy, *feature, "--", "-D", "warnings") for feature in alone]
    return Runner("features", "lint", commands, minutes=40)


def nextest(target: Path, soak: bool) -> Runner:
    profile = "soak" if soak else "default"
    ignored = ("--run-ignored", "all" if soak else "default")
    others = ("-E", f"not {WITH_KODOSUMI}")
    command = ("cargo", "nextest", "run", *WORKSPACE, "--profile", profile, *ignored, *others)
    junit = target / "nextest" / profile / "junit.xml"
    return Runner(
        "nextest",
        "test",
        [command],
        [("packages",), ("cargo-nextest",)],
        minutes=24 * 60 if soak else 60,
        makes=[junit],
        skips=partial(nextest_skips, junit, soak),
    )


def kodosumi_server() -> Runner:
    """The Rust client against kodosumi's own server, which needs a Python with kodosumi."""
    python = ROOT / ".venv" / "kodosumi-3.12" / "bin" / "python"
    return Runner(
        "run-files-kodosumi",
        "test",
        [("cargo", "nextest", "run", *WORKSPACE, "-E", WITH_KODOSUMI)],
        [("packages",), ("cargo-nextest",), NEED_KODOSUMI],
        minutes=10,
        environment={"TWINFS_KODOSUMI_PYTHON": str(python)},
    )


def nextest_skips(junit: Path, soak: bool, _log: str) -> list[Skip]:
    skips = reports.skips_in_junit(junit)
    if not soak and junit.exists():
        list_ignored = ("cargo", "nextest", "list", *WORKSPACE, "--run-ignored", "only")
        listing = subprocess.run(
            (*list_ignored, "--message-format", "json"),
            check=True,
            cwd=ROOT,
            env=runner.ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=600,
        ).stdout
        skips += reports.ignored_by_nextest(listing)
    return skips


def third_party_store(target: Path) -> Runner:
    """A crate of its own, as a stranger would write it: only the target folder is shared.

    Not --locked: its lock file must be free to follow the library's dependencies.
    """
    manifest = "examples/third-party-store/Cargo.toml"
    command = (
        "cargo",
        "test",
        "--manifest-path",
        manifest,
        "--target-dir",
        str(target),
    )
    return Runner(
        "third-party-store",
        "test",
        [(*command, "--", "--show-output")],
        minutes=40,
        skips=reports.skips_in_libtest,
    )


def python_package(target: Path, soak: bool) -> Iterator[Runner]:
    """The wheel, built once for all Pythons, its stubs, and its tests on each."""
    wheels = target / "wheels"
    maturin = str(ROOT / ".venv" / "build" / "bin" / "maturin")
    build = (maturin, "build", "--locked", "--out", str(wheels))
    need_maturin = ("venv", "build", "any", "scripts/build-requirements.txt")
    yield Runner("wheel", "test", [build], [need_maturin], minutes=20, makes=[wheels])
    need_stubtest = ("venv", "stubtest", "any", "scripts/lint-requirements.txt")
    stubtest = (str(ROOT / ".venv" / "stubtest" / "bin" / "stubtest"), "--concise", "twinfs")
    yield Runner("stubtest", "test", [install_wheel("stubtest", wheels), stubtest], [need_stubtest])
    if (ROOT / "tests" / "python").is_dir():
        for version in ("3.11", "3.12", "3.13"):
            yield pytest("python", version, target, soak, wheels)
    if (ROOT / "tests" / "proxystore").is_dir():
        yield pytest("proxystore", "3.12", target, soak, wheels)


def web_page(target: Path) -> Iterator[Runner]:
    """The web page's sources, and the page in a browser, served by the binary that is there."""
    web = ROOT / "web"
    lint = ("npm", "run", "lint")
    yield Runner("eslint", "lint", [lint], [NEED_WEB], directory=web)
    junit = target / "test-logs" / "page.xml"
    yield Runner(
        "page",
        "test",
        [("npx", "--no-install", "playwright", "test", "--reporter=list,junit")],
        [("packages", "chromium"), NEED_WEB],
        minutes=40,
        environment={
            "PLAYWRIGHT_JUNIT_OUTPUT_FILE": str(junit),
            "TWINFS_BIN": str(target / "debug" / "twinfs"),
        },
        directory=web,
        makes=[junit],
        skips=lambda _: reports.skips_in_junit(junit),
    )


def install_wheel(environment: str, wheels: Path) -> tuple[str, ...]:
    python = str(ROOT / ".venv" / environment / "bin" / "python")
    pip = ("-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--force-reinstall")
    return (python, *pip, "--find-links", str(wheels), "twinfs")


def pytest(
    group: str,
    version: str,
    target: Path,
    soak: bool,
    wheels: Path | None = None,
    also: Sequence[str] = (),
) -> Runner:
    """The tests in tests/GROUP on one Python, in an environment with what that group lists."""
    name = f"{group}-{version}"
    own = f"tests/{group}/requirements.txt"
    requirements = ["tests/requirements.txt", *also, *([own] if (ROOT / own).exists() else [])]
    junit = target / ("soak-reports" if soak else "test-logs") / f"{name}.xml"
    run = (
        *(str(ROOT / ".venv" / name / "bin" / "python"), "-m", "pytest", f"tests/{group}"),
        *(f"--junitxml={junit}", f"--timeout={3600 if soak else 600}", "-rsx"),
    )
    return Runner(
        name,
        "test",
        [*([install_wheel(name, wheels)] if wheels else []), run],
        [("packages",), ("venv", name, version, *requirements)],
        minutes=6 * 60 if soak else 45,
        environment={"TWINFS_BIN": str(target / "debug" / "twinfs")},
        makes=[junit],
        skips=lambda _: reports.skips_in_junit(junit),
    )


def install_all(runners: list[Runner]) -> list[runner.Outcome]:
    needs = dict.fromkeys(tuple(need) for entry in runners for need in entry.needs)
    session = runner.Session(minutes=120)
    statuses = {0: "ok", install.CANNOT_BE_HAD: "skip"}
    outcomes = []
    for need in needs:
        code, said = session.install(need)
        status = statuses.get(1 if code is None else code, "FAIL")
        outcomes.append(runner.Outcome(" ".join(need[:2]), status, 0, said))
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME[,NAME]", help="only these runners")
    parser.add_argument("--kind", choices=("lint", "test"), help="only the runners of one kind")
    parser.add_argument("--list", action="store_true", help="name the runners, run none")
    parser.add_argument("--setup", action="store_true", help="install what they need, run none")
    parser.add_argument("--soak", action="store_true", help="full counts, ignored tests included")
    parser.add_argument("--minutes", type=float, help="for all together (120; soak: no limit)")
    options = parser.parse_args()
    os.chdir(ROOT)
    # A shell that starts this in the background has Ctrl-C ignored, which all tests would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))

    runners = list(registered(options.soak))
    if options.only:
        names = options.only.split(",")
        unknown = set(names) - {entry.name for entry in runners}
        if unknown:
            parser.error(f"no such runner: {', '.join(sorted(unknown))}; see --list")
        runners = [entry for entry in runners if entry.name in names]
    if options.kind:
        runners = [entry for entry in runners if entry.kind == options.kind]
    if options.list:
        print(*(f"{entry.kind:5} {entry.name}" for entry in runners), sep="\n")
        return 0
    if options.setup:
        return 0 if runner.sum_up(install_all(runners), "installs") else 1
    minutes = options.minutes or (float("inf") if options.soak else 120)
    return 0 if runner.sum_up(runner.run_all(runners, minutes)) else 1


if __name__ == "__main__":
    sys.exit(main())
