"""The routes that bring files in, row by row as Kodosumi's clients depend on them.

Each row runs against kodosumi's own server too, so that the row is known to be true; where that
server is wrong the row says so, and the run fails on the day it is not wrong any more.
"""

import uuid
from urllib.parse import quote

import pytest

from marks import wrong_on_real
from panel import DIR_ERROR, MAX_CHUNK, is_uuid4

# --- starting an upload ---------------------------------------------------------------


@pytest.mark.parametrize(
    "headers", [{}, {"content-type": "application/json"}], ids=["bare", "as the form sends it"]
)
def test_init_batch_needs_no_body(panel, headers):
    resp = panel.post("/files/init_batch", headers=headers)
    assert resp.status_code == 201
    assert resp.json().keys() == {"batch_id"}
    assert is_uuid4(resp.json()["batch_id"])


@pytest.mark.parametrize("batch", [{}, {"batch_id": None}, {"batch_id": "anything/../at all"}])
def test_init_gives_the_batch_back(panel, batch):
    resp = panel.post(
        "/files/init", json={"filename": "a", "total_chunks": 1, "ignored": True} | batch
    )
    assert resp.status_code == 201
    assert resp.json().keys() == {"upload_id", "batch_id"}
    assert resp.json()["batch_id"] == batch.get("batch_id")
    assert quote(resp.json()["upload_id"], safe="") == resp.json()["upload_id"] != ""


@pytest.mark.parametrize("filename", ["", ".", "../x", "/abs", "a//b", "a\0b", "x" * 5000])
def test_init_takes_any_string_as_filename(panel, filename):
    assert is_uuid4(panel.init(filename))


@pytest.mark.parametrize(
    "body",
    [
        {"filename": "a"},
        {"total_chunks": 1},
        {"filename": 5, "total_chunks": 1},
        {"filename": None, "total_chunks": 1},
        {"filename": "a", "total_chunks": "many"},
        {"filename": "a", "total_chunks": 1.5},
        {"filename": "a", "total_chunks": True},
        {"filename": "a", "total_chunks": None},
        {"filename": "a", "total_chunks": 1, "batch_id": 5},
        wrong_on_real("takes it", {"filename": "a", "total_chunks": -1}),
        [],
        "text",
    ],
    ids=str,
)
def test_init_refuses_a_missing_or_mistyped_field(server, panel, body):
    server.assert_error(panel.post("/files/init", json=body), 400, "ValidationException")


@pytest.mark.parametrize("route", ["init", "complete/in"])
@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"a=1&b=2"], ids=["none", "cut", "no text", "a form"]
)
def test_a_body_that_is_no_json_is_refused(server, panel, route, body):
    resp = panel.post(f"/files/{route}", content=body, headers={"content-type": "application/json"})
    server.assert_error(resp, 400)


# --- chunks ---------------------------------------------------------------------------


def test_chunks_of_any_length_arrive_in_any_order(panel, fid):
    upload_id = panel.init(total_chunks=4)
    pieces = {3: b"", 1: b"bb", 0: b"a", 2: b"c" * MAX_CHUNK}
    for received, (number, data) in enumerate(pieces.items(), start=1):
        resp = panel.chunk(upload_id, number, data)
        assert resp.status_code == 201
        assert resp.json() == {
            "status": "chunk received",
            "chunk_number": number,
            "received_chunks": received,
        }
    panel.complete_batch(fid, {upload_id: ("f", 4)})
    assert panel.read(fid, "in/f") == b"abb" + b"c" * MAX_CHUNK


def test_a_chunk_sent_again_is_acknowledged_and_the_first_content_stays(panel, fid):
    upload_id = panel.init()
    answers = [panel.chunk(upload_id, 0, data).json() for data in (b"first", b"other", b"")]
    assert answers == [{"status": "chunk received", "chunk_number": 0, "received_chunks": 1}] * 3
    panel.complete_batch(fid, {upload_id: ("f", 1)})
    assert panel.read(fid, "in/f") == b"first"


