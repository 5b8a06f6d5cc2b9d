"""A slow consumer: it has entries, keeps their leases, and does not come to an end with them."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from engine.entry import Entry, Unreadable
from engine.grid import Grid
from engine.job import Lane
from loadtest.chaos.patience import patiently

AT_ONCE = 500
"""Entries taken in one read."""


@dataclass(slots=True)
class Hoarder:
    """Holds entries until it hands them back."""

    grid: Grid
    lease: float
    """Seconds, as the consumers have it."""
    name: str = field(default_factory=lambda: f"chaos-slow-{secrets.token_hex(4)}")
    entries: Sequence[Entry] = ()
    _keeping: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    async def take(self, count: int, tending: TaskGroup) -> int:
        """Take up to so many entries of the bulk lane, and renew their leases from then on."""
        tending.start_soon(self._keep)
        streams, taken = self.grid.streams, list[Entry | Unreadable]()
        for partition in range(self.grid.partitions):
            while left := min(AT_ONCE, count - len(taken)):
                found = await patiently(streams.take, self.name, partition, [Lane.BULK], left, None)
                taken += found
                self.entries = [entry for entry in taken if isinstance(entry, Entry)]
                if not found:
                    break
        return len(self.entries)

    async def hand_back(self) -> None:
        """Give all to the others."""
        self._keeping.cancel()
        entries, self.entries = self.entries, ()
        await patiently(self.grid.streams.hand_back, self.name, entries)
        await patiently(self.grid.streams.leave, self.name, [Lane.BULK])

    async def _keep(self) -> None:
        with self._keeping:
            while True:
                await anyio.sleep(self.lease / 4)
                await patiently(self.grid.streams.renew, self.name, self.entries)
