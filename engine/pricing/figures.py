"""What a pricer returned, judged, and turned from columns into what each trade's record shows.

A pricer may be anybody's, so nothing is taken for granted. Pure.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

KNOWN = ("pv", "se", "delta", "delta_se", "vega", "vega_se", "paths")
"""The figures that have a meaning for the grid; a record shows them in this order."""

REASON = "reason"
"""Not a figure: for each trade None, or why the pricer does not price it."""

TAKEN = ("id", "attempts", "ms", "outcome", REASON)
"""What a record has besides figures, so that no figure can have these names."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")

Records = dict[int, dict[str, Any]]
"""Trade ID -> its result record, or the beginning of it."""

Reasons = dict[int, str]
"""Trade ID -> why it has no price."""


def check_name(name: object) -> str:
    """Return ``name`` if a pricer's own figure may have it.

    Raises ValueError otherwise: it becomes a key of JSON and a column of CSV.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"the pricer returned a figure named {name!r:.60}: must be 1 to 32 letters, digits "
            "or underscores, and begin with a letter"
        )
    if name in TAKEN:
        raise ValueError(
            f"the pricer returned a figure named {name!r}, which means something else in a record"
        )
    return name


def ordered(names: Sequence[str]) -> list[str]:
    """Names in the order of a record: the known ones, then the pricer's own by name.

    Not in the order in which it gave them, which may depend on its other trades (G3).
    """
    return [name for name in KNOWN if name in names] + sorted(set(names).difference(KNOWN))


def by_trade(figures: object, ids: Sequence[int]) -> tuple[Records, Reasons]:
    """ID and figures of each of the trades ``ids``, but of those that have no price, why.

    A figure that is not finite is left out; of a PV that is a reason. Raises TypeError or
    ValueError if what the pricer returned is not as ``Pricer.price`` says.
    """
    if not isinstance(figures, Mapping):
        kind = type(figures).__name__
        raise TypeError(f"the pricer returned {kind}: must be a mapping of figures")
    names = ordered([check_name(name) for name in figures if name != REASON])
    columns = [_column(name, figures[name], len(ids)) for name in names]
    reasons = _reasons(figures[REASON], ids) if REASON in figures else {}
    records: Records = {i: {"id": i} for i in ids}
    finite = True
    for name, column in zip(names, columns, strict=True):
        finite = finite and bool(np.isfinite(column).all())
        for i, value in zip(ids, _values(name, column), strict=True):
            records[i][name] = value
    if not finite:
        for i, record in records.items():
            if not math.isfinite(record.get("pv", 0.0)):
                reasons.setdefault(i, f"pv is {record['pv']}")
            records[i] = {name: value for name, value in record.items() if math.isfinite(value)}
    for i in reasons:
        del records[i]
    return records, reasons


def _column(name: str, values: Any, count: int) -> NDArray[np.float64]:
    column = np.asarray(values)
    if column.shape != (count,):
        raise ValueError(f"the pricer returned {name} of shape {column.shape} for {count} trades")
    if column.dtype.kind not in "fiu":
        raise ValueError(f"the pricer returned {name} of type {column.dtype}: must be numbers")
    # Whatever their type, which in a list depends on all that is in it: 1 and 1.0 are written
    # differently (G3). A long double would not come out as a float at all.
    return column.astype(np.float64)


def _values(name: str, column: NDArray[np.float64]) -> Sequence[float]:
    values: list[float] = column.tolist()
    if name != "paths":
        return values
    if (np.abs(column) >= 2.0**63)[np.isfinite(column)].any():
        raise ValueError("the pricer returned paths that no whole number of 64 bits can be")
    return [int(value) if math.isfinite(value) else value for value in values]


def _reasons(values: Any, ids: Sequence[int]) -> Reasons:
    if isinstance(values, str) or len(values) != len(ids):
        raise ValueError(f"the pricer returned no list of {len(ids)} reasons")
    for value in values:
        if value is not None and not isinstance(value, str):
            kind = type(value).__name__
            raise TypeError(f"the pricer returned a reason of type {kind}: must be text or None")
    return {i: value for i, value in zip(ids, values, strict=True) if value is not None}
