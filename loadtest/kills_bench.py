"""One run of the benchmark of kills: the same work undisturbed, and with a SIGKILL each second.

Both are measured alike: the same trades, consumers and server, and the trades that end within a
window that begins when everything is in its stride. So neither the start of the first consumers nor
the last lease, which a short job would wait for, is in either figure.
"""

import random
import secrets
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import anyio

from engine.cancel import cancel
from engine.connection import Address
from engine.grid import Grid
from engine.job import Job
from loadtest import waiting_pricer
from loadtest.chaos.seats import Seat, Seats
from loadtest.figures import Measured
from loadtest.grid_bench import Step
from loadtest.processes import ProcessFailed
from producer.generate import batches
from producer.load import Batch, load
from producer.submit import submit

EVERY = 1.0
"""Seconds between kills."""

STRIDE = 0.5
"""Of a window, before it, for work and kills to get into their stride: twice a lease in a window of
40 s, so that what the first of the killed had held is taken over as fast as more is left behind."""

BATCH = 2_000

SPARE = 1.5
"""How many times the trades that can be priced are submitted: there is always more to do."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What is priced, and by whom."""

    key: str
    """Of its figures."""
    what: str
    consumers: int
    """Of one slot each."""
    seconds: float
    """That a trade takes in its slot, about."""
    algorithm: str
    paths: int | None = None
    pause: float = 0.0
    """Seconds for which each trade waits."""

    def trades(self, seconds: float) -> int:
        """More than can be priced in so many seconds."""
        return int(SPARE * self.consumers * seconds / self.seconds)


SETTINGS = (
    # A grid has as many cores as slots. Here it has not, so trades wait: what is lost is then what
    # the grid loses, and not that two cores start a process each second.
    Setting(
        "kills_waiting", "8 consumers, trades wait 5 ms", 8, 0.005, waiting_pricer.NAME, None, 0.005
    ),
    # That too: starting takes a core 0.8 s, most of it for numpy and the kernels.
    Setting("kills_pricing", "4 consumers, PV of 10,000 paths", 4, 0.008, "pvonly", 10_000),
)


@dataclass(frozen=True, slots=True)
class KillsRun:
    """One run; adds what it measures to ``measured``."""

    grid: Grid
    url: str
    folder: Path
    """For the logs of the processes."""
    measured: Measured
    step: Step
    seconds: float
    """Of each window."""

    async def run(self) -> None:
        """Measure all. Raises ProcessFailed if consumers do not start, or price nothing."""
        most = max(map(self._trades, SETTINGS))
        with self.step(f"kills: make and inject {most:,} trades"):
            made = map(Batch, batches(0, 0, most, BATCH))
            await load(self.grid.cache, "default", made, lambda _batch: None)
        for setting in SETTINGS:
            with self.step(f"kills: {setting.what}, undisturbed"):
                calm = await self._rate(setting, struck=False)
            with self.step(f"kills: {setting.what}, a SIGKILL each second"):
                struck = await self._rate(setting, struck=True)
            self.measured.add(f"{setting.key}_calm_rate", calm)
            self.measured.add(f"{setting.key}_rate", struck)
            self.measured.add(f"{setting.key}_percent", 100 * struck / calm)

    async def _rate(self, setting: Setting, *, struck: bool) -> float:
        """Trades a second that end within the window."""
        name = f"{setting.key}-{'struck' if struck else 'calm'}"
        job = Job(
            name,
            setting.algorithm,
            trades=f"0:{self._trades(setting)}",
            paths=setting.paths,
            options={"pause": setting.pause} if setting.pause else {},
        )
        job = (await submit(self.grid, job)).job
        seats = Seats(self._folder(name), secrets.token_hex(8), self._seats(setting))
        try:
            async with anyio.create_task_group() as tending:
                seats.fill()
                await seats.serving()
                tending.start_soon(seats.keep)
                if struck:
                    tending.start_soon(_kill, seats)
                await anyio.sleep(STRIDE * self.seconds)
                rate = await self._watched(job)
                tending.cancel_scope.cancel()
        finally:
            seats.kill()
        await cancel(self.grid, job)
        if not rate:
            raise ProcessFailed(f"not one trade of job {name} was priced: see {self.folder}")
        return rate

    async def _watched(self, job: Job) -> float:
        before, began = await self._ended(job), time.perf_counter()
        await anyio.sleep(self.seconds)
        after, took = await self._ended(job), time.perf_counter() - began
        return (after - before) / took

    async def _ended(self, job: Job) -> int:
        return (await self.grid.jobs.progress(job)).counts.ended

    def _trades(self, setting: Setting) -> int:
        return setting.trades((1 + STRIDE) * self.seconds)

    def _folder(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder

    def _seats(self, setting: Setting) -> list[Seat]:
        address = Address.parse(self.url)
        options = ("--lane", "high,bulk", "--slots", "1")
        return [Seat(n, address, None, options) for n in range(1, setting.consumers + 1)]


async def _kill(seats: Seats) -> None:
    """Kill one of those that serve each second, for ever."""
    chance = random.Random(0)
    began = time.monotonic()
    number = 1
    while True:
        await anyio.sleep(began + number * EVERY - time.monotonic())
        number += 1
        if serving := [consumer for consumer in seats.living if consumer.name is not None]:
            chance.choice(serving).send(signal.SIGKILL)
