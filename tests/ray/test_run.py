"""`python -m twinfs.run --ray`: a service with remote functions, on a Ray of its own."""

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest


@pytest.mark.parametrize("fails", [False, True])
def test_a_service_spawns_remote_functions(
    tmp_path: Path, environment: dict[str, str], fails: bool
) -> None:
    before = set(psutil.pids())
    (tmp_path / "files").mkdir()
    for name in ("a", "b"):
        (tmp_path / "files" / name).write_text(f"text of {name}")
    inputs = json.dumps({"fail": fails, "until": str(tmp_path / "until")})
    command = [sys.executable, "-m", "twinfs.run", "spawning_service:run", "--ray"]
    with subprocess.Popen(
        [*command, "--files", "files", "--out", "out", "--inputs", inputs],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = ""
        # What remote functions say is shown; by then the service waits to be let go.
        while not all(f"[action] {name} is delivered" in said for name in ("a", "b")):
            line = process.stdout.readline()
            assert line, f"it ended early: {said}"
            said += line
        (tmp_path / "until").touch()
        said += process.stdout.read()
    assert process.returncode == int(fails), said
    delivered = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert delivered == {"a": "TEXT OF A", "b": "TEXT OF B"}
    assert "2 files to out" in said
    assert ("\na, b in " in said) is not fails
    assert ("LookupError: on purpose" in said) is fails
    deadline = time.monotonic() + 60
    while rays_since(before) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert rays_since(before) == [], "its Ray ended with it"


def rays_since(before: set[int]) -> list[str]:
    """The processes of a Ray that were not there before."""
    names = []
    for pid in set(psutil.pids()) - before:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                names.append(process.name())
    return [name for name in names if name in ("raylet", "gcs_server")]
