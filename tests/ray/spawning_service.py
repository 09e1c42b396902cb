"""A service for `python -m twinfs.run --ray`: as the documentation of Kodosumi has them."""

import tempfile
import time
from pathlib import Path

import ray

from twinfs.kodosumi import Tracer


async def run(inputs: dict, tracer: Tracer) -> str:
    """Gives each file to a remote function. Ends when a file is there."""
    async with await tracer.fs() as fs:
        files = await fs.ls("in")
    futures = [process.remote(file["path"], tracer) for file in files]
    names = [await future for future in futures]
    wait_for(Path(inputs["until"]))
    if inputs.get("fail"):
        raise LookupError("on purpose")
    return f"{', '.join(names)} in {ray.cluster_resources()['CPU']:.0f} or more processes"


def wait_for(file: Path) -> None:
    """Waits until a file is there; nothing else has to go on meanwhile."""
    while not file.exists():
        time.sleep(0.01)


@ray.remote
def process(path: str, tracer: Tracer) -> str:
    """Delivers a file in capitals."""
    name = Path(path).name
    with tracer.fs_sync() as fs, tempfile.TemporaryDirectory() as folder:
        with fs.open(path) as stream:
            (Path(folder) / name).write_bytes(stream.read_all().upper())
        fs.upload(folder)
    tracer.action_sync(f"{name} is delivered")
    return name
