"""Pulse: how many trades a second a consumer settles, from one announcement to the next. Pure."""

import math
from dataclasses import dataclass

LEAST = 1.0
"""Seconds that are counted over: announcements may follow each other at once."""


@dataclass(slots=True)
class Pulse:
    """The rate between looks at a counter that grows."""

    rate: float | None = None
    """Trades a second; None until it can be told."""
    _at: float = -math.inf
    _count: int = 0

    def beat(self, now: float, count: int) -> None:
        """Look at the counter, at a time in seconds."""
        seconds = now - self._at
        if seconds < LEAST:
            return
        if math.isfinite(seconds):
            self.rate = round((count - self._count) / seconds, 1)
        self._at, self._count = now, count
