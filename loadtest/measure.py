"""Numbers from several runs, and what a Redis server used between two moments."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from redis.asyncio import Redis


@dataclass(frozen=True, slots=True)
class Spread:
    """One thing measured several times: few runs, so the whole range is told."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """The spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Usage:
    """What a server had used at one moment."""

    cpu_seconds: float
    """Processor time of the server's process since it was started, user and system."""
    memory_bytes: int
    """What it has allocated, by its own count, without the buffers of its clients."""

    def __sub__(self, before: Self) -> "Usage":
        return Usage(self.cpu_seconds - before.cpu_seconds, self.memory_bytes - before.memory_bytes)


async def usage(redis: Redis) -> Usage:
    """Ask a server what it has used so far."""
    info = await redis.info()
    return Usage(
        float(info["used_cpu_user"]) + float(info["used_cpu_sys"]),
        # A client's buffers grow with its last pipeline and go when it goes: no part of the data.
        int(info["used_memory"]) - int(info["mem_clients_normal"]),
    )
