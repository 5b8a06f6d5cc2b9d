"""What has changed from one load test to another, and what may be chance alone. Pure.

Each side may be several runs of the same. A change is told only if it is larger than what chance
does: within the runs, by batch means of their intervals, and between runs, if some are repeated, by
how much those differ; the larger of both counts. Runs of the same scenario are taken interval by
interval, so that a ramp or a spike, which both have, is no noise.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from loadtest.compare_measures import (
    MEASURES,
    PERCENTILES,
    Measure,
    Part,
    Percentile,
)
from loadtest.compare_noise import LEAST_INTERVALS, batch_error, pooled_error, student
from loadtest.histogram import histogram
from loadtest.record import Record

CONFIDENCE = 0.95
"""That nothing at all is told to have changed if nothing has: each figure gets its share of the
rest (Bonferroni)."""

Runs = Sequence[Record]


class Change(StrEnum):
    """What became of a figure."""

    NOISE = "within noise"
    TOLERATED = "within tolerance"
    BETTER = "better"
    WORSE = "worse"
    UNKNOWN = "too short to tell"


@dataclass(frozen=True, slots=True)
class Row:
    """A figure of both sides."""

    measure: str
    unit: str
    a: float
    b: float
    relative: bool
    """Whether the change is told as a share of ``a``, or as a difference."""
    change: float
    noise: float | None
    """How large a change chance may make; None if that is not known. Of a relative change this and
    ``change`` are logarithms, which turn their sign where the sides are exchanged."""
    became: Change

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Between which the true change lies, as ``told``."""
        if self.noise is None:
            return None
        low, high = self.change - self.noise, self.change + self.noise
        return (math.expm1(low), math.expm1(high)) if self.relative else (low, high)

    @property
    def told(self) -> float:
        """The change as a share of ``a``, or as a difference."""
        return math.expm1(self.change) if self.relative else self.change


@dataclass(frozen=True, slots=True)
class Comparison:
    """All of it."""

    rows: Sequence[Row]
    warnings: Sequence[str]

    @property
    def regressed(self) -> bool:
        """Whether anything is worse."""
        return any(row.became is Change.WORSE for row in self.rows)


@dataclass(frozen=True, slots=True)
class _Pair:
    """A figure of both sides, on its way to a row."""

    measure: Measure | Percentile
    a: Sequence[Part]
    b: Sequence[Part]
    values: tuple[Sequence[float], Sequence[float]]


def compare(a: Runs, b: Runs, tolerance: float) -> Comparison:
    """Compare runs ``b`` to runs ``a``; a change up to ``tolerance``, a share, does not matter."""
    everything = (*PERCENTILES, *MEASURES)
    found = [pair for each in everything if (pair := _pair(each, a, b))]
    chances = 1 - (1 - CONFIDENCE) / max(1, sum(not _exact(pair) for pair in found))
    rows = [_row(pair, a, b, tolerance, chances) for pair in found]
    warnings = [*_missing(everything, found, a, b), *_warnings(a, b)]
    if any(row.became is Change.UNKNOWN for row in rows):
        warnings.append(_too_short(a, b))
    return Comparison(rows, warnings)


def _pair(measure: Measure | Percentile, a: Runs, b: Runs) -> _Pair | None:
    """None if it was not measured in all runs."""
    if isinstance(measure, Measure):
        parts = [[p for run in side if (p := measure.of(run))] for side in (a, b)]
        if len(parts[0]) < len(a) or len(parts[1]) < len(b):
            return None
        values = [[part.value for part in side] for side in parts]
        return _Pair(measure, parts[0], parts[1], (values[0], values[1]))
    times = [[v for run in side if (v := measure.value(run))] for side in (a, b)]
    if len(times[0]) < len(a) or len(times[1]) < len(b):
        return None
    middle = math.exp((_log_mean(times[0]) + _log_mean(times[1])) / 2)
    shares = [[measure.part(run, middle) for run in side] for side in (a, b)]
    return _Pair(measure, shares[0], shares[1], (times[0], times[1]))


def _exact(pair: _Pair) -> bool:
    return isinstance(pair.measure, Measure) and pair.measure.exact


def _row(pair: _Pair, a: Runs, b: Runs, tolerance: float, chances: float) -> Row:
    measure = pair.measure
    unit = measure.unit if isinstance(measure, Measure) else "s"
    # What has come to nothing, or from it, has changed by no share of it.
    relative = unit not in ("%", "1") and all(v > 0 for side in pair.values for v in side)
    values = [[math.log(v) for v in side] if relative else list(side) for side in pair.values]
    before, after = (math.fsum(side) / len(side) for side in values)
    certain = _exact(pair) or not (relative or unit == "%")
    change, noise = after - before, 0.0 if certain else _noise(pair, values, a, b, chances)
    shown = [math.exp(mean) if relative else mean for mean in (before, after)]
    bearable = math.log1p(tolerance) if relative else tolerance * max(shown)
    rising = isinstance(measure, Measure) and measure.more_is_better
    became = _became(change, noise, 0.0 if certain else bearable, rising)
    return Row(measure.name, unit, shown[0], shown[1], relative, change, noise, became)


def _became(change: float, noise: float | None, bearable: float, more_is_better: bool) -> Change:
    if noise is None:
        return Change.UNKNOWN
    if abs(change) <= noise:
        return Change.NOISE
    if abs(change) <= bearable:
        return Change.TOLERATED
    return Change.BETTER if (change > 0) is more_is_better else Change.WORSE


