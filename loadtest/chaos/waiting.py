"""Waiting for jobs to end, as long as they get any further."""

import time
from collections.abc import Sequence

import anyio

from loadtest.chaos.work import Order, Work

STALL = 40.0
"""Seconds without an outcome or a job more after which jobs are taken for stuck: poison that hangs
takes half of that."""

EVERY = 0.1


async def see_out(work: Work, orders: Sequence[Order]) -> list[str]:
    """Wait until all have ended; returns what is to be said of those that do not."""
    best, moved = (-1, -1), time.monotonic()
    while True:
        going = [order for order in orders if not await work.ended(order)]
        if not going:
            return []
        ended = sum([(await work.progress(order)).counts.ended for order in orders])
        # Jobs are resumed one after another, and one that was done already gets no further by it.
        found = (ended, len(going))
        if found != best:
            best, moved = found, time.monotonic()
        elif time.monotonic() - moved > STALL:
            return [await _stuck(work, order) for order in going]
        await anyio.sleep(EVERY)


async def _stuck(work: Work, order: Order) -> str:
    progress = await work.progress(order)
    return (
        f"job {order.job.name} is stuck: {progress.state}, {progress.counts.in_flight} trades in "
        f"flight, no outcome for {STALL:g} s, {'all' if order.settled else 'not all'} was queued"
    )
