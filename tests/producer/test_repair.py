"""Resuming jobs of which the server has lost a part: results, counts, manifest or dead letters."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import keys
from engine.codec import decode_records, encode_records
from engine.entry import Entry, Settlement
from engine.errors import UsageError
from engine.grid import Grid
from engine.ids import by_block, parse_ids
from engine.job import Job
from engine.jobs import Jobs, Standing
from engine.letter import Letter
from engine.outcome import Outcome
from engine.repair import Truth, recount, take_back
from producer import plan
from producer.examine import examine
from producer.resume import Resumed, resume
from producer.submit import find, submit
from tests.conftest import FreshServer
from tests.producer.grids import (
    IDS,
    JOB,
    audit,
    every_death,
    fetch,
    price,
    reopened,
    settle,
    shelve,
    take,
)

KINDS = {"results": keys.results, "counts": keys.counts, "manifest": keys.manifest}

lost = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two chunks a call, for many calls at which to die."""
    monkeypatch.setattr(plan, "_BATCH_CHUNKS", 2)


async def lose(grid: Grid, kind: str, partitions: Sequence[int] | None = None) -> None:
    for partition in partitions or range(grid.partitions):
        await grid.redis.delete(KINDS[kind](partition, JOB.name))


async def finished(grid: Grid) -> Job:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await price(grid)
    await audit(grid)
    return job


@lost
@pytest.mark.parametrize("partitions", [[0, 1, 2], [1]])
async def test_a_finished_job_is_made_whole(grid: Grid, kind: str, partitions: list[int]) -> None:
    """G1, G4; to the byte (G3)."""
    job = await finished(grid)
    expected = await fetch(grid, job)
    await lose(grid, kind, partitions)
    done = await resume(grid, job)
    if kind == "results":
        assert 0 < done.queued_again <= len(IDS)
        assert not (await grid.jobs.progress(job)).ended
    else:
        assert done == Resumed(0, 0), "nothing need be priced again"
    await price(grid)
    await audit(grid)
    assert await fetch(grid, job) == expected
    assert await resume(grid, job) == Resumed(0, 0)


@lost
async def test_a_running_job_is_made_whole(grid: Grid, kind: str) -> None:
    """G1, G2, G4: with work queued, and work in somebody's hands."""
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await price(grid, 1)
    held = await take(grid, 1)
    await lose(grid, kind)
    await settle(grid, held[:1])
    await resume(grid, job)
    await settle(grid, held)
    await price(grid)
    await audit(grid)


async def test_a_block_of_the_results_is_enough_to_be_missed(grid: Grid) -> None:
    """G1."""
    job = await finished(grid)
    await grid.redis.hdel(keys.results(1, job.name), "4")
    lacking = len(dict(by_block(IDS))[4])
    assert await resume(grid, job) == Resumed(lacking, 0)
    await price(grid)
    await audit(grid)


async def test_a_manifest_can_be_told_from_the_results_without_the_book(grid: Grid) -> None:
    job = await finished(grid)
    await lose(grid, "manifest")
    await grid.cache.drop("default")
    assert await resume(grid, job) == Resumed(0, 0)
    await audit(grid)


async def test_records_that_stand_twice_are_counted_once(grid: Grid) -> None:
    """G2: whatever has put them there."""
    job = await finished(grid)
    data = await grid.redis.hget(keys.results(1, job.name), "1")
    assert isinstance(data, bytes)
    await grid.redis.hset(keys.results(1, job.name), "1", data + b"\n" + data)
    await grid.redis.hincrby(keys.counts(1, job.name), "priced", 100)
    await resume(grid, job)
    await audit(grid)


@lost
async def test_killed_at_any_call_it_can_be_run_again(redis_url: str, kind: str) -> None:
    """G1, G2: it passes for done only when it is."""

    async def before(grid: Grid) -> None:
        job = (await submit(grid, JOB)).job
        await price(grid)
        assert (await grid.jobs.progress(job)).well
        await lose(grid, kind)

    async def check(grid: Grid) -> None:
        job = await find(grid, JOB.name)
        held = await take(grid, 1)
        await resume(grid, job)
        await settle(grid, held)
        await price(grid)
        await audit(grid)

    async def work(grid: Grid) -> None:
        await resume(grid, await find(grid, JOB.name))

    await every_death(redis_url, 3, work, check, before=before)


