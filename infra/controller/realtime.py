"""How many consumers realtime calls need. Pure.

Calls come at random and are priced by whichever slot is free: M/M/c. The slots are the fewest at
which 99 of 100 calls wait no longer than the policy says, by Erlang's C formula (A. K. Erlang,
1917; R. B. Cooper, Introduction to Queueing Theory, 1981, 3.4).
"""

import math

from infra.controller.bound import bound_of
from infra.controller.capacity import stuck
from infra.controller.history import History
from infra.controller.model import Decision, Observation, Policy

RARELY = 0.01
"""The share of calls that may wait longer."""

BRIEFEST = 0.001
"""Seconds that a call keeps a slot, at least."""

USUAL = 0.01
"""Seconds that a call is assumed to keep a slot, until consumers have served and it is measured."""

LATE = 20.0
"""Times the policy's wait after which a call still waiting shows that the slots do not do."""


def decide_realtime(
    seen: Observation, policy: Policy, history: History
) -> tuple[Decision, History]:
    """Decide on the consumers of the realtime lane; arguments and result as ``decide`` has them."""
    policy = history.informed(policy)
    need = max(_needed(seen, policy, history), policy.floor)
    recent = [w.consumers for w in history.wishes if w.at > seen.now - policy.linger]
    wish = need if need >= seen.present else min(seen.present, max(need, *recent, 0))
    bound = bound_of(seen, policy, history)
    decision = Decision(
        seen.now,
        min(wish, bound.consumers),
        least=need,
        bound=bound.words if need > bound.consumers else None,
        stuck=stuck(seen, history.cohorts, policy),
    )
    return decision, history.decided(decision, need, seen.present, policy.linger)


def _needed(seen: Observation, policy: Policy, history: History) -> int:
    rates = [traffic.rate for traffic in history.traffic]
    mean = sum(rates) / len(rates) if rates else 0.0
    if mean <= 0:
        need = 1 if seen.calls is not None and seen.calls.inside else 0
    else:
        service = _service(history)
        # The peak, for what came once comes again.
        peak = max(rates) * (1 + policy.margin)
        need = math.ceil(slots_needed(peak, service, policy.wait) / policy.slots)
        if policy.assumed:
            need = min(need, policy.probe)
    if seen.calls is not None and seen.calls.oldest > LATE * policy.wait and seen.living:
        # Whatever the formula says: it is not enough. Those that start are among the half.
        need = max(need, seen.living + math.ceil(seen.living / 2))
    return need


def _service(history: History) -> float:
    """Seconds that a call keeps a slot on average.

    By Little's law for the slots alone: those at work, by what they get done. Calls that wait are
    in neither, above all those that wait while nobody serves.
    """
    served = sum(traffic.served for traffic in history.traffic)
    if not served:
        return USUAL
    return max(sum(each.busy for each in history.traffic if each.served) / served, BRIEFEST)


def slots_needed(rate: float, service: float, wait: float) -> int:
    """The fewest slots at which 99 of 100 calls wait at most ``wait`` seconds.

    ``rate`` in calls a second; ``service`` in seconds that a call keeps a slot on average.
    """
    load = rate * service
    slots = max(math.floor(load) + 1, 1)
    while _waits_longer(slots, load, service, wait) > RARELY:
        slots += 1
    return slots


def _waits_longer(slots: int, load: float, service: float, wait: float) -> float:
    """The probability that a call waits longer: C(c, a) exp(-(c - a) t / s)."""
    blocked = 1.0
    for n in range(1, slots + 1):
        blocked = load * blocked / (n + load * blocked)
    waits = blocked / (1 - load / slots * (1 - blocked))
    return waits * math.exp(-(slots - load) * wait / service)
