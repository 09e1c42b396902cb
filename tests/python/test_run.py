"""`python -m twinfs.run`: a service on a folder, and what becomes of it when it fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from twinfs import SyncFileSystem, _twinfs
from twinfs.kodosumi import Tracer

SERVICE = """
    import asyncio, os, sys
    from pathlib import Path

    async def run(inputs, tracer):
        async with await tracer.fs() as fs:
            for file in await fs.ls("in"):
                async with fs.open(file["path"]) as stream:
                    content = await stream.read_all()
                result = Path(os.environ["SCRATCH"], Path(file["path"]).name)
                result.write_bytes(content.upper())
                await fs.upload(result)
                await tracer.action(f"{file['path']} is done")
            if inputs.get("raise"):
                raise LookupError(inputs["raise"])
            if "exit" in inputs:
                sys.exit(inputs["exit"])
            if inputs.get("wait"):
                print("waiting", flush=True)
                await asyncio.sleep(60)
        return "all is done"

    def plain(inputs, tracer):
        with tracer.fs_sync() as fs:
            return len(fs.ls("in"))

    def quiet(inputs, tracer):
        pass

    async def yields(inputs, tracer):
        yield "a result"

    no_function = 1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a service, and two files for it."""
    (tmp_path / "service.py").write_text(textwrap.dedent(SERVICE))
    (tmp_path / "files" / "sub").mkdir(parents=True)
    (tmp_path / "files" / "a.txt").write_text("text of a")
    (tmp_path / "files" / "sub" / "Grüße #1?.txt").write_text("text of b")
    (tmp_path / "scratch").mkdir()
    return tmp_path


#: `python -m twinfs.run`, as it is under a terminal: what started the tests, as `nohup` does, may
#: have had signals ignored, and twinfs.run keeps to that.
UNDER_A_TERMINAL = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
os.execv(sys.executable, [sys.executable, "-m", "twinfs.run", *sys.argv[1:]])
"""


def start(folder: Path, *options: str, service: str = "service:run") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", UNDER_A_TERMINAL, service, *options],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
            "SCRATCH": "scratch",
            "TMPDIR": str(folder / "scratch"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(
    folder: Path, *options: str, service: str = "service:run"
) -> subprocess.CompletedProcess[str]:
    with start(folder, *options, service=service) as process:
        out, err = process.communicate(timeout=500)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


FOLDERS = ("--files", "files", "--out", "results/new")


def delivered(folder: Path) -> dict[str, str]:
    results = folder / "results" / "new"
    found = (path for path in results.rglob("*") if path.is_file())
    return {path.relative_to(results).as_posix(): path.read_text() for path in found}


RESULTS = {"a.txt": "TEXT OF A", "Grüße #1?.txt": "TEXT OF B"}


def test_a_service_gets_a_folder_and_delivers_one(folder: Path) -> None:
    done = run(folder, *FOLDERS)
    assert (done.returncode, done.stdout.splitlines()) == (
        0,
        ["[action] in/a.txt is done", "[action] in/sub/Grüße #1?.txt is done", "all is done"],
    )
    said = ["in/: 2 files from files", "out/: 2 files to results/new"]
    assert done.stderr.splitlines() == said
    assert delivered(folder) == RESULTS
    assert not list((folder / "scratch").glob("twinfs-run-*")), "its own data is gone"


def test_a_service_that_raises_delivers_what_it_had(folder: Path) -> None:
    done = run(folder, *FOLDERS, "--inputs", '{"raise": "on purpose"}')
    assert done.returncode == 1
    assert delivered(folder) == RESULTS
    lines = done.stderr.splitlines()
    assert lines[1] == "Traceback (most recent call last):"
    # From the service's own first line on.
    assert "service.py" in lines[2]
    assert lines[-3:] == [
        "LookupError: on purpose",
        "service:run failed; what it delivered until then:",
        "out/: 2 files to results/new",
    ]
    assert "all is done" not in done.stdout


@pytest.mark.parametrize(
    "code, status, said", [("3", 3, ""), ('"in words"', 1, "in words"), ("null", 0, "")]
)
def test_a_service_that_exits_delivers_and_has_its_way(
    folder: Path, code: str, status: int, said: str
) -> None:
    done = run(folder, *FOLDERS, "--inputs", f'{{"exit": {code}}}')
    assert done.returncode == status
    assert delivered(folder) == RESULTS
    assert said in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_service_that_is_interrupted_delivers_what_it_had(
    folder: Path, number: signal.Signals
) -> None:
    with start(folder, *FOLDERS, "--inputs", '{"wait": true}') as process:
        assert process.stdout is not None
        while "waiting" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(number)
        _, err = process.communicate(timeout=500)
    assert process.returncode == 128 + number
    assert err.splitlines()[-1] == "out/: 2 files to results/new"
    assert ("interrupted" in err) == (number == signal.SIGINT)
    assert delivered(folder) == RESULTS
    assert not list((folder / "scratch").glob("twinfs-run-*")), "its own data is gone"


def test_ctrl_c_before_the_service_runs_says_so_and_leaves_nothing(folder: Path) -> None:
    (folder / "slow.py").write_text("import time\nprint('here', flush=True)\ntime.sleep(60)\n")
    with start(folder, *FOLDERS, service="slow:run") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=500)
    assert (process.returncode, err) == (130, "interrupted\n")
    assert not list((folder / "scratch").iterdir())


