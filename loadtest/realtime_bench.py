"""One run of the realtime benchmark on a fresh server: a client here, and one consumer process.

Open loop, and counted from when each call was planned; what is counted besides pricing takes in
whatever kept this process from sending it in time.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio

from engine.errors import NoConsumers, NotPriced
from engine.grid import Grid
from engine.job import Job, State
from loadtest.echo_peer import round_trips
from loadtest.figures import Measured
from loadtest.grid_bench import Step
from loadtest.latency import Latency
from loadtest.open_loop import offer
from loadtest.processes import START_SECONDS, ProcessFailed, Watched, consumer
from loadtest.schedule import constant
from producer.client import Client, connect
from producer.generate import batches, generate
from producer.load import Batch, load
from producer.submit import submit

LANES = "realtime,high,bulk"

RATE = 50.0
"""Trades a second, as one desk might ask for; each takes 4 ms of a core."""

QUICK_PER_SECOND = 10_000
"""Trades of the closed form, for each second that is asked to be measured: about half of it."""

AT_ONCE = 2_000
"""Of them under way at any time."""

BURST = 10_000
"""Calls made at once on one client."""

DEADLINE = 30.0
"""Seconds: late is late, and shows in the percentiles rather than as an error."""

WARM_UP = 50
"""Trades of each algorithm that are priced before: kernels are loaded, and the pace is known."""

BULK_CHUNK = 75
"""Trades that a bulk slot prices in one go: some 300 ms."""

BULK_PER_SECOND = 750
"""Trades of the bulk job, for each second that is measured: more than two cores can price."""

BOOK_SEED = 1
"""Of the bulk job's book; the realtime trades are of another."""

PERCENTILES = {"p50": 50.0, "p99": 99.0}


@dataclass(slots=True)
class Calls:
    """What came of calls."""

    total: Latency = field(default_factory=Latency)
    """From the plan to the answer."""
    besides: Latency = field(default_factory=Latency)
    """The same without the time in the pricer."""
    errors: Counter[str] = field(default_factory=Counter)
    """Calls without a price, by why."""

    def priced(self, seconds: float, priced_ms: float) -> None:
        """Note a call that brought a price."""
        self.total.record(seconds)
        self.besides.record(seconds - priced_ms / 1000)

    def failed(self, error: NotPriced) -> None:
        """Note one that did not."""
        self.errors[type(error).__name__] += 1


