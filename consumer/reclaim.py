"""Reclaim: takes over entries whose consumer has died (G4, G6)."""

import random

import anyio
import structlog

from consumer.desk import Desk
from consumer.patience import patiently
from engine import telemetry
from engine.job import Lane

MOST_AT_ONCE = 100
"""Entries looked for in one call; the server looks at ten times as many at most."""

log = structlog.get_logger()


async def run(desk: Desk) -> None:
    """Sweep the pending entries of every stream, a stretch at a time, until the consumer drains."""
    # A cursor is kept for each stream: begun at the start each time, a sweep would never get past
    # its first stretch while that is full of entries whose leases are good.
    cursors: dict[tuple[int, Lane], str] = {}
    while True:
        # Jittered, lest all consumers sweep at once.
        with anyio.move_on_after(desk.settings.lease * random.uniform(0.25, 0.75)):
            await desk.drain.wait()
        for lane in desk.settings.lanes:
            for partition in range(desk.grid.partitions):
                if desk.drain.begun:
                    return
                key = (partition, lane)
                cursors[key] = await _stretch(desk, partition, lane, cursors.get(key, "0-0"))


async def _stretch(desk: Desk, partition: int, lane: Lane, cursor: str) -> str:
    """Take over lapsed entries from a cursor on, if there is room; return the next cursor."""
    room = min(desk.pace.room(len(desk.holdings)), MOST_AT_ONCE)
    if not room:
        return cursor
    lease_ms = int(desk.settings.lease * 1000)
    reclaim, name = desk.grid.streams.reclaim, desk.settings.name
    cursor, messages = await patiently(
        "reclaim", reclaim, name, partition, lane, lease_ms, cursor, room
    )
    if messages:
        log.warning("took over entries of a consumer that is gone", entries=len(messages))
        telemetry.redeliveries.add(len(messages))
        await desk.accept(messages)
    return cursor
