"""What a process measures of itself between two looks at it. Pure.

Counting and timing cost a fraction of a microsecond and never wait: whoever sends telemetry looks,
from a thread of his own, as often as he likes. Nothing is kept until somebody is to look.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

Labels = tuple[str, ...]
"""Values of the attributes that a measure has, in their order."""

MOST = 16_384
"""Values of a window that are kept; of more, every second, then every fourth, and so on. The 99th
percentile of so many lies between the true 98.8th and 99.2nd."""

SAME_LOOK = 0.25
"""Seconds within which those who look, for one exporter or several, look at the same."""

FIGURES: Mapping[str, Callable[[Sequence[float]], float]] = {
    "p50": lambda values: float(np.percentile(values, 50)),
    "p90": lambda values: float(np.percentile(values, 90)),
    "p99": lambda values: float(np.percentile(values, 99)),
    "max": max,
}
"""What is told of a window's values. Computed here, since histograms reach Application Insights
as sum, count, least and most, of which no percentile can be had."""


@dataclass(slots=True)
class Window:
    """Values of a while, thinned out evenly if there are too many of them."""

    values: list[float] = field(default_factory=list)
    largest: float = -math.inf
    _every: int = 1
    _passed: int = 0

    def add(self, value: float) -> None:
        """Take in a value."""
        if value > self.largest:
            self.largest = value
        self._passed += 1
        if self._passed < self._every:
            return
        self._passed = 0
        self.values.append(value)
        if len(self.values) >= MOST:
            self.values = self.values[1::2]
            self._every *= 2


@dataclass(slots=True)
class Measure:
    """What all measures have."""

    name: str
    unit: str
    what: str
    labels: Sequence[str] = ()
    on: bool = False
    """Whether anybody is to look."""


@dataclass(slots=True)
class Count(Measure):
    """How often something happened since the start."""

    totals: dict[Labels, int] = field(default_factory=dict)

    def add(self, count: int, *labels: str) -> None:
        """Count something."""
        if self.on:
            self.totals[labels] = self.totals.get(labels, 0) + count

    def look(self) -> Iterator[tuple[float, Labels]]:
        """The totals so far."""
        for labels, total in list(self.totals.items()):
            yield total, labels


@dataclass(slots=True)
class Level(Measure):
    """How much of something there is now."""

    levels: dict[Labels, tuple[float, float]] = field(default_factory=dict)

    def set(self, level: float, *labels: str, seconds: float = math.inf) -> None:
        """Note how much there is; that is held to be known for so many seconds."""
        if self.on:
            self.levels[labels] = level, time.monotonic() + seconds

    def change(self, difference: float, *labels: str) -> None:
        """Note that there is more, or less."""
        if self.on:
            self.set(self.levels.get(labels, (0.0, 0.0))[0] + difference, *labels)

    def look(self) -> Iterator[tuple[float, Labels]]:
        """What is known."""
        for labels, (level, end) in list(self.levels.items()):
            if time.monotonic() < end:
                yield level, labels


@dataclass(slots=True)
class Times(Measure):
    """How long something took, in seconds, by ``FIGURES`` of what was noted since the last look."""

    windows: dict[Labels, Window] = field(default_factory=dict)
    _closed: dict[Labels, Window] = field(default_factory=dict)
    _closed_at: float = -math.inf

    def note(self, seconds: float, *labels: str) -> None:
        """Note one time."""
        if not self.on:
            return
        if (window := self.windows.get(labels)) is None:
            window = self.windows[labels] = Window()
        window.add(seconds)

    def look(self, figure: str) -> Iterator[tuple[float, Labels]]:
        """One figure of each window that has any values.

        All figures are to be of the same values, and all who look within ``SAME_LOOK`` seconds are
        told the same: whoever looks first after that closes the windows.
        """
        now = time.monotonic()
        if now - self._closed_at > SAME_LOOK:
            self._closed, self.windows, self._closed_at = self.windows, {}, now
        for labels, window in list(self._closed.items()):
            if values := list(window.values):
                yield (window.largest if figure == "max" else FIGURES[figure](values)), labels
