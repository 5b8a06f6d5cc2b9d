"""What a controller sees of a grid."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from engine import keys
from engine.connection import Address
from engine.grid import Grid, open_grid
from engine.job import Job, Lane
from engine.roster import Presence
from infra.controller import look
from infra.controller.look import Lookout, kind_of
from infra.pool.consumers import Count
from producer.generate import generate
from producer.submit import submit


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # which redis-py needs


@pytest.fixture
async def grid(redis_url: str) -> AsyncIterator[Grid]:
    async with open_grid(Address.parse(redis_url)) as opened:
        yield opened


TRADES = 500


async def filled(grid: Grid) -> None:
    await grid.cache.upsert("default", generate(1, 0, TRADES))


def job(name: str, **fields: object) -> Job:
    return replace(Job(name, "synthetic"), **fields)  # type: ignore[arg-type]


async def test_jobs_are_seen_in_the_order_in_which_consumers_come_to_them(grid: Grid) -> None:
    await filled(grid)
    for each in (
        job("first", by=2e9),
        job("second", lane=Lane.HIGH, trades="0:100"),
        job("third", after="first", chunk=10),
        job("fourth", trades="0:7"),
    ):
        await submit(grid, each)
    seen = await Lookout(grid, Lane.BULK).look(Count())
    assert [(d.job, d.left, d.chunk) for d in seen.demands] == [
        ("second", 100, 100),
        ("first", TRADES, 100),
        ("fourth", 7, 100),
        ("third", TRADES, 10),
    ]
    assert seen.demands[1].due == 2e9
    assert [d.job for d in seen.demands if d.held] == ["third"]
    assert seen.entries == 1 + 5 + 1


async def test_a_job_whose_predecessor_has_ended_is_released_though_no_consumer_runs(
    grid: Grid,
) -> None:
    await filled(grid)
    await submit(grid, job("first", trades="0:100"))
    await submit(grid, job("after", after_any=True, after="first"))
    lookout = Lookout(grid, Lane.BULK)
    assert (await lookout.look(Count())).entries == 1
    first = await grid.jobs.get("first")
    assert first is not None
    await grid.jobs.fence(first, 0, "cancel")
    await grid.streams.sweep(first, 0)
    seen = await lookout.look(Count())
    assert [d.held for d in seen.demands if d.job == "after"] == [False]
    assert await grid.streams.backlog([Lane.BULK]) == {Lane.BULK: 5}


async def test_those_of_the_crew_are_told_from_others(grid: Grid) -> None:
    lanes = ["high", "bulk"]
    for presence in (
        Presence("a", lanes, 8, 1, crew="night/1"),
        Presence("b", lanes, 8, 1, crew="night/2"),
        Presence("c", lanes, 8, 1, crew="night/3", draining=True),
        Presence("d", lanes, 4, 1),
        Presence("e", ["realtime"], 2, 1),
    ):
        await grid.roster.announce(presence)
    seen = await Lookout(grid, Lane.BULK, "night".__eq__).look(
        Count(queued=3, running=3, leaving=1)
    )
    assert (seen.living, seen.slots, seen.starting, seen.others) == (2, 16, 4, 4)


async def test_a_damaged_job_is_nobodys_reason_to_stop(grid: Grid) -> None:
    await filled(grid)
    await submit(grid, job("good"))
    await submit(grid, job("bad"))
    await grid.redis.hset(keys.job("bad"), "spec", b"{}")
    seen = await Lookout(grid, Lane.BULK).look(Count())
    assert [d.job for d in seen.demands] == ["good"]


async def test_a_job_whose_entries_are_lost_is_told_from_others(grid: Grid) -> None:
    await filled(grid)
    await submit(grid, job("night"))
    [seen] = (await Lookout(grid, Lane.BULK).look(Count())).demands
    assert seen.left
    assert not seen.lost
    for partition in range(grid.partitions):
        await grid.redis.delete(keys.stream(partition, Lane.BULK))
    [seen] = (await Lookout(grid, Lane.BULK).look(Count())).demands
    assert seen.left
    assert seen.lost
    # Another lane is another matter.
    await submit(grid, job("urgent", lane=Lane.HIGH))
    both = (await Lookout(grid, Lane.BULK).look(Count())).demands
    assert [(demand.job, demand.lost) for demand in both] == [("urgent", False), ("night", True)]


async def test_a_job_that_has_lost_its_entries_is_told_though_others_have_theirs(
    grid: Grid, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "QUIET", 0.0)
    monkeypatch.setattr("engine.streams.SWEEP_PAGE", 2)
    await filled(grid)
    for each in (job("waits"), job("loses"), job("waits-too")):
        await submit(grid, each)
    lookout = Lookout(grid, Lane.BULK)
    for partition in range(grid.partitions):
        stream = keys.stream(partition, Lane.BULK)
        entries: Any = await grid.redis.xrange(stream)
        for entry, fields in entries:
            if fields[b"job"] == b"loses":
                await grid.redis.xdel(stream, entry)
    seen = await lookout.look(Count())
    assert [(d.job, d.lost) for d in seen.demands] == [
        ("waits", False),
        ("loses", True),
        ("waits-too", False),
    ]
    # Its trades are nobody's reason to be started.
    assert seen.left == 2 * TRADES
    # And where there are too many entries to tell, nothing is said to be lost.
    monkeypatch.setattr(look, "SCANNED", 2)
    seen = await Lookout(grid, Lane.BULK).look(Count())
    assert not any(demand.lost for demand in seen.demands)


async def test_realtime_calls_are_counted(grid: Grid) -> None:
    lookout = Lookout(grid, Lane.REALTIME)
    seen = await lookout.look(Count())
    assert seen.calls is not None
    assert (seen.calls.arrived, seen.calls.inside) == (0, 0)
    stream = keys.stream(0, Lane.REALTIME)
    ids = [await grid.redis.xadd(stream, {"n": n}) for n in range(5)]
    await grid.redis.xdel(stream, *ids[1:4])
    seen = await lookout.look(Count())
    assert seen.calls is not None
    assert (seen.calls.arrived, seen.calls.inside) == (5, 2)
    assert 0 <= seen.calls.oldest < 10


def test_jobs_whose_trades_cost_the_same_are_of_one_kind() -> None:
    assert kind_of(job("a", seed=1)) == kind_of(job("b", seed=2, by=1.0, chunk=7))
    kinds = {
        kind_of(each)
        for each in (
            job("a"),
            job("a", paths=10),
            job("a", accuracy=0.1),
            job("a", book="other"),
            job("a", algorithm="pvonly"),
            job("a", options={"task_duration": 5.0}),
        )
    }
    assert len(kinds) == 6
