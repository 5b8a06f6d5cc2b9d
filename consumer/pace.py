"""How much work to hold: a few seconds of it, by measured time (G8). Pure."""

from dataclasses import dataclass
from math import ceil

MOST_TAKEN = 100
"""Entries taken in one read, so that their blocks are fetched in one go of a few megabytes."""

MOST_TRADES = 40_000
"""Trades to hold, which with their results are some ten megabytes."""

QUICK = 0.005
"""Seconds of work that a slot does in one go: many times what it costs to wake its thread, and few
enough for a higher lane to wait."""

WEIGHT = 0.2
"""Of the latest measurement in the moving average."""

SURPLUS = 4.0
"""Held work beyond so many times the target is given back."""


@dataclass(slots=True)
class Pace:
    """Moving averages of how long a slot takes for an entry, and how many trades it has."""

    slots: int
    prefetch: float
    seconds_per_entry: float | None = None
    """None until the first entry was measured."""
    trades_per_entry: float = 1.0
    latest_job: str | None = None
    """The job that was measured last."""

    def measured(self, seconds: float, trades: int, job: str) -> None:
        """Take in how long an entry of a job, of so many trades, took in its slot."""
        self.latest_job = job
        if self.seconds_per_entry is None:
            self.seconds_per_entry, self.trades_per_entry = seconds, trades
        self.seconds_per_entry += WEIGHT * (seconds - self.seconds_per_entry)
        self.trades_per_entry += WEIGHT * (trades - self.trades_per_entry)

    def target(self) -> int:
        """How many entries to hold, those being priced included."""
        if self.seconds_per_entry is None:
            # Of unknown cost: it may be minutes.
            return self.slots
        ready = self.slots * self.prefetch / max(self.seconds_per_entry, 1e-6)
        bearable = MOST_TRADES / max(self.trades_per_entry, 1.0)
        # An entry that takes longer than the prefetch needs none behind it: fetching the next
        # costs a millisecond, holding it may cost another consumer's idleness.
        return self.slots + int(min(ready, bearable, 4 * MOST_TAKEN))

    def room(self, held: int) -> int:
        """How many entries to take now, 0 for none."""
        target = self.target()
        # A quarter at a time: a read for each entry that is settled would cost more than it. But no
        # slot is left idle.
        if held >= self.slots and target - held < target // 4:
            return 0
        return max(0, min(target - held, MOST_TAKEN))

    def at_once(self, queued: int, job: str) -> int:
        """How many of a job's entries that wait a slot takes in one go, its fair share at most.

        One, until one of the same job was measured: others may have been quicker.
        """
        if self.seconds_per_entry is None or self.latest_job != job:
            return 1
        quick = QUICK / max(self.seconds_per_entry, 1e-6)
        return max(1, int(min(quick, queued / self.slots, MOST_TAKEN)))

    def reserve(self, held: int) -> int:
        """How many entries of dead consumers to take now, 0 for none.

        Half as much again as the target: where there is always more to do, there is never room,
        and these have waited longest.
        """
        beyond = max(self.slots, self.target() // 2)
        return max(0, min(self.target() + beyond - held, MOST_TAKEN))

    def surplus(self, queued: int) -> int:
        """How many of the entries that wait for a slot to give back to the others.

        Entries of a slow job may have been taken at the pace of a fast one.
        """
        if self.seconds_per_entry is None:
            return 0
        bearable = ceil(SURPLUS * self.slots * self.prefetch / max(self.seconds_per_entry, 1e-6))
        return max(0, queued - bearable)
