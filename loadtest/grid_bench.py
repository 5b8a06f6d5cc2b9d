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
from loadtest.measure import cpu_seconds, data_bytes
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
        with self.step(f"make and inject {trades:,} trades"):
            await self._inject()
        book = await self._note_memory("trade")
        with self.step("submit"):
            job = await self._submit(Job("stream", "synthetic", options={"task_duration": 0}))
        await self._note_memory("queued")
        with self.step("stream, decode, settle"):
            await self._stream(job)
        await self._note_memory("synthetic")
        for algorithm in ("pvonly", "deltavega"):
            with self.step(f"results of {algorithm}"):
                await self._weigh(algorithm, book / trades)
        with self.step("a consumer's start"):
            await self._start_up()

    async def _inject(self) -> None:
        before = await cpu_seconds(self.grid.redis)
        began = time.perf_counter()
        await load(self.grid.cache, "default", self._made(), lambda _batch: None)
        seconds = time.perf_counter() - began
        self.measured.add("inject_seconds", seconds)
        self.measured.add("inject_rate", self.measured.trades / seconds)
        await self._note_cpu("inject", before)

    def _made(self) -> Iterator[Batch]:
        return map(Batch, batches(0, 0, self.measured.trades, BATCH))

    async def _submit(self, request: Job) -> Job:
        before = await cpu_seconds(self.grid.redis)
        began = time.perf_counter()
        submitted = await submit(self.grid, request)
        self.measured.add("submit_seconds", time.perf_counter() - began)
        await self._note_cpu("submit", before)
        return submitted.job

    async def _stream(self, job: Job) -> None:
        """All is queued when the consumer comes: from then to the last settle."""
        before = await cpu_seconds(self.grid.redis)
        started = time.time()
        with consumer(self.url, self.folder / "stream.log") as process:
            since = await serving_since(process)
            self.measured.add("serving_seconds", since - started)
            done = await self._finished(job, process)
            # The server's clock is this machine's.
            self.measured.add("stream_rate", self.measured.trades / (done.settled_at - since))
            await self._note_cpu("stream", before)
            self._note_resident("consumer_mb", process)

    async def _weigh(self, algorithm: str, trade_bytes: float) -> None:
        """What a result of this algorithm weighs, on top of its trade."""
        count = min(self.measured.trades, PRICED)
        before = await data_bytes(self.grid.redis)
        request = Job(algorithm, algorithm, trades=f"0:{count}", paths=PRICED_PATHS)
        job = (await submit(self.grid, request)).job
        with consumer(self.url, self.folder / f"{algorithm}.log") as process:
            await self._finished(job, process)
            if algorithm == "deltavega":
                self._note_resident("consumer_pricing_mb", process)
        result_bytes = (await data_bytes(self.grid.redis) - before) / count
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
        self.measured.add("first_price_seconds", done.settled_at - started)

    async def _finished(self, job: Job, process: Watched) -> Progress:
        done = await wait(self.grid, job, on_look=lambda _look: process.check())
        if not done.well:
            raise ProcessFailed(f"not every trade of job {job.name} was priced: {done.report()}")
        return done

    async def _note_cpu(self, what: str, before: float) -> None:
        seconds = await cpu_seconds(self.grid.redis) - before
        self.measured.add(f"redis_cpu_{what}", seconds * MILLION / self.measured.trades)

    async def _note_memory(self, what: str) -> int:
        held = await data_bytes(self.grid.redis)
        self.measured.add(f"redis_bytes_{what}", held / self.measured.trades)
        return held

    def _note_resident(self, key: str, process: Watched) -> None:
        resident = resident_bytes(process.pid)
        if resident is not None:
            self.measured.add(key, resident / MEGABYTE)
