"""Reclaim: a sweep comes to its end, however many good leases lie in its way (G4, G6)."""

import math

import anyio
import pytest

from consumer import reclaim
from consumer.desk import Desk
from consumer.drain import Drain
from consumer.fetch import Fetcher
from consumer.holdings import Holdings
from consumer.pace import Pace
from consumer.pricers import Pricers
from consumer.process import claimant
from consumer.settings import Settings
from consumer.staff import Staff
from consumer.work import Work
from engine import keys
from engine.connection import Address
from engine.entry import Chunks, Entry, Settlement
from engine.grid import Grid, open_grid
from engine.job import Job, Lane

GOOD = 1500
"""Entries with good leases: more than one sweep looks at."""

LEASE = 2.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def keep_alive(grid: Grid, entries: list[Entry]) -> None:
    while True:
        await grid.streams.renew("living", entries)
        await anyio.sleep(LEASE / 8)


@pytest.mark.pain("docket#463", "docket#467")
async def test_the_cursor_is_kept_from_sweep_to_sweep(redis_url: str) -> None:
    async with open_grid(Address.parse(redis_url)) as grid:
        job = Job("night", "synthetic", submitted_at=1.0, expires_at=2**33)
        await grid.jobs.create(job)
        await grid.streams.ensure_groups([Lane.BULK])
        ids = [str(n) for n in range(GOOD + 1)]
        assert await grid.streams.enqueue(job, Chunks(0, 1, 0, len(ids), ids, {}), "submitter")
        taken = await grid.streams.take("living", 0, [Lane.BULK], GOOD, None)
        good = [entry for entry in taken if isinstance(entry, Entry)]
        [last] = await grid.streams.take("dead", 0, [Lane.BULK], 10, None)

        settings = Settings("heir", [Lane.BULK], slots=1, lease=LEASE)
        send, _receive = anyio.create_memory_object_stream[Settlement](math.inf)
        pricers = Pricers(grid.roster, "heir")
        fetcher = Fetcher(grid, pricers, 3)
        shared = (Drain(), pricers, fetcher, Work(), Staff(1), send)
        desk = Desk(settings, grid, Holdings(), Pace(1, 2.0), *shared)
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(keep_alive, grid, good)
                tasks.start_soon(reclaim.run, claimant(desk))
                while not desk.holdings.queued:
                    await desk.holdings.change()
                tasks.cancel_scope.cancel()
        assert [entry.entry_id for entry in desk.holdings.entries] == [last.entry_id]
        pending = await grid.redis.xpending_range(
            keys.stream(0, Lane.BULK), keys.GROUP, "-", "+", 10, consumername="heir"
        )
        assert len(pending) == 1
        send.close()
        _receive.close()
