"""A scenario: what a load test sends, to whom, for how long, and what it is to reach.

What may live here: its parts, and the rule that each key of its file keeps. How one is read is in
``scenario_read``. Times are in seconds, rates in requests a second.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.job import Lane
from loadtest.drivers import DRIVERS, GRID
from loadtest.scenario_rule import Rule, key
from loadtest.schedule import Segment

MOST_SECONDS = 7 * 86_400.0

MOST_RATE = 1_000_000.0


def _paths() -> Any:
    return key(None, int, "Paths, in place of the trades' own (10,000)", low=1, high=2**31)


def _accuracy() -> Any:
    what = "Relative standard error at which there are enough paths"
    return key(None, float, what, low=0, above=True, high=1)


def _options() -> Any:
    return key({}, object, "What only some pricers know, as in {task_duration = 20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimePart:
    """Calls that are made one by one; all shares are by weight."""

    rate: float | None = key(
        None,
        float,
        "Calls a second; of a scenario with phases, the highest: the others keep their ratio to it",
        low=0,
        above=True,
        high=MOST_RATE,
    )
    arrivals: str = key(
        "constant",
        str,
        "`constant`: evenly spaced; `poisson`: by chance, at that mean rate",
        choices=("constant", "poisson"),
    )
    mix: Mapping[str, float] = key(
        {"pvonly": 1}, dict, "Algorithms, and how much of the calls each gets", low=0, above=True
    )
    paths: int | None = _paths()
    accuracy: float | None = _accuracy()
    options: Mapping[str, Any] = _options()
    deadline: float = key(
        5.0, float, "Seconds that each call waits for its price", low=0, above=True, high=3600
    )
    generators: int = key(
        1, int, "Processes here that send; each bears some 20,000 calls/s", low=0, high=64
    )
    join: int = key(
        0, int, "Generators on other machines (`loadtest join`) to wait for", low=0, high=1000
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasePart:
    """A part of the time."""

    name: str = key("", str, "Shown in the report; the kind if none is given")
    kind: str = key(
        "constant",
        str,
        "How the rate goes",
        choices=("constant", "ramp", "steps", "spike", "trace"),
    )
    seconds: float = key(10.0, float, "How long it lasts", low=0, above=True, high=MOST_SECONDS)
    rate: float = key(
        0.0, float, "Of `constant`, and of `spike` around its peak", low=0, high=MOST_RATE
    )
    from_: float = key(0.0, float, "Of `ramp` and `steps`: first rate", low=0, high=MOST_RATE)
    to: float = key(0.0, float, "Of `ramp` and `steps`: last rate", low=0, high=MOST_RATE)
    steps: int = key(5, int, "Of `steps`: how many, each as long", low=2, high=1000)
    peak: float = key(0.0, float, "Of `spike`: rate in its middle fifth", low=0, high=MOST_RATE)
    file: str = key(
        "", str, "Of `trace`: a file with the seconds of each call, one a line, in order"
    )
    times: tuple[float, ...] = ()
    """What that file holds."""

    @property
    def title(self) -> str:
        return self.name or self.kind

    def segments(self) -> list[Segment]:
        """How the rate goes; none of a trace, which has times instead."""
        match self.kind:
            case "ramp":
                return [Segment(self.seconds, self.from_, self.to)]
            case "steps":
                size = (self.to - self.from_) / (self.steps - 1)
                rates = [self.from_ + size * step for step in range(self.steps)]
                return [Segment(self.seconds / self.steps, rate, rate) for rate in rates]
            case "spike":
                around = Segment(self.seconds * 0.4, self.rate, self.rate)
                return [around, Segment(self.seconds * 0.2, self.peak, self.peak), around]
            case "trace":
                return []
            case _:
                return [Segment(self.seconds, self.rate, self.rate)]


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkPart:
    """Jobs that are kept running beside the calls, or alone."""

    algorithm: str = key("pvonly", str, "The jobs' pricer")
    trades: int = key(
        10_000, int, "Of each job; the next is queued before it ends", low=1, high=10_000_000
    )
    chunk: int = key(100, int, "Trades an entry", low=1, high=10_000)
    lane: str = key("bulk", str, "The jobs' lane", choices=(str(Lane.HIGH), str(Lane.BULK)))
    paths: int | None = _paths()
    accuracy: float | None = _accuracy()
    options: Mapping[str, Any] = _options()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumersPart:
    """Who prices."""

    start: int = key(
        2,
        int,
        "Consumers to start here; 0 for those that serve the grid at --redis-url already",
        low=0,
        high=1000,
    )
    slots: int = key(1, int, "Slots of each", low=1, high=1024)
    options: Sequence[str] = key(
        [], list, 'Further options of `azfinsim consume`, as in ["--lease", "2"]'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPart:
    """Simulated consumers, which take the jobs."""

    consumers: int = key(100, int, "How many", low=1, high=10_000)
    slots: int = key(16, int, "Slots of each, which sleep for as long as a trade", low=1, high=1024)
    processes: int = key(2, int, "That share them", low=1, high=64)


STRIKING = (
    *("kill", "freeze", "term", "slow"),
    *("delay", "drop", "cut"),
    *("clients", "pause", "full", "restart"),
)
"""The kinds of fault that can strike what a load test has started, and that cost no data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultsPart:
    """What goes wrong meanwhile (docs/chaos.md)."""

    kinds: Sequence[str] = key(["kill"], list, "Drawn like cards, by the seed", choices=STRIKING)
    every: float = key(
        5.0, float, "Seconds between strikes, on average", low=0.1, high=MOST_SECONDS
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """All of it."""

    name: str = key("", str, "For the report and its file; the scenario's file's if none is given")
    about: str = key("", str, "A line for people")
    driver: str = key(
        GRID, str, "Who is measured: the grid, or a peer of it (below)", choices=tuple(DRIVERS)
    )
    seed: int = key(0, int, "Of trades, arrivals and faults", low=0, high=2**53)
    seconds: float | None = key(
        None,
        float,
        "How long it is measured (10); phases are stretched to it",
        low=0,
        above=True,
        high=MOST_SECONDS,
    )
    warm_up: float = key(
        3.0, float, "Seconds before, at the first rate, that do not count", low=0, high=3600
    )
    interval: float = key(
        0.5, float, "Seconds between points of the report's curves", low=0.1, high=60
    )
    objectives: Sequence[str] = key([], list, 'What it is to reach, as in ["realtime.p99 < 20ms"]')
    realtime: RealtimePart | None = None
    phases: tuple[PhasePart, ...] = ()
    bulk: BulkPart | None = None
    consumers: ConsumersPart = ConsumersPart()
    fleet: FleetPart | None = None
    faults: FaultsPart | None = None

    @property
    def measured(self) -> float:
        """Seconds that are measured."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def peak(self) -> float:
        """The highest rate of its phases; 0 of traces."""
        return max((s.first for p in self.phases for s in _both_ends(p)), default=0.0)


def _both_ends(phase: PhasePart) -> list[Segment]:
    return [Segment(s.seconds, max(s.first, s.last), 0.0) for s in phase.segments()]


PARTS: Mapping[str, type] = {
    "": Scenario,
    "realtime": RealtimePart,
    "phases": PhasePart,
    "bulk": BulkPart,
    "consumers": ConsumersPart,
    "fleet": FleetPart,
    "faults": FaultsPart,
}
"""The tables of a scenario's file."""

SHORT: Mapping[str, str] = {"fleet": "consumers"}
"""The key that a number in the place of a table stands for: ``fleet = 100``."""


def rules(part: type) -> dict[str, Rule]:
    """The rules of a part's keys, by key as its file has it."""
    fields = {field.name.rstrip("_"): field.metadata for field in dataclasses.fields(part)}
    return {name: metadata["rule"] for name, metadata in fields.items() if "rule" in metadata}


def _needless(part: Any, name: str, value: Any) -> bool:
    """Whether a phase has a key only since those of other kinds do."""
    if not isinstance(part, PhasePart) or name in ("kind", "seconds"):
        return False
    return not value or (name == "steps" and part.kind != "steps")


def as_mapping(part: Any) -> dict[str, Any]:
    """A scenario, or a part, in the words of its file; what is not given is left out."""
    told: dict[str, Any] = {}
    for field in dataclasses.fields(part):
        value, name = getattr(part, field.name), field.name.rstrip("_")
        if name == "times" or _needless(part, name, value):
            continue
        if dataclasses.is_dataclass(value):
            told[name] = as_mapping(value)
        elif isinstance(value, tuple):
            told[name] = [as_mapping(each) for each in value]
        elif value is not None and value != "":
            told[name] = dict(value) if isinstance(value, Mapping) else value
    return told
