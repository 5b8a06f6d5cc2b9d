"""The bulk pool's autoscale formula: what it comes to for what Batch has seen."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.infra.autoscale_formula import FormulaError, Metric, evaluate

FORMULA = (Path(__file__).parents[2] / "infra" / "terraform" / "bulk.autoscale").read_text("utf-8")

SPOT, DEDICATED = "$TargetLowPriorityNodes", "$TargetDedicatedNodes"


def filled(tasks_per_node: int, most_nodes: int, most_dedicated: int) -> str:
    """As Terraform's templatefile fills it in."""
    told = FORMULA
    for name, value in locals().copy().items():
        told = told.replace(f"${{{name}}}", str(value))
    assert "${" not in told
    return told


def targets(
    pending: Sequence[float | None],
    preempted: float = 0,
    *,
    per_node: int = 1,
    most: int = 10,
    dedicated: int = 4,
) -> tuple[float, float]:
    """How many Spot and dedicated nodes it asks for."""
    metrics = {"$PendingTasks": Metric(pending), "$PreemptedNodeCount": Metric([preempted])}
    told = evaluate(filled(per_node, most, dedicated), metrics)
    assert told["$NodeDeallocationOption"] == "taskcompletion"
    return told[SPOT], told[DEDICATED]


def test_nothing_to_do_is_no_node() -> None:
    assert targets([0] * 10) == (0, 0)


def test_up_at_once() -> None:
    assert targets([0] * 9 + [7]) == (7, 0)


def test_down_by_the_mean_of_five_minutes() -> None:
    assert targets([8] * 5 + [0] * 5) == (4, 0)
    assert targets([8] * 5 + [0] * 10) == (0, 0)


@pytest.mark.parametrize(("tasks", "nodes"), [(1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_a_node_takes_several_tasks(tasks: int, nodes: int) -> None:
    assert targets([tasks] * 10, per_node=4) == (nodes, 0)


def test_no_more_than_allowed() -> None:
    assert targets([10_000] * 10, most=50) == (50, 0)


def test_evicted_nodes_have_dedicated_ones_stand_in() -> None:
    assert targets([10] * 10, preempted=3) == (10, 3)
    assert targets([10] * 10, preempted=9, dedicated=4) == (10, 4)
    # Nobody stands in for what is not wanted any more.
    assert targets([1] * 10, preempted=3) == (1, 1)
    assert targets([0] * 10, preempted=3) == (0, 0)


def test_too_few_samples() -> None:
    # The mean of what there is would be of minutes ago.
    assert targets([9, None, None, None, None, None, None, None, None, 2]) == (2, 0)


def test_no_samples_leave_the_pool_as_it_is() -> None:
    with pytest.raises(FormulaError):
        targets([None] * 10)


@given(
    st.lists(st.integers(0, 5000), min_size=10, max_size=20),
    st.integers(0, 1000),
    st.integers(1, 16),
    st.integers(1, 1000),
    st.integers(0, 1000),
)
def test_whatever_was_seen(
    pending: Sequence[float | None], preempted: int, per_node: int, most: int, dedicated: int
) -> None:
    spot, stand_in = targets(
        pending, preempted, per_node=per_node, most=most, dedicated=min(dedicated, most)
    )
    last = pending[-1] or 0
    assert spot == int(spot)
    assert min(most, math.ceil(last / per_node)) <= spot <= most
    assert 0 <= stand_in <= min(dedicated, spot, preempted)


def test_batch_takes_it() -> None:
    bare = [line for line in FORMULA.splitlines() if not line.startswith("//")]
    assert len(FORMULA) < 8192
    assert "".join(bare).count(";") <= 100
