"""Waiting for a server that is away, starting, failing over or full: with backoff, for ever."""

from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import anyio
import structlog
from redis.exceptions import RedisClusterException, RedisError

from engine.backoff import delay
from engine.connection import passes

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

log = structlog.get_logger()


async def patiently(what: str, call: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
    """Make a call until the server answers it; ``what`` says in the log what is waiting."""
    failures = 0
    while True:
        try:
            answer = await call(*args)
        except (RedisError, RedisClusterException) as error:
            if not passes(error):
                raise
            if failures in (0, 5) or failures % 30 == 0:
                log.warning("waiting for the server", role=what, error=str(error), tries=failures)
            await anyio.sleep(delay(failures))
            failures += 1
            continue
        if failures:
            log.info("the server is back", role=what, tries=failures)
        return answer
