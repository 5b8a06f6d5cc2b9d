"""The servers' clock, by which deadlines count, told from this machine's."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from consumer.patience import patiently

PROBES = 5
"""Questions in a row, of which the quickest answer counts."""

EVERY = 10.0
"""Seconds between them: a clock that is off by one in ten thousand is then off by a millisecond."""

Ask = Callable[[int], Awaitable[float]]
"""Unix time in seconds by the server that a partition lies on."""


@dataclass(slots=True)
class Clock:
    """The time at the server of each partition, which in a cluster are several."""

    ask: Ask
    partitions: int
    _ahead: dict[int, float] = field(default_factory=dict)
    """Seconds from our monotonic clock, which nobody sets, to the server's."""

    def now_ms(self, partition: int) -> float:
        """Unix time in ms by the server's clock; of use after ``measure``."""
        return (time.monotonic() + self._ahead[partition]) * 1000

    async def measure(self) -> None:
        """Ask every server for its time."""
        for partition in range(self.partitions):
            self._ahead[partition] = await patiently("clock", self._ahead_of, partition)

    async def run(self) -> None:
        """Keep to the servers' clocks until cancelled."""
        while True:
            await anyio.sleep(EVERY)
            await self.measure()

    async def _ahead_of(self, partition: int) -> float:
        found: list[tuple[float, float]] = []
        for _ in range(PROBES):
            began = time.monotonic()
            told = await self.ask(partition)
            ended = time.monotonic()
            # It was told at some moment between the two.
            found.append((ended - began, told - (began + ended) / 2))
        return min(found)[1]
