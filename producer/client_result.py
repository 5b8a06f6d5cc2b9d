"""What comes of a realtime call: a price with its times, or one of the errors that say why not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.call import Reply
from engine.errors import Dead, Expired, NotPriced, Rejected
from engine.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Result:
    """The price of one trade. Figures that its pricer does not give are None.

    ``total_ms`` runs from the call to its answer, by the client's clock, and is made of
    ``queued_ms`` (until its pricing began, by the server's), ``priced_ms`` (in the pricer) and
    ``returned_ms`` (the rest: on the way to the stream and back).
    """

    record: Mapping[str, Any]
    """The result record as the consumer has made it, a figure of the pricer's own included."""
    consumer: str
    """Who priced it."""
    queued_ms: float
    total_ms: float

    @property
    def id(self) -> int:
        return int(self.record["id"])

    @property
    def outcome(self) -> Outcome:
        return Outcome.PRICED

    @property
    def pv(self) -> float | None:
        """In the trade's currency, as are all figures."""
        return self.record.get("pv")

    @property
    def se(self) -> float | None:
        """Standard error of the PV."""
        return self.record.get("se")

    @property
    def delta(self) -> float | None:
        return self.record.get("delta")

    @property
    def delta_se(self) -> float | None:
        return self.record.get("delta_se")

    @property
    def vega(self) -> float | None:
        return self.record.get("vega")

    @property
    def vega_se(self) -> float | None:
        return self.record.get("vega_se")

    @property
    def paths(self) -> int | None:
        return self.record.get("paths")

    @property
    def attempts(self) -> int:
        """How often its pricing was begun: above 1, somebody has died of it or with it."""
        return int(self.record.get("attempts", 1))

    @property
    def priced_ms(self) -> float:
        return float(self.record.get("ms", 0.0))

    @property
    def returned_ms(self) -> float:
        return max(0.0, round(self.total_ms - self.queued_ms - self.priced_ms, 3))


Answer = Result | NotPriced
"""What a call ends with."""

_ERRORS = {Outcome.REJECTED: Rejected, Outcome.DEAD: Dead, Outcome.EXPIRED: Expired}


def answer_of(reply: Reply, total_ms: float) -> Answer:
    """A reply as what its caller is given."""
    record = reply.record
    outcome = Outcome(record["outcome"])
    if outcome is Outcome.PRICED:
        return Result(record, reply.consumer, round(reply.queued_ms, 3), round(total_ms, 3))
    reason = str(record.get("reason", "no reason is given"))
    return _ERRORS.get(outcome, NotPriced)(reason)
