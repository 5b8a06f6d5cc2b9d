"""Jobs that follow others: held back until they are due, and then released or cancelled."""

from dataclasses import replace

import orjson
import pytest

from engine import keys
from engine.cancel import cancel
from engine.decisions import Cancel, Turn, follow
from engine.errors import UsageError
from engine.following import first_of
from engine.grid import Grid
from engine.job import Job, Lane, Progress, State
from producer.submit import find, submit
from tests.producer.following import (
    EITHER_WAY,
    FIRST,
    NEXT,
    NOBODY_KNOWS,
    at,
    held,
    lasting,
    look,
    rejected,
    state,
    waiting,
)
from tests.producer.grids import (
    IDS,
    JOB,
    audit,
    price,
    queued,
    shelve,
)

pytestmark = pytest.mark.usefixtures("small_steps")


@pytest.mark.parametrize(
    ("first", "after", "after_any"),
    [
        (at(State.RUNNING), Turn.WAIT, Turn.WAIT),
        (at(State.RUNNING, dead=9), Turn.WAIT, Turn.WAIT),
        (at(State.WAITING, replace(FIRST, after="x")), Turn.WAIT, Turn.WAIT),
        (replace(at(State.RUNNING), total=11), Turn.WAIT, Turn.WAIT),
        (at(State.CANCELLED, cancelled=3), Turn.WAIT, Turn.WAIT),  # not all of it as yet
        (at(State.DONE), Turn.RELEASE, Turn.RELEASE),
        (at(State.DONE, dead=3), Cancel("job first ended with 3 dead"), Turn.RELEASE),
        (
            at(State.DONE, dead=1, rejected=2, expired=4),
            Cancel("job first ended with 1 dead, 2 rejected, 4 expired"),
            Turn.RELEASE,
        ),
        (at(State.CANCELLED, cancelled=10), Cancel("job first was cancelled"), Turn.RELEASE),
        (None, Cancel(NOBODY_KNOWS), Turn.RELEASE),
        (at(State.DONE, replace(FIRST, submitted_at=7.0)), Cancel(NOBODY_KNOWS), Turn.RELEASE),
        (at(State.RUNNING, replace(FIRST, submitted_at=7.0)), Cancel(NOBODY_KNOWS), Turn.RELEASE),
    ],
)
def test_what_becomes_of_it_follows_from_the_first(
    first: Progress | None, after: object, after_any: object
) -> None:
    assert follow(NEXT, first) == after
    assert follow(EITHER_WAY, first) == after_any


def test_a_job_stored_before_there_was_an_order_is_read() -> None:
    stored = orjson.loads(JOB.to_json())
    del stored["after"], stored["after_any"]
    assert Job.from_json(orjson.dumps(stored)) == JOB
    assert Job.from_json(EITHER_WAY.to_json()) == EITHER_WAY
    for name, value in (("after", 7), ("after", True), ("after_any", 1), ("after_any", None)):
        with pytest.raises(ValueError, match=f"a stored job has {name} {value}"):
            Job.from_json(orjson.dumps({**stored, name: value}))


async def test_it_is_held_back_until_the_first_has_ended_well(grid: Grid) -> None:
    job = await waiting(grid)
    assert await held(grid, job) == dict.fromkeys(IDS.tolist(), 1)
    assert not await queued(grid, job)
    assert await look(grid) == [Turn.WAIT]
    seen = await grid.jobs.progress(job)
    assert (seen.state, seen.reason) == (State.WAITING, "waits for job first to end well")
    assert not seen.ended
    await price(grid)
    assert await state(grid) is State.WAITING
    assert await look(grid) == [Turn.RELEASE]
    assert await queued(grid, job) == dict.fromkeys(IDS.tolist(), 1)
    assert (await grid.jobs.progress(job)).reason is None
    assert await state(grid) is State.RUNNING
    assert await look(grid) == []
    await price(grid)
    await audit(grid)
    assert not [key async for key in grid.redis.scan_iter("*held*")]


async def test_its_time_counts_from_its_release(grid: Grid) -> None:
    job = await waiting(grid)
    await price(grid)
    await look(grid)
    begun = (await grid.jobs.progress(job)).released_at
    assert begun is not None
    assert begun > job.submitted_at
    await price(grid)
    seen = await grid.jobs.progress(job)
    assert seen.seconds == pytest.approx(seen.settled_at - begun)


@pytest.mark.parametrize("lane", [Lane.HIGH, Lane.BULK])
async def test_it_goes_into_its_own_lane(grid: Grid, lane: Lane) -> None:
    job = await waiting(grid, replace(NEXT, lane=lane))
    await price(grid)
    await look(grid)
    assert len(await queued(grid, job)) == len(IDS)


