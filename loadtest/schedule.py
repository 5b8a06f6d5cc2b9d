"""When requests are to be sent: as seconds from the start, in their order. Pure.

A schedule is fixed before the first request is sent. What is slow to answer cannot put off the next
one, as it cannot put off the world's; see ``loadtest.open_loop`` for who keeps to it.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


def constant(rate: float, seconds: float) -> Iterator[float]:
    """``rate`` requests a second for so many seconds, the first one at once.

    Raises ValueError for a rate or a time that is not above 0.
    """
    if not (rate > 0 and seconds > 0):
        raise ValueError(f"{rate} a second for {seconds} s: both must be above 0")
    # A product for each, not a running sum: rounding does not add up over a long test.
    return (number / rate for number in range(round(rate * seconds)))


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time in which the rate goes evenly from one value to another."""

    seconds: float
    first: float
    """Requests a second at its beginning."""
    last: float

    @property
    def requests(self) -> float:
        """How many requests it is expected to have."""
        return (self.first + self.last) / 2 * self.seconds

    def time_of(self, requests: float) -> float:
        """The seconds into it by which so many requests were to be sent."""
        # The root of first*t + (last - first)/(2*seconds)*t*t = requests, in the form that loses
        # no digits where the rate hardly changes.
        slope = (self.last - self.first) / self.seconds
        root = math.sqrt(max(self.first**2 + 2 * slope * requests, 0.0))
        return min(2 * requests / (self.first + root), self.seconds) if requests else 0.0


def arrivals(segments: Sequence[Segment], *, seed: int | None = None) -> Iterator[float]:
    """The times of requests at a rate that changes, from 0 on.

    Evenly spaced at each rate if ``seed`` is None; else by chance, at that mean rate and each
    independent of the others, as those of many who know nothing of each other (Poisson).
    """
    steps = _even() if seed is None else _by_chance(seed)
    began = before = 0.0
    due = next(steps)
    for segment in segments:
        while due < before + segment.requests - 1e-9:
            yield began + segment.time_of(due - before)
            due = next(steps)
        began, before = began + segment.seconds, before + segment.requests


def rate_at(segments: Sequence[Segment], moment: float) -> float:
    """Requests a second that are planned at a moment; 0 outside the segments."""
    began = 0.0
    for segment in segments:
        if began <= moment < began + segment.seconds:
            share = (moment - began) / segment.seconds
            return segment.first + (segment.last - segment.first) * share
        began += segment.seconds
    return 0.0


def _even() -> Iterator[float]:
    number = 0
    while True:
        yield float(number)
        number += 1


def _by_chance(seed: int) -> Iterator[float]:
    # A Poisson process of any rate is one of rate 1 on a clock that counts expected requests.
    chance, due = random.Random(f"arrivals {seed}"), 0.0
    while True:
        due += chance.expovariate(1.0)
        yield due
