"""Jobs that follow others, resumed: they wait again, and none of their trades stays behind."""

from typing import Any

import pytest

from engine import keys
from engine.cancel import cancel
from engine.decisions import Turn
from engine.errors import UsageError
from engine.grid import Grid
from engine.job import State
from producer.resume import Resumed, resume
from producer.submit import find
from tests.producer.following import held, look, rejected, state, waiting
from tests.producer.grids import (
    IDS,
    audit,
    price,
    queued,
)

pytestmark = pytest.mark.usefixtures("small_steps")


async def test_resumed_it_waits_again(grid: Grid) -> None:
    """For a first that was cancelled and resumed, too."""
    job = await waiting(grid)
    first = await find(grid, "first")
    await cancel(grid, first)
    await look(grid)
    with pytest.raises(
        UsageError, match=r"first was cancelled: resume that one first, or .* --now"
    ):
        await resume(grid, job)
    assert await state(grid) is State.CANCELLED
    await resume(grid, first)
    assert await resume(grid, job) == Resumed(len(IDS), 0)
    assert await look(grid) == [Turn.WAIT]
    assert await state(grid) is State.WAITING
    await price(grid)
    assert await look(grid) == [Turn.RELEASE]
    await price(grid)
    await audit(grid)


async def test_resumed_at_once_it_waits_no_more(grid: Grid) -> None:
    job = await waiting(grid)
    await rejected(grid)
    await look(grid)
    await resume(grid, job, at_once=True)
    assert await look(grid) == [Turn.RELEASE]
    await price(grid)
    await audit(grid)


async def test_released_and_then_cancelled_it_is_resumed_into_its_lane(grid: Grid) -> None:
    job = await waiting(grid)
    await price(grid)
    await look(grid)
    await cancel(grid, job)
    await resume(grid, job)
    assert len(await queued(grid, job)) == len(IDS)
    assert await look(grid) == [Turn.RELEASE]
    await price(grid)
    await audit(grid)


async def test_what_a_lost_partition_is_given_again_is_released_too(grid: Grid) -> None:
    job = await waiting(grid)
    await price(grid)
    await look(grid)
    lost = [keys.counts(1, job.name), keys.manifest(1, job.name), keys.stream(1, job.lane)]
    await grid.redis.delete(*lost)
    await resume(grid, job)
    assert await look(grid) == [Turn.RELEASE]
    await price(grid)
    await audit(grid)


async def test_released_while_it_is_resumed_none_of_it_stays_behind(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch is held back or not in the step that queues it."""
    job = await waiting(grid)
    await price(grid)
    enqueue = type(grid.streams).enqueue
    batches = 0

    async def enqueue_late(*args: Any) -> bool:
        nonlocal batches
        batches += 1
        if batches == 3:
            # It was all queued, and due, when somebody looked at it.
            await grid.jobs.mark_released(job)
            await look(grid)
        return await enqueue(*args)

    monkeypatch.setattr(type(grid.streams), "enqueue", enqueue_late)
    await resume(grid, job)
    await look(grid)
    assert not await held(grid, job)
    assert await queued(grid, job) == dict.fromkeys(IDS.tolist(), 1)
    await price(grid)
    await audit(grid)


async def test_who_looked_before_it_was_resumed_does_not_let_go_of_it(grid: Grid) -> None:
    job = await waiting(grid)
    token = (await grid.jobs.held())[job.name]
    await resume(grid, job)
    await grid.jobs.let_go(job.name, token)
    assert await look(grid) == [Turn.WAIT]
