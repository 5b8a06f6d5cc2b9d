"""Intake: whatever partition an entry comes to, an idle consumer takes it at once."""

import anyio
import pytest

from consumer import intake
from consumer.settings import Settings
from engine.connection import Address
from engine.entry import Chunks
from engine.grid import Grid, open_grid
from engine.job import Job, Lane
from tests.consumer.desks import desk_of
from tests.engine.queues import raw

PARTITIONS = 3


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def listeners(grid: Grid) -> int:
    """Clients that wait in a blocking read."""
    return int((await raw(grid).info("clients"))["blocked_clients"])


async def test_an_idle_consumer_hears_of_every_partition(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only when a blocking read at its home has come to its end: that would be too late."""
    monkeypatch.setattr(intake, "WAIT_MS", 60_000)
    async with open_grid(Address.parse(redis_url), partitions=PARTITIONS) as grid:
        job = Job("night", "synthetic", submitted_at=1.0, expires_at=2**33)
        await grid.jobs.create(job)
        await grid.streams.ensure_groups([Lane.BULK])
        settings = Settings("idle", [Lane.BULK], slots=PARTITIONS + 1, home=1)
        with desk_of(grid, settings) as desk, anyio.fail_after(20):
            async with anyio.create_task_group() as taking:
                taking.start_soon(intake.run, desk)
                # All listen before anything comes.
                while await listeners(grid) < PARTITIONS:  # noqa: ASYNC110 - the server tells nobody
                    await anyio.sleep(0.01)
                for partition in range(PARTITIONS):
                    chunks = Chunks(partition, 1, 0, 1, [str(100 * partition)], {})
                    assert await grid.streams.enqueue(job, chunks, "submitter")
                while desk.holdings.queued < PARTITIONS:
                    await desk.holdings.change()
                taking.cancel_scope.cancel()


async def test_full_hands_glance_at_a_higher_lane_at_one_partition_at_a_time(
    redis_url: str,
) -> None:
    """And so come to all of them, at a cost to the server that does not grow with partitions."""
    async with open_grid(Address.parse(redis_url), partitions=PARTITIONS) as grid:
        bulk, high = (
            Job(str(lane), "synthetic", lane=lane, submitted_at=1.0, expires_at=2**33)
            for lane in (Lane.BULK, Lane.HIGH)
        )
        for job in (bulk, high):
            await grid.jobs.create(job)
        await grid.streams.ensure_groups([Lane.HIGH, Lane.BULK])
        settings = Settings("busy", [Lane.HIGH, Lane.BULK], slots=2, home=1)
        with desk_of(grid, settings) as desk, anyio.fail_after(20):
            chunks = Chunks(0, 1, 0, 2, ["1", "2"], {})
            assert await grid.streams.enqueue(bulk, chunks, "submitter")
            async with anyio.create_task_group() as taking:
                taking.start_soon(intake.run, desk)
                while desk.holdings.queued < 2:
                    await desk.holdings.change()
                before, began = await reads(grid), anyio.current_time()
                await anyio.sleep(10 * intake.GLANCE)
                looks = (anyio.current_time() - began) / intake.GLANCE
                # Blocking reads of listeners that were under way end meanwhile.
                assert 1 <= await reads(grid) - before <= looks + PARTITIONS
                for partition in range(PARTITIONS):
                    chunks = Chunks(partition, 1, 0, 1, [str(100 * partition)], {})
                    assert await grid.streams.enqueue(high, chunks, "submitter")
                while desk.holdings.of([Lane.HIGH]) < 2:
                    await desk.holdings.change()
                taking.cancel_scope.cancel()


async def reads(grid: Grid) -> int:
    """XREADGROUPs that the server has had."""
    found = (await raw(grid).info("commandstats")).get("cmdstat_xreadgroup")
    return int(found["calls"]) if found else 0
