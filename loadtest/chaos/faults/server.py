"""Faults of the server, and of its data."""

from loadtest.chaos.faults.fault import Striking
from loadtest.chaos.patience import patiently

PAUSE_MS = 1500
"""Longer than a lease of the consumers."""


class _OfServer(Striking):
    """The base of them."""

    async def _tell(self, *command: str) -> None:
        await patiently(self.ground.grid.redis.execute_command, *command)


class KillClients(_OfServer):
    """All connections are ended by the server."""

    async def strike(self) -> str:
        await self._tell("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        return "killed all connections"


class Pause(_OfServer):
    """The server answers nobody for a while, and then all."""

    async def strike(self) -> str:
        await self._tell("CLIENT", "PAUSE", str(PAUSE_MS), "ALL")
        return f"the server pauses for {PAUSE_MS} ms"


class Full(_OfServer):
    """No write that takes memory is possible."""

    _before = "0"

    async def strike(self) -> str:
        found = await patiently(self.ground.grid.redis.config_get, "maxmemory")
        self._before = str(found["maxmemory"])
        await self._tell("CONFIG", "SET", "maxmemory", "1")
        return "the server is full"

    async def heal(self) -> None:
        await self._tell("CONFIG", "SET", "maxmemory", self._before)


class Restart(_OfServer):
    """A server is killed, and comes back with its append-only file."""

    async def strike(self) -> str:
        await self.ground.own.restart(self.target)
        return "killed a server and started it again"


class Promote(_OfServer):
    """The server is killed for good; its replica is the server, without the very last writes."""

    async def strike(self) -> str:
        async with self.ground.work.losing():
            await self.ground.primary.promote()
        return "killed the server and promoted its replica"

    async def heal(self) -> None:
        await self.ground.primary.add_replica()


class LoseTail(_OfServer):
    """The server is killed, and its last writes never reached its disk."""

    async def strike(self) -> str:
        async with self.ground.work.losing():
            lost = await self.ground.primary.lose_tail()
        return f"the server has lost its last {lost} bytes"


class Forget(_OfServer):
    """The server loses everything: the book is loaded and the jobs are submitted again."""

    async def strike(self) -> str:
        async with self.ground.work.losing():
            await self.ground.primary.forget()
        return "the server has lost all data"
