"""One measurement: generators meet, send and tell, while gauges are read and faults strike."""

import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from redis.exceptions import RedisClusterException, RedisError

from engine.connection import passes
from engine.errors import ServerError
from engine.outcome import Counts
from loadtest import record
from loadtest.drivers import DRIVERS
from loadtest.generator.clock import server_ahead
from loadtest.generator.meeting import Meeting, name_of
from loadtest.processes import ProcessFailed
from loadtest.run import background, verdict
from loadtest.run.children import Children
from loadtest.run.collector import Collector
from loadtest.run.driving import Jobs, jobs_for, queues_for
from loadtest.run.gauges import Gauges
from loadtest.run.stand import Stand
from loadtest.run.strikes import Strikes
from loadtest.scenario import Scenario
from loadtest.scenario_wire import to_wire
from loadtest.timetable import planned
from loadtest.waits import BUSY, share_waited, told

LEAD = 0.5
"""Seconds from when all have joined to the first call."""

JOINING = 30.0
"""Seconds in which the generators that were started here must have joined."""

POLL = 0.1
"""Seconds between looks at what generators tell."""

KEEP = 10.0
"""Seconds between renewals of the meeting."""

PATIENCE = 10.0
"""Seconds for which a server may be away before the test is given up."""

SILENCE = 15.0
"""Seconds without a word after which a generator is taken for dead."""

LAST_WORDS = 1.0
"""Seconds for which the news of a generator that has ended may be on its way."""

CLEARING = 10.0
"""Seconds in which what was made on the server must be removed."""

AWAY = (RedisError, RedisClusterException)


