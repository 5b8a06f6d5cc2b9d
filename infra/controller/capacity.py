"""What consumers get done by when, and how many it takes. Pure.

Work is in slot-seconds, times are seconds from now.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from infra.controller.history import Cohort
from infra.controller.model import Observation, Policy

OVERDUE = 0.1
"""Of a start-up: what a consumer still takes that should serve already."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Consumers that serve from one time on."""

    count: float
    ready: float
    slots: float
    """Of each of them."""

    def by(self, time: float) -> float:
        """The work that one of them gets done by a time."""
        return self.slots * max(time - self.ready, 0.0)


def batches(seen: Observation, cohorts: Sequence[Cohort], policy: Policy) -> list[Batch]:
    """The consumers there are or could be, as they were asked for; of new ones there is no end."""
    each = seen.slots / seen.living if seen.living else float(policy.slots)
    coming = [
        Batch(
            cohort.count,
            _until_ready(seen.now - cohort.at, policy.startup),
            policy.slots,
        )
        for cohort in cohorts
    ]
    new = Batch(math.inf, policy.startup, policy.slots)
    return [Batch(seen.living, 0.0, each), *coming, new]


def _until_ready(waited: float, startup: float) -> float:
    """Seconds until a consumer serves that was asked for so long ago.

    One that is overdue is expected to take as long again as it is overdue: the longer nothing has
    come of it, the less is to be expected of it.
    """
    return max(startup - waited, OVERDUE * startup, waited - startup)


def stuck(seen: Observation, cohorts: Sequence[Cohort], policy: Policy) -> int:
    """Consumers that were asked for two start-ups ago or longer, and do not serve yet."""
    return sum(c.count for c in cohorts if seen.now - c.at >= 2 * policy.startup)


def needed(work: float, time: float, those: Sequence[Batch]) -> float:
    """The fewest consumers that get the work done by a time; infinity if none can.

    Those that are too late count among them: whoever asks for more has them, too.
    """
    count = 0.0
    for batch in those:
        if work <= 0:
            break
        one = batch.by(time)
        if one <= 0:
            count += batch.count
            continue
        if (enough := math.ceil(work / one)) <= batch.count:
            return count + enough
        work -= one * batch.count
        count += batch.count
    return count if work <= 0 else math.inf


def first(count: int, those: Sequence[Batch]) -> list[Batch]:
    """The first ``count`` of these consumers."""
    left, taken = float(count), []
    for batch in those:
        number = min(batch.count, left)
        left -= number
        if number > 0:
            taken.append(Batch(number, batch.ready, batch.slots))
    return taken


def finish(work: float, those: Sequence[Batch]) -> float:
    """When these consumers have the work done; infinity if there are none."""
    if work <= 0:
        return 0.0
    ready, rate = 0.0, 0.0
    for batch in sorted(those, key=lambda batch: batch.ready):
        done = rate * (batch.ready - ready)
        if done >= work:
            break
        work -= done
        ready, rate = batch.ready, rate + batch.count * batch.slots
    return ready + work / rate if rate else math.inf
