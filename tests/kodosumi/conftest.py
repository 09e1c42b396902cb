"""The servers under test, and the marks that say where kodosumi's own one goes wrong.

Every test that takes ``server`` runs twice: against ours, and against kodosumi's own as the control
that the test itself is true. ``--server twinfs`` or ``--server real`` picks one. Our binary is
``$TWINFS_BIN``, or else the debug build in the repository's ``target`` folder.
"""

import os
import secrets
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
START_LIMIT = 120.0  # seconds after which a server that has not announced itself is killed

# Kodosumi reads these when it is imported, and creates the folders they name. Its client's default
# chunk of 5 MiB is refused by its own server.
_scratch = tempfile.TemporaryDirectory(prefix="kodosumi-tests-")
os.environ["KODO_CHUNK_SIZE"] = str(1024 * 1024)
os.environ["KODO_EXEC_DIR"] = f"{_scratch.name}/execution"
os.environ["KODO_SPOOLER_LOG_FILE"] = f"{_scratch.name}/spooler.log"
os.environ["KODO_YAML_BASE"] = f"{_scratch.name}/config.yaml"

from panel import Panel, Server  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--server",
        choices=["both", "twinfs", "real"],
        default="both",
        help="the server(s) under test",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        choice = metafunc.config.getoption("server")
        kinds = ["twinfs", "real"] if choice == "both" else [choice]
        metafunc.parametrize("kind", kinds, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if getattr(item, "callspec", None) is None or item.callspec.params.get("kind") != "real":
            continue
        if only := item.get_closest_marker("twinfs_only"):
            item.add_marker(pytest.mark.skip(reason=only.args[0]))
        elif deviation := item.get_closest_marker("real_deviates"):
            raises = deviation.kwargs.get("raises", AssertionError)
            item.add_marker(pytest.mark.xfail(reason=deviation.args[0], raises=raises, strict=True))


def command(kind: str) -> list[str]:
    if kind == "real":
        return [sys.executable, str(HERE / "real_server.py")]
    binary = Path(os.environ.get("TWINFS_BIN", HERE.parents[1] / "target" / "debug" / "twinfs"))
    if not binary.is_file():
        pytest.fail(
            f"no server at {binary}: build it, set TWINFS_BIN, or give --server real", pytrace=False
        )
    return [str(binary), "serve"]


def serve(kind: str, folder: Path, *options: str) -> Iterator[Server]:
    """Runs a server on a port of its own over an empty folder until the generator is closed."""
    secret, data, log = secrets.token_hex(32), folder / "data", folder / "stderr"
    data.mkdir()
    (folder / "secret").write_text(secret + "\n")
    arguments = [
        "--data",
        str(data),
        "--listen",
        "127.0.0.1:0",
        "--user",
        "admin:admin",
        "--secret-file",
        str(folder / "secret"),
        *options,
    ]
    environment = {name: v for name, v in os.environ.items() if not name.startswith("TWINFS_")}
    # Hundreds of uploads: what is tested here does not wait for the disk.
    environment["TWINFS_DURABILITY"] = "none"
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            command(kind) + arguments,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=folder,
            env=environment,
        ) as process,
    ):
        watchdog = threading.Timer(START_LIMIT, process.kill)
        watchdog.start()
        try:
            line = process.stdout.readline()
            watchdog.cancel()
            assert line.startswith("listening on http://"), (
                f"{kind} did not start: {line!r}\n{log.read_text()}"
            )
            yield Server(kind, line.split()[-1], secret, data)
        finally:
            watchdog.cancel()
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="session")
def server(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server shared by all tests, which keep apart by run ids of their own."""
    yield from serve(kind, tmp_path_factory.mktemp(kind))


@pytest.fixture
def own_server(kind: str, tmp_path: Path) -> Iterator[Server]:
    """A server of this test alone, for what would disturb the other tests."""
    yield from serve(kind, tmp_path)


@pytest.fixture
def start(kind: str, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers with further command-line options."""
    running = []

    def start(*options: str) -> Server:
        folder = tmp_path / f"server{len(running)}"
        folder.mkdir()
        running.append(serve(kind, folder, *options))
        return next(running[-1])

    yield start
    for one in running:
        one.close()


@pytest.fixture
def fid() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def panel(server: Server) -> Iterator[Panel]:
    """A user's session; the user has no record, which is no obstacle."""
    with server.panel("user-1") as panel:
        yield panel


@pytest.fixture
def stranger(server: Server) -> Iterator[Panel]:
    with server.panel("user-2") as panel:
        yield panel
