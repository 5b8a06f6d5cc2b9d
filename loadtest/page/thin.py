"""Fewer points for a curve than it has intervals, where a screen could not show them. Pure."""

import statistics
from collections.abc import Callable, Sequence

from loadtest.record import Column

MOST = 2000
"""Points of a curve: about as many as a wide screen has dots."""

Way = Callable[[list[float]], float]
"""How the values of neighbours become one. A peak must stay to be seen: ``max``."""


def mean(values: list[float]) -> float:
    """For rates, which add up."""
    return statistics.fmean(values)


def thin(times: Sequence[float], column: Column, way: Way) -> tuple[list[float], Column]:
    """At most ``MOST`` points: the ends of groups of neighbours, and what has become of each.

    A group of which nothing is known stays a gap.
    """
    together = -(-len(times) // MOST)
    if together <= 1:
        return list(times), list(column)
    kept: list[float] = []
    values: Column = []
    for start in range(0, len(times), together):
        group = [value for value in column[start : start + together] if value is not None]
        kept.append(times[min(start + together, len(times)) - 1])
        values.append(way(group) if group else None)
    return kept, values
