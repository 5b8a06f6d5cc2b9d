"""Dismissal: has a consumer leave when whoever started its crew tells it so, on the server.

Azure Batch can end a task, but not tell it anything: a consumer on a node learns of it here.
"""

import random

import anyio

from consumer.desk import Desk
from consumer.patience import patiently

EVERY = 3.0
"""Seconds between looks."""


async def run(desk: Desk) -> None:
    """Look whether this consumer is dismissed, and drain then."""
    crew, _, member = desk.settings.crew.partition("/")
    while not desk.drain.begun:
        if why := await patiently("dismissal", desk.grid.roster.dismissed, crew, member):
            desk.drain.begin(f"dismissed: {why}")
            return
        # Jittered, lest all consumers look at once.
        with anyio.move_on_after(EVERY * random.uniform(0.5, 1.5)):
            await desk.drain.wait()
