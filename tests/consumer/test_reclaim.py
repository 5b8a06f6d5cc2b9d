"""Reclaim: a sweep comes to its end, however many good leases lie in its way (G4, G6)."""

from collections import Counter
from collections.abc import Sequence

import anyio
import pytest

from consumer import reclaim
from consumer.drain import Drain
from consumer.process import claimant
from consumer.settings import Settings
from engine import keys
from engine.connection import Address
from engine.entry import Chunks, Entry, Unreadable
from engine.grid import Grid, open_grid
from engine.job import Job, Lane
from tests.consumer.desks import desk_of

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
        with desk_of(grid, settings) as desk, anyio.fail_after(30):
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


async def test_no_partition_waits_for_ever_for_another(redis_url: str) -> None:
    """G4: there is room for one entry a sweep, and always something in every partition."""
    async with open_grid(Address.parse(redis_url), partitions=3) as grid:
        job = Job("night", "synthetic", submitted_at=1.0, expires_at=2**33)
        await grid.jobs.create(job)
        await grid.streams.ensure_groups([Lane.BULK])
        for partition in range(3):
            ids = [str(100 * partition + n) for n in range(50)]
            assert await grid.streams.enqueue(job, Chunks(partition, 1, 0, 50, ids, {}), "me")
            await grid.streams.take("dead", partition, [Lane.BULK], 50, None)
        room, taken = 1, Counter[int]()
        drain = Drain()

        async def accept(messages: Sequence[Entry | Unreadable]) -> None:
            nonlocal room
            taken.update(message.partition for message in messages)
            # Room for the next comes when a slot is done with this: after the sweep.
            room = 0
            tasks.start_soon(make_room)

        async def make_room() -> None:
            nonlocal room
            await anyio.sleep(LEASE / 100)
            room = 1

        lease = LEASE / 50
        heir = reclaim.Claimant(
            grid.streams, "heir", [Lane.BULK], lease, drain, lambda: room, accept
        )
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(reclaim.run, heir)
                while taken.total() < 9:  # noqa: ASYNC110 - what it counts sets no event
                    await anyio.sleep(0.01)
                drain.begin("seen enough")
                tasks.cancel_scope.cancel()
    assert set(taken) == {0, 1, 2}
