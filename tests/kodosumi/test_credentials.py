"""Who is let in, under which name, and how one gets a token."""

import time

import httpx
import pytest

from marks import wrong_on_real
from panel import MAX_CHUNK, Server, is_uuid4, mint

NAME, PASSWORD = "admin", "admin"


@pytest.fixture
def anyone(server: Server):
    with httpx.Client(base_url=server.url, timeout=60) as anyone:
        yield anyone


@pytest.mark.parametrize(
    "headers",
    [
        {"KODOSUMI_API_KEY": "{token}"},
        {"kodosumi_api_key": "{token}"},
        {"Cookie": "kodosumi_jwt={token}"},
        {"Cookie": "other=1; kodosumi_jwt={token}; more=2"},
        {"KODOSUMI_API_KEY": "{token}", "Cookie": "kodosumi_jwt=bad"},
        {
            "KODOSUMI_API_KEY": "",
            "Cookie": "kodosumi_jwt={token}",
        },  # as Kodosumi's services complete a form
        wrong_on_real("does not know it", {"Authorization": "Bearer {token}"}),
    ],
    ids=str,
)
def test_a_credential_is_taken_from_header_or_cookie(server, anyone, panel, fid, headers):
    panel.store(fid, {"f": b"mine"})
    filled = {name: value.format(token=panel.token) for name, value in headers.items()}
    resp = anyone.get(f"/files/{fid}/in/f", headers=filled)
    assert (resp.status_code, resp.content) == (200, b"mine")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"KODOSUMI_API_KEY": ""},
        {"KODOSUMI_API_KEY": "x.y.z"},
        {"Cookie": "kodosumi_jwt="},
        {"KODOSUMI_API_KEY": "bad", "Cookie": "kodosumi_jwt={token}"},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"Cookie": "kodosumi={token}"},
        {"KODOSUMI_API_KEY": "{token}x"},
        {"KODOSUMI_API_KEY": "{token}."},
    ],
    ids=str,
)
def test_without_a_valid_credential_nobody_is_let_in(server, anyone, panel, fid, headers):
    filled = {name: value.format(token=panel.token) for name, value in headers.items()}
    server.assert_error(
        anyone.get(f"/files/{fid}/in", headers=filled), 401, "NotAuthorizedException"
    )


@pytest.mark.parametrize(
    "method, path",
    [
        ("POST", "/files/init_batch"),
        ("POST", "/files/init"),
        ("POST", "/files/chunk"),
        ("POST", "/files/complete/in"),
        ("POST", "/files/complete/f/b/in"),
        ("DELETE", "/files/cancel/x"),
        ("GET", "/files/f/in"),
        ("GET", "/files/f/in/x"),
        ("GET", "/files/f/other"),
        ("DELETE", "/files/f/in"),
        ("DELETE", "/files/f/in/x"),
        wrong_on_real("has no such route", "POST", "/files/cancel"),
        wrong_on_real("has no such route", "PUT", "/files/f/in/x"),
        wrong_on_real("has no such route", "POST", "/files/tus"),
    ],
)
def test_every_route_wants_a_credential(server, anyone, method, path):
    server.assert_error(anyone.request(method, path), 401, "NotAuthorizedException")


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"exp": int(time.time()) + 3600, "iat": int(time.time())},
        {"extra": [1]},
        {"iat": time.time() + 3000},
    ],
    ids=["floats", "ints", "more claims", "clock ahead"],
)
@pytest.mark.parametrize(
    "sub",
    ["no-record-1", "8a1b6f0e-8f0e-4c47-8f5d-6f4f6c1f7b2a", "name@example.com", "é 😀", "...x"],
)
def test_a_well_formed_subject_is_let_in_without_a_record(server, anyone, fid, claims, sub):
    resp = anyone.get(f"/files/{fid}/in", headers={"KODOSUMI_API_KEY": server.token(sub, **claims)})
    assert (resp.status_code, resp.json()) == (200, [])


