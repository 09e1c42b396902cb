"""The routes that list, give out and delete files, as Kodosumi's clients depend on them.

Each row runs against kodosumi's own server too, so that the row is known to be true; where that
server is wrong the row says so, and the run fails on the day it is not wrong any more.
"""

import time
from urllib.parse import quote

import pytest

from panel import DIR_ERROR, ERROR_KEYS, MAX_CHUNK

# --- listing --------------------------------------------------------------------------


def test_a_listing_has_every_file_below_in_path_order(panel, fid):
    names = ["z", "a/b/c", "a-b", "a.b", "A", "é", "\uff5e", "😀", "empty"]
    before = time.time()
    panel.store(fid, {name: name.encode() * 3 if name != "empty" else b"" for name in names})
    panel.store(fid, {"elsewhere": b""}, "out")
    resp = panel.get(f"/files/{fid}/in")
    assert resp.status_code == 200
    assert resp.headers["content-type"] == "application/json"
    assert [list(item) for item in resp.json()] == [["path", "size", "last_modified"]] * len(names)
    assert [item["path"] for item in resp.json()] == sorted(f"in/{name}" for name in names)
    assert {item["path"]: item["size"] for item in resp.json()} == {
        f"in/{name}": len(name.encode()) * 3 if name != "empty" else 0 for name in names
    }
    for item in resp.json():
        assert isinstance(item["last_modified"], float)
        assert (
            before - 5 <= item["last_modified"] <= time.time() + 5
        )  # clock and file system round differently


@pytest.mark.parametrize("root", ["in", "out", "in/", "out/", "in?x=1"])
def test_a_run_without_files_lists_as_empty(panel, fid, root):
    resp = panel.get(f"/files/{fid}/{root}")
    assert (resp.status_code, resp.json()) == (200, [])


@pytest.mark.real_deviates("lists roots only")
@pytest.mark.parametrize("path", ["d", "d/", "d%2Fe", "d/e"])
def test_a_folder_lists_with_paths_from_the_root(panel, fid, path):
    panel.store(fid, {"d/e/y": b"", "d/x": b"", "dx": b""})
    expected = ["in/d/e/y", "in/d/x"] if path.strip("/") == "d" else ["in/d/e/y"]
    resp = panel.raw("GET", f"/files/{fid}/in/{path}")
    assert resp.status_code == 200
    assert [item["path"] for item in resp.json()] == expected


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("root", ["other", "IN", "other/", "other/in/f", "other%2Ff"])
def test_another_folder_is_refused(server, panel, fid, method, root):
    panel.store(fid, {"f": b""})
    server.assert_error(panel.raw(method, f"/files/{fid}/{root}"), 400, "HTTPException", DIR_ERROR)


# --- reading --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "plain.txt",
        "two words",
        "é",
        "日本語",
        "😀",
        'quo"te',
        "semi;colon",
        "per%cent",
        "100%",
        "%41",
        "q?x",
        "a#b",
        "a+b&c=d",
        "~tilde_-.",
        "back\\slash",
        "it's",
    ],
)
def test_a_file_comes_with_exactly_these_headers(panel, fid, name):
    panel.store(fid, {f"d/{name}": b"content"})
    resp = panel.raw("GET", quote(f"/files/{fid}/in/d/{name}"))
    assert (resp.status_code, resp.content) == (200, b"content")
    assert resp.headers["content-type"] == "application/octet-stream"
    assert resp.headers["cache-control"] == "no-cache"
    assert resp.headers["content-length"] == "7"
    quoted = quote(name)
    assert (
        resp.headers["content-disposition"]
        == f"attachment; filename=\"{quoted}\"; filename*=UTF-8''{quoted}"
    )


@pytest.mark.parametrize(
    "target",
    [
        "in/d/100%",
        "in/d/100%25",
        "in/d/100%/",
        "in%2Fd%2F100%25",
        "in/d%2f100%25",
        "%69n/%64/100%25",
        "in/d/100%25?query",
    ],
)
def test_a_path_is_decoded_once_and_forgivingly(panel, fid, target):
    """Kodosumi's page quotes every '/' of a download link; its client leaves a lone '%'."""
    panel.store(fid, {"d/100%": b"content"})
    resp = panel.raw("GET", f"/files/{fid}/{target}")
    assert (resp.status_code, resp.content) == (200, b"content")


@pytest.mark.parametrize(
    "path", ["in/none", "in/d/none", "in/dat", "in/data/below", "out/data", "in/%64%61"]
)
def test_a_missing_file_is_not_found(server, panel, fid, path):
    panel.store(fid, {"data": b"", "d/f": b""})
    server.assert_error(
        panel.get(f"/files/{fid}/{path}"), 404, "NotFoundException", f"not found for flow {fid}"
    )


@pytest.mark.real_deviates("sends the server's paths to the client")
def test_an_error_does_not_tell_where_the_data_lies(server, panel, fid):
    assert str(server.data) not in panel.get(f"/files/{fid}/in/none").text


@pytest.mark.real_deviates("sends stack traces to the client")
def test_an_error_has_exactly_its_keys(server, panel, fid):
    failures = [
        panel.get(f"/files/{fid}/other"),
        panel.get(f"/files/{fid}/in/none"),
        panel.post("/files/init", json={}),
        panel.chunk(panel.init(), 0, bytes(MAX_CHUNK + 1)),
        panel.delete(f"/files/{fid}/in/none"),
    ]
    assert [resp.status_code for resp in failures] == [400, 404, 400, 413, 404]
    assert all(resp.json().keys() == ERROR_KEYS | {"request_id"} for resp in failures)
    assert len({resp.json()["request_id"] for resp in failures}) == len(failures)


# --- deleting -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target, left",
    [
        ("in/f", ["in/d/e/y", "in/d/x", "in/dx"]),
        ("in/f/", ["in/d/e/y", "in/d/x", "in/dx"]),
        ("in/d", ["in/dx", "in/f"]),
        ("in/d/", ["in/dx", "in/f"]),
        ("in/d%2Fe", ["in/d/x", "in/dx", "in/f"]),
        ("in%2Fd%2Fe%2Fy", ["in/d/x", "in/dx", "in/f"]),
        ("in", []),
        ("in/", []),
    ],
)
def test_delete_takes_a_file_or_a_whole_folder_and_no_more(server, panel, fid, target, left):
    panel.store(fid, {"d/x": b"", "d/e/y": b"", "dx": b"", "f": b""})
    panel.store(fid, {"kept": b""}, "out")
    resp = panel.raw("DELETE", f"/files/{fid}/{target}")
    assert (resp.status_code, resp.content) == (204, b"")
    assert panel.paths(fid) == left
    assert panel.paths(fid, "out") == ["out/kept"]
    server.assert_error(panel.raw("DELETE", f"/files/{fid}/{target}"), 404, "NotFoundException")


@pytest.mark.parametrize("path", ["in", "out/", "in/none", "in/none/"])
def test_delete_of_what_is_not_there_is_not_found(server, panel, fid, path):
    server.assert_error(panel.delete(f"/files/{fid}/{path}"), 404, "NotFoundException")
