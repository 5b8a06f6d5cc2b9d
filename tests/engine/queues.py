"""A queue of one job, and the steps that its entries take, for tests of them."""

from collections.abc import Mapping
from typing import Any

from engine import keys
from engine.entry import Chunks, Entry, Settlement, Unreadable
from engine.grid import Grid
from engine.job import Job, Lane

JOB = Job("night", "synthetic", expires_at=2**33)
STREAM = keys.stream(0, Lane.BULK)
COUNTS, RESULTS = keys.counts(0, JOB.name), keys.results(0, JOB.name)


async def begin(grid: Grid) -> None:
    """The job, and the groups."""
    await grid.jobs.create(JOB)
    await grid.streams.ensure_groups([Lane.BULK])


def raw(grid: Grid) -> Any:
    """The client, without its types: most of its answers are unions of what cannot be."""
    return grid.redis


async def queue(grid: Grid, *ids: str) -> None:
    [standing] = await grid.jobs.standings(JOB)
    trades = len(ids)
    chunks = Chunks(0, standing.epoch, standing.submitted, trades, ids, {})
    assert await grid.streams.enqueue(JOB, chunks, "submitter")


async def take(grid: Grid, consumer: str = "a", count: int = 100) -> list[Entry]:
    found = await grid.streams.take(consumer, 0, [Lane.BULK], count, None)
    return [entry for entry in found if isinstance(entry, Entry)]


async def one(grid: Grid, ids: str = "0-2") -> Entry:
    await queue(grid, ids)
    [entry] = await take(grid)
    return entry


async def settle(grid: Grid, *settlements: Settlement) -> list[int | Exception]:
    return await grid.streams.settle(settlements)


async def reclaim(
    grid: Grid, consumer: str, lease_ms: int = 0, cursor: str = "0-0", count: int = 100
) -> tuple[str, list[Entry | Unreadable]]:
    return await grid.streams.reclaim(consumer, 0, Lane.BULK, lease_ms, cursor, count)


async def pending(grid: Grid) -> list[tuple[str, int]]:
    """Consumer and deliveries of each entry that is pending."""
    found = await raw(grid).xpending_range(STREAM, keys.GROUP, "-", "+", 10_000)
    return [(entry["consumer"].decode(), entry["times_delivered"]) for entry in found]


def priced(entry: Entry, records: Mapping[int, bytes] | None = None) -> Settlement:
    return Settlement(entry, JOB.expires_at, records or {0: b'{"id":0}'}, priced=3)
