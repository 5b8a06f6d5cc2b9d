"""Leases at scale, and what a consumer may do that has lost one."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis

from engine import group, keys
from engine.connection import Address
from engine.entry import Entry
from engine.grid import Grid, open_grid
from tests.engine.queues import STREAM, begin, one, pending, queue, raw, reclaim, take
from tests.redis_servers import answers, oldest_redis, start
from tests.waiting import eventually


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def grid(redis_url: str) -> AsyncIterator[Grid]:
    async with open_grid(Address.parse(redis_url)) as grid:
        await begin(grid)
        yield grid


async def test_who_has_lost_an_entry_neither_splits_it_nor_hands_it_back(grid: Grid) -> None:
    """G4, G6: a zombie leaves it to whoever prices it now."""
    entry = await one(grid)
    _, [taken] = await reclaim(grid, "b")
    assert isinstance(taken, Entry)
    await grid.streams.replace("a", entry, ["0", "1-2"], 2)
    await grid.streams.hand_back("a", [entry])
    assert await pending(grid) == [("b", 2)]
    assert await raw(grid).xlen(STREAM) == 1
    await grid.streams.replace("b", taken, ["0", "1-2"], 2)
    assert [half.ids for half in await take(grid)] == ["0", "1-2"]


async def test_no_call_looks_at_more_than_a_bounded_stretch(grid: Grid) -> None:
    """G6: a million pending entries must not keep the server from others for a millisecond."""
    await queue(grid, *map(str, range(1_000)))
    held = [entry.entry_id for entry in await take(grid, "living", 1_000)]
    cursor, looked_at = "0-0", 0
    while looked_at < len(held):
        cursor, found = await reclaim(grid, "b", lease_ms=3_600_000, cursor=cursor, count=100)
        assert found == []
        at = len(held) if cursor == "0-0" else held.index(cursor)
        assert at - looked_at <= 10 * group.RECLAIMED_AT_ONCE
        looked_at = at


async def test_many_leases_are_renewed_in_several_calls(grid: Grid) -> None:
    """G6: and what is lost is told of each."""
    await queue(grid, *map(str, range(2 * group.RENEWED_AT_ONCE + 1)))
    held = await take(grid, "a", 1_000)
    lost = [held[0], held[group.RENEWED_AT_ONCE], held[-1]]
    await raw(grid).xclaim(STREAM, keys.GROUP, "b", 0, [entry.entry_id for entry in lost])
    assert await grid.streams.renew("a", held) == lost


async def test_what_was_deleted_while_pending_is_forgotten(tmp_path: Path) -> None:
    """G8: by Redis 6.2 too, which would hand it over again and again."""
    path = tmp_path / "redis" / "socket"
    options = ("--port", "0", "--unixsocket", str(path))
    held = start(tmp_path / "redis", *options, program=oldest_redis())
    try:
        with redis.Redis(unix_socket_path=str(path)) as client:
            eventually(lambda: answers(client.ping), what="a Redis server")
        async with open_grid(Address.parse(f"unix://{path}")) as grid:
            await begin(grid)
            await queue(grid, "0", "1", "2")
            entries = await take(grid)
            await raw(grid).xdel(STREAM, entries[0].entry_id, entries[2].entry_id)
            _, found = await reclaim(grid, "b")
            assert [each.entry_id for each in found] == [entries[1].entry_id]
            assert await pending(grid) == [("b", 2)]
    finally:
        held.stop(1.0)
