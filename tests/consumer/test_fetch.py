"""What becomes of entries that were delivered before, and not ended (G5)."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from consumer.fetch import DELIVERIES, Fetcher
from consumer.pricers import Pricers
from engine.codec import decode_records
from engine.connection import Address
from engine.entry import Chunks, Entry
from engine.grid import Grid, open_grid
from engine.job import Job, Lane
from engine.letter import Letter

JOB = Job("night", "synthetic", expires_at=2**33)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def grid(redis_url: str) -> AsyncIterator[Grid]:
    async with open_grid(Address.parse(redis_url)) as grid:
        await grid.jobs.create(JOB)
        await grid.streams.ensure_groups([Lane.BULK])
        yield grid


def fetcher(grid: Grid) -> Fetcher:
    return Fetcher(grid, Pricers(grid.roster, "me"), attempts=3)


async def take(grid: Grid) -> list[Entry]:
    found = await grid.streams.take("me", 0, [Lane.BULK], 100, None)
    return [entry for entry in found if isinstance(entry, Entry)]


async def one(grid: Grid, ids: str) -> Entry:
    [standing] = await grid.jobs.standings(JOB)
    await grid.streams.enqueue(JOB, Chunks(0, standing.epoch, 0, 3, [ids], {}), "somebody")
    [entry] = await take(grid)
    return entry


@pytest.mark.parametrize("lapsed", [0, DELIVERIES - 1])
async def test_what_outlasts_all_who_have_it_is_split(grid: Grid, lapsed: int) -> None:
    """However often it was handed back in between; its halves stay suspect, and have more time."""
    entry = replace(await one(grid, "0-3"), lapsed=lapsed, deliveries=DELIVERIES - lapsed)
    assert [held.entry for held in (await fetcher(grid).prepare([entry])).held] == [entry]
    fetched = await fetcher(grid).prepare([replace(entry, deliveries=entry.deliveries + 1)])
    assert not fetched.held
    assert not fetched.settlements
    halves = await take(grid)
    assert [(half.ids, half.suspect, half.delivered) for half in halves] == [
        ("0-1", True, 2),
        ("2-3", True, 2),
    ]


async def test_a_trade_that_outlasts_all_who_have_it_is_dead(grid: Grid) -> None:
    entry = replace(await one(grid, "7"), deliveries=DELIVERIES + 1)
    [settlement] = (await fetcher(grid).prepare([entry])).settlements
    attempts = DELIVERIES + 1
    reason = (
        f"given up after {attempts} attempts: whoever had it ended without an outcome, "
        f"{DELIVERIES} times"
    )
    assert settlement.letters == [Letter(7, reason, attempts, "me")]
    assert decode_records(settlement.records[0]) == [
        {"id": 7, "attempts": attempts, "outcome": "dead", "reason": reason}
    ]
    assert await grid.streams.settle([settlement]) == [1]
    assert (await grid.jobs.progress(JOB)).counts.dead == 1
