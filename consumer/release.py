"""Release: looks after the jobs that wait for others, whoever submitted them being gone."""

import random

import anyio
import structlog
from redis.exceptions import ResponseError

from consumer.desk import Desk
from consumer.patience import patiently
from engine.decisions import Cancel, Turn
from engine.errors import ServerError
from engine.following import look_after
from engine.grid import Grid
from engine.streams import is_damage

EVERY = 1.0
"""Seconds between looks."""

log = structlog.get_logger()


async def run(desk: Desk) -> None:
    """Look at what waits, again and again, until the consumer drains."""
    while not desk.drain.begun:
        # Jittered, lest all consumers look at once.
        with anyio.move_on_after(EVERY * random.uniform(0.5, 1.5)):
            await desk.drain.wait()
        await patiently("release", _in_turn, desk.grid)


async def last_look(desk: Desk) -> bool:
    """Whether a job was due to go on: whoever leaves when idle may be the last to find out."""
    return await patiently("release", _look_at_all, desk.grid)


async def _in_turn(grid: Grid) -> None:
    # The first costs one call while nothing waits, the second spares a server of many consumers.
    if await grid.jobs.any_held() and await grid.jobs.take_turn(EVERY / 2):
        # What has ended one may be what the next has waited for.
        while await _look_at_all(grid):
            pass


async def _look_at_all(grid: Grid) -> bool:
    """Do what is due for each job that waits; whether there was something."""
    try:
        waiting = await grid.jobs.held()
    except ResponseError as error:
        if not is_damage(error):
            raise
        log.error("cannot tell which jobs wait", error=str(error))
        return False
    due = False
    for name, token in waiting.items():
        decision = await _look(grid, name, token)
        due |= decision is not None and decision is not Turn.WAIT
    return due


async def _look(grid: Grid, name: str, token: str) -> Turn | Cancel | None:
    try:
        decision = await look_after(grid, name, token)
    except (ServerError, ValueError, ResponseError) as error:
        if isinstance(error, ResponseError) and not is_damage(error):
            raise
        # Looked at again it would be no better, and others wait too.
        log.error("cannot look after a job that waits", job=name, error=str(error))
        await grid.jobs.let_go(name, token)
        return None
    if decision is Turn.RELEASE:
        log.info("released", job=name)
    elif isinstance(decision, Cancel):
        log.info("cancelled", job=name, cause=decision.cause)
    return decision
