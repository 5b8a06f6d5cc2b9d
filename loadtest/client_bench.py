"""One run of the benchmark of the realtime client: as many calls as it can have under way.

What no scenario shows, since in an open loop nobody waits: how fast one client of the users' own
gets through many trades, and what becomes of very many callers at the same moment.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from engine.errors import NoConsumers, NotPriced
from loadtest.figures import Measured
from loadtest.generator.calls import trades_for
from loadtest.grid_bench import Step
from loadtest.processes import START_SECONDS, ProcessFailed, Watched, consumer
from producer.client import Client, connect

ALGORITHM = "european"
"""A closed form, which takes microseconds."""

PER_SECOND = 10_000
"""Trades for each second that is asked to be measured: about half of it."""

AT_ONCE = 2_000
"""Of them under way at any time."""

BURST = 10_000
"""Calls made at once on one client."""

DEADLINE = 30.0

WARM_UP = 50
"""Trades priced before: kernels are loaded, and the pace is known."""


@dataclass(frozen=True, slots=True)
class ClientRun:
    """One run; adds what it measures to ``measured``."""

    url: str
    folder: Path
    """For the logs of the processes."""
    measured: Measured
    step: Step
    seconds: float

    async def run(self) -> None:
        """Measure all. Raises ProcessFailed if the consumer fails."""
        with consumer(self.url, self.folder / "realtime.log") as process:
            async with connect(self.url) as client:
                with self.step("realtime: a consumer's start"):
                    await _warm_up(client, process)
                with self.step("realtime: closed-form trades"):
                    await self._throughput(client)
                with self.step(f"realtime: {BURST:,} calls at once"):
                    await self._burst(client)
            # Its death would show as errors only.
            process.check()

    async def _throughput(self, client: Client) -> None:
        """Many trades under way on one client, all the time."""
        trades = _trades(round(self.seconds * PER_SECOND))
        errors = 0
        began = time.perf_counter()
        async with client.price_all(
            trades, algorithm=ALGORITHM, at_once=AT_ONCE, deadline=DEADLINE
        ) as answers:
            async for _, answer in answers:
                errors += isinstance(answer, NotPriced)
        seconds = time.perf_counter() - began
        self.measured.add("quick_rate", (len(trades) - errors) / seconds)
        self.measured.add("quick_errors", errors)

    async def _burst(self, client: Client) -> None:
        """As many callers at the same moment."""
        trades = _trades(BURST)
        began = time.perf_counter()
        answers = await asyncio.gather(
            *(client.price(trade, algorithm=ALGORITHM, deadline=DEADLINE) for trade in trades),
            return_exceptions=True,
        )
        self.measured.add("burst_seconds", time.perf_counter() - began)
        errors = [answer for answer in answers if isinstance(answer, BaseException)]
        if defect := next((error for error in errors if not isinstance(error, NotPriced)), None):
            raise defect
        self.measured.add("burst_errors", len(errors))


async def _warm_up(client: Client, process: Watched) -> None:
    """Have some trades priced, as soon as the consumer has announced itself."""
    with anyio.move_on_after(START_SECONDS):
        for trade in _trades(WARM_UP):
            while not await _served(client, trade):
                process.check()
        return
    raise ProcessFailed(f"{process.what} is not ready: {process.last_words()}")


async def _served(client: Client, trade: Mapping[str, Any]) -> bool:
    """Have a trade priced, unless there is nobody yet. Raises NotPriced for any other reason."""
    try:
        await client.price(trade, algorithm=ALGORITHM, deadline=DEADLINE)
    except NoConsumers:
        return False
    return True


def _trades(count: int) -> Sequence[Mapping[str, object]]:
    return trades_for(ALGORITHM, seed=0, count=count)
