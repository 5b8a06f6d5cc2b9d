"""How many calls to hold, and how many to price in one go, by measured time (G8). Pure."""

from dataclasses import dataclass, field
from math import ceil

from consumer.pace import WEIGHT

Kind = tuple[str, bytes]
"""Algorithm and request: what calls that may be priced together have in common."""

READY = 0.02
"""Seconds of work held ready for each slot: much more than it takes to fetch more, and little for
one who waits behind it while another consumer is idle."""

RESERVE = 100
"""Calls of a dead consumer that are taken over however much is held: their clients have waited for
a lease already."""

MOST_HELD = 1000
"""Calls, however quick they are."""

QUICK = 0.001
"""Seconds that calls priced together may take: they all wait for the last of them."""

MOST_TOGETHER = 100

MOST_KINDS = 256
"""Kinds of which the pace is remembered: there are as many as clients think of."""


@dataclass(slots=True)
class Pace:
    """Moving averages of how long a call takes: by kind in its pricer, over all in its slot.

    What a slot takes besides is spent once for all that are priced together: counted in, it would
    part those whom it should bring together.
    """

    slots: int
    seconds: dict[Kind, float] = field(default_factory=dict)
    seconds_per_call: float | None = None
    """None until the first was measured."""

    def measured(self, kind: Kind, in_pricer: float, in_slot: float, calls: int) -> None:
        """Take in how many seconds so many calls of a kind took together."""
        each = in_pricer / calls
        # Calls of a kind are alike, but the first may have had to wait for code to be loaded.
        before = min(self.seconds.pop(kind, each), 4 * each)
        self.seconds[kind] = before + WEIGHT * (each - before)
        if len(self.seconds) > MOST_KINDS:
            del self.seconds[next(iter(self.seconds))]
        each = in_slot / calls
        if self.seconds_per_call is None:
            self.seconds_per_call = each
        self.seconds_per_call = min(self.seconds_per_call, 4 * each)
        self.seconds_per_call += WEIGHT * (each - self.seconds_per_call)

    def together(self, kind: Kind, waiting: int) -> int:
        """How many of as many as wait of a kind a slot prices in one go, its fair share at most.

        One, until one of the kind was measured.
        """
        if (seconds := self.seconds.get(kind)) is None:
            return 1
        quick = int(QUICK / max(seconds, 1e-7))
        return max(1, min(quick, ceil(waiting / self.slots), MOST_TOGETHER))

    def room(self, held: int) -> int:
        """How many calls to take now, 0 for none."""
        if self.seconds_per_call is None:
            return max(0, self.slots - held)
        ready = int(self.slots * READY / max(self.seconds_per_call, 1e-7))
        return max(0, self.slots + min(ready, MOST_HELD) - held)

    def reserve(self, held: int) -> int:
        """How many calls of dead consumers to take over now, 0 for none."""
        return max(self.room(held), self.slots + RESERVE - held, 0)
