"""Announce: lets the grid know that this consumer lives."""

import anyio

from consumer.desk import Desk
from consumer.patience import patiently
from engine.roster import TIME_TO_LIVE


async def run(desk: Desk) -> None:
    """Announce this consumer until cancelled."""
    while True:
        desk.pulse.beat(anyio.current_time(), desk.priced)
        await patiently("announce", desk.grid.roster.announce, desk.presence)
        with anyio.move_on_after(TIME_TO_LIVE / 4):
            await desk.news.wait()
        desk.news = anyio.Event()
