"""Scalers to be compared: ours, and what others do."""

from dataclasses import dataclass, field

from infra.controller.decide import decide
from infra.controller.history import History
from infra.controller.model import Observation, Policy


@dataclass(slots=True)
class Ours:
    """This controller, which begins without any memory."""

    policy: Policy
    name: str = "this controller"
    history: History = field(default_factory=History)

    def wanted(self, seen: Observation) -> int:
        decision, self.history = decide(seen, self.policy, self.history.looked(seen))
        return decision.consumers


EVALUATED = 300.0
"""Seconds between evaluations of the older formula: ``evaluation_interval = "PT5M"``."""

SAMPLED = 180.0
"""Seconds of samples that it averages."""

WINDOW = 100
"""Trades of one Batch task of the older azfinsim: its ``submit.sh`` makes 10,000 of a million."""


@dataclass(slots=True)
class Older:
    """The formula in ``terraform/batch.tf`` of mkiernan/azfinsim.

    ``$TargetDedicatedNodes = min(maxNumberofVMs, avg($PendingTasks.GetSample(180 s)))``, or 0 where
    less than 70 % of the samples are there. Each task is a window of trades; those running count as
    pending, and that a node runs several at once counts for nothing. All samples are there: Batch's
    own delays, which would only make it later, are left out.
    """

    ceiling: int
    name: str = "older formula"
    samples: list[tuple[float, int]] = field(default_factory=list)
    target: int = 0
    evaluated: float = -EVALUATED

    def wanted(self, seen: Observation) -> int:
        pending = sum(-(-demand.left // WINDOW) for demand in seen.demands)
        self.samples = [(at, n) for at, n in self.samples if at > seen.now - SAMPLED]
        self.samples.append((seen.now, pending))
        if seen.now >= self.evaluated + EVALUATED:
            self.evaluated = seen.now
            mean = sum(n for _, n in self.samples) / len(self.samples)
            self.target = min(self.ceiling, int(mean))
        return self.target


STABLE = 300.0
"""Seconds: of KEDA's cool-down, and of the stabilisation when Kubernetes scales down."""


@dataclass(slots=True)
class Lag:
    """KEDA's way: a node for so many entries, fewer only after what was seen for five minutes."""

    ceiling: int
    entries: int
    """Its ``lagCount``."""
    name: str = ""
    seen: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = self.name or f"lag, {self.entries} entries a node"

    def wanted(self, seen: Observation) -> int:
        wish = min(-(-seen.entries // self.entries), self.ceiling)
        self.seen = [(at, n) for at, n in self.seen if at > seen.now - STABLE]
        self.seen.append((seen.now, wish))
        return max(n for _, n in self.seen)


@dataclass(slots=True)
class Static:
    """As many as there may ever be, all the time."""

    ceiling: int
    name: str = "always the ceiling"

    def wanted(self, seen: Observation) -> int:
        return self.ceiling
