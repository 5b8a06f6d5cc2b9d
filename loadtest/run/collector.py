"""Putting together what generators tell and gauges show, as the test goes on. Pure.

What an hour leaves behind here is a few numbers for each interval.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.job import Lane
from loadtest import record
from loadtest.generator.tally import News, Tally
from loadtest.run.gauges import Sample
from loadtest.scenario import Scenario
from loadtest.timetable import planned_rate

WAITED_FOR = 10
"""Intervals for which a generator that is behind the others is waited for."""


@dataclass(frozen=True, slots=True)
class Point:
    """What came of the calls of one interval."""

    sent: int
    priced: int
    errors: int
    late: int
    cpu: float
    """Cores, of all generators."""
    p50: float | None = None
    p99: float | None = None
    longest: float | None = None


@dataclass(slots=True)
class _Open:
    """An interval of which not all generators have told."""

    tally: Tally = field(default_factory=Tally)
    cpu: float = 0.0


@dataclass(slots=True)
class Collector:
    """Of one test."""

    scenario: Scenario
    generators: Sequence[str] = ()
    total: Tally = field(default_factory=Tally)
    """Of the measurement, without the warm-up."""
    within: int = 0
    """Prices that came within the measurement."""
    told: dict[str, int] = field(default_factory=dict)
    """Generator -> the last interval that it has told of."""
    ended: set[str] = field(default_factory=set)
    """Generators that have said their last word."""
    points: dict[int, Point] = field(default_factory=dict)
    samples: dict[int, tuple[Sample, int]] = field(default_factory=dict)
    """With the trades of jobs priced by then."""
    _open: defaultdict[int, _Open] = field(default_factory=lambda: defaultdict(_Open))

    def take(self, news: News) -> None:
        """Take in what a generator tells."""
        if news.generator not in self.generators:
            return
        interval = self.scenario.interval
        if news.interval <= self.told.get(news.generator, -math.inf) and not news.ended:
            return  # Told again, since its generator did not hear that it was taken.
        if news.interval >= 0:
            self.total.add(news.tally)
            if (news.interval + 1) * interval <= self.scenario.measured + 1e-6:
                self.within += news.tally.priced
        self.told[news.generator] = news.interval
        if news.ended:
            self.ended.add(news.generator)
        # What comes after nobody waited for it any more is in the total alone: in its place there
        # would be a curve of this generator's share.
        elif news.interval not in self.points:
            opened = self._open[news.interval]
            opened.tally.add(news.tally)
            opened.cpu += news.cpu
        self._close(self._all_told())

    def gauge(self, interval: int, sample: Sample, bulk_priced: int) -> None:
        """Note what was seen at the end of an interval."""
        self.samples[interval] = (sample, bulk_priced)

    def finish(self) -> None:
        """Nothing more will come."""
        self._close(math.inf)

    @property
    def latest(self) -> Point | None:
        """The last interval that is complete."""
        return self.points[max(self.points)] if self.points else None

    def _all_told(self) -> float:
        """The interval before which nobody has anything to add."""
        going_on = [g for g in self.generators if g not in self.ended]
        slowest = min((self.told.get(g, -math.inf) for g in going_on), default=math.inf)
        return max(slowest, max(self.told.values(), default=0) - WAITED_FOR)

    def _close(self, before: float) -> None:
        for number in sorted(n for n in self._open if n < before):
            opened = self._open.pop(number)
            self.points[number] = _point(opened)

    def series(self) -> record.Series:
        """The curves."""
        known = [*self.points, *self.samples]
        rows = range(min(known, default=0), max(known, default=-1) + 1)
        return record.Series(
            t=[round((n + 1) * self.scenario.interval, 6) for n in rows],
            **self._of_calls(rows),
            **self._of_gauges(rows),
        )

    def _of_calls(self, rows: Sequence[int]) -> dict[str, record.Column]:
        seconds = self.scenario.interval
        points = [self.points.get(n) for n in rows]

        def rate(name: str) -> record.Column:
            if self.scenario.realtime is None:
                return [None] * len(points)
            return [getattr(p, name) / seconds if p else 0.0 for p in points]

        def plain(name: str) -> record.Column:
            return [getattr(p, name) if p else None for p in points]

        middles = [planned_rate(self.scenario, (n + 0.5) * seconds) for n in rows]
        return {
            "planned_rate": list(middles) if self.scenario.realtime else [None] * len(points),
            "sent_rate": rate("sent"),
            "answered_rate": rate("priced"),
            "error_rate": rate("errors"),
            "late_rate": rate("late"),
            "p50": plain("p50"),
            "p99": plain("p99"),
            "max": plain("longest"),
            "generator_cpu": plain("cpu"),
        }

    def _of_gauges(self, rows: Sequence[int]) -> dict[str, record.Column]:
        found = [self.samples.get(n) for n in rows]
        samples = [each[0] if each else None for each in found]

        def plain(name: str) -> record.Column:
            return [_float(getattr(s, name)) if s else None for s in samples]

        def lane(of: Lane) -> record.Column:
            return [float(s.backlog.get(of, 0)) if s else None for s in samples]

        return {
            "bulk_rate": self._bulk_rate(rows),
            "backlog_realtime": lane(Lane.REALTIME),
            "backlog_high": lane(Lane.HIGH),
            "backlog_bulk": lane(Lane.BULK),
            **{
                name: plain(name)
                for name in (
                    "pending",
                    "consumers",
                    "slots",
                    "redis_cpu",
                    "redis_memory",
                    "redis_ops",
                    "consumer_cpu",
                    "consumer_memory",
                    "waited",
                )
            },
        }

    def _bulk_rate(self, rows: Sequence[int]) -> record.Column:
        if self.scenario.bulk is None:
            return [None] * len(rows)
        column: record.Column = []
        before: tuple[int, int] | None = None
        for n in rows:
            if (found := self.samples.get(n)) is None:
                column.append(None)
                continue
            priced = found[1]
            if before is None:
                column.append(None)
            else:
                column.append((priced - before[1]) / ((n - before[0]) * self.scenario.interval))
            before = (n, priced)
        return column


def _point(opened: _Open) -> Point:
    tally = opened.tally
    errors = tally.errors.total()
    if not len(tally.latency):
        return Point(tally.sent, tally.priced, errors, tally.late, opened.cpu)
    p50, p99, longest = tally.latency.percentiles(50, 99, 100)
    return Point(tally.sent, tally.priced, errors, tally.late, opened.cpu, p50, p99, longest)


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)
