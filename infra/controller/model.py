"""What a controller looks at, what it may do, and what it decides. Pure.

Times are Unix times in seconds, durations seconds, work *slot-seconds*: what one slot of a consumer
does in a second. Money is in ``Policy.currency``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Demand:
    """What a job still asks for."""

    job: str
    kind: str
    """What decides the cost of its trades: jobs of one kind share what was measured."""
    left: int
    """Trades without an outcome, those included that wait for another job."""
    ended: int
    """Trades with an outcome."""
    chunk: int = 100
    due: float | None = None
    """By when it is to be done, None if nobody said."""
    since: float = 0.0
    """When it was submitted, or released."""
    held: bool = False
    """Whether it waits for another job, behind which it stands."""
    lost: bool = False
    """Whether its lane has no entries, so that no consumer can work on what is left of it."""
    took: float | None = None
    """Slot-seconds that a trade of its kind took so far, by results; None if too few are there."""

    @property
    def entries(self) -> int:
        """So many consumers' slots can work on it at once, at most."""
        return 0 if self.lost else -(-self.left // self.chunk)


@dataclass(frozen=True, slots=True)
class Calls:
    """The realtime lane at one moment."""

    arrived: int
    """Calls ever, as the server has counted."""
    inside: int
    """Calls that wait or are being priced."""
    oldest: float = 0.0
    """Seconds since the oldest of these has come, 0 if there is none."""


@dataclass(frozen=True, slots=True)
class Observation:
    """The grid at one moment."""

    now: float
    demands: Sequence[Demand] = ()
    """In the order in which consumers come to them; with those that have just ended."""
    living: int = 0
    """Consumers of the pool's lanes that serve."""
    slots: int = 0
    """What these have, together."""
    others: int = 0
    """Slots of consumers that serve too, and that nobody here has started or may end."""
    starting: int = 0
    """Consumers that the pool has begun and that do not serve yet."""
    calls: Calls | None = None

    @property
    def present(self) -> int:
        """Consumers that serve or will."""
        return self.living + self.starting

    @property
    def left(self) -> int:
        """Trades without an outcome that consumers can come to."""
        return sum(demand.left for demand in self.demands if not demand.lost)

    @property
    def entries(self) -> int:
        """Entries that consumers can take now."""
        return sum(demand.entries for demand in self.demands if not demand.held)

    @property
    def saturated(self) -> bool:
        """Whether every slot has something to do, so that the rate is the slots' and no less."""
        return self.power > 0 and self.entries > 2 * self.power

    @property
    def power(self) -> int:
        """Slots that serve, whosever they are."""
        return self.slots + self.others


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the user allows and wants."""

    floor: int = 0
    ceiling: int = 100
    """Consumers."""
    slots: int = 1
    """Of each consumer that is started."""
    assumed: bool = False
    """Whether ``slots`` is a guess: those that serve tell better."""
    startup: float = 240.0
    """From asking for a consumer until it serves: most of it the start of a node."""
    within: float = HOUR
    """In which a job is to be done if nobody said by when."""
    price: float = 0.0
    """Of the node under one consumer, an hour."""
    currency: str = "USD"
    """Of all prices and budgets, to be shown with them: nothing is converted."""
    budget: float | None = None
    """For one run: from the first job after a rest until all is done."""
    hourly: float | None = None
    """For an hour."""
    probe: int = 2
    """Consumers that measure what nobody has measured."""
    margin: float = 0.1
    """Added to a measured cost: what is left of a book may be dearer than what is done."""
    wait: float = 0.05
    """For realtime: what 99 of 100 calls wait for a slot at most."""

    @property
    def reserve(self) -> float:
        """Time kept before a deadline: a node that is lost can still be replaced, and some start
        late. It costs next to nothing, since more nodes are paid for a shorter time."""
        return 2 * self.startup

    @property
    def linger(self) -> float:
        """How long a consumer that is not needed stays: as long as its return would take."""
        return self.startup


@dataclass(frozen=True, slots=True)
class Expectation:
    """When a job is expected to be done."""

    job: str
    at: float
    due: float | None

    @property
    def late(self) -> float:
        """Seconds after its deadline."""
        return max(self.at - self.due, 0.0) if self.due is not None else 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """How many consumers there are to be, and what comes of it."""

    at: float
    consumers: int
    least: int | None = 0
    """Consumers that would just meet the deadlines told, without reserve; None if no number can."""
    bound: str | None = None
    """What keeps the number down, None if nothing does."""
    cost: float | None = None
    """For the run to its end, None if it cannot be told."""
    jobs: Sequence[Expectation] = ()
    probing: bool = False
    """Whether the cost of some trades, or what a consumer gets done, is not known yet."""
    unmeasured: Sequence[str] = ()
    """The jobs of which that is so."""
    stuck: int = 0
    """Consumers asked for that should have served long ago."""
