"""Reclaim: takes over entries whose consumer has died (G4, G6).

Consumers take turns at it, stream by stream: whoever has the turn keeps it, until it has no
room for what it would take over.
"""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Generic, TypeVar

import anyio
import structlog

from consumer.drain import Drain
from consumer.patience import patiently
from engine import telemetry
from engine.entry import Unreadable
from engine.group import Group, Message
from engine.job import Lane
from engine.turns import BEGINNING, Turns

STRETCHES = 50
"""Calls in one sweep of a stream, each of which looks at ten times as many entries as it may take.
What has lapsed is among the first, since what lives is settled: more need not be looked at."""

OFTEN = 0.5
"""Seconds between the sweeps of a stream: so much longer than the lease it takes to notice a death.
Or a quarter of the lease, if that is less."""

SHARE = 0.75
"""Of that time, for which a turn lasts: who has had it finds the next one free."""

M = TypeVar("M", bound=Message)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Claimant(Generic[M]):
    """Who takes over what, and for whom."""

    group: Group[M]
    name: str
    lanes: Sequence[Lane]
    lease: float
    """Seconds."""
    drain: Drain
    room: Callable[[], int]
    """How many entries may be taken over now."""
    accept: Callable[[Sequence[M | Unreadable]], Awaitable[None]]

    @property
    def often(self) -> float:
        """Seconds between sweeps of a stream, by whomever."""
        return min(OFTEN, self.lease / 4)


async def run(claimant: Claimant[M]) -> None:
    """Sweep the pending entries of every stream, in turn with others, until the consumer drains."""
    partitions = claimant.group.partitions
    streams = [[_Stream(claimant, p, lane) for p in range(partitions)] for lane in claimant.lanes]
    while True:
        # Jittered, lest all consumers look at once.
        with anyio.move_on_after(claimant.often * random.uniform(0.8, 1.0)):
            await claimant.drain.wait()
        for of_lane in streams:
            # In turn, lest what the first leave no room for is never come to.
            for stream in sorted(of_lane, key=attrgetter("swept")):
                await stream.look()
        if claimant.drain.begun:
            return


class _Stream(Generic[M]):
    """One stream, as one consumer sweeps it."""

    def __init__(self, claimant: Claimant[M], partition: int, lane: Lane) -> None:
        self._claimant, self._partition, self._lane = claimant, partition, lane
        turn = SHARE * claimant.often
        self._turns = Turns(claimant.group.redis, partition, lane, turn)
        self._due = 0.0
        self.swept = 0.0
        """When it was swept last, by the event loop's clock."""

    async def look(self) -> None:
        """Sweep if it is our turn, and there is room for what may be found."""
        claimant = self._claimant
        if claimant.drain.begun or not claimant.room() or anyio.current_time() < self._due:
            return
        begin = await patiently("reclaim", self._turns.take)
        if begin is None:
            # Whoever has the turn may die. What he held lapses two thirds of a lease later at the
            # soonest (``consumer.lease``): by then somebody else is to have it.
            self._due = anyio.current_time() + claimant.lease * random.uniform(1 / 3, 2 / 3)
            return
        self.swept = anyio.current_time()
        end = await self._sweep(begin)
        # There may be more than there was room for: others are to come to it at once.
        over = not claimant.room()
        if over or end != begin:
            await patiently("reclaim", partial(self._turns.end, end, over=over))

    async def _sweep(self, cursor: str) -> str:
        """Take over lapsed entries from a cursor on, if there is room; return the next cursor."""
        claimant = self._claimant
        lease_ms, reclaim = int(claimant.lease * 1000), claimant.group.reclaim
        for _ in range(STRETCHES):
            room = claimant.room()
            if claimant.drain.begun or not room:
                break
            cursor, messages = await patiently(
                "reclaim",
                reclaim,
                claimant.name,
                self._partition,
                self._lane,
                lease_ms,
                cursor,
                room,
            )
            if messages:
                log.warning("took over entries of a consumer that is gone", entries=len(messages))
                telemetry.redeliveries.add(len(messages), str(self._lane))
                await claimant.accept(messages)
            if cursor == BEGINNING:
                break
        return cursor
