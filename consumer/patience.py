"""Waiting for a server that is away, starting, failing over or full: with backoff, for ever."""

import random
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import anyio
import structlog
from redis.exceptions import (
    ClusterDownError,
    ConnectionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_PASSING = (
    ConnectionError,
    TimeoutError,
    ReadOnlyError,
    OutOfMemoryError,
    ClusterDownError,
    TryAgainError,
    NoScriptError,
)

# Codes that the client has no class for, or does not see since Redis 6.2 puts its own words before
# what a command within a script was answered.
_PASSING_CODES = re.compile(
    r"\b(OOM|READONLY|LOADING|BUSY|MISCONF|MASTERDOWN|NOREPLICAS|UNBLOCKED|CLUSTERDOWN|TRYAGAIN)\b"
)

FIRST_DELAY, LONGEST_DELAY = 0.05, 2.0
"""Seconds."""

log = structlog.get_logger()


def passes(error: object) -> bool:
    """Whether this is an error that ends by itself or by a person's help: worth waiting for."""
    if isinstance(error, _PASSING):
        return True
    return isinstance(error, ResponseError) and bool(_PASSING_CODES.search(str(error)))


def delay(failures: int) -> float:
    """Seconds to wait after so many failures in a row; jittered, lest a thousand consumers knock
    at the same moment."""
    longest = min(FIRST_DELAY * 2.0 ** min(failures, 10), LONGEST_DELAY)
    return longest * random.uniform(0.5, 1.0)


async def patiently(what: str, call: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
    """Make a call until the server answers it; ``what`` says in the log what is waiting."""
    failures = 0
    while True:
        try:
            answer = await call(*args)
        except RedisError as error:
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
