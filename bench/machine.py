"""The facts about this machine that figures depend on."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUST_PEERS = ("bytes", "object_store", "opendal", "tokio")


def facts(folder: Path) -> dict[str, str]:
    """What must be the same for two figures to be compared; the folder is where files are laid."""
    memory = int(re.findall(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())[0])
    return {
        "cpu": f"{os.cpu_count()} x {cpu_model()}",
        "memory": f"{memory / 2**20:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": file_system(folder),
    }


def cpu_model() -> str:
    names = re.findall(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return names[0] if names else platform.machine()


def file_system(folder: Path) -> str:
    """The type of the file system that holds the folder, and the options that set its pace."""
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount, _, source = line.partition(" - ")
        if mount.split()[2] == wanted:
            return f"{source.split()[0]} ({mount.split()[5]})"
    return "unknown"


def load() -> float:
    """Processes that wanted to run in the last minute: near 0 where nothing else is going on."""
    return os.getloadavg()[0]


def commit() -> str:
    """The commit that is measured, marked where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, capture_output=True, check=False, cwd=ROOT, text=True)
    return done.stdout.strip() or "unknown"


def rust_versions() -> dict[str, str]:
    rustc = subprocess.run(["rustc", "--version"], capture_output=True, check=True, text=True)
    lock = tomllib.loads((ROOT / "bench" / "Cargo.lock").read_text())
    locked = {one["name"]: one["version"] for one in lock["package"]}
    return {"rustc": rustc.stdout.split()[1], **{name: locked[name] for name in RUST_PEERS}}
