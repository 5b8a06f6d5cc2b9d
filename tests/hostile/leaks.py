"""A marked password, and all the places where it could turn up (G10).

What may live here: the mark, the servers that know it, and the looking.
"""

import gc
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import redis

from tests.redis_servers import Authority, answers, free_ports, start, tls_options
from tests.waiting import eventually

MARK = "Zq7"
RIGHT = "Zq7a/Zq7b?Zq7c#Zq7d@Zq7e:Zq7f%Zq7g"
"""In pieces, whatever is cut out of it has the mark."""
WRONG = f"{RIGHT}-not"

USER, ADMIN = "desk", "admin"

ROOMS = ("azfinsim", "consumer", "engine", "infra", "loadtest", "producer", "redis")
"""The packages whose objects are asked what they are."""


def in_url(password: str) -> str:
    """The password as it stands in a URL."""
    return quote(password, safe="")


def marked(data: bytes | str) -> bool:
    return MARK in (data.decode(errors="replace") if isinstance(data, bytes) else data)


@dataclass(slots=True)
class Leaks:
    """Where the mark was seen."""

    found: list[str] = field(default_factory=list)

    def look(self, where: str, data: bytes | str) -> None:
        """Note the line that has it."""
        text = data.decode(errors="replace") if isinstance(data, bytes) else data
        if marked(text):
            at = text.index(MARK)
            self.found.append(f"{where}: …{text[max(at - 200, 0) : at + 20]}…")

    def look_at_files(self, folder: Path, but: Iterable[Path]) -> None:
        """What is written below a folder, names included."""
        for path in folder.rglob("*"):
            self.look("a file's name", str(path))
            if path.is_file() and path not in but:
                self.look(str(path), path.read_bytes())

    def look_at_objects(self) -> None:
        """All that lives in this process and is ours or the client's."""
        for each in gc.get_objects():
            # Not isinstance: some proxies import what they stand for when they are asked. And not
            # every type knows its module.
            if str(type(each).__module__).partition(".")[0] in ROOMS:
                with suppress(ReferenceError):
                    self.look(f"repr of {type(each)}", repr(each))
                    self.look(f"str of {type(each)}", str(each))

    def look_at_server(self, admin: Any) -> None:
        """All that a server keeps, and says of those who use it."""
        self.look("CLIENT LIST", str(admin.client_list()))
        self.look("SLOWLOG", str(admin.slowlog_get(1000)))
        self.look("ACL LOG", str(admin.acl_log()))
        for key in admin.scan_iter(count=1000):
            self.look("a key", key)
            self.look(f"the value of {key!r}", str(_value(admin, key)))


def _value(admin: Any, key: bytes) -> object:
    match admin.type(key):
        case b"string":
            return admin.get(key)
        case b"hash":
            return admin.hgetall(key)
        case b"set":
            return admin.smembers(key)
        case b"zset":
            return admin.zrange(key, 0, -1)
        case b"stream":
            return admin.xrange(key)
    raise AssertionError(f"{key!r} is of a type that nobody looks into")


@contextmanager
def watching_processes(leaks: Leaks) -> Iterator[None]:
    """Look at every argument list on this machine, again and again."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.01):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    leaks.look("an argument list", path.read_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


@contextmanager
def watching_commands(leaks: Leaks, port: int) -> Iterator[None]:
    """Look at every command that a server is sent."""
    last = "that is all"
    with (
        redis.Redis(port=port, username=ADMIN, password=ADMIN, socket_timeout=None) as client,
        client.monitor() as monitor,
    ):
        seen: list[str] = []

        def watch() -> None:
            for command in monitor.listen():
                seen.append(str(command))
                if last in seen[-1]:
                    return

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            client.echo(last)
            watcher.join()
    assert len(seen) > 1, "nobody spoke to the server"
    leaks.look("MONITOR", "\n".join(seen))


@contextmanager
def telemetry_sink(leaks: Leaks) -> Iterator[str]:
    """Somebody who takes OTLP over HTTP, and looks at it; yields the endpoint."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            leaks.look(f"telemetry, {self.path}", body)
            leaks.look("headers of telemetry", str(self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody need know."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


@dataclass(frozen=True, slots=True)
class Servers:
    """One server, at a port in clear and at one that speaks TLS."""

    port: int
    tls_port: int
    ca: Path
    """Who has signed its certificate."""

    def admin(self) -> Any:
        return redis.Redis(port=self.port, username=ADMIN, password=ADMIN)


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Redis itself, with a user who has the password, and nobody without one."""
    port, tls_port = free_ports(2)
    made = Authority(folder / "ca")
    users = "\n".join(
        [
            "user default off",
            f"user {USER} on #{sha256(RIGHT.encode()).hexdigest()} ~* &* +@all",
            f"user {ADMIN} on >{ADMIN} ~* &* +@all",
        ]
    )
    config = folder / "redis.conf"
    config.write_text(f'save ""\n{users}\n')
    tls = tls_options(made.issue("server"), made.file, tls_port)
    # Of those, the first closes the other port.
    held = start(folder / "redis", "--port", str(port), *tls[2:], config=config)
    try:
        found = Servers(port, tls_port, made.file)
        with found.admin() as client:
            eventually(lambda: answers(client.ping), what="a Redis server")
        yield found
    finally:
        held.stop(1.0)


def without_settings() -> dict[str, str]:
    """The environment without what somebody may have set for azfinsim."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AZFINSIM_")}
