"""The ledger of a generator: which calls wait for an answer, and what came of the others. Pure.

Times are in seconds from the beginning of the measurement; those of the warm-up are below 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.call import Moved, Reply
from engine.calls import REPLIES_KEPT
from engine.outcome import Outcome
from loadtest.generator.calls import Prepared
from loadtest.generator.tally import Tally

GRACE = 0.25
"""Seconds past its deadline for which an answer is waited for, as a client does."""

UNSENT = "Unsent"
"""The error of a call whose deadline passed while it waited to be sent."""

UNEXPECTED = "Unexpected"
"""Before the kind of an error that no caller is to have: its driver has a fault."""

_ANSWERED = {Outcome.REJECTED: "Rejected", Outcome.DEAD: "Dead"}
"""Answers without a price, which are the trade's own fault and took as long as they took."""


@dataclass(slots=True)
class Made:
    """A call."""

    name: str
    """``PARTITION-NUMBER``."""
    plan: float
    asked: Prepared
    entry_id: str | None = None
    """None while it is not known to be queued."""
    tried: bool = False
    """Whether it may have been sent."""

    @property
    def partition(self) -> int:
        return int(self.name.partition("-")[0])


@dataclass(slots=True)
class Ledger:
    """Of one generator; whoever calls tells the time."""

    deadline: float
    """Seconds of each call."""
    interval: float
    """Seconds of each tally."""
    waiting: dict[str, Made] = field(default_factory=dict)
    """Calls that wait for an answer, by name, in order of their plans."""
    overdue: dict[str, Made] = field(default_factory=dict)
    """Those that have waited in vain; somebody may have them still."""
    _tallies: dict[int, Tally] = field(default_factory=dict)

    def due(self, made: Made, now: float) -> None:
        """Note a call that its sender has come to."""
        if tally := self._tally(made.plan, now):
            tally.picked_up(now - made.plan)

    def may_send(self, made: Made, now: float) -> bool:
        """Whether to send a call; it waits for its answer from now on. If not, it has ended."""
        if now >= made.plan + self.deadline:
            self.unsent(made, now)
            return False
        if not made.tried and len(self.waiting) >= REPLIES_KEPT:
            # More answers than that are not kept for one client: one would push out another.
            self._end(made, "Busy", now)
            return False
        self.waiting[made.name], made.tried = made, True
        return True

    def unsent(self, made: Made, now: float) -> None:
        """End a call that nobody can be asked for any more; whose fault it is, lateness tells."""
        # One that was tried before times out.
        if not made.tried:
            if tally := self._tally(made.plan, now):
                tally.dropped += 1
            self._end(made, UNSENT, now)

    def queued(self, made: Made, entry_id: str, now: float) -> None:
        """Note that the server has a call."""
        made.entry_id = entry_id
        if tally := self._tally(made.plan, now):
            tally.sent += 1

    def answer(self, reply: Reply, now: float) -> None:
        """Note an answer."""
        made = self.waiting.pop(reply.call, None)
        if made is None:
            # Answered before, or after its caller had left; then it is not lost at least.
            self.overdue.pop(reply.call, None)
            return
        outcome, seconds = Outcome(reply.record["outcome"]), now - made.plan
        if outcome is not Outcome.PRICED and outcome not in _ANSWERED:
            self._end(made, outcome.capitalize(), now)
        elif tally := self._tally(made.plan, now):
            if outcome is Outcome.PRICED:
                priced = float(reply.record.get("ms", 0)) / 1000
                tally.answered(seconds, reply.queued_ms / 1000, priced)
            else:
                tally.failed(_ANSWERED[outcome], seconds)

    def move(self, news: Moved) -> None:
        """Note that a consumer has given a call back."""
        made = self.waiting.get(news.call) or self.overdue.get(news.call)
        if made is not None and made.entry_id == news.was:
            made.entry_id = news.entry_id

    def fail(self, made: Made, error: str, now: float) -> None:
        """End a call that waits, without an answer."""
        if self.waiting.pop(made.name, None) is not None:
            self._end(made, error, now)

    def give_up_late(self, now: float) -> None:
        """Give up the calls whose deadline has passed."""
        while self.waiting:
            made = next(iter(self.waiting.values()))
            if now <= made.plan + self.deadline + GRACE:
                return
            self.overdue[made.name] = made
            self.fail(made, "TimedOut", now)

    def withdrawn(self, calls: Sequence[Made]) -> None:
        """Note late calls that nobody had taken."""
        for made in calls:
            self.overdue.pop(made.name, None)

    def late(self) -> int:
        """Calls that somebody may have still, without an answer."""
        # What was never known to be queued may never have been.
        return sum(made.entry_id is not None and made.plan >= 0 for made in self.overdue.values())

    def close(self, now: float) -> None:
        """Note as lost what has no answer."""
        if lost := self.late():
            self._tallies_at(max(now, 0.0)).lost += lost

    def taken(self, before: int) -> list[tuple[int, Tally]]:
        """The tallies of the intervals before one, which are over."""
        over = sorted(number for number in self._tallies if number < before)
        return [(number, self._tallies.pop(number)) for number in over]

    def _end(self, made: Made, error: str, now: float) -> None:
        """Note a call that was not answered: its caller has no price by his deadline."""
        if tally := self._tally(made.plan, now):
            tally.failed(error, max(now - made.plan, self.deadline))

    def _tally(self, plan: float, now: float) -> Tally | None:
        """The tally of what happens now; None for a call of the warm-up after its end."""
        return None if plan < 0 <= now else self._tallies_at(now)

    def _tallies_at(self, now: float) -> Tally:
        number = int(now // self.interval)
        if (tally := self._tallies.get(number)) is None:
            tally = self._tallies[number] = Tally()
        return tally
