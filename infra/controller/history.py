"""What a controller remembers from look to look: costs, what was asked for, what was spent.

Pure. It is kept on the server as JSON, so that whoever leads next goes on from there; without it
all is measured anew.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any, Self

import orjson

from infra.controller.model import HOUR, Decision, Observation, Policy

SAMPLES = 20
"""Kept for each kind of trade: the cost drifts, and only the last are like what is to come."""

KINDS = 64
"""Kinds of trade that are remembered."""

ODD = 3.0
"""A sample that is so many times the median, or part of it, is no cost: something stood still."""

LONGEST = 10 * 60.0
"""Seconds between two looks beyond which nothing is learnt from them: somebody was away."""

CALLS = 60
"""Looks at the realtime lane that are kept."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What trades of one kind took between two looks."""

    trades: float
    work: float
    """Slot-seconds."""

    @property
    def cost(self) -> float:
        return self.work / self.trades


@dataclass(frozen=True, slots=True)
class Cohort:
    """Consumers that were asked for at one time."""

    at: float
    count: int


@dataclass(frozen=True, slots=True)
class Wish:
    """How many consumers were found needed at one time."""

    at: float
    consumers: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """The realtime lane between two looks."""

    at: float
    rate: float
    """Calls a second that came."""
    busy: float = 0.0
    """Slots that were pricing, on average."""
    served: float = 0.0
    """Calls a second that these got done; 0 if nobody served, and so nothing is known."""


@dataclass(frozen=True, slots=True)
class Last:
    """What is kept of a look, to be compared with the next."""

    at: float = 0.0
    ended: Mapping[str, int] = field(default_factory=dict)
    slots: int = 0
    present: int = 0
    saturated: bool = False
    arrived: int | None = None
    busy: int = 0
    """Slots that priced calls."""
    inside: int = 0
    """Calls."""


