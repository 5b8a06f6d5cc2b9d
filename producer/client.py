"""The realtime client: one trade, or many, priced now by whoever serves the realtime lane.

    async with connect("redis://127.0.0.1:6379") as grid:
        result = await grid.price({"spot": 0.9, ...}, algorithm="deltavega")

Thousands of calls may be under way on one client: they share three connections. What a call ends
with if there is no price is told by the type of its error, see ``engine.errors.NotPriced``.
"""

import asyncio
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Sequence,
)
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Unpack

import anyio
from redis.exceptions import RedisClusterException, RedisError

from engine.calls import REPLIES_KEPT
from engine.connection import Address
from engine.errors import NotPriced
from engine.grid import open_grid
from producer.client_answers import AT_ONCE, Answers, feeding
from producer.client_asks import Asked, Trade, check_deadline, encode_asked, encode_trade
from producer.client_post import Post
from producer.client_result import Answer, Result
from producer.client_roles import read, send, watch

DEADLINE = 5.0
"""Seconds for one trade: somebody waits for it."""

BATCH_DEADLINE = 60.0
"""Seconds for each of many trades, from when it is sent: it waits for those before it."""

LAST_WORDS = 1.0
"""Seconds that leaving may take, if the server does not answer."""


class Client:
    """Asks a grid for prices; made by ``connect``. For one event loop, and any of its tasks."""

    def __init__(self, post: Post) -> None:
        self._post = post

    async def price(
        self, trade: Trade, *, deadline: float = DEADLINE, **asked: Unpack[Asked]
    ) -> Result:
        """Price one trade within ``deadline`` seconds.

        Cancelled, it withdraws the trade, unless a consumer has begun with it. Raises NotPriced if
        there is no price, and UsageError for what no consumer could read.
        """
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def finish(answer: Answer) -> None:
            if not answered.done():  # as it is once its waiter has been cancelled
                answered.set_result(answer)

        call = self._post.start(
            encode_trade(trade), encode_asked(asked), check_deadline(deadline), finish
        )
        try:
            answer = await answered
        finally:
            self._post.give_up(call)
        if isinstance(answer, NotPriced):
            raise answer
        return answer

    @asynccontextmanager
    async def price_all(
        self,
        trades: Iterable[Trade | NotPriced] | AsyncIterable[Trade | NotPriced],
        *,
        deadline: float = BATCH_DEADLINE,
        in_order: bool = False,
        at_once: int = AT_ONCE,
        **asked: Unpack[Asked],
    ) -> AsyncIterator[Answers]:
        """Price many trades; yields what to iterate over for their answers as they come.

        Each answer is a pair: the number of the trade among those given, from 0, and its Result or
        the NotPriced that says why there is none: one bad trade does not end the others. With
        ``in_order`` they come in the order of the trades. Trades are taken from ``trades`` only as
        fast as answers are read: at most ``at_once`` are ahead of the reader. A NotPriced among
        them is passed on in its place. ``deadline`` is for each trade, from when it is sent.

        Leaving the block early withdraws what is still under way. Raises UsageError as ``price``
        does, for what is asked of all.
        """
        answers = self.answers(deadline=deadline, in_order=in_order, at_once=at_once, **asked)
        try:
            async with feeding(answers, trades):
                yield answers
        finally:
            answers.close()

    def answers(
        self,
        *,
        deadline: float = BATCH_DEADLINE,
        in_order: bool = False,
        at_once: int = AT_ONCE,
        **asked: Unpack[Asked],
    ) -> Answers:
        """The answers to trades that the caller puts in by himself, and closes in the end."""
        request, seconds = encode_asked(asked), check_deadline(deadline)
        return Answers(self._post, request, seconds, at_once, in_order=in_order)


@asynccontextmanager
async def connect(url: str | Address, *, limit: int = REPLIES_KEPT) -> AsyncIterator[Client]:
    """Connect to the grid at a Redis URL, as ``AZFINSIM_REDIS_URL`` has it.

    ``limit`` is how many calls of all clients may be queued or in work before one of this client's
    is refused as Busy; it must not be above ``engine.calls.REPLIES_KEPT``, so that no answer is
    lost for want of room. At the end nothing is left behind, here or on the server.

    Raises UsageError for a URL that is none, ServerError if the server cannot be reached.
    """
    address = url if isinstance(url, Address) else Address.parse(url)
    async with AsyncExitStack() as stack:
        grid = await stack.enter_async_context(open_grid(address))
        post = Post(grid, min(limit, REPLIES_KEPT))
        sending, *others = [asyncio.create_task(_guarded(post, role)) for role in ROLES]
        try:
            yield Client(post)
        finally:
            await _leave(post, sending, others)
            # Here and not by the stack: who is cancelled could not close his connections.
            with anyio.move_on_after(LAST_WORDS, shield=True):
                await stack.aclose()
        if post.defect:
            raise post.defect


async def _leave(post: Post, sending: asyncio.Task[None], others: list[asyncio.Task[None]]) -> None:
    """Withdraw what is under way, end the tasks and delete what was answered."""
    post.close()
    # Also where the caller is cancelled; but no server that hangs keeps him.
    with anyio.move_on_after(LAST_WORDS, shield=True):
        await asyncio.wait([sending])
        with suppress(RedisError, RedisClusterException):
            await post.grid.calls.forget(post.partition, post.client)
    left = {sending, *others}
    with anyio.CancelScope(shield=True):
        while left:
            # Until it is heard: asyncio.wait_for, on which the Redis client rests, may lose a
            # cancellation before Python 3.12. A role that goes on sees that the post is closed.
            for task in left:
                task.cancel()
            _, left = await asyncio.wait(left, timeout=0.1)


ROLES: Sequence[Callable[[Post], Awaitable[None]]] = (send, read, watch)
"""What runs in the background, until the post is closed."""


async def _guarded(post: Post, role: Callable[[Post], Awaitable[None]]) -> None:
    """Run a role; a fault of ours in it must not leave callers waiting."""
    try:
        await role(post)
    except Exception as error:
        post.defect = error
        post.close()
