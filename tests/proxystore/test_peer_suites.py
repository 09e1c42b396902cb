"""ProxyStore's own tests, of its 1.1 and its 0.5 line, with twinfs's connectors in their place.

The source packages come from the package index when the test runs, and stay in ``target/peers``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PEERS = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "peers"

#: What is run of each: tests of connectors that neither line has in common with ours stay out.
SUITES = {
    "1.1.0": [
        "tests/connectors/connector_test.py",
        "tests/connectors/file_test.py",
        "tests/connectors/multi_test.py",
        "tests/store",
        "tests/stream",
    ],
    "0.5.0": [
        "tests/connectors/connector_test.py",
        "tests/connectors/file_test.py",
        "tests/connectors/multi_test.py",
        "tests/store",
    ],
}
#: How many tests that is, at least: fewer means that some were not found.
AT_LEAST = {"1.1.0": 100, "0.5.0": 50}


def source(version: str) -> Path:
    """The unpacked source package of a version."""
    folder = PEERS / f"proxystore-{version}"
    if not folder.exists():
        PEERS.mkdir(parents=True, exist_ok=True)
        packed = PEERS / f"proxystore-{version}.tar.gz"
        if not packed.exists():
            pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:"]
            subprocess.run(
                [*pip, "--quiet", "--dest", str(PEERS), f"proxystore=={version}"],
                check=True,
                timeout=170,
            )
        with tarfile.open(packed) as archive:
            archive.extractall(PEERS / "unpacking", filter="data")
        (PEERS / "unpacking" / folder.name).rename(folder)
    return folder


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", SUITES)
def test_the_peers_own_suite(version: str, tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    shutil.copytree(source(version), suite)
    (suite / "tests" / "conftest.py").unlink()
    if version.startswith("1."):
        # The installed one is under test.
        shutil.rmtree(suite / "proxystore")
    report = tmp_path / "report.xml"
    options = ["-c", str(HERE / "suite.ini"), "--rootdir", str(suite), f"--junitxml={report}"]
    options += ["-p", "substitutes", "-p", "no:cacheprovider", "-q"]
    # It wants the next line to run within a tenth of a second; leases are not ours.
    options += ["--deselect", "tests/store/lifetimes_test.py::test_lease_lifetime_extend"]
    path = [str(HERE), str(suite), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, *SUITES[version]],
        capture_output=True,
        check=False,
        cwd=suite,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        text=True,
        timeout=580,
    )
    print(done.stdout[-20_000:], done.stderr[-5000:])
    assert done.returncode == 0
    cases = list(ElementTree.parse(report).iter("testcase"))
    passed = [case for case in cases if len(case) == 0 or case.find("system-out") is not None]
    print(f"FIGURE: tests of ProxyStore {version} passed: {len(passed)} of {len(cases)}")
    assert len(passed) >= AT_LEAST[version]
    counted = re.search(r"calls of twinfs's connectors: (.*)", done.stdout)
    assert counted, "the connectors were not ours"
    assert all(int(call.split("=")[1]) > 0 for call in counted[1].split())
