"""The terms of a trade to be priced now: the model's or a stored trade's, changed, and laddered.

Pure.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import orjson

from engine.errors import UsageError
from engine.pricing import registry
from engine.trade import EUROPEAN, WARRANT, Schema
from producer.generate import CONSTANTS

MOST_RUNGS = 10_000
"""Trades of all ladders together: they are a table to be read."""

DIGITS = 12
"""Significant, of a rung: 0.86, not 0.8600000000000001."""

WARRANT_MODEL: Mapping[str, Any] = {
    "spot": 0.8885,
    "strike": 0.76,
    "drift": 0.0,
    "vol": 0.0809,
    **CONSTANTS,
    "warrants": 45_000,
    "notional": 1000.0,
}
"""A trade in the middle of the generated book."""

EUROPEAN_MODEL: Mapping[str, Any] = {
    "product": "european",
    "option_type": "call",
    "spot": 0.8885,
    "strike": 0.88,
    "vol": 0.0809,
    "maturity": 0.2,
    "domestic_rate": 0.0,
    "foreign_rate": 0.0,
    "notional": 1_000_000.0,
}

_OWN = {"pvonly": WARRANT, "deltavega": WARRANT, "synthetic": WARRANT, "european": EUROPEAN}
"""The algorithms whose terms are known without looking for their pricers."""


def model(algorithm: str, trade_id: int) -> dict[str, Any]:
    """The trade that is priced if nobody names any."""
    return {"id": trade_id, **(EUROPEAN_MODEL if algorithm == "european" else WARRANT_MODEL)}


def changed(trade: Mapping[str, Any], changes: Mapping[str, Any], algorithm: str) -> dict[str, Any]:
    """A trade with some fields changed.

    Raises UsageError for a field that neither the trade has nor the algorithm wants, or a value
    that it cannot have.
    """
    schema = _schema(algorithm, set(changes) - set(trade))
    for name, value in changes.items():
        if name == "id" or (name not in trade and name not in schema):
            known = [*(field for field in trade if field != "id"), *(schema.keys() - trade.keys())]
            raise UsageError(f"{name[:40]}: no such field; the trade has {', '.join(known)}")
        if name in schema and not schema[name].allows(value):
            raise UsageError(f"{name} is {str(value)[:40]}: must be {schema[name].rule}")
    return {**trade, **changes}


def _schema(algorithm: str, unknown: set[str]) -> Schema:
    """The terms of the algorithm; one of the user's own is looked for only if that is needed."""
    if algorithm in _OWN or not unknown:
        return _OWN.get(algorithm, {})
    return registry.find(algorithm).schema


def assigned(text: str) -> tuple[str, Any]:
    """Read ``FIELD=VALUE``; the value is JSON, or else text as it stands.

    Raises UsageError if it is not of this form.
    """
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise UsageError(f"{text[:60]!r}: must be FIELD=VALUE, such as spot=0.9")
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value


@dataclass(frozen=True, slots=True)
class Ladder:
    """The values that one field takes in turn."""

    field: str
    values: Sequence[float]

    @classmethod
    def parse(cls, text: str) -> "Ladder":
        """Read ``FIELD=FROM:TO:COUNT``. Raises UsageError if it is none."""
        name, equals, span = text.partition("=")
        try:
            first, last, count = (float(part) for part in span.split(":"))
        except ValueError:
            first = last = count = math.nan
        if not (name and equals and all(map(math.isfinite, (first, last, count)))):
            raise UsageError(
                f"ladder {text[:60]!r}: must be FIELD=FROM:TO:COUNT, such as spot=0.85:0.95:11"
            )
        if count not in range(2, MOST_RUNGS + 1) or first == last:
            raise UsageError(
                f"ladder {text[:60]!r}: COUNT must be a whole number from 2 to {MOST_RUNGS:,}, and "
                "FROM another than TO"
            )
        steps = int(count) - 1
        # Not by the difference of the ends, which may be too large for a float.
        values = [first * (1 - n / steps) + last * (n / steps) for n in range(steps + 1)]
        return cls(name, [_rounded(value) for value in values])


def _rounded(value: float) -> float:
    """A whole number as such, so that ``steps`` and ``paths`` have ladders too."""
    rounded = float(f"{value:.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 2**53 else rounded


def rungs(
    trade: Mapping[str, Any], ladders: Sequence[Ladder], algorithm: str
) -> list[dict[str, Any]]:
    """The trades of a ladder, or of the grid that two of them span; all have the trade's ID.

    So they have the same random numbers, and what differs between them is the terms' doing. Raises
    UsageError as ``changed`` does.
    """
    fields = [ladder.field for ladder in ladders]
    if len(set(fields)) < len(fields):
        raise UsageError(f"ladder: {fields[0]} is laddered twice")
    count = math.prod(len(ladder.values) for ladder in ladders)
    if count > MOST_RUNGS:
        raise UsageError(f"ladder: {count:,} trades: must be at most {MOST_RUNGS:,}")
    places = product(*(ladder.values for ladder in ladders))
    return [changed(trade, dict(zip(fields, place, strict=True)), algorithm) for place in places]