def test_where_nothing_can_be_delivered_the_service_is_not_begun(folder: Path) -> None:
    (folder / "results").write_text("a file")
    done = run(folder, *FOLDERS)
    assert done.returncode == 2
    assert "--out: " in done.stderr and "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    "line, said",
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("import os; os.nothing", "no attribute 'nothing'"),
        ("1 / 0", "ZeroDivisionError"),
        ("1 +", "SyntaxError"),
    ],
)
def test_a_module_that_cannot_be_imported_is_shown_with_its_line(
    folder: Path, line: str, said: str
) -> None:
    (folder / "broken.py").write_text(f"{line}\ndef run(inputs, tracer): pass\n")
    done = run(folder, service="broken:run")
    assert done.returncode == 1
    assert said in done.stderr and 'broken.py", line 1' in done.stderr
    assert "run.py" not in done.stderr and "usage:" not in done.stderr
    assert done.stderr.endswith("broken:run cannot be imported\n")


def test_a_service_that_yields_is_refused(folder: Path) -> None:
    done = run(folder, service="service:yields")
    assert done.returncode == 1
    assert "not with 'yield'" in done.stderr


def test_what_is_not_delivered_is_said(folder: Path) -> None:
    done = run(folder, "--files", "files")
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == "out/: 2 files, not delivered for want of --out"


def test_a_service_need_not_be_async_nor_say_anything(folder: Path) -> None:
    done = run(folder, *FOLDERS, service="service:plain")
    assert (done.returncode, done.stdout) == (0, "2\n")
    assert done.stderr.splitlines()[-1] == "out/: 0 files to results/new"
    done = run(folder, service="service:quiet")
    assert (done.returncode, done.stdout) == (0, "")


def test_large_files_pass_by_in_pieces(folder: Path) -> None:
    size = 300 * 1024 * 1024
    with (folder / "files" / "large").open("wb") as file:
        file.truncate(size)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (500 << 20, 500 << 20))"
    (folder / "sitecustomize.py").write_text(f"{limit}\n")
    (folder / "big.py").write_text("def run(inputs, tracer): return tracer.fs_sync().ls('in')\n")
    done = run(folder, "--files", "files", service="big:run")
    assert done.returncode == 0, done.stderr
    assert f"'size': {size}" in done.stdout


@pytest.fixture
def server(tmp_path: Path) -> Iterator[_twinfs.EmbeddedServer]:
    server = _twinfs.EmbeddedServer(str(tmp_path / "data"))
    yield server
    server.stop()


def test_a_server_that_is_there_is_used(
    folder: Path, server: _twinfs.EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWINFS_TOKEN", server.token("user"))
    done = run(folder, *FOLDERS, "--server", server.url)
    assert done.returncode == 0, done.stderr
    assert delivered(folder) == RESULTS
    with SyncFileSystem(str(folder / "data")) as kept:
        assert len([entry for entry in kept.walk("user") if entry.is_file()]) == 4


def test_a_server_that_refuses_is_told_without_a_traceback(
    folder: Path, server: _twinfs.EmbeddedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWINFS_TOKEN", "not.a.token")
    done = run(folder, *FOLDERS, "--server", server.url)
    assert done.returncode == 1
    assert done.stderr.startswith("twinfs.run: ") and "401" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "options, said",
    [
        (["service:run", "--inputs", "{"], "--inputs is no JSON"),
        (["service:run", "--inputs", "[]"], "--inputs must be a JSON object"),
        (["service:run", "--files", "none"], "--files: none is no folder"),
        (["service:run", "--out", "service.py"], "--out: service.py is no folder"),
        (["service:run", "--ray"], "pip install 'twinfs[ray]'"),
        (["service:none"], "service:none: module 'service' has no attribute 'none'"),
        (["service:no_function"], "no_function is no function"),
        (["none:run"], "none:run: No module named 'none'"),
        (["none.deeper:run"], "none.deeper:run: No module named 'none'"),
        (["service"], "a service is MODULE:FUNCTION"),
        (["service:"], "a service is MODULE:FUNCTION"),
        ([":run"], "a service is MODULE:FUNCTION"),
        ([".service:run"], "a service is MODULE:FUNCTION"),
        (["service:run", "--server", "here"], "--server is a URL such as http://"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    monkeypatch.delenv("TWINFS_TOKEN", raising=False)
    service, *rest = options
    done = run(folder, *rest, service=service)
    assert done.returncode == 2
    assert said in done.stderr and "Traceback" not in done.stderr


def test_the_tracer_of_a_service_names_the_run() -> None:
    assert (
        repr(Tracer("run", "http://127.0.0.1:1", "secret"))
        == "Tracer('run', 'http://127.0.0.1:1', ...)"
    )
