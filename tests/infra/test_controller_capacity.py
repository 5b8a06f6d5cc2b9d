"""What consumers get done by when; and bounds that hold whatever is seen."""

import math
from dataclasses import replace
from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from infra.controller.capacity import Batch, finish, first, needed
from infra.controller.decide import decide
from infra.controller.history import Cohort, History
from infra.controller.model import Decision, Observation, Policy
from infra.controller.words import sentence
from tests.infra.controlling import KNOWN, NOW, POLICY, book, seen


def decided(
    look: Observation, policy: Policy = POLICY, history: History = KNOWN
) -> tuple[Decision, History]:
    return decide(look, policy, history)


THOSE = st.lists(
    st.builds(
        Batch, st.integers(0, 9).map(float), st.floats(0, 500), st.integers(1, 16).map(float)
    ),
    max_size=4,
).map(lambda those: [*sorted(those, key=lambda b: b.ready), Batch(math.inf, 500.0, 8.0)])


@given(THOSE, st.floats(1, 1e6), st.floats(501, 1e5))
def test_as_many_as_are_needed_are_enough_and_one_fewer_is_not(
    those: list[Batch], work: float, time: float
) -> None:
    count = needed(work, time, those)
    assert count < math.inf
    assert finish(work, first(int(count), those)) <= time * (1 + 1e-9)
    if count > 1 and len({batch.slots for batch in those}) == 1:
        assert finish(work, first(int(count) - 1, those)) > time * (1 - 1e-9)


@given(
    st.lists(st.tuples(st.integers(0, 10**7), st.none() | st.floats(-2, 48)), max_size=5),
    st.integers(0, 200),
    st.integers(0, 50),
    st.integers(0, 120),
    st.none() | st.floats(0, 100),
)
def test_whatever_is_seen_the_bounds_hold(
    jobs: list[tuple[int, float | None]],
    living: int,
    starting: int,
    ceiling: int,
    budget: float | None,
) -> None:
    demands = [book(n, hours, job=str(i)) for i, (n, hours) in enumerate(jobs)]
    policy = replace(POLICY, ceiling=ceiling, budget=budget)
    look = seen(*demands, living=living, starting=starting)
    history = replace(KNOWN, cohorts=[Cohort(NOW - 10, starting)])
    decision, history = decide(look, policy, history.looked(look))
    assert 0 <= decision.consumers <= ceiling
    assert sentence(decision, look, UTC)
    assert History.from_json(history.to_json()).wishes[-1].consumers >= 0
