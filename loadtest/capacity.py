"""The search for the highest rate that meets the objectives: which rate to try next. Pure.

By doubling until one is missed, then by halving the gap in ratio. A machine that was held up by
something else for a moment makes one try worth little, so a rate is found only when it was met
twice, and the lowest that was missed is tried once more: one that is then met was missed by chance.
"""

import math
from dataclasses import dataclass, field

from loadtest.waits import BUSY, told

PRECISION = 0.05
"""The rate found is met, and one that is higher by so much of it is not."""

CONFIRMED = 2
"""Tries of a rate that must have met the objectives, or of the next higher one that missed them."""

LOWEST = 0.1
"""Calls a second, below which no rate is looked for."""

MOST_TRIES = 60


@dataclass(slots=True)
class Search:
    """Where it stands; told of each try by ``tell``."""

    first: float
    """The rate that is tried first."""
    precision: float = PRECISION
    highest: float = 1_000_000.0
    """No higher rate is tried."""
    tries: int = 0
    _met: dict[float, int] = field(default_factory=dict)
    """Rate -> how often it was met; none that is as high as one that was missed."""
    _missed: dict[float, int] = field(default_factory=dict)
    """Rate -> how often it was missed."""
    _forgiven: set[float] = field(default_factory=set)
    """Rates that were met after they had been missed; a second time they are not."""

    def next_rate(self) -> float | None:
        """What to try now; None when it is found, or that there is none."""
        if self.tries >= MOST_TRIES:
            return None
        best, missed = max(self._met, default=None), min(self._missed, default=math.inf)
        if best is None:
            lower = self.first if math.isinf(missed) else missed / 2
            return lower if lower >= LOWEST else None
        if math.isinf(missed):
            if best < self.highest:
                return min(best * 2, self.highest)
        elif missed > best * (1 + self.precision):
            return math.sqrt(best * missed)
        if self._met[best] < CONFIRMED:
            return best
        return missed if self._missed.get(missed, CONFIRMED) < CONFIRMED else None

    def tell(self, rate: float, *, met: bool) -> None:
        """Take in what came of a try."""
        self.tries += 1
        if met:
            if self._missed.pop(rate, 0):
                self._forgiven.add(rate)
            self._met[rate] = self._met.get(rate, 0) + 1
        else:
            once = CONFIRMED if rate in self._forgiven else 1
            self._missed[rate] = self._missed.get(rate, 0) + once
            self._met = {each: count for each, count in self._met.items() if each < rate}

    @property
    def found(self) -> float | None:
        """The highest rate that was met as often as it must be; None if there is none."""
        confirmed = [rate for rate, count in self._met.items() if count >= CONFIRMED]
        return max(confirmed, default=None)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen in a try that missed the objectives, as means over its time."""

    late: float
    """The generator's lateness over the latency, each the 99th percentile."""
    generator_cpu: float | None
    """Cores, of the busiest process there could be: all of them over their number."""
    slots_busy: float | None
    """Share of the slots' time that was spent pricing calls."""
    redis_cpu: float | None
    """Cores of each node."""
    consumer_cpu: float | None
    """Cores of each consumer."""
    waited: float | None = None
    """Of the time for which the test's processes wanted a core, what they waited for one."""


USED_UP = 0.85
"""Of a slot's or a core's time."""

TOO_LATE = 0.2
"""Of the latency: if a generator is late by less, it was not what made it so long."""


def limit_of(seen: Evidence) -> tuple[str, str]:
    """What was used up, and why it is taken to be that: the first of those that explain most."""
    if seen.waited is not None and seen.waited > BUSY:
        return "machine", told(seen.waited)
    if seen.late > TOO_LATE:
        late = f"{seen.late:.0%} of the latency was the generator's own"
        return "generator", f"{late}: add generators"
    if seen.slots_busy is not None and seen.slots_busy > USED_UP:
        return "slots", f"slots were pricing for {seen.slots_busy:.0%} of their time"
    if seen.redis_cpu is not None and seen.redis_cpu > USED_UP:
        return "redis", f"Redis used {seen.redis_cpu:.2f} of the one core that it can use"
    if seen.consumer_cpu is not None and seen.consumer_cpu > USED_UP:
        return "consumers", f"each consumer used {seen.consumer_cpu:.2f} cores beside its slots"
    if seen.generator_cpu is not None and seen.generator_cpu > USED_UP:
        return "generator", f"each generator used {seen.generator_cpu:.2f} of a core"
    return (
        "nothing",
        "no slots, Redis, consumers or generators were used up: look at the network and neighbours",
    )