@pytest.mark.parametrize(
    "alg, secret", [("none", None), ("HS384", None), ("HS512", None), ("HS256", "another")]
)
def test_a_token_of_another_algorithm_or_secret_is_refused(server, anyone, fid, alg, secret):
    now = time.time()
    token = mint({"exp": now + 60, "iat": now, "sub": "user-1"}, secret or server.secret, alg)
    resp = anyone.get(f"/files/{fid}/in", headers={"KODOSUMI_API_KEY": token})
    server.assert_error(resp, 401, "NotAuthorizedException")


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": time.time() - 5},
        {"exp": 0},
        {"exp": "tomorrow"},
        {"sub": 5},
        {"sub": None},
        {"nbf": time.time() + 3600},
        {"iat": "yesterday"},
    ],
    ids=str,
)
def test_a_token_with_a_bad_claim_is_refused(server, anyone, fid, claims):
    resp = anyone.get(
        f"/files/{fid}/in", headers={"KODOSUMI_API_KEY": server.token(**{"sub": "user-1"} | claims)}
    )
    server.assert_error(resp, 401, "NotAuthorizedException")


@pytest.mark.real_deviates("answers 500")
@pytest.mark.parametrize("missing", ["exp", "iat", "sub"])
def test_a_token_without_one_of_its_claims_is_refused(server, anyone, fid, missing):
    claims = {"exp": time.time() + 60, "iat": time.time(), "sub": "user-1"}
    del claims[missing]
    resp = anyone.get(f"/files/{fid}/in", headers={"KODOSUMI_API_KEY": mint(claims, server.secret)})
    server.assert_error(resp, 401, "NotAuthorizedException")


@pytest.mark.real_deviates("accepts it and uses it as a folder")
@pytest.mark.parametrize(
    "sub",
    [
        "",
        ".",
        "..",
        "../..",
        "../victim",
        "a/b",
        "/abs",
        "a/",
        "/a",
        "a\0b",
        "a\nb",
        "x" * 256,
        ".twinfs-x",
    ],
)
def test_a_signed_subject_that_is_no_single_component_is_refused(server, anyone, fid, sub):
    resp = anyone.get(f"/files/{fid}/in", headers={"KODOSUMI_API_KEY": server.token(sub)})
    server.assert_error(resp, 401, "NotAuthorizedException")


# --- whose it is ----------------------------------------------------------------------


def test_the_same_run_id_is_another_run_for_another_user(server, panel, stranger, fid):
    panel.store(fid, {"f": b"mine"})
    assert stranger.paths(fid) == []
    server.assert_error(stranger.get(f"/files/{fid}/in/f"), 404, "NotFoundException")
    server.assert_error(stranger.delete(f"/files/{fid}/in/f"), 404, "NotFoundException")
    stranger.store(fid, {"f": b"theirs"})
    assert (panel.read(fid, "in/f"), stranger.read(fid, "in/f")) == (b"mine", b"theirs")


@pytest.mark.real_deviates("has sessions without an owner")
@pytest.mark.parametrize("act", ["chunk", "complete", "batch", "cancel"])
def test_another_users_upload_is_unknown(server, panel, stranger, fid, act):
    upload_id = panel.session(b"mine")
    if act == "chunk":
        expected = {"error": "Invalid upload ID - upload not initialized"}
        assert stranger.chunk(upload_id, 1, b"theirs").json() == expected
    elif act == "complete":
        assert stranger.complete(upload_id, "f", 1, fid=fid).json() == {
            "error": "Invalid upload ID"
        }
    elif act == "batch":
        assert stranger.complete_batch(fid, {upload_id: ("f", 1)}).json() == [
            {"error": "Invalid upload ID"}
        ]
    else:
        server.assert_error(stranger.delete(f"/files/cancel/{upload_id}"), 404, "NotFoundException")
    panel.complete_batch(fid, {upload_id: ("f", 1)})
    assert panel.read(fid, "in/f") == b"mine"
    assert stranger.paths(fid) == []


