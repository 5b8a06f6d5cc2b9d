"""Waiting for a job to end."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio
from redis.exceptions import RedisClusterException, RedisError

from engine.connection import passes
from engine.errors import ServerError
from engine.grid import Grid
from engine.job import Job, Progress
from engine.roster import Presence

FIRST_PAUSE = 0.02
"""Seconds between the first looks, so that a short job is soon seen to be done."""

LONGEST_PAUSE = 0.5
"""Seconds between later looks."""

PATIENCE = 60.0
"""Seconds for which a server may be unreachable, as one is that is restarted or failed over."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one moment."""

    progress: Progress
    consumers: Sequence[Presence]
    """Those that live."""


async def wait(
    grid: Grid,
    job: Job,
    *,
    at_most: float | None = None,
    on_look: Callable[[Look], None] = lambda _look: None,
) -> Progress:
    """Wait until a job has ended, or for ``at_most`` seconds; return how far it is then.

    Raises ServerError if the server has forgotten the job, and redis.ConnectionError or
    redis.TimeoutError once it is unreachable for ``PATIENCE`` seconds.
    """
    pause = FIRST_PAUSE
    answered = time.monotonic()
    deadline = math.inf if at_most is None else answered + at_most
    while True:
        try:
            look = await _look(grid, job)
        except (RedisError, RedisClusterException) as error:
            if not passes(error) or time.monotonic() > min(answered + PATIENCE, deadline):
                raise
        else:
            answered = time.monotonic()
            on_look(look)
            if look.progress.ended or answered >= deadline:
                return look.progress
        # The deadline ends a pause and never a command: one that is cut off in the middle spoils
        # its connection.
        await anyio.sleep(max(min(pause, deadline - time.monotonic()), 0.0))
        pause = min(pause * 1.5, LONGEST_PAUSE)


async def _look(grid: Grid, job: Job) -> Look:
    if not await grid.jobs.known(job.name):
        raise ServerError(
            f"the server knows no job {job.name} any more: it has expired, or the server has lost "
            "its data"
        )
    return Look(await grid.jobs.progress(job), await grid.roster.living())
