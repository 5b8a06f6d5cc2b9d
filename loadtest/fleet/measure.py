"""One point: a fleet of some shape at work on a server of its own, watched for a while."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import anyio

from engine import keys
from engine.connection import Address
from engine.grid import Grid, open_grid
from engine.job import Job, Lane
from loadtest.fleet.processes import Fared, fleet
from loadtest.fleet.servers import servers
from loadtest.fleet.shape import Point, Shape
from loadtest.fleet.usage import Usage, usage
from loadtest.latency import Latency
from producer.generate import batches
from producer.load import Batch, load
from producer.submit import submit

BOOK = 100_000
"""Trades of the book, over which as many jobs run as are needed."""

MOST_ENTRIES = 25_000
"""That are settled per second at most: more than one server does, and four cores ask for."""

WARM_UP = 3.0
"""Seconds, and half an entry, for consumers to get to know how long entries take."""

LONGEST_WARM_UP = 10.0


async def measure(shape: Shape, seconds: float) -> Point:
    """Start a server and a fleet, and watch them work for so many seconds.

    Raises ProcessFailed if a process of the fleet ends.
    """
    with servers(shape.nodes) as url, tempfile.TemporaryDirectory(prefix="azfinsim-") as folder:
        async with open_grid(Address.parse(url), partitions=shape.partitions) as grid:
            return await _Measurement(grid, url, Path(folder), shape, seconds).run()


class _Measurement:
    def __init__(self, grid: Grid, url: str, folder: Path, shape: Shape, seconds: float) -> None:
        self._grid, self._url, self._folder = grid, url, folder
        self._shape, self._seconds = shape, seconds
        self._jobs: list[Job] = []

    async def run(self) -> Point:
        empty = await self._usage()
        await load(self._grid.cache, "default", map(Batch, batches(0, 0, BOOK, 2_000)), _stored)
        loaded = await self._usage()
        entries = await self._submit()
        queued = await self._usage()
        with fleet(self._url, self._folder, self._shape) as running:
            await running.serving()
            await anyio.sleep(min(WARM_UP + self._shape.entry_seconds / 2, LONGEST_WARM_UP))
            began, before, done = time.time(), await self._usage(), await self._ended()
            held = []
            # Looked at while it goes on, as it swings by a read's size.
            for _ in range(4):
                await anyio.sleep(self._seconds / 4)
                held.append(await self._held())
            after, ended = await self._usage(), await self._ended()
            until = time.time()
            running.check()
            fared = running.fared(began, until)
            backlog = sum((await self._grid.streams.backlog([Lane.BULK])).values())
        return _point(
            self._shape,
            seconds=until - began,
            used=(before, after),
            trades=ended - done,
            held=sum(held) // len(held),
            backlog=backlog,
            fared=fared,
            book=_each(empty, loaded, BOOK),
            queue=_each(loaded, queued, entries),
            result_bytes=await self._result_bytes(),
        )

    async def _submit(self) -> int:
        """Queue work for the whole measurement; returns how many entries."""
        if not self._shape.price_ms:
            return 0
        wait = min(WARM_UP + self._shape.entry_seconds / 2, LONGEST_WARM_UP)
        left = self._shape.work(1.3 * (wait + self._seconds) + 2.0, MOST_ENTRIES)
        entries = 0
        while left > 0:
            count = min(left, BOOK)
            request = Job(
                f"fleet-{len(self._jobs)}",
                "synthetic",
                chunk=self._shape.chunk,
                trades=f"0:{count}",
                options={"task_duration": self._shape.price_ms},
            )
            self._jobs.append((await submit(self._grid, request)).job)
            entries += -(-count // self._shape.chunk)
            left -= count
        return entries

    async def _usage(self) -> Usage:
        return await usage(self._grid.redis, cluster=self._shape.nodes > 1)

    async def _ended(self) -> int:
        pipe = self._grid.redis.pipeline(transaction=False)
        for job in self._jobs:
            for partition in range(self._grid.partitions):
                pipe.hget(keys.counts(partition, job.name), "priced")
        return sum(int(count or 0) for count in await pipe.execute())

    async def _held(self) -> int:
        held = 0
        for partition in range(self._grid.partitions):
            stream = keys.stream(partition, Lane.BULK)
            pending = await self._grid.redis.xpending(stream, keys.GROUP)
            held += int(pending["pending"])
        return held

    async def _result_bytes(self) -> float:
        """Of one trade, in the memory of the server, by the job that was begun first."""
        if not self._jobs:
            return 0.0
        job = self._jobs[0]
        found = [
            await self._grid.redis.memory_usage(keys.results(partition, job.name), samples=0)
            for partition in range(self._grid.partitions)
        ]
        ended = (await self._grid.jobs.progress(job)).counts.ended
        return sum(each or 0 for each in found) / max(ended, 1)


def _stored(_batch: Batch) -> None:
    """Nobody watches how far the book is."""


def _each(before: Usage, after: Usage, count: int) -> dict[str, float]:
    """What one of so many things took."""
    count = max(count, 1)
    return {
        "cpu": (after.cpu_seconds - before.cpu_seconds) / count,
        "bytes": (after.memory - before.memory) / count,
    }


def _point(
    shape: Shape,
    *,
    seconds: float,
    used: tuple[Usage, Usage],
    trades: int,
    held: int,
    backlog: int,
    fared: Fared,
    book: dict[str, float],
    queue: dict[str, float],
    result_bytes: float,
) -> Point:
    before, after = used
    return Point(
        shape,
        seconds,
        trades / seconds,
        [(b - a) / seconds for a, b in zip(before.cpu, after.cpu, strict=True)],
        commands=(after.commands - before.commands) / seconds,
        reads=(after.reads - before.reads) / seconds,
        bytes_in=(after.bytes_in - before.bytes_in) / seconds,
        bytes_out=(after.bytes_out - before.bytes_out) / seconds,
        memory=after.memory,
        clients=after.clients,
        client_bytes=after.client_bytes,
        held=held,
        backlog=backlog,
        settle=percentiles(fared.settle),
        lag_p99=fared.lag.percentile(99) if len(fared.lag) else 0.0,
        fleet_cpu=fared.cpu,
        book=book,
        queue=queue,
        result_bytes=result_bytes,
    )


def percentiles(latency: Latency, of: Sequence[float] = (50, 99, 100)) -> dict[str, float]:
    """The seconds within which so many percent were done, 100 being the longest; {} if none."""
    if not len(latency):
        return {}
    return {"max" if p == 100 else f"p{p:g}": latency.percentile(p) for p in of}
