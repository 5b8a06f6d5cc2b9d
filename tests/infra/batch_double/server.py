"""The service on a port: https, tokens, versions, and what it answers in."""

import json
import secrets
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.infra.batch_double import certificate
from tests.infra.batch_double.faults import Faults
from tests.infra.batch_double.nodes import Account
from tests.infra.batch_double.records import Pool
from tests.infra.batch_double.routes import Refusal, Service

API_VERSION = "2025-06-01"
MEDIA = "application/json; odata=minimalmetadata"


@dataclass(slots=True)
class BatchDouble:
    """A running counterpart of a Batch account."""

    endpoint: str
    identity_endpoint: str
    """Where a process finds its managed identity: AZURE_POD_IDENTITY_AUTHORITY_HOST."""
    certificate: Path
    account: Account
    faults: Faults
    token: str
    """Whoever shows it is let in."""
    requests: list[str] = field(default_factory=list)
    """All that came, as ``METHOD /path``."""

    def pool(self, name: str, slots: int = 1, dedicated: int = 0, spot: int = 0) -> Pool:
        """Make a pool."""
        with self.account.lock:
            made = self.account.pools[name] = Pool(name, slots)
            made.resize(dedicated, spot)
        return made


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler], double: BatchDouble) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.double = double

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up; what is wrong with the double itself shows in its answers."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _send(self, status: int, body: Any, **headers: str) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Not on the tests' terminal."""


class _Batch(_Handler):
    """The service's own interface."""

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = f"{self.command} {parts.path}"
        double = self.server.double
        double.requests.append(asked)
        fault = double.faults.of(asked)
        later = fault.retry_after if fault is not None else None
        try:
            if fault is not None and not fault.done:
                raise Refusal(fault.status, fault.code, fault.told)
            status, body = self._do(parts.path, dict(parse_qsl(parts.query)), raw)
            if fault is not None:
                raise Refusal(fault.status, fault.code, fault.told)
        except Refusal as refusal:
            said = {"lang": "en-us", "value": f"{refusal.why}\nRequestId:x\nTime:y"}
            status, body = refusal.status, {"code": refusal.code, "message": said}
        when = {"Retry_After": str(later)} if later is not None else {}
        self._send(status, body, Content_Type=MEDIA, **when)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer

    def _do(self, path: str, query: dict[str, str], raw: bytes) -> tuple[int, Any]:
        double = self.server.double
        if self.headers.get("Authorization") != f"Bearer {double.token}":
            raise Refusal(401, "AuthenticationFailed", "the token is not valid here")
        if query.get("api-version") != API_VERSION:
            raise Refusal(400, "InvalidApiVersion", str(query.get("api-version")))
        if raw and self.headers.get("Content-Type") != MEDIA:
            raise Refusal(415, "UnsupportedMediaType", str(self.headers.get("Content-Type")))
        try:
            body = json.loads(raw) if raw else None
        except ValueError as error:
            raise Refusal(400, "InvalidRequestBody", str(error)) from None
        status, told = Service(double.account, double.faults).answer(
            self.command, path, query, body
        )
        if isinstance(told, dict) and "skip" in told:
            onward = urlencode({**query, "$skiptoken": told.pop("skip")})
            told["odata.nextLink"] = f"{double.endpoint}{path}?{onward}"
        return status, told


class _Identity(_Handler):
    """What a machine asks for a token of its managed identity."""

    def do_GET(self) -> None:
        query = dict(parse_qsl(urlsplit(self.path).query))
        resource = query.get("resource", "")
        if resource.rstrip("/") != "https://batch.core.windows.net":
            self._send(400, {"error": "invalid_resource"}, Content_Type="application/json")
            return
        token = {"access_token": self.server.double.token, "expires_in": "3600"}
        told = {**token, "token_type": "Bearer", "resource": resource}
        self._send(200, told, Content_Type="application/json")


@contextmanager
def batch_double(folder: Path, *, execute: bool = True) -> Iterator[BatchDouble]:
    """An account without pools, whose tasks are run unless told otherwise."""
    cert, key = certificate.make(folder)
    account, faults = Account(folder / "nodes", execute), Faults()
    double = BatchDouble("", "", cert, account, faults, secrets.token_urlsafe(24))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with (
        _Server(_Batch, double) as secure,
        _Server(_Identity, double) as plain,
    ):
        # Not at accept, where one client that is slow to greet would keep out all others.
        secure.socket = context.wrap_socket(
            secure.socket, server_side=True, do_handshake_on_connect=False
        )
        double.endpoint = f"https://127.0.0.1:{secure.server_port}"
        double.identity_endpoint = f"http://127.0.0.1:{plain.server_port}"
        threads = [
            threading.Thread(target=each.serve_forever, args=(0.02,)) for each in (secure, plain)
        ]
        for thread in threads:
            thread.start()
        try:
            yield double
        finally:
            account.close()
            for each in (secure, plain):
                each.shutdown()
            for thread in threads:
                thread.join()
