"""Cancelling jobs."""

from dataclasses import replace

import pytest

from engine.cancel import cancel
from engine.errors import UsageError
from engine.grid import Grid
from engine.job import Lane, State
from producer.resume import resume
from producer.submit import Submitter, find, submit, wanted_trades
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


async def test_what_is_queued_or_running_never_takes_effect(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await price(grid, 1)
    held = await take(grid, 1)
    progress = await cancel(grid, job)
    assert progress.state is State.CANCELLED
    assert progress.ended
    assert progress.counts.priced > 0
    assert progress.counts.priced + progress.counts.cancelled == len(IDS)
    assert not any((await grid.streams.backlog([Lane.BULK])).values())
    assert set(await settle(grid, held)) == {0}
    assert (await grid.jobs.progress(job)).counts == progress.counts


async def test_the_results_so_far_are_kept_and_the_rest_is_told(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await price(grid, 1)
    counts = (await cancel(grid, job)).counts
    records = await fetch(grid, job, cancelled=True)
    assert [record["id"] for record in records] == IDS.tolist()
    outcomes = [record["outcome"] for record in records]
    assert outcomes.count("priced") == counts.priced
    assert outcomes.count("cancelled") == counts.cancelled


async def test_other_jobs_go_on(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await submit(grid, replace(JOB, name="day"))
    await cancel(grid, job)
    await price(grid)
    await audit(grid, name="day")


async def test_a_job_that_is_done_stays_so(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    await price(grid)
    assert (await cancel(grid, job)).state is State.DONE
    await audit(grid)


async def test_a_submitter_at_work_is_stopped(grid: Grid) -> None:
    await shelve(grid)
    job = (await submit(grid, JOB)).job
    wanted = await wanted_trades(grid, job)
    submitter = Submitter(grid, job, await grid.jobs.standings(job))
    await cancel(grid, job)
    with pytest.raises(UsageError, match="cancelled by somebody else meanwhile"):
        await submitter.queue(wanted.blocks(), new=True)
    assert not any((await grid.streams.backlog([Lane.BULK])).values())


async def test_it_makes_room_on_a_full_server(fresh_server: FreshServer) -> None:
    async with reopened(fresh_server().url) as grid:
        await shelve(grid)
        job = (await submit(grid, JOB)).job
        await grid.redis.config_set("maxmemory", 1)
        assert (await cancel(grid, job)).ended
        assert await grid.streams.backlog([Lane.BULK]) == {Lane.BULK: 0}


async def _half_priced(grid: Grid) -> None:
    await submit(grid, JOB)
    await price(grid, 1)


async def _cancel(grid: Grid) -> None:
    await cancel(grid, await find(grid, JOB.name))


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("way_on", ["resume", "cancel", "go on"])
async def test_killed_at_any_call_it_can_be_undone_or_ended(
    redis_url: str, partitions: int, way_on: str
) -> None:
    async def check(grid: Grid) -> None:
        job = await find(grid, JOB.name)
        held = await take(grid, 1)
        if way_on == "resume":
            await resume(grid, job)
        elif way_on == "cancel":
            assert (await cancel(grid, job)).ended
        await settle(grid, held)
        await price(grid)
        progress = await grid.jobs.progress(job)
        assert progress.ended
        assert progress.counts.ended == progress.counts.submitted == len(IDS)
        if way_on == "resume" or progress.state is State.DONE:
            await audit(grid)
        else:
            assert progress.state is State.CANCELLED
            assert len(await fetch(grid, job, cancelled=True)) == len(IDS)

    await every_death(redis_url, partitions, _cancel, check, before=_half_priced)