# --- logging in -----------------------------------------------------------------------

LOGINS = {
    "json": lambda anyone, **body: anyone.post("/api/login", json=body),
    "form": lambda anyone, **body: anyone.post("/login", data=body),
    "query": lambda anyone, **body: anyone.get("/login", params=body),
}


@pytest.fixture(params=LOGINS)
def login(request, anyone):
    return lambda **body: LOGINS[request.param](anyone, **body)


def test_a_login_gives_a_token_that_works_as_header_and_as_cookie(server, anyone, login, fid):
    resp = login(name=NAME, password=PASSWORD)
    assert resp.status_code == 200
    assert list(resp.json()) == ["name", "id", "KODOSUMI_API_KEY"]
    assert resp.json()["name"] == NAME
    assert is_uuid4(resp.json()["id"])
    token = resp.json()["KODOSUMI_API_KEY"]
    assert resp.cookies["kodosumi_jwt"] == token
    for credential in ({"KODOSUMI_API_KEY": token}, {"Cookie": f"kodosumi_jwt={token}"}):
        listed = httpx.get(f"{server.url}/files/{fid}/in", headers=credential, timeout=60)
        assert listed.json() == []
    with server.panel(resp.json()["id"]) as same_user:
        same_user.store(fid, {"f": b"x"})
    headers = {"KODOSUMI_API_KEY": token}
    assert httpx.get(f"{server.url}/files/{fid}/in/f", headers=headers, timeout=60).content == b"x"


@pytest.mark.parametrize(
    "attribute", ["path=/", "samesite=lax", wrong_on_real("leaves it to scripts", "httponly")]
)
def test_the_cookie_has_its_attributes_and_no_secure_without_tls(login, attribute):
    [cookie] = login(name=NAME, password=PASSWORD).headers.get_list("set-cookie")
    attributes = [part.strip().lower() for part in cookie.split(";")[1:]]
    assert attribute in attributes
    assert "secure" not in attributes


@pytest.mark.parametrize(
    "body",
    [
        {"name": NAME, "password": "wrong"},
        {"name": "nobody", "password": PASSWORD},
        {"name": NAME, "password": ""},
        {"name": NAME.upper(), "password": PASSWORD},
        {"name": NAME, "password": PASSWORD + " "},
        {"name": "' OR 1=1 --", "password": PASSWORD},
        wrong_on_real(
            "answers 500", {"name": NAME, "password": "x" * 10_000}, name="a very long password"
        ),
    ],
    ids=str,
)
def test_a_bad_login_is_refused_without_a_cookie(server, login, body):
    resp = login(**body)
    server.assert_error(resp, 401, "NotAuthorizedException")
    assert "set-cookie" not in resp.headers


@pytest.mark.parametrize("body", [{"name": NAME}, {"password": PASSWORD}, {}], ids=str)
def test_a_login_without_one_of_its_fields_is_refused(server, login, body):
    server.assert_error(login(**body), 400, "ValidationException")


@pytest.mark.twinfs_only("needs a credential there, and starts a Ray cluster")
@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_health_needs_no_credential(anyone, path):
    assert anyone.get(path).status_code == 200


@pytest.mark.twinfs_only("has no such option")
def test_strict_takes_no_password_in_a_url(start):
    server = start("--strict")
    asked = {"name": NAME, "password": PASSWORD}
    refused = httpx.get(f"{server.url}/login", params=asked, timeout=60)
    assert refused.status_code in (404, 405)


def test_a_chunk_without_a_credential_is_refused_whatever_its_size(server, anyone):
    resp = anyone.post(
        "/files/chunk",
        data={"upload_id": "x", "chunk_number": "0"},
        files={"chunk": bytes(MAX_CHUNK)},
    )
    server.assert_error(resp, 401, "NotAuthorizedException")
