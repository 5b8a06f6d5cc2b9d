"""Intake: takes entries from the streams while there is room for them (G8), higher lanes first."""

from collections.abc import Sequence

import anyio

from consumer.desk import Desk
from consumer.patience import patiently
from engine.entry import Entry, Unreadable
from engine.job import Lane

WAIT_MS = 500
"""A blocking read ends after so long. It is never cancelled, since that could leave an answer
behind on the connection, so this bounds how late a consumer notices that it is to leave."""


async def run(desk: Desk) -> None:
    """Take entries until the consumer drains."""
    idle_since = anyio.current_time()
    while not desk.drain.begun:
        await desk.hand_back(desk.holdings.take_back(desk.pace.surplus(desk.holdings.queued)))
        room = desk.pace.room(len(desk.holdings))
        if not room:
            with anyio.move_on_after(WAIT_MS / 1000):
                await desk.holdings.change()
            continue
        messages = await patiently("intake", _take, desk, room)
        await desk.accept(messages)
        if messages or len(desk.holdings):
            idle_since = anyio.current_time()
        elif _idle_for_too_long(desk, anyio.current_time() - idle_since):
            desk.drain.begin("idle")


def _idle_for_too_long(desk: Desk, seconds: float) -> bool:
    limit = desk.settings.exit_when_idle
    return limit is not None and seconds >= limit


async def _take(desk: Desk, room: int) -> Sequence[Entry | Unreadable]:
    """The first entries found, highest lane first, home partition first; else wait for some."""
    streams, name = desk.grid.streams, desk.settings.name
    count = desk.grid.partitions
    home = desk.settings.home % count
    for lane in desk.settings.lanes:
        for step in range(count):
            partition = (home + step) % count
            messages = await streams.take(name, partition, [lane], room, None)
            if messages:
                return messages
    lanes: Sequence[Lane] = desk.settings.lanes
    return await streams.take(name, home, lanes, room, WAIT_MS)
