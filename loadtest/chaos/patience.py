"""Waiting: for a server that is being mistreated, and for conditions."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import anyio
from redis.exceptions import RedisClusterException, RedisError

from engine.connection import passes
from engine.errors import ServerError, leaf

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

POLL_SECONDS = 0.02

PATIENCE = 60.0
"""Seconds for which a server may be away: no fault lasts as long."""


async def patiently(call: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
    """Make a call again until the server answers it; what only repeats well may be called.

    Raises what the client raises if that does not pass, or not within ``PATIENCE``.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return await call(*args)
        except (RedisError, RedisClusterException, ExceptionGroup) as error:
            if not passes(leaf(error)) or time.monotonic() > deadline:
                raise
        await anyio.sleep(POLL_SECONDS)


async def until(condition: Callable[[], Awaitable[bool]], seconds: float) -> bool:
    """Ask until it is so; False if it is not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            return False
        await anyio.sleep(POLL_SECONDS)
    return True


class RunFailed(ServerError):
    """The run cannot go on: not what it is to find out, but what it stands on has failed."""
