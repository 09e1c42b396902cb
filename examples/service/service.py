"""A service that turns a folder of documents into a clean table, word statistics and thumbnails.

`run` is the entrypoint. It lists what the user uploaded and gives each file to `process`, which
works in a process of its own, as a remote function does: all it gets is a path and the tracer.
Try it:

    python -m twinfs.run service:run --files files --out results
"""

import asyncio
import csv
import io
import json
import multiprocessing
import re
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path, PurePosixPath
from typing import Any

from PIL import Image

from twinfs.kodosumi import Tracer

COLUMNS = ["date", "customer", "product", "quantity", "amount", "source"]
# What the people who keep the tables call the same column.
NAMES = {"client": "customer", "name": "customer", "item": "product", "qty": "quantity"}
NAMES |= {"price": "amount", "total": "amount", "day": "date"}
DATES = ["%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d %B %Y"]
THUMBNAIL = (64, 64)
WORKERS = 2


async def run(inputs: dict[str, Any], tracer: Tracer) -> str:
    """Works through `in/`, several files at once; `inputs["words"]` is how many words to rank."""
    async with await tracer.fs() as fs:
        paths = [file["path"] for file in await fs.ls("in")]
        await tracer.action(f"{len(paths)} files to work through")
        loop = asyncio.get_running_loop()
        # A fresh interpreter for each worker: nothing but the arguments reaches it.
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(WORKERS, mp_context=spawn) as pool:
            parts = await asyncio.gather(
                *(loop.run_in_executor(pool, process, path, tracer) for path in paths)
            )
        with tempfile.TemporaryDirectory() as folder:
            summary = write_results(parts, Path(folder), int(inputs.get("words", 10)))
            await fs.upload(folder)
    await tracer.markdown("# Done", "\n".join(summary))
    return f"{len(paths)} files in, {len(summary)} kinds of results out"


def process(path: str, tracer: Tracer) -> dict[str, Any]:
    """Works on one file. What is large goes to `out/` from here, the rest back to `run`."""
    work = KINDS.get(PurePosixPath(path).suffix.lower())
    if work is None:
        tracer.warning_sync(f"{path}: no kind of document that is known here")
        return {}
    with tracer.fs_sync() as fs:
        with fs.open(path) as stream:
            content = stream.read_all()
        with tempfile.TemporaryDirectory() as folder:
            try:
                part = work(path, content, Path(folder))
            except (OSError, ValueError) as error:
                # One document that cannot be read is no reason to lose the others.
                tracer.warning_sync(f"{path}: {error}")
                return {}
            fs.upload(folder)
    tracer.debug_sync(f"{path}: {len(content)} bytes read")
    return part


def clean_table(path: str, content: bytes, _folder: Path) -> dict[str, Any]:
    """Brings the rows of a table into one form; those that cannot be read are kept apart."""
    text = content.decode("utf-8-sig")
    dialect = csv.Sniffer().sniff(text.partition("\n")[0], delimiters=",;\t")
    header, *lines = csv.reader(io.StringIO(text), dialect)
    columns = [NAMES.get(name, name) for name in (name.strip().lower() for name in header)]
    rows, rejected = [], []
    for number, line in enumerate(lines, 2):
        cells = dict(zip(columns, (" ".join(cell.split()) for cell in line), strict=False))
        if not any(cells.values()):
            continue
        try:
            rows.append([*clean_row(cells), f"{path}:{number}"])
        except ValueError as error:
            rejected.append([f"{path}:{number}", str(error), dialect.delimiter.join(line)])
    return {"rows": rows, "rejected": rejected}


def clean_row(cells: dict[str, str]) -> list[str]:
    """The cells of a row in the order of `COLUMNS`. Raises ValueError with what is wrong."""
    if not cells.get("customer"):
        raise ValueError("no customer")
    quantity = int(cells.get("quantity") or 1)
    if quantity <= 0:
        raise ValueError(f"quantity {quantity}")
    day, amount = clean_date(cells.get("date", "")), clean_amount(cells.get("amount", ""))
    product = cells.get("product", "").capitalize()
    return [day.isoformat(), cells["customer"].title(), product, str(quantity), f"{amount:.2f}"]


def clean_date(text: str) -> date:
    """A date in any of the forms that are in use."""
    for form in DATES:
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    raise ValueError(f"no date: {text!r}")


def clean_amount(text: str) -> Decimal:
    """An amount of money; what comes last of '.' and ',' separates the cents."""
    digits = re.sub(r"[^\d.,-]", "", text)
    if digits.rfind(",") > digits.rfind("."):
        digits = digits.replace(".", "").replace(",", ".")
    try:
        return Decimal(digits.replace(",", ""))
    except InvalidOperation:
        raise ValueError(f"no amount: {text!r}") from None


def count_words(path: str, content: bytes, _folder: Path) -> dict[str, Any]:
    """Counts the words of a text."""
    text = content.decode()
    words = Counter(re.findall(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*", text.casefold()))
    return {"text": {"path": path, "lines": len(text.splitlines())}, "words": words}


def make_thumbnail(path: str, content: bytes, folder: Path) -> dict[str, Any]:
    """Puts a small copy of a picture into `out/thumbnails/`."""
    target = folder / "thumbnails" / PurePosixPath(path).relative_to("in").with_suffix(".png")
    target.parent.mkdir(parents=True)
    with Image.open(io.BytesIO(content)) as picture:
        size = picture.size
        picture.thumbnail(THUMBNAIL)
        picture.save(target)
        return {"picture": {"path": path, "size": size, "thumbnail": picture.size}}


KINDS = {".csv": clean_table, ".txt": count_words, ".png": make_thumbnail}


def write_results(parts: list[dict[str, Any]], folder: Path, ranked: int) -> list[str]:
    """Writes what all files together give; says so in a line for each kind."""
    rows, rejected = unique(parts), [row for part in parts for row in part.get("rejected", [])]
    write_csv(folder / "orders.csv", COLUMNS, rows)
    write_csv(folder / "rejected.csv", ["source", "reason", "line"], rejected)

    texts = [part for part in parts if "text" in part]
    total = sum((part["words"] for part in texts), Counter[str]())
    statistics = {
        "texts": [
            part["text"] | {"words": part["words"].total(), "distinct": len(part["words"])}
            for part in texts
        ],
        "words": total.total(),
        "distinct": len(total),
        "most_common": dict(total.most_common(ranked)),
    }
    (folder / "words.json").write_text(
        json.dumps(statistics, ensure_ascii=False, indent=2) + "\n", "utf-8"
    )
    pictures = [part["picture"] for part in parts if "picture" in part]
    return [
        f"- orders.csv: {len(rows)} rows, {len(rejected)} rejected (rejected.csv)",
        f"- words.json: {total.total()} words of {len(texts)} texts",
        f"- thumbnails/: {len(pictures)} pictures",
    ]


def unique(parts: list[dict[str, Any]]) -> list[list[str]]:
    """All rows by date, each order once, however many tables have it."""
    found: dict[tuple[str, ...], list[str]] = {}
    for part in parts:
        for row in part.get("rows", []):
            found.setdefault(tuple(row[:-1]), row)
    return sorted(found.values())


def write_csv(path: Path, header: list[str], rows: list[list[str]]) -> None:
    """Writes a table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