async def test_two_that_resume_at_once_double_nothing(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G2: the one whose fence was passed stops."""
    job = await finished(grid)
    await lose(grid, "results")
    fence = Jobs.fence
    others = iter([True])

    async def overtaken(*args: Any) -> Standing:
        standing = await fence(*args)
        if args[2] == 2 and next(others, False):
            await resume(grid, job)
        return standing

    monkeypatch.setattr(Jobs, "fence", overtaken)
    with pytest.raises(UsageError, match="resumed or cancelled by somebody else"):
        await resume(grid, job)
    await price(grid)
    await audit(grid)


async def test_nothing_is_put_right_once_the_fence_was_passed(grid: Grid) -> None:
    """G2: somebody else has queued and settled since."""
    job = await finished(grid)
    expected = await fetch(grid, job)
    standing = await grid.jobs.fence(job, 1, "resume")
    await grid.jobs.fence(job, 1, "resume")
    assert await recount(grid, job, 1, standing, Truth()) is None
    assert not await take_back(grid, job, 1, standing, {1: b""}, {1: [100]})
    await audit(grid)
    assert await fetch(grid, job) == expected


async def test_a_full_server_lets_counts_be_put_right(fresh_server: FreshServer) -> None:
    """G4: it is there that keys are lost."""
    async with reopened(fresh_server().url, 3) as grid:
        job = await finished(grid)
        await lose(grid, "counts")
        await grid.redis.config_set("maxmemory", 1)
        assert await resume(grid, job) == Resumed(0, 0)
        await grid.redis.config_set("maxmemory", 0)
        await audit(grid)


def _end(entry: Entry, outcome: Outcome) -> Settlement:
    ids = parse_ids(entry.ids)
    records = {
        n: encode_records({"id": i, "outcome": outcome, "reason": "why"} for i in part.tolist())
        for n, part in by_block(ids)
    }
    if outcome is Outcome.DEAD:
        letters = [Letter(i, "why", 3, "somebody") for i in ids.tolist()]
        return Settlement(entry, 2**33, records, letters=letters)
    return Settlement(entry, 2**33, records, rejected=len(ids))


async def test_letters_of_trades_that_are_not_dead_are_void(grid: Grid) -> None:
    """G1: what is lost with the results is priced again, and then is dead no more."""
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    dead = await take(grid, 1)
    await grid.streams.settle([_end(entry, Outcome.DEAD) for entry in dead])
    count = sum(len(parse_ids(entry.ids)) for entry in dead)
    assert await grid.letters.counts([JOB.name]) == [count]
    await resume(grid, job)
    assert await grid.letters.counts([JOB.name]) == [count], "they are dead, and stay it"
    await lose(grid, "results")
    await resume(grid, job)
    assert await grid.letters.counts([JOB.name]) == [0]
    await price(grid)
    await audit(grid)


outcomes = st.sampled_from(["priced", "rejected", "dead", "expired"])
blocks = st.dictionaries(st.integers(0, 99), outcomes)


@given(blocks, st.sets(st.integers(0, 99)), st.booleans(), st.booleans())
def test_every_trade_of_a_block_is_counted_or_unfinished(
    ended: dict[int, str], others: set[int], whole: bool, take_back: bool
) -> None:
    """G1: once, whatever is lacking in manifest and results."""
    given = np.array(sorted({*ended, *others} if whole else others), dtype=np.int64)
    reason = 'says "outcome":"priced"'
    data = encode_records({"id": i, "outcome": o, "reason": reason} for i, o in ended.items())
    again = (lambda record: record["outcome"] == "dead") if take_back else None
    block = examine(JOB, 0, given, data or None, again)
    stay = {i: o for i, o in ended.items() if not (take_back and o == "dead")}
    for outcome in ("priced", "rejected", "dead", "expired"):
        assert getattr(block.ended, outcome) == list(stay.values()).count(outcome)
    assert set(block.unfinished.tolist()) == {*given.tolist(), *ended} - set(stay)
    assert set(block.lacking.tolist()) == set(ended) - set(given.tolist())
    assert {record["id"] for record in block.again} == set(ended) - set(stay)
    if block.kept is not None:
        assert {r["id"] for r in decode_records(block.kept)} == set(stay)
    else:
        assert stay == ended


async def test_a_call_repeated_because_its_answer_was_lost_writes_nothing_twice(
    grid: Grid,
) -> None:
    """G4: the client repeats it by itself when its connection was cut."""
    job = await finished(grid)
    [standing, *_] = await grid.jobs.standings(job)
    await lose(grid, "manifest", [0])
    for lacking in ([40, 41], [43]):
        truth = Truth(lacking={0: np.array(lacking)})
        for _ in range(2):
            assert await recount(grid, job, 0, standing, truth) is not None
    assert (await grid.jobs.manifest(job))[0].tolist() == [40, 41, 43]
