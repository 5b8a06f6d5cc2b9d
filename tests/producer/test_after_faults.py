"""Jobs that follow others, on a full server, under many hands, and whoever dies over it."""

from dataclasses import replace

import anyio
import numpy as np
import pytest

from engine import keys
from engine.cancel import cancel
from engine.grid import Grid
from engine.job import Lane, State
from producer.resume import resume
from producer.submit import find, submit
from tests.conftest import FreshServer
from tests.producer.following import FIRST, NEXT, look, rejected, state, waiting
from tests.producer.grids import (
    IDS,
    JOB,
    audit,
    every_death,
    price,
    queued,
    reopened,
    settle,
    shelve,
    take,
)

pytestmark = pytest.mark.usefixtures("small_steps")


async def test_many_that_look_at_once_move_each_entry_once(redis_url: str) -> None:
    ids = np.arange(3_000)
    async with reopened(redis_url, partitions=3) as grid, reopened(redis_url) as other:
        await shelve(grid, ids)
        await submit(grid, replace(FIRST, trades="0:10"))
        job = (await submit(grid, replace(NEXT, chunk=5))).job
        await price(grid)
        async with anyio.create_task_group() as group:
            for each in (grid, other, grid, other):
                group.start_soon(look, each)
        assert await queued(grid, job) == dict.fromkeys(ids.tolist(), 1)
        assert sum((await grid.streams.backlog([Lane.BULK])).values()) == 600
        released_at = (await grid.jobs.progress(job)).released_at
        assert not await grid.jobs.mark_released(job), "it is decided once"
        assert (await grid.jobs.progress(job)).released_at == released_at
        await price(grid)
        await audit(grid, ids)


async def test_a_full_server_releases_and_cancels(fresh_server: FreshServer) -> None:
    async with reopened(fresh_server().url) as grid:
        job = await waiting(grid)
        await submit(grid, replace(FIRST, name="bad"))
        other = (await submit(grid, replace(NEXT, name="other", after="bad"))).job
        await cancel(grid, await find(grid, "bad"))
        await price(grid)
        await grid.redis.config_set("maxmemory", 1)
        assert await grid.jobs.take_turn(1.0)
        await look(grid)
        assert len(await queued(grid, job)) == len(IDS)
        assert (await grid.jobs.progress(other)).reason == "job bad was cancelled"
        assert not await grid.jobs.any_held()


async def test_turns_are_taken_by_one_at_a_time(grid: Grid) -> None:
    assert await grid.jobs.take_turn(60.0)
    assert not await grid.jobs.take_turn(60.0)
    assert 0 < await grid.redis.pttl(keys.turn()) <= 60_000


async def test_what_is_out_of_effect_is_not_moved_but_dropped(grid: Grid) -> None:
    """Whoever cancelled it has died over sweeping."""
    job = await waiting(grid)
    for partition in range(grid.partitions):
        await grid.jobs.fence(job, partition, "cancel")
        await grid.streams.release(job, partition)
    assert not [key async for key in grid.redis.scan_iter("*held*")]
    assert {entry.job for entry in await take(grid)} == {"first"}


async def test_nothing_is_noted_of_a_job_that_has_expired(grid: Grid) -> None:
    job = replace(NEXT, expires_at=2**33)
    assert not await grid.jobs.mark_released(job)
    await grid.jobs.explain(job, "it is gone")
    assert not await grid.redis.exists(keys.job(job.name))


async def _due(grid: Grid) -> None:
    await submit(grid, FIRST)
    await submit(grid, NEXT)
    await price(grid)


async def _doomed(grid: Grid) -> None:
    await submit(grid, FIRST)
    await submit(grid, NEXT)
    await rejected(grid)


async def _first_done(grid: Grid) -> None:
    await submit(grid, FIRST)
    await price(grid)


async def _doomed_then_mended(grid: Grid) -> None:
    await submit(grid, FIRST)
    await submit(grid, NEXT)
    await cancel(grid, await find(grid, "first"))
    await look(grid)
    await resume(grid, await find(grid, "first"))
    await price(grid)


@pytest.mark.parametrize("partitions", [1, 3])
async def test_killed_at_any_call_of_a_release_anybody_goes_on(
    redis_url: str, partitions: int
) -> None:
    async def check(grid: Grid) -> None:
        early = await take(grid, 1)
        await look(grid)
        assert not await grid.jobs.any_held()
        await settle(grid, early)
        await price(grid)
        await audit(grid)

    await every_death(redis_url, partitions, look, check, before=_due)


async def test_killed_at_any_call_of_a_cancellation_anybody_goes_on(redis_url: str) -> None:
    async def check(grid: Grid) -> None:
        await look(grid)
        await look(grid)
        seen = await grid.jobs.progress(await find(grid, JOB.name))
        assert seen.ended
        assert seen.reason == "job first ended with 50 rejected"
        assert seen.counts.cancelled == len(IDS)
        assert not [key async for key in grid.redis.scan_iter("*held*")]
        assert not await grid.jobs.any_held()

    await every_death(redis_url, 3, look, check, before=_doomed)


async def test_killed_at_any_call_a_submission_is_taken_up(redis_url: str) -> None:
    async def check(grid: Grid) -> None:
        await look(grid)
        stored = await grid.jobs.get(JOB.name)
        if stored is None or (await grid.jobs.progress(stored)).total is None:
            assert await take(grid) == []
            await submit(grid, NEXT)
        await look(grid)
        await price(grid)
        await audit(grid)

    await every_death(redis_url, 3, lambda grid: submit(grid, NEXT), check, before=_first_done)


@pytest.mark.parametrize("looked", [True, False])
async def test_killed_at_any_call_a_resumption_is_run_again(redis_url: str, looked: bool) -> None:
    async def work(grid: Grid) -> None:
        await resume(grid, await find(grid, JOB.name))

    async def check(grid: Grid) -> None:
        if looked:
            await look(grid)
        if await state(grid) in (State.CANCELLED, State.SUBMITTING):
            await work(grid)
        await look(grid)
        await price(grid)
        await audit(grid)

    await every_death(redis_url, 3, work, check, before=_doomed_then_mended)
