"""Idle: has a consumer leave that has had nothing to do for long enough."""

import anyio

from consumer import release
from consumer.desk import Desk
from consumer.patience import patiently

LOOK = 0.25
"""Seconds between looks at whether there is work."""


async def run(desk: Desk, limit: float) -> None:
    """Drain after ``limit`` seconds without work."""
    work, drain = desk.work, desk.drain
    while not drain.begun:
        if (idle := work.idle()) >= limit and not await _needed(desk, idle - limit):
            if not await release.last_look(desk):
                drain.begin("idle")
                return
            work.seen()
        with anyio.move_on_after(min(LOOK, limit - idle) if idle < limit else LOOK):
            await drain.wait()


async def _needed(desk: Desk, seconds: float) -> bool:
    """Whether an heir may be needed, after so many seconds more than it need be without work.

    What others hold comes back if they die: someone has to be there. Two leases on, those who
    still hold something were seen to live.
    """
    if seconds >= 2 * desk.settings.lease:
        return False
    backlog = await patiently("idle", desk.grid.streams.backlog, desk.settings.lanes)
    return any(backlog.values())
