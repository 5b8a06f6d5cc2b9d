"""What a trade is: the fields of a product, and the values they may take.

Trades are handled by column. A *raw column* holds one field as it was read, one value a trade and
``None`` where a trade lacks it; ``check`` turns raw columns into typed arrays, and says of each bad
value what is wrong with it. Pure: no I/O, no clock.
"""

import math
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

RawColumns = Mapping[str, Sequence[object]]
"""Field name -> one value a trade as read, ``None`` where the trade lacks the field."""

Columns = Mapping[str, NDArray[Any]]
"""Field name -> array of shape (trades,): float64, int64, or object for all that is no number."""

DEFAULT_PRODUCT = "warrant"
"""The product of a trade that names none in its field ``product``."""


class Kind(StrEnum):
    """How a field's values are written in JSON."""

    NUMBER = "number"
    INTEGER = "whole number"
    DATE = "date as YYYY-MM-DD"
    TEXT = "text"
    JSON = "JSON value"
    """Anything but null: the pricer judges it."""


@dataclass(frozen=True, slots=True)
class Term:
    """One field of a product: its kind, and which values of that kind it may have."""

    kind: Kind
    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    """Whether ``low`` itself is excluded."""
    choices: tuple[str, ...] = ()
    """The texts that it may be; any if none is given. For ``Kind.TEXT``."""

    @property
    def rule(self) -> str:
        """The values it may take, as words for an error message."""
        if self.choices:
            return " or ".join(self.choices)
        words = f"a {self.kind}"
        if self.low > -math.inf:
            words += f" above {self.low:.16g}" if self.above else f" of at least {self.low:.16g}"
        if self.high < math.inf:
            words += f"{' and' if self.low > -math.inf else ' of'} at most {self.high:.16g}"
        return words

    def allows(self, value: object) -> bool:
        """Whether one value as read is of this kind and in this range; the rule's definition."""
        match self.kind:
            case Kind.DATE:
                return isinstance(value, str) and _is_date(value)
            case Kind.TEXT:
                return isinstance(value, str) and (not self.choices or value in self.choices)
            case Kind.JSON:
                return value is not None
            case Kind.INTEGER | Kind.NUMBER:
                return self._allows_number(value)

    def _allows_number(self, value: object) -> bool:
        types = (int,) if self.kind is Kind.INTEGER else (int, float)
        # bool is a subclass of int, yet true is no spot price.
        if isinstance(value, bool) or not isinstance(value, types):
            return False
        if self.kind is Kind.INTEGER and not -(2**63) <= value < 2**63:
            return False  # It would have no place in a column.
        try:
            finite = math.isfinite(value)
        except OverflowError:
            return False
        above_low = value > self.low if self.above else value >= self.low
        return finite and above_low and value <= self.high

    def column(self, values: Sequence[object]) -> NDArray[Any] | None:
        """The values as one typed array, or None if ``allows`` refuses any of them.

        Checks whole columns at once: this runs for every trade of every run.
        """
        if self.kind in (Kind.DATE, Kind.TEXT, Kind.JSON):
            return self._objects(values)
        integer = self.kind is Kind.INTEGER
        if not set(map(type, values)) <= ({int} if integer else {int, float}):
            return None
        try:
            column = np.array(values, dtype=np.int64 if integer else np.float64)
        except OverflowError:
            return None
        # NumPy would compare whole numbers with a float as floats, and take 2**53 + 1 for 2**53.
        high = int(self.high) if integer and self.high < math.inf else self.high
        above_low = column > self.low if self.above else column >= self.low
        if not (above_low & (column <= high) & np.isfinite(column)).all():
            return None
        return column

    def _objects(self, values: Sequence[object]) -> NDArray[Any] | None:
        if self.kind is Kind.JSON:
            if not all(map(self.allows, values)):
                return None
        else:
            # Only what is text may go into a set: some of what JSON has cannot be hashed.
            texts = [value for value in values if isinstance(value, str)]
            if len(texts) < len(values) or not all(map(self.allows, set(texts))):
                return None
        # Not np.array, which would make a table of lists that are equally long.
        return np.fromiter(values, dtype=object, count=len(values))


Schema = Mapping[str, Term]
"""The fields a product must have; a trade may carry more."""

ID = Term(Kind.INTEGER, low=0, high=2**53)
"""A trade's ID: up to 2**53, so that every JSON reader keeps it exact."""

