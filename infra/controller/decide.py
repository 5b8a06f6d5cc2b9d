"""How many consumers bulk work needs. Pure.

A node costs the same for a trade however many there are, so the cheapest number is the one with
the fewest starts and the least idling: the fewest consumers that meet every deadline. More are
asked for at once; fewer only when they would have nothing to do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from infra.controller.bound import bound_of
from infra.controller.capacity import Batch, batches, finish, first, needed, stuck
from infra.controller.history import History
from infra.controller.model import HOUR, Decision, Demand, Expectation, Observation, Policy

SHORTEST = 60.0
"""Seconds: a consumer that has less to do is not worth its keep."""

RESERVE = 0.2
"""Of the time to a deadline, at most, that is kept in reserve."""


@dataclass(frozen=True, slots=True)
class Milestone:
    """What must have been done when a job is done: all that stands before it, and itself."""

    job: str
    work: float
    """Slot-seconds."""
    due: float
    """Seconds from now, by its deadline or the policy's ``within``."""
    tail: float
    """Seconds that one of its entries takes: the last to be begun has to end, too."""
    told: float | None
    """The deadline that the user has told, as a Unix time."""


def decide(seen: Observation, policy: Policy, history: History) -> tuple[Decision, History]:
    """Decide on the consumers of bulk work.

    ``history`` knows the look (``History.looked``); the one returned also knows what was decided.
    """
    policy = history.informed(policy)
    milestones, unknown = _milestones(seen, policy, history)
    those = batches(seen, history.cohorts, policy)
    others = seen.others
    bound = bound_of(seen, policy, history)
    need, more = _needed(milestones, those, others, bound.consumers, policy)
    if unknown:
        need = max(need, policy.probe)
    # More than one consumer for each entry would find nothing to do.
    need = min(need, math.ceil(sum(d.entries for d in seen.demands) / policy.slots))
    need = max(need, policy.floor)
    work = milestones[-1].work if milestones else 0.0
    wanted = min(_gently(need, work, seen, policy, history, unknown=unknown), bound.consumers)
    helping = [Batch(1, 0.0, others), *first(wanted, those)]
    jobs, cost = _expected(milestones, helping, wanted, seen, policy, history)
    decision = Decision(
        seen.now,
        wanted,
        least=_least(milestones, those, others),
        bound=bound.words if more or need > bound.consumers else None,
        cost=cost if policy.price and not unknown else None,
        jobs=jobs,
        probing=bool(unknown),
        unmeasured=[demand.job for demand in unknown],
        stuck=stuck(seen, history.cohorts, policy),
    )
    return decision, history.decided(decision, need, seen.present, policy.linger)


def _milestones(
    seen: Observation, policy: Policy, history: History
) -> tuple[list[Milestone], list[Demand]]:
    """Milestones in the order in which consumers come to them, and jobs of unknown cost."""
    work, found, unknown = 0.0, [], []
    for demand in (demand for demand in seen.demands if demand.left and not demand.lost):
        # Slots that nobody knows get nobody knows what done.
        cost = None if policy.assumed else _cost(demand, policy, history)
        if cost is None:
            unknown.append(demand)
            continue
        work += demand.left * cost
        # One that waits for another has until then what it has from its release on.
        begin = seen.now if demand.held else demand.since
        due = demand.due if demand.due is not None else begin + policy.within
        tail = min(demand.chunk, demand.left) * cost
        found.append(Milestone(demand.job, work, due - seen.now, tail, demand.due))
    return found, unknown


def _cost(demand: Demand, policy: Policy, history: History) -> float | None:
    """Slot-seconds a trade: as measured, else by its results, which tell of pricing alone."""
    cost = history.cost(demand.kind, policy.margin)
    if cost is None and demand.took is not None:
        return demand.took * (1 + policy.margin)
    return cost


def _needed(
    milestones: Sequence[Milestone],
    those: Sequence[Batch],
    others: int,
    most: int,
    policy: Policy,
) -> tuple[int, bool]:
    """The fewest consumers, of ``most``, that meet all deadlines with a reserve.

    And whether more than that would be of use.
    """
    need, more = 0.0, False
    for stone in milestones:
        # Half of it on average is part of the work.
        time = stone.due - min(policy.reserve, RESERVE * max(stone.due, 0.0)) - stone.tail / 2
        count = needed(stone.work - others * time, time, those)
        if count > most:
            more |= math.isfinite(count)
            # It is late whatever we do. As soon as can be, but no node for less work than its
            # start takes.
            soonest = finish(stone.work, [Batch(1, 0.0, others), *first(most, those)])
            time = max(soonest, 2 * policy.startup)
            if math.isfinite(time):
                count = needed(stone.work - others * time, time, those)
            more |= count >= most
            count = min(count, most)
        need = max(need, count)
    return int(need), more


def _least(milestones: Sequence[Milestone], those: Sequence[Batch], others: int) -> int | None:
    """The fewest consumers that meet the deadlines told, without reserve; None if none do."""
    counts = [
        needed(s.work - others * max(s.due, 0.0), s.due, those)
        for s in milestones
        if s.told is not None
    ]
    most = max(counts, default=0.0)
    return int(most) if math.isfinite(most) else None


def _gently(
    need: int,
    work: float,
    seen: Observation,
    policy: Policy,
    history: History,
    *,
    unknown: Sequence[Demand],
) -> int:
    """What is asked for: more at once, fewer only when it saves something."""
    present = seen.present
    if need >= present:
        return need
    if unknown:
        return present
    # Those at work cost no more than others would; only what has nothing to do is saved.
    busy = int(work / (policy.slots * SHORTEST))
    # And what was needed a moment ago may be so again: as with skis, hire them for what they cost.
    recent = [w.consumers for w in history.wishes if w.at > seen.now - policy.linger]
    return min(present, max(need, busy, *recent, 0))


def _expected(
    milestones: Sequence[Milestone],
    those: Sequence[Batch],
    wanted: int,
    seen: Observation,
    policy: Policy,
    history: History,
) -> tuple[list[Expectation], float]:
    """When each job is done with these consumers, and the cost of the run to its end."""
    jobs = [
        Expectation(stone.job, seen.now + finish(stone.work, those) + stone.tail / 2, stone.told)
        for stone in milestones
    ]
    end = finish(milestones[-1].work, those) if milestones else 0.0
    seconds = wanted * (end + policy.linger) if math.isfinite(end) else math.inf
    return jobs, history.spent(policy) + seconds / HOUR * policy.price
