"""Somebody who answers realtime calls, without a consumer: for answers that no consumer gives.

What may live here: the other end of a realtime client, in the test's own process, on a real server.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio

from engine import keys
from engine.call import Call, Reply
from engine.connection import Address
from engine.entry import Unreadable
from engine.grid import Grid, open_grid
from engine.job import Lane
from engine.roster import Presence

NAME = "somebody"

Answering = Callable[[Call], Reply | None]
"""The reply to a call, None for none."""


def priced(call: Call, **more: Any) -> Reply:
    """A price that tells which trade it is of."""
    trade_id = call.trade["id"]
    record = {"id": trade_id, "pv": trade_id / 7, "attempts": 1, "ms": 0.25, "outcome": "priced"}
    return Reply(call.call, {**record, **more}, NAME, 0.5)


def ended(outcome: str, reason: str) -> Answering:
    """Ends every call in one way."""
    return lambda call: Reply(
        call.call,
        {"id": call.trade["id"], "attempts": 1, "outcome": outcome, "reason": reason},
        NAME,
        0.5,
    )


async def present(grid: Grid, *, draining: bool = False) -> None:
    """Announce somebody who serves the realtime lane."""
    await grid.roster.announce(Presence(NAME, ["realtime"], 1, 4711, draining=draining))


async def take(grid: Grid, block_ms: int | None = None) -> list[Call]:
    """The calls that nobody has taken yet."""
    found: list[Call | Unreadable] = []
    for partition in range(grid.partitions):
        found += await grid.calls.take(NAME, partition, [Lane.REALTIME], 1000, block_ms)
    return [call for call in found if isinstance(call, Call)]


async def respond(grid: Grid, answering: Answering) -> None:
    """Answer calls until cancelled."""
    await grid.calls.ensure_groups([Lane.REALTIME])
    while True:
        calls = await take(grid, 1)
        replies = [(call, reply) for call in calls if (reply := answering(call)) is not None]
        await grid.calls.answer(replies)


@asynccontextmanager
async def responding(url: str, answering: Answering = priced) -> AsyncIterator[Grid]:
    """Answer calls while the body runs, on a connection of its own; yields the grid."""
    async with open_grid(Address.parse(url)) as grid, anyio.create_task_group() as tasks:
        await present(grid)
        tasks.start_soon(respond, grid, answering)
        yield grid
        tasks.cancel_scope.cancel()


async def left_behind(grid: Grid) -> list[str]:
    """The reply streams on the server, and the realtime lanes that are not empty."""
    found = [key.decode() async for key in grid.redis.scan_iter("az:*:replies:*")]
    for partition in range(grid.partitions):
        lane = keys.stream(partition, Lane.REALTIME)
        found += [lane] if await grid.redis.xlen(lane) else []
    return found
