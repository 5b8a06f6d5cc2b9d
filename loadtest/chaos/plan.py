"""What a run is to do, and what came of it."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.connection import Address
from loadtest.chaos.controls import CEILING
from loadtest.chaos.faults import KINDS, Needs
from loadtest.chaos.work import Order, chaotic

POISON = "poison"
"""The kind that strikes by no schedule: trades that raise, hang, exhaust memory, kill."""

CONTROLLER = "controller"
"""The kind for which controllers keep consumers of their own beside those of the run."""

OWN = frozenset({Needs.NOTHING, Needs.NETWORK, Needs.RIGHTS, Needs.SERVER, Needs.DATA})
"""What the kinds may need that strike on a server of the run's own."""

GROUNDS = {
    "single": OWN,
    "tls": OWN,
    # No proxy can stand before it, since nodes are found by their own addresses; and what is told
    # to a server is told to one of three.
    "cluster": frozenset({Needs.NOTHING, Needs.SERVER}),
}
"""What a run can stand on that has servers of its own, and what there is."""

SPREAD = 6
"""Partitions on a cluster, if nobody says: of three, none would lie on the first node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run; times in seconds."""

    seed: int
    seconds: float
    """Of the schedule; the run takes a while before and after."""
    trades: int
    kinds: Sequence[str]
    every: float = 1.0
    """A fault strikes once in so many, on average."""
    consumers: int = 3
    lease: float = 1.0
    realtime: bool = False
    address: Address | None = None
    """None for servers of the run's own."""
    ground: str = "single"
    """Of ``GROUNDS``, on servers of the run's own."""
    partitions: int = 1
    steady: bool = False
    """Whether one consumer is spared, and its memory watched."""
    other_version: str | None = None

    @property
    def striking(self) -> list[str]:
        """The kinds that strike by a schedule."""
        return [kind for kind in self.kinds if kind != POISON]

    @property
    def calls_sent_once(self) -> bool:
        """Whether nothing can make a realtime client send a call twice."""
        needs = {KINDS[kind].needs for kind in self.striking}
        return needs <= {Needs.NOTHING, Needs.VERSION}

    @property
    def with_replica(self) -> bool:
        return "promote" in self.kinds

    def command(self) -> str:
        """The command that repeats this run; without the server's address, which may be secret."""
        told = [
            f"python -m loadtest chaos --seed {self.seed} --seconds {self.seconds:g}",
            f"--trades {self.trades} --every {self.every:g} --consumers {self.consumers}",
            f"--kinds {','.join(self.kinds)}",
            *(["--realtime"] if self.realtime else []),
            *([f"--ground {self.ground}"] if self.ground != "single" else []),
            f"--partitions {self.partitions}",
            *(["--steady"] if self.steady else []),
            *(["--redis-url URL"] if self.address is not None else []),
            *([f"--other-version {self.other_version}"] if self.other_version else []),
        ]
        return " ".join(told)


def usual_kinds(has: Collection[Needs], *, versions: bool) -> list[str]:
    """The kinds that are used where the user names none, given what there is."""
    has = {*has, Needs.VERSION} if versions else has
    return [POISON, *(name for name, kind in KINDS.items() if kind.needs in has)]


@dataclass(slots=True)
class Report:
    """What came of a run."""

    plan: Plan
    findings: list[str] = field(default_factory=list)
    """None of which a good run has."""
    strikes: Counter[str] = field(default_factory=Counter)
    """How often each kind has struck."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each stage took."""
    figures: Mapping[str, float] = field(default_factory=dict)
    logs: Path | None = None
    """Where the logs are, if something was found."""

    def as_json(self) -> dict[str, object]:
        return {
            "seed": self.plan.seed,
            "replay": self.plan.command(),
            "findings": self.findings,
            "strikes": dict(self.strikes),
            "seconds": dict(self.seconds),
            **self.figures,
        }


SHARE = 0.7
"""Of the consumers' time in the schedule that the main job takes if nothing strikes."""

LONG = 2.2
"""Seconds for one trade: several leases."""

LONG_TRADES = 6
"""Trades of a calm job that takes so long over each."""

TIMEOUT = 4.0
"""Seconds that a trade of the job with poison that hangs may take."""

LIMITED = 200
"""Trades of it."""

DEAD, REJECTED = frozenset({"dead"}), frozenset({"rejected"})


def calm_orders(plan: Plan) -> list[Order]:
    """What is priced before anything strikes: all trades, and some that outlast a lease."""
    return [
        Order(chaotic("calm", 0, plan.trades)),
        Order(
            chaotic("calm-long", 0, min(LONG_TRADES, plan.trades), chunk=1, options={"pause": LONG})
        ),
    ]


def disturbed_orders(plan: Plan) -> list[Order]:
    """What is priced while faults strike, as slowly as they need."""
    pricing = plan.consumers + (CEILING if CONTROLLER in plan.kinds else 0)
    pause = plan.seconds * pricing * SHARE / plan.trades
    main, limited = Order(chaotic("main", 0, plan.trades, chunk=50)), []
    options: dict[str, object] = {"pause": pause}
    if POISON in plan.kinds:
        kills = [] if plan.steady else [plan.trades // 3]
        raises = [plan.trades // 7, plan.trades // 2]
        options |= {"kills": kills, "raises": raises}
        main.poison = {**dict.fromkeys(kills, DEAD), **dict.fromkeys(raises, REJECTED)}
        limited = [_limited_order(plan)]
    main.job.options.update(options)
    return [main, *limited]


def _limited_order(plan: Plan) -> Order:
    count = min(LIMITED, plan.trades)
    hangs, exhausts = count // 3, count // 2
    job = chaotic(
        "limited",
        0,
        count,
        chunk=20,
        trade_timeout=TIMEOUT,
        options={"hangs": [hangs], "exhausts": [exhausts]},
    )
    return Order(job, {hangs: DEAD, exhausts: REJECTED})
