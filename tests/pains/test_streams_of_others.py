"""What Redis and what scales by it tell wrongly of a stream, and how we tell it."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine import keys
from engine.connection import Address
from engine.grid import Grid, open_grid
from engine.job import Job, Lane
from producer.generate import generate
from producer.submit import submit


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def grid(redis_url: str) -> AsyncIterator[Grid]:
    async with open_grid(Address.parse(redis_url)) as made:
        yield made


@pytest.mark.pain("keda#2819", "keda#3127", "keda#7835", "redis#13337", "redis#13957")
async def test_the_backlog_is_all_that_has_not_ended(grid: Grid) -> None:
    """What is being priced counts too, and what was deleted in the middle does not."""
    await grid.cache.upsert("default", generate(1, 0, 300))
    await submit(grid, Job("night", "synthetic", chunk=100))
    stream = keys.stream(0, Lane.BULK)

    async def backlog() -> int:
        return (await grid.streams.backlog([Lane.BULK]))[Lane.BULK]

    await grid.streams.ensure_groups([Lane.BULK])
    assert await backlog() == 3
    assert len(await grid.streams.take("somebody", 0, [Lane.BULK], 3, None)) == 3
    # By lag nothing would be left to do, and the nodes would be taken away.
    [group] = await grid.redis.xinfo_groups(stream)
    assert group["lag"] == 0
    assert await backlog() == 3
    entries: Any = await grid.redis.xrange(stream)
    [first, second, _] = [entry_id for entry_id, _ in entries]
    await grid.redis.xdel(stream, first)
    assert await backlog() == 2
    # One message is enough to be seen.
    await grid.redis.xdel(stream, second)
    assert await backlog() == 1
