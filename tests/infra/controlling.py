"""What tests of the controller look at: a book that takes 0.1 slot-seconds a trade."""

from dataclasses import replace

from infra.controller.history import History, Sample
from infra.controller.model import Demand, Observation, Policy

NOW = 1_000_000.0
HOURS = 3600.0
POLICY = Policy(ceiling=100, slots=8, startup=240.0, price=0.4)
KNOWN = History({"pvonly": [Sample(1_000, 100.0)] * 5}, resting=False)
"""A trade takes 0.1 slot-seconds, 0.11 with its margin."""


def book(trades: int, hours: float | None = 8.0, **fields: object) -> Demand:
    due = NOW + hours * HOURS if hours is not None else None
    demand = Demand("night", "pvonly", trades, 0, due=due, since=NOW)
    return replace(demand, **fields)  # type: ignore[arg-type]


def seen(*demands: Demand, living: int = 0, starting: int = 0, others: int = 0) -> Observation:
    return Observation(NOW, demands, living, slots=living * 8, starting=starting, others=others)
