"""Turns at sweeping a stream: one consumer at a time, on from where the last has stopped (G6)."""

from collections.abc import AsyncIterator

import pytest
from redis.exceptions import OutOfMemoryError

from engine import keys
from engine.connection import Address
from engine.grid import Grid, open_grid
from engine.job import Lane
from engine.turns import KEPT, Turns
from tests.conftest import FreshServer
from tests.engine.queues import raw

KEY = keys.sweep(0, Lane.BULK)

LONG = 30.0


def turns(grid: Grid, seconds: float = LONG) -> Turns:
    return Turns(grid.redis, 0, Lane.BULK, seconds)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def grid(redis_url: str) -> AsyncIterator[Grid]:
    async with open_grid(Address.parse(redis_url)) as grid:
        yield grid


async def test_a_turn_is_taken_once(grid: Grid) -> None:
    assert await turns(grid).take() == "0-0"
    assert await turns(grid).take() is None
    assert await Turns(grid.redis, 0, Lane.HIGH, LONG).take() == "0-0", "each stream has its own"
    await raw(grid).pexpire(KEY, int(1000 * (KEPT - LONG)))
    assert await turns(grid).take() == "0-0"


async def test_the_next_goes_on_where_the_last_has_stopped(grid: Grid) -> None:
    await turns(grid).take()
    await turns(grid).end("17-3", over=False)
    assert await turns(grid).take() is None
    await turns(grid).end("18-0", over=True)
    assert await turns(grid).take() == "18-0"
    assert await turns(grid).take() is None
    assert 0 < await raw(grid).pttl(KEY) <= 1000 * KEPT


@pytest.mark.parametrize(
    "damage",
    [
        ("SET", KEY, "12-"),
        ("SET", KEY, b"\xff\x00-1", "PX", "99999999"),
        ("HSET", KEY, "a", "b"),
        ("SET", KEY, f"{10**30}-0"),
    ],
)
async def test_what_others_have_put_there_stops_nobody(
    grid: Grid, damage: tuple[str | bytes, ...]
) -> None:
    """G10: neither for ever, nor with an error."""
    await raw(grid).execute_command(*damage)
    assert await turns(grid).take() == "0-0"
    assert await turns(grid).take() is None
    assert 0 < await raw(grid).pttl(KEY) <= 1000 * KEPT
    await turns(grid).end("17-3", over=True)
    assert await turns(grid).take() == "17-3"


async def test_a_full_server_does_not_stop_them(fresh_server: FreshServer) -> None:
    """G4: what is taken over and settled may be what makes room."""
    async with open_grid(Address.parse(fresh_server().url)) as grid:
        await raw(grid).config_set("maxmemory", "1")
        with pytest.raises(OutOfMemoryError):
            await raw(grid).set("any", "thing")
        assert await turns(grid).take() == "0-0"
        assert await turns(grid).take() is None
        await turns(grid).end("17-3", over=True)
        assert await turns(grid).take() == "17-3"
