"""Lease: keeps what is held from being taken over, however long it takes (G6).

Runs on the event loop, which no pricing blocks.
"""

import anyio
import structlog

from consumer.desk import Desk
from consumer.patience import patiently

RENEWALS = 3
"""Times in one lease that it is renewed: two may fail."""

log = structlog.get_logger()


async def run(desk: Desk) -> None:
    """Renew leases until cancelled."""
    while True:
        await anyio.sleep(desk.settings.lease / RENEWALS)
        entries = desk.holdings.entries
        if not entries:
            continue
        lost = await patiently("lease", desk.grid.streams.renew, desk.settings.name, entries)
        if count := desk.holdings.lose(lost):
            log.warning("lost entries: cancelled, or our lease has lapsed", entries=count)
