"""How many consumers realtime calls need: enough that few calls wait."""

import heapq
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.controller.history import History, Traffic
from infra.controller.model import Calls, Decision, Observation, Policy
from infra.controller.realtime import decide_realtime, slots_needed

NOW = 1_000_000.0
POLICY = Policy(ceiling=50, slots=2, startup=100.0, floor=1)


def traffic(rate: float, busy: int) -> History:
    return History(traffic=[Traffic(NOW - 10 * n, rate, busy, rate) for n in range(10)])


def decided(
    history: History, calls: Calls | None = None, living: int = 0, policy: Policy = POLICY
) -> Decision:
    look = Observation(NOW, living=living, slots=living * 2, calls=calls or Calls(0, 0))
    return decide_realtime(look, policy, history)[0]


def share_that_waits(slots: int, rate: float, service: float, wait: float) -> float:
    """Of calls that come at random, each priced by the first free of so many slots."""
    chance, calls = random.Random(1), 100_000
    free, at, longer = [0.0] * slots, 0.0, 0
    for _ in range(calls):
        at += chance.expovariate(rate)
        begun = max(at, free[0])
        heapq.heapreplace(free, begun + chance.expovariate(1 / service))
        longer += begun - at > wait
    return longer / calls


@pytest.mark.parametrize(("rate", "service"), [(500.0, 0.005), (200.0, 0.05), (10.0, 1.0)])
def test_ninety_nine_of_a_hundred_calls_wait_no_longer(rate: float, service: float) -> None:
    slots = slots_needed(rate, service, 0.05)
    assert share_that_waits(slots, rate, service, 0.05) < 0.0125
    assert share_that_waits(slots - 1, rate, service, 0.05) > 0.0075


@given(st.floats(0.01, 1e4), st.floats(0.001, 1.0), st.floats(0.001, 10))
def test_more_calls_never_need_fewer_slots(rate: float, service: float, wait: float) -> None:
    slots = slots_needed(rate, service, wait)
    assert rate * service < slots
    assert slots_needed(rate * 1.1, service, wait) >= slots


def test_nobody_calls_and_the_floor_stays() -> None:
    assert decided(History()).consumers == 1
    assert decided(History(), policy=replace(POLICY, floor=0)).consumers == 0
    waiting = Calls(arrived=1, inside=1, oldest=0.5)
    assert decided(History(), waiting, policy=replace(POLICY, floor=0)).consumers == 1


def test_the_peak_is_served() -> None:
    quiet = decided(traffic(20, 1))
    peak = replace(
        traffic(20, 1), traffic=[*traffic(20, 1).traffic, Traffic(NOW, 2_000, 100, 2_000)]
    )
    assert decided(peak).consumers > 10 * quiet.consumers


def test_whatever_the_formula_says_calls_that_wait_bring_more() -> None:
    assert decided(traffic(20, 1), Calls(1_000, 50, oldest=5.0), living=6).consumers == 9


def test_the_ceiling_holds_and_is_told() -> None:
    decision = decided(traffic(20_000, 2_000))
    assert decision.consumers == 50
    assert decision.bound == "the ceiling of 50"


def test_fewer_only_after_a_while() -> None:
    asked, history = [], traffic(400, 20)
    for seconds in range(0, 300, 50):
        calls = Calls(0, 0) if seconds == 0 else None
        look = Observation(NOW + seconds, living=20, slots=40, calls=calls or Calls(0, 0))
        if seconds:
            history = replace(history, traffic=[])
        decision, history = decide_realtime(look, POLICY, history)
        asked.append(decision.consumers)
    assert asked[0] == asked[1] > 5
    assert asked[2:] == [1] * 4


def test_a_rate_is_what_has_come_between_two_looks() -> None:
    history = History()
    for seconds, arrived in ((0, 100), (10, 600), (20, 1_100), (30, 5)):
        look = Observation(NOW + seconds, calls=Calls(arrived, 7))
        history = history.looked(look)
    # The last look found a stream that had been lost.
    assert [each.rate for each in history.traffic] == [50.0, 50.0]


def test_calls_that_nobody_serves_yet_say_nothing_of_what_a_call_takes() -> None:
    """Ten calls a second of 5 ms: one slot does, however long the queue was before it served."""
    history, consumers, asked = History(), 0, []
    for seconds in range(0, 600, 15):
        serving = consumers if seconds >= 240 else 0
        waiting = 0 if serving else 10 * seconds
        look = Observation(
            NOW + seconds,
            living=serving,
            slots=2 * serving,
            starting=consumers - serving,
            calls=Calls(10 * seconds, waiting, oldest=float(seconds) if waiting else 0.0),
        )
        decision, history = decide_realtime(look, POLICY, history.looked(look))
        consumers = decision.consumers
        asked.append(consumers)
    assert set(asked) == {1}


def test_what_a_call_takes_is_what_busy_slots_get_done() -> None:
    """Eight slots, all busy, end 80 calls a second, while 100 come and the queue grows."""
    history = History()
    for seconds in range(0, 70, 10):
        calls = Calls(100 * seconds, 500 + 20 * seconds)
        history = history.looked(Observation(NOW + seconds, living=4, slots=8, calls=calls))
    need = slots_needed(100 * (1 + POLICY.margin), 0.1, POLICY.wait)
    assert decided(history, living=4).consumers == -(-need // POLICY.slots)


def test_more_for_calls_that_wait_does_not_pile_up_while_they_start() -> None:
    look = Observation(NOW, (), 6, 12, starting=3, calls=Calls(1_000, 50, oldest=5.0))
    assert decide_realtime(look, POLICY, traffic(20, 1))[0].consumers == 9


@pytest.mark.parametrize(("serving", "most"), [(False, 60), (True, 600)])
def test_consumers_that_never_serve_are_not_started_for_ever(serving: bool, most: int) -> None:
    policy, history, started = replace(POLICY, floor=3, ceiling=5), History(), 0
    for seconds in range(0, 6_000, 30):
        living = int(serving and seconds % 60 > 0)
        look = Observation(NOW + seconds, living=living, slots=2 * living, calls=Calls(0, 0))
        decision, history = decide_realtime(look, policy, history.looked(look))
        started += decision.consumers - living
    assert most / 2 < started <= most


def test_slots_that_are_only_assumed_are_told_by_those_that_serve() -> None:
    guess = replace(POLICY, slots=1, assumed=True)
    busy = traffic(2_000, 40)
    assert decided(busy, policy=guess).consumers == guess.probe
    look = Observation(NOW, living=1, slots=16, calls=Calls(0, 0))
    known = replace(busy, last=History().last).looked(look)
    told = decide_realtime(look, replace(POLICY, slots=16), known)[0]
    assert decide_realtime(look, guess, known)[0].consumers == told.consumers > 2
