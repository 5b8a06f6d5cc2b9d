"""Realtime calls beside the jobs: a steady stream of them, and what each was answered."""

import time
from dataclasses import dataclass, field

import anyio
from anyio.abc import TaskGroup

from engine.connection import Address
from engine.errors import NotPriced
from loadtest.chaos.audit import PRICED, Called
from loadtest.chaos.pricers import NAME
from loadtest.chaos.work import PATHS, SEED
from producer.client import Client, connect
from producer.generate import generate

DEADLINE = 15.0
"""Seconds: longer than any one fault lasts."""


@dataclass(slots=True)
class Caller:
    """Makes calls at a steady rate, whether or not they are answered."""

    address: Address
    seed: int
    """Of the book: calls are for its trades."""
    trades: int
    rate: float
    """Calls a second."""
    calls: list[Called] = field(default_factory=list)
    finished: anyio.Event = field(default_factory=anyio.Event)
    """That all calls were answered, and the connection is closed."""
    _stop: anyio.Event = field(default_factory=anyio.Event)

    async def run(self) -> None:
        """Call until ``finish``, then wait for what is under way."""
        async with connect(self.address) as client, anyio.create_task_group() as calling:
            while not self._stop.is_set():
                self._call(client, calling)
                with anyio.move_on_after(1 / self.rate):
                    await self._stop.wait()
        self.finished.set()

    async def last_calls(self, count: int) -> None:
        """Call when all is healed, on a connection of its own."""
        async with connect(self.address) as client, anyio.create_task_group() as calling:
            for _ in range(count):
                self._call(client, calling, last=True)

    def finish(self) -> None:
        """Make no more calls."""
        self._stop.set()

    def _call(self, client: Client, calling: TaskGroup, *, last: bool = False) -> None:
        called = Called(len(self.calls) % self.trades, last=last)
        self.calls.append(called)
        calling.start_soon(self._await, client, called)

    async def _await(self, client: Client, called: Called) -> None:
        terms = {"id": called.trade, **generate(self.seed, called.trade, 1).row(0)}
        began = time.monotonic()
        try:
            result = await client.price(
                terms, deadline=DEADLINE, algorithm=NAME, seed=SEED, paths=PATHS
            )
            called.ending, called.record = PRICED, result.record
        except NotPriced as error:
            called.ending = type(error).__name__
        called.answers += 1
        called.seconds = time.monotonic() - began
