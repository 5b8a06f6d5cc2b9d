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

GLANCE = 0.05
"""Seconds after which a consumer that has its hands full looks into the higher lanes again."""


async def run(desk: Desk) -> None:
    """Take entries until the consumer drains."""
    while not desk.drain.begun:
        await desk.hand_back(desk.holdings.take_back(desk.pace.surplus(desk.holdings.queued)))
        with anyio.move_on_after(GLANCE):
            while not desk.pace.room(len(desk.holdings)):
                await desk.holdings.change()
        if not (lanes := desk.lanes):
            with anyio.move_on_after(GLANCE):
                await desk.drain.wait()
            continue
        messages = await patiently("intake", _take, desk, lanes)
        await desk.accept(messages)


async def _take(desk: Desk, lanes: Sequence[Lane]) -> Sequence[Entry | Unreadable]:
    """The first entries found, highest lane first, home partition first; else wait for some.

    What is held of lower lanes takes up no room: it waits for what is found in a higher one.
    """
    streams, name = desk.grid.streams, desk.settings.name
    count = desk.grid.partitions
    home = desk.settings.home % count
    for end, lane in enumerate(lanes, start=1):
        room = desk.pace.room(desk.holdings.of(lanes[:end]))
        for step in range(count if room else 0):
            messages = await streams.take(name, (home + step) % count, [lane], room, None)
            if messages:
                return messages
    room = desk.pace.room(len(desk.holdings))
    return await streams.take(name, home, lanes, room, WAIT_MS) if room else []
