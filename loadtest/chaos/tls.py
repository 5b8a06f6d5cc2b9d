"""A Redis server that speaks TLS alone, with a certificate of the run's own.

The embedded server cannot: its wheel is built without.
"""

import random
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import redis

from engine import leash
from engine.errors import UsageError
from loadtest.chaos.patience import RunFailed

PROGRAMS = ("redis-server", "openssl")

_PORTS = range(20_000, 32_768)
"""Below those that systems give to outgoing connections."""

_STARTING = 10.0
"""Seconds that a server may take to answer."""

_POLL_SECONDS = 0.01

_LAST_LINES = 5

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")


def check() -> None:
    """Raise UsageError where there is not what it takes."""
    if missing := [program for program in PROGRAMS if shutil.which(program) is None]:
        raise UsageError(
            f"--ground tls: needs {' and '.join(missing)}: install what is missing "
            "(Debian: apt install redis-server openssl), or take another ground"
        )


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate for 127.0.0.1, its key, and the CA that has signed it, as files."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def options(self) -> list[str]:
        """Of a server that is to be known by it."""
        files = {"ca-cert": "ca.crt", "cert": "server.crt", "key": "server.key"}
        told = [(f"--tls-{name}-file", str(self.folder / file)) for name, file in files.items()]
        return [*(word for pair in told for word in pair), "--tls-auth-clients", "no"]

    def make(self) -> None:
        """Make the files, good for a day."""
        self.folder.mkdir()
        extensions = self.folder / "names"
        extensions.write_text("subjectAltName=IP:127.0.0.1\n")
        name = ("-subj", "/CN=azfinsim-chaos")
        self._openssl("req", "-x509", *_CURVE, *name, "-keyout", "ca.key", "-out", "ca.crt")
        self._openssl("req", *_CURVE, *name, "-keyout", "server.key", "-out", "server.csr")
        signed_by = ("-CA", "ca.crt", "-CAkey", "ca.key", "-extfile", "names", "-days", "1")
        self._openssl("x509", "-req", "-in", "server.csr", *signed_by, "-out", "server.crt")

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


class TlsServer:
    """One server with an append-only file, which can be killed and started again."""

    def __init__(self, directory: Path, identity: Identity) -> None:
        self.directory = directory
        self._identity = identity
        self._port = random.choice(_PORTS)
        self._held: leash.Leash | None = None

    @property
    def port(self) -> int:
        return self._port

    @property
    def url(self) -> str:
        """For a client of redis-py."""
        return f"rediss://127.0.0.1:{self._port}/0?ssl_ca_certs={self._identity.ca}"

    @property
    def pid(self) -> int:
        """Of its process."""
        assert self._held is not None
        return self._held.process.pid

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self._held is not None and self._held.process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers. Raises RunFailed if it does not."""
        self.directory.mkdir(exist_ok=True)
        command = [
            *("redis-server", "--port", "0", "--tls-port", str(self._port)),
            *("--dir", str(self.directory), "--appendonly", "yes", "--appendfsync", "no"),
            *("--save", "", "--tls-replication", "yes", "--repl-diskless-sync-delay", "0"),
            *("--repl-ping-replica-period", "1", *self._identity.options),
        ]
        with self._log.open("ab") as log:
            self._held = leash.start(command, grace=1.0, output=log)
        deadline = time.monotonic() + _STARTING
        while not self._answers():
            if self._held.process.poll() is not None or time.monotonic() > deadline:
                raise RunFailed(f"a TLS server does not start; {self.last_words()}")
            time.sleep(_POLL_SECONDS)

    def stop(self, seconds: float) -> None:
        """End it, by SIGKILL after so long; may be called again."""
        held, self._held = self._held, None
        if held is not None:
            held.stop(seconds)

    def kill(self) -> None:
        """End it by SIGKILL; ``start`` brings it back at the same address."""
        assert self._held is not None
        self._held.kill()

    def wait(self, seconds: float) -> None:
        """Wait until it ends by itself, at most so long."""
        assert self._held is not None
        with suppress(subprocess.TimeoutExpired):
            self._held.process.wait(seconds)

    def last_words(self) -> str:
        """The end of its log."""
        lines = self._log.read_text("utf-8", "replace").splitlines()
        return "its log ends: " + " | ".join(lines[-_LAST_LINES:])

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    def _answers(self) -> bool:
        with suppress(redis.RedisError), redis.Redis.from_url(self.url) as client:
            return bool(client.ping())
        return False
