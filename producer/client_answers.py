"""The answers to many realtime calls: how many are under way, and in which order they come."""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial

import anyio

from engine.errors import NotPriced, Rejected, UsageError
from producer.client_asks import Trade, encode_trade
from producer.client_post import Open, Post
from producer.client_result import Answer

AT_ONCE = 500
"""Trades ahead of the reader: enough for the fastest pricer, and a few seconds of a slow one."""

BREATH = 50
"""Trades taken from an iterable before others have their turn."""

Numbered = tuple[int, Answer]
"""The number of a trade among those given, from 0, and what came of it."""


class Answers:
    """Iterates over the answers to trades as they are put in; see ``Client.price_all``."""

    def __init__(
        self, post: Post, request: bytes, seconds: float, at_once: int, *, in_order: bool
    ) -> None:
        if at_once < 1:
            raise UsageError(f"at_once is {at_once}: must be at least 1")
        self._post, self._request, self._seconds = post, request, seconds
        self._at_once, self._in_order = at_once, in_order
        self._open: dict[int, Open] = {}
        self._ready: deque[Numbered] = deque()
        self._held: dict[int, Answer] = {}
        """Answers that wait for the one before them, if they are to come in order."""
        self._put = self._released = self._taken = 0
        self._ended = False
        self._error: Exception | None = None
        self._change = asyncio.Event()

    @property
    def room(self) -> int:
        """How many trades may be put in now."""
        return self._at_once - (self._put - self._taken)

    async def wait_for_room(self) -> None:
        while self.room < 1:
            await self._changed()

    def put(self, trade: Trade | NotPriced) -> None:
        """Send a trade; one that cannot be sent, or has not come to be one, has its answer."""
        number, self._put = self._put, self._put + 1
        if isinstance(trade, NotPriced):
            self._arrive(number, trade)
            return
        try:
            data = encode_trade(trade)
        except UsageError as error:
            self._arrive(number, Rejected(str(error)))
            return
        self._open[number] = self._post.start(
            data, self._request, self._seconds, partial(self._arrive, number)
        )

    def end(self, error: Exception | None = None) -> None:
        """Say that no trade will be put in any more; an error is raised when all else is read."""
        self._ended, self._error = True, error
        self._change.set()

    def close(self) -> None:
        """Withdraw what is under way; there are no more answers than those that have come."""
        self._ended = True
        for call in self._open.values():
            self._post.give_up(call)
        self._open.clear()
        self._change.set()

    async def some(self) -> list[Numbered]:
        """All answers that are there, at least one; none at the end."""
        if not await self._any():
            return []
        found = list(self._ready)
        self._ready.clear()
        self._take(len(found))
        return found

    def __aiter__(self) -> AsyncIterator[Numbered]:
        return self

    async def __anext__(self) -> Numbered:
        if not await self._any():
            raise StopAsyncIteration
        self._take(1)
        return self._ready.popleft()

    async def _any(self) -> bool:
        """Wait for an answer; False at the end."""
        while not self._ready:
            if self._ended and not self._open:
                if self._error is not None:
                    raise self._error
                return False
            await self._changed()
        return True

    def _take(self, count: int) -> None:
        self._taken += count
        self._change.set()

    def _arrive(self, number: int, answer: Answer) -> None:
        self._open.pop(number, None)
        if self._in_order:
            self._held[number] = answer
            while (following := self._released) in self._held:
                self._ready.append((following, self._held.pop(following)))
                self._released += 1
        else:
            self._ready.append((number, answer))
        self._change.set()

    async def _changed(self) -> None:
        self._change.clear()
        await self._change.wait()


@asynccontextmanager
async def feeding(
    answers: Answers,
    trades: Iterable[Trade | NotPriced] | AsyncIterable[Trade | NotPriced],
) -> AsyncIterator[None]:
    """Put trades in, as long as the body runs."""
    feeder = asyncio.create_task(_feed(answers, trades))
    try:
        yield
    finally:
        feeder.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait([feeder])


async def _feed(
    answers: Answers,
    trades: Iterable[Trade | NotPriced] | AsyncIterable[Trade | NotPriced],
) -> None:
    try:
        async for trade in trades if isinstance(trades, AsyncIterable) else _breathing(trades):
            await answers.wait_for_room()
            answers.put(trade)
    except Exception as error:
        answers.end(error)  # It is the reader's to know.
    else:
        answers.end()


async def _breathing(trades: Iterable[Trade | NotPriced]) -> AsyncIterator[Trade | NotPriced]:
    for number, trade in enumerate(trades, start=1):
        yield trade
        if number % BREATH == 0:
            await asyncio.sleep(0)
