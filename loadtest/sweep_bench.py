"""One run of the benchmark of sweeps: what a call costs the server that looks for lapsed leases.

By the server's own count, with very many entries pending: all of them of a consumer that lives,
and then all of one that is dead. The slowest call takes in whatever kept the server from its core.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from engine import keys, leash
from engine.connection import Address
from engine.embedded import EmbeddedServer
from engine.grid import Grid, open_grid
from engine.job import Lane
from loadtest.figures import Measured
from loadtest.grid_bench import Step
from loadtest.processes import ProcessFailed

STREAM = keys.stream(0, Lane.BULK)

AT_ONCE = 10_000
"""Entries queued, and delivered, in one exchange."""

MOST_CALLS = 5_000
"""Calls of a sweep that are measured."""

ROOM = 100
"""Entries that the sweeping consumer has room for: as many as it takes in any one go."""

HOUR_MS = 3_600_000

STARTING = 10.0
"""Seconds that a server may take to answer."""

REDIS = "redis-server"


@dataclass(frozen=True, slots=True)
class SweepRun:
    """One run; adds what it measures to ``measured``."""

    folder: Path
    """For the files of the servers."""
    measured: Measured
    step: Step
    pending: int

    async def run(self) -> None:
        """Measure on Valkey, and on Redis too if it is installed."""
        with EmbeddedServer() as server:
            await self._measure("sweep", "Valkey", server.url)
        if shutil.which(REDIS) is not None:
            with _redis(self.folder / "redis") as url:
                await self._measure("sweep_redis", "Redis", url)

    async def _measure(self, key: str, server: str, url: str) -> None:
        with self.step(f"sweeps on {server}: queue and deliver {self.pending:,} entries"):
            await _answering(url)
            async with open_grid(Address.parse(url)) as grid:
                await self._fill(grid)
        async with open_grid(Address.parse(url)) as grid:
            for what, lease_ms in (("good", HOUR_MS), ("lapsed", 0)):
                with self.step(f"sweeps on {server}: leases that are {what}"):
                    mean, worst = await _sweep(grid, lease_ms)
                self.measured.add(f"{key}_{what}_us", mean)
                self.measured.add(f"{key}_{what}_worst_us", worst)

    async def _fill(self, grid: Grid) -> None:
        await grid.streams.ensure_groups([Lane.BULK])
        for first in range(0, self.pending, AT_ONCE):
            count = min(AT_ONCE, self.pending - first)
            pipe = grid.redis.pipeline(transaction=False)
            for number in range(first, first + count):
                ids = f"{100 * number}-{100 * number + 99}"
                pipe.xadd(STREAM, {"job": "night", "epoch": 1, "ids": ids})
            await pipe.execute()
            await grid.streams.take("holder", 0, [Lane.BULK], count, None)


async def _sweep(grid: Grid, lease_ms: int) -> tuple[float, float]:
    """One sweep; the mean and the slowest of its calls, in microseconds of the server."""
    server: Any = grid.redis  # whose info and slow log have no types
    await server.config_set("slowlog-max-len", MOST_CALLS)
    await server.config_set("slowlog-log-slower-than", 0)
    await server.config_resetstat()
    await server.slowlog_reset()
    cursor, calls = "0-0", 0
    while calls == 0 or (cursor != "0-0" and calls < MOST_CALLS):
        cursor, _ = await grid.streams.reclaim("heir", 0, Lane.BULK, lease_ms, cursor, ROOM)
        calls += 1
    await server.config_set("slowlog-log-slower-than", -1)
    told = (await server.info("commandstats"))["cmdstat_xautoclaim"]
    log = await server.slowlog_get(MOST_CALLS)
    worst = max(each["duration"] for each in log if each["command"].startswith(b"XAUTOCLAIM"))
    return float(told["usec_per_call"]), float(worst)


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    """A Redis server that stores nothing; its URL."""
    folder.mkdir()
    socket = folder / "socket"
    command = [REDIS, "--port", "0", "--unixsocket", str(socket), "--save", ""]
    with (folder / "log").open("wb") as log:
        held = leash.start([*command, "--dir", str(folder)], grace=1.0, output=log)
    try:
        yield f"unix://{socket}"
    finally:
        held.stop(1.0)


async def _answering(url: str) -> None:
    path = anyio.Path(url.removeprefix("unix://"))
    with anyio.move_on_after(STARTING):
        while not await path.exists():  # noqa: ASYNC110 - a server sets no event
            await anyio.sleep(0.01)
        return
    raise ProcessFailed(f"the server at {url} does not answer within {STARTING:g} s")