def test_the_parts_of_a_chunk_may_come_in_any_order_and_with_others(panel, fid):
    upload_id = panel.init()
    resp = panel.post(
        "/files/chunk",
        files=[
            ("chunk", ("any name", b"data", "text/plain")),
            ("other", (None, "x")),
            ("chunk_number", (None, "0")),
            ("upload_id", (None, upload_id)),
        ],
    )
    assert resp.json() == {"status": "chunk received", "chunk_number": 0, "received_chunks": 1}
    panel.complete_batch(fid, {upload_id: ("f", 1)})
    assert panel.read(fid, "in/f") == b"data"


@pytest.mark.parametrize(
    "data", [b"\r\n--ba\r\n--", b"x--bar--\r\n", b"\r\n\r\n-", b"\0\xff\r", b"\n--bar\n"]
)
def test_bytes_that_look_like_a_boundary_stay_bytes(panel, fid, data):
    upload_id = panel.init()
    parts = {"upload_id": (None, upload_id), "chunk_number": (None, "0"), "chunk": ("blob", data)}
    boundary = {"content-type": "multipart/form-data; boundary=bar"}
    assert panel.post("/files/chunk", files=parts, headers=boundary).status_code == 201
    panel.complete_batch(fid, {upload_id: ("f", 1)})
    assert panel.read(fid, "in/f") == data


@pytest.mark.parametrize(
    "upload_id",
    [
        "none",
        str(uuid.UUID(int=1)),
        "../x",
        "x/..",
        wrong_on_real("writes into the data folder", ".."),
        wrong_on_real("writes beside the sessions", "."),
    ],
)
def test_a_chunk_of_an_unknown_upload_is_told_so_in_a_201(panel, upload_id):
    resp = panel.chunk(upload_id, 0, b"data")
    assert resp.status_code == 201
    assert resp.json() == {"error": "Invalid upload ID - upload not initialized"}


@pytest.mark.parametrize("size", [MAX_CHUNK + 1, 5 * MAX_CHUNK])
def test_a_chunk_over_the_limit_is_refused_and_nothing_of_it_kept(server, panel, fid, size):
    upload_id = panel.init()
    detail = f"Chunk size exceeds maximum allowed size of {MAX_CHUNK} bytes"
    server.assert_error(panel.chunk(upload_id, 0, bytes(size)), 413, detail=detail)
    assert panel.complete_batch(fid, {upload_id: ("f", 1)}).json() == [
        {"error": "Not all chunks uploaded"}
    ]
    assert panel.chunk(upload_id, 0, b"small").json()["received_chunks"] == 1
    panel.complete_batch(fid, {upload_id: ("f", 1)})
    assert panel.read(fid, "in/f") == b"small"


@pytest.mark.parametrize("number", ["x", "", "1.5", "0x1", "٣x", wrong_on_real("takes it", "-1")])
def test_a_chunk_number_that_is_none_is_refused(server, panel, number):
    server.assert_error(panel.chunk(panel.init(), number, b"data"), 400, "ValidationException")


@pytest.mark.parametrize("missing", ["upload_id", "chunk_number", "chunk"])
def test_a_chunk_without_one_of_its_parts_is_refused(server, panel, missing):
    parts = {
        "upload_id": (None, panel.init()),
        "chunk_number": (None, "0"),
        "chunk": ("blob", b"data"),
    }
    del parts[missing]
    server.assert_error(panel.post("/files/chunk", files=parts), 400, "ValidationException")


