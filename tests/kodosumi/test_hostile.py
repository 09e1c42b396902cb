"""What must not be possible: leaving one's own runs by name, two winners, half files, lost data."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from marks import wrong_on_real
from panel import MAX_CHUNK, Panel

ESCAPES = "reaches outside"
COMPONENT, PATH = 255, 4096  # the longest name and path, in bytes

BAD_NAMES = [
    "",
    ".",
    "..",
    "/",
    "../x",
    "../../x",
    "a/../x",
    "a/../../../x",
    "a/./x",
    "./x",
    "x/.",
    "x/..",
    "x/",
    "a//x",
    "a\0x",
    "a\nx",
    "a\x7fx",
    ".twinfs-x",
    "a/.twinfs-x/y",
    "x" * (COMPONENT + 1),
    "é" * (COMPONENT // 2 + 1),
    "a/" * (PATH // 2) + "x",
]


def everything(folder: Path) -> dict[str, bytes]:
    """All that lies in a user's runs, as it lies there."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.real_deviates("takes it, or says so in a 201")
@pytest.mark.parametrize("batch", [False, True], ids=["one", "batch"])
@pytest.mark.parametrize("name", BAD_NAMES, ids=lambda name: repr(name[:20]))
def test_a_name_that_is_no_plain_relative_path_is_refused(server, panel, fid, batch, name):
    panel.store(fid, {"kept": b"kept"})
    good, bad = panel.session(b"good"), panel.session(b"bad")
    if batch:
        server.assert_error(panel.complete_batch(fid, {good: ("good", 1), bad: (name, 1)}), 400)
    else:
        server.assert_error(panel.complete(bad, name, 1, fid=fid), 400)
    assert panel.paths(fid) == ["in/kept"]
    assert panel.paths(fid, "out") == []


@pytest.mark.real_deviates("writes to any absolute path")
@pytest.mark.parametrize("field", ["filename", "fid"])
def test_an_absolute_name_is_refused_and_nothing_written_there(server, panel, fid, tmp_path, field):
    fields = {"filename": "f", "fid": fid} | {field: str(tmp_path / "abs")}
    server.assert_error(panel.complete(panel.session(b"bad"), total_chunks=1, **fields), 400)
    assert not (tmp_path / "abs").exists()


@pytest.mark.parametrize(
    "name",
    [
        "x" * COMPONENT,
        "...",
        "..x",
        "x..",
        ".x",
        "a b/ c",
        "\u202e",
        "a\\..\\x",
        "C:",
        "-",
        "~",
        "*?[x]",
        "a/" * 100 + "x",
        "nul",
    ],
)
def test_a_strange_but_plain_name_is_kept_as_it_is(panel, fid, name):
    panel.store(fid, {name: b"data"})
    assert panel.paths(fid) == [f"in/{name}"]
    resp = panel.raw("GET", quote(f"/files/{fid}/in/{name}"))
    assert resp.content == b"data"


@pytest.mark.real_deviates("takes it as a folder")
@pytest.mark.parametrize(
    "fid", ["..", ".", "../victim", "a/b", "x/", "a\0b", "x" * (COMPONENT + 1), ".twinfs-x"]
)
def test_a_run_id_that_is_no_single_component_is_refused_at_completion(server, panel, fid):
    server.assert_error(panel.complete(panel.session(b"bad"), "f", 1, fid=fid), 400)


