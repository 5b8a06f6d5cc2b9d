"""How far figures of a load test are off by chance alone. Pure.

What happens in one interval of a test depends on those before it, so intervals are no independent
draws. Their means over long stretches nearly are: the method of batch means (B. Schmeiser, "Batch
Size Effects in the Analysis of Simulation Output", Operations Research 30, 1982, who finds that 10
to 30 batches serve). A percentile is treated by the share of calls above it, whose error is then
read off the histogram as a time (P. Heidelberger and P. Lewis, "Quantile Estimation in Dependent
Sequences", Operations Research 32, 1984).
"""

import math
from collections.abc import Sequence

import numpy as np

BATCHES = 20

FEWEST = 5
"""Batches, below which nothing is said."""

LEAST_INTERVALS = 2 * FEWEST
"""Of a test, from which on a batch is a mean and not one of them."""

MOST_T = 1e6


def batch_error(values: Sequence[float]) -> tuple[float, int] | None:
    """The standard error of the mean of values in order of time, and its degrees of freedom.

    None if there are too few.
    """
    batches = min(BATCHES, len(values) // 2)
    if batches < FEWEST:
        return None
    means = [float(np.mean(part)) for part in np.array_split(np.asarray(values), batches)]
    return float(np.std(means, ddof=1)) / math.sqrt(batches), batches - 1


def pooled_error(a: Sequence[float], b: Sequence[float]) -> tuple[float, int] | None:
    """That of the difference of two means of repeated runs, which may come from either side alone.

    None without repeats.
    """
    freedom = len(a) + len(b) - 2
    if freedom < 1:
        return None
    squares = sum(float(np.var(side)) * len(side) for side in (a, b))
    return math.sqrt(squares / freedom * (1 / len(a) + 1 / len(b))), freedom


def student(confidence: float, freedom: int) -> float:
    """How many standard errors Student's t stays within, with that confidence."""
    low, high = 0.0, MOST_T
    for _ in range(80):
        middle = (low + high) / 2
        if _within(middle, freedom) < confidence:
            low = middle
        else:
            high = middle
    return high


def _within(t: float, freedom: int) -> float:
    """P(|T| <= t): Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4."""
    angle = math.atan(t / math.sqrt(freedom))
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(2 if odd else 1, freedom - 2, 2):
        term *= k / (k + 1) * math.cos(angle) ** 2
        total += term
    if odd:
        return 2 / math.pi * (angle + math.sin(angle) * total)
    return math.sin(angle) * total


def share_above(x: float, p50: float, p99: float, longest: float) -> float:
    """About how many of an interval's calls took longer than ``x``, by what is known of them.

    The logarithm of the share goes straight with that of the time between the known percentiles,
    and below the median as above it.
    """
    if x < p50:
        return 1 - share_above(p50 * p50 / x, p50, p99, longest)
    if x >= longest and longest > p50:
        return 0.0
    if x >= p99:
        return 0.5 if p99 <= p50 else 0.005
    return float(0.5 * 0.02 ** (math.log(x / p50) / math.log(p99 / p50)))
