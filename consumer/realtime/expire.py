"""Expire: answers calls whose deadline passes while they wait for a slot or for their pricer."""

import anyio

from consumer.realtime.desk import RealtimeDesk

LOOK = 0.05
"""Seconds between looks, while any call waits."""


async def run(desk: RealtimeDesk) -> None:
    """Look at what waits until cancelled."""
    while True:
        while not (desk.holdings.queued or desk.unready):
            await desk.holdings.change()
        await anyio.sleep(LOOK)
        desk.unready = {held for held in desk.unready if desk.holdings.open(held)}
        late = {held for held in desk.unready if desk.late(held.call)}
        desk.unready -= late
        for call in [*(held.call for held in late), *desk.holdings.late(desk.late)]:
            desk.expire(call)
