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

VICIOUS = 50
"""Of so many calls one raises, and one exhausts memory."""

DEADLY = 400
"""Of so many one kills its process, which is a whole consumer the first time."""

DUE = {"raises": "Rejected", "exhausts": "Rejected", "kills": "Dead"}
"""What the callers of poison are to be told."""


@dataclass(slots=True)
class Caller:
    """Makes calls at a steady rate, whether or not they are answered."""

    address: Address
    seed: int
    """Of the book: calls are for its trades."""
    trades: int
    rate: float
    """Calls a second."""
    poison: bool = False
    """Whether some are for trades that raise, exhaust memory, or kill their process."""
    deadly: bool = True
    """Whether poison may kill."""
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
        number = len(self.calls)
        vice = self._vice(number) if self.poison and not last else ""
        called = Called(number % self.trades, last=last, due=DUE.get(vice, PRICED))
        self.calls.append(called)
        calling.start_soon(self._await, client, called, vice)

    def _vice(self, number: int) -> str:
        """What the pricing of a call does that it should not."""
        if number % DEADLY == DEADLY // 2:
            return "kills" if self.deadly else ""
        return {VICIOUS // 3: "raises", VICIOUS // 2: "exhausts"}.get(number % VICIOUS, "")

    async def _await(self, client: Client, called: Called, vice: str) -> None:
        options = {vice: [called.trade]} if vice else {}
        terms = {"id": called.trade, **generate(self.seed, called.trade, 1).row(0)}
        began = time.monotonic()
        try:
            result = await client.price(
                terms,
                deadline=DEADLINE,
                algorithm=NAME,
                seed=SEED,
                paths=PATHS,
                options=options,
            )
            called.ending, called.record = PRICED, result.record
        except NotPriced as error:
            called.ending = type(error).__name__
        called.answers += 1
        called.seconds = time.monotonic() - began
