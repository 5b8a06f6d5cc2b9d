"""Reclaim: a sweep comes to its end, however many good leases lie in its way (G4, G6)."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

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
from engine.streams import Streams
from engine.turns import Turns
from tests.conftest import FreshServer
from tests.consumer.desks import desk_of
from tests.engine.queues import raw

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


class Heirs:
    """Consumers that take over entries and do nothing with them."""

    def __init__(self, grid: Grid, lease: float) -> None:
        self._grid, self._lease = grid, lease
        self.drain = Drain()
        self.found: dict[str, list[str]] = {}
        self.rooms: dict[str, int] = {}

    def claimant(self, name: str, room: int = 100) -> reclaim.Claimant[Entry]:
        self.found[name], self.rooms[name] = [], room

        async def accept(messages: Sequence[Entry | Unreadable]) -> None:
            self.found[name] += [message.entry_id for message in messages]

        streams, lanes = self._grid.streams, [Lane.BULK]
        return reclaim.Claimant(
            streams, name, lanes, self._lease, self.drain, lambda: self.rooms[name], accept
        )

    async def until(self, reached: Callable[[], bool], *heirs: reclaim.Claimant[Entry]) -> None:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                for heir in heirs:
                    tasks.start_soon(reclaim.run, heir)
                while not reached():  # noqa: ASYNC110 - what it asks for sets no event
                    await anyio.sleep(0.005)
                tasks.cancel_scope.cancel()


async def _left_by_the_dead(grid: Grid, count: int) -> list[str]:
    """Entries that are pending in the name of a consumer that is gone."""
    job = Job("night", "synthetic", submitted_at=1.0, expires_at=2**33)
    await grid.jobs.create(job)
    await grid.streams.ensure_groups([Lane.BULK])
    ids = [str(n) for n in range(count)]
    assert await grid.streams.enqueue(job, Chunks(0, 1, 0, count, ids, {}), "submitter")
    taken = await grid.streams.take("dead", 0, [Lane.BULK], count, None)
    left = [message.entry_id for message in taken]
    # Longer ago than any lease.
    await raw(grid).xclaim(keys.stream(0, Lane.BULK), keys.GROUP, "dead", 0, left, idle=3_600_000)
    return left


async def test_many_consumers_sweep_no_more_often_than_one(redis_url: str) -> None:
    swept: list[float] = []

    class Noted(Streams):
        async def reclaim(self, *args: Any) -> Any:
            swept.append(anyio.current_time())
            return await Streams.reclaim(self, *args)

    async with open_grid(Address.parse(redis_url)) as grid:
        await grid.streams.ensure_groups([Lane.BULK])
        heirs, noted = Heirs(grid, 6.0), Noted(grid.redis, grid.partitions)
        many = [replace(heirs.claimant(f"heir-{n}"), group=noted) for n in range(30)]
        await heirs.until(lambda: len(swept) == 6, *many)
    # A sweep of an empty stream is one call, and the server's clock may run a little faster.
    turn = reclaim.SHARE * many[0].often
    assert swept[-1] - swept[0] > 0.9 * turn * 5


async def test_who_sweeps_next_goes_on_where_the_last_has_stopped(redis_url: str) -> None:
    async with open_grid(Address.parse(redis_url)) as grid:
        left = await _left_by_the_dead(grid, 3)
        heirs = Heirs(grid, LEASE)
        first, second = heirs.claimant("first", room=1), heirs.claimant("second")
        # What lies before the cursor is not looked at before it has come round.
        await Turns(grid.redis, 0, Lane.BULK, first.often).take()
        await Turns(grid.redis, 0, Lane.BULK, first.often).end(left[2], over=True)
        await heirs.until(lambda: bool(heirs.found["first"]), first)
        assert heirs.found["first"][0] == left[2]
        await heirs.until(lambda: len(heirs.found["second"]) >= 2, second)
        assert heirs.found["second"][:2] == left[:2]


async def test_who_has_no_room_takes_no_turn(redis_url: str) -> None:
    """One that is busy would keep the others from taking over."""
    async with open_grid(Address.parse(redis_url)) as grid:
        left = await _left_by_the_dead(grid, 3)
        heirs, looked = Heirs(grid, LEASE), 0
        busy, idle = heirs.claimant("busy"), heirs.claimant("idle")

        def no_room() -> int:
            nonlocal looked
            looked += 1
            return 0

        await heirs.until(lambda: looked > 3, replace(busy, room=no_room))
        assert not await grid.redis.exists(keys.sweep(0, Lane.BULK))
        await heirs.until(lambda: len(heirs.found["idle"]) == 3, idle)
        assert heirs.found == {"busy": [], "idle": left}


async def test_who_runs_out_of_room_leaves_the_turn_to_the_others(redis_url: str) -> None:
    """Many may have died, with more in hand than one can take."""
    async with open_grid(Address.parse(redis_url)) as grid:
        left = await _left_by_the_dead(grid, 30)
        heirs = Heirs(grid, 600.0)
        small = heirs.claimant("small")

        def room() -> int:
            if len(heirs.found["small"]) == 10:
                heirs.drain.begin("no more room")
            return 10 - len(heirs.found["small"])

        with anyio.fail_after(30):
            await reclaim.run(replace(small, room=room))
        assert heirs.found["small"] == left[:10]
        assert await Turns(grid.redis, 0, Lane.BULK, small.often * reclaim.SHARE).take() == left[10]


async def test_a_full_server_lets_the_dead_be_inherited(fresh_server: FreshServer) -> None:
    """G4."""
    async with open_grid(Address.parse(fresh_server().url)) as grid:
        left = await _left_by_the_dead(grid, 200)
        await grid.redis.config_set("maxmemory", "1")
        heirs = Heirs(grid, LEASE)
        await heirs.until(lambda: len(heirs.found["heir"]) == 200, heirs.claimant("heir"))
        assert heirs.found["heir"] == left


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
