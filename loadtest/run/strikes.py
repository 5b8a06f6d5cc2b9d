"""Faults that strike while a test runs, and when they did."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace

import anyio
from anyio.abc import TaskGroup
from redis.exceptions import RedisClusterException, RedisError

from loadtest import record
from loadtest.chaos.faults import KINDS
from loadtest.chaos.ground import Ground
from loadtest.chaos.schedule import Strike, draw
from loadtest.chaos.servers import Servers
from loadtest.chaos.work import Work
from loadtest.run.stand import Stand
from loadtest.scenario import Scenario

Tell = Callable[[str], None]

LEASE = 2.0
"""Seconds for which the fault ``slow`` holds what it takes."""

HEALING = 15.0
"""Seconds in which what a fault has done must be undone, also where the test is over."""


@dataclass(slots=True)
class Strikes:
    """Of one test."""

    scenario: Scenario
    stand: Stand
    now: Callable[[], float]
    """Seconds from when the measurement began."""
    tell: Tell
    struck: list[record.Fault] = field(default_factory=list)

    async def run(self, tending: TaskGroup) -> None:
        """Strike by the schedule; what goes on behind is for ``tending``."""
        told = self.scenario.faults
        if told is None:
            return
        ground = self._ground(tending)
        tending.start_soon(self.stand.seats.keep)
        seconds = self.scenario.measured
        for strike in draw(self.scenario.seed, seconds, told.kinds, told.every):
            await anyio.sleep(max(0.0, strike.at - self.now()))
            tending.start_soon(self._strike, ground, strike)

    async def _strike(self, ground: Ground, strike: Strike) -> None:
        kind = KINDS[strike.kind]
        async with ground.server_lock if kind.exclusive else nullcontext():
            fault = kind.make(ground, strike.target)
            began = self.now()
            try:
                what = await fault.strike()
            except (RedisError, RedisClusterException) as error:
                what = ""
                self.tell(f"{strike.kind} could not strike: {error}")
            if not what:
                return
            at = len(self.struck)
            self.struck.append(
                record.Fault(kind=strike.kind, what=what, from_=began, to=began + strike.seconds)
            )
            self.tell(f"{began:6.1f} s  {what}")
            try:
                await anyio.sleep(strike.seconds)
            finally:
                # Also where the test is over: who comes next is to find all as it was.
                with anyio.move_on_after(HEALING, shield=True):
                    await fault.heal()
            self.struck[at] = replace(self.struck[at], to=self.now())

    def _ground(self, tending: TaskGroup) -> Ground:
        stand = self.stand
        work = Work(
            stand.grid, stand.address, stand.folder, stand.seats.mark, 0, self.scenario.seed
        )
        own = stand.own
        return Ground(
            stand.grid,
            stand.seats,
            work,
            tending,
            LEASE,
            proxies=[proxy for _, proxy in own.networks] if own is not None else [],
            servers=own.server if own is not None and isinstance(own.server, Servers) else None,
        )