UPWARDS = ["..", "%2e%2e", "%2E.", ".%2e"]
SLASHES = ["/", "%2f", "%2F"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("slash", SLASHES)
@pytest.mark.parametrize("up", UPWARDS)
@pytest.mark.parametrize(
    "where",
    [
        wrong_on_real(
            ESCAPES, "{fid}/in{s}{up}{s}{up}{s}{up}{s}victim{s}{fid}{s}in{s}secret", name="path"
        ),
        wrong_on_real(ESCAPES, "{fid}{s}in{s}{up}{s}in{s}own", name="path, back to its own"),
        wrong_on_real(ESCAPES, "{fid}/out/{up}/in/own", name="path, out to in"),
        pytest.param("{fid}/{up}/in/own", id="root"),
        pytest.param("{up}/victim/{fid}/in/secret", id="run, more segments"),
        pytest.param("{up}{s}victim{s}{fid}/in/secret", id="run, quoted"),
    ],
)
def test_no_spelling_of_two_dots_leaves_the_place(server, fid, method, slash, up, where):
    with server.panel("user-1") as panel, server.panel("victim") as victim:
        panel.store(fid, {"own": b"own"})
        panel.store(fid, {"own": b"own"}, "out")
        victim.store(fid, {"secret": b"secret"})
        resp = panel.raw(method, "/files/" + where.format(fid=fid, up=up, s=slash))
        assert resp.status_code in (400, 403, 404)
        assert b"secret" not in resp.content.replace(b"/secret", b"")
        assert victim.read(fid, "in/secret") == b"secret"
        assert panel.read(fid, "in/own") == b"own"


@pytest.mark.parametrize(
    "where",
    [
        "{fid}/in/%252e%252e/in/own",
        "{fid}/in/..%5cin%5cown",
        "{fid}/in/own%0a",
        wrong_on_real("answers 500", "{fid}/in/own%00"),
        "{fid}/in/%c0%ae%c0%ae/in/own",
        "{fid}/in/own%ff",
    ],
)
def test_no_other_spelling_finds_a_file(server, panel, fid, where):
    panel.store(fid, {"own": b"own"})
    for method in ("GET", "DELETE"):
        assert panel.raw(method, "/files/" + where.format(fid=fid)).status_code in (400, 403, 404)
    assert panel.read(fid, "in/own") == b"own"


@pytest.mark.parametrize(
    "upload_id",
    [
        wrong_on_real("deletes everything", ".."),
        wrong_on_real("deletes everything", "%2e%2e"),
        wrong_on_real("deletes everything", "..%2f"),
        "%2e%2e%2f%2e%2e",
        wrong_on_real("deletes all sessions", "."),
    ],
)
def test_cancelling_dots_deletes_nothing(own_server, upload_id):
    with own_server.panel("user-1") as panel:
        panel.store("run", {"f": b"data"})
        panel.store("run", {"g": b"data"}, "out")
        waiting = panel.session(b"waiting")
        before = everything(own_server.runs / "user-1")
        assert before == {"run/in/f": b"data", "run/out/g": b"data"}
        assert panel.raw("DELETE", f"/files/cancel/{upload_id}").status_code in (400, 403, 404)
        assert everything(own_server.runs / "user-1") == before
        assert panel.complete(waiting, "w", 1, fid="run").json()["status"] == "upload complete"


def test_a_kodosumi_data_folder_is_served_as_it_is(own_server):
    root = own_server.runs / "8a1b6f0e-8f0e-4c47-8f5d-6f4f6c1f7b2a" / "run" / "in"
    (root / "d").mkdir(parents=True)
    (root / "d" / "f").write_bytes(b"data")
    with own_server.panel("8a1b6f0e-8f0e-4c47-8f5d-6f4f6c1f7b2a") as panel:
        assert panel.paths("run") == ["in/d/f"]
        assert panel.read("run", "in/d/f") == b"data"
        panel.store("run", {"g": b"new"}, "out")
        assert (own_server.runs / panel.user / "run" / "out" / "g").read_bytes() == b"new"


@pytest.mark.real_deviates("follows links to anywhere")
@pytest.mark.parametrize("link, path", [("f", "in/f"), ("d", "in/d/secret")])
def test_a_link_in_the_data_folder_leads_nowhere_outside(own_server, tmp_path, link, path):
    (tmp_path / "secret").write_bytes(b"secret")
    root = own_server.runs / "user-1" / "run" / "in"
    root.mkdir(parents=True)
    (root / link).symlink_to(tmp_path / "secret" if link == "f" else tmp_path)
    with own_server.panel("user-1") as panel:
        resp = panel.get(f"/files/run/{path}")
        assert resp.status_code in (400, 403, 404)
        assert panel.delete(f"/files/run/{path}").status_code in (204, 400, 403, 404)
        assert (tmp_path / "secret").read_bytes() == b"secret"


# --- races ----------------------------------------------------------------------------


@pytest.fixture
def crowd(server) -> Iterator[list[Panel]]:
    crowd = [server.panel("user-1") for _ in range(8)]
    yield crowd
    for one in crowd:
        one.close()


@pytest.mark.twinfs_only("often lets both win, but not surely")
@pytest.mark.parametrize("attempt", range(5))
@pytest.mark.parametrize("chunks", [0, 1, 8])
def test_of_many_completions_of_one_upload_one_wins(panel, crowd, fid, chunks, attempt):
    content = [b"%d" % n * MAX_CHUNK for n in range(chunks)]
    upload_id = panel.session(*content)
    gate = threading.Barrier(len(crowd))

    def complete(n: int) -> dict:
        gate.wait()
        if n % 2:
            return crowd[n].complete(upload_id, str(n), chunks, fid=fid).json()
        return crowd[n].complete_batch(fid, {upload_id: (str(n), chunks)}).json()[0]

    with ThreadPoolExecutor(len(crowd)) as pool:
        answers = list(pool.map(complete, range(len(crowd))))
    [winner] = [answer for answer in answers if "status" in answer]
    assert [answer for answer in answers if answer is not winner] == [
        {"error": "Invalid upload ID"}
    ] * 7
    assert panel.paths(fid) == [f"in/{winner['final_file']}"]
    assert panel.read(fid, f"in/{winner['final_file']}") == b"".join(content)


@pytest.mark.twinfs_only("has no lock between the two")
def test_the_same_chunk_from_many_senders_is_kept_once_and_whole(panel, crowd, fid):
    upload_id = panel.init()
    contents = [b"%d" % n * MAX_CHUNK for n in range(len(crowd))]
    with ThreadPoolExecutor(len(crowd)) as pool:
        answers = list(
            pool.map(lambda n: crowd[n].chunk(upload_id, 0, contents[n]).json(), range(len(crowd)))
        )
    assert answers == [{"status": "chunk received", "chunk_number": 0, "received_chunks": 1}] * len(
        crowd
    )
    panel.complete_batch(fid, {upload_id: ("f", 1)})
    assert panel.read(fid, "in/f") in contents


def test_chunks_of_one_upload_may_be_sent_all_at_once(panel, crowd, fid):
    upload_id = panel.init(total_chunks=8)
    with ThreadPoolExecutor(len(crowd)) as pool:
        answers = list(
            pool.map(lambda n: crowd[n].chunk(upload_id, n, b"%d" % n * 1000).json(), range(8))
        )
    assert {answer["status"] for answer in answers} == {"chunk received"}
    assert [answer["chunk_number"] for answer in answers] == list(range(8))
    assert panel.chunk(upload_id, 0, b"").json()["received_chunks"] == 8
    panel.complete_batch(fid, {upload_id: ("f", 8)})
    assert panel.read(fid, "in/f") == b"".join(b"%d" % n * 1000 for n in range(8))


@pytest.mark.twinfs_only("shows files while it writes them")
def test_a_reader_sees_the_old_file_or_the_new_one_and_no_part(panel, crowd, fid):
    old, new = b"o" * (6 * MAX_CHUNK), b"n" * (8 * MAX_CHUNK)
    seen, done = set(), threading.Event()

    def read() -> None:
        while True:
            last = done.is_set()
            seen.add(crowd[0].read(fid, "in/f"))
            sizes = {item["size"] for item in crowd[0].get(f"/files/{fid}/in").json()}
            assert sizes in ({len(old)}, {len(new)})
            if last:
                return

    panel.store(fid, {"f": old})
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        for _ in range(4):
            panel.store(fid, {"f": new})
            panel.store(fid, {"f": old})
        panel.store(fid, {"f": new})
        done.set()
        reader.result()
    assert seen <= {old, new}
    assert new in seen


@pytest.mark.parametrize("blocker, name", [("f", "f/below"), ("d/x", "d")])
def test_a_file_does_not_take_the_place_of_a_folder_nor_lie_below_a_file(panel, fid, blocker, name):
    panel.store(fid, {blocker: b"first"})
    resp = panel.complete(panel.session(b"second"), name, 1, fid=fid)
    assert resp.status_code >= 400 or "error" in resp.json()
    assert panel.paths(fid) == [f"in/{blocker}"]
    assert panel.read(fid, f"in/{blocker}") == b"first"
