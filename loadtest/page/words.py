"""Figures as people write them: three digits, and a unit that suits. Pure.

Between a number and its unit no line breaks.
"""

import math

UNKNOWN = "not known"

GAP = "\N{NO-BREAK SPACE}"


def number(value: float) -> str:
    """Three digits, without an exponent: ``0.0123``, ``12.3``, ``12,300``."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.3g}"


def count(value: float | None) -> str:
    """A whole number, thousands apart."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def seconds(value: float | None) -> str:
    """A time, from microseconds to hours."""
    if value is None:
        return UNKNOWN
    size = abs(value)
    if size == 0:
        return f"0{GAP}s"
    for limit, factor, unit in (
        (1e-3, 1e6, "µs"),
        (1, 1e3, "ms"),
        (120, 1, "s"),
        (7200, 1 / 60, "min"),
    ):
        if size < limit:
            return f"{number(value * factor)}{GAP}{unit}"
    return f"{number(value / 3600)}{GAP}h"


def rate(value: float | None) -> str:
    """So many a second."""
    return UNKNOWN if value is None else f"{number(value)}/s"


def share(value: float | None) -> str:
    """A part of a whole, as percent; what is not quite the whole never looks as if it were."""
    if value is None:
        return UNKNOWN
    if 0.99 <= value < 1:
        return f"{math.floor(value * 1e4) / 1e2:.2f}%"
    return f"{number(value * 100)}%"


def size(value: float | None) -> str:
    """Bytes."""
    if value is None:
        return UNKNOWN
    for limit, factor, unit in ((1e3, 1, "B"), (1e6, 1e-3, "kB"), (1e9, 1e-6, "MB")):
        if abs(value) < limit:
            return f"{number(value * factor)}{GAP}{unit}"
    return f"{number(value * 1e-9)}{GAP}GB"


def cores(value: float | None) -> str:
    """Processor time for each second."""
    return UNKNOWN if value is None else f"{number(value)}{GAP}cores"


def measured(value: float | None, unit: str, objective: str = "") -> str:
    """What an objective has measured, or its limit; a share where the objective is of one."""
    if value is None:
        return "nothing"
    if objective.rstrip().endswith("%"):
        return share(value)
    return {"s": seconds, "1/s": rate}.get(unit, number)(value)