@pytest.mark.parametrize(
    "content_type, body",
    [
        ("multipart/form-data; boundary=xx", b"garbage"),
        ("multipart/form-data; boundary=xx", b""),
        (
            "multipart/form-data; boundary=xx",
            b'--xx\r\nContent-Disposition: form-data; name="upload_id"\r\n\r\ncut',
        ),
        ("multipart/form-data; boundary=xx", b"--xx\r\n" * 1000),
        ("multipart/form-data", b"--xx--\r\n"),
        ("application/json", b'{"upload_id":"x","chunk_number":0}'),
        ("application/x-www-form-urlencoded", b"upload_id=x&chunk_number=0&chunk=data"),
    ],
    ids=["garbage", "empty", "cut", "boundaries only", "no boundary", "json", "a plain form"],
)
def test_a_chunk_that_is_no_multipart_is_refused(server, panel, content_type, body):
    resp = panel.post("/files/chunk", content=body, headers={"content-type": content_type})
    server.assert_error(resp, 400)


# --- completing one upload ------------------------------------------------------------


@pytest.mark.parametrize("root", ["in", "out"])
@pytest.mark.parametrize(
    "batch, batch_id", [({}, ""), ({"batch_id": None}, ""), ({"batch_id": "bb"}, "bb")]
)
def test_complete_into_a_run(panel, fid, root, batch, batch_id):
    resp = panel.complete(panel.session(b"con", b"tent"), "d/f", 2, root, fid=fid, **batch)
    assert resp.status_code == 201
    assert resp.json() == {
        "status": "upload complete",
        "completion_id": fid,
        "batch_id": batch_id,
        "final_file": "d/f",
        "final_path": f"{fid}/d/f",
    }
    assert panel.paths(fid, root) == [f"{root}/d/f"]
    assert panel.read(fid, f"{root}/d/f") == b"content"


@pytest.mark.parametrize("no_fid", [{}, {"fid": None}, {"fid": ""}], ids=str)
@pytest.mark.parametrize("batch_id", [None, "", "batch-7"])
def test_complete_without_a_run_is_out_of_every_readers_reach(server, panel, no_fid, batch_id):
    answer = panel.complete(
        panel.session(b"data"), "f", 1, "in", batch_id=batch_id, **no_fid
    ).json()
    completion = answer["completion_id"]
    assert completion == batch_id if batch_id else is_uuid4(completion)
    assert answer == {
        "status": "upload complete",
        "completion_id": completion,
        "batch_id": batch_id or "",
        "final_file": "f",
        "final_path": f"{completion}/f",
    }
    assert panel.paths(completion) == []
    server.assert_error(panel.get(f"/files/{completion}/in/f"), 404, "NotFoundException")


@pytest.mark.parametrize(
    "numbers, total_chunks, error",
    [
        ([], 1, "Not all chunks uploaded"),
        ([0], 2, "Not all chunks uploaded"),
        ([0, 1], 1, "Not all chunks uploaded"),
        ([0], 0, "Not all chunks uploaded"),
        ([0, 2], 2, "Missing chunk files: [1]"),
        ([1, 3, 4], 3, "Missing chunk files: [0, 2]"),
    ],
)
@pytest.mark.parametrize("batch", [False, True], ids=["one", "batch"])
def test_completing_too_early_is_told_so_and_loses_nothing(
    panel, fid, batch, numbers, total_chunks, error
):
    def complete(total: int) -> dict:
        if batch:
            return panel.complete_batch(fid, {upload_id: ("f", total)}).json()[0]
        return panel.complete(upload_id, "f", total, fid=fid).json()

    upload_id = panel.init(total_chunks=5)
    for number in numbers:
        panel.chunk(upload_id, number, b"%d" % number)
    assert complete(total_chunks) == {"error": error}
    assert panel.paths(fid) == []
    for number in {0, 1, 2, 3, 4} - set(numbers):
        panel.chunk(upload_id, number, b"%d" % number)
    assert complete(5)["status"] == "upload complete"
    assert panel.read(fid, "in/f") == b"01234"


