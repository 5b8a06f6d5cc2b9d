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
    """For people; ``{trades}``, ``{tasks}`` and ``{pending}`` stand for how many there were."""
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
    Figure("older_ms", "  as the older azfinsim did it", "ms"),
    Figure("older_ratio", "  times ours", "x"),
    Figure("quantlib_ms", "  by QuantLib's MCBarrierEngine", "ms"),
    Figure("quantlib_ratio", "  times ours", "x"),
    Figure("numpy_ms", "  in plain NumPy", "ms"),
    Figure("numpy_ratio", "  times ours", "x"),
    Figure("greeks_ms", "PV, delta and vega, the same", "ms"),
    Figure("greeks_ratio", "  times PV alone", "x", 2.0),
    Figure("accurate_us", "PV to a relative standard error of 0.001, one core", "µs"),
    Figure("accurate_paths", "  paths it takes, in the mean", ""),
    Figure("accurate_se_median", "  relative standard error: median", ""),
    Figure("accurate_se_max", "  largest", "", 0.001),
    Figure("accurate_to_plain", "  largest, over that of 10,000 plain paths", "x", 1.0),
    Figure("coverage_accurate", "  95 % intervals that hold the truth", "%", 94.0, at_least=True),
    Figure("coverage_fixed", "  the same with 200 paths", "%", 94.0, at_least=True),
    Figure("compile_pvonly_seconds", "kernel of pvonly: compile", "s", 2.0),
    Figure("load_pvonly_seconds", "  load from the cache", "s"),
    Figure("compile_deltavega_seconds", "kernel of deltavega: compile", "s", 2.0),
    Figure("load_deltavega_seconds", "  load from the cache", "s"),
    Figure("echo_p50", "bare round trip, a call that nobody prices: median", "ms"),
    Figure("echo_p99", "  99th percentile", "ms"),
    Figure("realtime_p50", "realtime, PV of 10,000 paths, 50/s, idle: median", "ms", 5.0),
    Figure("realtime_p99", "  99th percentile", "ms", 12.0),
    Figure("realtime_besides_p50", "  apart from pricing: median", "ms", 1.0),
    Figure("realtime_besides_p99", "  apart from pricing: 99th percentile", "ms", 3.0),
    Figure("besides_to_echo", "  its median, times the bare round trip's", "x"),
    Figure("busy_p50", "the same while bulk fills every slot: median", "ms"),
    Figure("busy_p99", "  99th percentile", "ms"),
    Figure("busy_besides_p50", "  apart from pricing: median", "ms"),
    Figure("busy_besides_p99", "  apart from pricing: 99th percentile", "ms"),
    Figure("busy_ratio", "  99th percentile, times idle", "x", 3.0),
    Figure("busy_bulk_rate", "  bulk trades priced meanwhile", "trades/s"),
    Figure("realtime_errors", "  realtime trades without a price, idle and busy", "", 0.0),
    Figure("peer_realtime_p50", "the same calls, idle, through taskiq-redis: median", "ms"),
    Figure("peer_realtime_p99", "  99th percentile", "ms"),
    Figure("peer_realtime_ratio", "  apart from pricing: median, times ours", "x"),
    Figure("quick_rate", "realtime, closed form, one consumer", "trades/s", 5_000, at_least=True),
    Figure("quick_errors", "  trades without a price", "", 0.0),
    Figure("burst_seconds", "realtime, closed form, 10,000 calls at once", "s"),
    Figure("burst_errors", "  calls without a price", "", 0.0),
    Figure("serving_seconds", "consumer: from start to taking work", "s"),
    Figure("first_price_seconds", "consumer: from start to a first price, warm cache", "s", 2.0),
    Figure("consumer_mb", "consumer: resident memory, no pricing", "MB", 300),
    Figure("consumer_pricing_mb", "consumer: resident memory, deltavega", "MB", 300),
    Figure("kills_waiting_calm_rate", "8 consumers, trades wait 5 ms: undisturbed", "trades/s"),
    Figure("kills_waiting_rate", "  with a SIGKILL each second", "trades/s"),
    Figure("kills_waiting_percent", "  of undisturbed", "%", 70.0, at_least=True),
    Figure("kills_pricing_calm_rate", "4 consumers, PV of 10,000 paths: undisturbed", "trades/s"),
    Figure("kills_pricing_rate", "  with a SIGKILL each second", "trades/s"),
    Figure("kills_pricing_percent", "  of undisturbed", "%"),
    Figure("sweep_good_us", "sweep of {pending} pending, Valkey: a call, leases good", "µs", 1_000),
    Figure("sweep_good_worst_us", "  the slowest", "µs"),
    Figure("sweep_lapsed_us", "  a call, leases lapsed", "µs", 1_000),
    Figure("sweep_lapsed_worst_us", "  the slowest", "µs"),
    Figure("sweep_redis_good_us", "the same, Redis: a call, leases good", "µs", 1_000),
    Figure("sweep_redis_good_worst_us", "  the slowest", "µs"),
    Figure("sweep_redis_lapsed_us", "  a call, leases lapsed", "µs", 1_000),
    Figure("sweep_redis_lapsed_worst_us", "  the slowest", "µs"),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What the runs gave."""

    trades: int
    tasks: int
    """Of the peer."""
    pending: int = 0
    """Entries that sweeps look at."""
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
        counts = {"trades": self.trades, "tasks": self.tasks, "pending": self.pending}
        return figure.what.format(**{name: f"{count:,}" for name, count in counts.items()})
