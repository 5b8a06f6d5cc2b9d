"""The most consumers that are allowed: the ceiling, and what is left of the budgets. Pure."""

from dataclasses import dataclass

from infra.controller.history import History
from infra.controller.model import HOUR, Observation, Policy

VAIN = 2
"""Times the ceiling: so many are started while no trade ends, and then but few."""

PAUSE = 4
"""Start-ups between two attempts then: whoever has to mend it pays for the nodes meanwhile."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The most consumers that are allowed, and what says so."""

    consumers: int
    words: str


def bound_of(seen: Observation, policy: Policy, history: History) -> Bound:
    """What keeps the number of consumers down."""
    bounds = [Bound(policy.ceiling, f"the ceiling of {policy.ceiling}")]
    if history.vain > VAIN * policy.ceiling and seen.now < history.asked + PAUSE * policy.startup:
        bounds.append(
            Bound(seen.present, f"{history.vain} that were started in vain: see their logs")
        )
    if policy.price > 0 and policy.hourly is not None:
        # 0.3 / 0.1 is a little less than 3.
        most = int(policy.hourly / policy.price + 1e-9)
        bounds.append(Bound(most, f"the budget of {policy.hourly:,.2f} {policy.currency} an hour"))
    if policy.price > 0 and policy.budget is not None:
        left = policy.budget - history.spent(policy)
        # None is begun that could not pay for its start and as much work.
        most = max(int(left / (policy.price / HOUR * 2 * policy.startup)), 0)
        bounds.append(Bound(most, f"the budget of {policy.budget:,.2f} {policy.currency}"))
    return min(bounds, key=lambda bound: bound.consumers)
