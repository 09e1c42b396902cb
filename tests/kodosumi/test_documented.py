"""What kodosumi's documentation shows, section by section, with the import changed.

Where it writes to `/tmp`, these write to the folder of the test.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from panel import Panel, Server, is_uuid4
from twinfs.kodosumi import HTTPStatusError, Tracer

MIB = 1024 * 1024
DOCUMENTS = {
    "document.pdf": b"%PDF",
    "document.txt": b"text",
    "documents/a": b"a",
    "documents/reports/b": b"b",
    "large_file.bin": bytes(3 * MIB),
    "subfolder/c": b"c",
    "temp_file.txt": b"",
    "temp_folder/d": b"",
    "temp_folder/e": b"",
}


@pytest.fixture
def tracer(server: Server, panel: Panel, fid: str) -> Tracer:
    """The tracer of a run to which a user has given the documents."""
    panel.store(fid, DOCUMENTS)
    return Tracer(fid, server.url, panel.token)


@pytest.fixture(autouse=True)
def tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for what the documentation has in `/tmp`; downloads go there, too."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """Gives the lines that have been printed since it was last asked."""

    def lines() -> list[str]:
        return capsys.readouterr().out.splitlines()

    return lines


def results(folder: Path) -> tuple[str, str]:
    """The file and the folder that the documentation uploads."""
    (folder / "output_folder" / "x").mkdir(parents=True)
    (folder / "output_folder" / "x" / "y").write_bytes(b"1")
    (folder / "result.txt").write_text("Processing completed")
    return str(folder / "result.txt"), str(folder / "output_folder")


# Basic structure


def test_the_basic_structure(tracer):
    async def run(inputs: dict, tracer: Tracer):
        fs = await tracer.fs()
        files = await fs.ls("in")  # the documentation forgets to await it
        await fs.close()
        return len(files)

    assert asyncio.run(run({}, tracer)) == len(DOCUMENTS)


def test_the_basic_structure_with_remote_functions(tracer):
    def process(file: str, tracer: Tracer):
        fs = tracer.fs_sync()
        files = fs.ls("in")
        assert file in [found["path"] for found in files]
        with fs.open(file) as file_stream:
            content = file_stream.read_all()
        fs.close()
        return file, content

    async def run(inputs: dict, tracer: Tracer):
        fs = await tracer.fs()
        files = await fs.ls("in")
        await fs.close()
        # Threads stand for Ray here; tests/ray has the real one.
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda file: process(file["path"], tracer), files))

    assert dict(asyncio.run(run({}, tracer))) == {f"in/{k}": v for k, v in DOCUMENTS.items()}


# Working with context managers


def test_the_context_manager_of_the_async_class(tracer):
    async def run(inputs: dict, tracer: Tracer):
        async with await tracer.fs() as fs:
            files = await fs.ls("in")
        with pytest.raises(RuntimeError):
            await fs.ls("in")
        return len(files)

    assert asyncio.run(run({}, tracer)) == len(DOCUMENTS)


def test_the_context_manager_of_the_sync_class(tracer):
    def process(file: str, tracer: Tracer):
        with tracer.fs_sync() as fs:
            files = fs.ls("in")
        with pytest.raises(RuntimeError):
            fs.ls("in")
        return len(files)

    assert process("", tracer) == len(DOCUMENTS)


# Listing files and folders


LISTED = [f"File: in/{name}, Size: {len(DOCUMENTS[name])}" for name in sorted(DOCUMENTS)]


def test_listing_with_the_async_class(tracer, said):
    async def run(inputs: dict, tracer: Tracer):
        async with await tracer.fs() as fs:
            input_files = await fs.ls("in")
            subfolder_files = await fs.ls("in/subfolder")
            output_files = await fs.ls("out")
            for file_info in input_files:
                print(f"File: {file_info['path']}, Size: {file_info['size']}")
        return [file["path"] for file in subfolder_files], output_files

    assert asyncio.run(run({}, tracer)) == (["in/subfolder/c"], [])
    assert said() == LISTED


def test_listing_with_the_sync_class(tracer, said):
    def process(file: str, tracer: Tracer):
        with tracer.fs_sync() as fs:
            input_files = fs.ls("in")
            subfolder_files = fs.ls("in/subfolder")
            output_files = fs.ls("out")
            for file_info in input_files:
                print(f"File: {file_info['path']}, Size: {file_info['size']}")
        return [file["path"] for file in subfolder_files], output_files

    assert process("", tracer) == (["in/subfolder/c"], [])
    assert said() == LISTED


# Downloading files and folders


def arrived(lines: list[str]) -> list[tuple[str, bytes]]:
    """Names and contents of the local paths in what was printed."""
    paths = [Path(line.split(": ", 1)[1]) for line in lines]
    assert all(path.is_absolute() for path in paths)
    return [(path.name, path.read_bytes()) for path in paths]


DOWNLOADED = [("document.pdf", b"%PDF"), ("a", b"a"), ("b", b"b"), ("b", b"b")]


def test_downloading_with_the_async_class(tracer, said):
    async def run(inputs: dict, tracer: Tracer):
        async with await tracer.fs() as fs:
            async for local_path in fs.download("in/document.pdf"):
                print(f"Downloaded to: {local_path}")
            async for local_path in fs.download("in/documents"):
                print(f"Downloaded: {local_path}")
            async for local_path in fs.download("in/documents/reports"):
                print(f"Downloaded: {local_path}")

    asyncio.run(run({}, tracer))
    assert arrived(said()) == DOWNLOADED


def test_downloading_with_the_sync_class(tracer, said):
    def process(file: str, tracer: Tracer):
        with tracer.fs_sync() as fs:
            for local_path in fs.download("in/document.pdf"):
                print(f"Downloaded to: {local_path}")
            for local_path in fs.download("in/documents"):
                print(f"Downloaded: {local_path}")
            for local_path in fs.download("in/documents/reports"):
                print(f"Downloaded: {local_path}")

    process("", tracer)
    assert arrived(said()) == DOWNLOADED


# Uploading files and folders


def test_uploading_with_the_async_class(tracer, panel, fid, tmp):
    file, folder = results(tmp)

    async def run(inputs: dict, tracer: Tracer):
        async with await tracer.fs() as fs:
            batch_id = await fs.upload(file)
            assert is_uuid4(batch_id)
            batch_id = await fs.upload(folder)
            assert is_uuid4(batch_id)

    asyncio.run(run({}, tracer))
    assert panel.paths(fid, "out") == ["out/result.txt", "out/x/y"]
    assert panel.read(fid, "out/result.txt") == b"Processing completed"


def test_uploading_with_the_sync_class(tracer, panel, fid, tmp):
    file, folder = results(tmp)

    def process(file_: str, tracer: Tracer):
        with tracer.fs_sync() as fs:
            batch_id = fs.upload(file)
            assert is_uuid4(batch_id)
            batch_id = fs.upload(folder)
            assert is_uuid4(batch_id)

    process("", tracer)
    assert panel.paths(fid, "out") == ["out/result.txt", "out/x/y"]
    assert panel.read(fid, "out/result.txt") == b"Processing completed"


# Opening and reading files


def test_opening_with_the_async_class(tracer, said):
    async def run(inputs: dict, tracer: Tracer):
        chunks = []
        async with await tracer.fs() as fs:
            async with fs.open("in/document.txt") as file_stream:
                content = await file_stream.read_all()
                print(f"File content: {content.decode('utf-8')}")
            async with fs.open("in/large_file.bin") as file_stream:
                async for chunk in file_stream.read():
                    chunks.append(chunk)
        return chunks

    chunks = asyncio.run(run({}, tracer))
    assert said() == ["File content: text"]
    assert b"".join(chunks) == DOCUMENTS["large_file.bin"]
    assert max(map(len, chunks)) <= MIB


def test_opening_with_the_sync_class(tracer, said):
    def process(file: str, tracer: Tracer):
        chunks = []
        with tracer.fs_sync() as fs:
            with fs.open("in/document.txt") as file_stream:
                content = file_stream.read_all()
                print(f"File content: {content.decode('utf-8')}")
            with fs.open("in/large_file.bin") as file_stream:
                for chunk in file_stream.read():
                    chunks.append(chunk)
        return chunks

    chunks = process("", tracer)
    assert said() == ["File content: text"]
    assert b"".join(chunks) == DOCUMENTS["large_file.bin"]
    assert max(map(len, chunks)) <= MIB


# Removing files and folders


REMOVED = ["File removed successfully", "Folder removed successfully"]
LEFT = [f"in/{name}" for name in sorted(DOCUMENTS) if not name.startswith("temp_")]


def test_removing_with_the_async_class(tracer, panel, fid, said):
    async def run(inputs: dict, tracer: Tracer):
        async with await tracer.fs() as fs:
            success = await fs.remove("in/temp_file.txt")
            if success:
                print("File removed successfully")
            success = await fs.remove("in/temp_folder")
            if success:
                print("Folder removed successfully")

    asyncio.run(run({}, tracer))
    assert said() == REMOVED
    assert panel.paths(fid) == LEFT


def test_removing_with_the_sync_class(tracer, panel, fid, said):
    def process(file: str, tracer: Tracer):
        with tracer.fs_sync() as fs:
            success = fs.remove("in/temp_file.txt")
            if success:
                print("File removed successfully")
            success = fs.remove("in/temp_folder")
            if success:
                print("Folder removed successfully")

    process("", tracer)
    assert said() == REMOVED
    assert panel.paths(fid) == LEFT


# Complete example


def test_the_complete_example(tracer, panel, fid, tmp, said):
    def process_content(content: bytes) -> bytes:
        return content.upper()

    async def run(inputs: dict, tracer: Tracer):
        async with await tracer.fs() as fs:
            input_files = await fs.ls("in")
            print(f"Found {len(input_files)} input files")
            for file_info in input_files:
                file_path = file_info["path"]
                async with fs.open(file_path) as file_stream:
                    content = await file_stream.read_all()
                processed_content = process_content(content)
                output_filename = f"processed_{Path(file_info['path']).name}"
                (tmp / output_filename).write_bytes(processed_content)
                batch_id = await fs.upload(f"{tmp}/{output_filename}")
                assert is_uuid4(batch_id)
                print(f"Uploaded {output_filename}")
            for file_info in input_files:
                if Path(file_info["path"]).name.startswith("temp_"):
                    await fs.remove(file_info["path"])

    asyncio.run(run({}, tracer))
    names = [Path(name).name for name in sorted(DOCUMENTS)]
    uploaded = [f"Uploaded processed_{name}" for name in names]
    assert said() == [f"Found {len(DOCUMENTS)} input files", *uploaded]
    assert panel.paths(fid, "out") == sorted(f"out/processed_{name}" for name in names)
    assert panel.read(fid, "out/processed_document.txt") == b"TEXT"
    # By the name of the file alone, so what is in temp_folder stays.
    assert panel.paths(fid) == sorted([*LEFT, "in/temp_folder/d", "in/temp_folder/e"])


# Error handling


def test_error_handling(tracer, said):
    async def run(inputs: dict, tracer: Tracer):
        async with await tracer.fs() as fs:
            try:
                async with fs.open("in/nonexistent.txt") as file_stream:
                    await file_stream.read_all()
            except FileNotFoundError:
                print("File not found")
            except Exception as e:
                print(f"Error accessing file: {e}")

    asyncio.run(run({}, tracer))
    assert said() == ["File not found"]


def test_the_errors_that_are_documented(tracer):
    with tracer.fs_sync() as fs:
        for access in (fs.ls, fs.remove, lambda path: list(fs.download(path))):
            with pytest.raises(FileNotFoundError):
                access("in/nonexistent")
        stream = fs.open("in/document.txt")
        with stream, pytest.raises(RuntimeError, match="re-entrant"):
            stream.__enter__()
        with pytest.raises(RuntimeError, match="closed stream"):
            stream.read_all()
    stranger = Tracer(tracer.fid, tracer.panel_url, "no.such.token")
    with stranger.fs_sync() as fs, pytest.raises(HTTPStatusError):
        fs.ls("in")