@dataclass(frozen=True, slots=True)
class RealtimeRun:
    """One run; adds what it measures to ``measured``."""

    grid: Grid
    url: str
    folder: Path
    """For the logs of the processes."""
    measured: Measured
    step: Step
    seconds: float
    """For which each of the open loops lasts."""

    async def run(self) -> None:
        """Measure all.

        Raises ProcessFailed if a process fails, or the bulk job does not keep the consumer busy.
        """
        with self.step("realtime: the bare round trip"):
            planned = constant(RATE, self.seconds)
            echo = await round_trips(self.url, planned, self.folder / "echo.log")
            self._note("echo", echo)
        log = self.folder / "realtime.log"
        with consumer(self.url, log, "--lane", LANES) as process:
            async with connect(self.url) as client:
                with self.step("realtime: a consumer's start"):
                    await _warm_up(client, process)
                with self.step("realtime: closed-form trades"):
                    await self._throughput(client)
                with self.step(f"realtime: {BURST:,} calls at once"):
                    await self._burst(client)
                with self.step(f"realtime: {RATE:.0f} trades a second, idle"):
                    idle = await self._open_loop(client, "realtime")
                with self.step(f"realtime: {RATE:.0f} trades a second, beside bulk"):
                    busy = await self._beside_bulk(client, process)
            # Its death would show as errors only.
            process.check()
        self.measured.add("besides_to_echo", idle.besides.percentile(50) / echo.percentile(50))
        self.measured.add("busy_ratio", busy.total.percentile(99) / idle.total.percentile(99))
        self.measured.add("realtime_errors", (idle.errors + busy.errors).total())

    async def _throughput(self, client: Client) -> None:
        """Many closed-form trades under way on one client, all the time."""
        trades = options(round(self.seconds * QUICK_PER_SECOND))
        errors = 0
        began = time.perf_counter()
        async with client.price_all(
            trades, algorithm="european", at_once=AT_ONCE, deadline=DEADLINE
        ) as answers:
            async for _, answer in answers:
                errors += isinstance(answer, NotPriced)
        seconds = time.perf_counter() - began
        self.measured.add("quick_rate", (len(trades) - errors) / seconds)
        self.measured.add("quick_errors", errors)

    async def _burst(self, client: Client) -> None:
        """As many callers at the same moment."""
        trades = options(BURST)
        began = time.perf_counter()
        answers = await asyncio.gather(
            *(client.price(trade, algorithm="european", deadline=DEADLINE) for trade in trades),
            return_exceptions=True,
        )
        self.measured.add("burst_seconds", time.perf_counter() - began)
        errors = [answer for answer in answers if isinstance(answer, BaseException)]
        if defect := next((error for error in errors if not isinstance(error, NotPriced)), None):
            raise defect
        self.measured.add("burst_errors", len(errors))

    async def _beside_bulk(self, client: Client, process: Watched) -> Calls:
        """Realtime trades while a job's chunks, of some 300 ms, are in every slot of bulk."""
        count = max(10 * BULK_CHUNK, round(self.seconds * BULK_PER_SECOND))
        made = map(Batch, batches(BOOK_SEED, 0, count, size=2_000))
        await load(self.grid.cache, "default", made, lambda _batch: None)
        job = (await submit(self.grid, Job("beside", "pvonly", chunk=BULK_CHUNK))).job
        while not (before := (await self.grid.jobs.progress(job)).counts.priced):
            process.check()
            await anyio.sleep(0.01)
        began = time.monotonic()
        calls = await self._open_loop(client, "busy")
        progress = await self.grid.jobs.progress(job)
        if progress.state is not State.RUNNING:
            raise ProcessFailed(f"the bulk job ended too early: {progress.report()}")
        rate = (progress.counts.priced - before) / (time.monotonic() - began)
        self.measured.add("busy_bulk_rate", rate)
        return calls

    async def _open_loop(self, client: Client, key: str) -> Calls:
        """Offer trades of 10,000 paths at a constant rate, and note how long each took."""
        trades = warrants(round(RATE * self.seconds))
        calls = Calls()

        async def request(number: int, plan: float) -> None:
            try:
                result = await client.price(trades[number], deadline=DEADLINE)
            except NotPriced as error:
                calls.failed(error)
            else:
                calls.priced(time.perf_counter() - plan, result.priced_ms)

        await offer(constant(RATE, self.seconds), request)
        if not len(calls.total):
            raise ProcessFailed(f"no realtime trade was priced: {dict(calls.errors)}")
        self._note(key, calls.total)
        self._note(f"{key}_besides", calls.besides)
        return calls

    def _note(self, key: str, latency: Latency) -> None:
        for name, percent in PERCENTILES.items():
            self.measured.add(f"{key}_{name}", latency.percentile(percent) * 1000)


async def _warm_up(client: Client, process: Watched) -> None:
    """Have some trades priced, as soon as the consumer has announced itself."""
    with anyio.move_on_after(START_SECONDS):
        for algorithm, trades in (
            ("pvonly", warrants(WARM_UP)),
            ("european", options(WARM_UP)),
        ):
            for trade in trades:
                while not await _served(client, trade, algorithm):
                    process.check()
        return
    raise ProcessFailed(f"{process.what} is not ready: {process.last_words()}")


async def _served(client: Client, trade: Mapping[str, Any], algorithm: str) -> bool:
    """Have a trade priced, unless there is nobody yet. Raises NotPriced for any other reason."""
    try:
        await client.price(trade, algorithm=algorithm, deadline=DEADLINE)
    except NoConsumers:
        return False
    return True


def warrants(count: int) -> Sequence[Mapping[str, object]]:
    """Trades as the book's: 10,000 paths of 172 steps each."""
    book = generate(seed=0, first=0, count=count)
    return [book.row(row) for row in range(count)]


def options(count: int) -> Sequence[Mapping[str, object]]:
    """As many European options on the book's spots, strikes and volatilities."""
    book = generate(seed=0, first=0, count=count)
    spots, strikes, vols = (book.columns[name] for name in ("spot", "strike", "vol"))
    return [
        {
            "id": number,
            "product": "european",
            "option_type": "put" if number % 2 else "call",
            "spot": spots[number],
            "strike": strikes[number],
            "vol": vols[number],
            "maturity": 0.5,
            "domestic_rate": 0.03,
            "foreign_rate": 0.01,
            "notional": 1_000_000,
        }
        for number in range(count)
    ]
