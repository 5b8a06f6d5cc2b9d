"""What a fleet is to be, and what was measured of it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self

from engine.errors import UsageError

HELD_SECONDS = 2.0
"""Of work that a consumer holds ready for each slot: its ``prefetch``."""


MOST_HELD = 40_000
"""Trades that a consumer holds ready at most."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A fleet and its work."""

    consumers: int
    slots: int
    """Of each consumer."""
    chunk: int
    price_ms: float
    """That a trade takes; 0 for a fleet without work."""
    partitions: int = 1
    nodes: int = 1
    """1 for a server, at least 3 for a cluster."""
    lanes: str = "realtime,high,bulk"
    lease: float = 10.0
    processes: int = 3
    """That share the consumers: with the server as many as a machine of four cores has room for."""

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, int | float) and (value < 0 or (value < 1 and f.type is int)):
                raise UsageError(f"{f.name} is {value}: must be above 0")
        if self.nodes == 2:
            raise UsageError("nodes is 2: must be 1, or at least 3 for a cluster")

    @property
    def cores(self) -> int:
        """Slots in all: each stands for a core that prices."""
        return self.consumers * self.slots

    @property
    def ideal(self) -> float:
        """Trades per second, if slots never wait."""
        return self.cores / (self.price_ms / 1000) if self.price_ms else 0.0

    @property
    def entry_seconds(self) -> float:
        """That a slot takes for an entry."""
        return self.chunk * self.price_ms / 1000

    def shares(self) -> list[int]:
        """The consumers of each process; no process without any."""
        count = min(self.processes, self.consumers)
        return [
            self.consumers // count + (number < self.consumers % count) for number in range(count)
        ]

    def work(self, seconds: float, most_entries: float) -> int:
        """Trades that keep it busy for so long, if so many entries a second can be settled."""
        rate = min(self.ideal, most_entries * self.chunk)
        ahead = min(HELD_SECONDS * self.ideal, MOST_HELD * self.consumers)
        return int(rate * seconds + self.cores * self.chunk + ahead)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read one; raises UsageError for fields that it has not."""
        try:
            return cls(**data)
        except TypeError as error:
            raise UsageError(f"no shape of a fleet: {error}") from None


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured of one shape; rates are per second of the window."""

    shape: Shape
    seconds: float
    """The window."""
    trades: float
    """Settled, per second."""
    redis_cpu: Sequence[float]
    """Cores, of each node."""
    commands: float
    """Per second, those within scripts included."""
    reads: float
    """XREADGROUP, per second."""
    bytes_in: float
    """Per second, as the server counts them."""
    bytes_out: float
    memory: int
    """Bytes, at the end of the window."""
    clients: int
    client_bytes: int
    """Memory of the clients' buffers."""
    held: int
    """Entries that were pending."""
    backlog: int
    """Entries queued or pending, at the end."""
    settle: Mapping[str, float] = field(default_factory=dict)
    """Seconds: p50, p99 and max of a batch, as consumers see it."""
    lag_p99: float = 0.0
    """Seconds: how late the event loops were."""
    fleet_cpu: Sequence[float] = ()
    """Cores, of each process of the fleet."""
    book: Mapping[str, float] = field(default_factory=dict)
    """A trade of the book: Redis CPU seconds, and bytes."""
    queue: Mapping[str, float] = field(default_factory=dict)
    """An entry queued: Redis CPU seconds, and bytes."""
    result_bytes: float = 0.0
    """A trade's result."""

    @property
    def entries(self) -> float:
        """Settled, per second."""
        return self.trades / self.shape.chunk

    @property
    def efficiency(self) -> float:
        """Trades settled, over what slots that never wait would do."""
        return self.trades / self.shape.ideal if self.shape.ideal else 1.0

    @property
    def limited_by(self) -> str:
        """What kept the fleet from doing more; ``slots`` if nothing did."""
        if self.efficiency >= ENOUGH:
            return "slots"
        # The fleet first: of a simulation that has too little of the machine, nothing can be said.
        if max(self.fleet_cpu, default=0.0) >= SATURATED or self.lag_p99 > LATE:
            return "simulation"
        if max(self.redis_cpu) >= SATURATED:
            return "redis"
        if self.backlog <= self.held:
            return "work"
        return "unknown"

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read one; raises UsageError if it is none."""
        known = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        try:
            return cls(**{**known, "shape": Shape.from_json(data["shape"])})
        except (TypeError, KeyError) as error:
            raise UsageError(f"no point of a sweep: {error}") from None


ENOUGH = 0.95
"""Of the ideal: what is missing is the end and the beginning of sleeps, by a timer's resolution."""

SATURATED = 0.9
"""Of a core: a process that computes in one thread can do no more, give or take what the system's
neighbours take."""

LATE = 0.1
"""Seconds by which event loops are late: consumers that settle so late hold up their slots."""
