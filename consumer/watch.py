"""Watch: measures what nobody's work shows by itself, if anybody is told. For telemetry."""

import time

import anyio

from consumer.desk import Desk
from consumer.patience import patiently
from engine import telemetry
from engine.job import Lane

EVERY = 15.0
"""Seconds between looks at the lanes, which one consumer takes for all: added up, what several told
of the same queue would count it several times."""

STALE = 2.5 * EVERY
"""Seconds for which what was seen of them is told, unless it is seen again."""

TICK = 0.25
"""Seconds between looks at how late the event loop is."""


async def run(desk: Desk) -> None:
    """Watch, until cancelled."""
    if not telemetry.kept():
        return
    desk.tell_slots()
    # Who has done nothing yet tells so.
    telemetry.slots_busy.change(0)
    async with anyio.create_task_group() as watching:
        watching.start_soon(_watch_loop)
        watching.start_soon(_watch_lanes, desk)


async def _watch_loop() -> None:
    began = time.monotonic()
    while True:
        asleep = time.perf_counter()
        await anyio.sleep(TICK)
        telemetry.loop_lag.note(max(0.0, time.perf_counter() - asleep - TICK))
        telemetry.uptime.set(time.monotonic() - began)


async def _watch_lanes(desk: Desk) -> None:
    while True:
        await patiently("watch", _in_turn, desk)
        await anyio.sleep(EVERY)


async def _in_turn(desk: Desk) -> None:
    # A little less than the pause: who has the turn mostly keeps it.
    if not await desk.grid.roster.take_turn("watch", EVERY - 1):
        return
    for lane, entries in (await desk.grid.streams.backlog(list(Lane))).items():
        telemetry.backlog.set(entries, str(lane), seconds=STALE)
    for lane, seconds in (await desk.grid.streams.oldest(list(Lane))).items():
        telemetry.pending_age.set(seconds, str(lane), seconds=STALE)
