"""The last stand: all consumers fall at once, behind a slow one that holds far more.

One of them is only frozen, and wakes when all that it had is done.
"""

import signal

import anyio

from loadtest.chaos.audit import audit_attempts
from loadtest.chaos.faults.processes import held
from loadtest.chaos.ground import Ground
from loadtest.chaos.hoard import Hoarder
from loadtest.chaos.patience import RunFailed, until
from loadtest.chaos.plan import LONG, Plan
from loadtest.chaos.readout import read_job
from loadtest.chaos.waiting import see_out
from loadtest.chaos.work import Order, chaotic

HOARDED = 1_500
"""Entries of the slow consumer: more than a consumer with little room looks at in one sweep, whose
cursor must be kept if it is ever to come to what lies behind them (G6)."""

SLOW = 12
"""Entries that each take several leases."""

QUEUED = 60.0
"""Seconds in which a job should be queued when nothing disturbs that."""

ARRIVING = 0.2
"""Seconds in which what a consumer had sent before it was frozen arrives; a fraction of a lease."""

TAKEN = 30.0
"""Seconds in which every consumer should have one of them."""


async def last_stand(ground: Ground, plan: Plan) -> list[str]:
    """Let all consumers fall with long entries in hand; returns findings if those do not end."""
    seats, work = ground.seats, ground.work
    seats.filling = False
    for consumer in seats.living:
        consumer.send(signal.SIGKILL)
    hoarder = Hoarder(ground.grid, ground.lease)
    count = min(HOARDED, plan.trades)
    hoarded = Order(chaotic("hoarded", 0, count, chunk=1))
    await _queue(ground, hoarded)
    await hoarder.take(count, ground.tending)
    options = {"pause": LONG}
    slow = Order(chaotic("slow", 0, min(SLOW, plan.trades), chunk=1, options=options))
    await _queue(ground, slow)
    seats.fill()
    await seats.serving()
    await until(lambda: _all_hold(ground), TAKEN)
    zombie, *others = seats.living
    # All of them, so that what they hold can be counted.
    for consumer in seats.living:
        consumer.send(signal.SIGSTOP)
    await anyio.sleep(ARRIVING)
    left = sum([await held(ground, consumer.name) for consumer in others if consumer.name])
    for consumer in others:
        consumer.send(signal.SIGKILL)
    seats.filling = True
    findings = await see_out(work, [slow])
    # What it settles now, others have settled: it must have no effect (G2).
    zombie.send(signal.SIGCONT)
    await hoarder.hand_back()
    findings += await see_out(work, [hoarded, slow])
    return findings + audit_attempts(await read_job(ground.grid, slow), left)


async def _queue(ground: Ground, order: Order) -> None:
    ground.work.place(order, ground.tending)

    async def queued() -> bool:
        return order.settled

    if not await until(queued, QUEUED):
        raise RunFailed(f"job {order.job.name} is not queued within {QUEUED:g} s")


async def _all_hold(ground: Ground) -> bool:
    names = [consumer.name for consumer in ground.seats.living]
    return all([name is not None and await held(ground, name) > 0 for name in names])
