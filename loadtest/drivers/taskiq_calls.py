"""Calls by taskiq: a task each, whose result is asked for until it is there.

Its own way to wait for a result, but more eager: by default it asks five times a second.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from redis.exceptions import RedisError

from engine.call import Reply
from engine.connection import Address
from engine.errors import Dead, Refused
from loadtest.drivers.taskiq_tasks import CALL, broker_at, opened
from loadtest.generator.ledger import Made

ASK_EVERY = 0.002
"""Seconds between looks for a result, until the deadline of its call."""

FEW = 10
"""Calls under way, above which each is looked for less often: a look costs as much as a call."""

LATE_EVERY = 0.2
"""From then on, to find out whether it has been lost."""


@asynccontextmanager
async def asking(address: Address) -> AsyncIterator["TaskiqCalls"]:
    """What makes calls at a server without a password."""
    async with opened(broker_at(address.url)) as broker:
        yield TaskiqCalls(broker.find_task(CALL))


@dataclass(slots=True)
class TaskiqCalls:
    """Makes calls."""

    task: Any
    """Its ``kiq`` sends one."""
    _waiting: int = 0

    async def ask(self, made: Made, seconds: float) -> Awaitable[Reply]:
        """Send a call; returns what brings its answer. Both raise NotPriced."""
        trade, request = orjson.loads(made.asked.trade), orjson.loads(made.asked.request)
        sent = time.time()
        try:
            task = await self.task.kiq(trade, request)
        except RedisError as error:
            raise Refused(f"taskiq cannot send a call: {error}") from error
        return self._answer(made, task, sent, sent + seconds)

    async def _answer(self, made: Made, task: Any, sent: float, deadline: float) -> Reply:
        self._waiting += 1
        try:
            while not await task.is_ready():  # noqa: ASYNC110 - it has no event for that
                await asyncio.sleep(self._pause() if time.time() < deadline else LATE_EVERY)
        finally:
            self._waiting -= 1
        result = await task.get_result()
        if result.is_err:
            raise Dead(f"the task has failed: {result.error}")
        told = result.return_value
        # Both clocks are this machine's.
        return Reply(made.name, told["record"], "taskiq", max(told["began"] - sent, 0.0) * 1000)

    def _pause(self) -> float:
        return ASK_EVERY * max(1.0, self._waiting / FEW)
