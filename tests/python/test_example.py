"""The service in examples/service gives what is kept beside it, as its twin in Rust does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

EXAMPLE = Path(__file__).parents[2] / "examples" / "service"


def test_the_example_gives_what_is_kept_beside_it(tmp_path: Path) -> None:
    folders = ["--files", str(EXAMPLE / "files"), "--out", str(tmp_path / "results")]
    done = subprocess.run(
        [sys.executable, "-m", "twinfs.run", "service:run", *folders, "--inputs", '{"words": 5}'],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(EXAMPLE)},
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "10 files in, 3 kinds of results out" in done.stdout
    assert "[warning] in/pictures/torn.png: image file is truncated" in done.stderr
    for kept in (EXAMPLE / "results").iterdir():
        assert (tmp_path / "results" / kept.name).read_text() == kept.read_text(), kept.name
    sizes = {}
    for path in (tmp_path / "results" / "thumbnails" / "pictures").iterdir():
        with Image.open(path) as picture:
            sizes[path.stem] = picture.size
    assert sizes == {"Eiche": (38, 64), "desk lamp": (64, 48), "floor plan": (64, 48)}
