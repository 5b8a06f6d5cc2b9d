"""Resuming jobs: what has no result is queued again, exactly, whoever dies over it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine import keys
from engine.cancel import cancel
from engine.errors import ServerError, UsageError
from engine.grid import Grid
from engine.job import State
from engine.jobs import Jobs, Standing
from producer import plan
from producer.resume import Resumed, resume
from producer.submit import Submitter, find, submit, wanted_trades
from tests.producer.grids import (
    IDS,
    JOB,
    Work,
    audit,
    dies,
    every_death,
    price,
    queued,
    settle,
    shelve,
    take,
)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two chunks a call, for many calls at which to die."""
    monkeypatch.setattr(plan, "_BATCH_CHUNKS", 2)


async def test_a_job_that_is_done_is_left_alone(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await price(grid)
    before = await grid.jobs.standings(job)
    assert await resume(grid, job) == Resumed(0, 0)
    assert await grid.jobs.standings(job) == before


async def test_what_has_no_result_is_queued_again_and_nothing_else(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await price(grid, 2)
    settled = (await grid.jobs.progress(job)).counts.priced
    assert 0 < settled < len(IDS)
    assert await resume(grid, job) == Resumed(len(IDS) - settled, 0)
    assert len(await queued(grid, job)) == len(IDS) - settled
    await price(grid)
    await audit(grid)


async def test_work_that_was_running_has_no_effect(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    held = await take(grid)
    await resume(grid, job)
    assert set(await settle(grid, held)) == {0}
    assert (await grid.jobs.progress(job)).counts.priced == 0
    await price(grid)
    await audit(grid)


async def test_entries_that_were_lost_are_queued_again(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await price(grid, 1)
    await grid.redis.delete(*(keys.stream(p, job.lane) for p in range(grid.partitions)))
    await resume(grid, job)
    await price(grid)
    await audit(grid)


async def test_a_partition_that_was_lost_is_submitted_again(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await price(grid, 2)
    lost = [keys.counts(1, job.name), keys.manifest(1, job.name), keys.results(1, job.name)]
    await grid.redis.delete(*lost, keys.stream(1, job.lane))
    await price(grid)
    progress = await grid.jobs.progress(job)
    assert not progress.ended
    assert progress.state is State.SUBMITTING
    done = await resume(grid, job)
    assert done.queued_again == 0
    assert done.queued_first > 0
    await price(grid)
    await audit(grid)


async def test_a_submitter_at_work_until_the_fence_is_counted_in(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shelve(grid)
    job = replace(JOB, expires_at=2**33)
    await grid.jobs.create(job)
    submitter = Submitter(grid, job, await grid.jobs.standings(job))
    first = dict((await wanted_trades(grid, job)).blocks())
    at_last_moment = iter([{0: first.pop(0)}, {1: first.pop(1)}, {2: first.pop(2)}])
    fence = Jobs.fence

    async def fence_late(*args: Any) -> Standing:
        await submitter.queue(next(at_last_moment).items(), new=True)
        return await fence(*args)

    monkeypatch.setattr(Jobs, "fence", fence_late)
    done = await resume(grid, job)
    assert 0 < done.queued_again == submitter.queued
    assert done.queued_first == len(IDS) - submitter.queued
    await price(grid)
    await audit(grid)


async def test_a_book_that_is_gone_stops_it_before_anything_is_fenced(grid: Grid) -> None:
    await shelve(grid)
    job = replace(JOB, expires_at=2**33)
    await grid.jobs.create(job)
    before = await grid.jobs.standings(job)
    await grid.cache.drop("default")
    with pytest.raises(UsageError, match="no book 'default'"):
        await resume(grid, job)
    assert await grid.jobs.standings(job) == before


async def test_a_job_that_is_queued_whole_needs_no_book(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await grid.cache.drop("default")
    assert await resume(grid, job) == Resumed(len(IDS), 0)


async def test_trades_new_in_the_book_do_not_get_into_a_job(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await shelve(grid, np.arange(2000))
    await resume(grid, job)
    await price(grid)
    await audit(grid)


@pytest.mark.parametrize("cut_short", [True, False])
async def test_a_lost_manifest_lets_no_trade_in_that_came_later(
    grid: Grid, cut_short: bool
) -> None:
    """The book that is left to tell what the job was given has grown since."""
    await shelve(grid)
    if cut_short:
        assert await dies(_url(grid), 9, lambda g: submit(g, JOB))
        job = await find(grid, JOB.name)
    else:
        job = (await submit(grid, JOB)).job
    await price(grid, 1)
    await grid.redis.delete(*(keys.manifest(p, job.name) for p in range(grid.partitions)))
    await shelve(grid, np.concatenate((np.arange(10, 40), IDS, np.arange(900, 2000))))
    await resume(grid, job)
    await price(grid)
    await audit(grid)


async def test_a_submission_taken_up_later_prices_the_book_of_its_beginning(grid: Grid) -> None:
    await shelve(grid)
    assert await dies(_url(grid), 9, lambda g: submit(g, JOB))
    await shelve(grid, np.concatenate((IDS, np.arange(900, 2000))))
    await submit(grid, JOB)
    await price(grid)
    await audit(grid)


async def test_results_that_are_none_are_told(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await grid.redis.hset(keys.results(0, job.name), "3", b"\xff{")
    with pytest.raises(ServerError, match="results of job night, block 3, cannot be read"):
        await resume(grid, job)


async def _half_priced(grid: Grid) -> None:
    await submit(grid, JOB)
    await price(grid, 1)


async def _half_cancelled(grid: Grid) -> None:
    await _half_priced(grid)
    await cancel(grid, await find(grid, JOB.name))


async def _half_submitted(grid: Grid) -> None:
    job = replace(JOB, expires_at=2**33)
    await grid.jobs.create(job)
    assert await dies(_url(grid), 9, lambda g: submit(g, JOB))
    await price(grid, 1)


def _url(grid: Grid) -> str:
    return f"unix://{grid.redis.connection_pool.connection_kwargs['path']}"


async def _resume(grid: Grid) -> None:
    await resume(grid, await find(grid, JOB.name))


@pytest.mark.parametrize(
    ("before", "partitions", "cancelled_between"),
    [
        (_half_priced, 3, False),
        (_half_priced, 3, True),
        (_half_cancelled, 3, False),
        (_half_submitted, 3, False),
        (_half_submitted, 1, True),
    ],
)
async def test_killed_at_any_call_it_can_be_run_again(
    redis_url: str, before: Work, partitions: int, cancelled_between: bool
) -> None:
    async def check(grid: Grid) -> None:
        job = await find(grid, JOB.name)
        held = await take(grid, 1)
        await price(grid, 1)
        if cancelled_between:
            assert (await cancel(grid, job)).ended
        progress = await grid.jobs.progress(job)
        assert progress.counts.submitted == progress.counts.ended + progress.counts.in_flight
        assert not progress.well
        await _resume(grid)
        await settle(grid, held)
        await price(grid)
        await audit(grid)

    await every_death(redis_url, partitions, _resume, check, before=before)
