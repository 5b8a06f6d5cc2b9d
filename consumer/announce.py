"""Announce: lets the grid know that this consumer lives."""

import os

import anyio

from consumer.desk import Desk
from consumer.patience import patiently
from engine.roster import TIME_TO_LIVE, Presence


async def run(desk: Desk) -> None:
    """Announce this consumer until cancelled."""
    while True:
        presence = Presence(
            desk.settings.name,
            [str(lane) for lane in desk.settings.lanes],
            desk.settings.slots,
            os.getpid(),
            desk.priced,
            desk.drain.begun,
        )
        await patiently("announce", desk.grid.roster.announce, presence)
        await anyio.sleep(TIME_TO_LIVE / 4)
