"""One run of the benchmark on a fresh server: a book, jobs on it, and one consumer at a time."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine.grid import Grid
from engine.job import Job, Progress
from loadtest.figures import MILLION, Measured
from loadtest.machine import resident_bytes
from loadtest.measure import Usage, usage
from loadtest.processes import ProcessFailed, Watched, consumer, serving_since
from producer.generate import batches
from producer.load import Batch, load
from producer.submit import submit
from producer.wait import wait

BATCH = 2_000
"""Trades made at once, as ``book generate`` does."""

PRICED = 20_000
"""Trades of the jobs that are priced only to see what their results weigh."""

PRICED_PATHS = 100
"""Their paths: a result is as long for 10,000, but for two digits."""

FIRST = 100
"""Trades of the job that waits for a consumer to be ready: one entry."""

MEGABYTE = 1_000_000


class Step(Protocol):
    """Shows a person what is being done while the body runs."""

    def __call__(self, what: str) -> AbstractContextManager[None]: ...


@dataclass(frozen=True, slots=True)
class GridRun:
    """One run; adds what it measures to ``measured``."""

    grid: Grid
    url: str
    folder: Path
    """For the logs of the processes."""
    measured: Measured
    step: Step

    async def run(self) -> None:
        """Measure all that needs no peer.

        Raises ProcessFailed if a consumer fails, or not every trade is priced.
        """
        trades = self.measured.trades
        empty = await usage(self.grid.redis)
        with self.step(f"make and inject {trades:,} trades"):
            book = await self._inject()
        job = Job("stream", "synthetic", options={"task_duration": 0})
        with self.step("submit"):
            job, queued = await self._submit(job)
        with self.step("stream, decode, settle"):
            settled = await self._stream(job)
        self._note_memory("trade", book, empty)
        self._note_memory("queued", queued, empty)
        self._note_memory("synthetic", settled, empty)
        for algorithm in ("pvonly", "deltavega"):
            with self.step(f"results of {algorithm}"):
                await self._weigh(algorithm, (book - empty).memory_bytes / trades)
        with self.step("a consumer's start"):
            await self._start_up()

    async def _inject(self) -> Usage:
        before = await usage(self.grid.redis)
        began = time.perf_counter()
        await load(self.grid.cache, "default", self._made(), lambda _batch: None)
        seconds = time.perf_counter() - began
        self.measured.add("inject_seconds", seconds)
        self.measured.add("inject_rate", self.measured.trades / seconds)
        return await self._note_cpu("inject", before)

    def _made(self) -> Iterator[Batch]:
        return map(Batch, batches(0, 0, self.measured.trades, BATCH))

    async def _submit(self, request: Job) -> tuple[Job, Usage]:
        before = await usage(self.grid.redis)
        began = time.perf_counter()
        submitted = await submit(self.grid, request)
        self.measured.add("submit_seconds", time.perf_counter() - began)
        return submitted.job, await self._note_cpu("submit", before)

    async def _stream(self, job: Job) -> Usage:
        """All is queued when the consumer comes: from then to the last settle."""
        before = await usage(self.grid.redis)
        started = time.time()
        with consumer(self.url, self.folder / "stream.log") as process:
            since = await serving_since(process)
            self.measured.add("serving_seconds", since - started)
            done = await self._finished(job, process)
            self.measured.add("stream_rate", self.measured.trades / (done.settled_at - since))
            self._note_resident("consumer_mb", process)
        return await self._note_cpu("stream", before)

    async def _weigh(self, algorithm: str, trade_bytes: float) -> None:
        """What a result of this algorithm weighs, on top of its trade."""
        count = min(self.measured.trades, PRICED)
        before = await usage(self.grid.redis)
        request = Job(algorithm, algorithm, trades=f"0:{count}", paths=PRICED_PATHS)
        job = (await submit(self.grid, request)).job
        with consumer(self.url, self.folder / f"{algorithm}.log") as process:
            await self._finished(job, process)
            if algorithm == "deltavega":
                self._note_resident("consumer_pricing_mb", process)
        result_bytes = (await usage(self.grid.redis) - before).memory_bytes / count
        self.measured.add(f"redis_bytes_{algorithm}", trade_bytes + result_bytes)

    async def _start_up(self) -> None:
        """From the start of a consumer to its first price; the kernels have been compiled by now.

        One path, so that the price itself takes no time.
        """
        count = min(self.measured.trades, FIRST)
        job = (await submit(self.grid, Job("first", "pvonly", trades=f"0:{count}", paths=1))).job
        started = time.time()
        with consumer(self.url, self.folder / "first.log") as process:
            done = await self._finished(job, process)
        # The server's clock is this machine's.
        self.measured.add("first_price_seconds", done.settled_at - started)

    async def _finished(self, job: Job, process: Watched) -> Progress:
        done = await wait(self.grid, job, on_look=lambda _look: process.check())
        if not done.well:
            raise ProcessFailed(f"not every trade of job {job.name} was priced: {done.report()}")
        return done

    async def _note_cpu(self, what: str, before: Usage) -> Usage:
        now = await usage(self.grid.redis)
        seconds = (now - before).cpu_seconds
        self.measured.add(f"redis_cpu_{what}", seconds * MILLION / self.measured.trades)
        return now

    def _note_memory(self, what: str, now: Usage, empty: Usage) -> None:
        self.measured.add(f"redis_bytes_{what}", (now - empty).memory_bytes / self.measured.trades)

    def _note_resident(self, key: str, process: Watched) -> None:
        resident = resident_bytes(process.pid)
        if resident is not None:
            self.measured.add(key, resident / MEGABYTE)
