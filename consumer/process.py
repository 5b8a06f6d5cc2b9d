"""One consumer, from start to end: which role runs when, and in which order they stop."""

import math
import sys
from functools import partial

import anyio
import structlog
from anyio import CapacityLimiter
from anyio.streams.memory import MemoryObjectReceiveStream

from consumer import (
    announce,
    dismissal,
    harvest,
    idle,
    intake,
    lease,
    reclaim,
    release,
    settle,
    slots,
    tidy,
    vigil,
    watch,
)
from consumer.desk import Desk
from consumer.drain import Drain
from consumer.fetch import Fetcher
from consumer.holdings import Holdings
from consumer.pace import Pace
from consumer.patience import patiently
from consumer.pricers import Pricers
from consumer.priority import SWITCH_INTERVAL
from consumer.realtime import process as realtime
from consumer.settings import Settings
from consumer.staff import Staff
from consumer.work import Work
from engine import scripts
from engine.entry import Entry, Settlement
from engine.grid import Grid

LAST_WORDS = 3.0
"""Seconds that settling may take at the end, and signing off, if the server does not answer."""

log = structlog.get_logger()


async def consume(
    grid: Grid, settings: Settings, drain: Drain, slot: slots.Slot = slots.run
) -> None:
    """Price until told to leave, then finish what is quick, hand back the rest and leave (G7).

    ``slot`` is what each slot does: in a simulation, something else than to price. A thread may
    still be pricing what was handed back: only the end of the process stops it.
    """
    send, finished = anyio.create_memory_object_stream[Settlement](math.inf)
    pricers, holdings = Pricers(grid.roster, settings.name), Holdings()
    desk = Desk(
        settings,
        grid,
        holdings,
        Pace(settings.slots, settings.prefetch),
        drain,
        pricers,
        Fetcher(grid, pricers, settings.attempts),
        Work([holdings.__len__]),
        Staff(settings.slots),
        send,
    )
    if settings.realtime:
        sys.setswitchinterval(SWITCH_INTERVAL)
    scripts.read_all()
    # A server that is full lets nobody begin.
    await drain.cuts_short(patiently, "start", grid.streams.ensure_groups, settings.lanes)
    # Before it says so: who reads that it serves, and looks who does, is to find it.
    await drain.cuts_short(patiently, "announce", grid.roster.announce, desk.presence)
    log.info(
        "serving",
        consumer=settings.name,
        lanes=[str(lane) for lane in settings.lanes],
        slots=settings.slots,
    )
    async with anyio.create_task_group() as keepers:
        keepers.start_soon(announce.run, desk)
        keepers.start_soon(lease.run, grid.streams, settings.name, settings.lease, holdings)
        keepers.start_soon(vigil.run, desk)
        keepers.start_soon(watch.run, desk)
        if settings.harvest is not None:
            keepers.start_soon(harvest.run, desk, settings.harvest)
        if settings.crew:
            keepers.start_soon(dismissal.run, desk)
        if settings.exit_when_idle is not None:
            keepers.start_soon(idle.run, desk, settings.exit_when_idle)
        async with anyio.create_task_group() as working:
            if settings.realtime:
                working.start_soon(realtime.serve, desk)
            await _work(desk, finished, slot)
        keepers.cancel_scope.cancel()
    with anyio.move_on_after(LAST_WORDS) as scope:
        # What could not be settled in time, and what a full server takes back nevertheless.
        await desk.hand_back(desk.holdings.entries)
        await patiently("leave", grid.streams.leave, settings.name, settings.lanes)
        await patiently("leave", grid.roster.leave, settings.name)
    if scope.cancelled_caught:
        log.warning("the server does not answer: what is held comes back after its lease")
    log.info("left", consumer=settings.name, priced=desk.priced)


async def _work(
    desk: Desk, finished: MemoryObjectReceiveStream[Settlement], slot: slots.Slot
) -> None:
    """Take, price and settle until drained."""
    async with anyio.create_task_group() as settling:
        settling.start_soon(settle.run, desk, finished)
        async with desk.settlements:
            await _price(desk, slot)
        # With the way to it closed, settling ends by itself, unless the server stays away.
        settling.cancel_scope.deadline = anyio.current_time() + LAST_WORDS
        await desk.hand_back(desk.holdings.unfinished)


async def _price(desk: Desk, slot: slots.Slot) -> None:
    """Take and price until drained, then give the slots their time to end."""
    limiter = CapacityLimiter(desk.settings.slots)
    async with anyio.create_task_group() as pricing:
        async with anyio.create_task_group() as taking:
            at_work = partial(slot, desk, limiter)
            taking.start_soon(desk.drain.cuts_short, desk.staff.run, pricing, at_work)
            if desk.settings.job_lanes:
                taking.start_soon(intake.run, desk)
                taking.start_soon(reclaim.run, claimant(desk))
            taking.start_soon(release.run, desk)
            taking.start_soon(tidy.run, desk)
            await desk.drain.wait()
            pricing.cancel_scope.deadline = anyio.current_time() + desk.settings.drain
        await desk.hand_back(desk.holdings.close())


def claimant(desk: Desk) -> reclaim.Claimant[Entry]:
    """Who takes over what consumers held that have died."""
    settings = desk.settings
    return reclaim.Claimant(
        desk.grid.streams,
        settings.name,
        settings.job_lanes,
        settings.lease,
        desk.drain,
        lambda: desk.pace.reserve(len(desk.holdings)),
        desk.accept,
    )