def test_a_completed_or_unknown_upload_is_told_so_in_a_201(panel, fid):
    upload_id = panel.session(b"data")
    assert panel.complete(upload_id, "f", 1, fid=fid).json()["status"] == "upload complete"
    for unknown in (upload_id, "none", str(uuid.UUID(int=1))):
        resp = panel.complete(unknown, "g", 1, fid=fid)
        assert (resp.status_code, resp.json()) == (201, {"error": "Invalid upload ID"})
        resp = panel.complete_batch(fid, {unknown: ("g", 1)})
        assert (resp.status_code, resp.json()) == (201, [{"error": "Invalid upload ID"}])
    assert panel.paths(fid) == ["in/f"]


@pytest.mark.parametrize("root", ["other", "IN", "inn"])
def test_complete_into_another_folder_is_told_so_in_a_201(panel, fid, root):
    upload_id = panel.session(b"data")
    resp = panel.complete(upload_id, "f", 1, root, fid=fid)
    assert (resp.status_code, list(resp.json())) == (201, ["error"])
    assert resp.json()["error"].endswith(DIR_ERROR)
    assert panel.complete(upload_id, "f", 1, fid=fid).json()["status"] == "upload complete"


@pytest.mark.parametrize(
    "change",
    [
        {"upload_id": 5},
        {"upload_id": None},
        {"filename": 5},
        {"filename": None},
        {"total_chunks": "x"},
        {"total_chunks": None},
        {"total_chunks": 0.5},
        {"batch_id": 5},
        {"fid": 5},
        {"fid": ["x"]},
    ],
    ids=str,
)
def test_complete_refuses_a_mistyped_field(server, panel, fid, change):
    body = {
        "upload_id": panel.session(b"data"),
        "filename": "f",
        "total_chunks": 1,
        "fid": fid,
    } | change
    server.assert_error(panel.post("/files/complete/in", json=body), 400, "ValidationException")
    assert panel.paths(fid) == []


@pytest.mark.parametrize("field", ["upload_id", "filename", "total_chunks"])
def test_complete_refuses_a_missing_field(server, panel, fid, field):
    body = {"upload_id": panel.session(b"data"), "filename": "f", "total_chunks": 1, "fid": fid}
    del body[field]
    server.assert_error(panel.post("/files/complete/in", json=body), 400, "ValidationException")


@pytest.mark.parametrize("batch", [False, True], ids=["one", "batch"])
def test_a_negative_count_completes_nothing(panel, fid, batch):
    upload_id = panel.init(total_chunks=0)
    resp = (
        panel.complete_batch(fid, {upload_id: ("f", -1)})
        if batch
        else panel.complete(upload_id, "f", -1, fid=fid)
    )
    assert resp.status_code == 400 or "Not all chunks uploaded" in resp.text
    assert panel.paths(fid) == []


# --- completing a batch ---------------------------------------------------------------


def test_a_batch_is_answered_in_its_own_order_and_one_bad_item_spoils_no_other(panel, fid):
    names = ["z", "a/b", "Grüße 日本語 😀.txt", "q?x#y %41", "m"]
    sessions = [panel.session(name.encode()) for name in names]
    items = {session: (name, 1) for session, name in zip(sessions, names, strict=True)}
    resp = panel.complete_batch(
        fid, items | {"none": ("n", 1), panel.init(): ("early", 1)}, batch_id="b 1"
    )
    assert resp.status_code == 201
    assert resp.json() == [
        {
            "status": "upload complete",
            "completion_id": fid,
            "batch_id": "b 1",
            "final_file": name,
            "final_path": f"{fid}/{name}",
        }
        for name in names
    ] + [{"error": "Invalid upload ID"}, {"error": "Not all chunks uploaded"}]
    assert panel.paths(fid) == sorted(f"in/{name}" for name in names)


def test_of_a_repeated_filename_the_first_wins(panel, fid):
    first, other, last = (panel.session(data) for data in (b"first", b"other", b"last"))
    resp = panel.complete_batch(fid, {first: ("f", 1), other: ("f", 1), last: ("g", 1)})
    assert [item["final_file"] for item in resp.json()] == ["f", "g"]
    assert panel.read(fid, "in/f") == b"first"


