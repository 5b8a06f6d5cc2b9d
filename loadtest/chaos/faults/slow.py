"""A fault of a consumer's pricer: it does not come to an end, and its leases are good."""

from loadtest.chaos.faults.fault import Striking
from loadtest.chaos.hoard import Hoarder

COUNT = 20
"""Entries: few enough for the others to have something to do."""


class Slow(Striking):
    """A consumer that holds entries, and hands them back in the end."""

    _hoarder: Hoarder | None = None

    async def strike(self) -> str:
        self._hoarder = Hoarder(self.ground.grid, self.ground.lease)
        taken = await self._hoarder.take(COUNT, self.ground.tending)
        return f"a slow consumer holds {taken} entries" if taken else ""

    async def heal(self) -> None:
        if self._hoarder is not None:
            await self._hoarder.hand_back()
