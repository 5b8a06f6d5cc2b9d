"""Intake: takes entries from the streams while there is room for them (G8), higher lanes first."""

from collections.abc import Iterator, Sequence
from itertools import cycle

import anyio

from consumer.desk import Desk
from consumer.patience import patiently
from engine.entry import Entry, Unreadable
from engine.job import Lane

WAIT_MS = 500
"""A blocking read ends after so long. It is never cancelled, since that could leave an answer
behind on the connection, so this bounds how late a consumer notices that it is to leave."""

GLANCE = 0.05
"""Seconds after which a consumer that has its hands full looks into the higher lanes again, at one
partition: a thousand that look everywhere would take a server's whole processor."""


LISTENERS = 8
"""Partitions at which an idle consumer waits besides its home, each by a connection of its own; at
the others, it looks in turn."""


async def run(desk: Desk) -> None:
    """Take entries until the consumer drains."""
    async with anyio.create_task_group() as listening:
        for step in range(1, min(desk.grid.partitions, LISTENERS + 1)):
            listening.start_soon(_listen, desk, (desk.settings.home + step) % desk.grid.partitions)
        await _take_all(desk)


async def _take_all(desk: Desk) -> None:
    glances = cycle(range(desk.grid.partitions))
    while not desk.drain.begun:
        await desk.hand_back(desk.holdings.take_back(desk.pace.surplus(desk.holdings.queued)))
        with anyio.move_on_after(GLANCE):
            while not desk.pace.room(len(desk.holdings)):
                await desk.holdings.change()
        if not (lanes := desk.lanes):
            with anyio.move_on_after(GLANCE):
                await desk.drain.wait()
            continue
        messages = await patiently("intake", _take, desk, lanes, glances)
        await desk.accept(messages)


async def _listen(desk: Desk, partition: int) -> None:
    """Take what comes to another partition than home while a slot is idle, an entry at a time.

    One blocking read waits at one partition: in a cluster, the others lie on other servers. More
    than one would be more than a consumer wants that listens to many.
    """
    streams, name = desk.grid.streams, desk.settings.name
    while not desk.drain.begun:
        if len(desk.holdings) < desk.pace.slots and (lanes := desk.lanes):
            found = await patiently("intake", streams.take, name, partition, lanes, 1, WAIT_MS)
            if found:
                await desk.accept(found)
        else:
            with anyio.move_on_after(WAIT_MS / 1000):
                await desk.holdings.change()


async def _take(
    desk: Desk, lanes: Sequence[Lane], glances: Iterator[int]
) -> Sequence[Entry | Unreadable]:
    """The first entries found, highest lane first, home partition first; else wait for some.

    What is held of lower lanes takes up no room: it waits for what is found in a higher one.
    """
    streams, name = desk.grid.streams, desk.settings.name
    count = desk.grid.partitions
    home = desk.settings.home % count
    places = [(home + step) % count for step in range(count)]
    if not desk.pace.room(len(desk.holdings)):
        places = [next(glances)]
    for end, lane in enumerate(lanes, start=1):
        room = desk.pace.room(desk.holdings.of(lanes[:end]))
        for partition in places if room else ():
            messages = await streams.take(name, partition, [lane], room, None)
            if messages:
                return messages
    room = desk.pace.room(len(desk.holdings))
    return await streams.take(name, home, lanes, room, WAIT_MS) if room else []
