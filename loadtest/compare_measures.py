"""What two load tests are compared by: each figure, and how it went from interval to interval.

Pure.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtest.compare_noise import share_above
from loadtest.histogram import histogram
from loadtest.record import Column, Record, Series

TELLING = 10
"""Calls above a percentile, below which it is not compared."""


@dataclass(frozen=True, slots=True)
class Part:
    """A figure of one run."""

    value: float
    swings: Sequence[float] = ()
    """How far each interval is from the whole, such that their mean's error is the figure's: in
    shares of the value, or, of a figure that is told as a difference, in its unit."""
    least: float = 0.0
    """Standard error below which it cannot be: that of independent calls."""
    step: float = 0.0
    """How far the value may be off by the way it was found, whatever chance did."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure that can be compared."""

    name: str
    unit: str
    """``s``, ``1/s``, ``B``, ``1`` for counts, ``%`` for shares."""
    of: Callable[[Record], Part | None]
    more_is_better: bool = False
    exact: bool = False
    """Whether there is nothing of chance in it: any rise is told."""


@dataclass(frozen=True, slots=True)
class Percentile:
    """A percentile of the latency, which is compared by the share of calls above a time."""

    name: str
    percent: float

    def value(self, record: Record) -> float | None:
        """Seconds; None if too few calls lie above it."""
        of = record.realtime
        beyond = of.latency.count * (1 - self.percent / 100) if of is not None else 0
        if of is None or beyond < TELLING:
            return None
        return histogram(of.latency).percentile(self.percent)

    def part(self, record: Record, at: float) -> Part:
        """The share of calls above ``at`` seconds, where both runs have their percentile about."""
        assert record.realtime is not None
        rows = _measured(record)
        series = record.series
        weights = [series.answered_rate[row] or 0.0 for row in rows]
        shares = [_above(series, row, at) for row in rows]
        share = 1 - self.percent / 100
        least = math.sqrt(share * (1 - share) / record.realtime.latency.count)
        if not (whole := sum(weights)):
            return Part(share, (), least)
        mean = sum(w * s for w, s in zip(weights, shares, strict=True)) / whole
        swings = [w * (s - mean) * len(rows) / whole for w, s in zip(weights, shares, strict=True)]
        return Part(share, swings, least)


def _above(series: Series, row: int, at: float) -> float:
    p50, p99, longest = series.p50[row], series.p99[row], series.max[row]
    if p50 is None or p99 is None or longest is None or p50 <= 0:
        return 0.0
    return share_above(at, p50, p99, longest)


def _measured(record: Record) -> list[int]:
    """The intervals within the measurement: neither warm-up nor what came after its end."""
    end = record.seconds + 1e-6
    return [row for row, t in enumerate(record.series.t) if 0 < t <= end]


def _mean(record: Record, column: Column) -> Part | None:
    """The mean of a column over the measurement; what is not known swings nowhere."""
    values = [column[row] for row in _measured(record)]
    known = [value for value in values if value is not None]
    if not known:
        return None
    # Where it is always 0 there is nothing to be a share of.
    mean = sum(known) / len(known)
    share = 1 / mean if mean else 0.0
    return Part(mean, [0.0 if value is None else (value - mean) * share for value in values])


def _a_trade(record: Record, column: Column) -> Part | None:
    """What a column comes to for each trade priced."""
    series, rows = record.series, _measured(record)
    spent = [column[row] for row in rows]
    priced = [(series.answered_rate[row] or 0.0) + (series.bulk_rate[row] or 0.0) for row in rows]
    # An interval of which nothing is known counts on neither side.
    seen = [(s, p) for s, p in zip(spent, priced, strict=True) if s is not None]
    whole, trades = sum(s for s, _ in seen), sum(p for _, p in seen)
    if not whole or not trades:
        return None  # Nothing was priced, which the rates tell.
    ratio, mean = whole / trades, whole / len(seen)
    swings = [
        0.0 if s is None else (s - ratio * p) / mean for s, p in zip(spent, priced, strict=True)
    ]
    return Part(ratio, swings)


def _realtime_rate(record: Record) -> Part | None:
    found = _mean(record, record.series.answered_rate)
    if record.realtime is None or found is None:
        return None
    return Part(record.realtime.rate, found.swings)


def _bulk_rate(record: Record) -> Part | None:
    found = _mean(record, record.series.bulk_rate)
    if record.bulk is None or record.bulk.rate is None or found is None:
        return None
    return Part(record.bulk.rate, found.swings)


def _errors(record: Record) -> Part | None:
    of = record.realtime
    if of is None or not of.planned:
        return None
    rows, series = _measured(record), record.series
    planned = [series.planned_rate[row] or 0.0 for row in rows]
    errors = [series.error_rate[row] or 0.0 for row in rows]
    many = sum(of.errors.values())
    # Even of none, there might as well have been one.
    least = math.sqrt(many + 1) / of.planned
    if not (whole := sum(planned)):
        return Part(many / of.planned, (), least)
    share = sum(errors) / whole
    swings = [(e - share * p) * len(rows) / whole for e, p in zip(errors, planned, strict=True)]
    return Part(many / of.planned, swings, least)


def _capacity(record: Record) -> Part | None:
    found = record.capacity
    if found is None or not found.rate:
        return None
    above = [t.rate for t in found.tries if not t.met and t.rate > found.rate]
    # The search ends between a rate that met the objectives and one that did not.
    return Part(found.rate, step=math.log(min(above) / found.rate) if above else 0.0)


def _failed(record: Record) -> Part | None:
    return None if record.bulk is None else Part(float(record.bulk.rejected + record.bulk.dead))


PERCENTILES = (
    Percentile("realtime.p50", 50.0),
    Percentile("realtime.p90", 90.0),
    Percentile("realtime.p99", 99.0),
    Percentile("realtime.p999", 99.9),
)

MEASURES = (
    Measure("realtime.rate", "1/s", _realtime_rate, more_is_better=True),
    Measure("realtime.errors", "%", _errors),
    Measure("bulk.rate", "1/s", _bulk_rate, more_is_better=True),
    Measure("bulk.failed", "1", _failed, exact=True),
    Measure("lost", "1", lambda record: Part(float(record.lost)), exact=True),
    Measure("redis.cpu_a_trade", "s", lambda r: _a_trade(r, r.series.redis_cpu)),
    Measure("consumer.cpu_a_trade", "s", lambda r: _a_trade(r, r.series.consumer_cpu)),
    Measure("redis.memory", "B", lambda r: _mean(r, r.series.redis_memory)),
    Measure("consumer.memory", "B", lambda r: _mean(r, r.series.consumer_memory)),
    Measure("capacity", "1/s", _capacity, more_is_better=True),
)
