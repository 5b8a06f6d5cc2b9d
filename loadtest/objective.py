"""What a load test is to reach: ``realtime.p99 < 20ms``, ``lost = 0``. Pure."""

import difflib
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.errors import UsageError
from loadtest import record

COUNT, RATE, SECONDS = "1", "1/s", "s"

_TIMES = ("mean", "p50", "p90", "p99", "p999", "max")
_OF_CALLS = ("latency", "queue", "price", "return", "besides", "lateness")

MEASURES: Mapping[str, str] = {
    **{f"realtime.{name}": SECONDS for name in _TIMES},
    **{f"realtime.{part}.{name}": SECONDS for part in _OF_CALLS for name in _TIMES},
    "realtime.rate": RATE,
    "realtime.errors": COUNT,
    "realtime.priced": COUNT,
    "late": COUNT,
    "dropped": COUNT,
    "bulk.rate": RATE,
    "bulk.rejected": COUNT,
    "bulk.dead": COUNT,
    "bulk.expired": COUNT,
    "lost": COUNT,
}
"""What can be asked for, and its unit. ``realtime.p99`` is short for ``realtime.latency.p99``."""

SHARES = ("realtime.errors", "realtime.priced", "late", "dropped")
"""Counts that may be asked for as a share of the calls that were planned, with ``%``."""

_UNITS: Mapping[str, tuple[str, float]] = {
    "us": (SECONDS, 1e-6),
    "µs": (SECONDS, 1e-6),
    "ms": (SECONDS, 1e-3),
    "s": (SECONDS, 1.0),
    "min": (SECONDS, 60.0),
    "/s": (RATE, 1.0),
    "": (COUNT, 1.0),
    "%": (COUNT, 0.01),
}

_RELATIONS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
    "=": operator.eq,
}

_FORM = re.compile(r"\s*([a-z0-9.]+)\s*(<=|>=|<|>|==?)\s*([0-9_,.]+(?:e[+-]?\d+)?)\s*(\S*)\s*")

_EXAMPLES = "as in 'realtime.p99 < 20ms', 'late < 1%', 'bulk.rate > 1000/s' or 'lost = 0'"


@dataclass(frozen=True, slots=True)
class Objective:
    """One of them, read."""

    text: str
    measure: str
    relation: str
    limit: float
    """In the unit of the measure; of a share, a number from 0 to 1."""
    share: bool = False
    """Whether it is of the share, not of the count."""

    @classmethod
    def parse(cls, text: str) -> "Objective":
        """Read one; raises UsageError that says what is wrong with it."""
        found = _FORM.fullmatch(text)
        if found is None:
            raise UsageError(f"objective {text!r} cannot be read: write it {_EXAMPLES}")
        measure, relation, number, unit = found.groups()
        if measure not in MEASURES:
            close = difflib.get_close_matches(measure, MEASURES, n=1)
            meant = f"Did you mean {close[0]}? " if close else ""
            raise UsageError(
                f"objective {text!r}: nothing is measured as {measure!r}. {meant}"
                f"There are {', '.join(n for n in MEASURES if n.count('.') < 2)}, and parts of the "
                "latency such as realtime.queue.p99"
            )
        kind, factor = _UNITS.get(unit, ("", 0.0))
        if kind != MEASURES[measure] or (unit == "%" and measure not in SHARES):
            raise UsageError(
                f"objective {text!r}: {measure} is not told in {unit or 'plain numbers'!r}: "
                f"must have {_units_of(measure)}"
            )
        try:
            limit = float(number.replace("_", "").replace(",", "")) * factor
        except ValueError:
            raise UsageError(
                f"objective {text!r}: {number!r} is no number: write it {_EXAMPLES}"
            ) from None
        return cls(text.strip(), measure, relation.replace("==", "="), limit, unit == "%")

    def judge(self, measured: float | None) -> record.Objective:
        """Whether a measured value meets it; None, for nothing to be measured, does not."""
        met = measured is not None and _RELATIONS[self.relation](measured, self.limit)
        return record.Objective(
            objective=self.text,
            measure=self.measure,
            measured=measured,
            limit=self.limit,
            unit=MEASURES[self.measure],
            met=met,
        )


def measured(
    objective: Objective, realtime: record.Realtime | None, bulk: record.Bulk | None, lost: int
) -> float | None:
    """What a test measured of what an objective asks for; None if nothing."""
    room, _, name = objective.measure.partition(".")
    if objective.measure == "lost":
        return float(lost)
    if room == "bulk":
        return None if bulk is None else _number(getattr(bulk, name))
    if realtime is None:
        return None
    value = _of_calls(realtime, name or room)
    if objective.share and value is not None:
        return value / realtime.planned if realtime.planned else None
    return value


def _of_calls(realtime: record.Realtime, name: str) -> float | None:
    if name == "errors":
        return float(sum(realtime.errors.values()))
    if name in ("rate", "priced", "late", "dropped"):
        return _number(getattr(realtime, name))
    part, _, figure = name.rpartition(".")
    times = getattr(realtime, {"": "latency", "return": "return_"}.get(part, part))
    return _number(getattr(times, figure))


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _units_of(measure: str) -> str:
    match MEASURES[measure]:
        case "s":
            return "a time with us, ms, s or min"
        case "1/s":
            return "a rate with /s"
        case _ if measure in SHARES:
            return "a count, or a share with %"
        case _:
            return "a count"
