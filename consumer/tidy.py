"""Tidy: takes consumers that have died without a word out of their groups, once they hold nothing.

A group keeps every name for ever, and an autoscale pool makes thousands of names a day.
"""

import random

import anyio
import structlog

from consumer.desk import Desk
from consumer.patience import patiently
from engine.job import Lane

EVERY = 60.0
"""Seconds between turns, which are taken by one consumer for all."""

log = structlog.get_logger()


async def run(desk: Desk) -> None:
    """Take turns at tidying up, until the consumer drains."""
    while not desk.drain.begun:
        await patiently("tidy", _in_turn, desk)
        with anyio.move_on_after(EVERY * random.uniform(0.5, 1.5)):
            await desk.drain.wait()


async def _in_turn(desk: Desk) -> None:
    roster = desk.grid.roster
    if not await roster.take_turn("tidy", EVERY / 2):
        return
    living = {presence.name for presence in await roster.living()}
    if gone := await desk.grid.streams.tidy(living, list(Lane)):
        log.info("forgot consumers that are gone", consumers=gone)
