"""The search for the capacity: round after round on one stand, each when all is drained."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from engine.errors import ServerError, UsageError
from engine.job import Lane
from loadtest import record
from loadtest.capacity import PRECISION, Evidence, Search, limit_of
from loadtest.chaos.patience import until
from loadtest.run.round import Round
from loadtest.run.stand import Stand
from loadtest.scenario import PhasePart, Scenario
from loadtest.scenario_read import at_rate
from loadtest.timetable import planned
from loadtest.waits import share_waited

KEPT_UP = 0.97
"""Of the calls that must be priced while it is measured: if fewer are, more and more wait."""

PILED_UP = f"missed: less than {KEPT_UP:.0%} of its calls were priced while it was measured"

DRAINED = 60.0
"""Seconds in which what a try has left must be gone."""

UNIT = "trades/s"

REPEATED = 5
"""Tries of a search that are made again where the machine or the generator was too small for them:
beyond, they count as missed."""

NO_LIMIT = "nothing", "no rate missed the objectives"


def check(scenario: Scenario) -> None:
    """Raise UsageError for a scenario that has no rate to be searched for."""
    if scenario.realtime is None:
        raise UsageError("--find-capacity searches for a rate of calls: add a [realtime]")
    if scenario.fleet is not None:
        raise UsageError("--find-capacity is of calls, and a fleet takes jobs: leave the fleet out")
    if scenario.realtime.join:
        raise UsageError(
            "--find-capacity makes many tries, and generators of other machines join but one: set "
            "realtime.join = 0"
        )
    if not scenario.peak:
        raise UsageError("--find-capacity cannot raise the rate of a trace: give it another phase")


@dataclass(slots=True)
class Hunt:
    """The search on one stand."""

    stand: Stand
    scenario: Scenario
    tell: Callable[[str], None]
    on_look: Callable[[Round], None]
    precision: float = PRECISION
    tries: list[record.Try] = field(default_factory=list)
    latest: Round | None = None
    _limits: dict[float, tuple[str, str]] = field(default_factory=dict)
    """Rate -> what limited it, and why, when it missed the objectives last."""
    _repeated: int = 0
    """Tries that were made again."""
    _rate: float | None = None
    _met: dict[float, Round] = field(default_factory=dict)
    """Rate -> the last round that met the objectives at it."""

    @property
    def best(self) -> Round | None:
        """The last round at the rate that was found; None if none was."""
        return None if self._rate is None else self._met[self._rate]

    async def run(self) -> None:
        """Search to the end; raises ServerError if the server dies."""
        search = Search(self.scenario.peak, self.precision)
        while (rate := search.next_rate()) is not None:
            await self._drain()
            scenario = at_rate(self.scenario, rate)
            # Consumers stay for the next try, and so lost trades cannot be told apart.
            tried = self.latest = Round(
                self.stand, scenario, self.tell, audit=False, on_look=self.on_look
            )
            await tried.run()
            if tried.ended_early is not None:
                raise ServerError(tried.ended_early)
            self._judge(search, rate, tried)
            self._rate = search.found

    def _judge(self, search: Search, rate: float, tried: Round) -> None:
        verdict = tried.verdict()
        if verdict.invalid is not None and self._repeated < REPEATED:
            # It says nothing of the grid, and so nothing of this rate.
            self._repeated += 1
            self.tell(f"{rate:,.1f}/s is tried again: {verdict.invalid}")
            return
        met = verdict.met
        if met and not keeps_up(tried):
            met = False
            tried.warnings.append(PILED_UP)
        limit, why = ("", "") if met else limit_of(evidence_of(tried))
        realtime = tried.realtime()
        p99 = realtime.latency.p99 if realtime is not None else None
        search.tell(rate, met=met)
        self.tries.append(record.Try(rate=rate, met=met, p99=p99, limited_by=limit))
        if met:
            self._met[rate] = tried
        else:
            self._limits[rate] = limit, why
        told = "-" if p99 is None else f"{p99 * 1000:,.1f} ms"
        end = "met" if met else f"missed: {limit}"
        self.tell(f"try {len(self.tries)}: {rate:,.1f}/s, p99 {told}, {end}")

    def capacity(self) -> record.Capacity:
        """What was found."""
        # A rate that missed once and was met later has limited nothing.
        missed = [rate for rate in self._limits if self._rate is None or rate > self._rate]
        limit, why = self._limits[min(missed)] if missed else NO_LIMIT
        return record.Capacity(
            rate=self._rate, unit=UNIT, limited_by=limit, why=why, tries=self.tries
        )

    async def _drain(self) -> None:
        """Wait until nothing of the try before is queued."""
        await until(self._idle, DRAINED)

    async def _idle(self) -> bool:
        return not any((await self.stand.grid.streams.backlog(list(Lane))).values())


def keeps_up(tried: Round) -> bool:
    """Whether prices came as fast as calls were made."""
    calls = tried.collector
    wanted = sum(moment >= 0 for moment in planned(tried.scenario))
    if not len(calls.total.latency):
        return not wanted
    # Calls that are under way at the end as they were at the beginning are no backlog: as many as
    # come while a quick one is answered.
    [quick] = calls.total.latency.percentiles(10)
    under_way = quick * tried.scenario.peak + 1
    return calls.within >= KEPT_UP * wanted - under_way


def evidence_of(tried: Round) -> Evidence:
    """What was seen of what could be used up."""
    series, realtime = tried.collector.series(), tried.realtime()
    assert realtime is not None
    within = [at for at, t in enumerate(series.t) if 0 < t <= tried.scenario.measured + 1e-6]

    def mean(column: record.Column) -> float | None:
        known = [value for at in within if (value := column[at]) is not None]
        return sum(known) / len(known) if known else None

    slots, consumers = mean(series.slots), mean(series.consumers)
    cpu, redis, own = mean(series.generator_cpu), mean(series.redis_cpu), mean(series.consumer_cpu)
    busy = None
    if slots and realtime.price.mean is not None:
        busy = realtime.price.mean * realtime.rate / slots
    return Evidence(
        waited=share_waited(series, tried.scenario.measured),
        late=(realtime.lateness.p99 or 0.0) / (realtime.latency.p99 or 1.0),
        generator_cpu=cpu / max(realtime.generators, 1) if cpu is not None else None,
        slots_busy=busy,
        redis_cpu=redis / tried.gauges.nodes if redis is not None else None,
        consumer_cpu=(
            # Slots are threads of the consumers' own.
            (own - (busy or 0.0) * (slots or 0.0)) / consumers
            if own is not None and consumers
            else None
        ),
    )


def in_short(scenario: Scenario, seconds: float) -> Scenario:
    """The same in so many seconds, for one try."""
    factor = seconds / scenario.measured
    return replace(scenario, phases=tuple(_begun(phase, factor) for phase in scenario.phases))


def _begun(phase: PhasePart, share: float) -> PhasePart:
    """The beginning of a phase; of a trace at least one call."""
    seconds = phase.seconds * share
    times = tuple(moment for moment in phase.times if moment < seconds)
    return replace(phase, seconds=seconds, times=times or ((0.0,) if phase.times else ()))
