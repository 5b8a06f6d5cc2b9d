"""The servers of a run that has its own: a primary with an append-only file, and a replica."""

import itertools
import shutil
from contextlib import suppress
from pathlib import Path

import redis
from anyio import to_thread

from engine.embedded import EmbeddedServer, ServerSettings
from loadtest.chaos.patience import RunFailed, until
from loadtest.chaos.proxy import Upstream

TAIL = 1 << 16
"""Bytes of the append-only file that a crash of the machine costs at most."""

IN_STEP = 30.0
"""Seconds that a new replica may take to get in step with its primary."""

# What has been written is sent to a replica, and asked for by it, without delay.
_CONFIG = {"repl-diskless-sync-delay": "0", "repl-ping-replica-period": "1"}


class Servers:
    """Two servers, one of which is the primary; started by ``start`` and ended by ``stop``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._primary = self._new()
        self._replica: EmbeddedServer | None = None
        self.upstream = Upstream("127.0.0.1", 0)
        """Where the primary is; changed in place when another becomes it."""

    async def start(self, *, with_replica: bool) -> None:
        """Start the primary, and a replica in step with it if wanted."""
        await to_thread.run_sync(self._primary.start)
        self.upstream.port = _port(self._primary)
        if with_replica:
            await self.add_replica()

    def stop(self) -> None:
        for server in (self._replica, self._primary):
            if server is not None:
                server.stop(0)

    async def restart(self) -> None:
        """Kill the primary, and start it with what its append-only file holds."""
        self._primary.kill()
        await to_thread.run_sync(self._primary.start)

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
        self._primary, self._replica = self._replica, None
        with self._client() as client:
            client.execute_command("REPLICAOF", "NO", "ONE")
        self.upstream.port = _port(self._primary)

    async def add_replica(self) -> None:
        """Start a replica and wait until it is in step. Raises RunFailed if it does not get so."""
        if self._replica is not None:
            return
        replica = self._new()
        await to_thread.run_sync(replica.start)
        self._replica = replica
        with redis.Redis.from_url(replica.url) as client:
            client.execute_command("REPLICAOF", "127.0.0.1", _port(self._primary))

        async def in_step() -> bool:
            with redis.Redis.from_url(replica.url) as client:
                return bool(client.info("replication")["master_link_status"] == "up")

        if not await until(in_step, IN_STEP):
            raise RunFailed(f"the replica does not get in step; {replica.last_words()}")

    @property
    def _appended(self) -> Path:
        assert self._primary.settings.directory is not None
        return self._primary.settings.directory / "appendonlydir"

    def _client(self) -> "redis.Redis":
        return redis.Redis.from_url(self._primary.url)

    def _new(self) -> EmbeddedServer:
        folder = self._folder / f"server-{next(self._numbers)}"
        return EmbeddedServer(ServerSettings(directory=folder, port=0, config=_CONFIG))


def _port(server: EmbeddedServer) -> int:
    return int(server.url.rpartition(":")[2].partition("/")[0])