WARRANT: Schema = {
    "spot": Term(Kind.NUMBER, low=0, above=True),
    "strike": Term(Kind.NUMBER, low=0, above=True),
    "drift": Term(Kind.NUMBER),
    "vol": Term(Kind.NUMBER, low=0),
    # Beyond this no path means anything, and single precision overflows.
    "vol_of_vol": Term(Kind.NUMBER, low=0, high=1e6),
    "rho": Term(Kind.NUMBER, low=-1, high=1),
    "maturity": Term(Kind.NUMBER, low=0, above=True),
    "steps": Term(Kind.INTEGER, low=1, high=100_000),
    "paths": Term(Kind.INTEGER, low=1, high=2**31),
    "warrants": Term(Kind.INTEGER, low=0, high=2**53),
    "notional": Term(Kind.NUMBER, low=0),
    "start_date": Term(Kind.DATE),
    "end_date": Term(Kind.DATE),
}
"""Knock-out FX warrants under stochastic volatility; ``maturity`` in years, ``strike`` also the
barrier, ``notional`` for each warrant."""

EUROPEAN: Schema = {
    "option_type": Term(Kind.TEXT, choices=("call", "put")),
    "spot": Term(Kind.NUMBER, low=0, above=True),
    "strike": Term(Kind.NUMBER, low=0, above=True),
    "vol": Term(Kind.NUMBER, low=0),
    "maturity": Term(Kind.NUMBER, low=0),
    "domestic_rate": Term(Kind.NUMBER),
    "foreign_rate": Term(Kind.NUMBER),
    "notional": Term(Kind.NUMBER, low=0),
}
"""European FX options; ``spot`` and ``strike`` in domestic currency for a unit of the foreign one,
``notional`` in the foreign one, ``maturity`` in years, rates by year, compounded continuously."""

PRODUCTS: Mapping[str, Schema] = {"warrant": WARRANT, "european": EUROPEAN}
"""The products we know; a trade of another product is kept as it is, for whoever can price it."""


def product_of(schema: Schema) -> str | None:
    """The product that has this very schema, None if it is somebody's own."""
    return next((name for name, known in PRODUCTS.items() if known is schema), None)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of one trade."""

    row: int
    field: str
    value: object
    rule: str

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.field} is missing: must be {self.rule}"
        return f"{self.field} is {_shortened(self.value)}: must be {self.rule}"


@dataclass(frozen=True, slots=True)
class Checked:
    """Typed columns of the trades that passed, and the first fault of each that did not."""

    good: NDArray[np.int64]
    """The rows that passed, ascending; the columns' values are in this order."""
    columns: Columns
    faults: Sequence[Fault] = field(default=())


def other_products(raw: RawColumns, product: str, count: int) -> Sequence[Fault]:
    """Which of ``count`` trades are of another product, each as a fault of its ``product``."""
    named = raw.get("product")
    if named is None and product == DEFAULT_PRODUCT:
        return ()  # as nearly always
    rule = f"{product} for this algorithm"
    return [
        Fault(row, "product", value, rule)
        for row, value in enumerate(named or (None,) * count)
        if (DEFAULT_PRODUCT if value is None else value) != product
    ]


def check(raw: RawColumns, schema: Schema, count: int) -> Checked:
    """Sort ``count`` trades into typed columns and faults, by the fields of ``schema``."""
    columns: dict[str, NDArray[Any]] = {}
    for name, term in schema.items():
        column = term.column(raw[name]) if name in raw else None
        if column is None:
            break
        columns[name] = column
    else:
        return Checked(np.arange(count), columns)
    return _check_by_row(raw, schema, count)


def _check_by_row(raw: RawColumns, schema: Schema, count: int) -> Checked:
    """The slow way, for batches known to hold a bad value: find it, and keep its neighbours."""
    absent = (None,) * count
    faults: dict[int, Fault] = {}
    for name, term in schema.items():
        for row, value in enumerate(raw.get(name, absent)):
            if row not in faults and not term.allows(value):
                faults[row] = Fault(row, name, value, term.rule)
    good = [row for row in range(count) if row not in faults]
    columns: dict[str, NDArray[Any]] = {}
    for name, term in schema.items():
        column = term.column([raw[name][row] for row in good] if good else [])
        if column is None:
            raise AssertionError(f"{name}: a column and its values are judged by different rules")
        columns[name] = column
    return Checked(np.array(good, dtype=np.int64), columns, tuple(faults.values()))


def _is_date(text: str) -> bool:
    try:
        # ISO 8601 has other forms too, such as 2017-W52-5.
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _shortened(value: object, limit: int = 40) -> str:
    # Not repr: a value as read may be nested deeper than Python follows, or fill many megabytes.
    text = _short.repr(value)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


_short = reprlib.Repr()
_short.maxstring = _short.maxother = 40
_short.maxlevel = 3
