"""Reclaim: takes over entries whose consumer has died (G4, G6)."""

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Generic, TypeVar

import anyio
import structlog

from consumer.drain import Drain
from consumer.patience import patiently
from engine import telemetry
from engine.entry import Unreadable
from engine.group import Group, Message
from engine.job import Lane

STRETCHES = 50
"""Calls in one sweep of a stream, each of which looks at ten times as many entries as it may take.
What has lapsed is among the first, since what lives is settled: more need not be looked at."""

BEGINNING = "0-0"
"""The cursor before the first entry and after the last."""

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


async def run(claimant: Claimant[M]) -> None:
    """Sweep the pending entries of every stream, again and again, until the consumer drains."""
    # A cursor is kept for each stream: begun at the start each time, a sweep would never get past
    # its first stretch while that is full of entries whose leases are good.
    cursors: dict[tuple[int, Lane], str] = {}
    partitions = claimant.group.partitions
    for first in count():
        # Jittered, lest all consumers sweep at once.
        with anyio.move_on_after(claimant.lease * random.uniform(0.25, 0.75)):
            await claimant.drain.wait()
        for lane in claimant.lanes:
            # In turn, lest what the first leave no room for is never come to.
            for partition in ((first + step) % partitions for step in range(partitions)):
                key = (partition, lane)
                cursors[key] = await _sweep(claimant, partition, lane, cursors.get(key, BEGINNING))
        if claimant.drain.begun:
            return


async def _sweep(claimant: Claimant[M], partition: int, lane: Lane, cursor: str) -> str:
    """Take over lapsed entries from a cursor on, if there is room; return the next cursor."""
    lease_ms, reclaim = int(claimant.lease * 1000), claimant.group.reclaim
    for _ in range(STRETCHES):
        room = claimant.room()
        if claimant.drain.begun or not room:
            break
        cursor, messages = await patiently(
            "reclaim", reclaim, claimant.name, partition, lane, lease_ms, cursor, room
        )
        if messages:
            log.warning("took over entries of a consumer that is gone", entries=len(messages))
            telemetry.redeliveries.add(len(messages), str(lane))
            await claimant.accept(messages)
        if cursor == BEGINNING:
            break
    return cursor
