"""How many consumers bulk work needs: by deadlines, measured rates and cost, and gently down."""

import math
from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.controller.capacity import Batch, finish, first, needed
from infra.controller.decide import decide
from infra.controller.history import SAMPLES, Cohort, History, Sample
from infra.controller.model import Decision, Demand, Observation, Policy
from infra.controller.words import sentence
from infra.controller_commands import MOST_BETWEEN

NOW = 1_000_000.0
HOURS = 3600.0
POLICY = Policy(ceiling=100, slots=8, startup=240.0, price=0.4)
KNOWN = History({"pvonly": [Sample(1_000, 100.0)] * 5}, resting=False)
"""A trade takes 0.1 slot-seconds, 0.11 with its margin."""


def book(trades: int, hours: float | None = 8.0, **fields: object) -> Demand:
    due = NOW + hours * HOURS if hours is not None else None
    demand = Demand("night", "pvonly", trades, 0, due=due, since=NOW)
    return replace(demand, **fields)  # type: ignore[arg-type]


def seen(*demands: Demand, living: int = 0, starting: int = 0, others: int = 0) -> Observation:
    return Observation(NOW, demands, living, slots=living * 8, starting=starting, others=others)


def decided(
    look: Observation, policy: Policy = POLICY, history: History = KNOWN
) -> tuple[Decision, History]:
    return decide(look, policy, history)


def test_just_enough_for_the_deadline() -> None:
    # 11 M slot-seconds with the margin; 8 h less 240 s to start and 480 s of reserve, on 8 slots.
    decision, _ = decided(seen(book(100_000_000)))
    assert decision.consumers == math.ceil(11e6 / 8 / (8 * HOURS - 720 - 5.5))
    [job] = decision.jobs
    assert NOW + 7.5 * HOURS < job.at <= NOW + 8 * HOURS
    assert not job.late
    assert decision.bound is None


def test_nothing_to_do_needs_nobody() -> None:
    assert decided(seen())[0].consumers == 0
    assert decided(seen(), replace(POLICY, floor=3))[0].consumers == 3


def test_all_that_stands_before_a_job_has_to_be_done_first() -> None:
    alone, _ = decided(seen(book(1_000_000, 1.0)))
    behind, _ = decided(seen(book(50_000_000, 24.0, job="before"), book(1_000_000, 1.0)))
    assert behind.consumers > 10 * alone.consumers
    ahead, _ = decided(seen(book(1_000_000, 1.0), book(50_000_000, 24.0, job="after")))
    assert ahead.consumers < 10


def test_a_job_that_waits_for_another_counts_too() -> None:
    alone, _ = decided(seen(book(20_000_000)))
    both, _ = decided(seen(book(20_000_000), book(20_000_000, job="next", held=True)))
    assert both.consumers >= 2 * alone.consumers - 1


def test_those_that_start_are_not_asked_for_again() -> None:
    look = seen(book(10_000_000, 1.0))
    decision, history = decided(look)
    later = replace(look, now=NOW + 60, starting=decision.consumers)
    again, _ = decide(later, POLICY, history.looked(later))
    assert again.consumers == decision.consumers


def test_a_job_that_waits_has_its_time_from_its_release_on() -> None:
    old = NOW - 10 * HOURS
    waiting, _ = decided(seen(book(1_000_000, None, since=old, held=True)))
    overdue, _ = decided(seen(book(1_000_000, None, since=old)))
    assert not waiting.jobs[0].late
    assert waiting.consumers < overdue.consumers


def test_consumers_that_end_as_soon_as_they_begin_are_not_started_for_ever() -> None:
    """Each start costs a node's: a bad image must not cost a fortune."""
    policy, history, started = replace(POLICY, ceiling=10), KNOWN, 0
    for seconds in range(0, 7_200, 30):
        look = replace(seen(book(100_000_000)), now=NOW + seconds)
        decision, history = decide(look, policy, history.looked(look))
        started += decision.consumers
    assert 20 < started <= 20 + 10 * (1 + 7_200 / (4 * POLICY.startup))
    assert decision.bound is not None
    assert "in vain" in decision.bound
    # Whoever has mended it need not wait: one trade is enough.
    look = replace(look, now=look.now + 30, demands=[book(100_000_000, ended=1)])
    assert decide(look, policy, history.looked(look))[0].consumers == 10


def test_consumers_of_others_do_their_share() -> None:
    alone, _ = decided(seen(book(20_000_000)))
    helped, _ = decided(seen(book(20_000_000), others=8 * (alone.consumers - 1)))
    assert helped.consumers <= 1


def test_what_nobody_has_measured_is_measured_by_few() -> None:
    decision, _ = decided(seen(book(100_000_000, kind="own")))
    assert decision.consumers == POLICY.probe
    assert decision.probing
    assert decision.cost is None
    # And nobody is sent away meanwhile.
    assert decided(seen(book(100_000_000, kind="own"), living=9))[0].consumers == 9


def test_no_more_consumers_than_entries() -> None:
    decision, _ = decided(seen(book(1_000, 0.2, kind="pvonly", chunk=500)))
    assert decision.consumers == 1


