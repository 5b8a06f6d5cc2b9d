"""The figures of the benchmark: what each is, its unit, and what it is to reach (DESIGN §8)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from loadtest.measure import Spread

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that is measured."""

    key: str
    """Its name in JSON."""
    what: str
    """For people; ``{trades}`` and ``{tasks}`` stand for how many there were."""
    unit: str
    target: float | None = None
    """To reach at 1,000,000 trades; None if nothing is promised."""
    at_least: bool = False
    """Whether more is better."""
    by_trades: bool = False
    """Whether it grows with the number of trades, and its target with it."""

    def goal(self, trades: int) -> float | None:
        """The target for a run with so many trades."""
        if self.target is None or not self.by_trades:
            return self.target
        return self.target * trades / MILLION

    def met(self, median: float, trades: int) -> bool | None:
        """Whether a median reaches the target; None if there is none."""
        goal = self.goal(trades)
        if goal is None:
            return None
        return median >= goal if self.at_least else median <= goal


FIGURES = (
    Figure("inject_seconds", "make and inject {trades} trades", "s", 8.0, by_trades=True),
    Figure("inject_rate", "  the same as a rate", "trades/s"),
    Figure("submit_seconds", "submit a job of {trades} trades", "s"),
    Figure(
        "stream_rate",
        "stream, decode, settle, no pricing: one consumer",
        "trades/s",
        120_000,
        at_least=True,
    ),
    Figure("peer_rate", "  {tasks} of them through taskiq-redis: one worker", "trades/s"),
    Figure("peer_ratio", "  how many times taskiq-redis", "x", 40, at_least=True),
    Figure("redis_cpu_inject", "Redis CPU for a million trades: inject", "s"),
    Figure("redis_cpu_submit", "  submit", "s"),
    Figure("redis_cpu_stream", "  stream and settle", "s"),
    Figure("redis_bytes_trade", "Redis memory a trade: in the book", "B"),
    Figure("redis_bytes_queued", "  in the book and queued", "B"),
    Figure("redis_bytes_synthetic", "  with its result: synthetic", "B", 400),
    Figure("redis_bytes_pvonly", "  with its result: pvonly", "B", 400),
    Figure("redis_bytes_deltavega", "  with its result: deltavega", "B", 400),
    Figure("pv_ms", "PV, 10,000 paths x 172 steps, one core", "ms", 4.0),
    Figure("greeks_ms", "PV, delta and vega, the same", "ms"),
    Figure("greeks_ratio", "  how many times PV", "x", 2.0),
    Figure("serving_seconds", "consumer: from start to taking work", "s"),
    Figure("first_price_seconds", "consumer: from start to a first price, warm cache", "s", 2.0),
    Figure("consumer_mb", "consumer: resident memory, no pricing", "MB", 300),
    Figure("consumer_pricing_mb", "consumer: resident memory, deltavega", "MB", 300),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the runs gave."""

    trades: int
    tasks: int
    """Of the peer."""
    values: dict[str, list[float]] = field(default_factory=dict)
    """Figure's key -> a value a run."""

    def add(self, key: str, value: float) -> None:
        """Note a run's value of a figure."""
        self.values.setdefault(key, []).append(value)

    def rows(self) -> list[tuple[Figure, Sequence[float], Spread]]:
        """The figures that were measured, in their order."""
        return [
            (figure, values, Spread.of(values))
            for figure in FIGURES
            if (values := self.values.get(figure.key))
        ]

    def name(self, figure: Figure) -> str:
        """What a figure is, for people."""
        return figure.what.format(trades=f"{self.trades:,}", tasks=f"{self.tasks:,}")
