"""Reclaim: takes over entries whose consumer has died (G4, G6)."""

import random

import anyio
import structlog

from consumer.desk import Desk
from consumer.patience import patiently
from engine import telemetry
from engine.job import Lane

STRETCHES = 50
"""Calls in one sweep of a stream. One looks at ten times as many entries as it may take, 1000 at
most, which keeps the server from others for about a tenth of a millisecond."""

BEGINNING = "0-0"
"""The cursor before the first entry and after the last."""

log = structlog.get_logger()


async def run(desk: Desk) -> None:
    """Sweep the pending entries of every stream, again and again, until the consumer drains."""
    # A cursor is kept for each stream: begun at the start each time, a sweep would never get past
    # its first stretch while that is full of entries whose leases are good.
    cursors: dict[tuple[int, Lane], str] = {}
    while True:
        # Jittered, lest all consumers sweep at once.
        with anyio.move_on_after(desk.settings.lease * random.uniform(0.25, 0.75)):
            await desk.drain.wait()
        for lane in desk.settings.lanes:
            for partition in range(desk.grid.partitions):
                key = (partition, lane)
                cursors[key] = await _sweep(desk, partition, lane, cursors.get(key, BEGINNING))
        if desk.drain.begun:
            return


async def _sweep(desk: Desk, partition: int, lane: Lane, cursor: str) -> str:
    """Take over lapsed entries from a cursor on, if there is room; return the next cursor."""
    lease_ms = int(desk.settings.lease * 1000)
    reclaim, name = desk.grid.streams.reclaim, desk.settings.name
    for _ in range(STRETCHES):
        room = desk.pace.reserve(len(desk.holdings))
        if desk.drain.begun or not room:
            break
        cursor, messages = await patiently(
            "reclaim", reclaim, name, partition, lane, lease_ms, cursor, room
        )
        if messages:
            log.warning("took over entries of a consumer that is gone", entries=len(messages))
            telemetry.redeliveries.add(len(messages))
            await desk.accept(messages)
        if cursor == BEGINNING:
            break
    return cursor
