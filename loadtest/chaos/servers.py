"""The servers of a run that has its own: a primary with an append-only file, and a replica."""

import itertools
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import redis
from anyio import CancelScope, to_thread

from engine.connection import Address
from engine.embedded import EmbeddedServer, ServerSettings
from loadtest.chaos.patience import RunFailed, until
from loadtest.chaos.proxy import Upstream
from loadtest.chaos.tls import Identity, TlsServer

TAIL = 1 << 16
"""Bytes of the append-only file that a crash of the machine costs at most."""

IN_STEP = 30.0
"""Seconds that a new replica may take to get in step with its primary."""

# What has been written is sent to a replica, and asked for by it, without delay.
_CONFIG = {"repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1"}


class Server(Protocol):
    """One server with an append-only file."""

    @property
    def url(self) -> str:
        """For a client of redis-py; it stays the same."""

    @property
    def running(self) -> bool:
        """Whether its process lives."""

    @property
    def pid(self) -> int:
        """Of its process."""

    def start(self) -> None: ...

    def stop(self, seconds: float) -> None: ...

    def kill(self) -> None: ...

    def wait(self, seconds: float) -> object:
        """Wait until it ends by itself, at most so long."""

    def last_words(self) -> str: ...


Make = Callable[[Path], Server]
"""Makes a server that keeps its files in a directory of its own."""

At = Callable[[int], Address]
"""Where clients find the server, or a proxy before it, that listens on a port."""


def plain() -> tuple[Make, At]:
    """Embedded servers."""

    def make(directory: Path) -> Server:
        return EmbeddedServer(ServerSettings(directory=directory, port=0, config=_CONFIG))

    return make, lambda port: Address.parse(f"redis://127.0.0.1:{port}/0")


def with_tls(folder: Path) -> tuple[Make, At]:
    """Servers that speak TLS alone; their certificate lies in a folder, which this makes."""
    identity = Identity(folder)
    identity.make()

    def at(port: int) -> Address:
        files = {"AZFINSIM_REDIS_CA_FILE": str(identity.ca)}
        return Address.parse(f"rediss://127.0.0.1:{port}/0", files)

    return lambda directory: TlsServer(directory, identity), at


class Servers:
    """Two servers, one of which is the primary; started by ``start`` and ended by ``stop``."""

    def __init__(self, folder: Path, make: Make) -> None:
        self._folder = folder
        self._make = make
        self._numbers = itertools.count(1)
        self._primary, self._directory = self._new()
        self._replica: tuple[Server, Path] | None = None
        self.upstream = Upstream("127.0.0.1", 0)
        """Where the primary is; changed in place when another becomes it."""
        self._restarting = False

    @property
    def running(self) -> bool:
        """Whether there is a primary, or one is on its way back."""
        return self._restarting or self._primary.running

    @property
    def pid(self) -> int:
        """Of the primary's process."""
        return self._primary.pid

    async def start(self, *, with_replica: bool) -> None:
        """Start the primary, and a replica in step with it if wanted."""
        await to_thread.run_sync(self._primary.start)
        self.upstream.port = _port(self._primary)
        if with_replica:
            await self.add_replica()

    def stop(self) -> None:
        self._primary.stop(0)
        if self._replica is not None:
            self._replica[0].stop(0)

    async def restart(self, _target: int) -> None:
        """Kill the primary, and start it with what its append-only file holds."""
        self._restarting = True
        try:
            # Whoever is cancelled meanwhile leaves no server that is away for good.
            with CancelScope(shield=True):
                self._primary.kill()
                await to_thread.run_sync(self._primary.start)
        finally:
            self._restarting = False

    async def forget(self) -> None:
        """Shut the primary down without saving, and start it empty."""
        with self._client() as client, suppress(redis.ConnectionError):
            client.config_set("appendonly", "no")
            client.execute_command("SHUTDOWN", "NOSAVE", "NOW", "FORCE")
        await to_thread.run_sync(self._primary.wait, 10.0)
        self._primary.kill()
        shutil.rmtree(self._appended, ignore_errors=True)
        await to_thread.run_sync(self._primary.start)

    async def lose_tail(self) -> int:
        """Kill the primary and start it without its last writes; returns how many bytes it lost."""
        self._primary.kill()
        file = max(self._appended.glob("*.incr.aof"), key=lambda path: path.stat().st_mtime)
        size = file.stat().st_size
        lost = min(TAIL, size // 4)
        with file.open("r+b") as kept:
            kept.truncate(size - lost)
        await to_thread.run_sync(self._primary.start)
        return lost

    async def promote(self) -> None:
        """Kill the primary and make the replica it, with what of the last writes it has got.

        Raises RunFailed if there is none.
        """
        if self._replica is None:
            raise RunFailed("there is no replica to promote")
        self._primary.kill()
        self._primary.stop(0)
        (self._primary, self._directory), self._replica = self._replica, None
        with self._client() as client:
            client.execute_command("REPLICAOF", "NO", "ONE")
        self.upstream.port = _port(self._primary)

    async def add_replica(self) -> None:
        """Start a replica and wait until it is in step. Raises RunFailed if it does not get so."""
        if self._replica is not None:
            return
        replica, directory = self._new()
        await to_thread.run_sync(replica.start)
        self._replica = replica, directory
        with redis.Redis.from_url(replica.url) as client:
            client.execute_command("REPLICAOF", "127.0.0.1", _port(self._primary))

        async def in_step() -> bool:
            with redis.Redis.from_url(replica.url) as client:
                return bool(client.info("replication")["master_link_status"] == "up")

        if not await until(in_step, IN_STEP):
            raise RunFailed(f"the replica does not get in step; {replica.last_words()}")

    @property
    def _appended(self) -> Path:
        return self._directory / "appendonlydir"

    def _client(self) -> "redis.Redis":
        return redis.Redis.from_url(self._primary.url)

    def _new(self) -> tuple[Server, Path]:
        """A server, and where its files are."""
        folder = self._folder / f"server-{next(self._numbers)}"
        return self._make(folder), folder


def _port(server: Server) -> int:
    return int(server.url.rpartition(":")[2].partition("/")[0])
