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
