"""A client of the Kodosumi files API that hides nothing: raw statuses, headers and bodies."""

import base64
import hashlib
import hmac
import json
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx

MAX_CHUNK = 1024 * 1024
ERROR_KEYS = {"error", "path", "detail", "status_code"}
DIR_ERROR = "Invalid directory type. Must be one of: in, out"
HASHES = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}


def mint(claims: dict[str, Any], secret: str, alg: str = "HS256") -> str:
    """A JSON Web Token made by hand, so that it can be as wrong as a test needs it."""

    def b64(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    signed = (
        b64(json.dumps({"alg": alg, "typ": "JWT"}).encode())
        + "."
        + b64(json.dumps(claims).encode())
    )
    digest = HASHES.get(alg)
    signature = hmac.digest(secret.encode(), signed.encode(), digest) if digest else b""
    return f"{signed}.{b64(signature)}"


@dataclass
class Server:
    """A running server: ``real`` is kodosumi's own, ``twinfs`` is ours."""

    kind: str
    url: str
    secret: str
    data: Path

    @property
    def runs(self) -> Path:
        """The folder that holds ``{user}/{fid}/{in,out}/...``."""
        return self.data / "execution" if self.kind == "real" else self.data

    def token(self, sub: str, **claims: Any) -> str:
        now = time.time()
        return mint({"exp": now + 3600, "iat": now, "sub": sub} | claims, self.secret)

    def panel(self, user: str) -> "Panel":
        return Panel(self, user)

    def assert_error(
        self, resp: httpx.Response, status: int, error: str | None = None, detail: str = ""
    ) -> None:
        """The answer is an error in the one shape that all routes share."""
        assert resp.status_code == status, resp.text
        assert resp.headers["content-type"] == "application/json"
        body = resp.json()
        extra = {"stacktrace"} if self.kind == "real" else {"request_id"}
        assert ERROR_KEYS <= body.keys() <= ERROR_KEYS | extra
        assert body["status_code"] == status
        target = resp.request.extensions.get("target", resp.request.url.raw_path).decode()
        assert body["path"].rstrip("/") == unquote(target.partition("?")[0]).rstrip("/")
        assert error in (None, body["error"])
        assert detail in body["detail"]


class Panel(httpx.Client):
    """One user's session. ``raw`` sends its target byte for byte, the others quote it."""

    def __init__(self, server: Server, user: str) -> None:
        self.user = user
        self.token = server.token(user)
        super().__init__(base_url=server.url, headers={"KODOSUMI_API_KEY": self.token}, timeout=60)

    def raw(self, method: str, target: str, **kwargs: Any) -> httpx.Response:
        return self.request(method, "/", extensions={"target": target.encode()}, **kwargs)

    def init(self, filename: str = "a.txt", total_chunks: int = 1, **fields: Any) -> str:
        resp = self.post(
            "/files/init", json={"filename": filename, "total_chunks": total_chunks} | fields
        )
        assert resp.status_code == 201, resp.text
        return resp.json()["upload_id"]

    def chunk(
        self, upload_id: str, number: int | str, data: bytes, filename: str = "blob"
    ) -> httpx.Response:
        form = {"upload_id": upload_id, "chunk_number": str(number)}
        return self.post(
            "/files/chunk", data=form, files={"chunk": (filename, data, "application/octet-stream")}
        )

    def session(self, *chunks: bytes) -> str:
        """The id of an upload whose chunks have all been received."""
        upload_id = self.init(total_chunks=len(chunks))
        for number, data in enumerate(chunks):
            assert self.chunk(upload_id, number, data).json()["status"] == "chunk received"
        return upload_id

    def complete(
        self,
        upload_id: str,
        filename: Any = "a.txt",
        total_chunks: Any = 1,
        root: str = "in",
        **fields: Any,
    ) -> httpx.Response:
        body = {"upload_id": upload_id, "filename": filename, "total_chunks": total_chunks} | fields
        return self.post(f"/files/complete/{root}", json=body)

    def complete_batch(
        self, fid: str, items: Any, root: str = "in", batch_id: str = "b"
    ) -> httpx.Response:
        """``items`` as the body wants them, or as ``{upload_id: (filename, total_chunks)}``."""
        if isinstance(items, dict):
            items = {
                key: {"filename": item[0], "totalChunks": item[1]}
                if isinstance(item, tuple)
                else item
                for key, item in items.items()
            }
        return self.post(f"/files/complete/{fid}/{batch_id}/{root}", json=items)

    def store(self, fid: str, files: dict[str, bytes], root: str = "in") -> None:
        """Puts files into a run the way the upload form does."""
        items = {}
        for name, data in files.items():
            chunks = [data[at : at + MAX_CHUNK] for at in range(0, len(data), MAX_CHUNK)]
            items[self.session(*chunks)] = (name, len(chunks))
        resp = self.complete_batch(fid, items, root)
        assert [item.get("status") for item in resp.json()] == ["upload complete"] * len(files), (
            resp.text
        )

    def paths(self, fid: str, root: str = "in") -> list[str]:
        return [item["path"] for item in self.get(f"/files/{fid}/{root}").json()]

    def read(self, fid: str, path: str) -> bytes:
        resp = self.get(f"/files/{fid}/{path}")
        assert resp.status_code == 200, resp.text
        return resp.content


def is_uuid4(text: str) -> bool:
    return str(uuid.UUID(text, version=4)) == text
