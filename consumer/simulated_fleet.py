"""Many simulated consumers in one process and event loop, each with connections of its own.

The process says every second how it fares itself, since a simulation that has too little of the
machine looks like a server that is slow.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import anyio
import structlog
from anyio.abc import TaskStatus
from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]  # it ships none

from consumer import simulated
from consumer.drain import Drain, on_signals
from consumer.process import consume
from consumer.settings import Settings
from engine.connection import Address
from engine.entry import Settlement
from engine.grid import open_grid
from engine.streams import Streams

EVERY = 1.0
"""Seconds between reports."""

TICK = 0.02
"""Seconds between looks at how late the event loop is."""

log = structlog.get_logger()


class Times:
    """Seconds that things took since the last report, as an HDR histogram of microseconds."""

    def __init__(self) -> None:
        self._histogram = _empty()

    def record(self, seconds: float) -> None:
        self._histogram.record_value(round(min(max(seconds * 1e6, 1), 3.6e9)))

    def take(self) -> str:
        """What there was, encoded; from now on it counts anew."""
        taken, self._histogram = self._histogram, _empty()
        return bytes(taken.encode()).decode()


def _empty() -> Any:
    return HdrHistogram(1, 3_600_000_000, 3)


@dataclass(frozen=True, slots=True)
class TimedStreams(Streams):
    """Streams that note how long settling takes, as a consumer sees it."""

    settles: Times

    async def settle(self, settlements: Sequence[Settlement]) -> list[int | Exception]:
        began = time.perf_counter()
        # By name: super() without arguments does not know a class with slots of a dataclass.
        results = await Streams.settle(self, settlements)
        self.settles.record(time.perf_counter() - began)
        return results


async def serve(address: Address, settings: Settings, count: int) -> None:
    """Run so many consumers with these settings until told to leave by a signal.

    Each has a name of its own, and the next partition as its home. Raises EndAtOnce on a second
    signal.
    """
    drain, settles, ready = Drain(), Times(), anyio.Event()
    async with anyio.create_task_group() as watchers:
        watchers.start_soon(on_signals, drain)
        watchers.start_soon(_report, settles)
        async with anyio.create_task_group() as consumers:
            for number in range(count):
                if drain.begun:
                    break
                own = replace(settings, name=settings.place.new_name(), home=settings.home + number)
                # One after the other: a thousand at a server's door at once are turned away.
                await consumers.start(_consumer, address, own, ready, drain, settles)
            # And all together: who begins first leaves little of the processor to the others.
            ready.set()
            log.info("all serve", consumers=count)
        watchers.cancel_scope.cancel()


async def _consumer(
    address: Address,
    settings: Settings,
    ready: anyio.Event,
    told: Drain,
    settles: Times,
    *,
    task_status: TaskStatus[None],
) -> None:
    drain = Drain()

    async def leave_with_all() -> None:
        await told.wait()
        drain.begin("told to")

    async with open_grid(address) as grid, anyio.create_task_group() as watching:
        watching.start_soon(leave_with_all)
        task_status.started()
        await ready.wait()
        streams = TimedStreams(grid.redis, grid.partitions, settles)
        await consume(replace(grid, streams=streams), settings, drain, simulated.run)
        watching.cancel_scope.cancel()


async def _report(settles: Times) -> None:
    """Say how the process fares: its processor time since the start, how late its event loop is
    and how long settling took since the last report."""
    lags, since = Times(), time.time()
    while True:
        began = time.perf_counter()
        await anyio.sleep(TICK)
        lags.record(time.perf_counter() - began - TICK)
        if (now := time.time()) - since >= EVERY:
            log.info(
                "simulated",
                since=since,
                until=now,
                cpu=time.process_time(),
                lag=lags.take(),
                settles=settles.take(),
            )
            since = now
