"""Expire: answers calls whose deadline passes while they wait for a slot."""

import anyio

from consumer.realtime.desk import RealtimeDesk

LOOK = 0.05
"""Seconds between looks, while any call waits."""


async def run(desk: RealtimeDesk) -> None:
    """Look at what waits until cancelled."""
    while True:
        await desk.holdings.waiting()
        await anyio.sleep(LOOK)
        for call in desk.holdings.late(desk.late):
            desk.expire(call)
