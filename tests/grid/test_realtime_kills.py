"""Consumers that die, freeze or leave with realtime calls in hand (G1, G2, G4, G6, G7)."""

import signal

import pytest

from engine.job import Lane
from tests.callers import REALTIME, Caller
from tests.processes import Consumer, Field
from tests.waiting import eventually

PLAIN, SLEEPY = "tests.pricers:plain", "tests.pricers:sleepy"

DEADLINE = 5.0

LOST = "lost entries: cancelled, or our lease has lapsed"


def some(count: int) -> list[dict[str, object]]:
    return [{"id": n, "spot": 1.0} for n in range(count)]


def hoarding(
    field: Field, *options: str, calls: int = 20, seconds: float = 0.1
) -> tuple[Consumer, Caller]:
    """A consumer of one slot that has many calls in hand, for it took them at a quick pace."""
    [consumer] = field.serve(*REALTIME, "--slots", "1", *options)
    caller = Caller(field)
    caller.price(some(300), PLAIN)
    caller.send(some(calls), SLEEPY, deadline=DEADLINE, options={"seconds": seconds})
    eventually(lambda: len(held(consumer, field)) > calls // 3, what="calls in hand")
    return consumer, caller


def held(consumer: Consumer, field: Field) -> list[object]:
    return field.pending(consumer.serving(), Lane.REALTIME)


def outcomes(caller: Caller) -> set[object]:
    return {reply.record["outcome"] for reply in caller.answered(DEADLINE).values()}


@pytest.mark.pain("arq#343", "arq#402", "arq#407")
def test_what_a_killed_consumer_had_is_answered_before_the_deadline(field: Field) -> None:
    """G1, G2, G4: by another, once each."""
    consumer, caller = hoarding(field)
    [other] = field.serve(*REALTIME, "--slots", "2")
    consumer.send(signal.SIGSTOP)
    left = len(held(consumer, field))
    assert left > 1, "it was killed too late to matter"
    consumer.end(signal.SIGKILL)
    assert outcomes(caller) == {"priced"}
    replies = caller.answered().values()
    heir = [reply for reply in replies if reply.consumer == other.serving()]
    assert len(heir) >= left
    assert {reply.record["attempts"] for reply in heir} >= {2}
    assert field.backlog() == 0


def test_a_frozen_consumer_that_wakes_late_doubles_no_reply(field: Field) -> None:
    """G2: SIGSTOP past the lease, then SIGCONT."""
    options = ("--realtime-lease", "0.4", "--log-level", "debug")
    consumer, caller = hoarding(field, *options)
    consumer.send(signal.SIGSTOP)
    assert held(consumer, field)
    field.serve(*REALTIME, "--slots", "2", *options)
    assert outcomes(caller) == {"priced"}
    consumer.send(signal.SIGCONT)
    # It wakes with an answer that is refused, unless it sees first that its calls are another's.
    eventually(
        lambda: consumer.events("already answered") or consumer.events(LOST),
        what="a second answer that is refused, or calls that are let go",
    )
    assert outcomes(caller) == {"priced"}  # once each, still
    # It goes on as if nothing had been.
    [other] = [each for each in field.consumers if each is not consumer]
    assert other.end() == 0
    caller.price(some(10), PLAIN)
    assert consumer.end() == 0


def test_what_waits_is_handed_back_at_once_by_one_who_leaves(field: Field) -> None:
    """G5, G7: while it still prices, at no attempt, nobody waiting for a lease."""
    consumer, caller = hoarding(field, "--realtime-lease", "60", calls=3, seconds=1.5)
    consumer.send(signal.SIGTERM)
    eventually(lambda: len(held(consumer, field)) <= 1, 1.0, "what waits handed back")
    assert consumer.process.poll() is None
    assert consumer.ended(within=3.0) == 0
    assert held(consumer, field) == []
    assert field.backlog() == len(caller.sent) - len(caller.replies()) > 0
    field.serve(*REALTIME, "--slots", "2", "--realtime-lease", "60")
    assert outcomes(caller) == {"priced"}
    assert {reply.record["attempts"] for reply in caller.replies()} == {1}


@pytest.mark.parametrize("algorithm", [SLEEPY, "tests.pricers:slow"])
def test_what_takes_too_long_is_handed_back(field: Field, algorithm: str) -> None:
    """G7: a thread is abandoned, a process killed."""
    [consumer] = field.serve(*REALTIME, "--slots", "1", "--drain", "0.3")
    Caller(field).send(some(2), algorithm, options={"seconds": 60.0})
    eventually(lambda: held(consumer, field), what="a slot at work")
    if algorithm != SLEEPY:
        eventually(consumer.children, what="a slot process")
    assert consumer.end(within=3.0) == 0
    assert held(consumer, field) == []
    assert field.backlog() == 2


@pytest.mark.pain("taskiq-redis#101", "taskiq-redis#86", "celery#5935")
def test_a_call_that_takes_longer_than_its_lease_is_left_to_its_consumer(field: Field) -> None:
    """G6."""
    field.serve(*REALTIME, "--slots", "1", "--realtime-lease", "0.3", count=2)
    caller = Caller(field)
    [record] = caller.price(some(1), SLEEPY, options={"seconds": 1.5})
    assert record["attempts"] == 1
    assert not any(
        c.events("took over entries of a consumer that is gone") for c in field.consumers
    )
