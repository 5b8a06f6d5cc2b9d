"""How many consumers bulk work needs: by deadlines, measured rates and cost, and gently down."""

import math
from dataclasses import replace
from datetime import UTC

import pytest

from infra.controller.capacity import Batch, needed
from infra.controller.decide import decide
from infra.controller.history import Cohort, History
from infra.controller.model import Decision, Observation, Policy
from infra.controller.words import sentence
from tests.infra.controlling import HOURS, KNOWN, NOW, POLICY, book, seen


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
        "done at 23:23 with 40 consumers, 154.91 USD; job night will be late, 8.6 h after 14:46, "
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
        ({"hourly": 2.0}, 5, "the budget of 2.00 USD an hour"),
        ({"hourly": 1.2}, 3, "the budget of 1.20 USD an hour"),  # 2.9999999999999996 by division
        ({"budget": 10.0}, 0, "the budget of 10.00 USD"),
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
    assert words.endswith(f" USD; {decision.least} would make it by 21:46")
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


def test_results_tell_what_a_trade_takes_until_it_is_measured() -> None:
    look = seen(book(10_000_000, took=0.1))
    by_results, _ = decide(look, POLICY, History())
    measured, _ = decide(look, POLICY, KNOWN)
    assert not by_results.probing
    assert by_results.consumers == measured.consumers > POLICY.probe
    # What was measured goes before: it counts all that a trade keeps a slot for.
    dearer = seen(book(10_000_000, took=1.0))
    assert decide(dearer, POLICY, KNOWN)[0].consumers == measured.consumers


@pytest.mark.parametrize(
    ("jobs", "told"), [(1, "job n0 cost"), (2, "jobs n0, n1 cost"), (5, "n0, n1, n2 and 2 more")]
)
def test_it_says_what_is_measured(jobs: int, told: str) -> None:
    look = seen(*(book(10_000, job=f"n{n}") for n in range(jobs)))
    decision, _ = decide(look, POLICY, History())
    assert decision.unmeasured == [f"n{n}" for n in range(jobs)]
    assert told in sentence(decision, look)
