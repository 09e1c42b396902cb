"""What our server does on the same routes beyond kodosumi's: ranges, conditions, PUT, limits."""

import http.client
import re
import uuid
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from panel import MAX_CHUNK, Panel

pytestmark = pytest.mark.twinfs_only("has none of this")

CONTENT = b"0123456789"


@pytest.fixture
def file(panel: Panel, fid: str) -> str:
    """The URL of a file of ten bytes."""
    panel.store(fid, {"d/f.bin": CONTENT})
    return f"/files/{fid}/in/d/f.bin"


def put(panel: Panel, url: str, content: bytes, **headers: str) -> httpx.Response:
    return panel.put(
        url,
        content=content,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


# --- HEAD, ranges, conditions of reading ----------------------------------------------


def test_head_has_the_headers_of_get_and_no_body(panel, file):
    get, head = panel.get(file), panel.head(file)
    assert (head.status_code, head.content) == (200, b"")
    assert {**head.headers, "date": ""} == {**get.headers, "date": ""}
    assert get.headers["accept-ranges"] == "bytes"
    assert get.headers["content-length"] == "10"


@pytest.mark.parametrize(
    "path, status", [("in/none", 404), ("other", 400), ("in", 200), ("in/d", 200)]
)
def test_head_has_the_status_of_get(panel, fid, file, path, status):
    resp = panel.head(f"/files/{fid}/{path}")
    assert (resp.status_code, resp.content) == (status, b"")


@pytest.mark.parametrize(
    "wanted, first, last",
    [
        ("bytes=0-0", 0, 0),
        ("bytes=2-4", 2, 4),
        ("bytes=9-9", 9, 9),
        ("bytes=5-", 5, 9),
        ("bytes=0-", 0, 9),
        ("bytes=-3", 7, 9),
        ("bytes=-10", 0, 9),
        ("bytes=-999", 0, 9),
        ("bytes=8-999", 8, 9),
        ("bytes=0-18446744073709551615", 0, 9),
        ("Bytes=1-2", 1, 2),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_range_is_answered_with_exactly_its_bytes(panel, file, method, wanted, first, last):
    resp = panel.request(method, file, headers={"range": wanted})
    if method == "HEAD" and resp.status_code == 200:
        return  # ranges are defined for GET alone; a HEAD may leave them out of account
    assert resp.status_code == 206
    assert resp.headers["content-range"] == f"bytes {first}-{last}/10"
    assert resp.headers["content-length"] == str(last - first + 1)
    assert resp.headers["content-type"] == "application/octet-stream"
    assert resp.content == (CONTENT[first : last + 1] if method == "GET" else b"")


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=10-20", "bytes=999-", "bytes=-0"])
def test_a_range_behind_the_end_is_not_satisfiable(panel, file, wanted):
    resp = panel.get(file, headers={"range": wanted})
    assert resp.status_code == 416
    assert resp.headers["content-range"] == "bytes */10"


@pytest.mark.parametrize("wanted", ["lines=0-1", "bytes", "0-1", ""])
def test_a_range_of_another_unit_or_none_counts_for_nothing(panel, file, wanted):
    resp = panel.get(file, headers={"range": wanted})
    assert (resp.status_code, resp.content) == (200, CONTENT)


def test_ranges_meet_without_gap_or_overlap_across_a_large_file(panel, fid):
    data = bytes(n % 251 for n in range(3 * MAX_CHUNK + 7))
    panel.store(fid, {"f": data})
    step = 777_777
    parts = [
        panel.get(f"/files/{fid}/in/f", headers={"range": f"bytes={at}-{at + step - 1}"}).content
        for at in range(0, len(data), step)
    ]
    assert b"".join(parts) == data


def test_the_etag_is_strong_and_changes_with_the_content_alone(panel, fid, file):
    etag = panel.get(file).headers["etag"]
    assert re.fullmatch(r'"[^"]+"', etag)
    assert panel.get(file).headers["etag"] == etag
    panel.store(fid, {"d/f.bin": b"9876543210"})  # of the same length
    assert panel.get(file).headers["etag"] != etag


def test_last_modified_is_the_time_in_the_listing(panel, fid, file):
    [item] = panel.get(f"/files/{fid}/in").json()
    assert panel.get(file).headers["last-modified"] == formatdate(
        int(item["last_modified"]), usegmt=True
    )


@pytest.mark.parametrize("condition", ["{etag}", "*", '"other", {etag}', "W/{etag}"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_reader_has_already_is_not_sent_again(panel, file, method, condition):
    etag = panel.get(file).headers["etag"]
    resp = panel.request(method, file, headers={"if-none-match": condition.format(etag=etag)})
    assert (resp.status_code, resp.content) == (304, b"")
    assert resp.headers["etag"] == etag


@pytest.mark.parametrize("condition", ['"other"', '"a", "b"'])
def test_what_the_reader_has_not_is_sent(panel, file, condition):
    resp = panel.get(file, headers={"if-none-match": condition})
    assert (resp.status_code, resp.content) == (200, CONTENT)


def test_if_modified_since_is_honoured_and_yields_to_if_none_match(panel, file):
    modified = panel.get(file).headers["last-modified"]
    before = formatdate(parsedate_to_datetime(modified).timestamp() - 60, usegmt=True)
    assert panel.get(file, headers={"if-modified-since": modified}).status_code == 304
    assert panel.get(file, headers={"if-modified-since": before}).status_code == 200
    both = {"if-modified-since": modified, "if-none-match": '"other"'}
    assert panel.get(file, headers=both).status_code == 200


def test_if_range_gives_the_part_of_the_same_file_or_the_whole_of_another(panel, fid, file):
    etag = panel.get(file).headers["etag"]
    part = {"range": "bytes=2-4", "if-range": etag}
    assert (panel.get(file, headers=part).status_code, panel.get(file, headers=part).content) == (
        206,
        b"234",
    )
    panel.store(fid, {"d/f.bin": b"9876543210"})
    resp = panel.get(file, headers=part)
    assert (resp.status_code, resp.content) == (200, b"9876543210")
    weak = {"range": "bytes=2-4", "if-range": "W/" + resp.headers["etag"]}
    assert panel.get(file, headers=weak).status_code == 200


# --- an upload's state and limits -----------------------------------------------------


def test_the_status_of_an_upload_names_its_chunks(panel, stranger):
    upload_id = panel.init(total_chunks=20)
    status = f"/files/status/{upload_id}"
    assert panel.get(status).json() == {"exists": True, "received_chunks": [], "total_received": 0}
    for number in (10, 2, 0, 2):
        panel.chunk(upload_id, number, b"x")
    resp = panel.get(status)
    assert (resp.status_code, resp.json()) == (
        200,
        {"exists": True, "received_chunks": [0, 2, 10], "total_received": 3},
    )
    unknown = {"exists": False, "received_chunks": [], "total_received": 0}
    for panel_, id_ in ((stranger, upload_id), (panel, str(uuid.uuid4())), (panel, "none")):
        resp = panel_.get(f"/files/status/{id_}")
        assert resp.status_code == 200
        assert (
            unknown.items()
            >= resp.json().items()
            >= {"exists": False, "received_chunks": []}.items()
        )


def test_a_chunk_over_the_limit_leaves_no_trace_in_the_status(panel):
    upload_id = panel.init()
    assert panel.chunk(upload_id, 0, bytes(MAX_CHUNK + 1)).status_code == 413
    assert panel.get(f"/files/status/{upload_id}").json()["received_chunks"] == []


def test_the_limit_of_a_chunk_is_announced(panel):
    for resp in (
        panel.post("/files/init_batch"),
        panel.post("/files/init", json={"filename": "f", "total_chunks": 1}),
    ):
        assert resp.headers["twinfs-max-chunk"] == str(MAX_CHUNK)


def test_the_limit_of_a_chunk_is_set_by_an_option(start):
    server = start("--max-chunk", "1000")
    with server.panel("user-1") as panel:
        assert panel.post("/files/init_batch").headers["twinfs-max-chunk"] == "1000"
        upload_id = panel.init()
        server.assert_error(
            panel.chunk(upload_id, 0, bytes(1001)), 413, detail="maximum allowed size of 1000 bytes"
        )
        assert panel.chunk(upload_id, 0, bytes(1000)).json()["status"] == "chunk received"


def test_an_upload_completed_outside_any_run_can_still_be_completed_into_one(panel, fid):
    upload_id = panel.session(b"waiting")
    assert panel.complete(upload_id, "f", 1).json()["status"] == "upload complete"
    assert panel.complete(upload_id, "f", 1, fid=fid).json()["completion_id"] == fid
    assert panel.read(fid, "in/f") == b"waiting"
    assert panel.complete(upload_id, "g", 1, fid=fid).json() == {"error": "Invalid upload ID"}


# --- writing whole files --------------------------------------------------------------


@pytest.mark.parametrize("root", ["in", "out"])
@pytest.mark.parametrize("size", [0, 10, 5 * MAX_CHUNK + 1])
def test_put_writes_a_whole_file_of_any_size(panel, fid, root, size):
    url, data = f"/files/{fid}/{root}/new/folder/f", bytes(n % 251 for n in range(size))
    first = panel.put(url, content=data)
    assert first.status_code in (200, 201, 204)
    assert panel.read(fid, f"{root}/new/folder/f") == data
    assert panel.paths(fid, root) == [f"{root}/new/folder/f"]
    assert panel.put(url, content=b"replaced").status_code in (200, 204)
    assert panel.read(fid, f"{root}/new/folder/f") == b"replaced"


def test_put_takes_a_body_of_unknown_length(panel, fid):
    pieces = [b"%d" % n * 100_000 for n in range(10)]
    assert panel.put(f"/files/{fid}/in/f", content=iter(pieces)).status_code in (200, 201, 204)
    assert panel.read(fid, "in/f") == b"".join(pieces)


def test_put_with_if_none_match_creates_and_never_replaces(server, panel, fid):
    url = f"/files/{fid}/in/f"
    assert put(panel, url, b"first", if_none_match="*").status_code in (200, 201, 204)
    server.assert_error(put(panel, url, b"second", if_none_match="*"), 412)
    assert panel.read(fid, "in/f") == b"first"


def test_put_with_if_match_replaces_that_version_and_no_other(server, panel, fid, file):
    etag = panel.get(file).headers["etag"]
    for stale in ('"other"', f"W/{etag}"):
        server.assert_error(put(panel, file, b"lost", if_match=stale), 412)
    assert put(panel, file, b"second", if_match=f'"other", {etag}').status_code in (200, 204)
    server.assert_error(put(panel, file, b"lost", if_match=etag), 412)
    assert put(panel, file, b"third", if_match="*").status_code in (200, 204)
    assert panel.get(file).content == b"third"
    for condition in ("*", etag):
        server.assert_error(put(panel, f"/files/{fid}/in/none", b"lost", if_match=condition), 412)
    assert panel.paths(fid) == ["in/d/f.bin"]


def test_put_to_a_wrong_place_writes_nothing(server, panel, fid):
    panel.store(fid, {"d/f": b"kept"})
    server.assert_error(panel.put(f"/files/{fid}/other/f", content=b"x"), 400, "HTTPException")
    server.assert_error(panel.put(f"/files/{fid}/in/d", content=b"x"), 409)
    server.assert_error(panel.put(f"/files/{fid}/in/d/f/below", content=b"x"), 409)
    assert 400 <= panel.put(f"/files/{fid}/in", content=b"x").status_code < 500
    for target in (
        "in/%2e%2e/x",
        "in/..%2fx",
        "../x/in/f",
        "in/a%00",
        "in/a%0ab",
        "in/.twinfs-x",
        "in/" + "x" * 256,
    ):
        assert panel.raw("PUT", f"/files/{fid}/{target}", content=b"x").status_code in (
            400,
            403,
            404,
        )
    assert panel.paths(fid) == ["in/d/f"]
    assert panel.read(fid, "in/d/f") == b"kept"


@pytest.mark.parametrize("existing", [False, True])
def test_a_put_that_breaks_off_publishes_nothing(server, panel, fid, existing):
    if existing:
        panel.store(fid, {"f": b"old"})
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    connection.putrequest("PUT", f"/files/{fid}/in/f")
    connection.putheader("KODOSUMI_API_KEY", panel.token)
    connection.putheader("Content-Length", str(2 * MAX_CHUNK))
    connection.endheaders(bytes(MAX_CHUNK))
    connection.close()
    assert panel.paths(fid) == (["in/f"] if existing else [])
    if existing:
        assert panel.read(fid, "in/f") == b"old"


def test_nothing_of_the_servers_own_lies_among_the_users_files(server, panel, fid):
    panel.store(fid, {"d/f": b"x", "d/g": b"y"})
    panel.put(f"/files/{fid}/in/d/h", content=b"z")
    panel.delete(f"/files/{fid}/in/d/g")
    names = [
        str(path.relative_to(server.runs / panel.user / fid))
        for path in Path(server.runs, panel.user, fid).rglob("*")
        if path.is_file()
    ]
    assert sorted(names) == ["in/d/f", "in/d/h"]