def test_no_chunks_make_an_empty_file_and_no_items_an_empty_answer(panel, fid):
    assert panel.complete_batch(fid, {}).json() == []
    assert panel.paths(fid) == []
    panel.complete_batch(fid, {panel.init(total_chunks=0): ("empty", 0)}, "out")
    assert panel.read(fid, "out/empty") == b""


def test_a_completion_replaces_an_existing_file(panel, fid):
    panel.store(fid, {"f": b"long old content", "g": b"kept"})
    panel.store(fid, {"f": b"new"})
    assert (panel.read(fid, "in/f"), panel.read(fid, "in/g")) == (b"new", b"kept")


@pytest.mark.real_deviates("answers 201 with an error in the list")
@pytest.mark.parametrize("root", ["other", "IN"])
def test_a_batch_into_another_folder_is_refused_and_its_sessions_stay(server, panel, fid, root):
    upload_id = panel.session(b"data")
    server.assert_error(
        panel.complete_batch(fid, {upload_id: ("f", 1)}, root), 400, "HTTPException", DIR_ERROR
    )
    assert panel.complete_batch(fid, {upload_id: ("f", 1)}).json()[0]["status"] == "upload complete"


@pytest.mark.real_deviates("answers 500")
@pytest.mark.parametrize(
    "bad",
    [
        {"filename": "g"},
        {"totalChunks": 1},
        {"filename": "g", "total_chunks": 1},
        {"filename": "g", "totalChunks": None},
        {"filename": None, "totalChunks": 1},
        {"filename": ["g"], "totalChunks": 1},
        5,
        None,
        "g",
        ["g", 1],
    ],
    ids=str,
)
def test_a_batch_with_a_malformed_item_is_refused_and_nothing_written(server, panel, fid, bad):
    good = panel.session(b"data")
    server.assert_error(panel.complete_batch(fid, {good: ("f", 1), panel.session(b"x"): bad}), 400)
    assert panel.paths(fid) == []
    assert panel.complete_batch(fid, {good: ("f", 1)}).json()[0]["status"] == "upload complete"


@pytest.mark.real_deviates("answers 500")
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"[1]", b"5", b"null", b'"x"'])
def test_a_batch_that_is_no_object_is_refused(server, panel, fid, body):
    resp = panel.post(
        f"/files/complete/{fid}/b/in", content=body, headers={"content-type": "application/json"}
    )
    server.assert_error(resp, 400)


# --- cancelling -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "by_post",
    [False, wrong_on_real("documents it, has no such route", True)],
    ids=["DELETE", "POST"],
)
def test_a_cancelled_upload_is_unknown(panel, fid, by_post):
    upload_id = panel.session(b"data")
    if by_post:
        resp = panel.post("/files/cancel", json={"upload_id": upload_id})
        assert (resp.status_code, resp.json()) == (200, {"status": "upload cancelled"})
    else:
        resp = panel.delete(f"/files/cancel/{upload_id}")
        assert (resp.status_code, resp.content) == (204, b"")
    assert panel.chunk(upload_id, 1, b"more").json() == {
        "error": "Invalid upload ID - upload not initialized"
    }
    assert panel.complete(upload_id, "f", 1, fid=fid).json() == {"error": "Invalid upload ID"}


@pytest.mark.real_deviates("answers 500")
@pytest.mark.parametrize("upload_id", ["none", str(uuid.UUID(int=1))])
def test_cancelling_an_unknown_upload_is_404(server, panel, upload_id):
    server.assert_error(panel.delete(f"/files/cancel/{upload_id}"), 404, "NotFoundException")
    server.assert_error(
        panel.post("/files/cancel", json={"upload_id": upload_id}), 404, "NotFoundException"
    )
