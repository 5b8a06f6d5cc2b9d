"""The jobs of a run, each submitted by a process that may be killed, until all of it is queued."""

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from engine import leash
from engine.connection import Address
from engine.edge import DONE
from engine.grid import Grid
from engine.job import Job, Progress
from loadtest.chaos.patience import patiently, until
from loadtest.chaos.pricers import NAME, pricer
from loadtest.chaos.seats import MARK
from loadtest.chaos.submitter import JOB
from loadtest.processes import launch
from producer.generate import batches
from producer.load import Batch, load

BOOK = "chaos"
BATCH = 2_000

PAUSE = 0.2
"""Seconds before it is tried again."""

SUBMITTER = "loadtest.chaos.submitter"


@dataclass(slots=True)
class Order:
    """A job that is to be submitted, and seen through whatever happens to its submitter."""

    job: Job
    poison: Mapping[int, frozenset[str]] = field(default_factory=dict)
    """Trade -> the outcomes that it may have; all others are priced."""
    process: leash.Leash | None = None
    """That submits or resumes it now."""
    settled: bool = False
    """Whether all of it was queued, as far as we have been told."""
    lost: anyio.Event = field(default_factory=anyio.Event)
    """That the server has lost data since."""
    cancelled: bool = False
    """Whether somebody has cancelled it."""
    tries: int = 0

    @property
    def trades(self) -> range:
        """Those that the job is to price."""
        first, _, count = str(self.job.trades).partition(":")
        return range(int(first), int(first) + int(count))


@dataclass(slots=True)
class Work:
    """What is priced in a run, and who sees to it that it is queued."""

    grid: Grid
    address: Address
    folder: Path
    mark: str
    """Of this run's processes."""
    trades: int
    seed: int
    orders: list[Order] = field(default_factory=list)
    losses: int = 0
    """How often the server has lost data."""
    _submitting: anyio.Lock = field(default_factory=anyio.Lock)

    async def fill(self) -> None:
        """Put the trades into the book."""
        made = map(Batch, batches(self.seed, 0, self.trades, BATCH))
        await load(self.grid.cache, BOOK, made, lambda _batch: None)

    @asynccontextmanager
    async def losing(self) -> AsyncIterator[None]:
        """While the body makes the server lose data; then do what a person does about it (G4).

        That is to load the book and to resume the jobs. Meanwhile nobody submits: what looked up
        half a book would price half of it.
        """
        for order in self.orders:
            if order.process is not None:
                order.process.process.kill()
        async with self._submitting:
            yield
            self.losses += 1
            # What is left of those nobody asks for any more.
            self.orders[:] = [order for order in self.orders if not order.cancelled]
            await patiently(self.fill)
            for order in self.orders:
                order.settled = False
                order.lost.set()

    def place(self, order: Order, tending: TaskGroup) -> None:
        """Have a job submitted, and tended until ``tending`` is cancelled."""
        # Explicit, for JSON to say the same each time that it is submitted.
        order.job = replace(order.job, book=BOOK)
        self.orders.append(order)
        tending.start_soon(self._tend, order)

    async def progress(self, order: Order) -> Progress:
        return await patiently(self.grid.jobs.progress, order.job)

    async def ended(self, order: Order) -> bool:
        """Whether all its trades are queued and have their outcome."""
        return order.settled and (await self.progress(order)).ended

    async def _tend(self, order: Order) -> None:
        while True:
            while not order.settled:
                lost = order.lost.is_set()
                order.lost = anyio.Event()
                async with self._submitting:
                    queued = await self._queue(order, lost=lost)
                order.settled = queued and not order.lost.is_set()
                if not order.settled:
                    if lost:
                        order.lost.set()
                    await anyio.sleep(PAUSE)
            await order.lost.wait()

    async def _queue(self, order: Order, *, lost: bool) -> bool:
        """Submit a job, or go on with it; whether that was done in full.

        It is resumed only where the server has lost data: anything else must come right without.
        """
        known = await patiently(self.grid.jobs.known, order.job.name)
        if known and (await self.progress(order)).complete and not lost:
            return True
        if lost and known:
            return await self._run(order, "producer", "job", "resume", order.job.name) == DONE
        return await self._run(order, SUBMITTER) == DONE

    async def _run(self, order: Order, module: str, *options: str) -> int:
        order.tries += 1
        told = {MARK: self.mark, JOB: order.job.to_json().decode()}
        log = self.folder / f"submit-{order.job.name}.log"
        process = order.process = launch(
            module, options, self.address, log, grace=1.0, append=True, environment=told
        )

        async def ended() -> bool:
            return process.process.poll() is not None

        try:
            await until(ended, math.inf)
            return process.process.returncode
        finally:
            process.kill()
            order.process = None


def chaotic(name: str, first: int, count: int, **fields: object) -> Job:
    """A job of this room's pricer over some trades of the book."""
    make = partial(Job, name, NAME, trades=f"{first}:{count}", paths=PATHS, seed=SEED)
    return make(pricer_version=pricer.version, **fields)  # type: ignore[arg-type]


PATHS = 100
"""Of each trade: the bits are to be the same, not the price to be exact."""

SEED = 7
"""Of the prices, the same in all jobs, so that each trade has but one right result."""
