"""One Ray for all tests of this folder, and one run-files server, both real and on this machine.

Ray's workers find the tests' own modules, so that remote functions and actors may stand in them;
before anything else they call `twinfs.kodosumi.install`, which is what puts our file classes under
kodosumi's own tracer there.
"""

import logging
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent

# Both are read when the packages are imported, by this process and by the workers: kodosumi creates
# the folders that are named, and Ray would count its use.
_scratch = tempfile.TemporaryDirectory(prefix="kodosumi-tests-")
os.environ["KODO_EXEC_DIR"] = f"{_scratch.name}/execution"
os.environ["KODO_SPOOLER_LOG_FILE"] = f"{_scratch.name}/spooler.log"
os.environ["KODO_YAML_BASE"] = f"{_scratch.name}/config.yaml"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# A busy machine takes longer than Ray expects, and what else it does is no reason to kill workers.
os.environ.setdefault("RAY_worker_register_timeout_seconds", "600")
os.environ.setdefault("RAY_agent_register_timeout_ms", "600000")
os.environ.setdefault("RAY_memory_monitor_refresh_ms", "0")

import ray  # noqa: E402

from twinfs import SyncFileSystem, _twinfs  # noqa: E402
from twinfs.kodosumi import Tracer  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def cluster() -> Iterator[None]:
    """A Ray of this session's own; none of its processes and files outlives it."""
    # Not pytest's folder: the names of Ray's sockets would be too long.
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    for last in (False, False, True):
        try:
            start(folder)
            break
        except Exception:
            # It gives its own daemon 30 seconds to start, on whatever machine.
            ray.shutdown()
            if last:
                raise
    try:
        yield
    finally:
        ray.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def start(folder: str) -> None:
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=100 * 2**20,
        logging_level=logging.WARNING,
        log_to_driver=False,
        _temp_dir=folder,
        runtime_env={
            "env_vars": {"PYTHONPATH": str(HERE)},
            "worker_process_setup_hook": "twinfs.kodosumi.install",
        },
    )


class Run:
    """A run on the server: its files, past the classes under test."""

    def __init__(self, url: str, token: str) -> None:
        self.fid = uuid.uuid4().hex
        self.panel_url = url
        self.jwt = token
        self.tracer = Tracer(self.fid, url, token)
        self.url = f"run+{url}/{self.fid}"

    def _files(self) -> SyncFileSystem:
        return SyncFileSystem(self.url, token=self.jwt)

    def put(self, **files: bytes) -> None:
        """Puts files into `in/`."""
        with self._files() as fs:
            fs.write_many({f"in/{name}": content for name, content in files.items()})

    def delivered(self) -> dict[str, bytes]:
        """What is in `out/`."""
        with self._files() as fs:
            paths = [entry.path for entry in fs.walk("out") if entry.is_file()]
            return {path.removeprefix("out/"): fs.read(path) for path in paths}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_twinfs.EmbeddedServer]:
    server = _twinfs.EmbeddedServer(str(tmp_path_factory.mktemp("server")))
    yield server
    server.stop()


@pytest.fixture
def run(server: _twinfs.EmbeddedServer) -> Run:
    """A fresh run of a user."""
    return Run(server.url, server.token("user-1"))


@pytest.fixture
def environment() -> dict[str, str]:
    """The environment of a program that finds this folder's modules."""
    return {**os.environ, "PYTHONPATH": str(HERE), "PYTHONUNBUFFERED": "1"}