@dataclass(slots=True)
class Round:
    """One measurement on a stand, and what has come of it so far: it may be cut short anywhere."""

    stand: Stand
    scenario: Scenario
    tell: Callable[[str], None]
    audit: bool = True
    """Whether consumers leave at the end, so that lost trades can be told from queued ones."""
    on_look: Callable[["Round"], None] = lambda _round: None
    warnings: list[str] = field(default_factory=list)
    ended_early: str | None = None
    busy: str | None = None
    """That the machine was, if so."""
    bulk: record.Bulk | None = None
    fleet: Mapping[str, Any] | None = None
    """How simulated consumers have fared."""
    collector: Collector = field(init=False)
    gauges: Gauges = field(init=False)
    strikes: Strikes = field(init=False)
    name: str = field(default_factory=lambda: f"load-{secrets.token_hex(4)}")
    _began: float = float("inf")
    """When the measurement began, or is to begin, by ``time.perf_counter``."""
    _children: Children = field(init=False)
    _background: Jobs | None = None
    _bulk_seen: list[tuple[float, Counts]] = field(default_factory=list)
    """The first and the last look at the jobs within the measurement."""
    _heard: dict[str, float] = field(default_factory=dict)
    """Generator -> when it was last heard of."""
    _planned: int | None = None
    """Calls of the timetable, once it is over."""
    _died: str | None = None
    """Which generator has died first, and when."""

    def __post_init__(self) -> None:
        self.collector = Collector(self.scenario)
        stand, scenario = self.stand, self.scenario
        ours = DRIVERS[scenario.driver].ours
        self.gauges = Gauges(
            stand.grid,
            queues_for(scenario, stand.grid),
            None if ours else scenario.consumers.slots,
        )
        self.strikes = Strikes(self.scenario, self.stand, self.now, self.tell)
        self._children = Children(self.stand.address, self.stand.folder, self.name)
        self._background = jobs_for(scenario, stand.grid, stand.address, self.name)

    def now(self) -> float:
        """Seconds from when the measurement began, or is to begin."""
        return time.perf_counter() - self._began

    @property
    def measured(self) -> float:
        """Seconds that were measured so far."""
        return min(max(self.now(), 0.0), self.scenario.measured)

    async def run(self) -> None:
        """Measure to the end, or until the server is away for good."""
        meeting = Meeting(self.stand.grid.redis, self.name)
        try:
            await meeting.open(to_wire(self.scenario))
            if self.scenario.realtime is not None:
                self._children.start(self.scenario.realtime.generators)
            if self._background is not None:
                await self._background.begin()
            await self._meet(meeting)
            async with anyio.create_task_group() as tending:
                tending.start_soon(self.strikes.run, tending)
                tending.start_soon(self._gauge)
                await self._follow(meeting)
                tending.cancel_scope.cancel()
            if self.stand.alive:
                killing = self.scenario.faults is not None
                self.warnings += self.stand.unexplained(killing=killing)
            self._look_at_fleet()
            if self.audit and self._background is not None and self.stand.alive:
                await self.stand.leave()
        finally:
            self._children.kill()
            self.collector.finish()
            with anyio.move_on_after(CLEARING, shield=True):
                await self._clear(meeting)
        if (waited := share_waited(self.collector.series(), self.measured)) and waited > BUSY:
            self.busy = told(waited)
        if self.ended_early is None:
            self._look_for_missing()

    def _look_for_missing(self) -> None:
        """Note whether all calls were made: who did not make them cannot be asked."""
        self._planned = sum(moment >= 0 for moment in planned(self.scenario))
        made, self.ended_early = self.collector.total.planned, self._died
        if made < self._planned:
            missing = f"only {made:,} of {self._planned:,} calls were made"
            self.ended_early = f"{self._died}: {missing}" if self._died else missing

    def _look_at_fleet(self) -> None:
        """Note how the fleet has fared."""
        if (fleet := self.stand.fleet) is None:
            return
        try:
            fleet.running.check()
        except ProcessFailed as error:
            self.warnings.append(str(error))
        ended = time.time() - self.now() + self.measured
        rate = background.as_record(self._bulk_seen, Counts()).rate
        self.fleet = fleet.told(ended - self.measured, ended, rate)
        if self.fleet["simulation_is_the_limit"]:
            self.warnings.append(
                "the fleet's processes had too little of this machine to simulate it: of the "
                "server nothing can be said"
            )

    async def _clear(self, meeting: Meeting) -> None:
        """Leave nothing on the server, and add up the jobs."""
        jobs = self._background
        try:
            # Of a server that has died, nothing is to be waited for; one that was away may be back.
            if self.stand.alive:
                with suppress(*AWAY):
                    await meeting.close()
                    if jobs is not None:
                        await jobs.end(audit=self.audit and self.stand.deserted)
        finally:
            if jobs is not None:
                self.bulk = background.as_record(self._bulk_seen, jobs.counts)

    async def _meet(self, meeting: Meeting) -> None:
        """Wait for the generators, and agree with them when it begins."""
        part, grid = self.scenario.realtime, self.stand.grid
        if part is not None:
            if part.join:
                self.tell(
                    f"waiting for {part.join} more: `azfinsim loadtest join {self.name}` on "
                    "other machines, with the same server"
                )
            self.collector.generators = await self._joined(meeting, part.generators, part.join)
        ahead = await server_ahead(grid)
        start = await grid.jobs.now() + LEAD + self.scenario.warm_up
        self._began = start - ahead
        await meeting.begin(start, self.collector.generators)

    async def _joined(self, meeting: Meeting, own: int, others: int) -> list[str]:
        began = time.monotonic()
        while len(names := await meeting.joined()) < own + others:
            for pid in self._children.ended():
                raise ServerError(f"a generator has ended: {self._children.last_words(pid)}")
            if len(names) < own and time.monotonic() - began > JOINING:
                raise ServerError(f"a generator is not ready after {JOINING:g} s")
            await meeting.keep()
            await anyio.sleep(POLL)
        return names

    async def _follow(self, meeting: Meeting) -> None:
        """Take in what generators tell, until all have ended or the server is away for good."""
        after, kept, away_since = "0", time.monotonic(), None
        where = f"the server at {self.stand.address}"
        while not self._over():
            await anyio.sleep(POLL)
            if not self.stand.alive:
                self.ended_early = f"{where} died after {self.now():.1f} s"
                return
            ended = self._children.ended()  # Before their last words are looked for.
            try:
                after, news = await meeting.news(after)
                if time.monotonic() - kept > KEEP:
                    kept = time.monotonic()
                    await meeting.keep()
            except AWAY as error:
                away_since = away_since or time.monotonic()
                if not passes(error) or time.monotonic() - away_since > PATIENCE:
                    self.ended_early = f"{where} is away since {self.now():.1f} s: {error}"
                    return
                continue
            away_since = None
            for each in news:
                self.collector.take(each)
                self._heard[each.generator] = time.monotonic()
            self._look_for_dead(ended)
            self.on_look(self)

    def _over(self) -> bool:
        left = set(self.collector.generators) - self.collector.ended
        return not left and self.now() >= self.scenario.measured

    def _look_for_dead(self, ended: Mapping[int, int]) -> None:
        """Wait no more for generators that have died; what they have told counts."""
        codes = {name_of(pid): code for pid, code in ended.items()}
        for name in sorted(set(self.collector.generators) - self.collector.ended):
            silent = time.monotonic() - self._heard.setdefault(name, time.monotonic())
            code = codes.get(name)
            if silent > (SILENCE + self.scenario.interval if code is None else LAST_WORDS):
                self.collector.ended.add(name)
                why = "fell silent" if code is None else f"ended with code {code}"
                told = f"generator {name} {why} at {self.now():.1f} s"
                self._died = self._died or told
                self.warnings.append(f"{told}: from then on its share of the calls is missing")

    async def _gauge(self) -> None:
        """Look at the end of each interval."""
        interval = self.scenario.interval
        while True:
            number = int(self.now() // interval) - 1
            try:
                consumers = [each.pid for each in self.stand.seats.living]
                others = [*self._children.pids, *self.stand.server_pids]
                sample = await self.gauges.look(consumers, others)
                if self._background is not None:
                    await self._background.look()
            except (*AWAY, ServerError):
                pass  # Told elsewhere, if it lasts.
            else:
                counts = self._background.counts if self._background is not None else Counts()
                if number * interval >= -self.scenario.warm_up:
                    self.collector.gauge(number, sample, counts.priced)
                if 0 <= (now := self.now()) <= self.scenario.measured + interval:
                    self._bulk_seen = [*self._bulk_seen[:1], (now, counts)]
            # A little after, as generators do.
            await anyio.sleep(interval - self.now() % interval + 0.02)

    def realtime(self) -> record.Realtime | None:
        """What came of the calls."""
        if self.scenario.realtime is None:
            return None
        calls = self.collector
        told = verdict.realtime_of(calls.total, calls.within, self.measured, len(calls.generators))
        return told if self._planned is None else replace(told, planned=self._planned)

    @property
    def lost(self) -> int:
        """Calls and trades without an outcome."""
        calls, jobs = self.collector.total, self._background
        # None but where a generator, or all, was cut short.
        untold = calls.planned - calls.priced - calls.errors.total()
        trades = 0 if jobs is None else jobs.lost + jobs.counts.in_flight
        return calls.lost + max(untold, 0) + trades

    def verdict(self) -> record.Verdict:
        """Whether it meets the objectives."""
        return verdict.judge(
            self.scenario.objectives,
            self.realtime(),
            self.bulk,
            self.lost,
            self.warnings,
            self.ended_early,
            self.busy,
        )
