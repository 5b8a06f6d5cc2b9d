"""The realtime side of one consumer, from start to drain: its roles, and how they stop."""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import anyio
import structlog
from anyio.streams.memory import MemoryObjectReceiveStream

from consumer import lease, reclaim
from consumer.desk import Desk
from consumer.realtime import answer, expire, intake, slots
from consumer.realtime.clock import Clock
from consumer.realtime.desk import RealtimeDesk
from consumer.realtime.pace import Pace
from consumer.staff import Staff
from engine.call import Call, Reply

LAST_WORDS = 3.0
"""Seconds that the last replies may take, if the server does not answer."""

log = structlog.get_logger()


async def serve(desk: Desk) -> None:
    """Price calls until told to leave, then finish what is in a slot and hand back the rest (G7).

    A thread may still be pricing what was handed back: only the end of the process stops it.
    """
    settings, calls = desk.settings, desk.grid.calls
    clock = Clock(calls.server_time, calls.partitions)
    await desk.drain.cuts_short(clock.measure)
    threads = ThreadPoolExecutor(settings.slots, "realtime")
    send, replies = anyio.create_memory_object_stream[tuple[Call, Reply]](math.inf)
    try:
        async with anyio.create_task_group() as keepers:
            slots_now = desk.staff.wanted
            own = RealtimeDesk(
                desk, clock, Pace(slots_now), Staff(slots_now), threads, send, keepers
            )
            desk.followers.append(own.resize)
            desk.work.held.append(own.holdings.__len__)
            keepers.start_soon(clock.run)
            keepers.start_soon(expire.run, own)
            keepers.start_soon(
                lease.run, calls, settings.name, settings.realtime_lease, own.holdings
            )
            await _work(own, replies)
            keepers.cancel_scope.cancel()
        with anyio.move_on_after(LAST_WORDS):
            await own.hand_back(own.holdings.entries)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


async def _work(own: RealtimeDesk, replies: MemoryObjectReceiveStream[tuple[Call, Reply]]) -> None:
    """Take, price and answer until drained."""
    async with anyio.create_task_group() as answering:
        answering.start_soon(answer.run, own, replies)
        async with own.replies:
            await _price(own)
        # With the way to it closed, answering ends by itself, unless the server stays away.
        answering.cancel_scope.deadline = anyio.current_time() + LAST_WORDS
        await own.hand_back(own.holdings.unanswered)


async def _price(own: RealtimeDesk) -> None:
    """Take and price until drained, then give the slots their time to end."""
    desk, calls = own.desk, own.desk.grid.calls
    async with anyio.create_task_group() as pricing:
        async with anyio.create_task_group() as taking:
            at_work = partial(slots.run, own)
            taking.start_soon(desk.drain.cuts_short, own.staff.run, pricing, at_work)
            for partition in range(calls.partitions):
                taking.start_soon(intake.run, own, partition)
            taking.start_soon(
                reclaim.run,
                reclaim.Claimant(
                    calls,
                    desk.settings.name,
                    intake.LANES,
                    desk.settings.realtime_lease,
                    desk.drain,
                    lambda: own.pace.reserve(len(own.holdings)),
                    own.accept,
                ),
            )
            await desk.drain.wait()
            own.holdings.wake()
            pricing.cancel_scope.deadline = anyio.current_time() + desk.settings.drain
        # Of one whose pricer is looked for, nobody knows how long it would take.
        await own.hand_back([*own.holdings.close(), *own.stop_looking()])
