"""Looking at server and consumers while a test runs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Protocol

from redis.exceptions import NoPermissionError

from engine.connection import node_infos
from engine.grid import Grid
from engine.job import Lane
from loadtest.waits import Waits

LANES = (Lane.REALTIME, Lane.HIGH, Lane.BULK)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at one moment; rates and CPU are since the last look. None is not known."""

    backlog: Mapping[Lane, int]
    pending: int
    consumers: int
    slots: int
    redis_cpu: float | None = None
    """Cores."""
    redis_memory: int | None = None
    """Bytes."""
    redis_ops: float | None = None
    """Commands a second."""
    consumer_cpu: float | None = None
    """Cores, of all that were started here."""
    consumer_memory: int | None = None
    """Bytes, of the largest of them."""
    waited: float | None = None
    """Cores that processes here wanted and did not get."""


@dataclass(frozen=True, slots=True)
class _Server:
    """Sums over the server's nodes since they were started."""

    cpu: float
    memory: int
    commands: int


class Queues(Protocol):
    """What waits for consumers."""

    async def backlog(self) -> Mapping[Lane, int]:
        """Entries queued or being priced."""

    async def pending(self) -> int:
        """Entries that consumers have."""


@dataclass(frozen=True, slots=True)
class GridQueues:
    """Those of the grid."""

    grid: Grid

    async def backlog(self) -> Mapping[Lane, int]:
        return dict(await self.grid.streams.backlog(LANES))

    async def pending(self) -> int:
        return sum((await self.grid.streams.pending(LANES)).values())


@dataclass(slots=True)
class Gauges:
    """Looks when told to."""

    grid: Grid
    queues: Queues
    slots: int | None = None
    """Of each consumer started here, where those do not say so themselves."""
    version: str = ""
    nodes: int = 1
    _at: float = field(default_factory=time.monotonic)
    _server: _Server | None = None
    _waits: Waits = field(default_factory=Waits)
    _used: dict[int, float] = field(default_factory=dict)
    """Process ID -> processor seconds, of the consumers that lived at the last look."""

    async def look(self, pids: Sequence[int], others: Sequence[int] = ()) -> Sample:
        """See how things are; ``pids`` are the consumers that were started here, ``others`` all
        else that was.

        Raises redis.RedisError as the client does.
        """
        server = await self._ask()
        backlog, pending = await self.queues.backlog(), await self.queues.pending()
        consumers, slots = await self._crew(len(pids))
        now, before = time.monotonic(), self._server
        seconds, self._at = max(now - self._at, 1e-6), now
        cpu, memory = self._processes(pids, seconds)
        self._server = server
        return Sample(
            backlog,
            pending,
            consumers,
            slots,
            # After a restart it counts from 0 again.
            max(server.cpu - before.cpu, 0.0) / seconds if server and before else None,
            server.memory if server else None,
            max(server.commands - before.commands, 0) / seconds if server and before else None,
            cpu,
            memory,
            self._waits.look([*pids, *others]),
        )

    async def _ask(self) -> _Server | None:
        try:
            nodes = list((await node_infos(self.grid.redis)).values())
        except NoPermissionError:
            return None  # A user with least rights may not ask.
        self.version, self.nodes = _version(nodes[0]), len(nodes)
        return _Server(
            sum(n["used_cpu_user"] + n["used_cpu_sys"] for n in nodes),
            sum(n["used_memory"] for n in nodes),
            sum(n["total_commands_processed"] for n in nodes),
        )

    async def _crew(self, own: int) -> tuple[int, int]:
        """Consumers and their slots."""
        if self.slots is not None:
            return own, own * self.slots
        living = await self.grid.roster.living()
        return len(living), sum(each.slots for each in living)

    def _processes(self, pids: Sequence[int], seconds: float) -> tuple[float | None, int | None]:
        if not pids or find_spec("psutil") is None:
            return None, None
        import psutil

        used: dict[int, float] = {}
        memory = 0
        for pid in pids:
            try:
                process = psutil.Process(pid)
                times = process.cpu_times()
                memory = max(memory, process.memory_info().rss)
            except psutil.Error:
                continue  # It has just ended.
            used[pid] = times.user + times.system
        before, self._used = self._used, used
        cpu = sum(seconds - before[pid] for pid, seconds in used.items() if pid in before)
        return (cpu / seconds if before else None), memory


def _version(node: Mapping[str, Any]) -> str:
    """``Valkey 9.1.0``, or ``Redis 7.4.2``."""
    if "valkey_version" in node:
        return f"Valkey {node['valkey_version']}"
    return f"Redis {node['redis_version']}"
