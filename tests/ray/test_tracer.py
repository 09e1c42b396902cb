"""The tracer in remote functions and actors: ours, and kodosumi's own with our classes under it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import kodosumi.runner.files
import kodosumi.runner.tracer
import pytest
import ray
import ray.util.queue
from kodosumi.runner.main import create_runner

from conftest import Run
from twinfs import kodosumi as ours
from twinfs.kodosumi import AsyncFileSystem, SyncFileSystem, Tracer

FILES = {"a.txt": b"first", "b.txt": b"second and longer", "c.txt": b""}


@ray.remote
def process(file: str, tracer: Tracer) -> tuple[str, str, bytes]:
    """The documented remote function: a path and the tracer are all it gets."""
    fs = tracer.fs_sync()
    files = fs.ls("in")
    assert file in [found["path"] for found in files]
    with fs.open(file) as stream:
        content = stream.read_all()
    tracer.debug_sync(f"{file}: {len(content)} bytes")
    fs.close()
    return type(fs).__module__, file, content


@ray.remote
def deliver(file: str, tracer: Tracer, folder: Path) -> str | None:
    """Downloads a file and delivers it in capitals."""
    with tracer.fs_sync() as fs:
        [local] = fs.download(file)
        result = folder / Path(file).name
        result.write_bytes(Path(local).read_bytes().upper())
        Path(local).unlink()
        Path(local).parent.rmdir()
        return fs.upload(result)


@ray.remote
class Worker:
    """An async actor: several of its calls are under way at once, on one event loop."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer

    async def read(self, file: str) -> tuple[str, bytes]:
        async with await self.tracer.fs() as fs, fs.open(file) as stream:
            content = await stream.read_all()
            await self.tracer.debug(f"{file} is read")
            return type(fs).__module__, content


async def run_service(inputs: dict, tracer: Tracer) -> list[tuple[str, str, bytes]]:
    """The documented entry point that spawns remote functions."""
    fs = await tracer.fs()
    files = await fs.ls("in")
    await fs.close()
    futures = [process.remote(file["path"], tracer) for file in files]
    return await asyncio.gather(*futures)


def test_remote_functions_take_the_tracer(run: Run) -> None:
    run.put(**FILES)
    results = asyncio.run(run_service({}, run.tracer))
    assert results == [("twinfs.kodosumi", f"in/{name}", FILES[name]) for name in sorted(FILES)]


def test_remote_functions_deliver(run: Run, tmp_path: Path) -> None:
    run.put(**FILES)
    batches = ray.get([deliver.remote(f"in/{name}", run.tracer, tmp_path) for name in FILES])
    assert len(set(batches)) == len(FILES)
    assert run.delivered() == {name: content.upper() for name, content in FILES.items()}


def test_an_async_actor_works_on_several_files_at_once(run: Run) -> None:
    run.put(**FILES)
    worker = Worker.remote(run.tracer)
    results = ray.get([worker.read.remote(f"in/{name}") for name in FILES for _ in range(10)])
    expected = [("twinfs.kodosumi", content) for content in FILES.values() for _ in range(10)]
    assert results == expected


@ray.remote
class Client:
    """An async actor that was handed an open client."""

    def __init__(self, fs: AsyncFileSystem) -> None:
        self.fs = fs

    async def ls(self) -> list[str]:
        return [file["path"] for file in await self.fs.ls("in")]


@ray.remote
def ls(fs: SyncFileSystem) -> list[str]:
    return [file["path"] for file in fs.ls("in")]


def test_clients_themselves_travel(run: Run) -> None:
    run.put(**FILES)
    expected = [f"in/{name}" for name in sorted(FILES)]
    with run.tracer.fs_sync() as fs:
        assert ray.get(ls.remote(fs)) == expected
        assert ray.get(ls.remote(ray.put(fs))) == expected
    client = Client.remote(AsyncFileSystem(run.fid, run.panel_url, run.jwt))
    assert ray.get(client.ls.remote()) == expected


@ray.remote
def missing(tracer: Tracer) -> None:
    with tracer.fs_sync() as fs, fs.open("in/none") as stream:
        stream.read_all()


def test_errors_come_back_as_they_are(run: Run) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        ray.get(missing.remote(run.tracer))
    assert "in/none" in str(caught.value)
    wrong = Tracer(run.fid, run.panel_url, "not.a.token")
    with pytest.raises(ours.HTTPStatusError) as refused:
        ray.get(missing.remote(wrong))
    assert isinstance(refused.value, PermissionError)
    assert refused.value.response.status_code == 401


# kodosumi's own tracer


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the workers did when they started, in this process, for one test."""
    for name in ("AsyncFileSystem", "SyncFileSystem"):
        theirs = getattr(kodosumi.runner.files, name)
        monkeypatch.setattr(kodosumi.runner.tracer, name, theirs)
    ours.install()


@pytest.fixture
def queue() -> Iterator[ray.util.queue.Queue]:
    queue = ray.util.queue.Queue(actor_options={"num_cpus": 0})
    yield queue
    queue.shutdown()


@pytest.mark.usefixtures("installed")
def test_kodosumis_tracer_has_our_classes_here_and_in_workers(
    run: Run, queue: ray.util.queue.Queue
) -> None:
    run.put(**FILES)
    theirs = kodosumi.runner.tracer.Tracer(run.fid, queue, run.panel_url, run.jwt)
    results = asyncio.run(run_service({}, theirs))
    assert results == [("twinfs.kodosumi", f"in/{name}", FILES[name]) for name in sorted(FILES)]
    worker = Worker.remote(theirs)
    assert ray.get(worker.read.remote("in/a.txt")) == ("twinfs.kodosumi", b"first")
    # Its queue has more: what the workers print.
    awaited = {*(f"in/{n}: {len(c)} bytes" for n, c in FILES.items()), "in/a.txt is read"}
    while awaited:
        awaited.discard(queue.get(timeout=300)["payload"])


async def service(inputs: dict, tracer: Tracer) -> dict:
    """An agentic service as kodosumi's runner starts it: it reads, spawns and delivers."""
    async with await tracer.fs() as fs:
        paths = [file["path"] for file in await fs.ls("in")]
        read = await asyncio.gather(*(process.remote(path, tracer) for path in paths))
        result = Path(inputs["folder"]) / "sizes.txt"
        result.write_text("".join(f"{path} {len(content)}\n" for _, path, content in read))
        await tracer.markdown(f"{len(read)} files")
        batch = await fs.upload(result)
        return {"batch": batch, "classes": type(fs).__module__}


def test_kodosumis_own_runner_runs_a_service_on_our_classes(run: Run, tmp_path: Path) -> None:
    run.put(**FILES)
    _, runner = create_runner(
        username="user-1",
        app_url="http://app",
        entry_point="test_tracer:service",
        inputs={"folder": str(tmp_path)},
        jwt=run.jwt,
        panel_url=run.panel_url,
        fid=run.fid,
    )
    try:
        queue = ray.get(runner.get_queue.remote())
        runner.run.remote()
        events: dict[str, str] = {}
        while events.get("status") not in ("finished", "error"):
            event = queue.get(timeout=300)
            events[event["kind"]] = event["payload"]
    finally:
        ray.kill(runner)
    assert events["status"] == "finished", events.get("error")
    assert '"classes":"twinfs.kodosumi"' in events["final"].replace(" ", "")
    assert run.delivered() == {"sizes.txt": b"in/a.txt 5\nin/b.txt 17\nin/c.txt 0\n"}
