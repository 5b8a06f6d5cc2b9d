"""Which post a generator sends its calls by: the driver's."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson

from engine.call import Reply
from engine.connection import Address
from engine.grid import Grid
from loadtest.drivers import CLIENT, TASKIQ
from loadtest.generator.callers import Asking, Callers
from loadtest.generator.exchanges import Exchanges
from loadtest.generator.ledger import Made
from loadtest.generator.sender import Course, Post
from producer.client import Client, connect


@asynccontextmanager
async def post_for(
    driver: str, address: Address, grid: Grid, course: Course
) -> AsyncIterator[Post]:
    """A driver's post, which leaves nothing behind."""
    if driver in (CLIENT, TASKIQ):
        async with asking_for(driver, address) as asking:
            yield Callers(asking, course)
        return
    post = Exchanges(grid, course)
    yield post
    await post.forget()


@asynccontextmanager
async def asking_for(driver: str, address: Address) -> AsyncIterator[Asking]:
    """How single calls are made to a driver's consumers."""
    if driver == TASKIQ:
        # Imported here: only developers have what it needs.
        from loadtest.drivers.taskiq_calls import asking

        async with asking(address) as made:
            yield made
        return
    async with connect(address) as client:
        yield _OfClient(client)


@dataclass(frozen=True, slots=True)
class _OfClient:
    """Calls by the client that users have."""

    client: Client

    async def ask(self, made: Made, seconds: float) -> Awaitable[Reply]:
        return self._answer(made, seconds)

    async def _answer(self, made: Made, seconds: float) -> Reply:
        trade, asked = orjson.loads(made.asked.trade), orjson.loads(made.asked.request)
        result = await self.client.price(trade, deadline=max(seconds, 0.001), **asked)
        return Reply(made.name, result.record, result.consumer, result.queued_ms)
