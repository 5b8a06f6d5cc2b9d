"""Numbers from several runs, and what a Redis server uses."""

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


async def cpu_seconds(redis: Redis) -> float:
    """Processor time of the server's process since it was started, user and system."""
    info = await redis.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


async def data_bytes(redis: Redis) -> int:
    """What all keys of the server take in its memory, by its own count.

    Not the growth of ``used_memory``: that has the buffers of clients in it, which are as large as
    the last pipeline and shrink some seconds later.
    """
    total = 0
    async for key in redis.scan_iter(count=1000):
        # Every element: a sample of a few would be an estimate.
        total += int(await redis.memory_usage(key, samples=0) or 0)
    return total
