"""Azurite, which speaks as Blob Storage does, behind what may go wrong on the way to it.

Entra ID's part is played by a metadata service that issues tokens, as a managed identity gets them.
"""

import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.waiting import eventually

ACCOUNT = "devstoreaccount1"

AZURITE = os.environ.get("AZURITE_BLOB") or shutil.which("azurite-blob")

needs_azurite = pytest.mark.skipif(
    AZURITE is None, reason="azurite-blob is not installed: npm install -g azurite"
)


@dataclass(frozen=True, slots=True)
class Certificate:
    cert: Path
    key: Path


def certificate(folder: Path) -> Certificate:
    """A certificate of this machine, which its maker vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=24))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    found = Certificate(folder / "cert.pem", folder / "key.pem")
    found.cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    found.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return found


def token(audience: str, seconds: float = 3600) -> str:
    """A token such as Azurite believes: it looks at all but the signature."""
    now = int(time.time())
    claims = {
        "aud": audience,
        "iss": "https://sts.windows.net/ab1f708d-50f6-404c-a006-d71b2ac7a606/",
        "iat": now - 60,
        "nbf": now - 60,
        "exp": now + int(seconds),
        "oid": "11111111-1111-1111-1111-111111111111",
        "tid": "ab1f708d-50f6-404c-a006-d71b2ac7a606",
    }

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return ".".join([part({"alg": "RS256", "typ": "JWT"}), part(claims), "c2lnbmF0dXJl"])


@contextmanager
def identity(audience: str = "https://storage.azure.com") -> Iterator[str]:
    """Serve a managed identity's tokens; yields the host for AZURE_POD_IDENTITY_AUTHORITY_HOST."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = {
                "access_token": token(audience),
                "expires_in": "3600",
                "expires_on": str(int(time.time()) + 3600),
                "resource": audience,
                "token_type": "Bearer",
            }
            data = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class BlobServer:
    """Where to write, and what is to go wrong on the way."""

    port: int
    certificate: Certificate
    fail: list[int | str] = field(default_factory=list)
    """What becomes of the next requests that write: a status; ``cut``, before it arrives;
    ``deaf``, done but not answered; or 0, nothing."""
    down: bool = False

    def place(self, path: str = "") -> str:
        return f"https://127.0.0.1:{self.port}/{ACCOUNT}/logs/{path}"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@contextmanager
def azurite(folder: Path, made: Certificate) -> Iterator[int]:
    """Run Azurite, which wants tokens; yields its port."""
    port = _free_port()
    command = [str(AZURITE), "--blobHost", "127.0.0.1", "--blobPort", str(port), "--silent"]
    command += ["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"]
    command += ["--oauth", "basic", "--cert", str(made.cert), "--key", str(made.key)]
    with (folder / "azurite.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        eventually(lambda: _answers(port, made), 60, "Azurite")
        yield port
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()


def _answers(port: int, made: Certificate) -> bool:
    context = ssl.create_default_context(cafile=str(made.cert))
    connection = HTTPSConnection("127.0.0.1", port, timeout=5, context=context)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
    except OSError:
        return False
    finally:
        connection.close()
    return True


class _Way(ThreadingHTTPServer):
    """A proxy in front of Azurite that fails as its state says."""

    daemon_threads = True

    def __init__(self, state: BlobServer, backend: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.state, self.backend = state, backend
        self.trusting = ssl.create_default_context(cafile=str(state.certificate.cert))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(state.certificate.cert, state.certificate.key)
        self.socket = tls.wrap_socket(self.socket, server_side=True)

    def ask(
        self, command: str, path: str, data: bytes, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        """What Azurite answers."""
        connection = HTTPSConnection("127.0.0.1", self.backend, timeout=30, context=self.trusting)
        connection.request(command, path, data, headers)
        response = connection.getresponse()
        answer = (response.status, dict(response.getheaders()), response.read())
        connection.close()
        return answer

    def handle_error(self, *_: object) -> None:
        pass  # A client that has left.


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Way

    def _pass_on(self) -> None:
        state = self.server.state
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        writes = self.command == "PUT" and bool(data)
        how = state.fail.pop(0) if state.fail and writes else 0
        if isinstance(how, int) and how and not state.down:
            self._answer(how, {}, b"")
            return
        if not state.down and how != "cut":
            answer = self.server.ask(self.command, self.path, data, dict(self.headers))
            if how != "deaf":
                self._answer(*answer)
                return
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_PUT = do_HEAD = do_DELETE = _pass_on

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        if "content-length" not in map(str.lower, headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def way_to(backend: int, made: Certificate) -> Iterator[BlobServer]:
    """Stand between Azurite and its clients while the block runs."""
    state = BlobServer(0, made)
    server = _Way(state, backend)
    state.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
