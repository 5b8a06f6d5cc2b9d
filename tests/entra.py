"""Entra ID and a Key Vault of a test's own: what a machine on Azure asks for tokens and secrets.

What may live here: the token endpoint of a managed identity, servers' users who come and go with
their tokens, and a vault.
"""

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import redis

from engine.identity import SCOPE
from tests.redis_servers import Authority

CLIENT_ID = "11111111-1111-1111-1111-111111111111"

REFUSED = (400, {"error": "invalid_request", "error_description": "Identity not found"})
"""What the token endpoint says to whom it does not know; the SDK does not ask again."""

Answer = tuple[int, dict[str, Any]]


def token(mark: str = "", **claims: Any) -> str:
    """A JSON web token that nobody has signed."""
    parts = ({"alg": "none"}, {"aud": SCOPE, **claims})
    encoded = [
        base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode() for p in parts
    ]
    return ".".join([*encoded, f"signature{mark}"])


@dataclass
class Entra:
    """Gives tokens, and has servers know whom they are for until they expire.

    Each token names a user of its own, where Azure's name the same one. So a server's list of
    clients tells which token each has shown; and deleting the user, at the token's expiry, cuts
    those who have shown no later one, as Azure does.
    """

    servers: list[Any]
    """Clients that may make users."""
    life: float = 3600.0
    """Seconds that a token lives."""
    mark: str = ""
    """What stands in each token."""
    refused: bool = False
    """Whether it gives none."""
    issued: list[str] = field(default_factory=list)
    """The users of all tokens, in order."""
    askers: set[str] = field(default_factory=set)
    """The client IDs that were asked for; empty where none was."""
    host: str = ""
    _living: dict[str, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def environment(self) -> dict[str, str]:
        """By which the SDK finds it."""
        return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": self.host}

    def give(self, query: dict[str, str]) -> Answer:
        """What the token endpoint answers."""
        if self.refused:
            return REFUSED
        resource = query["resource"]
        # The service tells whole seconds.
        expires = int(time.time() + self.life)
        with self._lock:
            user = f"oid-{len(self.issued)}"
            made = token(self.mark, oid=user, exp=expires)
            if resource == SCOPE.removesuffix("/.default"):
                self.askers.add(query.get("client_id", ""))
                self.issued.append(user)
                self._living[user] = expires
                known = f"#{sha256(made.encode()).hexdigest()}"
                for server in self.servers:
                    server.execute_command("ACL", "SETUSER", user, "on", known, "~*", "+@all")
        told = {"access_token": made, "expires_on": str(expires), "resource": resource}
        return 200, {**told, "token_type": "Bearer", "expires_in": str(int(self.life))}

    def expire(self, *, all_: bool = False) -> None:
        """End what has expired, and with it the connections of those who have shown that."""
        with self._lock:
            for user, expires in list(self._living.items()):
                if all_ or expires <= time.time():
                    del self._living[user]
                    for server in self.servers:
                        with suppress(redis.RedisError):
                            server.execute_command("ACL", "DELUSER", user)


@dataclass
class Vault:
    """A Key Vault with one secret."""

    value: str = ""
    away: bool = False
    forbidden: bool = False
    reads: int = 0
    port: int = 0
    ca: Path = Path()

    @property
    def url(self) -> str:
        """Of the secret."""
        return f"https://127.0.0.1:{self.port}/secrets/redis-password"

    def read(self, path: str) -> Answer:
        self.reads += 1
        if self.away:
            return 503, {}
        if self.forbidden:
            told = {"code": "Forbidden", "message": "Caller is not authorized"}
            return 403, {"error": told}
        if not path.startswith("/secrets/redis-password/"):
            return 404, {"error": {"code": "SecretNotFound", "message": "A secret was not found"}}
        return 200, {"value": self.value, "id": f"{self.url}/1", "attributes": {}}


class _Handler(BaseHTTPRequestHandler):
    """Answers requests as told."""

    protocol_version = "HTTP/1.1"
    answer: Callable[["_Handler"], Answer]

    def do_GET(self) -> None:
        status, told = type(self).answer(self)
        body = json.dumps(told).encode()
        self.send_response(status)
        if status == 401:
            # The SDK compares the end of the host with that of the vault it was told of: a name
            # of Azure's would not do here, nor would any that somebody else has.
            resource = f'resource="https://0.0.1:{self.server.server_port}"'  # type: ignore[attr-defined]
            tenant = 'authorization="https://login.microsoftonline.com/tenant"'
            self.send_header("WWW-Authenticate", f"Bearer {tenant}, {resource}")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody need know."""


@contextmanager
def _serving(
    answer: Callable[[_Handler], Answer], context: ssl.SSLContext | None = None
) -> Iterator[int]:
    handler = type("Handler", (_Handler,), {"answer": staticmethod(answer)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        if context is not None:
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            serving.join()


@contextmanager
def entra_for(*servers: Any, **options: Any) -> Iterator[Entra]:
    """Entra ID for some servers, with users who end with their tokens."""
    made = Entra(list(servers), **options)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.02):
            made.expire()

    def answer(asked: _Handler) -> Answer:
        return made.give(dict(parse_qsl(urlsplit(asked.path).query)))

    with ExitStack() as stack:
        made.host = f"http://127.0.0.1:{stack.enter_context(_serving(answer))}"
        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield made
        finally:
            ended.set()
            watcher.join()


@contextmanager
def vault_in(folder: Path, **options: Any) -> Iterator[Vault]:
    """A vault with a certificate of a CA in the folder."""
    made = Vault(**options)
    authority = Authority(folder / "vault")
    own = authority.issue("server")
    made.ca = authority.file
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.cert, own.key)

    def answer(asked: _Handler) -> Answer:
        if not asked.headers.get("Authorization", "").startswith("Bearer "):
            return 401, {}
        return made.read(urlsplit(asked.path).path)

    with _serving(answer, context) as made.port:
        yield made
