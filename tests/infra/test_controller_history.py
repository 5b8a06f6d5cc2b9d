"""What a controller learns from look to look."""

import pytest

from infra.controller.decide import decide
from infra.controller.history import SAMPLES, History, Sample
from infra.controller.model import Observation
from infra.controller_options import MOST_BETWEEN
from tests.infra.controlling import KNOWN, NOW, POLICY, book, seen


def looked(history: History, at: float, ended: int, slots: int = 8) -> History:
    look = Observation(at, [book(1_000_000 - ended, ended=ended)], slots // 8, slots)
    return history.looked(look)


def test_a_rate_is_what_all_slots_have_done_between_two_looks() -> None:
    history = looked(History(), NOW, 0)
    history = looked(history, NOW + 10, 800)
    assert history.cost("pvonly", 0.0) == pytest.approx(0.1)
    assert history.cost("pvonly", 0.1) == pytest.approx(0.11)


@pytest.mark.parametrize("change", ["idle", "no consumer", "long ago"])
def test_nothing_is_learnt_where_slots_were_idle(change: str) -> None:
    history = looked(History(), NOW, 0)
    if change == "idle":
        history = looked(history, NOW + 10, 999_900)
    elif change == "no consumer":
        history = looked(history, NOW + 10, 800, slots=0)
    else:
        history = looked(history, NOW + 1_000, 80_000)
    assert history.cost("pvonly", 0.0) is None


def test_a_standstill_is_no_cost() -> None:
    history = looked(History(), NOW, 0)
    for look in range(1, 12):
        ended = 800 * look if look < 11 else 8_001
        history = looked(history, NOW + 10 * look, ended)
    assert history.cost("pvonly", 0.0) == pytest.approx(0.1)


def test_what_differs_from_look_to_look_has_a_margin() -> None:
    history = looked(History(), NOW, 0)
    ended = 0
    for look in range(1, 11):
        ended += 600 if look % 2 else 1_000
        history = looked(history, NOW + 10 * look, ended)
    cost = history.cost("pvonly", 0.0)
    assert cost is not None
    assert 0.105 < cost < 0.13


def test_kinds_priced_at_once_share_the_work_as_their_costs_are() -> None:
    history = History({"cheap": [Sample(100, 1.0)], "dear": [Sample(100, 9.0)]})
    for at, ended in ((NOW, 0), (NOW + 10, 400)):
        both = [book(10_000, ended=ended, job=kind, kind=kind) for kind in ("cheap", "dear")]
        history = history.looked(Observation(at, both, 1, 8))
    [cheap], [dear] = history.costs["cheap"][1:], history.costs["dear"][1:]
    assert cheap.work + dear.work == pytest.approx(80)
    assert dear.work == pytest.approx(9 * cheap.work)


def test_only_the_latest_samples_are_kept() -> None:
    history = looked(History(), NOW, 0)
    for look in range(1, 3 * SAMPLES):
        history = looked(history, NOW + 10 * look, 800 * look)
    assert len(history.costs["pvonly"]) == SAMPLES


def test_a_run_is_paid_from_the_first_job_after_a_rest() -> None:
    history = looked(History(), NOW, 0)
    history = looked(history, NOW + 100, 800)
    assert history.spent(POLICY) == pytest.approx(100 / 3600 * 0.4)
    resting = history.looked(Observation(NOW + 200, [], 1, 8))
    assert resting.resting
    assert resting.spent(POLICY) > history.spent(POLICY)
    assert looked(resting, NOW + 250, 0).spent(POLICY) == 0


@pytest.mark.parametrize("gap", [100.0, 360.0, 5_000.0])
def test_consumers_are_paid_for_however_long_nobody_looked(gap: float) -> None:
    history = looked(looked(History(), NOW, 0), NOW + gap, 800)
    assert history.consumer_seconds == pytest.approx(gap)


def test_looks_as_far_apart_as_they_may_be_told_to_be_teach() -> None:
    history = looked(looked(History(), NOW, 0), NOW + MOST_BETWEEN + 5, 24_400)
    assert history.cost("pvonly", 0.0) == pytest.approx(0.1)


def test_a_history_is_read_as_it_was_stored() -> None:
    look = seen(book(10_000_000, 1.0))
    _, history = decide(look, POLICY, KNOWN.looked(look))
    read = History.from_json(history.to_json())
    assert read.to_json() == history.to_json()
    assert decide(look, POLICY, read)[0] == decide(look, POLICY, history)[0]


@pytest.mark.parametrize("stored", [b"", b"[]", b"{}", b'{"costs": 1}', b"\xff", b"null"])
def test_a_history_that_is_none_is_told(stored: bytes) -> None:
    with pytest.raises(
        ValueError, match=r"no history|JSON|empty document|unexpected|str is not valid"
    ):
        History.from_json(stored)
