"""Jobs that follow others, released by consumers, with whoever submitted them gone (G1, G2, G4)."""

import os
import signal
import subprocess
import sys
from itertools import pairwise

import pytest
import redis

from engine import keys
from engine.job import Job, Lane, State
from engine.outcome import Counts
from producer.generate import generate
from tests.processes import Field, synthetic
from tests.waiting import eventually


def submitting(field: Field, *arguments: str) -> subprocess.Popen[bytes]:
    """``azfinsim job submit`` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "azfinsim", "job", "submit", *arguments],
        env={**os.environ, "AZFINSIM_REDIS_URL": field.url},
        stderr=subprocess.DEVNULL,
    )


def state(field: Field, job: Job) -> State:
    return field.progress(job).state


def found(field: Field, name: str) -> Job | None:
    return field.run(lambda grid: grid.jobs.get(name))


def slow(name: str, seconds: float = 0.05, **more: object) -> Job:
    """A job of so many seconds a trade."""
    return Job(name, "tests.pricers:sleepy", options={"seconds": seconds}, **more)  # type: ignore[arg-type]


def test_a_chain_runs_link_by_link(field: Field) -> None:
    """Each when, and only when, the one before has ended."""
    field.fill(100)
    jobs = [field.submit(slow("first", trades="0:30", chunk=1))]
    for name in ("second", "third"):
        jobs.append(field.submit(synthetic(name, after=jobs[-1].name)))
    field.serve("--slots", "1")
    first, second, _ = jobs
    eventually(lambda: field.ended(first) > 10, what="the first in full swing")
    assert (state(field, second), field.ended(second)) == (State.WAITING, 0)
    seen = [field.done(job) for job in jobs]
    assert all(each.well for each in seen)
    for before, after in pairwise(seen):
        assert after.released_at is not None
        assert before.settled_at <= after.released_at <= after.settled_at
    # Nothing is left of the waiting.
    with redis.Redis.from_url(field.url) as client:
        assert not client.exists(keys.waiting())
        assert not list(client.scan_iter("*:held"))


def test_it_outlives_whoever_submitted_it(field: Field) -> None:
    """SIGKILL as soon as all is queued."""
    field.fill(100)
    first = field.submit(slow("first", trades="0:20", chunk=1))
    asked = ("--name", "next", "--after", "first", "--algorithm", "synthetic", "--wait")
    with submitting(field, *asked) as submitter:
        job = eventually(lambda: found(field, "next"), 20, "a job submitted")
        assert job is not None
        eventually(lambda: state(field, job) is State.WAITING, what="a job that waits")
        submitter.kill()
    field.serve()
    assert field.done(first).well
    assert field.done(job).well


def test_a_submission_cut_short_runs_once_it_is_resumed(field: Field) -> None:
    """Not half of it, and no trade twice."""
    trades = 6_000
    field.fill(trades)
    first = field.submit(Job("first", "synthetic", trades="0:100"))
    asked = ("--name", "next", "--after", "first", "--algorithm", "synthetic", "--chunk", "1")
    with redis.Redis.from_url(field.url) as client, submitting(field, *asked) as submitter:
        assert begun(client, keys.held(0, "next"))
        submitter.kill()
        submitter.wait()
        assert client.hget(keys.job("next"), "sealed") is None, "it was killed too late to matter"
    job = found(field, "next")
    assert job is not None
    # It may stay so for long: nobody knows whether there is more to come.
    field.serve()
    assert field.done(first).well
    looked(field)
    assert (state(field, job), field.ended(job)) == (State.SUBMITTING, 0)
    field.resume(job)
    assert field.done(job).counts == Counts(submitted=trades, priced=trades)
    assert [record["id"] for record in field.records(job)] == list(range(trades))


def begun(client: redis.Redis, stream: str) -> bool:
    """Wait for the first entry of a stream; polling might miss the moment."""
    return bool(client.xread({stream: "0-0"}, block=20_000, count=1))


def looked(field: Field) -> None:
    """Wait until a consumer has looked at what waits, from now on, from beginning to end."""
    with redis.Redis.from_url(field.url) as client:
        client.delete(keys.turn())
        eventually(lambda: client.exists(keys.turn()), what="a consumer's turn")
        eventually(lambda: not client.exists(keys.turn()), what="the end of its turn")
        eventually(lambda: client.exists(keys.turn()), what="another turn")


def test_a_consumer_killed_over_a_release_doubles_nothing(field: Field) -> None:
    """G2: some entries are in the lane, some are held back, and another consumer goes on."""
    trades = 6_000
    field.fill(trades)
    first = field.submit(synthetic("first", trades="0:100", lane=Lane.HIGH))
    job = field.submit(synthetic("next", after="first", chunk=1))
    with redis.Redis.from_url(field.url) as client:
        lane, held = keys.stream(0, Lane.BULK), keys.held(0, "next")
        # It serves another lane, and so moves what it does not take.
        [victim] = field.serve("--lane", "high")
        assert begun(client, lane)
        victim.end(signal.SIGKILL)
        assert field.done(first).well
        assert client.xlen(held), "it was killed too late to matter"
        assert client.xlen(lane) + client.xlen(held) == trades
    field.serve()
    assert field.done(job).counts == Counts(submitted=trades, priced=trades)
    assert [record["id"] for record in field.records(job)] == list(range(trades))
    assert field.backlog() == 0


def test_it_is_cancelled_with_its_reason_where_the_first_ends_badly(field: Field) -> None:
    field.put(generate(1, 0, 97))
    first = field.submit(Job("first", "synthetic", trades="0:100"))
    job = field.submit(synthetic("next", after="first"))
    anyway = field.submit(synthetic("anyway", after="next", after_any=True))
    field.serve()
    assert field.done(first).counts.rejected == 3
    seen = field.done(job)
    assert (seen.state, seen.reason) == (State.CANCELLED, "job first ended with 3 rejected")
    assert seen.counts.priced == 0
    assert field.done(anyway).well


def test_the_last_to_leave_sees_to_what_waits(field: Field) -> None:
    """Nobody else would come for it: what is held back is no backlog that starts consumers."""
    field.fill(100)
    jobs = [field.submit(synthetic("first"))]
    for number in range(3):
        jobs.append(field.submit(synthetic(f"next-{number}", after=jobs[-1].name)))
    [consumer] = field.serve("--exit-when-idle", "0")
    assert consumer.ended(20) == 0
    assert [field.progress(job).well for job in jobs] == [True] * 4


@pytest.mark.parametrize("damage", ["index", "job", "counts"])
def test_what_somebody_has_damaged_keeps_nobody_from_work(field: Field, damage: str) -> None:
    """G10."""
    field.fill(100)
    first = field.submit(slow("first", trades="0:10", chunk=1))
    job, other = (field.submit(synthetic(name, after="first")) for name in ("next", "other"))
    with redis.Redis.from_url(field.url) as client:
        if damage == "index":
            client.set(keys.waiting(), "x")
        elif damage == "job":
            client.hset(keys.job(job.name), "spec", b"\xff")
        else:
            client.hset(keys.counts(0, job.name), "submitted", "many")
    [consumer] = field.serve()
    assert field.done(first).well
    if damage != "index":
        assert field.done(other).well
    assert field.done(field.submit(synthetic("later"))).well
    assert consumer.end() == 0


def test_a_lower_lane_moves_while_the_higher_is_not_full(field: Field) -> None:
    """G9 is strict, but keeps no slot idle."""
    field.fill(100)
    field.serve("--slots", "2")
    high = field.submit(slow("high", 3.0, trades="0:1", lane=Lane.HIGH))
    bulk = field.submit(synthetic("bulk"))
    assert field.done(bulk).well
    assert state(field, high) is State.RUNNING
    assert field.done(high).well
