"""Open loop: requests sent when it was planned, whatever has become of those before."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

AWAKE = 0.0015
"""Seconds before a request for which its sender waits awake.

An event loop's timers know whole milliseconds only, and would send each up to one too late. At 50
a second this takes 8 % of a core; who sends thousands sleeps instead, and counts what is late.
"""

LEAD = 0.05
"""Seconds until the first."""


async def offer(
    planned: Iterable[float],
    request: Callable[[int, float], Awaitable[None]],
    *,
    awake: float = AWAKE,
) -> None:
    """Start ``request(number, plan)`` for each time of a schedule; returns when all have ended.

    ``plan`` is when it was to be started, by ``time.perf_counter``. A request that raises ends the
    others, and its error is raised in an exception group.
    """
    start = time.perf_counter() + LEAD
    async with asyncio.TaskGroup() as requests:
        for number, seconds in enumerate(planned):
            plan = start + seconds
            await _until(plan, awake)
            requests.create_task(_run(request, number, plan))


async def _until(moment: float, awake: float) -> None:
    while (left := moment - time.perf_counter()) > 0:  # noqa: ASYNC110 - no event tells the time
        await asyncio.sleep(left - awake if left > awake else 0)


async def _run(request: Callable[[int, float], Awaitable[None]], number: int, plan: float) -> None:
    await request(number, plan)