@dataclass(frozen=True, slots=True)
class History:
    """All that is remembered."""

    costs: Mapping[str, Sequence[Sample]] = field(default_factory=dict)
    """By kind, the latest last."""
    cohorts: Sequence[Cohort] = ()
    """Consumers asked for that do not serve yet, the oldest first."""
    wishes: Sequence[Wish] = ()
    """Of the last ``Policy.linger`` seconds."""
    traffic: Sequence[Traffic] = ()
    consumer_seconds: float = 0.0
    """Of this run: since there was work after a rest."""
    resting: bool = True
    vain: int = 0
    """Consumers that were asked for since a trade has ended, or one served where none was left."""
    asked: float = 0.0
    """When one was asked for last."""
    last: Last = field(default_factory=Last)
    slots: int = 0
    """Of one of the pool's consumers, as they were last seen; 0 if none was."""

    def informed(self, policy: Policy) -> Policy:
        """The policy with the slots that consumers have, where it only assumes them."""
        if not (policy.assumed and self.slots):
            return policy
        return replace(policy, slots=self.slots, assumed=False)

    def cost(self, kind: str, margin: float) -> float | None:
        """Slot-seconds a trade of this kind is expected to take, None if nobody has measured.

        The ratio of the sums of the latest samples, odd ones left out, with ``margin`` and twice
        the standard error of the ratio on top.
        """
        samples = self.costs.get(kind)
        if not samples:
            return None
        middle = median(sample.cost for sample in samples)
        usual = [s for s in samples if middle / ODD <= s.cost <= middle * ODD]
        trades = sum(s.trades for s in usual)
        mean = sum(s.work for s in usual) / trades
        # Of a ratio estimator; one sample says nothing of its error.
        spread = math.sqrt(sum((s.work - mean * s.trades) ** 2 for s in usual)) / trades
        return mean * (1 + margin) + 2 * spread

    def spent(self, policy: Policy) -> float:
        """What this run has cost, in the policy's currency."""
        return self.consumer_seconds / HOUR * policy.price

    def looked(self, seen: Observation) -> "History":
        """The history with what a look has shown, compared with the one before."""
        last, passed = self.last, seen.now - self.last.at
        history = self
        if last.at and 0 < passed <= LONGEST:
            history = replace(history._learnt(seen, passed), traffic=history._heard(seen, passed))
        if last.at and passed > 0:
            # Whoever leaves or comes in between counts by half. All is paid for, however long
            # nobody has looked.
            present = (last.present + seen.present) / 2
            seconds = history.consumer_seconds + present * passed
            history = replace(history, consumer_seconds=seconds)
        resting = not seen.left
        if self.resting and not resting:
            history = replace(history, consumer_seconds=0.0)
        return replace(
            history,
            cohorts=_still_starting(history.cohorts, seen),
            vain=0 if self._moved(seen) or (resting and seen.living) else history.vain,
            resting=resting,
            last=Last(
                seen.now,
                {demand.job: demand.ended for demand in seen.demands},
                seen.power,
                seen.present,
                seen.saturated,
                seen.calls.arrived if seen.calls is not None else None,
                _busy(seen),
                seen.calls.inside if seen.calls is not None else 0,
            ),
            slots=max(seen.slots // seen.living, 1) if seen.living else history.slots,
        )

    def decided(self, decision: Decision, needed: int, present: int, linger: float) -> "History":
        """The history with what was found needed and what is asked for."""
        wishes = [wish for wish in self.wishes if wish.at > decision.at - linger]
        history = replace(self, wishes=[*wishes, Wish(decision.at, needed)])
        if (more := decision.consumers - present) <= 0:
            return history
        return replace(
            history,
            cohorts=[*self.cohorts, Cohort(decision.at, more)],
            vain=self.vain + more,
            asked=decision.at,
        )

    def _moved(self, seen: Observation) -> bool:
        """Whether a trade has ended since the last look."""
        ended = self.last.ended
        return any(demand.ended > ended.get(demand.job, 0) for demand in seen.demands)

    def _learnt(self, seen: Observation, passed: float) -> "History":
        """Costs with what was done since the last look, if every slot was at work all the time.

        Where trades of several kinds were priced at once, their work is shared out as their costs
        were before; kinds not known yet get what each trade took on average.
        """
        done: dict[str, int] = {}
        for demand in seen.demands:
            # One that nobody had seen has begun since, or was there before anybody looked.
            before = 0 if demand.since >= self.last.at else demand.ended
            since = demand.ended - self.last.ended.get(demand.job, before)
            if since > 0:
                done[demand.kind] = done.get(demand.kind, 0) + since
        if not done or not (self.last.saturated and seen.saturated):
            return self
        work = (self.last.slots + seen.power) / 2 * passed
        guesses = {kind: self.cost(kind, 0.0) for kind in done}
        unknown = work / sum(done.values())
        weights = {kind: n * (guesses[kind] or unknown) for kind, n in done.items()}
        whole = sum(weights.values())
        costs = {kind: list(samples) for kind, samples in self.costs.items()}
        for kind, weight in weights.items():
            # Put last, so that what is forgotten first is what was not seen for longest.
            samples = costs.pop(kind, [])
            costs[kind] = [*samples, Sample(done[kind], work * weight / whole)][-SAMPLES:]
        return replace(self, costs=dict(list(costs.items())[-KINDS:]))

    def _heard(self, seen: Observation, passed: float) -> Sequence[Traffic]:
        calls, last = seen.calls, self.last
        if calls is None or last.arrived is None or calls.arrived < last.arrived:
            return self.traffic
        came = calls.arrived - last.arrived
        heard = Traffic(seen.now, came / passed)
        if last.slots and seen.slots:
            done = max(came + last.inside - calls.inside, 0)
            heard = replace(heard, busy=(last.busy + _busy(seen)) / 2, served=done / passed)
        return [*self.traffic, heard][-CALLS:]

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read a stored history; raises ValueError if it is none."""
        try:
            stored: dict[str, Any] = orjson.loads(data)
            return cls(
                {k: [Sample(**s) for s in samples] for k, samples in stored["costs"].items()},
                [Cohort(**each) for each in stored["cohorts"]],
                [Wish(**each) for each in stored["wishes"]],
                [Traffic(**each) for each in stored["traffic"]],
                float(stored["consumer_seconds"]),
                bool(stored["resting"]),
                int(stored["vain"]),
                float(stored["asked"]),
                Last(**stored["last"]),
                int(stored.get("slots", 0)),
            )
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"no history of a controller: {data[:60]!r}") from error


def _busy(seen: Observation) -> int:
    """Slots that price calls: what is inside beyond them waits."""
    return min(seen.calls.inside, seen.slots) if seen.calls is not None else 0


def _still_starting(cohorts: Sequence[Cohort], seen: Observation) -> list[Cohort]:
    """The cohorts with as many consumers as are starting; the oldest come first."""
    gone = sum(cohort.count for cohort in cohorts) - seen.starting
    if gone < 0:
        # Somebody else has started these.
        return [*cohorts, Cohort(seen.now, -gone)]
    left = []
    for cohort in cohorts:
        staying = max(cohort.count - gone, 0)
        gone -= cohort.count - staying
        if staying:
            left.append(Cohort(cohort.at, staying))
    return left
