"""aioftp's own tests, fetched from PyPI, over our classes: all at once, and one class at a time."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import pytest

HERE = Path(__file__).parent
PEERS = Path(os.environ.get("CARGO_TARGET_DIR") or HERE.parent.parent / "target") / "peers"
SHA256 = {"0.28.3": "f054f3af285b4958621220f04ce755e58907140181e95efa859369091c92d040"}
WHOLE = 792
#: Without the tests of the path I/O classes that are not asked for.
ONE_CLASS = 728
KINDS = {
    "all": WHOLE,
    "PathIO": ONE_CLASS,
    "AsyncPathIO": ONE_CLASS,
    "MemoryPathIO": ONE_CLASS,
    "TwinPathIO-memory": ONE_CLASS,
    "TwinPathIO-disk": ONE_CLASS,
}
INI = """
[pytest]
addopts = -p no:anyio -p no:cacheprovider --import-mode=importlib
asyncio_mode = strict
asyncio_default_fixture_loop_scope = function
"""


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests of the aioftp that is installed; the archive stays in ``target/peers``."""
    folder = tmp_path_factory.mktemp("aioftp")
    wanted = version("aioftp")
    archive = PEERS / f"aioftp-{wanted}.tar.gz"
    if not archive.exists():
        fetch = (sys.executable, "-m", "pip", "download", "--quiet", "--no-deps")
        fetch += ("--no-binary", ":all:", "--dest", str(folder), f"aioftp=={wanted}")
        subprocess.run(fetch, check=True, timeout=500)
        PEERS.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / archive.name, archive)
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256[wanted]
    with tarfile.open(archive) as source:
        source.extractall(folder, filter="data")
    (root,) = folder.glob("aioftp-*/")
    (root / "pytest.ini").write_text(INI)
    # Above the suite's own conftest, and above the plugins.
    ports = "from substitute import unused_tcp_port, unused_tcp_port_factory"
    (root / "conftest.py").write_text(f"{ports}  # noqa: F401\n")
    return root


@pytest.fixture(scope="session")
def runs(suite: Path) -> Iterator[dict[str, "subprocess.Popen[str]"]]:
    """The runs, side by side: each waits most of its time."""
    search = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(search)}
    command = (sys.executable, "-m", "pytest", "-q", "-p", "substitute", "tests", "--timeout=300")
    started = {
        kind: subprocess.Popen(
            (*command, f"--junitxml={suite}/{kind}.xml"),
            cwd=suite,
            env={**environment, "TWINFS_PATHIO": kind},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for kind in KINDS
    }
    yield started
    for process in started.values():
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kind", KINDS)
def test_aioftps_own_tests_pass_over(kind, suite, runs):
    output, _ = runs[kind].communicate(timeout=550)
    assert runs[kind].returncode == 0, output[-8000:]
    counts = ElementTree.parse(suite / f"{kind}.xml").getroot().find("testsuite").attrib
    assert (int(counts["tests"]), counts["skipped"]) == (KINDS[kind], "0"), output[-2000:]
