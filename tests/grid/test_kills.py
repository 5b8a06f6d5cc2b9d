"""Consumers that are killed and frozen in the middle of a job (G1 to G4, G6)."""

import signal

import pytest
import redis

from engine import keys
from engine.job import Job
from engine.roster import TIME_TO_LIVE
from tests.processes import Consumer, Field, prices
from tests.waiting import eventually, gone

LEASE = ("--lease", "0.6")
"""Seconds: short, for what a dead consumer held to come back soon."""

TOOK_OVER = "took over entries of a consumer that is gone"


def taken_over(consumer: Consumer) -> int:
    """How many entries of others it has taken over."""
    return sum(event["entries"] for event in consumer.events(TOOK_OVER))


@pytest.mark.pain("taskiq-redis#131", "RocketPy#1053")
def test_killing_one_of_three_consumers_changes_not_one_byte(field: Field) -> None:
    """G1, G2, G3, G4: neither the counts nor the results of a job."""
    trades, chunk = 20_000, 70
    field.fill(trades)
    first, *others = field.serve("--slots", "1", *LEASE, count=3)
    undisturbed = field.submit(Job("undisturbed", "pvonly", seed=7, paths=300))
    assert field.done(undisturbed, 60).well

    disturbed = field.submit(Job("disturbed", "pvonly", seed=7, paths=300, chunk=chunk))
    eventually(lambda: field.ended(disturbed) > trades // 10, 60, "a job in full swing")
    # Frozen before it is killed, so that what is pending in its name can be counted.
    first.send(signal.SIGSTOP)
    held = field.pending(first.serving())
    assert held
    assert field.ended(disturbed) < trades, "it was killed too late to matter"
    first.end(signal.SIGKILL)

    counts = field.done(disturbed, 60).counts
    assert counts.submitted == counts.priced == trades
    records = field.records(disturbed)
    assert prices(records) == prices(field.records(undisturbed))
    # Not all of it: what an heir hands back, having taken too much, begins anew.
    again = sum(record["attempts"] > 1 for record in records)
    assert again >= chunk, "what it held was priced by others"
    assert sum(map(taken_over, others)) >= len(held)


def test_a_frozen_consumer_that_wakes_late_doubles_nothing(field: Field) -> None:
    """G2, G4, G6: SIGSTOP past the lease, then SIGCONT; it settles what others have settled."""
    field.fill(300)
    [zombie] = field.serve("--slots", "1", *LEASE)
    job = field.submit(Job("night", "tests.pricers:sleepy", chunk=50, options={"seconds": 0.05}))
    eventually(lambda: 0 < field.ended(job) < 300, what="a job in the middle")
    held = eventually(lambda: field.pending(zombie.serving()), what="entries in its name")
    zombie.send(signal.SIGSTOP)
    [other] = field.serve("--slots", "1", *LEASE)
    eventually(lambda: taken_over(other) >= 1 or not field.backlog(), what="its entries taken over")
    zombie.send(signal.SIGCONT)
    counts = field.done(job).counts
    assert counts.submitted == counts.priced == 300
    assert [record["id"] for record in field.records(job)] == list(range(300))
    assert held
    # It goes on as if nothing had been.
    assert zombie.process.poll() is None
    other.end()
    again = field.submit(Job("again", "tests.pricers:plain"))
    assert field.done(again).well
    assert zombie.end() == 0


@pytest.mark.pain(
    "taskiq-redis#101", "taskiq-redis#86", "celery#5935", "bullmq#3183", "bullmq#3078"
)
@pytest.mark.parametrize("algorithm", ["tests.pricers:sleepy", "tests.pricers:slow"])
def test_an_entry_that_takes_longer_than_its_lease_is_left_to_its_consumer(
    field: Field, algorithm: str
) -> None:
    """G6: in a thread and in a process; nothing that is priced blocks the renewal."""
    field.fill(100)
    field.serve("--slots", "1", "--lease", "0.4", count=2)
    job = field.submit(Job("night", algorithm, options={"seconds": 1.5}))
    assert field.done(job).well
    assert {record["attempts"] for record in field.records(job)} == {1}
    assert not any(map(taken_over, field.consumers))


def test_a_slot_process_ends_with_its_consumer(field: Field) -> None:
    """G4: also in the middle of a price, though nobody is left to tell it."""
    field.fill(100)
    [consumer] = field.serve("--slots", "1", *LEASE)
    job = field.submit(Job("night", "tests.pricers:slow", options={"seconds": 60.0}))
    [child] = eventually(consumer.children, what="a slot process")
    eventually(lambda: child.cpu_times().user > 1.0, what="a slot process that prices")
    consumer.end(signal.SIGKILL)
    eventually(lambda: gone(child.pid), what="the end of the slot process")
    field.cancel(job)


def test_the_roster_shows_who_lives_and_forgets_the_dead(field: Field) -> None:
    """G4."""
    leaving, killed, staying = field.serve(count=3)
    names = {consumer.serving() for consumer in field.consumers}
    eventually(lambda: {p.name for p in field.living()} == names, what="three on the roster")
    leaving.end()
    killed.end(signal.SIGKILL)
    assert {p.name for p in field.living()} == {killed.serving(), staying.serving()}
    with redis.Redis.from_url(field.url) as client:
        key = keys.consumer(killed.serving())
        assert 0 < client.ttl(key) <= TIME_TO_LIVE
        client.pexpire(key, 1)
        client.sadd(keys.consumers(), "nonsense", "string")
        client.set(keys.consumer("nonsense"), "[1]")
        client.hset(keys.consumer("string"), "x", "y")
    eventually(lambda: len(field.living()) == 1, what="the dead forgotten")
    [presence] = field.living()
    assert (presence.name, presence.pid) == (staying.serving(), staying.pid)
    assert (presence.lanes, presence.draining) == (["realtime", "high", "bulk"], False)
