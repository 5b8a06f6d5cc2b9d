"""Vigil: tells of what has been in a slot for long, at growing intervals.

A job without --trade-timeout may take for ever over a trade, with its lease renewed all the while:
nobody else would say which.
"""

import anyio
import structlog

from consumer.desk import Desk
from consumer.holdings import Held

FIRST = 60.0
"""Seconds in a slot after which an entry is told of; then when they have doubled, and so on."""

LOOK = 5.0
"""Seconds between looks."""

log = structlog.get_logger()


async def run(desk: Desk) -> None:
    """Look at what is in the slots until cancelled."""
    due: dict[Held, float] = {}
    while True:
        now = anyio.current_time()
        due = {held: due.get(held, FIRST) for held in desk.holdings.in_slots}
        for held in due:
            assert held.begun is not None
            seconds = now - held.begun
            if seconds >= due[held]:
                due[held] = 2 * seconds
                log.warning(
                    "still being priced",
                    job=held.job.name,
                    algorithm=held.job.algorithm,
                    ids=held.entry.ids,
                    trades=len(held.chunk.ids),
                    seconds=round(seconds, 3),
                )
        await anyio.sleep(LOOK)
