"""The realtime client for callers that are not async: the same, with its event loop in a thread.

with connect_sync("redis://127.0.0.1:6379") as grid:
    result = grid.price({"spot": 0.9, ...}, algorithm="deltavega")
"""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Unpack

from anyio.from_thread import BlockingPortal, start_blocking_portal

from engine.calls import REPLIES_KEPT
from engine.connection import Address
from engine.errors import Closed, NotPriced
from producer.client import BATCH_DEADLINE, DEADLINE, Client, connect
from producer.client_answers import AT_ONCE, Answers, Numbered
from producer.client_asks import Asked, Trade
from producer.client_result import Result

TAKEN = 100
"""Trades taken from an iterable before its caller gets the answers that are there."""


class SyncClient:
    """Asks a grid for prices; made by ``connect_sync``. For any thread."""

    def __init__(self, portal: BlockingPortal, client: Client) -> None:
        self._portal, self._client = portal, client

    def price(self, trade: Trade, *, deadline: float = DEADLINE, **asked: Unpack[Asked]) -> Result:
        """Price one trade; see ``Client.price``. Ctrl-C withdraws it."""
        call = partial(self._client.price, trade, deadline=deadline, **asked)
        future = self._portal.start_task_soon(call)
        try:
            return future.result()
        finally:
            future.cancel()  # nothing, if it has ended

    @contextmanager
    def price_all(
        self,
        trades: Iterable[Trade | NotPriced],
        *,
        deadline: float = BATCH_DEADLINE,
        in_order: bool = False,
        at_once: int = AT_ONCE,
        **asked: Unpack[Asked],
    ) -> Iterator[Iterator[Numbered]]:
        """Price many trades; see ``Client.price_all``.

        ``trades`` is read in the thread that reads the answers, a hundred at a time.
        """
        answers = self._client.answers(
            deadline=deadline, in_order=in_order, at_once=at_once, **asked
        )
        reader = _Answers(self._portal, answers, iter(trades))
        try:
            yield reader
        finally:
            reader.left = True
            self._portal.call(answers.close)


class _Answers(Iterator[Numbered]):
    """Feeds trades and reads answers by turns."""

    def __init__(
        self, portal: BlockingPortal, answers: Answers, trades: Iterator[Trade | NotPriced]
    ) -> None:
        self._portal, self._answers, self._trades = portal, answers, trades
        self._ready: deque[Numbered] = deque()
        self._fed = False
        self.left = False
        """Whether the block that it was made for has ended."""

    def __next__(self) -> Numbered:
        if self.left:
            # Read on, it would send trades that nobody waits for.
            raise Closed("the answers are there within the `with` block of price_all alone")
        if not self._ready:
            batch = self._next_trades()
            self._ready.extend(self._portal.call(self._exchange, batch))
        if not self._ready:
            raise StopIteration
        return self._ready.popleft()

    def _next_trades(self) -> list[Trade | NotPriced]:
        wanted = 0 if self._fed else min(self._answers.room, TAKEN)
        batch = list(islice(self._trades, wanted))
        self._fed = self._fed or len(batch) < wanted
        return batch

    async def _exchange(self, batch: list[Trade | NotPriced]) -> list[Numbered]:
        for trade in batch:
            self._answers.put(trade)
        if self._fed:
            self._answers.end()
        return await self._answers.some()


@contextmanager
def connect_sync(url: str | Address, *, limit: int = REPLIES_KEPT) -> Iterator[SyncClient]:
    """Connect to a grid; see ``connect``."""
    with (
        start_blocking_portal(backend_options={"use_uvloop": True}) as portal,
        portal.wrap_async_context_manager(connect(url, limit=limit)) as client,
    ):
        yield SyncClient(portal, client)