def _noise(
    pair: _Pair, values: Sequence[Sequence[float]], a: Runs, b: Runs, chances: float
) -> float | None:
    """How large a change chance may make, in the unit of the change."""
    step = max(part.step for part in (*pair.a, *pair.b))
    within = _within(pair, _alike(a, b), chances)
    if within is not None and isinstance(pair.measure, Percentile):
        within = _as_time(pair.measure, within, a, b)
    bounds = [within] if within is not None else [step] if step else []
    if (between := pooled_error(*values)) is not None:
        bounds.append(student(chances, between[1]) * between[0])
    return max(bounds, default=None)


def _within(pair: _Pair, alike: bool, chances: float) -> float | None:
    """By how the intervals of runs differ."""
    sides = (pair.a, pair.b)
    least = math.sqrt(sum((part.least / len(side)) ** 2 for side in sides for part in side))
    if alike:
        means = [[math.fsum(row) / len(side) for row in _rows(side)] for side in sides]
        found = batch_error([y - x for x, y in zip(*means, strict=False)])
        if found is None:
            return None
        return student(chances, found[1]) * max(found[0], least)
    errors = [(batch_error(part.swings), len(side)) for side in sides for part in side]
    known = [(found, many) for found, many in errors if found is not None]
    if len(known) < len(errors):
        return None
    error = math.sqrt(sum((found[0] / many) ** 2 for found, many in known))
    freedom = min(found[1] for found, _ in known)
    return student(chances, freedom) * max(error, least)


def _rows(side: Sequence[Part]) -> Iterable[tuple[float, ...]]:
    """The swings of several runs, interval by interval, as far as all go."""
    return zip(*(part.swings for part in side), strict=False)


def _as_time(measure: Percentile, share: float, a: Runs, b: Runs) -> float:
    """An error of the share of calls above a percentile, as one of that percentile's logarithm."""
    widest = 0.0
    for record in (*a, *b):
        assert record.realtime is not None
        low, middle, high = histogram(record.realtime.latency).percentiles(
            max(0.0, measure.percent - 100 * share),
            measure.percent,
            min(100.0, measure.percent + 100 * share),
        )
        widest = max(widest, math.log(high / middle), math.log(middle / low))
    return widest


def _log_mean(values: Sequence[float]) -> float:
    return math.fsum(math.log(value) for value in values) / len(values)


def _alike(a: Runs, b: Runs) -> bool:
    """Whether all runs have the same scenario, and so the same intervals."""
    return all(_scenario(run) == _scenario(a[0]) for run in (*a, *b))


def _scenario(run: Record) -> dict[str, Any]:
    """What tells of it to the grid."""
    return {key: each for key, each in run.scenario.items() if key not in ("name", "about")}


def _warnings(a: Runs, b: Runs) -> list[str]:
    """Why the comparison may not be one of like with like."""
    told = []
    if any(run in a for run in b):
        told.append("A and B hold the same record, which tells nothing: give another one")
    elif len(a) == len(b) == 1:
        told.append(
            "one run a side: what differs from run to run, as the machine's other work does, is "
            "not in the bounds; repeat the runs and give them with --a and --b"
        )
    first = a[0]
    for side, runs in (("A", a), ("B", b)):
        for number, run in enumerate(runs, 1):
            name = side if len(runs) == 1 else f"{side}{number}"
            if changed := _differences(_scenario(first), _scenario(run)):
                told.append(f"the scenario of {name} differs: {'; '.join(changed)}")
            if changed := _differences(_machine(first), _machine(run)):
                told.append(f"the machine of {name} differs: {'; '.join(changed)}")
            if run.verdict.ended_early is not None:
                told.append(f"{name} was not run to its end: {run.verdict.ended_early}")
            told.extend(f"{name}: {warning}" for warning in run.verdict.warnings)
    return told


def _too_short(a: Runs, b: Runs) -> str:
    """How long is long enough."""
    widest = max(
        (after - before for run in (*a, *b) for before, after in pairwise(run.series.t)), default=1
    )
    return (
        f"too short to tell what is chance: measure for {LEAST_INTERVALS} intervals at least, here "
        f"{LEAST_INTERVALS * widest:g} s (--seconds), or repeat the runs"
    )


def _missing(
    everything: Iterable[Measure | Percentile], found: Iterable[_Pair], a: Runs, b: Runs
) -> list[str]:
    """What only some of the runs have."""
    compared = {pair.measure.name for pair in found}
    return [
        f"{each.name} is not in all of them, and so not compared"
        for each in everything
        if each.name not in compared
        and any((each.of if isinstance(each, Measure) else each.value)(run) for run in (*a, *b))
    ]


def _machine(run: Record) -> dict[str, Any]:
    return {**run.machine, "server": run.server.version, "nodes": run.server.nodes}


def _differences(a: Mapping[str, Any], b: Mapping[str, Any], above: str = "") -> list[str]:
    told = []
    for key in dict.fromkeys((*a, *b)):
        x, y = a.get(key), b.get(key)
        if isinstance(x, Mapping) and isinstance(y, Mapping):
            told.extend(_differences(x, y, f"{above}{key}."))
        elif x != y:
            told.append(f"{above}{key} is {y!r}, not {x!r}")
    return told
