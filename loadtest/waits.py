"""Whether this machine was busy: how long a test's processes waited for a core that they wanted.

Linux counts for each thread how long it was ready to run and did not
(Documentation/scheduler/sched-stats.rst); of other systems nothing is known.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loadtest.record import Column, Series

BUSY = 0.2
"""Of the time for which the processes wanted a core: from there on, figures are the machine's."""

SECONDS = 1e-9


@dataclass(slots=True)
class Waits:
    """Looks when told to."""

    _at: float = field(default_factory=time.monotonic)
    _waited: dict[int, float] = field(default_factory=dict)
    """Process ID -> seconds, of those that lived at the last look."""

    def look(self, pids: Sequence[int]) -> float | None:
        """Cores for which the processes have waited since the last look; None if not known."""
        now = time.monotonic()
        seconds, self._at = max(now - self._at, 1e-6), now
        found = {pid: told for pid in pids if (told := _waited(pid)) is not None}
        before, self._waited = self._waited, found
        since = [max(told - before[pid], 0.0) for pid, told in found.items() if pid in before]
        return sum(since) / seconds if since else None


def _waited(pid: int) -> float | None:
    try:
        files = list(Path(f"/proc/{pid}/task").glob("*/schedstat"))
        # Time on a core, time waiting for one, and how often: the first two in nanoseconds.
        told = [int(file.read_text().split()[1]) for file in files]
    except (OSError, IndexError, ValueError):
        return None  # It, or a thread of it, has just ended.
    return sum(told) * SECONDS if told else None


def share_waited(series: Series, seconds: float) -> float | None:
    """Of the time for which the processes wanted a core in the measurement, what they waited."""
    within = [at for at, t in enumerate(series.t) if 0 < t <= seconds + 1e-6]

    def total(column: Column) -> float:
        return sum(column[at] or 0.0 for at in within)

    if all(series.waited[at] is None for at in within):
        return None
    used = total(series.redis_cpu) + total(series.consumer_cpu) + total(series.generator_cpu)
    waited = total(series.waited)
    return waited / (waited + used) if waited + used else 0.0


def told(share: float) -> str:
    """What is to be said of it."""
    return (
        f"the machine was busy: the test's processes waited for {share:.0%} of the time for which "
        "they wanted a core"
    )