async def test_it_is_cancelled_with_its_reason_if_the_first_ends_badly(grid: Grid) -> None:
    job = await waiting(grid)
    await rejected(grid)
    assert await look(grid) == [Cancel("job first ended with 50 rejected")]
    seen = await grid.jobs.progress(job)
    assert (seen.state, seen.reason) == (State.CANCELLED, "job first ended with 50 rejected")
    assert seen.ended
    assert seen.counts.cancelled == len(IDS)
    # Cancelling it by hand afterwards does not take the reason away.
    assert (await cancel(grid, job)).reason == seen.reason


async def test_a_chain_is_cancelled_link_by_link(grid: Grid) -> None:
    await waiting(grid)
    await submit(grid, replace(JOB, name="last", after=JOB.name))
    await submit(grid, replace(JOB, name="finally", after="last", after_any=True))
    await cancel(grid, await find(grid, "first"))
    for _ in range(3):
        await look(grid)
    reasons = [(await grid.jobs.progress(await find(grid, n))).reason for n in (JOB.name, "last")]
    assert reasons == ["job first was cancelled", f"job {JOB.name} was cancelled"]
    assert await state(grid, "finally") is State.RUNNING
    await price(grid)
    await audit(grid, name="finally")


async def test_a_first_that_is_forgotten_or_damaged_ends_the_wait(grid: Grid) -> None:
    first, last = await waiting(grid), replace(EITHER_WAY, name="last")
    await submit(grid, last)
    await grid.redis.hset(keys.job("first"), "spec", b"\xff")
    assert await first_of(grid, first) is None
    await grid.redis.set(keys.job("first"), "x")
    assert await first_of(grid, first) is None
    await grid.redis.delete(keys.job("first"))
    assert sorted(map(str, await look(grid))) == sorted(
        map(str, [Cancel(NOBODY_KNOWS), Turn.RELEASE])
    )
    assert (await grid.jobs.progress(first)).reason == NOBODY_KNOWS
    assert await state(grid, "last") is State.RUNNING


async def test_a_job_of_the_same_name_is_not_waited_for(grid: Grid) -> None:
    """Else two jobs could wait for each other."""
    job = await waiting(grid)
    async for key in grid.redis.scan_iter("*:job:first*"):
        await grid.redis.delete(key)
    await submit(grid, replace(FIRST, after=JOB.name))
    assert Cancel(NOBODY_KNOWS) in await look(grid)
    assert await state(grid, job.name) is State.CANCELLED
    await look(grid)
    assert await state(grid, "first") is State.CANCELLED


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (replace(NEXT, after="nobody"), "--after: there is no job nobody"),
        (replace(EITHER_WAY, after="nobody"), "--after-any: there is no job nobody"),
        (replace(NEXT, after="../x"), "--after: job '../x': must be 1 to 64"),
        (replace(NEXT, after=NEXT.name), f"--after: there is no job {NEXT.name}"),
    ],
)
async def test_the_first_must_be_there(grid: Grid, request_: Job, words: str) -> None:
    await shelve(grid)
    with pytest.raises(UsageError, match=words):
        await submit(grid, request_)
    assert await grid.jobs.names() == []
    assert not await grid.jobs.any_held()


async def test_no_job_is_older_than_the_one_it_follows(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the clocks of a cluster's nodes differ."""
    await shelve(grid)
    first = (await submit(grid, FIRST)).job

    async def slow(_jobs: object) -> float:
        return first.submitted_at - 0.01

    monkeypatch.setattr(type(grid.jobs), "now", slow)
    assert (await submit(grid, NEXT)).job.submitted_at == first.submitted_at


async def test_what_is_taken_up_goes_on_being_held_back(grid: Grid) -> None:
    await shelve(grid)
    await price(grid)
    await submit(grid, FIRST)
    job = replace(NEXT, submitted_at=await grid.jobs.now(), expires_at=2**33)
    await grid.jobs.create(job)
    await grid.jobs.hold(job)
    await price(grid)
    # The first has ended, but nobody knows whether all trades are queued.
    assert await look(grid) == [Turn.WAIT]
    await submit(grid, NEXT)
    assert len(await held(grid, job)) == len(IDS)
    assert await look(grid) == [Turn.RELEASE]


async def test_cancelled_by_hand_it_leaves_nothing_that_stays(grid: Grid) -> None:
    await shelve(grid)
    await submit(grid, FIRST)
    await price(grid)
    before = await lasting(grid)
    job = (await submit(grid, NEXT)).job
    assert keys.waiting() in await lasting(grid)
    seen = await cancel(grid, job)
    assert (seen.state, seen.reason) == (State.CANCELLED, None)
    assert await lasting(grid) == before
    assert not [key async for key in grid.redis.scan_iter("*held*")]
    assert await look(grid) == []


async def test_all_that_it_keeps_expires_with_it(grid: Grid) -> None:
    job = await waiting(grid)
    kept = [key async for key in grid.redis.scan_iter(f"*:job:{job.name}*")]
    assert sum(b":held" in key for key in kept) == grid.partitions
    for key in kept:
        assert await grid.redis.expiretime(key) == job.expires_at, key
    for key in kept:
        await grid.redis.delete(key)
    assert await look(grid) == [None]
    assert not await grid.jobs.any_held()