def test_a_deadline_that_cannot_be_met_is_told_and_by_how_much() -> None:
    decision, _ = decided(seen(book(100_000_000, 1.0)), replace(POLICY, ceiling=40))
    assert decision.consumers == 40
    assert decision.bound == "the ceiling of 40"
    assert decision.jobs[0].late > 8 * HOURS
    assert decision.least is not None
    assert decision.least > 400
    words = sentence(decision, seen(book(100_000_000, 1.0)), UTC)
    assert words == (
        "done at 23:23 with 40 consumers, 154.91 EUR; job night will be late, 8.6 h after 14:46, "
        "410 would make it; no more because of the ceiling of 40"
    )


def test_what_is_late_gets_no_node_for_less_work_than_its_start_takes() -> None:
    decision, _ = decided(seen(book(100_000, 0.01)))
    assert decision.jobs[0].late
    assert decision.consumers <= 7
    assert decision.least is None


@pytest.mark.parametrize(
    ("budget", "consumers", "words"),
    [
        ({"hourly": 2.0}, 5, "the budget of 2.00 EUR an hour"),
        ({"budget": 10.0}, 0, "the budget of 10.00 EUR"),
    ],
)
def test_budgets_bound(budget: dict[str, float], consumers: int, words: str) -> None:
    spent = replace(KNOWN, consumer_seconds=9.99 / 0.4 * HOURS)
    decision, _ = decided(seen(book(100_000_000), living=7), replace(POLICY, **budget), spent)  # type: ignore[arg-type]
    assert decision.consumers == consumers
    assert decision.bound == words


def test_those_at_work_stay() -> None:
    decision, _ = decided(seen(book(10_000_000), living=30))
    assert decision.consumers == 30


def test_those_without_work_leave_when_a_start_would_have_been_dearer() -> None:
    history = KNOWN
    asked = []
    for seconds in range(0, 600, 30):
        look = replace(
            seen(book(0) if seconds else book(9_000_000, 1.0), living=5), now=NOW + seconds
        )
        decision, history = decide(look, POLICY, history.looked(look))
        asked.append(decision.consumers)
    # As many as the work needed, for as long as a start takes: and then none.
    assert asked[0] >= 5
    assert asked[1:8] == [5] * 7
    assert asked[8:] == [0] * 12


def test_the_sentence_tells_what_fewer_would_do() -> None:
    look = seen(book(40_000_000), living=34)
    decision, _ = decided(look)
    words = sentence(decision, look, UTC)
    assert words.startswith("done at 18:16 with 34 consumers, ")
    assert words.endswith(f" EUR; {decision.least} would make it by 21:46")
    assert decision.least is not None
    assert decision.least < 34


def test_nobody_is_started_for_a_job_without_entries() -> None:
    look = seen(book(100_000_000, lost=True))
    decision, history = decided(look, history=KNOWN.looked(look))
    assert decision.consumers == 0
    assert history.resting
    assert sentence(decision, look, UTC) == (
        "nothing to do: no consumer; job night has lost its entries: `azfinsim job resume night`"
    )
    both = seen(book(100_000_000, lost=True), book(100_000, 0.5, job="well"))
    alone = seen(book(100_000, 0.5, job="well"))
    assert decided(both)[0].consumers == decided(alone)[0].consumers > 0


def test_what_should_serve_long_since_is_expected_ever_later() -> None:
    asked = []
    for waited in (100, 250, 500, 1_000, 2_000):
        history = replace(KNOWN, cohorts=[Cohort(NOW - waited, 4)])
        decision, _ = decided(seen(book(2_000_000, 2.0), starting=4), history=history)
        asked.append((decision.consumers, decision.jobs[0].at - NOW, decision.stuck))
    ready = [at for _, at, _ in asked]
    assert ready[1:4] == sorted(ready[1:4])
    assert [stuck for *_, stuck in asked] == [0, 0, 4, 4, 4]
    assert asked[-1][0] >= asked[0][0]
    look = seen(book(2_000_000, 2.0), starting=4)
    assert "; 4 consumers asked for do not start" in sentence(decision, look, UTC)


def test_those_that_come_too_late_are_still_among_those_asked_for() -> None:
    those = [Batch(4, 900.0, 8.0), Batch(math.inf, 100.0, 8.0)]
    assert needed(8 * 400, 500.0, those) == 5


def test_slots_that_are_only_assumed_are_told_by_those_that_serve() -> None:
    guess = replace(POLICY, slots=1, assumed=True)
    first_, _ = decided(seen(book(100_000_000)), guess)
    assert (first_.consumers, first_.probing) == (guess.probe, True)
    look = seen(book(100_000_000), living=2)
    learnt = KNOWN.looked(look)
    assert learnt.slots == 8
    assert decide(look, guess, learnt)[0] == decide(look, POLICY, learnt)[0]
    # And remembered when they have left.
    rest = seen(book(100_000_000))
    later = History.from_json(learnt.looked(replace(rest, now=NOW + 60)).to_json())
    assert not decide(rest, guess, later)[0].probing
    # What the user tells of those to be started goes before.
    assert later.informed(replace(POLICY, slots=4)).slots == 4


# What is learnt


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
    _, history = decided(look, history=KNOWN.looked(look))
    read = History.from_json(history.to_json())
    assert read.to_json() == history.to_json()
    assert decide(look, POLICY, read)[0] == decide(look, POLICY, history)[0]


@pytest.mark.parametrize("stored", [b"", b"[]", b"{}", b'{"costs": 1}', b"\xff", b"null"])
def test_a_history_that_is_none_is_told(stored: bytes) -> None:
    with pytest.raises(
        ValueError, match=r"no history|JSON|empty document|unexpected|str is not valid"
    ):
        History.from_json(stored)


# Capacity

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
